#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that cannot be converted, some of them made to do harm: p2v convert ends soon, with a sentence that names the
object and the right exit code, leaves no output, and the disk is as it was.

usage: bad-guest.py [--build DIR] [CASE]..."""

import json
import os
import random
import shutil
import subprocess
import tempfile
import time
import xml.dom.minidom

from lib import cases, guests, server, vm

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
    return guests.linux_disk(steps.work, name, change)


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


# What would do something in a shell, XML, JSON, a terminal.
WORDS = """;reboot$(touch /tmp/p2v-canary)`reboot`'"<x>&\\u0000%n\x1b[2J\x9b\x7f"""


def is_plain(text):
    return not any((ord(c) < 32 and c not in "\n\t") or 0x7f <= ord(c) < 0xa0 for c in text)


@CASES.add
def words(steps):
    """Names that mean something to a shell, a terminal, XML and JSON: converted, and nothing of them gets out."""
    def change(root):
        guests.add_kernel(root)
        guests.write(root, "etc/hostname", WORDS + "\n")
        guests.write(root, "etc/os-release", f"ID=debian\nPRETTY_NAME='{WORDS}</name>'\n")
        with open(os.path.join(root, "etc/fstab"), "a") as file:
            file.write("/dev/;reboot /;reboot ext4 $(x) 0 0\nUUID=<x> /usr/../../.. ext4 nofail 0 0\n")
        for name in (";reboot", "$(reboot)", "a\nGrade: A", "\x1b[2J"):
            guests.write(root, f"boot/vmlinuz-{name}", "x")
            guests.write(root, f"lib/modules/{name}/modules.dep", "../../../../canary.ko:\n")
        for name in ("a\nb", ";reboot", "../x".replace("/", "_"), "<x>&"):
            guests.write(root, f"etc/network/interfaces.d/{name}", "auto eth9\n")
    disk = linux_disk(steps, "words", change)
    out = os.path.join(steps.work, "job")
    shutil.rmtree(out, ignore_errors=True)
    for argv in (["assess", disk], ["inspect", disk], ["assess", disk, "--json"]):
        done = steps.run(argv[0], [steps.program("p2v"), *argv, "--progress", "none"], expect=(0, 3))
        need(is_plain(done.stdout + done.stderr), f"{argv}: prints control characters")
        need("\nGrade: A" not in done.stdout, f"{argv}: a name began a line")
    done = steps.run("convert", [steps.program("p2v"), "convert", disk, "-o", out, "--progress", "none"], expect=(0, 3),
                     limit_s=300)
    need(is_plain(done.stdout + done.stderr), "prints control characters")
    need(not os.path.exists("/tmp/p2v-canary"), "a guest's word was run")
    for noun in os.listdir(out):
        if noun.endswith(".json"):
            with open(os.path.join(out, noun)) as file:
                json.load(file)
    if done.returncode == 0:
        for name in os.listdir(os.path.join(out, "output")):
            path = os.path.join(out, "output", name)
            need(is_plain(name), f"output has {name!r}")
            if name.endswith(".xml"):
                xml.dom.minidom.parse(path)
            if name.endswith(".sh"):
                subprocess.run(["sh", "-n", path], check=True)
            if name.endswith((".xml", ".sh")):
                with open(path) as file:
                    need("reboot" not in file.read(), f"{name} has a guest's words")
    print(f"      {done.returncode}: {(done.stderr or done.stdout).strip().splitlines()[-1][:170]}", flush=True)


@CASES.add
def too_much(steps):
    """Gigabytes of configuration, ten thousand names, FIFOs, devices, and links out of the root: ends soon."""
    def change(root):
        guests.add_kernel(root)
        for path in ("etc/network/interfaces", "etc/crypttab", "etc/default/grub", "etc/lvm/lvm.conf"):
            guests.write(root, path, "x")
            os.truncate(os.path.join(root, path), 1 << 30)
        for at in range(10000):
            guests.write(root, f"etc/network/interfaces.d/x{at}", "")
        os.makedirs(os.path.join(root, "etc/systemd/network"))
        os.mkfifo(os.path.join(root, "etc/systemd/network/a.network"))
        os.mknod(os.path.join(root, "etc/machine-id"), 0o666 | 0o020000, os.makedev(1, 5))
        os.symlink("../../../../../../etc/shadow", os.path.join(root, "etc/adjtime"))
    disk = linux_disk(steps, "toomuch", change)
    begin = time.monotonic()
    done = steps.run("assess", [steps.program("p2v"), "assess", disk, "--json", "--progress", "none"], expect=(0, 1, 3),
                     limit_s=300)
    need(done.returncode == 1 or json.loads(done.stdout)["notes"], "nothing was noted")
    print(f"      {done.returncode}, {time.monotonic() - begin:.0f} s: {(done.stderr or done.stdout)[-200:]!r}", flush=True)


@CASES.add
def one_page(steps):
    """A plain server, told before anything is copied: ready, what will be changed, and nothing written."""
    disk = linux_disk(steps, "page", guests.add_kernel)
    before = digest(disk)
    done = steps.run("assess", [steps.program("p2v"), "assess", disk, "--progress", "none"])
    for word in ("What it is", "Grade", "What will be changed", "/etc/fstab", "What needs you", "p2v-agent --inventory",
                 "What blocks it\n  nothing"):
        need(word in done.stdout, f"does not say '{word}': {done.stdout}")
    need(max(map(len, done.stdout.splitlines())) <= 80 and done.stdout.count("\n") <= 60, "is more than a page")
    need(digest(disk) == before, "the disk is not what it was")


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
