# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with a key that nobody knows, at a real sshd as `p2v server init` sets it up: what it can do before it is
let in by its code, and afterwards; and one with a known key that waits for a name.

usage: test-enroll.py BUILD"""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile

BUILD = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../e2e"))
from lib import sshd  # noqa: E402
from lib.expect import Wrong, need, wait  # noqa: E402


LIMIT_S = 60


class Place:
    """A server below a folder that sshd trusts: its AuthorizedKeysCommand must lie where only root can write."""

    def __init__(self):
        self.work = tempfile.mkdtemp(prefix="p2v-enroll.", dir="/run")
        os.chmod(self.work, 0o755)
        self.base, self.keys = self.path("jobs"), self.path("etc/p2v/authorized_keys")
        self.processes, self.server = [], None
        shutil.copy(os.path.join(BUILD, "p2v/recv/p2v-recv"), self.path("p2v-recv"))
        os.mkdir(self.base)

    def path(self, name):
        return os.path.join(self.work, name)

    def fragment(self):
        """What `p2v server init` makes, with these paths, and for the one user that a test has."""
        self.p2v("server", "init", "--root", self.path("root"), "--base", self.base)
        with open(self.path("root/etc/ssh/sshd_config.d/50-p2v.conf")) as file:
            text = file.read()
        need("AuthorizedKeysCommand " in text and "ExposeAuthInfo yes" in text, text)
        text = text.replace("/usr/bin/", self.work + "/").replace("/etc/p2v/", self.path("etc/p2v") + "/")
        os.makedirs(self.path("etc/p2v"))
        return text.replace("Match User p2v", "Match User root").replace("CommandUser p2v", "CommandUser root")

    def start(self):
        fragment = self.fragment()
        self.server = sshd.Sshd(self.path("sshd"), "false", [fragment])
        # A campaign's key, as an administrator adds it: good from one network only, which is not this one.
        with open(self.server.path("identity.pub")) as file:
            self.known = file.read()
        with open(self.keys, "w") as file:
            file.write(f"# {self.known}{self.known}")
        self.server.start()
        with open(self.path("p2vd.conf"), "w") as file:
            file.write(f'base: "{self.base}"\nstore: "{self.path("ledger.db")}"\nsocket: "{self.path("p2vd.sock")}"\n')
        self.run_bg([os.path.join(BUILD, "p2v/daemon/p2vd"), "--config", self.path("p2vd.conf")], "p2vd.log")
        wait("p2vd", lambda: os.path.exists(self.path("p2vd.sock")))

    def run_bg(self, argv, log):
        with open(self.path(log), "ab") as out:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.processes.append(process)
        return process

    def log(self, name):
        try:
            with open(self.path(name)) as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def p2v(self, *words, expect=0):
        more = [] if words[0] == "server" else ["--socket", self.path("p2vd.sock")]
        done = subprocess.run([os.path.join(BUILD, "p2v/cli/p2v"), *words, *more], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        need(done.returncode == expect, f"{words}: {done.returncode} {done.stdout} {done.stderr}")
        return done.stdout + done.stderr

    def agent(self, key, log, *more, machine="machine.json"):
        return self.run_bg([os.path.join(BUILD, "agent/p2v-agent"), "--server", self.server.target, "--identity", key,
                            "--known-hosts", self.server.known_hosts, "--machine", self.path(machine), "--yes",
                            "--progress", "json", "--disk", self.path("disk"), "--link", "libssh2", *more], log)

    def agents(self):
        return json.loads(self.p2v("agent", "list", "--json"))["agents"]

    def stop(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(30)
        if self.server:
            self.server.stop()
        shutil.rmtree(self.work, ignore_errors=True)


def machine(place, name, uuid):
    with open(place.path(name), "w") as file:
        json.dump({"version": 1, "name": "machine", "uuid": uuid, "vendor": "Contoso", "product": "Server-2950",
                   "serial": "7B5TM12", "arch": "x86_64", "firmware": "bios", "memory_bytes": 1 << 30, "cpus": 1}, file)


def ended(place, process, log, expect):
    process.wait(LIMIT_S)
    need(process.returncode == expect, f"exit code {process.returncode}: {place.log(log)}")
    return place.log(log)


def code_of(place, log):
    return wait("a code", lambda: re.search(r"p2v enroll ([0-9A-Z]{4}-[0-9A-Z]{4})", place.log(log))).group(1)


def raw_ssh(place, key, *options):
    """What an attacker has: any SSH client, with the same key."""
    return subprocess.run(["ssh", "-F", "none", "-i", key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o",
                           f"UserKnownHostsFile={place.server.known_hosts}", "-p", str(place.server.port), *options,
                           "root@127.0.0.1", "id; cat /etc/shadow"], stdin=subprocess.DEVNULL, capture_output=True, text=True)


def door(place, key):
    """Shut, nobody gets in; open for another network, neither; open, he gets to p2v-recv and no further."""
    text = ended(place, place.agent(key, "shut.log"), "shut.log", 3)
    need("p2v enroll --open" in text, text)
    need("shut" in place.p2v("enroll"), "the door says nothing")
    place.p2v("enroll", "--open", "1", "--from", "192.0.2.0/24")
    ended(place, place.agent(key, "far.log"), "far.log", 3)
    place.p2v("enroll", "--open", "1")
    need("open" in place.p2v("enroll"), "the door says nothing")
    done = raw_ssh(place, key, "-L", f"{place.path('forward')}:127.0.0.1:22")
    need("uid=" not in done.stdout and "root:" not in done.stdout, done.stdout)


def enrolled(place, key, thief):
    """Two machines that say the same of themselves: the code on one's screen means that one."""
    first = place.agent(key, "first.log", "--streams", "2")
    code = code_of(place, "first.log")
    second = place.agent(thief, "thief.log")
    need(code_of(place, "thief.log") != code, "two machines have one code")
    waiting = place.agents()
    need(len(waiting) == 2 and all(a["new_key"] and a["there"] and a["address"] == "127.0.0.1" for a in waiting), waiting)
    need(code not in json.dumps(waiting) and code not in place.p2v("agent", "list"), "the list shows the code")
    need(sorted(os.listdir(place.base)) == [".agents", ".limits.json"], f"somebody made a job: {os.listdir(place.base)}")
    place.p2v("agent", "assign", waiting[0]["id"], "web01", expect=3)
    need("web01" in place.p2v("enroll", code.lower(), "--name", "web01"), "nothing is said")
    text = ended(place, first, "first.log", 0)
    need("calls this machine web01" in text, text)
    need(sorted(os.listdir(place.base)) == [".agents", ".limits.json", ".queue", "web01"], os.listdir(place.base))
    need(os.path.exists(os.path.join(place.base, "web01", "receipt")), "no receipt")
    place.p2v("enroll", code, expect=1)
    need(second.poll() is None, "the other one was let in, or went")
    other = next(a for a in place.agents() if not a.get("name"))
    place.p2v("agent", "rm", other["id"])
    text = ended(place, second, "thief.log", 3)
    need("nobody at the server has let this machine in" in text, text)


def bound(place, key):
    """Who was let in comes again without a code; his key opens nothing else; and it can be shut out."""
    place.p2v("enroll", "--shut")
    again = place.agent(key, "again.log", "--refresh", "--name", "other")
    ended(place, again, "again.log", 0)
    need(sorted(os.listdir(place.base)) == [".agents", ".limits.json", ".queue", "web01"], os.listdir(place.base))
    machine(place, "other.json", "4c4c4544-0042-3510-8054-b7c04f4d9999")
    text = ended(place, place.agent(key, "other.log", machine="other.json"), "other.log", 3)
    need("another UUID" in text, text)
    place.p2v("agent", "rm", "web01")
    text = ended(place, place.agent(key, "out.log", "--refresh"), "out.log", 3)
    need("does not accept" in text, text)


def campaign(place):
    """A known key needs no code. With --assign it waits for a name, and keeps it."""
    key = place.server.identity
    waits = place.agent(key, "assign.log", "--assign")
    wait("it registers", lambda: "waits for a name" in place.log("assign.log"))
    need("waits for" in place.p2v("agent", "list"), place.p2v("agent", "list"))
    place.p2v("agent", "assign", "7B5TM12", "db01")
    ended(place, waits, "assign.log", 0)
    need(os.path.exists(os.path.join(place.base, "db01", "receipt")), "no receipt")
    ended(place, place.agent(key, "second.log", "--assign", "--refresh"), "second.log", 0)
    ended(place, place.agent(key, "plain.log", "--name", "plain"), "plain.log", 0)
    # A key with a line of its own that does not hold here gets no further by asking.
    place.p2v("enroll", "--open", "1")
    with open(place.keys, "w") as file:
        file.write(f'from="192.0.2.1" {place.known}')
    text = ended(place, place.agent(key, "from.log", "--name", "from"), "from.log", 3)
    need("does not accept" in text, text)
    # And where sshd does not say who calls, nobody is let in.
    done = subprocess.run([place.path("p2v-recv"), "--dir", place.base, "--keys", place.keys], input=b"",
                          capture_output=True)
    need(done.returncode == 3 and b"ExposeAuthInfo" in done.stderr, done)


def audit(place):
    """Who decided what stands in the ledger."""
    ledger = sqlite3.connect(f"file:{place.path('ledger.db')}?mode=ro", uri=True)
    events = ledger.execute("SELECT what, who, text FROM event").fetchall()
    for word in "door", "enroll", "assign", "forget":
        need(any(what == word and "root" in who for what, who, _ in events), f"no {word} in {events}")
    need(any("web01" in text for what, _, text in events if what == "enroll"), events)


def misuse(place):
    """What is said wrongly changes nothing, and says how."""
    for words in (["enroll", "K7QF-2M4D", "--open", "1"], ["enroll", "--name", "x"], ["enroll", "--from", "10.0.0.0/8"],
                  ["enroll", "--open", "1", "--shut"], ["enroll", "--open", "9999"],
                  ["enroll", "--open", "1", "--from", '10.0.0.1" ssh-rsa'], ["agent", "assign", "x"], ["agent", "list", "x"],
                  ["agent", "frobnicate"]):
        place.p2v(*words, expect=2)
    place.p2v("enroll", "0000-0000", expect=1)
    place.p2v("agent", "rm", "nobody", expect=1)
    need("shut" in place.p2v("enroll"), "the door is open")
    need("No machine waits" in place.p2v("agent", "list"), place.p2v("agent", "list"))


def main():
    if os.geteuid() != 0:
        print("SKIP: root is needed for sshd's AuthorizedKeysCommand")
        sys.exit(77)
    place = Place()
    try:
        machine(place, "machine.json", "4c4c4544-0042-3510-8054-b7c04f4d3132")
        with open(place.path("disk"), "wb") as file:
            file.write(os.urandom(1 << 20))
            file.truncate(8 << 20)
        place.start()
        key, thief = (sshd.keygen(place.path(name)) for name in ("key", "thief"))
        for case, words in (misuse, []), (door, [key]), (enrolled, [key, thief]), (bound, [key]), (campaign, []), (audit, []):
            case(place, *words)
            print(f"ok {case.__name__}", flush=True)
    except Wrong as error:
        print(f"FAIL: {error}\n--- p2vd:\n{place.log('p2vd.log')[-1500:]}\n--- sshd:\n{place.log('sshd/sshd.log')[-3000:]}")
        sys.exit(1)
    finally:
        place.stop()


main()
