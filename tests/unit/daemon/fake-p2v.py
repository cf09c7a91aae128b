#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for p2v: leaves the nouns that its stages leave, as they do it: under the directory's lock, by rename, once.

The directory's file `orders` has lines "STAGE WORD...": what goes wrong there. An order with a count ("fail:2") is
over after so many times."""
import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
import sys
import tempfile
import time

NOUNS = {"plan": ["facts.json", "plan.json"], "changes": ["changes.json"], "output": ["output.json"], "prove": ["proof.json"]}


def parse(argv):
    words = [word for word in argv if not word.startswith("--progress")]
    if words[0] == "prove":
        return "prove", words[1]
    if "--undo" in words:
        return "undo", words[words.index("--undo") + 1]
    return words[words.index("--only") + 1], words[words.index("-o") + 1]


def say(**what):
    sys.stderr.write(json.dumps({"version": 1, **what}) + "\n")
    sys.stderr.flush()


def order(folder, stage):
    """The next order for the stage that is not used up."""
    try:
        lines = open(os.path.join(folder, "orders")).read().split("\n")
    except FileNotFoundError:
        return None
    for line in lines:
        if line.split(" ")[0] != stage:
            continue
        word, _, count = line.split(" ")[1].partition(":")
        used = os.path.join(folder, f".used-{stage}-{word}")
        n = os.path.getsize(used) if os.path.exists(used) else 0
        if not count or n < int(count):
            with open(used, "a") as file:
                file.write("x")
            return word
    return None


def probe(folder):
    """What this program may do, and what it sees."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/status") as file:
        status = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    calls = {"mount": (b"none", b"/proc", b"tmpfs", 0, None), "chroot": (b"/",), "ptrace": (0, 0, None, None),
             "setns": (0, 0), "umount2": (b"/nowhere", 0), "sethostname": (b"x", 1)}
    errors = {}
    for name, arguments in calls.items():
        ctypes.set_errno(0)
        errors[name] = ctypes.get_errno() if getattr(libc, name)(*arguments) else 0
    with open("/proc/net/dev") as file:
        cards = sorted(line.split(":")[0].strip() for line in file if ":" in line)
    with socket.create_server(("127.0.0.1", 0)) as here, socket.create_connection(here.getsockname(), 5):
        pass
    for path in ("/tmp", "/var/tmp"):
        with tempfile.TemporaryFile(dir=path):
            pass
    return {"argv": sys.argv[1:], "cards": cards, "beside": os.listdir(os.path.dirname(folder)),
            "no_new_privs": status["NoNewPrivs"].strip(), "seccomp": status["Seccomp"].strip(),
            "core": resource.getrlimit(resource.RLIMIT_CORE), "nice": os.nice(0), "errors": errors}


def publish(folder, name, text):
    temp = os.path.join(folder, f".{name}.{os.getpid()}")
    with open(temp, "w") as file:
        file.write(text)
    final = os.path.join(folder, name)
    # A proof that failed may be had again.
    if os.path.exists(final) and '"failed"' not in open(final).read():
        # Somebody else did it although we have the lock: the effect is repeated.
        open(final + ".twice", "w").close()
    os.rename(temp, final)


def main():
    stage, folder = parse(sys.argv[1:])
    lock = open(os.path.join(folder, ".lock"), "a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        open(os.path.join(folder, "met"), "w").close()
        sys.exit(3)
    say(event="progress", label=f"doing {stage}", unit="steps", done=1, total=3)
    wrong = order(folder, stage)
    if wrong == "sleep":
        # A child in the same group, as QEMU is of the appliance.
        if os.fork() == 0:
            with open(os.path.join(folder, "child.pid"), "w") as file:
                file.write(str(os.getpid()))
            os.execvp("sleep", ["sleep", "1000"])
        time.sleep(1000)
    if wrong == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)
    if wrong == "space":
        say(event="error", kind="no-space", text="disk0: No space left on device")
        sys.exit(1)
    if wrong == "fail":
        sys.stderr.write("qemu-img: \x1b[31mit broke\n")
        sys.exit(1)
    if wrong == "refuse":
        say(event="error", kind="refused", text="web01: no kernel that boots")
        sys.exit(3)
    if wrong == "probe":
        with open(os.path.join(folder, "probe"), "w") as file:
            file.write(json.dumps(probe(folder)))
    if wrong == "lie":
        sys.exit(0)
    if wrong == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(float(os.environ.get("FAKE_SLEEP", "0")))
    if stage == "undo":
        for names in reversed(list(NOUNS.values())):
            for name in reversed(names):
                if os.path.exists(os.path.join(folder, name)):
                    os.unlink(os.path.join(folder, name))
        return
    verdict = "failed" if wrong == "unproven" else "proven"
    proof = {"version": 1, "name": os.path.basename(folder), "verdict": verdict, "reason": "it is so", "checks": []}
    changes = {"version": 1, "name": proof["name"], "changes": [
        {"path": "/etc/fstab", "action": "modify", "kind": "text", "reason": "the old name is gone", "after_digest": "1"}]}
    for name in NOUNS[stage]:
        told = os.path.join(folder, "say-" + name)
        text = json.dumps({"prove": proof, "changes": changes}.get(stage, {}))
        if stage != "prove" and os.path.exists(told):
            with open(told) as file:
                text = file.read()
        publish(folder, name, text)
    sys.exit(1 if verdict == "failed" else 0)


main()
