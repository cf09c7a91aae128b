#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 at random points of a transfer, again and again: of the agent, the receiver, its storage daemon, the SSH
session, or of all at once. Nothing is lost: whatever was killed, the same command leads to the same disk.

usage: kill.py [--build DIR] [--rounds N] [--seed N]

A round is one kill. Two servers are at work beside each other, each with its own user, so that a kill hits the
right one. The seed is printed."""

import argparse
import hashlib
import os
import pwd
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from lib import server, sshd, walk

MIB = 1 << 20
SIDES = 2
VICTIMS = ("agent", "p2v-recv", "qemu-storage-daemon", "sshd", "all")


def processes(user, name):
    """Pids of a user's processes by their program's name."""
    uid = pwd.getpwnam(user).pw_uid
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{pid}").st_uid == uid:
                with open(f"/proc/{pid}/comm") as file:
                    if name is None or file.read().strip() == name[:15]:
                        found.append(int(pid))
        except OSError:
            pass
    return found


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Side:
    """One server, and one disk after the other for it."""

    def __init__(self, number, options, work, seed):
        self.rng = random.Random(seed)
        self.number, self.options = number, options
        self.walk = walk.Walk(options.build, os.path.join(work, str(number)), user=f"p2v-kill{number}")
        self.disk = os.path.join(work, f"{number}.img")
        self.kills = {victim: 0 for victim in VICTIMS}
        self.arrived = 0
        self.wrong = None

    def disk_new(self):
        size = self.rng.randrange(8, 24)
        with open(self.disk, "wb") as file:
            for at in range(size):
                kind = self.rng.randrange(4)
                if kind == 0:
                    file.seek(MIB, os.SEEK_CUR)
                else:
                    file.write(self.rng.randbytes(MIB) if kind < 3 else (b"p2v %09d " % at) * (MIB // 14) + bytes(MIB % 14))
            file.truncate(size * MIB)
        shutil.rmtree(os.path.join(self.walk.jobs, "killed"), ignore_errors=True)

    def agent(self):
        argv = self.walk.agent_argv([self.disk], None, "--name", "killed", "--retry-for", "30", "--streams",
                                    str(self.rng.choice((1, 1, 2, 3))), "--limit", f"{self.rng.choice((16, 40, 100))}M")
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                text=True)

    def strike(self, agent):
        victim = self.rng.choice(VICTIMS)
        if victim in ("agent", "all"):
            agent.kill()
        if victim != "agent":
            kill(processes(self.walk.user, None if victim == "all" else victim))
        if victim == "sshd":
            # The session's own half that belongs to the user is not always there yet.
            kill(pid for pid in sshd.children(self.walk.daemon.process.pid)[1:])
        self.kills[victim] += 1

    def ended(self, agent):
        """Whether the disk has arrived."""
        text = agent.stderr.read()
        agent.wait()
        if agent.returncode == 0 or (agent.returncode == 3 and "was copied before" in text):
            self.check()
            return True
        if agent.returncode not in (1, -signal.SIGKILL):
            raise walk.StepFailed(f"exit code {agent.returncode}: {text[-500:]}")
        self.last = text
        return False

    def check(self):
        raw = self.disk + ".raw"
        subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw",
                        os.path.join(self.walk.jobs, "killed", "image", "disk0.qcow2"), raw], check=True)
        digests = []
        for path in (self.disk, raw):
            with open(path, "rb") as file:
                digests.append(hashlib.file_digest(file, "sha256").hexdigest())
        os.unlink(raw)
        if digests[0] != digests[1]:
            raise walk.StepFailed("another disk has arrived")
        self.arrived += 1

    def run(self):
        rounds = self.options.rounds // SIDES
        try:
            with self.walk:
                self.walk.start_server()
                while rounds > 0:
                    self.disk_new()
                    rounds = self.one_disk(rounds)
        except (walk.StepFailed, subprocess.SubprocessError, OSError, RuntimeError) as error:
            self.wrong = error

    def one_disk(self, rounds):
        """Kills until the disk has arrived; without any more of them once the rounds are over."""
        tries = 0
        while True:
            agent = self.agent()
            tries += 1
            while rounds > 0 and agent.poll() is None and tries < 12:
                time.sleep(self.rng.uniform(0.05, 0.9))
                if agent.poll() is None:
                    self.strike(agent)
                    rounds -= 1
            if self.ended(agent):
                return rounds
            if tries > 30:
                raise walk.StepFailed(f"it never arrives: {self.last[-500:]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=".")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1000000)
    options = parser.parse_args()
    server.require("qemu-img", "ssh-keygen", "useradd")
    print(f"{options.rounds} rounds, seed {options.seed}", flush=True)
    work = tempfile.mkdtemp(prefix="p2v-kill.", dir=options.build)
    os.chmod(work, 0o755)
    begin = time.monotonic()
    try:
        sides = [Side(i, options, work, options.seed * SIDES + i) for i in range(SIDES)]
        threads = [threading.Thread(target=side.run) for side in sides]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    wrong = [side.wrong for side in sides if side.wrong]
    for error in wrong:
        print(f"FAIL: {error}")
    kills = {victim: sum(side.kills[victim] for side in sides) for victim in VICTIMS}
    print(f"{sum(kills.values())} kills ({', '.join(f'{n} {name}' for name, n in kills.items())}), "
          f"{sum(side.arrived for side in sides)} disks arrived, {time.monotonic() - begin:.0f} s")
    sys.exit(1 if wrong else 0)


main()
