#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-3.0-or-later
"""The untouched disk does not boot on virtio: its initramfs gives up waiting for the root.

Without this proof, a conversion that does nothing would pass. The machine differs from the one of
physical-boot in the kind of disk and NIC only, and its boot loader does read the disk.
"""

import tempfile

from lib import server, vm

LIMIT_S = 420


def main():
    server.require("qemu-system-x86_64", "qemu-img")
    web = server.Server("debian12-bios")
    image = server.image_path("debian12-bios")
    with tempfile.TemporaryDirectory(prefix="p2v-untouched.") as work, vm.heavy_lock():
        port = vm.free_port()
        disk = vm.overlay_create(image, "raw", f"{work}/disk.qcow2")
        with vm.Vm(web.virtio_argv([disk], port), work, limit_s=LIMIT_S + 60) as machine:

            def gave_up():
                banner = vm.tcp_banner(port, limit_s=1)
                if banner:
                    raise vm.VmError(f"the untouched disk boots on virtio: {web.address} answers: {banner}")
                return "(initramfs)" in machine.vga_text()

            machine.wait("shell of the initramfs", gave_up, LIMIT_S)
            print(f"{machine.seconds():.0f} s: the initramfs gave up and started its shell")
            text = machine.vga_text()
            disk_stats = machine.disk_stats("disk1")
    print(text)
    if f"UUID={web.root_uuid} does not exist" not in text:
        raise vm.VmError("the initramfs gave up for another reason than its missing root")
    if disk_stats["rd_bytes"] == 0 or disk_stats["wr_bytes"] != 0:
        raise vm.VmError("the boot loader must have read the disk, and nobody written it: "
                         f"{disk_stats['rd_bytes']} bytes read, {disk_stats['wr_bytes']} written")


if __name__ == "__main__":
    server.run(main)
