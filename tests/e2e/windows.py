#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole disks with a phony Windows, converted as an operator does: what is in the result is read without p2v, the
registry by two readers, and undone it is the disk that was received. What cannot be converted is refused with what to
do, and its disk stays as it was.

usage: windows.py [--build DIR] [CASE]..."""

import json
import os
import shutil

import daemon
from lib import cases, vm, windows

CASES = cases.Cases()
need, digest = cases.need, cases.digest
DRIVERS = ["System32/drivers/viostor.sys", "System32/drivers/vioscsi.sys", "System32/drivers/storahci.sys",
           "System32/drivers/msahci.sys"]


def convert(steps, *more, expect=(0,)):
    return steps.run("convert", [steps.program("p2v"), "convert", "--progress", "none", *more], expect=expect, limit_s=600)


def job_of(steps):
    job = os.path.join(steps.work, "job")
    shutil.rmtree(job, ignore_errors=True)
    return job


def noun(job, name):
    with open(os.path.join(job, f"{name}.json")) as file:
        return json.load(file)


def image_of(steps, job, folder):
    disk = noun(job, "output")["disks"][0]
    shutil.rmtree(os.path.join(steps.work, folder), ignore_errors=True)
    return windows.Image(os.path.join(job, disk["path"]), disk["format"], os.path.join(steps.work, folder))


def check_registry(before, after):
    """The lines that went and came; both readers agree on every hive."""
    done = windows.script("compare.py", before.hives(), after.hives(), check=False)
    need(done.returncode == 0, f"the registry is not read alike: {done.stderr.strip()}")
    return done.stdout


def check_starts(after, *devices):
    done = windows.script("lookup.py", "--boots", after.tree(DRIVERS), *devices, check=False)
    need(done.returncode == 0, f"would not start: {done.stdout}")


def check_report(job, text):
    """Each registry value that differs is in the report of changes."""
    report = ""
    for change in noun(job, "changes")["changes"]:
        if change.get("diff"):
            with open(os.path.join(job, change["diff"])) as file:
                report += file.read()
    for line in text.splitlines():
        if line[:2] in ("+ ", "- ") and " [" in line:
            key, _, rest = line[2:].partition(" [")
            name = rest.partition("]")[0]
            told = f"{key} [{name or '(default)'}]" in report or any(f"- {key[:n]}\n" in report for n in range(1, len(key) + 1))
            need(told, f"changed, and not in the report: {line}")


def walk(steps, system, devices, *words):
    disk = windows.make_disk(steps.work, system, *words)
    windows.lock_down(disk)
    media = windows.make_media(steps.work, system)
    job, before = job_of(steps), digest(disk)
    argv = [disk, "-o", job, "--input-format", "raw", "--machine", windows.machine(steps.work), "--virtio-win", media]
    convert(steps, *argv)
    need(digest(disk) == before, "the disk that was given is not what it was")
    after = image_of(steps, job, "after")
    was = windows.Image(disk, "raw", os.path.join(steps.work, f"was-{system}"))
    text = check_registry(was, after)
    need("viostor" in text or "StartOverride" in text, f"the registry is as it was: {text}")
    check_starts(after, *devices)
    check_report(job, text)
    wide = windows.open_to_all(after.part("windows"))
    need(not wide, f"everybody may write {wide}")
    return job, after


@CASES.add
def uefi_2019(steps):
    """Server 2019 by UEFI, whose removable path is another system's; converted, converted again, taken back."""
    job, after = walk(steps, "2k19", ["virtio-blk", "virtio-scsi"], "removable-foreign", "agents", "filters")
    need(after.esp("EFI/Boot/bootx64.efi") == after.esp("EFI/Microsoft/Boot/bootmgfw.efi") is not None,
         "the removable path does not start Windows")
    need(after.esp("EFI/debian/shimx64.efi"), "another system's loader is gone")
    need(after.ntfs("Windows/p2v/firstboot.cmd"), "there is no script for the first start")
    with open(os.path.join(job, noun(job, "output")["domain_xml"])) as file:
        xml = file.read()
    for word in ("offset='localtime'", "hyperv", "virtio"):
        need(word in xml, f"the domain does not say {word}")
    disk = noun(job, "output")["disks"][0]
    converted = os.path.join(job, disk["path"])
    out = os.path.join(steps.work, "twice")
    shutil.rmtree(out, ignore_errors=True)
    convert(steps, converted, "-o", out, "--input-format", disk["format"], "--virtio-win",
            os.path.join(steps.work, "virtio-win"))
    need(not noun(out, "changes")["changes"], "converted twice, and it changes again")


@CASES.add
def bios_7(steps):
    """Windows 7 by BIOS, its boot files on a partition of their own."""
    walk(steps, "w7", ["virtio-blk", "virtio-scsi"])


@CASES.add
def undone(steps):
    """Taken back, the job's disk is what was received, to the bit."""
    disk = windows.make_disk(steps.work, "2k25")
    job = job_of(steps)
    os.makedirs(os.path.join(job, "image"))
    image = os.path.join(job, "image", "disk0.qcow2")
    steps.run("image", ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", disk, image])
    with open(os.path.join(job, "image.json"), "w") as file:
        json.dump({"version": 1, "name": "win", "disks": [
            {"id": "disk0", "path": "image/disk0.qcow2", "format": "qcow2", "size_bytes": os.path.getsize(disk),
             "logical_sector_bytes": 512, "owned": True}]}, file)
    convert(steps, "-o", job)
    steps.run("differs", ["qemu-img", "compare", "-q", "-f", "qcow2", "-F", "raw",
                          os.path.join(job, noun(job, "output")["disks"][0]["path"]), disk], expect=(1,))
    convert(steps, "--undo", job)
    steps.run("same", ["qemu-img", "compare", "-q", "-f", "qcow2", "-F", "raw", image, disk])


@CASES.add
def received(steps):
    """Received by p2vd: the drivers come from the medium that p2vd.conf names, without a hand."""
    disk = windows.make_disk(steps.work, "2k19")
    media = windows.make_media(steps.work, "2k19")
    steps.start_server()
    p2vd = daemon.Daemon(steps, virtio_win=media, hold=["emission"])
    try:
        p2vd.start()
        steps.send([disk], windows.machine(steps.work))
        p2vd.comes("held")
    finally:
        p2vd.stop()
    plan, changes = (steps.noun("web01", name) for name in ("plan.json", "changes.json"))
    need(plan.get("media") == media, f"the plan says {plan.get('media')}")
    need(plan["disks"][0]["bus"] == "virtio-blk" and plan["nics"][0]["model"] == "virtio-net", "it gets no virtio hardware")
    need("/Windows/System32/drivers/viostor.sys" in [c["path"] for c in changes["changes"]], "no driver was put in")


def refused(steps, system, word, *said):
    disk = windows.make_disk(steps.work, system, word)
    job, before = job_of(steps), digest(disk)
    done = convert(steps, disk, "-o", job, "--input-format", "raw", expect=(0, 1, 2, 3))
    text = done.stderr.strip()
    print(f"      {done.returncode}: {text.splitlines()[-1][:170] if text else ''}", flush=True)
    need(done.returncode == 3, f"exit code {done.returncode} instead of 3: {text}")
    for words in said:
        need(words in text, f"does not say '{words}': {text}")
    need(digest(disk) == before, "the disk is not what it was")
    need(not os.path.exists(os.path.join(job, "output.json")), "something is handed over")


@CASES.add
def bitlocker(steps):
    """A volume that nobody can read without its key."""
    refused(steps, "w10", "bitlocker", "BitLocker", "--key")


@CASES.add
def dynamic_disk(steps):
    """Windows on a dynamic disk."""
    refused(steps, "2k19", "dynamic", "dynamic")


@CASES.add
def hibernated(steps):
    """Windows that waits to be resumed: ntfs-3g does not even mount it for writing."""
    refused(steps, "w10", "hibernated", "hibernated", "shutdown /s")


@CASES.add
def not_unmounted(steps):
    """A volume whose log nobody has brought to its end."""
    refused(steps, "2k19", "unclean", "not unmounted", "--refresh")


@CASES.add
def dirty_registry(steps):
    """A registry whose last edits are in its logs only."""
    refused(steps, "2k19", "dirty", "SYSTEM", "shutdown /s")


if __name__ == "__main__":
    windows.require()
    with vm.heavy_lock():
        CASES.main("windows", __doc__)
