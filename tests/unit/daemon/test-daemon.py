#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""p2vd with stages that are played by fake-p2v.py: what it does with jobs, with failures, and when things are killed.

usage: test-daemon.py P2VD P2V [--postgres] [CASE]...

With --postgres the ledger is a PostgreSQL server of the test's own, and the chaos has two p2vd on it."""
import contextlib
import errno
import fcntl
import http.client
import importlib.util
import itertools
import json
import os
import pwd
import random
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time

import browser

HERE = os.path.dirname(os.path.abspath(__file__))
FAKE = os.path.join(HERE, "fake-p2v.py")
sys.path.insert(0, os.path.join(HERE, "../../e2e"))
from lib.expect import LIMIT_S, UnixConnection, Wrong, need, quick_folder, run_cases, wait  # noqa: E402

CASES = []


def case(function):
    CASES.append(function)
    return function


class Server:
    """One p2vd over a base directory."""

    def __init__(self, base, work, store, host="one", **settings):
        self.base, self.work, self.host = base, work, host
        self.socket = os.path.join(work, f"{host}.sock")
        self.conf = os.path.join(work, f"{host}.conf")
        self.log = open(os.path.join(work, f"{host}.log"), "ab")
        settings = {"store": store, "base": base, "socket": self.socket, "program": FAKE, "host": host, "workers": 2,
                    "keys": os.path.join(work, "authorized_keys"), "retry_s": 1, "scan_s": 1, "stop_s": 2, "keep_free": "1M", **settings}
        with open(self.conf, "w") as file:
            file.writelines(f"{key}: {json.dumps(value)}\n" for key, value in settings.items())
        self.process = None

    def start(self, **env):
        self.process = subprocess.Popen([P2VD, "--config", self.conf], stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, env={**os.environ, **env})
        wait("p2vd listens", self.listens)
        return self

    def listens(self):
        need(self.process.poll() is None, f"p2vd ended: {open(self.log.name).read()[-2000:]}")
        try:
            return self.get("/v1/server")
        except OSError:
            return None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            code = self.process.wait(LIMIT_S)
            need(code == 0, f"p2vd ended with {code}")

    def ask(self, method, path, body=None):
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, path, body and json.dumps(body))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def get(self, path):
        status, _, text = self.ask("GET", path)
        need(status == 200, f"{path}: {status} {text}")
        return json.loads(text)

    def act(self, job, action, expect=200, **more):
        status, _, text = self.ask("POST", f"/v1/jobs/{job}/actions", {"action": action, **more})
        need(status == expect, f"{action} {job}: {status} {text}")
        return json.loads(text)

    def jobs(self):
        return {job["name"]: job for job in self.get("/v1/jobs").get("jobs", [])}

    def job(self, name):
        return self.jobs().get(name)

    def comes(self, name, state, reason=""):
        def there():
            job = self.job(name)
            return job and job["state"] == state and not job["running"] and reason in job.get("reason", "") and job
        try:
            return wait("", there)
        except Wrong:
            raise Wrong(f"{name} did not become {state} '{reason}': {self.job(name)}\n{self.events(name)}")

    def events(self, name):
        return [f"{e['what']} {e['text']}".strip() for e in self.get(f"/v1/jobs/{name}/events").get("events", [])]


class Scene:
    """A base directory, and the servers that a case starts there."""

    def __init__(self, work, store):
        self.work, self.store = work, store
        self.base = os.path.join(work, "base")
        os.mkdir(self.base)
        self.servers = []

    def server(self, env=None, **settings):
        server = Server(self.base, self.work, self.store, **settings)
        self.servers.append(server)
        return server.start(**(env or {}))

    def path(self, name, *more):
        return os.path.join(self.base, name, *more)

    def add(self, name, *orders, received=True):
        os.makedirs(self.path(name), exist_ok=True)
        with open(self.path(name, "orders"), "w") as file:
            file.write("\n".join(orders) + "\n")
        for noun in ["machine.json"] + ["image.json"] * received:
            with open(self.path(name, noun), "w") as file:
                file.write("{}")

    def has(self, name, *nouns):
        return all(os.path.exists(self.path(name, noun)) for noun in nouns)

    def check_clean(self):
        """No effect was repeated, no two programs met, none is left."""
        for folder, _, names in os.walk(self.base):
            for name in names:
                need(not name.endswith(".twice"), f"{folder}/{name}: done twice")
        left = subprocess.run(["pgrep", "-f", f"{FAKE} .*{self.base}"], capture_output=True, text=True).stdout.split()
        need(not left, f"programs are left: {left}")


NOUNS = ["facts.json", "plan.json", "changes.json", "output.json", "proof.json"]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


@case
def goes_all_the_way(scene):
    """Received jobs are proven; one that still arrives waits until it has."""
    server = scene.server()
    scene.add("web01")
    scene.add("web02", received=False)
    scene.add("not a job name!")
    server.comes("web01", "proven")
    need(scene.has("web01", *NOUNS), "nouns are missing")
    need(server.events("web01") == ["seen received", "inspect", "convert", "emit", "prove"], server.events("web01"))
    server.comes("web02", "waiting")
    scene.add("web02")
    server.comes("web02", "proven")
    need(sorted(server.jobs()) == ["web01", "web02"], server.jobs())
    log = server.ask("GET", "/v1/jobs/web01/files/job.log")[2].decode()
    need("convert: begins" in log and "prove: done" in log, log)


@case
def failures(scene):
    """What may pass is tried again, what is refused is not; each says why."""
    server = scene.server()
    scene.add("passes", "plan fail:1", "changes crash:1")
    scene.add("fails", "changes fail")
    scene.add("refused", "plan refuse")
    scene.add("liar", "output lie")
    scene.add("unproven", "prove unproven")
    scene.add("full", "plan space:1")
    server.comes("passes", "proven")
    events = server.events("passes")
    need(any(e.startswith("failed inspect: qemu-img: ") and "\x1b" not in e for e in events), events)
    need(any("signal 11" in e for e in events), events)
    need(server.comes("fails", "failed", "it broke")["tries"] == 3, "tries")
    need(server.comes("refused", "failed", "web01: no kernel that boots")["tries"] == 1, "tries")
    server.comes("liar", "failed", "left nothing")
    server.comes("unproven", "failed", "proof: failed: it is so")
    server.comes("full", "proven")
    need("waits disk0: No space left on device" in server.events("full"), server.events("full"))
    # The cause is gone.
    os.unlink(scene.path("unproven", "orders"))
    server.act("unproven", "retry")
    server.comes("unproven", "proven")


@case
def waits_for_people_and_room(scene):
    """Gates, holds, the closed window, no room, a directory where somebody is at work."""
    server = scene.server(hold=["conversion", "emission"])
    scene.add("db01")
    server.comes("db01", "held", "waits for approval before the conversion")
    need(scene.has("db01", "plan.json") and not scene.has("db01", "changes.json"), "too far")
    server.act("db01", "approve", reason="it is fine")
    server.comes("db01", "held", "waits for approval before the emission")
    need(scene.has("db01", "changes.json") and not scene.has("db01", "output.json"), "too far")
    server.act("db01", "approve")
    server.comes("db01", "proven")
    server.act("db01", "approve", expect=409)
    server.stop()

    hour = time.localtime().tm_hour
    server = scene.server(host="closed", windows=[f"{(hour + 10) % 24}:00-{(hour + 11) % 24}:30"])
    scene.add("web01")
    server.comes("web01", "received")
    time.sleep(1.5)
    need(not scene.has("web01", "facts.json"), "it was taken outside the window")
    server.stop()

    server = scene.server(host="full", keep_free="1000000G")
    server.comes("web01", "received", "waits for room")
    server.stop()

    server = scene.server(host="busy")
    with open(scene.path("web01", ".lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        scene.add("web02")
        with open(scene.path("web02", ".lock"), "a") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            server.comes("web02", "received", "another p2v program")
            need(not scene.has("web02", "met"), "it was started all the same")
    server.comes("web02", "proven")


@case
def cancel_rollback_remove(scene):
    """A running one is stopped with all its processes; disks come back; a directory goes."""
    server = scene.server()
    scene.add("web01", "changes sleep:1")
    child = wait("the program runs", lambda: scene.has("web01", "child.pid") and
                 open(scene.path("web01", "child.pid")).read())
    job = wait("its progress is seen", lambda: (server.job("web01") or {}).get("step") and server.job("web01"))
    need(job["running"] and job["step"] == "doing changes" and job["total"] == 3, job)
    server.act("web01", "cancel", reason="not tonight")
    server.comes("web01", "cancelled", "not tonight")
    wait("its child is gone", lambda: not alive(child))
    server.act("web01", "retry")
    server.comes("web01", "proven")
    server.act("web01", "rollback")
    server.comes("web01", "held", "rolled back")
    need(not any(scene.has("web01", noun) for noun in NOUNS) and scene.has("web01", "image.json"), "not rolled back")
    server.act("web01", "approve")
    server.comes("web01", "proven")

    scene.add("web02", "plan stubborn")
    wait("it runs", lambda: (server.job("web02") or {}).get("running"))
    server.act("web02", "rm")
    wait("it is gone", lambda: not server.job("web02") and not os.path.exists(scene.path("web02")))
    need(sorted(os.listdir(scene.base)) == [".limits.json", "web01"], os.listdir(scene.base))
    need(server.ask("GET", "/v1/jobs/web02")[0] == 404, "it is still there")


@case
def by_hand(scene):
    """What a person does in a job directory is seen; what p2v convert --undo brought back is not done again."""
    server = scene.server()
    scene.add("web01")
    server.comes("web01", "proven")
    subprocess.run([FAKE, "convert", "--undo", scene.path("web01")], check=True, stderr=subprocess.DEVNULL)
    server.comes("web01", "held", "brought back by hand")
    # A second pass of the agent begins, and ends.
    os.unlink(scene.path("web01", "image.json"))
    server.comes("web01", "held")
    wait("waiting", lambda: server.job("web01")["stage"] == "waiting")
    server.act("web01", "approve")
    scene.add("web01")
    server.comes("web01", "proven")


@case
def killed_and_stopped(scene):
    """kill -9 takes the programs along and the next start goes on; SIGTERM is orderly; there is one p2vd a host."""
    server = scene.server()
    scene.add("web01", "changes sleep:1")
    scene.add("web02", "output sleep:1")
    pids = [wait("it runs", lambda n=n: scene.has(n, "child.pid") and open(scene.path(n, "child.pid")).read())
            for n in ("web01", "web02")]
    need(subprocess.run([P2VD, "--config", server.conf], stderr=subprocess.DEVNULL).returncode == 3, "a second one")
    os.mkdir(scene.path(".removed-9-9"))
    server.kill()
    wait("the programs are gone", lambda: not subprocess.run(
        ["pgrep", "-f", f"{FAKE} .*{scene.base}"], capture_output=True, text=True).stdout.split())
    # What those started is theirs to bind to their own lives, as p2v does; here it is only a sleep.
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    server.start()
    server.comes("web01", "proven")
    server.comes("web02", "proven")
    need(not os.path.exists(scene.path(".removed-9-9")), "what was being removed is still there")

    scene.add("web03", "changes sleep:1")
    pid = wait("it runs", lambda: scene.has("web03", "child.pid") and open(scene.path("web03", "child.pid")).read())
    server.stop()
    need(not alive(pid), "its child is left")
    server.start()
    server.comes("web03", "proven")
    need(server.job("web03")["tries"] == 0, "being stopped counts as a failure")


def resolve(document, schema):
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].split("/")[-1]]
    return schema


def conforms(document, schema, value, where):
    """The part of JSON Schema that the document uses."""
    schema = resolve(document, schema)
    kind = schema.get("type")
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
    need(kind is None or (isinstance(value, types[kind]) and (kind == "boolean") == isinstance(value, bool)),
         f"{where}: {value!r} is no {kind}")
    need("enum" not in schema or value in schema["enum"], f"{where}: {value!r} is none of {schema.get('enum')}")
    need("minimum" not in schema or value >= schema["minimum"], f"{where}: {value}")
    if kind == "object":
        for key in schema.get("required", []):
            need(key in value, f"{where}: no {key}")
        for key, part in value.items():
            need(key in schema["properties"], f"{where}: {key} is not in the document")
            conforms(document, schema["properties"][key], part, f"{where}.{key}")
    if kind == "array":
        for i, part in enumerate(value):
            conforms(document, schema["items"], part, f"{where}[{i}]")


PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEALLu5OboyXJayBu7wTzeOiniuogeO4YXExDZ3oZL75 someone"
# A good one for each route that takes one, in the order of the document.
BODIES = {
    "/v1/jobs/{job}/actions": {"action": "priority", "priority": 7},
    "/v1/jobs/{job}/orders": {"version": 1, "memory_bytes": 1 << 30, "hold": ["emission"]},
    "/v1/agents/actions": {"action": "assign", "which": "0123abcd", "name": "db07"},
    "/v1/door": {"for_s": 60, "from": "10.0.0.0/24"},
    "/v1/keys": {"name": "campaign", "public_key": PUBLIC_KEY, "from": "10.0.0.0/24", "until": "20301231"},
    "/v1/keys/revoke": {"key": "campaign"},
}


@case
def api_is_as_its_document_says(scene):
    """Each route of the OpenAPI document answers as it says, right and wrong questions alike."""
    server = scene.server()
    scene.add("web01")
    server.comes("web01", "proven")
    # What is ordered comes before the disks have.
    scene.add("late", received=False)
    server.comes("late", "waiting")
    # A machine that waits for a name.
    os.mkdir(scene.path(".agents"), 0o700)
    with open(scene.path(".agents", "0123abcd"), "w") as file:
        json.dump({"version": 1, "id": "0123abcd", "wants": "localhost", "serial": "X1", "asked_s": int(time.time())}, file)
    document = server.get("/v1/openapi.json")
    need(document["openapi"].startswith("3."), document)
    need(all(re.fullmatch(r"[\w.-]+", name) for name in document["components"]["schemas"]), document["components"]["schemas"].keys())
    error = {"$ref": "#/components/schemas/error"}
    tried = 0
    for template, methods in document["paths"].items():
        if template == "/v1/stream":
            continue
        for method, operation in methods.items():
            job = "late" if template.endswith("/orders") else "web01"
            path = template.replace("{job}", job).replace("{file}", "pristine" if "snapshots" in template else "proof.json")
            body = BODIES[template] if "requestBody" in operation else None
            if body:
                conforms(document, operation["requestBody"]["content"]["application/json"]["schema"], body, path)
            status, headers, text = server.ask(method.upper(), path, body)
            need(status == 200, f"{method} {path}: {status} {text}")
            (mime, content), = operation["responses"]["200"]["content"].items()
            need(mime in (headers["Content-Type"], "application/octet-stream"), f"{path}: {headers['Content-Type']}")
            if mime == "application/json" and "$ref" in content["schema"]:
                conforms(document, content["schema"], json.loads(text), path)
            for wrong, kind in ((path.replace(job, "nobody"), 404), (path + "/more", 404)):
                status, _, text = server.ask(method.upper(), wrong, body)
                if wrong != path:
                    need(status == kind or "{job}" not in template, f"{wrong}: {status}")
                    if status != 200:
                        conforms(document, error, json.loads(text), wrong)
            status, _, text = server.ask("DELETE", path)
            need(status == 405, f"DELETE {path}: {status}")
            tried += 1
    need(tried >= 10, f"{tried} routes")
    metrics = server.ask("GET", "/metrics")[2].decode()
    for name in ("p2v_jobs_running 0", "p2v_receiving 0", "p2v_receive_waiting 0", "p2v_reserved_bytes 0"):
        need(f"\n{name}\n" in metrics, f"{name}: {metrics}")
    with open(scene.path("late", "orders.json")) as file:
        need(json.load(file)["format"] == "qcow2" and server.job("late")["gates"] == 2, "orders")
    for job, body, status in (("late", {"version": 1, "hold": ["lunch"]}, 400), ("late", {"memory_bytes": 1}, 400),
                              ("late", {"version": 1, "networks": [{"mac": "52:54:00:00:00:01", "bridge": "br0;x"}]}, 400),
                              ("web01", {"version": 1}, 409)):
        got = server.ask("POST", f"/v1/jobs/{job}/orders", body)
        need(got[0] == status, f"orders {body}: {got}")
    for body in ({"action": "juggle"}, {"reason": "none"}, {"action": 5}, ["x"]):
        status, _, text = server.ask("POST", "/v1/jobs/web01/actions", body)
        need(status == 400, f"{body}: {status} {text}")
        conforms(document, error, json.loads(text), "actions")
    status, _, _ = server.ask("POST", "/v1/jobs/web01/actions", {"action": "hold", "reason": "x" * 100000})
    need(status == 413, f"a large body: {status}")
    for name in ("../web01/job.log", "..%2f..%2fone.conf", "proof/../../x", ".lock", "orders", "proof/.x", "image/disk0.qcow2"):
        status, _, _ = server.ask("GET", f"/v1/jobs/web01/files/{name}")
        need(status == 404, f"{name}: {status}")
    # What a stage that was taken over leaves for p2vd to read.
    os.mkdir(scene.path("web01", "proof"))
    os.symlink(server.conf, scene.path("web01", "proof", "serial.log"))
    os.symlink("/etc", scene.path("web01", "changes"))
    os.mkfifo(scene.path("web01", "proof", "pipe.log"))
    os.unlink(scene.path("web01", "proof.json"))
    os.symlink("facts.json", scene.path("web01", "proof.json"))
    for name in ("proof/serial.log", "changes/passwd", "proof/pipe.log", "proof.json"):
        status, _, text = server.ask("GET", f"/v1/jobs/web01/files/{name}")
        need(status == 404 and b"base" not in text, f"{name}: {status} {text}")
    need(server.ask("GET", "/v1/jobs/web01/files/facts.json")[0] == 200, "a file")


def with_tls(scene, **settings):
    """A server that listens on the loopback, and what its certificate is checked with."""
    key, cert, tokens = (os.path.join(scene.work, name) for name in ("key.pem", "cert.pem", "tokens"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = scene.server(listen=f"127.0.0.1:{port}", tls_cert=cert, tls_key=key, tokens=tokens, **settings)
    return server, port, ssl.create_default_context(cafile=cert)


def listen_tls(port, context, token):
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=LIMIT_S)
    connection.request("GET", "/v1/stream", headers={"Authorization": f"Bearer {token}"})
    return connection.getresponse()


@case
def over_the_network(scene):
    """TLS alone, tokens with roles, revoked at once, also for who listens; listeners keep nobody else out; nothing
    without a certificate."""
    server, port, context = with_tls(scene)
    scene.add("web01", "plan refuse")
    server.comes("web01", "failed")

    def p2v(*words, expect=0):
        done = subprocess.run([P2V, "server", *words, "--config", server.conf], capture_output=True, text=True)
        need(done.returncode == expect, f"{words}: {done.stdout} {done.stderr}")
        return done.stdout.strip()

    made = {role: p2v("token", "add", role, f"my-{role}") for role in ("viewer", "operator", "admin")}
    p2v("token", "add", "viewer", "my-viewer", expect=1)
    p2v("token", "add", "king", "x", expect=2)
    need(not any(token in open(os.path.join(scene.work, "tokens")).read() for token in made.values()), "a token is in the file")

    def ask(token, method, path, body=None):
        connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=LIMIT_S)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request(method, path, body and json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, text

    act = "/v1/jobs/web01/actions"
    for token, method, path, body, status in (
            (None, "GET", "/v1/jobs", None, 401), ("x" * 64, "GET", "/v1/jobs", None, 401),
            (None, "GET", "/metrics", None, 401), (None, "GET", "/v1/stream", None, 401),
            ("", "POST", act, {"action": "retry"}, 401),
            (made["viewer"], "GET", "/v1/jobs", None, 200), (made["viewer"], "POST", act, {"action": "retry"}, 403),
            (made["operator"], "POST", act, {"action": "rm"}, 409), (made["operator"], "POST", act, {"action": "retry"}, 200),
            (made["admin"], "POST", act, {"action": "rm"}, 200)):
        got = ask(token, method, path, body)
        need(got[0] == status, f"{method} {path} {body}: {got}, not {status}")
    wait("it is gone", lambda: not server.job("web01"))
    who = {event["who"] for event in server.get("/v1/events")["events"]}
    need({"token my-operator", "token my-admin"} <= who, who)
    scene.add("held", received=False)
    server.comes("held", "waiting")
    below = {"viewer": None, "operator": made["viewer"], "admin": made["operator"]}
    for template, methods in server.get("/v1/openapi.json")["paths"].items():
        path = template.replace("{job}", "held").replace("{file}", "machine.json")
        for method, operation in methods.items():
            got = ask(below[operation["x-role"]], method.upper(), path, BODIES.get(template))
            need(got[0] == (401 if operation["x-role"] == "viewer" else 403), f"{method} {path} without its role: {got}")
    listeners = [listen_tls(port, context, made["viewer"]) for _ in range(64)]
    need({answer.status for answer in listeners} == {200}, "so many may listen")
    late = listen_tls(port, context, made["viewer"])
    need(late.status == 503 and b"/v1/events" in late.read(), late.status)
    need(ask(made["viewer"], "GET", "/v1/jobs")[0] == 200, "who listens keeps others out")
    p2v("token", "revoke", "my-viewer")
    need(ask(made["viewer"], "GET", "/v1/jobs")[0] == 401, "a revoked token is good")
    before = listeners[0].read1()
    scene.add("web02")
    need(b"web02" not in before + listeners[0].read(), "who listens by a revoked token hears what happens later")
    wait("they may listen again", lambda: listen_tls(port, context, made["operator"]).status == 200)
    need(re.search(r"bad   .*cert.pem, good until 20.*: get a new one", p2v("check", expect=1)), "the certificate's end is near")
    need(p2v("token", "list").split() == ["operator", "my-operator", "admin", "my-admin"], "list")
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.sendall(b"GET /v1/jobs HTTP/1.0\r\n\r\n")
        plain.settimeout(LIMIT_S)
        with contextlib.suppress(ConnectionResetError):
            need(b"HTTP/" not in plain.recv(4096), "it answers in the clear")
    server.stop()
    need("only with tls_cert" in subprocess.run(
        [P2VD, "--check", "--config", bare(scene, port)], capture_output=True, text=True).stderr, "listens without TLS")


def bare(scene, port):
    path = os.path.join(scene.work, "bare.conf")
    with open(path, "w") as file:
        file.write(f"listen: 127.0.0.1:{port}\n")
    return path


EVIL = "<img src=x onerror=document.title='hacked'>"


@case
def the_dashboard(scene):
    """In a real browser: sign in, look at a plan, a diff and a proof, approve, roll back; foreign text stays text."""
    if not browser.installed():
        print("     the_dashboard: no chromium here: not tried")
        return
    server, port, _ = with_tls(scene, hold=["conversion"])
    token = subprocess.run([P2V, "server", "token", "add", "operator", "ann", "--config", server.conf],
                           capture_output=True, text=True, check=True).stdout.strip()
    scene.add("web01")
    scene.add("bad", "plan refuse")
    server.comes("web01", "held")
    server.comes("bad", "failed")
    server.act("bad", "retry")
    server.comes("bad", "failed")
    os.mkdir(scene.path("web01", "changes"))
    with open(scene.path("web01", "changes", "0001.diff"), "w") as file:
        file.write(f"--- a/etc/fstab\n+++ b/etc/fstab\n-/dev/sda1 / ext4\n+UUID=1234 / ext4 {EVIL}\n")
    with open(scene.path("web01", "plan.json"), "w") as file:
        json.dump({"version": 1, "name": "web01", "warnings": [EVIL], "steps": [
            {"op": "fstab-device", "path": "/etc/fstab", "reason": "the old name is gone"}]}, file)
    with browser.Browser() as page:
        page.open(f"https://127.0.0.1:{port}/")
        page.wait("!document.getElementById('login').hidden")
        need(page.value("document.querySelectorAll('#rows tr').length") == 0, "jobs without a token")
        # What was asked before comes back refused only after somebody has signed in: he stays.
        page.value("""window.late = 0; window.really = window.fetch; window.fetch = (path, options) =>
                      window.really(path, options).then((answer) => options.headers.Authorization ? answer :
                      new Promise((resolve) => setTimeout(() => { window.late++; resolve(answer); }, 1500)));
                      refresh().catch(() => {}); 1""")
        page.value(f"document.getElementById('token').value = {json.dumps(token)}")
        page.value("document.querySelector('#login button').click()")
        page.wait("document.querySelectorAll('#rows tr').length === 2")
        page.wait("window.late === 2")
        need(page.value("document.getElementById('login').hidden"), "an old answer signs out who has signed in")
        page.value("[...document.querySelectorAll('#rows tr')].find(r => r.cells[1].textContent === 'web01').click()")
        page.wait("document.querySelector('#job')?.textContent.includes('onerror')")
        need(page.value("document.title") == "p2v", "markup of the guest's was run")
        page.wait("document.querySelector('button[data-action=approve]')")
        page.value("document.querySelector('button[data-action=approve]').click()")
        with open(scene.path("web01", "changes.json.tmp"), "w") as file:
            json.dump({"version": 1, "changes": [{"path": "/etc/fstab", "action": "modify", "reason": "the old name is gone",
                                                  "diff": "changes/0001.diff"}]}, file)
        page.wait("document.querySelector('#job h2')?.textContent === 'web01: proven'")
        os.rename(scene.path("web01", "changes.json.tmp"), scene.path("web01", "changes.json"))
        page.open("about:blank")
        page.open(f"https://127.0.0.1:{port}/#token={token}&job=web01")
        page.wait("document.querySelector('#job')?.textContent.includes('/etc/fstab')")
        need("token" not in page.value("location.href"), "the token stays in the address")
        page.value("[...document.querySelectorAll('summary')].find(s => s.textContent === 'modify /etc/fstab').click()")
        page.wait("document.querySelector('pre .plus')")
        need("onerror" in page.value("document.querySelector('pre').textContent"), "the diff")
        need(page.value("document.images.length") == 0 and page.value("document.title") == "p2v", "markup was run")
        page.wait("document.querySelector('#job').textContent.includes('proven: it is so')")
        page.screenshot(os.environ.get("P2V_SCREENSHOT") or os.path.join(scene.work, "dashboard.png"))
        page.value("window.confirm = () => true")
        page.value("document.querySelector('button[data-action=rollback]').click()")
        page.wait("document.querySelector('#job h2')?.textContent === 'web01: held'")
    need(any(event["who"] == "token ann" and event["what"] == "rollback"
             for event in server.get("/v1/jobs/web01/events")["events"]), "who rolled back")


@case
def streams_events(scene):
    """Events come as they happen, and from where a listener left off."""
    server = scene.server()
    connection = UnixConnection(server.socket)
    connection.request("GET", "/v1/stream")
    answer = connection.getresponse()
    scene.add("web01")
    seen = []
    while "prove" not in seen:
        line = answer.readline().decode()
        if line.startswith("id: "):
            last = int(line[4:])
        if line.startswith("data: "):
            seen.append(json.loads(line[6:])["events"][0]["what"])
    connection.close()
    need(seen == ["seen", "inspect", "convert", "emit", "prove"], seen)
    connection = UnixConnection(server.socket)
    connection.request("GET", "/v1/stream", headers={"Last-Event-ID": str(last - 1)})
    answer = connection.getresponse()
    while not (line := answer.readline().decode()).startswith("id: "):
        pass
    need(int(line[4:]) == last, line)
    connection.close()


@case
def the_operators_tool(scene):
    """p2v job: tables of 80 columns, JSON, waiting for the end, exit codes."""
    server = scene.server(hold=["conversion"], retry_s=300)
    scene.add("web01")
    scene.add("a-server-with-a-name-that-is-longer-than-any-table-has-room-for")
    scene.add("bad", "plan refuse")

    def p2v(*words, expect=0):
        done = subprocess.run([P2V, "job", *words, "--socket", server.socket], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, env={**os.environ, "COLUMNS": "80"})
        need(done.returncode == expect, f"p2v job {words}: {done.returncode} {done.stdout} {done.stderr}")
        return done.stdout + done.stderr

    server.comes("web01", "held")
    server.comes("bad", "failed")
    table = p2v("list")
    need(len(table.splitlines()) == 4 and all(len(line) <= 80 for line in table.splitlines()), table)
    need(re.search(r"web01 +held .*waits for appro", table), table)
    need(json.loads(p2v("list", "--json"))["version"] == 1, "list --json")
    text = p2v("show", "web01")
    need("next      approve" in text and all(len(line) <= 80 for line in text.splitlines()), text)
    scene.add("patient", "plan fail:3")
    wait("it waits to be tried again", lambda: (server.job("patient") or {}).get("not_before_s", 0) > time.time())
    text = p2v("show", "patient")
    need(" s)" not in text and re.search(r"not before 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d; retry does it now", text), text)
    need(json.loads(p2v("show", "web01", "--json"))["name"] == "web01", "show --json")
    need("no kernel that boots" in p2v("logs", "bad"), "logs")
    p2v("approve", "web01", "--reason", "go")
    need("state     proven" in p2v("watch", "web01"), "watch")
    p2v("watch", "bad", expect=1)
    for words, code in ((["patient"], 1), ([], 0)):
        watching = subprocess.Popen([P2V, "job", "watch", *words, "--socket", server.socket], stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        need(watching.stdout.readline(), "watch shows nothing")
        watching.send_signal(signal.SIGINT)
        need(watching.wait(LIMIT_S) == code, f"watch {words} that was interrupted: {watching.returncode}")
    p2v("hold", "patient")
    user = pwd.getpwuid(os.getuid()).pw_name
    need(f"held by operator {user}" in p2v("show", "patient"), "who holds it")
    p2v("rm", "patient", "--yes")
    p2v("approve", "bad", expect=3)
    p2v("show", "nobody", expect=1)
    p2v("show", "../x", expect=2)
    p2v("juggle", "web01", expect=2)
    need("--yes" in p2v("rm", "bad", expect=3), "rm without --yes")
    p2v("rm", "bad", "--yes")
    wait("it is gone", lambda: not server.job("bad"))
    p2v("priority", "9", "web01")
    need(server.job("web01")["priority"] == 9, "priority")
    need(any("root" in e["who"] or "operator" in e["who"] for e in server.get("/v1/jobs/web01/events")["events"]
             if e["what"] == "approve" and e["text"] == "go"), "who approved")
    number = str(server.job("web01")["id"])
    scene.add(number)
    server.comes(number, "held")
    need(f"the number of web01, and the name of job {server.job(number)['id']}" in p2v("rm", number, "--yes", expect=2), "which one")
    p2v("rm", str(server.job(number)["id"]), "--yes")
    server.kill()
    need("is p2vd running" in p2v("list", expect=1), "one that was killed")
    server.start()
    server.stop()
    need("is p2vd running" in p2v("list", expect=1), "no server")


@case
def workers_are_confined(scene):
    """Even as root a stage's program can neither mount nor look into others, gets no new rights and writes no core. It
    sees its own job alone, and a network only where its orders need one."""
    scene.add("web01", "plan probe:1")
    scene.add("web02", "plan probe:1")
    scene.add("web03", "plan probe:1")
    for name, orders in (("web02", {"keys": ["all:command:vault"]}),
                         ("web03", {"virtio_win": "https://example.org/d.iso", "virtio_win_digest": "sha256:" + "0" * 64})):
        with open(scene.path(name, "orders.json"), "w") as file:
            json.dump({"version": 1, **orders}, file)
    server = scene.server(nice=7)

    def seen_by(name):
        server.comes(name, "proven")
        with open(scene.path(name, "probe")) as file:
            return json.load(file)

    found = seen_by("web01")
    # p2vd says where it cannot be.
    apart = "no namespaces" not in open(server.log.name).read()
    need(not apart or (found["cards"] == ["lo"] and found["beside"] == ["web01"]), found)
    for name in ("web02", "web03"):
        other = seen_by(name)
        with open("/proc/net/dev") as file:
            need(len(other["cards"]) == file.read().count(":"), other)
        need(not apart or other["beside"] == [name], other)
    need(found["no_new_privs"] == "1" and found["seccomp"] == "2" and found["core"] == [0, 0], found)
    need(found["nice"] >= 7, found)
    need(set(found["errors"].values()) == {errno.EPERM}, found["errors"])


@case
def what_the_server_proposes(scene):
    """Format and drivers of p2vd.conf, where the job's orders do not say otherwise; who may have to fetch has a network."""
    address, digest, here = "https://example.org/v.iso", "sha256:" + 64 * "0", "/srv/v.iso"
    rows = (("plain", {}, ["--format=raw", f"--virtio-win={address}", f"--virtio-win-digest={digest}"]),
            ("sized", {"memory_bytes": 1 << 30}, ["--format=raw", f"--virtio-win={address}", f"--virtio-win-digest={digest}"]),
            ("own", {"format": "vmdk", "virtio_win": here}, []))
    for name, orders, _ in rows:
        os.makedirs(scene.path(name))
        with open(scene.path(name, "orders.json"), "w") as file:
            json.dump({"version": 1, **orders}, file)
        scene.add(name, "plan probe:1")
    server = scene.server(format="raw", virtio_win=address, virtio_win_digest=digest)
    for name, _, options in rows:
        server.comes(name, "proven")
        with open(scene.path(name, "probe")) as file:
            found = json.load(file)
        said = [word for word in found["argv"] if word.startswith(("--format", "--virtio-win"))]
        need(said == options, f"{name}: {said}")
        alone = found["cards"] == ["lo"]
        need(alone == (name == "own") or os.listdir("/sys/class/net") == ["lo"], f"{name}: sees {found['cards']}")
    server.stop()
    scene.add("later", "plan probe:1")
    server = scene.server(virtio_win=here)
    server.comes("later", "proven")
    with open(scene.path("later", "probe")) as file:
        found = json.load(file)
    need(f"--virtio-win={here}" in found["argv"], found["argv"])


@case
def from_another_host(scene):
    """The same verbs against a server that only ssh reaches, through a real sshd; a host that is none is named."""
    sys.path.insert(0, os.path.join(HERE, "..", "..", "e2e"))
    from lib import sshd
    server = scene.server(hold=["conversion"])
    scene.add("web01")
    server.comes("web01", "held")
    work = os.path.join(scene.work, "ssh")
    os.mkdir(work, 0o700)
    key = sshd.keygen(os.path.join(work, "operator"))
    with open(key + ".pub") as file:
        public = file.read()
    os.mkdir(os.path.join(work, "bin"))
    with sshd.Sshd(work, command="/bin/false", extra_keys=[public]) as far:
        with open(os.path.join(work, "config"), "w") as file:
            file.write(f"Host far\n HostName 127.0.0.1\n Port {far.port}\n IdentityFile {key}\n IdentitiesOnly yes\n"
                       f" UserKnownHostsFile {far.known_hosts}\nHost nowhere\n HostName 127.0.0.1\n Port 1\n")
        with open(os.path.join(work, "bin", "ssh"), "w") as file:
            file.write(f'#!/bin/sh\nexec /usr/bin/ssh -F {work}/config "$@"\n')
        os.chmod(file.name, 0o755)

        def p2v(*words, host="far", expect=0):
            done = subprocess.run([P2V, *words, "--host", host, "--socket", server.socket], stdin=subprocess.DEVNULL, cwd=work,
                                  capture_output=True, text=True,
                                  env={**os.environ, "PATH": os.path.join(work, "bin") + ":" + os.environ["PATH"]})
            need(done.returncode == expect, f"{words}: {done.returncode} {done.stdout} {done.stderr}")
            return done.stdout + done.stderr

        need("web01" in p2v("job", "list"), "list")
        need(json.loads(p2v("job", "show", "web01", "--json"))["state"] == "held", "show")
        p2v("job", "approve", "web01")
        need("state     proven" in p2v("job", "watch", "web01"), "watch")
        need("prove: done" in p2v("job", "logs", "web01"), "logs")
        need("conversion-1" in p2v("job", "snapshots", "web01"), "snapshots")
        need("/etc/fstab" in p2v("job", "diff", "web01"), "diff")
        p2v("job", "handover", "web01")
        need(server.job("web01")["reason"] == "handed over", "handover")
        p2v("job", "juggle", "web01", expect=2)
        p2v("key", "new", "campaign")
        need("campaign" in p2v("key", "list"), "key list")
        p2v("key", "revoke", "campaign")
        p2v("job", "rollback", "web01")
        server.comes("web01", "held", "rolled back")
        p2v("job", "rm", "web01", "--yes")
        wait("it is gone", lambda: not server.job("web01"))
        need("nowhere" in p2v("job", "list", host="nowhere", expect=1), "a host that is none")
        p2v("job", "list", host="-oProxyCommand=x", expect=2)


@case
def snapshots_and_what_differs(scene):
    """p2v job snapshots and diff: the pristine disk, a conversion that was taken back, and the present one."""
    server = scene.server()
    scene.add("web01")
    server.comes("web01", "proven")

    def p2v(*words, expect=0):
        done = subprocess.run([P2V, "job", *words, "--socket", server.socket], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        need(done.returncode == expect, f"p2v job {words}: {done.returncode} {done.stdout} {done.stderr}")
        return done.stdout + done.stderr

    def change(path, digest, action="modify", **more):
        return {"path": path, "action": action, "kind": "text", "reason": f"why {path}", "after_digest": digest, **more}

    os.makedirs(scene.path("web01", "history", "1", "changes"))
    with open(scene.path("web01", "history", "1", "changes.json"), "w") as file:
        json.dump({"version": 1, "name": "web01", "changes": [
            change("/etc/fstab", "0"), change("/etc/old", "7", "create", diff="changes/0002.diff"), change("/etc/same", "5")]}, file)
    with open(scene.path("web01", "history", "1", "changes", "0002.diff"), "w") as file:
        file.write("--- /dev/null\n+++ b/etc/old\n+a line\x1b[31m\n")
    with open(scene.path("web01", "changes.json"), "w") as file:
        json.dump({"version": 1, "name": "web01", "changes": [
            change("/etc/fstab", "3"), change("/etc/fstab", "1"), change("/etc/new", "2", "create"), change("/etc/same", "5")]}, file)
    names = [(s["name"], s["state"], s.get("changes")) for s in json.loads(p2v("snapshots", "web01", "--json"))["snapshots"]]
    need(names == [("pristine", "received", 0), ("conversion-1", "taken back", 3), ("conversion-2", "booted", 4)], names)
    need("its changes alone are kept" in p2v("snapshots", "web01"), p2v("snapshots", "web01"))

    def differ(*words):
        found = json.loads(p2v("diff", "web01", *words, "--json"))
        return [(file["action"], file["path"]) for file in found.get("files", [])]

    need(differ() == [("modify", "/etc/fstab"), ("create", "/etc/new"), ("modify", "/etc/same")], differ())
    need(differ("conversion-1", "conversion-2") == [("modify", "/etc/fstab"), ("create", "/etc/new"), ("delete", "/etc/old")],
         differ("conversion-1", "conversion-2"))
    need(differ("converted", "pristine") == [("modify", "/etc/fstab"), ("delete", "/etc/new"), ("modify", "/etc/same")],
         differ("converted", "pristine"))
    need(differ("converted", "conversion-2") == [], "the last one is another one")
    text = p2v("diff", "web01", "pristine", "conversion-1", "--patch")
    need("+a line" in text and "\x1b" not in text and "3 files" in text, text)
    for words, code in ((("web01", "conversion-3"), 1), (("web01", "../x"), 2), (("web01", "a", "b", "c"), 2), ((), 2), (("none",), 1)):
        p2v("diff", *words, expect=code)
    scene.add("late", received=False)
    server.comes("late", "waiting")
    need(p2v("snapshots", "late") == "", "snapshots of what is not there")


@case
def keys_of_agents(scene):
    """p2v key: a pair is made and its public half let in, listed, taken out; nothing of the asker's gets into the line."""
    server = scene.server()
    path = os.path.join(scene.work, "authorized_keys")

    def p2v(*words, expect=0):
        done = subprocess.run([P2V, "key", *words, "--socket", server.socket], stdin=subprocess.DEVNULL, cwd=scene.work,
                              capture_output=True, text=True)
        need(done.returncode == expect, f"p2v key {words}: {done.returncode} {done.stdout} {done.stderr}")
        return done.stdout + done.stderr

    need(p2v("list") == "", "keys of nobody")
    said = p2v("new", "campaign", "--until", "20301231", "--from", "10.0.0.0/24,192.0.2.7")
    need(os.stat(os.path.join(scene.work, "campaign")).st_mode & 0o777 == 0o600, "the private key is not private")
    shown = subprocess.run(["ssh-keygen", "-l", "-f", os.path.join(scene.work, "campaign.pub")], check=True,
                           capture_output=True, text=True).stdout.split()[1]
    need(shown in said, f"{shown}: {said}")
    with open(path) as file:
        line = file.read()
    need(line.startswith(f'restrict,command="p2v-recv --dir {scene.base}",from="10.0.0.0/24,192.0.2.7",'
                         'expiry-time="20301231" ssh-ed25519 AAAA') and line.endswith(" campaign\n"), line)
    # sshd's own reader of such files takes it.
    need(shown in subprocess.run(["ssh-keygen", "-l", "-f", path], check=True, capture_output=True, text=True).stdout, "ssh-keygen")
    key, = json.loads(p2v("list", "--json"))["keys"]
    need(key["fingerprint"] == shown and key["until"] == "20301231" and key["from"] == "10.0.0.0/24,192.0.2.7", key)
    p2v("new", "campaign", expect=1)
    p2v("new", "campaign", "--output", "other", expect=1)
    need(not os.path.exists(os.path.join(scene.work, "other")), "a pair that nobody lets in is left")
    p2v("new", "other", "--public", os.path.join(scene.work, "campaign.pub"), expect=1)
    for words in (("new", "x y"), ("new",), ("juggle",), ("list", "all"), ("revoke",)):
        p2v(*words, expect=2)
    for bad in ({"name": "x", "public_key": "command=\"sh\" " + PUBLIC_KEY}, {"name": "x", "public_key": "ssh-ed25519 AAAA"},
                {"name": "x", "public_key": PUBLIC_KEY, "from": "10.0.0.0/8\",command=\"sh"},
                {"name": "x\nssh-ed25519", "public_key": PUBLIC_KEY}, {"name": "x", "public_key": PUBLIC_KEY, "until": "soon"},
                {"name": "x", "public_key": "ssh-rsa" + PUBLIC_KEY[11:]}, {"public_key": PUBLIC_KEY}):
        status, _, text = server.ask("POST", "/v1/keys", bad)
        need(status == 400, f"{bad}: {status} {text}")
    with open(path) as file:
        need(file.read() == line, "the file is another one")
    p2v("revoke", "campaign")
    p2v("revoke", "campaign", expect=1)
    need(p2v("list") == "", "a revoked key is listed")
    what = [(e["what"], e["text"]) for e in server.get("/v1/events")["events"] if e["what"].startswith("key")]
    need(what == [("key new", f"campaign {shown}"), ("key revoke", f"campaign {shown}")], what)


@case
def the_ledger_is_full(scene):
    """While the ledger takes nothing it is said once, with what to do; then all goes on where it was."""
    if POSTGRES:
        print("     the_ledger_is_full: played in SQLite alone")
        return
    server = scene.server(env={"FAKE_SLEEP": "2"})
    scene.add("web01")
    wait("a program runs", lambda: (server.job("web01") or {}).get("running"))

    def ledger(statement):
        with contextlib.closing(sqlite3.connect(scene.store, timeout=LIMIT_S, isolation_level=None)) as file:
            file.execute(statement)

    ledger("CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'it is full'); END")
    scene.add("web02")
    wait("it is done", lambda: scene.has("web01", "facts.json"))
    status, _, text = server.ask("POST", "/v1/jobs/web01/actions", {"action": "cancel"})
    need(status == 500 and b"it is full" in text, f"{status} {text}")
    time.sleep(4)
    with open(server.log.name) as file:
        log = file.read()
    need(log.count("it is full") == 2 and "there again" not in log, log)
    ledger("DROP TRIGGER full")
    server.comes("web01", "proven")
    server.comes("web02", "proven")
    with open(server.log.name) as file:
        need(file.read().count("the ledger is there again") == 1, "it does not say that all is well again")


@case
def a_backup_is_put_back(scene):
    """A ledger that is damaged is refused with what to do; a backup takes its place, and nothing is done twice."""
    if POSTGRES:
        print("     a_backup_is_put_back: pg_dump does it there")
        return
    server = scene.server(hold=["conversion"])
    scene.add("web01")
    server.comes("web01", "held")
    kept = os.path.join(scene.work, "kept.db")
    subprocess.run([P2V, "server", "backup", kept, "--config", server.conf], check=True)
    server.act("web01", "approve")
    scene.add("web02")
    server.comes("web01", "proven")
    server.comes("web02", "held")
    server.act("web02", "priority", priority=77)
    server.kill()
    server.start()
    need(server.job("web02")["priority"] == 77, "what happened after the backup is lost by a restart")
    server.stop()
    with open(scene.store, "r+b") as file:
        file.write(b"x" * 4096)
    done = subprocess.run([P2VD, "--config", server.conf], capture_output=True, text=True, timeout=LIMIT_S)
    need(done.returncode == 1 and "p2v-server(1) says how a backup" in done.stderr, done)
    for end in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(scene.store + end)
    shutil.copy(kept, scene.store)
    server.start()
    server.comes("web01", "proven")
    server.comes("web02", "held", "approval before the conversion")
    server.act("web02", "approve")
    server.comes("web02", "proven")


@case
def time_is_over(scene):
    """The rules of retention remove what nobody needs, with its directory, say why, and touch nothing else."""
    server = scene.server(retention=["cancelled 2s", "failed 3s", "waiting 2s", "handed-over 2s"], hold=["conversion"])
    for name in ("kept", "cancelled", "handed", "proven"):
        scene.add(name)
    scene.add("failed", "plan refuse")
    for name in ("kept", "cancelled", "handed", "proven"):
        server.comes(name, "held")
    for name in ("handed", "proven"):
        server.act(name, "approve")
    server.comes("handed", "proven")
    server.comes("proven", "proven")
    server.act("cancelled", "cancel")
    server.act("handed", "handover")
    scene.add("late", received=False)
    with open(scene.path("late", ".lock"), "a") as lock:
        # Its agent is there: it is not removed, however long that takes.
        fcntl.flock(lock, fcntl.LOCK_EX)
        wait("they are gone", lambda: sorted(server.jobs()) == ["kept", "late", "proven"])
        time.sleep(3)
        need(scene.has("late", "machine.json"), "it was removed while it came")
    wait("it is gone", lambda: sorted(server.jobs()) == ["kept", "proven"])
    need(sorted(n for n in os.listdir(scene.base) if n[0] != ".") == ["kept", "proven"], os.listdir(scene.base))
    why = {(e["name"], e["text"]) for e in server.get("/v1/events")["events"] if e["what"] == "rm"}
    need(why == {("cancelled", "retention: cancelled 2s"), ("failed", "retention: failed 3s"),
                 ("handed", "retention: handed-over 2s"), ("late", "retention: waiting 2s")}, why)


@case
def chaos(scene):
    """Daemons and programs are killed at random; every job is proven, nothing was done twice."""
    hosts = ["one", "two"] if POSTGRES else ["one"]
    names = [f"job{i:02}" for i in range(14)]
    for name in names:
        scene.add(name)
    servers = [scene.server(host=host, tries=90, lease_s=3, env={"FAKE_SLEEP": "0.3"}) for host in hosts]
    random.seed(4)
    kills = 0

    def done():
        jobs = servers[0].jobs()
        return len(jobs) == len(names) and all(job["state"] == "proven" for job in jobs.values())

    while not done():
        time.sleep(random.uniform(0.1, 0.9))
        if kills > 25:
            continue
        kills += 1
        if random.random() < 0.5:
            server = random.choice(servers)
            server.kill()
            server.start(FAKE_SLEEP="0.3")
        else:
            pids = subprocess.run(["pgrep", "-f", f"{FAKE} .*{scene.base}"], capture_output=True, text=True).stdout.split()
            for pid in pids[:1]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
    need(kills > 3, f"only {kills} kills")
    for name in names:
        need(scene.has(name, *NOUNS), f"{name}: nouns are missing")


def run(function, store_of):
    work = quick_folder("p2vd-test.")
    scene = Scene(work, store_of(work))
    try:
        function(scene)
        for server in scene.servers:
            server.stop()
        scene.check_clean()
        return True
    except (Wrong, browser.BrowserError) as why:
        print(f"FAIL {function.__name__}: {why}", flush=True)
        for server in scene.servers:
            print(open(server.log.name, errors="replace").read()[-3000:], flush=True)
        return False
    finally:
        for server in scene.servers:
            if server.process and server.process.poll() is None:
                server.kill()
        shutil.rmtree(work, ignore_errors=True)


NUMBERS = itertools.count(1)


def fresh(postgres):
    """A data base of its own in the server."""
    name = f"case{next(NUMBERS)}"
    postgres.run("createdb", "-h", postgres.dir, "-U", "p2v", name)
    return f"postgresql://p2v@/{name}?host={postgres.dir}"


def main():
    wanted = [word for word in WORDS if not word.startswith("--")]
    cases = [c for c in CASES if not wanted or c.__name__ in wanted]
    with contextlib.ExitStack() as stack:
        store_of = lambda work: os.path.join(work, "ledger.db")
        if POSTGRES:
            path = os.path.join(HERE, "..", "store", "with-postgres.py")
            spec = importlib.util.spec_from_file_location("with_postgres", path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            try:
                postgres = stack.enter_context(module.Postgres())
            except module.NoPostgres as why:
                print(why)
                sys.exit(77)
            store_of = lambda work: fresh(postgres)
        run_cases(cases, lambda function: run(function, store_of))


P2VD, P2V, *WORDS = [os.path.abspath(word) if i < 2 else word for i, word in enumerate(sys.argv[1:])]
POSTGRES = "--postgres" in WORDS
main()
