#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that cannot be converted, some of them made to do harm: p2v convert ends soon, with a sentence that names the
object and the right exit code, leaves no output, and the disk is as it was.

usage: bad-guest.py [--build DIR] [CASE]..."""

import os
import random
import shutil
import subprocess
import tempfile

from lib import cases, server, vm

MIB = 1 << 20
CASES = cases.Cases()
need, digest = cases.need, cases.digest


def convert(steps, disk, code, *words, args=()):
    """Converts and expects the exit code; the sentence holds all the words; the disk stays as it was and nothing
    is handed over."""
    out = os.path.join(steps.work, "job")
    shutil.rmtree(out, ignore_errors=True)
    before = digest(disk)
    done = steps.run("convert", [steps.program("p2v"), "convert", disk, "-o", out, "--progress", "none", *args],
                     expect=(0, 1, 2, 3), limit_s=300)
    text = done.stderr.strip()
    need(done.returncode == code, f"exit code {done.returncode} instead of {code}: {text}")
    for word in words:
        need(word in text, f"does not say '{word}': {text}")
    need(digest(disk) == before, "the disk is not what it was")
    need(not os.path.exists(os.path.join(out, "output.json")), "output.json is there")
    left = os.listdir(os.path.join(out, "output")) if os.path.exists(os.path.join(out, "output")) else []
    need(not left, f"output holds {left}")
    work = os.path.join(out, "work")
    need(not os.path.exists(work) or not os.listdir(work), "work is not empty")
    print(f"      {code}: {text.splitlines()[-1][:170]}", flush=True)


def linux_disk(steps, name, change):
    """A small system's root in one partition; change(root) makes it a bad one."""
    root = os.path.join(steps.work, f"{name}.root")
    for folder in ("etc", "boot/grub", "dev", "lib/modules", "usr/bin"):
        os.makedirs(os.path.join(root, folder))
    with open(os.path.join(root, "etc/os-release"), "w") as file:
        file.write('ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n')
    with open(os.path.join(root, "etc/hostname"), "w") as file:
        file.write("bad\n")
    change(root)
    disk = os.path.join(steps.work, f"{name}.img")
    with open(disk, "wb") as file:
        file.truncate(64 * MIB)
    subprocess.run(["sfdisk", "-q", disk], input=b"label: dos\nstart=2048, type=83, bootable\n", check=True)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, "-E", "offset=1048576", disk, "60M"], check=True)
    shutil.rmtree(root)
    return disk


@CASES.add
def noise(steps):
    """No table, no file system."""
    disk = os.path.join(steps.work, "noise.img")
    with open(disk, "wb") as file:
        file.write(random.Random(7).randbytes(8 * MIB))
    convert(steps, disk, 3, "no operating system", args=("--input-format", "raw"))


@CASES.add
def data_disk(steps):
    """A file system with files, but no system."""
    convert(steps, linux_disk(steps, "data", lambda root: shutil.rmtree(os.path.join(root, "etc"))), 3,
            "no operating system")


@CASES.add
def endless_fstab(steps):
    """/etc/fstab is a link to a device that never ends."""
    def change(root):
        os.mknod(os.path.join(root, "dev/zero"), 0o666 | 0o020000, os.makedev(1, 5))
        os.symlink("/dev/zero", os.path.join(root, "etc/fstab"))
    convert(steps, linux_disk(steps, "endless", change), 1, "/etc/fstab", "character device")


@CASES.add
def link_loop(steps):
    """/etc/fstab leads to itself, and so does half of /boot."""
    def change(root):
        os.symlink("fstab.d", os.path.join(root, "etc/fstab"))
        os.symlink("../etc/fstab", os.path.join(root, "etc/fstab.d"))
        os.symlink("grub.cfg", os.path.join(root, "boot/grub/grub.cfg"))
    convert(steps, linux_disk(steps, "loop", change), 1, "/etc/fstab", "round in a circle")


@CASES.add
def no_kernel(steps):
    """A system that nothing can start."""
    def change(root):
        with open(os.path.join(root, "etc/fstab"), "w") as file:
            file.write("/dev/sda1 / ext4 defaults 0 1\n")
    convert(steps, linux_disk(steps, "nokernel", change), 3, "kernel")


@CASES.add
def foreign_backing(steps):
    """A disk whose first bytes pose as a qcow2 that leans on a file of this host (CVE-2010-3851)."""
    secret = os.path.join(steps.work, "secret.img")
    with open(secret, "wb") as file:
        file.truncate(MIB)
    disk = os.path.join(steps.work, "posing.img")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret, disk], check=True)
    convert(steps, disk, 3, "posing.img", "secret.img")


@CASES.add
def misuse(steps):
    """Words that are no disks and no formats."""
    tool = steps.program("p2v")
    disk = os.path.join(steps.work, "small.img")
    with open(disk, "wb") as file:
        file.truncate(MIB)
    empty = tempfile.mkdtemp(dir=steps.work)
    for argv, code, word in (
            (["convert"], 2, "--help"),
            (["convert", disk], 2, "-o"),
            (["convert", "/nonexistent", "-o", empty], 1, "/nonexistent"),
            (["convert", "/dev/null", "-o", empty], 2, "/dev/null"),
            (["convert", "-o", empty], 1, "image.json"),
            (["convert", disk, "-o", os.path.join(empty, "new"), "--format", "floppy"], 2, "floppy"),
            (["convert", disk, "-o", os.path.join(empty, "new"), "--target", "moon"], 2, "moon"),
            (["convert", disk, "-n", "--machine", disk], 1, "small.img"),
            (["prove", empty], 1, "output.json"),
            (["inspect"], 2, "--help"),
            (["nonsense"], 2, "nonsense")):
        done = subprocess.run([tool, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=60)
        need(done.returncode == code, f"{argv}: exit code {done.returncode} instead of {code}: {done.stderr}")
        need(word in done.stderr, f"{argv}: does not say '{word}': {done.stderr}")
        need(not os.path.exists(os.path.join(empty, "new", "image.json")), f"{argv}: left a job behind")


if __name__ == "__main__":
    server.require("qemu-img", "qemu-system-x86_64", "mke2fs", "sfdisk")
    with vm.heavy_lock():
        CASES.main("bad-guest", __doc__)
