#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo, and what it must leave behind: a proof, a report that names every change, a second installed kernel that
boots too, a refusal to convert twice, and a way back to the disk as it was received.

usage: corridor.py [--build DIR] [--work DIR]"""

import argparse
import os
import shutil
import subprocess
import sys

import demo
from lib import server, vm, walk

OLDER_LIMIT_S = 420
CHANGED = ["/etc/fstab", "/etc/default/grub", "/boot/grub/grub.cfg", "/boot/grub/device.map", "/etc/initramfs-tools/modules",
           "/etc/systemd/network/10-p2v-enp0s3.link"]


def need(ok, text):
    if not ok:
        raise walk.StepFailed(text)


def check_nouns(steps):
    receipt = steps.noun("web01", "receipt")["disks"][0]
    need(receipt["verified"], "the receipt does not say that the disk was verified")
    need(receipt["sent_bytes"] < receipt["read_bytes"], "nothing was saved on the wire")
    changes = steps.noun("web01", "changes.json")["changes"]
    paths = [change["path"] for change in changes]
    for path in CHANGED:
        need(path in paths, f"{path} is not among the changes: {paths}")
    initramfs = [change for change in changes if change["path"].startswith("/boot/initrd.img-")]
    need(len(initramfs) == 2, f"{len(initramfs)} initramfs images were changed; two kernels are installed")
    for change in initramfs:
        need(change["action"] == "append", f"{change['path']}: {change['action']}, but the old image must stay as it is")
    output = steps.noun("web01", "output.json")
    need(output["memory_bytes"] == 1 << 30, "the machine's memory is not the physical one's")
    need(output["disks"][0]["bus"] == "virtio-blk", "the disk is not on virtio-blk")
    need(output["nics"][0]["model"] == "virtio-net", "the card is not virtio-net")


def choose_last_kernel(machine):
    """Down to "Advanced options", into it, down past the default kernel's two entries, and start."""
    machine.wait("GRUB's menu", lambda: "Advanced options" in machine.vga_text(), 120, every_s=0.2)
    for key in ("down", "ret"):
        machine.qmp.call("send-key", keys=[{"type": "qcode", "data": key}])
    machine.wait("GRUB's second menu", lambda: "6.1.0" in machine.vga_text(), 120, every_s=0.2)
    for key in ("down", "down", "ret"):
        machine.qmp.call("send-key", keys=[{"type": "qcode", "data": key}])


def boot_older_kernel(steps, web):
    """Every installed kernel must boot, not the default alone."""
    older = min(kernel["release"] for kernel in steps.noun("web01", "facts.json")["systems"][0]["kernels"])
    output = os.path.join(steps.jobs, "web01", steps.noun("web01", "output.json")["disks"][0]["path"])
    port = vm.free_port()
    disk = vm.overlay_create(output, "qcow2", os.path.join(steps.work, "older.qcow2"))
    with vm.heavy_lock(), vm.Vm(web.virtio_argv([disk], port), steps.work, limit_s=OLDER_LIMIT_S + 60) as machine:
        choose_last_kernel(machine)
        machine.wait(f"Linux {older}", lambda: f"Linux version {older}" in machine.serial_text()
                     or older in machine.vga_text(), OLDER_LIMIT_S)
        banner = machine.wait(f"SSH banner from {web.address}", lambda: vm.tcp_banner(port), OLDER_LIMIT_S)
        print(f"   {machine.seconds():.0f} s: {older} boots on virtio, {web.address} answers: {banner}", flush=True)
    os.unlink(disk)


def snapshots(image):
    done = subprocess.run(["qemu-img", "snapshot", "-l", image], check=True, stdout=subprocess.PIPE, text=True)
    return [line.split()[1] for line in done.stdout.splitlines()[2:]]


def check_undo(steps):
    """Converting a converted machine is refused; undo brings back the disk as received, byte for byte."""
    job = os.path.join(steps.jobs, "web01")
    image = os.path.join(job, "image", "disk0.qcow2")
    done = steps.convert("web01", expect=(3,))
    need("--again" in done.stderr, f"does not say what to do: {done.stderr}")
    received = os.path.join(steps.work, "received.raw")
    subprocess.run(["qemu-img", "convert", "-l", "p2v-pristine", "-O", "raw", image, received], check=True)
    steps.run("undo", [steps.program("p2v"), "convert", "--undo", job])
    need(not os.path.exists(os.path.join(job, "output.json")), "output.json is still there")
    need(not snapshots(image), f"snapshots are left: {snapshots(image)}")
    subprocess.run(["qemu-img", "compare", "-q", "-f", "qcow2", "-F", "raw", image, received], check=True)
    os.unlink(received)
    print("   undo: the disk is as it was received", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--work")
    options = parser.parse_args()
    options.quiet = True
    options.work = os.path.abspath(options.work or os.path.join(options.build, "tests", "corridor"))
    demo.prepare(options)
    web = server.Server("debian12-bios")
    try:
        need(demo.Demo(options).run() == 0, "the demo's machine was not proven")
        with walk.Walk(options.build, options.work) as steps:
            check_nouns(steps)
            boot_older_kernel(steps, web)
            check_undo(steps)
    except (walk.StepFailed, vm.VmError, subprocess.CalledProcessError) as error:
        sys.exit(f"FAIL: {error}")
    shutil.rmtree(options.work)


main()
