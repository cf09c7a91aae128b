# SPDX-License-Identifier: GPL-3.0-or-later
"""The stream with the real programs, through a real sshd: what a second pass sends, and what becomes of it when it is cut off.

usage: stream.py [--build DIR] [CASE...]"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from lib import server, walk

MIB = 1 << 20
GRAIN = 65536
BLOCK = 4096
CASES = []


class Wrong(Exception):
    """The case did not end as it should."""


def case(function):
    CASES.append(function)
    return function


def need(ok, text):
    if not ok:
        raise Wrong(text)


def make_disk(path, mib, seed=1):
    """Random data, text that compresses, and holes."""
    rng = random.Random(seed)
    with open(path, "wb") as file:
        for at in range(mib):
            if at % 4 == 3:
                continue
            file.seek(at * MIB)
            file.write(rng.randbytes(MIB) if at % 2 else (b"p2v %08d " % at) * (MIB // 13))
        file.truncate(mib * MIB)
    return path


def change_blocks(path, share, seed):
    """Other bytes in this share of the blocks of 4 KiB, every fifth of them zeros; the grains that are now others."""
    rng = random.Random(seed)
    changed = set()
    with open(path, "r+b") as file:
        blocks = os.path.getsize(path) // BLOCK
        for i, block in enumerate(rng.sample(range(blocks), int(blocks * share))):
            file.seek(block * BLOCK)
            before = file.read(BLOCK)
            after = bytes(BLOCK) if i % 5 == 0 else rng.randbytes(BLOCK)
            file.seek(block * BLOCK)
            file.write(after)
            if after != before:
                changed.add(block * BLOCK // GRAIN)
    return changed


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def image_is(steps, name, disk):
    raw = os.path.join(steps.work, f"{name}.raw")
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw",
                    os.path.join(steps.jobs, name, "image", "disk0.qcow2"), raw], check=True)
    same = digest(raw) == digest(disk)
    os.unlink(raw)
    need(same, "the image is not the disk")


def said(done, code, *words):
    text = (done.stderr or "").strip()
    need(done.returncode == code, f"exit code {done.returncode} instead of {code}: {text[-600:]}")
    for word in words:
        need(word in text, f"does not say '{word}': {text[-600:]}")
    print(f"      {code}: {text.splitlines()[-1][:170] if text else ''}")


def has(steps, name, noun):
    return os.path.exists(os.path.join(steps.jobs, name, noun))


@case
def second_pass(steps):
    """A second pass sends the grains that have changed, and the image is the new disk."""
    disk = make_disk(os.path.join(steps.work, "second.img"), 96)
    first = steps.send([disk], None, "--name", "second")
    changed = change_blocks(disk, 0.02, seed=2)
    again = steps.run("send", steps.agent_argv([disk], None, "--name", "second"), expect=(3,))
    said(again, 3, "--refresh")
    result = steps.send([disk], None, "--name", "second", "--refresh")
    sent = result["disks"][0]
    need(sent["verified"], "it is not verified")
    need(96 * MIB - sent["kept_bytes"] == len(changed) * GRAIN,
         f"{len(changed)} grains are others, and {(96 * MIB - sent['kept_bytes']) / GRAIN} were sent")
    image_is(steps, "second", disk)
    receipt = steps.noun("second", "receipt")
    need(receipt["disks"][0]["digest"] == sent["digest"] != first["disks"][0]["digest"], "the receipt is of another pass")
    need(steps.noun("second", "image.json")["disks"][0]["digest"] == sent["digest"], "image.json is of another pass")
    print(f"      {len(changed)} of {96 * MIB // GRAIN} grains, {sent['sent_bytes'] >> 10} KiB sent")
    result = steps.send([disk], None, "--name", "second", "--refresh")
    need(result["disks"][0]["sent_bytes"] == 0, "a third pass over the same disk sends something")


@case
def second_pass_cut(steps):
    """kill -9 of the agent in a second pass: the job counts as incomplete, and only another second pass completes it."""
    disk = make_disk(os.path.join(steps.work, "cut.img"), 96)
    steps.send([disk], None, "--name", "cut")
    change_blocks(disk, 0.1, seed=3)
    slow = subprocess.Popen(steps.agent_argv([disk], None, "--name", "cut", "--refresh", "--limit", "8M"),
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while has(steps, "cut", "image.json"):
        need(time.monotonic() < end, "the second pass does not begin")
        time.sleep(0.02)
    time.sleep(1)
    slow.send_signal(signal.SIGKILL)
    slow.wait()
    need(not has(steps, "cut", "receipt"), "a receipt for a disk that is half old and half new")
    change_blocks(disk, 0.01, seed=4)
    said(steps.run("send", steps.agent_argv([disk], None, "--name", "cut"), expect=(3,)), 3, "--refresh")
    steps.send([disk], None, "--name", "cut", "--refresh")
    image_is(steps, "cut", disk)


@case
def rescue(steps):
    """A block device whose end cannot be read: --rescue copies the rest and names what is missing."""
    backing = make_disk(os.path.join(steps.work, "failing.img"), 16)
    loop = subprocess.run(["losetup", "--find", "--show", "--read-only", backing], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.strip()
    cut = 14 * MIB + 3 * 4096
    try:
        os.truncate(backing, cut)
        said(steps.run("send", steps.agent_argv([loop], None, "--name", "failing"), expect=(1,)), 1, loop, "read at")
        result = steps.send([loop], None, "--name", "failing", "--rescue")
    finally:
        subprocess.run(["losetup", "--detach", loop], check=True)
    bad = [f"{cut}+{16 * MIB - cut}"]
    need(result["disks"][0]["bad_ranges"] == bad, f"the result names {result['disks'][0]['bad_ranges']}")
    need(steps.noun("failing", "receipt")["disks"][0]["bad_ranges"] == bad, "the receipt names others")
    os.truncate(backing, 16 * MIB)
    image_is(steps, "failing", backing)
    print(f"      {bad[0]} could not be read")


@case
def verified_later(steps):
    """p2v verify: fine at first; a flipped bit at rest is named by its 64 KiB; a job without a receipt is none."""
    disk = make_disk(os.path.join(steps.work, "rot.img"), 16)
    steps.send([disk], None, "--name", "rot")
    job = os.path.join(steps.jobs, "rot")
    verify = [steps.program("p2v"), "verify", job]
    done = steps.run("verify", verify)
    need("as it was received" in done.stdout, done.stdout)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -q -P 0x55 {5 * MIB + 70000} 1",
                    os.path.join(job, "image", "disk0.qcow2")], check=True)
    done = steps.run("verify", [*verify, "--json"], expect=(1,))
    found = json.loads(done.stdout)
    need(not found["ok"] and found["disks"][0]["bad_ranges"] == [f"{5 * MIB + GRAIN}+{GRAIN}"], done.stdout)
    need("NOT what was received" in steps.run("verify", verify, expect=(1,)).stdout, "it is not said in words")
    print(f"      {found['disks'][0]['bad_ranges'][0]} differs")
    # A second pass over the same disk puts it right: the read-back finds it.
    steps.send([disk], None, "--name", "rot", "--refresh")
    steps.run("verify", verify)
    os.unlink(os.path.join(job, "receipt"))
    said(steps.run("verify", verify, expect=(1,)), 1, "no receipt")


@case
def verified_converted(steps):
    """p2v verify of a job whose image a conversion wrote into: the snapshot is read, and a bit flipped in it is named."""
    disk = make_disk(os.path.join(steps.work, "conv.img"), 16)
    steps.send([disk], None, "--name", "conv")
    job = os.path.join(steps.jobs, "conv")
    image = os.path.join(job, "image", "disk0.qcow2")
    verify = [steps.program("p2v"), "verify", job, "--json"]
    subprocess.run(["qemu-img", "snapshot", "-c", "p2v-pristine", image], check=True)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -q -P 0x55 {5 * MIB} 1M", image], check=True)
    found = json.loads(steps.run("verify", verify).stdout)
    need(found["ok"] and found["disks"][0]["snapshot"] == "p2v-pristine", found)
    # What the machine writes changes nothing; a bit that flips in a cluster that the snapshot holds does.
    extents = json.loads(subprocess.run(["qemu-img", "map", "--output=json", "-f", "qcow2", image], check=True,
                                        stdout=subprocess.PIPE, text=True).stdout)
    at = next(e["offset"] + 9 * MIB - e["start"] for e in extents
              if e["data"] and e["start"] <= 9 * MIB < e["start"] + e["length"])
    with open(image, "r+b") as file:
        file.seek(at + 12345)
        bit = file.read(1)[0] ^ 8
        file.seek(at + 12345)
        file.write(bytes([bit]))
    found = json.loads(steps.run("verify", verify, expect=(1,)).stdout)
    need(found["disks"][0]["bad_ranges"] == [f"{9 * MIB}+{GRAIN}"], found)
    print(f"      {found['disks'][0]['bad_ranges'][0]} differs")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=".")
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    server.require("qemu-img", "qemu-io", "ssh-keygen", "losetup", "useradd")
    work = tempfile.mkdtemp(prefix="p2v-stream.", dir=options.build)
    os.chmod(work, 0o755)
    failed = 0
    try:
        with walk.Walk(options.build, work, user="p2v-stream") as steps:
            steps.start_server()
            for function in CASES:
                if options.cases and function.__name__ not in options.cases:
                    continue
                print(f"   {function.__name__}: {function.__doc__.splitlines()[0]}", flush=True)
                try:
                    function(steps)
                except (Wrong, subprocess.SubprocessError, walk.StepFailed) as error:
                    failed += 1
                    print(f"      FAIL: {error}", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if failed else 0)


main()
