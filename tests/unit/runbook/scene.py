# SPDX-License-Identifier: GPL-3.0-or-later
"""p2vd over stages that fake-p2v.py plays, machines that call in, and p2v run beside it."""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
FAKE = os.path.join(HERE, "..", "daemon", "fake-p2v.py")
sys.path.insert(0, os.path.join(HERE, "../../e2e"))
from lib.expect import LIMIT_S, UnixConnection, Wrong, need, quick_folder, run_cases, wait  # noqa: E402


class Scene:
    def __init__(self, p2vd, p2v):
        self.p2vd, self.p2v = os.path.abspath(p2vd), os.path.abspath(p2v)
        # For p2v doctor.
        os.environ["PATH"] += ":" + os.path.join(os.path.dirname(self.p2v), "..", "recv")
        self.work = quick_folder("p2v-run-test.")
        self.base = os.path.join(self.work, "base")
        self.runbook = os.path.join(self.work, "weekend.yaml")
        self.socket = os.path.join(self.work, "p2vd.sock")
        self.conf = os.path.join(self.work, "p2vd.conf")
        self.said = os.path.join(self.work, "said")
        self.log = open(os.path.join(self.work, "p2vd.log"), "ab")
        os.mkdir(self.base)
        self.daemon = self.runner = None

    def close(self):
        for process in (self.runner, self.daemon):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.work, ignore_errors=True)

    # ---- p2vd

    def serve(self, **settings):
        settings = {"store": os.path.join(self.work, "ledger.db"), "base": self.base, "socket": self.socket,
                    "program": FAKE, "host": "one", "workers": 2, "retry_s": 1, "scan_s": 1, "stop_s": 2,
                    "keep_free": "1M", "hold": ["conversion"], **settings}
        with open(self.conf, "w") as file:
            file.writelines(f"{key}: {json.dumps(value)}\n" for key, value in settings.items())
        self.start_daemon()

    def start_daemon(self, **env):
        self.daemon = subprocess.Popen([self.p2vd, "--config", self.conf], stdin=subprocess.DEVNULL, stdout=self.log,
                                       stderr=self.log, env={**os.environ, **env})
        wait("p2vd listens", self.listens)

    def listens(self):
        need(self.daemon.poll() is None, f"p2vd ended: {open(self.log.name).read()[-2000:]}")
        with contextlib.suppress(OSError):
            return self.get("/v1/server")

    def ask(self, method, path, body=None):
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, path, body and json.dumps(body))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get(self, path):
        status, text = self.ask("GET", path)
        need(status == 200, f"{path}: {status} {text}")
        return json.loads(text)

    def act(self, job, action, **more):
        status, text = self.ask("POST", f"/v1/jobs/{job}/actions", {"action": action, **more})
        need(status == 200, f"{action} {job}: {status} {text}")

    def job(self, name):
        return {job["name"]: job for job in self.get("/v1/jobs").get("jobs", [])}.get(name)

    def events(self, name=None):
        return self.get(f"/v1/jobs/{name}/events" if name else "/v1/events").get("events", [])

    # ---- machines

    def path(self, name, *more):
        return os.path.join(self.base, name, *more)

    def write(self, name, noun, value):
        temp = self.path(name, f".{noun}.new")
        with open(temp, "w") as file:
            file.write(value if isinstance(value, str) else json.dumps(value))
        os.rename(temp, self.path(name, noun))

    def call_in(self, name, *orders, serial=None, uuid=None, mac="52:54:00:00:00:01", address=None, received=True,
                gib=1):
        """A machine's agent has sent its inventory, and with `received` all of its disks."""
        os.makedirs(self.path(name), exist_ok=True)
        self.write(name, "orders", "\n".join(orders) + "\n")
        nic = {"name": "eth0", "mac": mac, "addresses": [address] if address else []}
        disk = {"id": "disk0", "path": "/dev/sda", "size_bytes": gib << 30, "logical_sector_bytes": 512,
                "physical_sector_bytes": 512, "bus": "ata", "table": "dos"}
        self.write(name, "machine.json", {
            "version": 1, "name": name, "uuid": uuid, "serial": serial, "arch": "x86_64", "firmware": "bios",
            "memory_bytes": 2 << 30, "cpus": 2, "disks": [disk], "nics": [nic]})
        self.write(name, "say-output.json", {
            "version": 1, "name": name, "target": "kvm", "machine": "pc", "firmware": "bios", "arch": "x86_64",
            "memory_bytes": 2 << 30, "cpus": 2, "rtc": "utc", "grade": "proven",
            "disks": [{"id": "disk0", "path": "output/disk0.qcow2", "format": "qcow2", "size_bytes": gib << 30,
                       "bus": "virtio-blk", "boot_order": 1}],
            "nics": [{"mac": mac, "model": "virtio-net", "name": "eth0", "addresses": [address] if address else []}]})
        if received:
            self.finish_pass(name)

    def finish_pass(self, name, at=None, ms=4000):
        """As p2v-recv ends a pass."""
        at = at or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) + f".{time.monotonic_ns()}"
        self.write(name, "receipt", {
            "version": 1, "machine": name, "started": at, "finished": at, "duration_ms": ms, "protocol": 1,
            "link": "ssh", "streams": 1, "disks": [{
                "id": "disk0", "size_bytes": 1 << 30, "grain_bytes": 65536, "digest": "ab" * 16, "verified": True,
                "read_bytes": 1 << 20, "sent_bytes": 1 << 19, "written_bytes": 1 << 20}]})
        self.write(name, "image.json", "{}")

    def begin_pass(self, name):
        """As p2v-recv begins a further one."""
        for noun in ("plan.json", "facts.json", "image.json", "receipt"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(name, noun))

    # ---- the runbook

    def hook(self, name, *lines):
        """A program that leaves what it was told, then does `lines` of Python."""
        path = os.path.join(self.work, f"hook-{name}")
        with open(path, "w") as file:
            file.write(f"#!{sys.executable}\nimport json, os, sys\nnews = json.load(sys.stdin)\n"
                       f"open({self.said!r}, 'a').write(json.dumps(news) + '\\n')\n" + "\n".join(lines) + "\n")
        os.chmod(path, 0o755)
        return path

    def told(self, hook=None):
        if not os.path.exists(self.said):
            return []
        with open(self.said) as file:
            news = [json.loads(line) for line in file]
        return [one for one in news if not hook or one["hook"] == hook]

    def book(self, text):
        with open(self.runbook, "w") as file:
            file.write(text)

    def argv(self, *words):
        return [self.p2v, "run", *words, "--socket", self.socket, self.runbook]

    def start(self, *words, prefix=()):
        self.err = open(os.path.join(self.work, "run.err"), "ab")
        self.runner = subprocess.Popen([*prefix, *self.argv(*words)], stdin=subprocess.DEVNULL, stdout=self.err,
                                       stderr=self.err)

    def run(self, *words, expect=0, prefix=()):
        done = subprocess.run([*prefix, *self.argv(*words)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=LIMIT_S, env={**os.environ, "COLUMNS": "80"})
        need(done.returncode == expect, f"p2v run {words}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout + done.stderr

    def ends(self, expect=0):
        try:
            code = self.runner.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            raise Wrong(f"it does not end: {open(self.err.name).read()[-3000:]}") from None
        need(code == expect, f"p2v run ended with {code}: {open(self.err.name).read()[-3000:]}")

    def interrupt(self, how=signal.SIGINT):
        self.runner.send_signal(how)
        return self.runner.wait(LIMIT_S)

    def state(self, name):
        try:
            with open(os.path.join(self.work, "weekend.state.json")) as file:
                servers = json.load(file).get("servers", [])
        except FileNotFoundError:
            return {}
        return {server["name"]: server for server in servers}.get(name, {})

    def change_states(self, change):
        """While nobody runs the runbook."""
        path = os.path.join(self.work, "weekend.state.json")
        with open(path) as file:
            state = json.load(file)
        for server in state["servers"]:
            change(server)
        with open(path, "w") as file:
            json.dump(state, file)

    def let_time_pass(self, seconds):
        self.change_states(lambda server: server.update({k: v - seconds for k, v in server.items() if k.endswith("_s")}))

    def change_state(self, name, **values):
        self.change_states(lambda server: server["name"] == name and server.update(values))

    def comes(self, name, step, note=""):
        def there():
            state = self.state(name)
            need(self.runner is None or self.runner.poll() is None or state.get("step") == step,
                 f"p2v run ended: {open(self.err.name).read()[-3000:]}")
            need(state.get("step") != "failed" or step == "failed", f"{name} has failed")
            return state.get("step") == step and note in state.get("note", "")
        try:
            wait("", there)
        except Wrong as why:
            raise Wrong(f"{name} did not become {step} '{note}': {self.state(name)} {why}\n"
                        f"{self.events(name) if self.job(name) else 'no job'}") from None

    def report(self):
        texts = []
        for end in ("md", "html"):
            with open(os.path.join(self.work, f"weekend.report.{end}")) as file:
                texts.append(file.read())
        return texts

    def check_clean(self):
        for folder, _, names in os.walk(self.base):
            for name in names:
                need(not name.endswith(".twice") and name != "met", f"{folder}/{name}: done twice")
