#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversions that are done twice, taken back, killed, interrupted, or without room: what was received stays as it
was, nothing half-made is left, and the same command then succeeds with the same result.

usage: interrupted.py [--build DIR] [CASE]..."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time

from lib import cases, guests, server, vm

MIB = 1 << 20
CASES = cases.Cases()
need, digest = cases.need, cases.digest


def argv(steps, *more):
    return [steps.program("p2v"), "convert", "--progress", "none", *more]


def convert(steps, *more, expect=(0,)):
    return steps.run("convert", argv(steps, *more), expect=expect, limit_s=400)


def received(steps, folder):
    """A job directory as p2v-recv leaves it: the disk is the job's own."""
    job = os.path.join(folder, "job")
    shutil.rmtree(job, ignore_errors=True)
    os.makedirs(os.path.join(job, "image"))
    image = os.path.join(job, "image", "disk0.qcow2")
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", steps.disk, image], check=True)
    with open(os.path.join(job, "image.json"), "w") as file:
        json.dump({"version": 1, "name": "small", "disks": [
            {"id": "disk0", "path": "image/disk0.qcow2", "format": "qcow2", "size_bytes": 64 * MIB,
             "logical_sector_bytes": 512, "owned": True}]}, file)
    return job


def same(a, b, a_format="qcow2", b_format="qcow2"):
    return subprocess.run(["qemu-img", "compare", "-q", "-f", a_format, "-F", b_format, a, b]).returncode == 0


def output(job):
    with open(os.path.join(job, "output.json")) as file:
        return os.path.join(job, json.load(file)["disks"][0]["path"])


def changes(job):
    with open(os.path.join(job, "changes.json")) as file:
        return [(c["path"], c["action"], c.get("after_digest")) for c in json.load(file)["changes"]]


def clean(job):
    """Nothing half-made: no overlay, no part of an output."""
    work = os.path.join(job, "work")
    need(not os.path.exists(work) or not os.listdir(work), f"work holds {os.path.exists(work) and os.listdir(work)}")
    out = os.path.join(job, "output")
    left = [name for name in os.listdir(out)] if os.path.exists(out) else []
    need(os.path.exists(os.path.join(job, "output.json")) or not left, f"output holds {left}")


def pristine(steps, job):
    """The received disk reads as it was, and has no snapshot."""
    image = os.path.join(job, "image", "disk0.qcow2")
    need(same(steps.disk, image, a_format="raw"), "the received disk is not what it was")
    info = json.loads(subprocess.run(["qemu-img", "info", "--output=json", image], check=True,
                                     stdout=subprocess.PIPE).stdout)
    need(not info.get("snapshots"), "the received disk has a snapshot")


def mendable(steps, image):
    """What a kill leaves in a qcow2 is counts that are too high, which QEMU itself mends; tried on a copy."""
    copy = os.path.join(steps.work, "copy.qcow2")
    shutil.copyfile(image, copy)
    subprocess.run(["qemu-img", "check", "-q", "-r", "all", copy], stderr=subprocess.DEVNULL)
    subprocess.run(["qemu-img", "check", "-q", copy], check=True)
    os.unlink(copy)


@CASES.add
def twice(steps):
    """Done again the result is the same; converted once more, from its own result, nothing changes."""
    job = received(steps, steps.work)
    convert(steps, "-o", job)
    first = changes(job)
    need(first, "nothing was changed")
    need(steps.run("again", argv(steps, "-o", job), expect=(3,)), "a converted job was not refused")
    copy = os.path.join(steps.work, "first.qcow2")
    shutil.copy(output(job), copy)
    convert(steps, "-o", job, "--again")
    need(changes(job) == first, f"other changes: {changes(job)}")
    other = os.path.join(steps.work, "other")
    shutil.rmtree(other, ignore_errors=True)
    convert(steps, copy, "-o", other, "--machine", os.path.join(job, "machine.json")) \
        if os.path.exists(os.path.join(job, "machine.json")) else convert(steps, copy, "-o", other)
    need(changes(other) == [], f"converted twice, these change again: {changes(other)}")
    clean(job)


@CASES.add
def undone(steps):
    """--undo gives the received disk back, and may be said twice."""
    job = received(steps, steps.work)
    convert(steps, "-o", job)
    need(not same(steps.disk, output(job), a_format="raw"), "the conversion changed nothing")
    for _ in range(2):
        convert(steps, "--undo", job)
        pristine(steps, job)
        for noun in ("facts.json", "plan.json", "changes.json", "changes", "output.json", "output"):
            need(not os.path.exists(os.path.join(job, noun)), f"{noun} is still there")
    convert(steps, "-o", job)


def appliances(pid):
    """The QEMU processes below a process."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task") if os.path.exists(f"/proc/{pid}") else []:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/children") as file:
            for child in file.read().split():
                with contextlib.suppress(OSError), open(f"/proc/{child}/comm") as comm:
                    if comm.read().startswith("qemu-system"):
                        found.append(int(child))
    return found


def wait_for(what, found, limit_s=200):
    end = time.monotonic() + limit_s
    while not found():
        need(time.monotonic() < end, f"{what} did not come within {limit_s} s")
        time.sleep(0.02)


def start(steps, *more):
    return subprocess.Popen(argv(steps, *more), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


# Moments in a conversion, by what lies in the job directory then.
MOMENTS = {
    "the appliance starts": lambda job, process: appliances(process.pid),
    "the plan is there": lambda job, process: os.path.exists(os.path.join(job, "plan.json")),
    "the changes are there": lambda job, process: os.path.exists(os.path.join(job, "changes.json")),
    "the disk is being emitted": lambda job, process: os.path.exists(os.path.join(job, "output")) and
                                 os.listdir(os.path.join(job, "output")),
}


@CASES.add
def killed(steps):
    """kill -9 at several moments: the appliance ends, too; the disk is whole; the next one succeeds."""
    job = received(steps, steps.work)
    for moment, came in MOMENTS.items():
        process = start(steps, "-o", job)
        wait_for(moment, lambda: came(job, process) or process.poll() is not None)
        children = appliances(process.pid)
        process.kill()
        process.communicate()
        wait_for("the end of the appliance", lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children), 60)
        mendable(steps, os.path.join(job, "image", "disk0.qcow2"))
        print(f"      killed when {moment}", flush=True)
    convert(steps, "-o", job, "--again")
    clean(job)
    convert(steps, "--undo", job)
    pristine(steps, job)
    subprocess.run(["qemu-img", "check", "-q", os.path.join(job, "image", "disk0.qcow2")], check=True)


@CASES.add
def interrupted(steps):
    """Ctrl-C while the appliance works: ends soon, says so, leaves nothing."""
    job = received(steps, steps.work)
    for moment in ("the appliance starts", "the plan is there"):
        process = start(steps, "-o", job)
        wait_for(moment, lambda: MOMENTS[moment](job, process) or process.poll() is not None)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=100)
        need(process.returncode == 1 and "interrupted" in err, f"{moment}: {process.returncode}: {err}")
        print(f"      {moment}: ended after {time.monotonic() - begin:.1f} s: {err.strip()}", flush=True)
        clean(job)
        pristine(steps, job)


@contextlib.contextmanager
def small_folder(steps, mib, options=""):
    path = os.path.join(steps.work, "small")
    os.makedirs(path, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=755{options}", "small", path], check=True)
    try:
        yield path, lambda how: subprocess.run(["mount", "-o", f"remount,{how}", path], check=True)
    finally:
        subprocess.run(["umount", path], check=True)


@CASES.add
def no_room(steps):
    """The job's file system is full: says so, nothing is left; with room made, the same command succeeds."""
    with small_folder(steps, 200) as (folder, remount):
        job = received(steps, folder)
        filler = os.path.join(folder, "filler")
        free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
        with open(filler, "wb") as file:
            file.write(b"x" * (free - 600 * 1024))
        done = convert(steps, "-o", job, expect=(1,))
        need("space" in done.stderr.lower(), f"does not speak of space: {done.stderr}")
        print(f"      {done.returncode}: {done.stderr.strip()[:170]}", flush=True)
        clean(job)
        pristine(steps, job)
        os.unlink(filler)
        convert(steps, "-o", job)


@CASES.add
def read_only(steps):
    """The job directory cannot be written: says so before the appliance is started."""
    with small_folder(steps, 200) as (folder, remount):
        job = received(steps, folder)
        remount("ro")
        begin = time.monotonic()
        for more in (["-o", job], [steps.disk, "-o", os.path.join(folder, "new")]):
            done = convert(steps, *more, expect=(1,))
            need("Read-only file system" in done.stderr and folder in done.stderr, f"says: {done.stderr}")
        need(time.monotonic() - begin < 60, "took long to find out")
        print(f"      {done.returncode}: {done.stderr.strip()[:170]}", flush=True)
        remount("rw")


def before(steps):
    steps.disk = guests.linux_disk(steps.work, "small", guests.add_kernel)
    steps.before = digest(steps.disk)


def after(steps):
    need(digest(steps.disk) == steps.before, "the source is not what it was")


if __name__ == "__main__":
    server.require("qemu-img", "qemu-system-x86_64", "mke2fs", "sfdisk", "mount")
    with vm.heavy_lock():
        CASES.main("interrupted", __doc__, before, after)
