#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A campaign by `p2v run` with real servers, a real sshd and p2vd.

usage: campaign.py one|sqlite|postgres [--played] [--build DIR] [--work DIR] [--seed N]

one: a server that is copied hot, refreshed, and copied a last time after it has changed; then converted and proven,
with what its runbook wants to answer on the isolated wire.
sqlite, postgres: three servers in two waves, while agents, p2vd (two of them on one PostgreSQL), the stages' programs
and p2v run are killed at random; all are proven at the end, and their disks are still what was received. --played: what
is behind the reception is played by a script, and no machine is started."""

import argparse
import contextlib
import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import demo
from lib import server, vm, walk

LIMIT_S = 3600
HERE = os.path.dirname(os.path.abspath(__file__))


def need(ok, text):
    if not ok:
        raise walk.StepFailed(text)


HEALTH_SOCKET = "[Socket]\nListenStream=8080\nAccept=yes\n[Install]\nWantedBy=sockets.target\n"
HEALTH_SERVICE = """[Service]
ExecStart=/bin/sh -c 'read line; printf "HTTP/1.0 204 No Content\\\\r\\\\n\\\\r\\\\n"'
StandardInput=socket
"""


class Box(server.Server):
    """The demo's server under another name and address: number 0 is the demo's own."""

    def __init__(self, name, number, folder):
        super().__init__("debian12-bios")
        self.name, self.number = name, number
        self.address = f"192.0.2.{10 + number}"
        self.mac = f"00:1b:21:aa:bb:{1 + number:02x}"
        self.serial = f"7B5TM1{number}"
        self.uuid = self.uuid[:-1] + str(number)
        self.disk = os.path.join(folder, f"{name}.img")

    def make(self):
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", server.image_path("debian12-bios"), self.disk],
                       check=True)
        os.chmod(self.disk, 0o600)
        self.edit("/etc/hostname", lambda text: self.name + "\n")
        self.edit("/etc/network/interfaces", lambda text: text.replace("192.0.2.10/", self.address + "/"))

    def serve_http(self):
        """Something that answers every question with 204, once systemd has come so far."""
        self.edit("/etc/systemd/system/health.socket", lambda _: HEALTH_SOCKET)
        self.edit("/etc/systemd/system/health@.service", lambda _: HEALTH_SERVICE)
        wants = "/etc/systemd/system/sockets.target.wants"
        self.debugfs(f"mkdir {wants}\nsymlink {wants}/health.socket /etc/systemd/system/health.socket\n")

    def debugfs(self, commands):
        """In the guest's root, which is not mounted for it."""
        table = json.loads(subprocess.run(["sfdisk", "-J", self.disk], check=True, capture_output=True).stdout)
        root = f"{self.disk}?offset={table['partitiontable']['partitions'][0]['start'] * 512}"
        return subprocess.run(["debugfs", "-w", "-f", "-", root], input=commands, check=True, capture_output=True,
                              text=True).stdout

    def edit(self, path, change):
        def read():
            self.debugfs(f"dump {path} {self.disk}.edit\n")
            with open(self.disk + ".edit") as file:
                return file.read()
        open(self.disk + ".edit", "w").close()
        new = change(read())
        with open(self.disk + ".edit", "w") as file:
            file.write(new)
        self.debugfs(f"rm {path}\nwrite {file.name} {path}\nsif {path} mode 0100644\nsif {path} uid 0\nsif {path} gid 0\n")
        need(read() == new, f"{path} of {self.name} was not rewritten")
        os.unlink(file.name)


def home_make(steps):
    """Where p2vd has what is its own, as /var/lib/p2v."""
    path = os.path.join(steps.work, "p2vd")
    os.makedirs(path, exist_ok=True)
    shutil.chown(path, steps.user, steps.user)
    return path


class Daemon:
    """One p2vd, as the user that it has on a real server; started again whenever it was killed."""

    def __init__(self, steps, store, host, program):
        self.steps, self.host = steps, host
        home = home_make(steps)
        self.socket = os.path.join(home, f"{host}.sock")
        self.conf = os.path.join(home, f"{host}.conf")
        self.log = os.path.join(home, f"{host}.log")
        settings = {"store": store, "base": steps.jobs, "socket": self.socket, "program": program,
                    "user": steps.user, "hold": ["conversion"], "scan_s": 1, "retry_s": 5, "tries": 20, "lease_s": 15,
                    "keep_free": "1G", "host": host}
        with open(self.conf, "w") as file:
            file.writelines(f"{key}: {json.dumps(value)}\n" for key, value in settings.items())
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["setpriv", "--reuid", self.steps.user, "--regid", self.steps.user, "--init-groups",
                                             os.path.join(self.steps.build, "p2v/daemon/p2vd"), "--config", self.conf],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, "FAKE_SLEEP": "1", "HOME": os.path.dirname(self.conf)})
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            if subprocess.run([self.steps.program("p2v"), "job", "list", "--socket", self.socket],
                              capture_output=True).returncode == 0:
                return
            time.sleep(0.2)
        raise walk.StepFailed(f"p2vd {self.host} does not answer: {open(self.log).read()[-2000:]}")

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Agent(threading.Thread):
    """Sends a disk, again and again until it is there: it may be killed at any moment."""

    def __init__(self, steps, box):
        super().__init__(daemon=True)
        self.steps, self.box = steps, box
        self.machine = walk.machine_json(box, os.path.join(steps.work, f"{box.name}.machine.json"))
        self.process, self.error, self.result, self.kills = None, None, None, 0

    def run(self):
        for _ in range(60):
            self.process = subprocess.Popen(self.steps.agent_argv([self.box.disk], self.machine, "--limit", "60M"),
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                            text=True)
            out, said = self.process.communicate()
            if self.process.returncode == 0:
                self.result = json.loads(out)
                return
            # It was killed after the server had said that all is there.
            if "is finished" in said:
                return
            self.error = said
            time.sleep(0.3)


class Campaign:
    def __init__(self, steps, text, daemons):
        self.steps, self.daemons = steps, daemons
        self.path = os.path.join(steps.work, "weekend.yaml")
        self.log = os.path.join(steps.work, "run.log")
        with open(self.path, "w") as file:
            file.write(text)
        self.process = None

    def argv(self, *words):
        return [self.steps.program("p2v"), "run", *words, "--socket", self.daemons[0].socket, self.path]

    def check(self):
        environment = {**os.environ, "PATH": f"{os.environ['PATH']}:{self.steps.build}/p2v/recv"}
        done = subprocess.run(self.argv("--check"), capture_output=True, text=True, env=environment)
        print(done.stdout, flush=True)
        need(done.returncode == 0, f"--check: {done.returncode} {done.stderr}")

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def state(self):
        try:
            with open(os.path.join(self.steps.work, "weekend.state.json")) as file:
                return {server["name"]: server for server in json.load(file).get("servers", [])}
        except FileNotFoundError:
            return {}

    def await_end(self, disturb=lambda: None):
        end = time.monotonic() + LIMIT_S
        while self.process.poll() is None or self.process.returncode == -signal.SIGKILL:
            need(time.monotonic() < end, f"it does not end: {self.state()}\n{open(self.log).read()[-3000:]}")
            time.sleep(0.5)
            disturb()
        need(self.process.returncode == 0, f"p2v run ended with {self.process.returncode}: "
             f"{open(self.log).read()[-3000:]}\n{open(self.daemons[0].log).read()[-2000:]}")

    def proven(self, names):
        for name in names:
            proof = self.steps.noun(name, "proof.json")
            need(proof["verdict"] == "proven", f"{name}: {proof}")
            self.steps.run("verify", [self.steps.program("p2v"), "verify", os.path.join(self.steps.jobs, name)])
            print(f"   {name}: proven, and the received disk is as it was received", flush=True)
        with open(os.path.join(self.steps.work, "weekend.report.md")) as file:
            report = file.read()
        need(f", {len(names)} done, 0 failed" in report, report)
        print(report, flush=True)


ONE = """
name: weekend
waves:
- name: only
  servers:
  - name: web01
    match: {{mac: '{mac}'}}
    memory: 768M
    checks: [{{tcp: 8080, http: /health, status: 204}}]
    cutover:
      refresh_min: 600
      refresh: {{run: [{agent}, hot]}}
      final: {{run: [{agent}, cold], timeout_s: 900}}
"""


def script_make(steps, box, machine):
    """What an operator has for his last pass: the server changes, stops, and sends what differs."""
    path = os.path.join(steps.work, "pass")
    argv = steps.agent_argv([box.disk], machine, "--refresh")
    marker = os.path.join(steps.work, "changed")
    with open(path, "w") as file:
        file.write(f"#!{sys.executable}\nimport json, os, subprocess, sys\nnews = json.load(sys.stdin)\n"
                   f"assert news['server'] == 'web01' and news['hook'] == 'final', news\n"
                   f"if not os.path.exists({marker!r}):\n"
                   f"    disk = open({box.disk!r}, 'r+b')\n    disk.seek(63 * 512)\n    disk.write(b'the last write')\n"
                   f"    disk.close()\n    open({marker!r}, 'w').close()\n"
                   f"sys.exit(subprocess.run({argv!r}, stdin=subprocess.DEVNULL).returncode)\n")
    os.chmod(path, 0o755)
    return path


def stage_program(steps, options):
    """What p2vd runs: a player, or p2v itself, each stage with the heavy lock in its hands."""
    if options.played:
        return os.path.abspath(os.path.join(HERE, "..", "unit", "daemon", "fake-p2v.py"))
    path = os.path.join(steps.work, "stage")
    with open(path, "w") as file:
        # To roll back and to emit takes no machine.
        file.write(f'#!/bin/sh\nprogram={steps.program("p2v")}\n'
                   'case "$*" in *--undo* | *"--only output"*) exec "$program" "$@" ;; esac\n'
                   f'exec flock --no-fork {vm.heavy_lock_path()} "$program" "$@"\n')
    os.chmod(path, 0o755)
    return path


def stage_qemu(steps):
    """The machines that stages have started: none while they wait for the lock."""
    found = subprocess.run(["pgrep", "-u", steps.user, "qemu-system"], capture_output=True, text=True).stdout
    return [int(pid) for pid in found.split()]


def one(steps, options):
    box = Box("web01", 0, steps.work)
    box.make()
    box.serve_http()
    daemon = Daemon(steps, os.path.join(home_make(steps), "ledger.db"), "one", stage_program(steps, options))
    machine = walk.machine_json(box, os.path.join(steps.work, "web01.machine.json"))
    campaign = Campaign(steps, ONE.format(mac=box.mac, agent=script_make(steps, box, machine)), [daemon])
    try:
        daemon.start()
        steps.send([box.disk], machine)
        first = steps.noun("web01", "receipt")["disks"][0]
        campaign.check()
        campaign.start()
        campaign.await_end()
        last = steps.noun("web01", "receipt")["disks"][0]
        need(last["digest"] != first["digest"] and last["sent_bytes"] < first["sent_bytes"] // 20, (first, last))
        state = campaign.state()["web01"]
        need(state["passes"] == 2 and state["final_s"] >= state["copied_s"], state)
        need(state["pass_ms"] <= (state["done_s"] - state["final_s"]) * 1000, state)
        campaign.proven(["web01"])
        if options.played:
            return
        need(steps.noun("web01", "output.json")["memory_bytes"] == 768 << 20, "the runbook's memory")
        services = [check for check in steps.noun("web01", "proof.json")["checks"] if check["name"] == "service"]
        need([check["evidence"] for check in services] == ["port 8080, /health: HTTP 204"], services)
    finally:
        campaign.kill()
        daemon.kill()


THREE = """
name: weekend
waves:
- name: web
  servers:
  - name: web01
    match: {serial: 7B5TM10}
  - name: web02
    match: {mac: '00:1B:21:AA:BB:02'}
- name: db
  servers:
  - name: db01
    match: {uuid: 4c4c4544-0042-3510-8054-b7c04f4d3132}
"""


class Disturbance:
    """Something is killed every now and then, and started again."""

    def __init__(self, steps, campaign, daemons, agents, options):
        self.steps, self.played, self.longest = steps, options.played, 3 if options.played else 40
        self.campaign, self.daemons, self.agents = campaign, daemons, agents
        self.random = random.Random(options.seed)
        self.next = time.monotonic() + 3
        # A conversion has to come to its end at last.
        self.most = {"agent": 6, "p2vd": 4 * len(daemons), "stage": 0 if options.played else 4, "p2v run": 6}
        self.kills = dict.fromkeys(self.most, 0)

    def sending(self):
        return [agent for agent in self.agents if agent.is_alive() and agent.process]

    def kill(self, what):
        if what == "agent":
            self.random.choice(self.sending()).process.kill()
        elif what == "p2vd":
            daemon = self.random.choice(self.daemons)
            daemon.kill()
            daemon.start()
        elif what == "stage":
            for pid in stage_qemu(self.steps)[:1]:
                kill_above(pid)
        else:
            self.campaign.kill()
            self.campaign.start()
        self.kills[what] += 1
        print(f"   {time.strftime('%H:%M:%S')} killed: {what}", flush=True)

    def __call__(self):
        if time.monotonic() < self.next:
            return
        sending = self.sending()
        # Whoever waits for the machine's other tests is no good victim.
        idle = not self.played and not sending and not stage_qemu(self.steps)
        may = [what for what, most in self.most.items() if self.kills[what] < most and
               (what == "agent" if sending else what != "agent")]
        if may and not idle:
            self.kill(self.random.choice(may))
        self.next = time.monotonic() + self.random.uniform(2, self.longest if not sending else 6)


def kill_above(pid, limit_s=30):
    """The program that has started a machine, which has to go with it."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        with open(f"/proc/{pid}/stat") as file:
            os.kill(int(file.read().rsplit(")", 1)[1].split()[1]), signal.SIGKILL)
    end = time.monotonic() + limit_s
    while os.path.exists(f"/proc/{pid}"):
        need(time.monotonic() < end, f"process {pid} has outlived the one that started it")
        time.sleep(0.1)


def three(steps, options, store, hosts):
    boxes = [Box(name, number, steps.work) for number, name in enumerate(("web01", "web02", "db01"))]
    boxes[2].uuid = "4c4c4544-0042-3510-8054-b7c04f4d3132"
    for box in boxes:
        box.make()
    daemons = [Daemon(steps, store, host, stage_program(steps, options)) for host in hosts]
    campaign = Campaign(steps, THREE, daemons)
    agents = [Agent(steps, box) for box in boxes]
    try:
        for daemon in daemons:
            daemon.start()
        campaign.start()
        for agent in agents:
            agent.start()
        disturbance = Disturbance(steps, campaign, daemons, agents, options)
        campaign.await_end(disturbance)
        print(f"   killed: {disturbance.kills}", flush=True)
        need(sum(disturbance.kills.values()) >= 4, f"too little was killed: {disturbance.kills}")
        for box, agent in zip(boxes, agents):
            agent.join(60)
            need(not agent.is_alive(), f"{box.name}: {agent.error}")
            got = steps.noun(box.name, "receipt")["disks"][0]
            need(got["verified"] and (not agent.result or agent.result["disks"][0]["digest"] == got["digest"]),
                 f"{box.name}: {got} {agent.result}")
        campaign.proven([box.name for box in boxes])
        jobs = json.loads(steps.run("list", [steps.program("p2v"), "job", "list", "--json", "--socket",
                                             daemons[0].socket]).stdout)["jobs"]
        need(len(jobs) == 3 and all(job["state"] == "proven" for job in jobs), jobs)
        left = subprocess.run(["pgrep", "-a", "-u", steps.user], capture_output=True, text=True).stdout
        need("qemu" not in left, f"left: {left}")
    finally:
        campaign.kill()
        for daemon in daemons:
            daemon.kill()


def postgres():
    path = os.path.join(HERE, "..", "unit", "store", "with-postgres.py")
    spec = importlib.util.spec_from_file_location("with_postgres", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        return module.Postgres()
    except module.NoPostgres as why:
        server.skip(why)


def run(steps, options):
    steps.start_server()
    if options.what == "one":
        return one(steps, options)
    with contextlib.ExitStack() as stack:
        if options.what == "postgres":
            return three(steps, options, stack.enter_context(postgres()).url, ["one", "two"])
        return three(steps, options, os.path.join(home_make(steps), "ledger.db"), ["one"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["one", "sqlite", "postgres"])
    parser.add_argument("--played", action="store_true")
    parser.add_argument("--build", default="build")
    parser.add_argument("--work")
    parser.add_argument("--seed", type=int, default=random.randrange(1000))
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    # Two of them may run beside each other.
    name = options.what + ("-played" if options.played else "")
    options.work = os.path.abspath(options.work or f"/var/tmp/p2v-e2e-campaign-{name}")
    demo.prepare(options)
    server.require("debugfs", "sfdisk")
    print(f"seed {options.seed}", flush=True)
    shutil.rmtree(options.work, ignore_errors=True)
    try:
        with walk.Walk(options.build, options.work, user=f"p2v-run-{name}") as steps:
            run(steps, options)
    except (walk.StepFailed, vm.VmError, subprocess.CalledProcessError) as error:
        sys.exit(f"FAIL: {error}")
    shutil.rmtree(options.work)


if __name__ == "__main__":
    main()
