#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same disks through virt-v2v and through p2v convert: every registry value that virt-v2v writes is there with the
same effect, or the table below says why not; the manual (p2v/doc/windows.md) has each reason of the table.

The effect that counts is looked up as Windows does it (tests/images/windows/lookup.py): which driver each kind of disk
gets, from which file.

usage: windows-v2v.py [--build DIR] [CASE]..."""

import json
import os
import re
import shutil
import subprocess

from lib import cases, server, vm, windows

CASES = cases.Cases()
need, digest = cases.need, cases.digest
DRIVERS = ["System32/drivers/viostor.sys", "System32/drivers/vioscsi.sys"]
MANUAL = os.path.normpath(os.path.join(os.path.dirname(__file__), "../../p2v/doc/windows.md"))

# What of virt-v2v's is not there as it is: its key and value, and where the manual says why.
DIFFERENT = [
    (r"\\CriticalDeviceDatabase\\|DriverDatabase\\|\\Services\\vio(stor|scsi)(\\| \[)", "own names, same driver"),
    (r"\\Services\\firstboot( |\\)", "first start"),
    (r"\\CurrentVersion \[DevicePath\]", "DevicePath"),
    (r"\\Services\\rhelscsi|\\Control\\Class\\.*prl_strg|\\Services\\(intelppm|processr) ", "other hypervisors"),
    (r"\\Services\\EventLog|\\Services\\Eventlog", "first start"),
    (r"\\Control\\CrashControl \[AutoReboot\]", "AutoReboot"),
]


def v2v(steps, disk, must=True):
    """What virt-v2v makes of it: the image, or None; and what it said."""
    out, tools = os.path.join(steps.work, "v2v"), os.path.join(steps.work, "virt-tools")
    for folder in (out, tools):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
    for name in ("rhsrvany.exe", "pvvxsvc.exe", "pnp_wait.exe"):
        with open(os.path.join(tools, name), "wb") as file:
            file.write(b"MZ" + bytes(510))
    env = {**os.environ, "LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg",
           "VIRTIO_WIN": os.path.join(steps.work, "virtio-win"), "VIRT_TOOLS_DATA_DIR": tools}
    done = subprocess.run(["virt-v2v", "-i", "disk", disk, "-if", "raw", "-o", "local", "-os", out, "-on", "v2v"], env=env,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900)
    said = (done.stdout + done.stderr).strip()
    need(done.returncode == 0 or not must, f"virt-v2v: exit code {done.returncode}: {said[-1500:]}")
    image = os.path.join(out, "v2v-sda")
    return (image if done.returncode == 0 else None), said


def ours(steps, disk):
    job = os.path.join(steps.work, "job")
    shutil.rmtree(job, ignore_errors=True)
    steps.run("convert", [steps.program("p2v"), "convert", disk, "-o", job, "--input-format", "raw", "--progress", "none",
                          "--virtio-win", os.path.join(steps.work, "virtio-win"), "--machine", windows.machine(steps.work)],
              limit_s=600)
    with open(os.path.join(job, "output.json")) as file:
        output = json.load(file)["disks"][0]
    return windows.Image(os.path.join(job, output["path"]), output["format"], fresh(steps, "ours"))


def fresh(steps, name):
    folder = os.path.join(steps.work, name)
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def came(before, after):
    """The values that are new or other than they were."""
    text = windows.script("compare.py", before.hives(), after.hives()).stdout
    return [line[2:] for line in text.splitlines() if line.startswith("+ ") and " [" in line]


def starts(image, device):
    """The driver that each control set gives to that device: "ControlSet001 PCI...: viostor, viostor.sys"."""
    done = windows.script("lookup.py", "--boots", image.tree(DRIVERS), device, check=False)
    return done.returncode == 0, done.stdout


def explain(line):
    for pattern, words in DIFFERENT:
        if re.search(pattern, line, re.IGNORECASE):
            return words
    return None


def compare(steps, before, theirs, mine):
    with open(MANUAL) as file:
        manual = file.read()
    own, missing = set(came(before, mine)), []
    for line in came(before, theirs):
        words = None if line in own else explain(line)
        if line not in own and (not words or words not in manual):
            missing.append(line)
        elif words:
            print(f"      other ({words}): {line[:130]}", flush=True)
    need(not missing, "virt-v2v writes, and p2v does not: " + "; ".join(missing))
    for device in ("virtio-blk-old", "virtio-blk", "virtio-scsi"):
        there, text = starts(theirs, device)
        here, own_text = starts(mine, device)
        print(f"      {device}: virt-v2v {'starts' if there else 'does not start'}, p2v {'starts' if here else 'does not start'}",
              flush=True)
        need(here or not there, f"{device}: starts by virt-v2v only: {text} {own_text}")


def both(steps, system):
    disk = windows.make_disk(steps.work, system)
    windows.make_media(steps.work, system)
    before = windows.Image(disk, "raw", fresh(steps, "before"))
    image, _ = v2v(steps, disk)
    theirs = windows.Image(image, "raw", fresh(steps, "theirs"))
    compare(steps, before, theirs, ours(steps, disk))


@CASES.add
def windows_7(steps):
    """CriticalDeviceDatabase."""
    both(steps, "w7")


@CASES.add
def server_2016(steps):
    """DriverDatabase, by BIOS."""
    both(steps, "2k16")


@CASES.add
def uefi_2019(steps):
    """By UEFI, where virt-v2v 2.2.0 fails on some disks for want of a directory for the EFI system partition."""
    disk = windows.make_disk(steps.work, "2k19", "removable-absent")
    windows.make_media(steps.work, "2k19")
    theirs, said = v2v(steps, disk, must=False)
    print(f"      virt-v2v: {'converts' if theirs else said[-300:]}", flush=True)
    image = ours(steps, disk)
    need(image.esp("EFI/Boot/bootx64.efi"), "there is no removable path")
    for device in ("virtio-blk", "virtio-scsi"):
        here, text = starts(image, device)
        need(here, f"would not start: {text}")


if __name__ == "__main__":
    windows.require()
    server.require("virt-v2v")
    with vm.heavy_lock():
        CASES.main("windows-v2v", __doc__)
