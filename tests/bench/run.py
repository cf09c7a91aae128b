#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures p2v beside its peers, in one run on one machine, and prints the ratios. Asserts nothing.

  imaging     p2v-agent -> sshd -> p2v-recv (qcow2, read back and compared)
              dd | zstd -1 | ssh 'zstd -d | dd'                            (raw file, not compared)
  memory      the agent's peak on a disk of 3 GiB and on one of 512 GiB
  conversion  p2v convert, of a received disk (in place) and of a given one (with the copy)
              virt-v2v -i disk                                             (with the copy)

usage: run.py [--build DIR] [--work DIR] [--rounds N] [imaging|memory|conversion]..."""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
from lib import server, vm, walk  # noqa: E402


def timed(argv, env=None, limit_s=3600):
    """Seconds that the command took, or None where it failed (what it said is shown)."""
    begin = time.monotonic()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", env=env, timeout=limit_s)
    if done.returncode:
        print(f"   {argv[0]} failed with exit code {done.returncode}:\n{done.stdout[-2000:]}")
        return None
    return time.monotonic() - begin


def best(seconds):
    seconds = [s for s in seconds if s is not None]
    return min(seconds) if seconds else None


def row(what, seconds, against=None):
    text = f"{seconds:8.1f} s" if seconds is not None else "    failed"
    ratio = f"  {seconds / against:5.2f} x" if seconds and against else ""
    print(f"   {what:52}{text}{ratio}", flush=True)


def cached(image):
    """Both sides read the disk from memory: the link and the processors are measured, not the disk."""
    with open(image, "rb") as file:
        while file.read(1 << 22):
            pass


def dd_over_ssh(steps, image):
    target = os.path.join(steps.jobs, "dd.img")
    remote = f"zstd -dq | dd of={shlex.quote(target)} bs=1M conv=sparse,fsync status=none iflag=fullblock"
    ssh = ["ssh", "-q", "-p", str(steps.daemon.port), "-i", steps.plain_key, "-o", "BatchMode=yes",
           "-o", f"UserKnownHostsFile={steps.known_hosts}", f"{steps.user}@127.0.0.1", remote]
    pipe = f"dd if={shlex.quote(image)} bs=1M status=none | zstd -1 -q | {shlex.join(ssh)}"
    seconds = timed(["bash", "-o", "pipefail", "-c", pipe])
    if os.path.exists(target):
        os.unlink(target)
    return seconds


def agent(steps, image, name):
    shutil.rmtree(os.path.join(steps.jobs, name), ignore_errors=True)
    sent = steps.send([image], None, "--name", name)
    return steps.times["send"], sent


def imaging(steps, image, rounds):
    print(f"\nimaging: {os.path.getsize(image) / 2**30:.0f} GiB disk, "
          f"{os.stat(image).st_blocks * 512 / 2**30:.2f} GiB of it written, loopback, best of {rounds}")
    cached(image)
    dd, ours = [], []
    for _ in range(rounds):
        dd.append(dd_over_ssh(steps, image))
        ours.append(agent(steps, image, "bench")[0])
    row("dd | zstd -1 | ssh 'zstd -d | dd', not compared", best(dd))
    row("p2v-agent -> p2v-recv, read back and compared", best(ours), best(dd))


def memory(steps, image):
    print("\nmemory: the agent's peak (limit: 96 MiB whatever the disk's size)")
    big = os.path.join(steps.work, "big.img")
    with open(big, "wb") as file:
        for at in range(0, 512 << 30, 4 << 30):
            file.seek(at)
            file.write(os.urandom(1 << 20))
        file.truncate(512 << 30)
    for what, disk in (("3 GiB, the demo's server", image), ("512 GiB, sparse, 128 MiB of random data", big)):
        seconds, sent = agent(steps, disk, "memory")
        print(f"   {what:52}{sent['peak_memory_bytes'] / 2**20:8.1f} MiB   ({seconds:.0f} s)", flush=True)
    os.unlink(big)


def conversion(steps, image):
    print("\nconversion of the demo's server, start of the appliance included")
    tool = steps.program("p2v")
    web = server.Server("debian12-bios")
    machine = walk.machine_json(web, os.path.join(steps.work, "machine.json"))
    accel = json.loads(subprocess.run([tool, "doctor", "--quick", "--json"], stdout=subprocess.PIPE, text=True).stdout)["accel"]
    env = dict(os.environ, LIBGUESTFS_BACKEND="direct")
    if accel == "tcg":
        env["LIBGUESTFS_BACKEND_SETTINGS"] = "force_tcg"
    print(f"   accelerator for both: {accel}")
    shutil.rmtree(os.path.join(steps.jobs, web.name), ignore_errors=True)
    steps.send([image], machine)
    out = os.path.join(steps.work, "v2v")
    os.makedirs(out, exist_ok=True)
    with vm.heavy_lock():
        peer = timed(["virt-v2v", "-i", "disk", image, "-o", "local", "-os", out, "-on", "v2v"], env=env)
        row("virt-v2v -i disk -o local", peer)
        row("p2v convert, received disk", timed([tool, "convert", "-o", os.path.join(steps.jobs, web.name)]), peer)
        row("p2v convert, given disk (copied)",
            timed([tool, "convert", image, "-o", os.path.join(steps.work, "given"), "--machine", machine]), peer)
    shutil.rmtree(out)


def need(program, package):
    """virt-v2v is no part of what the project needs; the benchmark brings it."""
    if shutil.which(program):
        return
    subprocess.run(["apt-get", "install", "-q", "-y", "--no-install-recommends", package], check=True,
                   env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"), stdout=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--work")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("what", nargs="*", default=["imaging", "memory", "conversion"])
    options = parser.parse_args()
    work = os.path.abspath(options.work or os.path.join(options.build, "bench"))
    server.require("qemu-img", "mmdebstrap", "ssh", "zstd")
    os.environ.setdefault("P2V_TEST_IMAGES", os.path.join(os.path.abspath(options.build), "tests", "images"))
    image = server.image_path("debian12-bios")
    shutil.rmtree(work, ignore_errors=True)
    print(f"{os.cpu_count()} processors, Linux {os.uname().release}")
    try:
        with walk.Walk(options.build, work) as steps:
            steps.start_server(plain_key=True)
            if "imaging" in options.what:
                imaging(steps, image, options.rounds)
            if "memory" in options.what:
                memory(steps, image)
            if "conversion" in options.what:
                need("virt-v2v", "virt-v2v")
                conversion(steps, image)
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
