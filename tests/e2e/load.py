# SPDX-License-Identifier: GPL-3.0-or-later
"""Many machines at once against one server: real agents on small disks, a real sshd, p2v-recv and p2vd; the stages
behind the reception are played by tests/unit/daemon/fake-p2v.py.

usage: load.py [--build DIR] [--agents N] [CASE...]"""

import argparse
import fcntl
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from lib import walk
from lib.expect import Wrong, need, wait

MIB = 1 << 20
DISK_MIB = 4
RECEIVERS = 8
LIMIT_S = 900
HERE = os.path.dirname(os.path.abspath(__file__))
FAKE = os.path.join(HERE, "..", "unit", "daemon", "fake-p2v.py")
CASES = []


def case(function):
    CASES.append(function)
    return function


class Daemon:
    """p2vd over the walk's jobs."""

    def __init__(self, steps, **settings):
        self.steps, self.process = steps, None
        self.socket, self.conf, self.log = (os.path.join(steps.work, name) for name in ("p2vd.sock", "p2vd.conf", "p2vd.log"))
        settings = {"store": os.path.join(steps.work, "ledger.db"), "base": steps.jobs, "socket": self.socket,
                    "program": FAKE, "user": steps.user, "workers": 4, "scan_s": 1, "retry_s": 1, "keep_free": "1M",
                    "receivers": RECEIVERS, **settings}
        with open(self.conf, "w") as file:
            file.writelines(f"{key}: {json.dumps(value)}\n" for key, value in settings.items())

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([os.path.join(self.steps.build, "p2v/daemon/p2vd"), "--config", self.conf],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait("p2vd answers", lambda: self.job("list", "--json"), 60)

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(120)

    def job(self, *words):
        return subprocess.run([self.steps.program("p2v"), "job", *words, "--socket", self.socket],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout

    def jobs(self):
        text = self.job("list", "--json")
        return {job["name"]: job for job in json.loads(text).get("jobs", [])} if text else {}


class Agent:
    """A machine with one small disk; the places in the queue that its screen showed."""

    def __init__(self, steps, name):
        self.steps, self.name = steps, name
        self.disk = os.path.join(steps.work, f"{name}.img")
        self.places, self.said, self.runs = [], [], 0
        if not os.path.exists(self.disk):
            with open(self.disk, "wb") as file:
                file.write(random.Random(name).randbytes(DISK_MIB * MIB))

    def start(self, *more):
        self.runs += 1
        argv = self.steps.agent_argv([self.disk], None, "--name", self.name, "--streams", "1", "--progress", "json", *more)
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read, args=(self.process.stderr,))
        self.reader.start()
        return self

    def read(self, stream):
        for line in stream:
            self.said = (self.said + [line])[-20:]
            if found := re.search(r"the server: place (\d+) in the queue|the server: (next) in the queue", line):
                self.places.append(int(found.group(1) or 1))

    def heard(self, words):
        return any(words in line for line in self.said)

    def end(self):
        """Its result; None where it failed."""
        out = self.process.stdout.read()
        self.process.wait(LIMIT_S)
        self.reader.join()
        return json.loads(out) if self.process.returncode == 0 else None


def memory_kib(pid, field="Pss"):
    """Of a process that may be gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return int(re.search(rf"^{field}:\s+(\d+)", file.read(), re.M).group(1))
    except (OSError, AttributeError):
        return 0


class Watch(threading.Thread):
    """What the server's processes need, and how many machines are received at once, while it goes on."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.daemon_process, self.ends = daemon, False
        self.p2vd, self.receivers, self.sending, self.waiting, self.open_files = [], [], [], [], []

    def run(self):
        while not self.ends:
            pids = subprocess.run(["pgrep", "-x", "-u", self.daemon_process.steps.user, "p2v-recv"], capture_output=True,
                                  text=True).stdout.split()
            self.receivers.append(sum(memory_kib(pid) for pid in pids))
            pid = self.daemon_process.process.pid
            if rss := memory_kib(pid, "Rss"):
                self.p2vd.append(rss)
                self.open_files.append(len(os.listdir(f"/proc/{pid}/fd")))
            sends, waits = tickets(self.daemon_process.steps.jobs)
            self.sending.append(sends)
            self.waiting.append(waits)
            time.sleep(0.5)


def tickets(jobs):
    """How many live receivers send and wait, as their tickets say at one moment: nobody enters or leaves meanwhile."""
    folder = os.path.join(jobs, ".queue")
    try:
        with open(os.path.join(folder, "lock"), "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            return count(folder)
    except FileNotFoundError:
        return [0, 0]


def count(folder):
    counts = [0, 0]
    for name in os.listdir(folder):
        try:
            with open(os.path.join(folder, name)) as file:
                text = json.loads(file.read() or "{}")
        except (OSError, ValueError):
            continue
        if "sends" in text:
            counts[not text["sends"]] += 1
    return counts


def image_is(steps, agent):
    raw = agent.disk + ".raw"
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw",
                    os.path.join(steps.jobs, agent.name, "image", "disk0.qcow2"), raw], check=True)
    with open(raw, "rb") as one, open(agent.disk, "rb") as other:
        same = one.read() == other.read()
    os.unlink(raw)
    need(same, f"{agent.name}: the image is not the disk")


def passed_by(places):
    """How many came to stand before who once stood there."""
    return sum(max(0, b - a) for a, b in zip(places, places[1:]))


@case
def many_at_once(steps, options):
    """All come at once: none is lost, nobody is overtaken, each sees its place, the memory stays flat."""
    daemon = Daemon(steps)
    agents = [Agent(steps, f"srv{i:03}") for i in range(options.agents)]
    watch = None
    try:
        daemon.start()
        begin = time.monotonic()
        for agent in agents:
            agent.start("--limit", "2M")
        watch = Watch(daemon)
        watch.start()
        wait("all have called", lambda: len(daemon.jobs()) == len(agents), 300)
        listed = [job for job in daemon.jobs().values() if "in the queue" in job.get("reason", "")]
        need(listed, "p2v job list shows nobody's place")
        # Some lose their power and come again; so does p2vd.
        random.seed(len(agents))
        living = [agent for agent in agents if agent.process.poll() is None]
        killed = random.sample(living, max(2, len(agents) // 20))
        for agent in killed:
            agent.process.kill()
        daemon.stop(signal.SIGKILL)
        daemon.start()
        for agent in killed:
            agent.end()
            agent.start("--limit", "2M")
        results = [agent.end() for agent in agents]
        received_s = time.monotonic() - begin
        lost = [agent.name + ": " + "".join(agent.said)[-300:] for agent, result in zip(agents, results)
                if not (result and result["disks"][0]["verified"]) and not (agent in killed and agent.heard("is finished"))]
        need(not lost, f"{len(lost)} machines are lost: {lost[0] if lost else ''}")
        wait("all are proven", lambda: all(job["state"] == "proven" for job in daemon.jobs().values()), 600)
        watch.ends = True
        watch.join()
        need(len(daemon.jobs()) == len(agents), "another number of jobs than of machines")
        for agent in agents:
            image_is(steps, agent)
        judge(agents, killed, watch, received_s)
    finally:
        if watch:
            watch.ends = True
        for agent in agents:
            if hasattr(agent, "process") and agent.process.poll() is None:
                agent.process.kill()
        daemon.stop()
    need(not [name for name in os.listdir(os.path.join(steps.jobs, ".queue")) if name != "lock"], "tickets are left")


def judge(agents, killed, watch, received_s):
    waited = [agent for agent in agents if agent.places]
    need(len(waited) >= len(agents) - 3 * RECEIVERS, f"only {len(waited)} saw a place in the queue")
    for agent in agents:
        # Who lost its power comes back to its own place; nobody else gets before anybody.
        need(passed_by(agent.places) <= len(killed), f"{agent.name} was overtaken: {agent.places}")
    need(max(watch.sending) <= RECEIVERS, f"{max(watch.sending)} were received at once")
    third = len(watch.p2vd) // 3
    grown = max(watch.p2vd[-third:]) - max(watch.p2vd[:third])
    print(f"      {len(agents)} machines received in {received_s:.0f} s, {RECEIVERS} at once at most, {max(watch.waiting)} waited at "
          f"most; {len(killed)} killed and p2vd once", flush=True)
    print(f"      p2vd: {max(watch.p2vd) >> 10} MiB at most, {grown} KiB more in the last third than in the first, "
          f"{max(watch.open_files)} files open; receivers together: {max(watch.receivers) >> 10} MiB (PSS)", flush=True)
    need(grown < 8 << 10, f"p2vd grows: {watch.p2vd}")
    need(max(watch.p2vd) < 96 << 10, "p2vd needs too much memory")
    need(max(watch.receivers) < (RECEIVERS * 74 + len(agents) * 4) << 10, "the receivers need too much memory")


@case
def no_room(steps, options):
    """Who there is no room for waits before anything is sent, and is told why; a small one passes it; room made, it goes on."""
    daemon = Daemon(steps, quota=f"{3 * DISK_MIB + 2}M", job_quota=f"{8 * DISK_MIB}M", hold=["conversion"])
    agents = {name: Agent(steps, name) for name in ("room1", "room2", "room3", "toolarge")}
    shutil.rmtree(os.path.join(steps.jobs, ".queue"), ignore_errors=True)
    for name, size in (("room2", 2 * DISK_MIB), ("toolarge", 9 * DISK_MIB)):
        with open(agents[name].disk, "wb") as file:
            file.write(random.Random(name).randbytes(size * MIB))
    try:
        daemon.start()
        refused = agents["toolarge"].start()
        need(refused.end() is None and refused.process.returncode == 3 and refused.heard("job_quota"), refused.said)
        need(agents["room1"].start().end(), agents["room1"].said)
        slow = agents["room3"].start("--limit", "1M")
        wait("it is received", lambda: os.path.exists(os.path.join(steps.jobs, "room3", "image")), 60)
        large = agents["room2"].start()
        wait("it is told why it waits", lambda: large.heard("waits for room on the server"), 60)
        need(slow.end(), slow.said)
        time.sleep(3)
        need(large.process.poll() is None and not os.path.exists(os.path.join(steps.jobs, "room2", "image", "disk0.qcow2")),
             "it was sent although there is no room")
        need("in the queue" in daemon.jobs()["room2"]["reason"], daemon.jobs()["room2"])
        daemon.job("rm", "--yes", "room1")
        need(large.end(), large.said)
        image_is(steps, large)
    finally:
        for agent in agents.values():
            if hasattr(agent, "process") and agent.process.poll() is None:
                agent.process.kill()
        daemon.stop()


def run(options, function):
    # The migration user has to get there.
    work = tempfile.mkdtemp(prefix="p2v-load.", dir="/var/tmp")
    os.chmod(work, 0o755)
    try:
        with walk.Walk(options.build, work, user="p2v-walkl") as steps:
            steps.start_server()
            begin = time.monotonic()
            function(steps, options)
            print(f"ok   {function.__name__} {time.monotonic() - begin:.0f} s", flush=True)
            return True
    except (Wrong, walk.StepFailed) as why:
        print(f"FAIL {function.__name__}: {why}", flush=True)
        with open(os.path.join(work, "p2vd.log"), errors="replace") as file:
            print(file.read()[-2000:], flush=True)
        return False
    finally:
        shutil.rmtree(work, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    if os.geteuid() != 0 or not os.path.exists("/usr/sbin/sshd"):
        print("needs root and sshd")
        sys.exit(77)
    cases = [one for one in CASES if not options.cases or one.__name__ in options.cases]
    results = [run(options, one) for one in cases]
    sys.exit(0 if cases and all(results) else 1)


if __name__ == "__main__":
    main()
