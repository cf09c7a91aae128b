#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""p2v run, p2v job and p2v agent against a server that only ssh reaches, by a real sshd, as an operator whose account may
ask p2vd and nothing more; and as one who may not. stages are played.

usage: test-host.py P2VD P2V"""
import json
import os
import pwd
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "e2e"))

from lib import sshd
from scene import Scene, Wrong, need, wait

# Of this run: what a killed one has left is in nobody's way.
OPERATOR, STRANGER = (f"p2v-test-{what}{os.getpid()}" for what in ("oper", "none"))
SKIPPED = 77


class Far:
    """The conversion server as an operator sees it from his own machine."""

    def __init__(self, scene, user):
        self.scene = scene
        self.dir = os.path.join(scene.work, user)
        os.mkdir(self.dir, 0o755)
        key = sshd.keygen(os.path.join(self.dir, "operator"))
        with open(key + ".pub") as file:
            public = file.read()
        self.sshd = sshd.Sshd(os.path.join(self.dir, "sshd"), command="/bin/false", user=user, extra_keys=[public])
        with open(os.path.join(self.dir, "config"), "w") as file:
            file.write(f"Host far\n HostName 127.0.0.1\n Port {self.sshd.port}\n User {user}\n IdentityFile {key}\n"
                       f" IdentitiesOnly yes\n UserKnownHostsFile {self.sshd.known_hosts}\n")
        os.mkdir(os.path.join(self.dir, "bin"))
        with open(os.path.join(self.dir, "bin", "ssh"), "w") as file:
            file.write(f'#!/bin/sh\nexec /usr/bin/ssh -F {self.dir}/config "$@"\n')
        os.chmod(file.name, 0o755)
        self.env = {**os.environ, "PATH": os.path.join(self.dir, "bin") + ":" + os.environ["PATH"], "COLUMNS": "80"}

    def argv(self, *words):
        return [self.scene.p2v, *words, "--host", "far", "--socket", self.scene.socket]

    def p2v(self, *words, expect=0):
        done = subprocess.run(self.argv(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True, env=self.env,
                              timeout=180)
        need(done.returncode == expect, f"{words}: {done.returncode} {done.stdout} {done.stderr}")
        return done.stdout + done.stderr

    def start(self, *words):
        self.scene.err = open(os.path.join(self.scene.work, "run.err"), "ab")
        self.scene.runner = subprocess.Popen(self.argv(*words), stdin=subprocess.DEVNULL, stdout=self.scene.err,
                                             stderr=self.scene.err, env=self.env)

    def cut(self):
        """The connections break; sshd still listens."""
        for pid in sshd.children(self.sshd.process.pid)[1:]:
            os.kill(pid, signal.SIGKILL)


def sockets_left():
    return [name for name in os.listdir("/tmp") if name.startswith("p2v-ssh.")]


def operator(scene, far):
    before = sockets_left()
    scene.serve(workers=1)
    os.chown(scene.socket, 0, pwd.getpwnam(OPERATOR).pw_gid)
    scene.book("name: weekend\nwaves:\n- name: one\n  servers: [{name: a, approve: [conversion]}]\n- name: two\n"
               "  servers: [{name: b}]\n")
    text = far.p2v("run", "--check", scene.runbook, expect=1)
    need("has not called in" in " ".join(text.split()), text)
    scene.call_in("a", mac="52:54:00:00:00:11")
    need("a" in far.p2v("job", "list"), "job list")
    far.start("run", scene.runbook)
    scene.comes("a", "ready", "p2v job approve a")
    far.cut()
    wait("it says that the server is away", lambda: "asked again" in open(scene.err.name).read())
    # Its own ssh, and p2vd, may go and come.
    scene.daemon.kill()
    scene.daemon.wait()
    scene.start_daemon()
    os.chown(scene.socket, 0, pwd.getpwnam(OPERATOR).pw_gid)
    far.p2v("job", "approve", "a")
    scene.comes("a", "done")
    need(scene.events("a")[-1], "events")
    who = {event["who"] for event in scene.events("a") if event["what"] == "approve"}
    need(any(OPERATOR in one for one in who), f"the audit log says {who}")
    # Ctrl-C, and on.
    need(scene.interrupt() == 1, "Ctrl-C")
    scene.call_in("b", mac="52:54:00:00:00:12")
    text = far.p2v("run", "--json", "--progress=none", scene.runbook)
    need([server["step"] for server in json.loads(text)["servers"]] == ["done", "done"], text)
    need("3 servers" not in scene.report()[0] and "2 servers, 2 done, 0 failed" in scene.report()[0], scene.report()[0])
    need("never changed" in far.p2v("run", "--rollback", "b", scene.runbook), "rollback")
    need(json.loads(far.p2v("agent", "list", "--json"))["version"] == 1, "agent list")
    need(sockets_left() == before, f"left in /tmp: {sockets_left()}")


def stranger(scene, far):
    """Whose account may not ask p2vd: he is told what he lacks."""
    for words in (("job", "list"), ("agent", "list"), ("run", scene.runbook)):
        text = far.p2v(*words, expect=1)
        need("group p2v" in text, f"{words}: {text}")


def main():
    if os.geteuid() != 0 or not os.path.exists("/usr/sbin/sshd"):
        print("SKIP: needs root and sshd")
        sys.exit(SKIPPED)
    scene = Scene(*sys.argv[1:])
    os.chmod(scene.work, 0o755)
    try:
        for user, act in ((OPERATOR, operator), (STRANGER, stranger)):
            subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/", "--shell", "/bin/sh",
                            "--password", "*", user], check=True)
            far = Far(scene, user)
            begin = time.monotonic()
            with far.sshd:
                act(scene, far)
            print(f"ok   {act.__name__} {time.monotonic() - begin:.1f} s", flush=True)
    except Wrong as why:
        sys.exit(f"FAIL: {why}\n{open(scene.log.name, errors='replace').read()[-2000:]}")
    finally:
        scene.close()
        for user in (OPERATOR, STRANGER):
            subprocess.run(["userdel", user], check=False, stderr=subprocess.DEVNULL)


main()
