#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real server through p2vd: received by a real sshd, planned, held, approved, converted while p2vd is killed, proven,
rolled back; all by an unprivileged user, steered by p2v job.

usage: daemon.py [--build DIR] [--work DIR]"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import demo
from lib import server, vm, walk

LIMIT_S = 1800


def need(ok, text):
    if not ok:
        raise walk.StepFailed(text)


class Daemon:
    def __init__(self, steps, **more):
        self.steps = steps
        self.socket = os.path.join(steps.work, "p2vd.sock")
        self.conf = os.path.join(steps.work, "p2vd.conf")
        self.log = os.path.join(steps.work, "p2vd.log")
        settings = {"store": os.path.join(steps.work, "ledger.db"), "base": steps.jobs, "socket": self.socket,
                    "program": steps.program("p2v"), "user": steps.user, "hold": ["conversion"], "scan_s": 1,
                    "retry_s": 5, "keep_free": "1G", **more}
        with open(self.conf, "w") as file:
            file.writelines(f"{key}: {json.dumps(value)}\n" for key, value in settings.items())
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([os.path.join(self.steps.build, "p2v/daemon/p2vd"), "--config", self.conf],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait("p2vd answers", lambda: os.path.exists(self.socket))

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(120)

    def wait(self, what, check):
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            need(self.process.poll() is None, f"p2vd ended: {open(self.log).read()[-2000:]}")
            value = check()
            if value:
                return value
            time.sleep(0.5)
        raise walk.StepFailed(f"waited in vain: {what}; {self.log}: {open(self.log).read()[-2000:]}")

    def job(self, *words):
        return self.steps.run("job", [self.steps.program("p2v"), "job", *words, "--socket", self.socket],
                              expect=(0, 1)).stdout

    def state(self):
        text = self.job("show", "web01", "--json")
        return json.loads(text) if text else {"state": "none", "step": ""}

    def comes(self, state):
        def there():
            job = self.state()
            need(job["state"] != "failed" or state == "failed", f"the job failed: {job.get('reason')}")
            return job["state"] == state and not job["running"]
        self.wait(state, there)
        print(f"   {state}", flush=True)


def processes(steps):
    """Programs of the migration user."""
    return subprocess.run(["pgrep", "-a", "-u", steps.user], capture_output=True, text=True).stdout.strip()


def run(steps, options, daemon):
    web = server.Server("debian12-bios")
    machine = walk.machine_json(web, os.path.join(options.work, "web01.machine.json"))
    steps.start_server()
    with vm.heavy_lock():
        daemon.start()
        steps.send([server.image_path("debian12-bios")], machine)
        daemon.comes("held")
        plan = steps.noun("web01", "plan.json")
        need(plan["steps"] and not os.path.exists(os.path.join(steps.jobs, "web01", "changes.json")), "it went too far")
        daemon.job("approve", "web01", "--reason", "the plan is fine")
        daemon.wait("the appliance starts", lambda: "appliance" in daemon.state().get("step", ""))
        daemon.wait("QEMU runs", lambda: "qemu" in processes(steps))
        daemon.stop(signal.SIGKILL)
        print("   p2vd killed while the appliance ran", flush=True)
        end = time.monotonic() + 60
        while processes(steps) and time.monotonic() < end:
            time.sleep(0.2)
        need(not processes(steps), f"processes are left: {processes(steps)}")
        daemon.start()
        daemon.comes("proven")
        need(steps.noun("web01", "plan.json") == plan, "another plan than the approved one was carried out")
        proof = steps.noun("web01", "proof.json")
        need(proof["verdict"] == "proven", proof)
        owners = {os.stat(os.path.join(steps.jobs, "web01", name)).st_uid for name in ("plan.json", "proof.json")}
        need(0 not in owners, "the programs ran as root")
        print(daemon.job("show", "web01"), flush=True)
        daemon.job("rollback", "web01")
        daemon.comes("held")
        daemon.stop()
        need(daemon.process.returncode == 0, f"p2vd ended with {daemon.process.returncode}")
    steps.run("verify", [steps.program("p2v"), "verify", os.path.join(steps.jobs, "web01")])
    print("   rolled back: the disk is as it was received", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--work")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    # Below /var/tmp: the migration user has to get there.
    options.work = os.path.abspath(options.work or "/var/tmp/p2v-e2e-daemon")
    demo.prepare(options)
    shutil.rmtree(options.work, ignore_errors=True)
    daemon = None
    try:
        with walk.Walk(options.build, options.work, user="p2v-walkd") as steps:
            daemon = Daemon(steps)
            try:
                run(steps, options, daemon)
            finally:
                daemon.stop(signal.SIGKILL)
    except (walk.StepFailed, vm.VmError, subprocess.CalledProcessError) as error:
        sys.exit(f"FAIL: {error}")
    shutil.rmtree(options.work)


if __name__ == "__main__":
    main()
