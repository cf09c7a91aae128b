#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test server boots on its own, physical-like hardware and answers at its static address."""

import tempfile

from lib import server, vm

LIMIT_S = 420


def main():
    server.require("qemu-system-x86_64", "qemu-img")
    web = server.Server("debian12-bios")
    image = server.image_path("debian12-bios")
    with tempfile.TemporaryDirectory(prefix="p2v-physical.") as work, vm.heavy_lock():
        port = vm.free_port()
        disk = vm.overlay_create(image, "raw", f"{work}/disk.qcow2")
        with vm.Vm(web.physical_argv([disk], port), work, limit_s=LIMIT_S + 60) as machine:
            banner = machine.wait(f"SSH banner from {web.address}", lambda: vm.tcp_banner(port), LIMIT_S)
            print(f"{machine.seconds():.0f} s: {web.address} answers: {banner}")
            prompt = f"{web.name} login:"
            machine.wait(prompt, lambda: prompt in machine.vga_text(), LIMIT_S)
            print(f"{machine.seconds():.0f} s: the console says: {prompt}")
            written = machine.disk_stats("disk1")["wr_bytes"]
    if not banner.startswith("SSH-2.0-"):
        raise vm.VmError(f"{web.address} answered, but not as an SSH server: {banner}")
    if written == 0:
        raise vm.VmError("the server wrote nothing to its disk: its root is not there")
    print(f"written to the disk: {written} bytes")


if __name__ == "__main__":
    server.run(main)
