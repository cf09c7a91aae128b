#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server of the matrix: what tests/images/NAME.sh makes.

usage: matrix.py NAME STEP [--build DIR]

physical    it boots on its own, physical-like hardware and answers at its static address
untouched   its disk does not boot on virtio: without this, a conversion that does nothing would pass
converted   `p2v convert` and `p2v prove`: the verdict is "proven", with every check of it
"""

import argparse
import json
import os
import subprocess
import tempfile

from lib import server, vm, walk

LIMIT_S = 900
# What the initramfs of each kind writes while it still waits for its root. The words before it are put together
# when it is written, so that no file of the initramfs holds them in this form.
GIVES_UP = [b"Warning: dracut-initqueue: timeout, still waiting", b"Gave up waiting for root file system device"]


def boot(machine_argv, image, work):
    port = vm.free_port()
    disk = vm.overlay_create(image, "raw", os.path.join(work, "disk.qcow2"))
    return port, vm.Vm(machine_argv(disk, port), work, limit_s=LIMIT_S + 60)


def physical(box, image, work, _):
    port, machine = boot(box.physical_argv, image, work)
    with machine:
        banner = machine.wait(f"SSH banner from {box.address}", lambda: vm.tcp_banner(port), LIMIT_S)
        print(f"{machine.seconds():.0f} s: {box.address} answers: {banner}")
        written = machine.disk_stats("disk")["wr_bytes"]
    if not banner.startswith("SSH-2.0-") or written == 0:
        raise vm.VmError(f"{box.name} answered '{banner}' and wrote {written} bytes to its disk")


def untouched(box, image, work, _):
    port, machine = boot(box.virtio_argv, image, work)
    with machine:

        def gave_up():
            if vm.tcp_banner(port, limit_s=1):
                raise vm.VmError(f"the untouched disk boots on virtio: {box.address} answers")
            return machine.memory_holds(GIVES_UP)

        text = machine.wait("sign that the initramfs gives up", gave_up, LIMIT_S, every_s=15)
        print(f"{machine.seconds():.0f} s: {text.decode()}")
        disk = machine.disk_stats("disk")
    if disk["rd_bytes"] == 0 or disk["wr_bytes"] != 0:
        raise vm.VmError("the boot loader must have read the disk, and nobody written it: "
                         f"{disk['rd_bytes']} bytes read, {disk['wr_bytes']} written")


def converted(box, image, work, build):
    job = os.path.join(work, "job")
    machine = walk.machine_json(box, os.path.join(work, "machine.json"))
    steps = walk.Walk(build, work)
    steps.run("convert", [steps.program("p2v"), "convert", image, "--input-format", "raw", "-o", job, "--machine", machine])
    steps.run("prove", [steps.program("p2v"), "prove", job], expect=(0, 1))
    with open(os.path.join(job, "proof.json")) as file:
        proof = json.load(file)
    for check in proof["checks"]:
        print(f"{'yes' if check['ok'] else 'NO ':4}{check['name']:14} {check.get('evidence', '')}")
    if proof["verdict"] != "proven":
        with open(os.path.join(job, "proof", "serial.log"), errors="replace") as log:
            print(log.read()[-8000:])
        raise vm.VmError(f"{box.name} is {proof['verdict']}: {proof.get('reason', '')}")
    print(f"convert {steps.times['convert']:.0f} s, prove {steps.times['prove']:.0f} s")


STEPS = {"physical": physical, "untouched": untouched, "converted": converted}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--build", default="build")
    options = parser.parse_args()
    server.require("qemu-system-x86_64", "qemu-img")
    box = server.Server(options.name)
    box.require()
    image = server.image_path(options.name)
    try:
        with tempfile.TemporaryDirectory(prefix="p2v-matrix.", dir="/var/tmp") as work, vm.heavy_lock():
            STEPS[options.step](box, image, work, os.path.abspath(options.build))
    except (walk.StepFailed, subprocess.TimeoutExpired) as error:
        raise vm.VmError(str(error))


if __name__ == "__main__":
    server.run(main)
