#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrates a real server end to end and shows the proof: what `make demo` runs, and the first e2e test.

usage: demo.py [--build DIR] [--work DIR] [--quiet]"""

import argparse
import os
import shutil
import sys

from lib import server, vm, walk


def size(count):
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024


class Demo:
    def __init__(self, options):
        self.options = options
        self.step_number = 0

    def say(self, text):
        self.step_number += 1
        print(f"\n== {self.step_number}. {text}", flush=True)

    def show_transfer(self, steps, sent):
        disk = steps.noun("web01", "receipt")["disks"][0]
        print(f"   read {size(disk['read_bytes'])}, sent {size(disk['sent_bytes'])}, wrote {size(disk['written_bytes'])},"
              f" in {steps.times['send']:.1f} s")
        print(f"   both ends agree on the disk's digest: {disk['digest']} (the server read it back: {disk['verified']})")
        if "peak_memory_bytes" in sent:
            print(f"   the agent's peak memory: {size(sent['peak_memory_bytes'])}")

    def show_changes(self, steps, job):
        changes = steps.noun("web01", "changes.json")["changes"]
        print(f"   {len(changes)} files of the guest were changed, in {steps.times['convert']:.1f} s:\n")
        for change in changes:
            print(f"   {change['action']} {change['path']}\n     {change['reason']}")
            if change.get("diff"):
                with open(os.path.join(job, change["diff"]), errors="replace") as diff:
                    print("".join(f"     | {line}" for line in diff.readlines()[:24]))
            elif change.get("detail"):
                print(f"     {change['detail']}\n")

    def show_proof(self, steps, job):
        proof = steps.noun("web01", "proof.json")
        for check in proof["checks"]:
            note = "" if check["required"] else " (not required)"
            print(f"   {'yes' if check['ok'] else 'NO ':4}{check['name']:14} {check.get('evidence', '')}{note}")
        print(f"\n   verdict: {proof['verdict'].upper()}"
              f" ({proof['boot_ms'] / 1000:.0f} s under {proof['accel']}) {proof.get('reason', '')}")
        return proof

    def where(self, job):
        print(f"\nAll of it lies in {job}:")
        for base, dirs, files in os.walk(job):
            dirs.sort()
            for name in sorted(files):
                path = os.path.join(base, name)
                print(f"   {os.path.relpath(path, job):36} {size(os.stat(path).st_blocks * 512):>10}")

    def run(self):
        options = self.options
        web = server.Server("debian12-bios")
        self.say("A server disk: Debian 12, MBR, GRUB, ext4, an initramfs for IDE and AHCI only")
        image = server.image_path("debian12-bios")
        shutil.rmtree(options.work, ignore_errors=True)
        with walk.Walk(options.build, options.work) as steps:
            self.say(f"An ordinary sshd; user {steps.user}, one key, forced command p2v-recv")
            steps.start_server()
            machine = walk.machine_json(web, os.path.join(options.work, "web01.machine.json"))
            self.say("p2v-agent sends the disk")
            self.show_transfer(steps, steps.send([image], machine, show=not options.quiet))
            job = os.path.join(steps.jobs, "web01")
            with vm.heavy_lock():
                self.say("p2v convert makes it fit virtual hardware; none of its code is run")
                steps.convert("web01", show=not options.quiet)
                self.show_changes(steps, job)
                self.say("p2v prove boots it on virtio, isolated, on a throw-away overlay")
                steps.prove("web01", expect=(0, 1), show=not options.quiet)
            proof = self.show_proof(steps, job)
            self.where(job)
            print("\ntimes: " + ", ".join(f"{step} {seconds:.1f} s" for step, seconds in steps.times.items()))
        return 0 if proof["verdict"] == "proven" else 1


def prepare(options):
    """Ends as skipped where the walk cannot be gone; its server is made once for a build folder."""
    server.require("qemu-system-x86_64", "qemu-img", "mmdebstrap", "ssh-keygen", "useradd")
    os.environ.setdefault("P2V_TEST_IMAGES", os.path.join(os.path.abspath(options.build), "tests", "images"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--work")
    parser.add_argument("--quiet", action="store_true", help="no progress of the programs")
    options = parser.parse_args()
    options.work = os.path.abspath(options.work or os.path.join(options.build, "demo"))
    prepare(options)
    try:
        sys.exit(Demo(options).run())
    except (walk.StepFailed, vm.VmError) as error:
        sys.exit(f"FAIL: {error}")


if __name__ == "__main__":
    main()
