#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""p2v run against p2vd whose stages are played by fake-p2v.py.

usage: test-run.py P2VD P2V [CASE]..."""
import json
import os
import random
import re
import signal
import subprocess
import sys
import time

from scene import Scene, Wrong, need, run_cases, wait

CASES = []


def case(function):
    CASES.append(function)
    return function


BOOK = """
name: weekend
defaults:
  memory: 4G
waves:
- name: web
  servers:
  - name: web01
    match: {serial: CZ1234}
    memory: 8G
    cpus: 4
    checks: [{tcp: 443}, {http: /health, status: 204}]
    hooks:
      before: {run: BEFORE}
      after: {run: AFTER}
  - name: web02
    match: {uuid: 11111111-2222-3333-4444-555555555555}
- name: db
  servers:
  - name: db01
    match: {mac: '52:54:00:AA:00:03'}
    networks: [{mac: '52:54:00:aa:00:03', bridge: br7}]
"""
MAC3 = "52:54:00:aa:00:03"
UUID2 = "11111111-2222-3333-4444-555555555555"


@case
def waves_in_order(scene):
    """Machines are matched as they call in, get their orders, and go wave by wave; a report at the end."""
    scene.serve()
    scene.book(BOOK.replace("BEFORE", scene.hook("before")).replace("AFTER", scene.hook("after")))
    scene.call_in("old-name", serial="cz1234")
    # The later wave is there first, and nobody of the runbook is this one.
    scene.call_in("db-box", mac=MAC3)
    scene.call_in("stranger", mac="52:54:00:aa:00:09", received=False)
    scene.start()
    scene.comes("web02", "waiting", "no machine that matches")
    scene.comes("db01", "ready", "waits for wave web")
    scene.call_in("localhost", uuid=UUID2)
    scene.ends()
    orders = json.loads(scene.ask("GET", "/v1/jobs/old-name/files/orders.json")[1])
    need(orders["memory_bytes"] == 8 << 30 and orders["cpus"] == 4 and orders["hold"] == ["conversion"], orders)
    need(orders["checks"] == [{"tcp": 443}, {"http": "/health", "status": 204}], orders)
    orders = json.loads(scene.ask("GET", "/v1/jobs/db-box/files/orders.json")[1])
    need(orders["memory_bytes"] == 4 << 30 and orders["networks"][0]["bridge"] == "br7", orders)
    when = {(e["name"], e["what"]): e["id"] for e in scene.events()}
    need(max(when["old-name", "prove"], when["localhost", "prove"]) < when["db-box", "convert"], "the waves' order")
    need(("stranger", "order") not in when, "a stranger got orders")
    news = scene.told()
    need([n["hook"] for n in news] == ["before", "after"] and news[0]["server"] == "web01" and
         news[0]["job_name"] == "old-name" and news[0]["dir"] == scene.path("old-name") and
         news[0]["campaign"] == "weekend" and news[0]["wave"] == "web" and news[0]["version"] == 1, news)
    md, html = scene.report()
    need("3 servers, 3 done, 0 failed" in md and "<h2>db01</h2>" in html and md.count("proven") >= 3, md)
    # It is over: nothing is done again.
    before = len(scene.events())
    need("All servers of the campaign are done" in scene.run(), "a second run")
    need(len(scene.events()) == before, "the second run did something")


@case
def what_fails(scene):
    """A failure keeps the next wave from beginning; it is told, retried, and may be passed over."""
    scene.serve(tries=1)
    failed = scene.hook("failed")
    text = ("name: weekend\nwaves:\n- name: one\n  servers: [{name: a, hooks: {failed: {run: FAILED}}}, {name: b}]\n"
            "- name: two\n  servers: [{name: c}]\n").replace("FAILED", failed)
    scene.book(text)
    scene.call_in("a", "changes fail")
    scene.call_in("b", mac="52:54:00:00:00:02")
    scene.call_in("c", mac="52:54:00:00:00:03")
    text_out = scene.run(expect=1)
    need("it broke" in text_out and "--retry" in text_out, text_out)
    need(scene.state("b")["step"] == "done" and scene.state("c")["step"] == "ready", "b and c")
    need([n["hook"] for n in scene.told()] == ["failed"] and "it broke" in scene.told()[0]["note"], scene.told())
    need("it broke" in scene.report()[0], "the report")
    # Again without anything changed: at once, and it is not told a second time.
    scene.run(expect=1)
    need(len(scene.told()) == 1, scene.told())
    os.unlink(scene.path("a", "orders"))
    scene.run("--retry")
    need(scene.state("a")["step"] == "done" and scene.state("c")["step"] == "done", "after --retry")


@case
def go_on_and_parts(scene):
    """go_on; --only, --skip and --from; names that are none."""
    scene.serve(tries=1)
    scene.book("name: weekend\nwaves:\n- name: one\n  go_on: true\n  servers: [{name: a}, {name: b}]\n"
               "- name: two\n  servers: [{name: c}, {name: d}]\n")
    scene.call_in("a", "plan fail")
    for i, name in enumerate("bcd"):
        scene.call_in(name, mac=f"52:54:00:00:00:1{i}")
    need("no wave and no server nobody" in scene.run("--only", "nobody", expect=2), "--only nobody")
    need("no wave c" in scene.run("--from", "c", expect=2), "--from c")
    scene.run("--from", "two", "--skip", "d")
    need(scene.state("c")["step"] == "done" and scene.state("d").get("step", "waiting") == "waiting", "--from --skip")
    need("order" not in [e["what"] for e in scene.events("d")], "d was touched")
    scene.run("--only", "b")
    need(scene.state("b")["step"] == "done", "--only")
    scene.run(expect=1)
    need(scene.state("a")["step"] == "failed" and scene.state("d")["step"] == "done", "go_on")


@case
def waits_for_people_and_time(scene):
    """Windows, approvals, a person's hold; what p2vd.conf holds is let go; Ctrl-C and on."""
    hour = time.localtime().tm_hour
    closed = f"{(hour + 10) % 24}:00-{(hour + 11) % 24}:30"
    book = ("name: weekend\nwaves:\n- name: one\n  servers:\n"
            f"  - {{name: a, window: '{closed}'}}\n  - {{name: b, approve: [conversion, emission]}}\n  - {{name: c}}\n")
    scene.serve(hold=["conversion", "emission"])
    scene.book(book)
    for i, name in enumerate("abc"):
        scene.call_in(name, mac=f"52:54:00:00:00:1{i}")
    # Before the runbook is there it is looked at by other orders: brought back for its own.
    wait("held", lambda: (scene.job("c") or {}).get("state") == "held")
    scene.start()
    scene.comes("a", "ready", "waits for its window")
    scene.comes("b", "ready", "p2v job approve b")
    scene.comes("c", "done")
    need("rollback" in [e["what"] for e in scene.events("c")], "it kept the wrong orders")
    scene.act("b", "approve")
    scene.comes("b", "converting", "before the emission")
    need(scene.interrupt() == 1, "Ctrl-C")
    scene.book(book.replace(closed, "00:00-24:00"))
    # The operator holds it himself.
    scene.act("a", "hold", reason="not tonight") if scene.job("a")["status"] == "ready" else None
    scene.start()
    scene.comes("a", "done")
    scene.act("b", "approve")
    scene.comes("b", "done")
    scene.ends()


@case
def killed_before_the_note(scene):
    """Killed when one that was brought back had its orders, and before that was written down: its gate stays shut. And one
    whose hook has failed has it run before it is converted."""
    scene.serve()
    hook = scene.hook("before", "sys.exit(1 if os.path.exists('BROKEN') else 0)".replace("BROKEN", scene.path("broken")))
    scene.book(f"name: weekend\nwaves:\n- name: one\n  servers: [{{name: a, approve: [conversion]}}]\n"
               f"- name: two\n  servers: [{{name: b, hooks: {{before: {{run: {hook}}}}}}}]\n")
    scene.call_in("a", mac="52:54:00:00:00:11")
    scene.call_in("b", mac="52:54:00:00:00:12")
    scene.start()
    scene.comes("a", "ready", "p2v job approve a")
    scene.comes("b", "ready", "wave")
    scene.interrupt(signal.SIGKILL)
    scene.change_state("b", step="copying", ordered=False, rolled=True)
    scene.start()
    wait("b has its orders", lambda: scene.state("b").get("ordered"))
    time.sleep(2)
    need(scene.job("b")["stage"] == "planned" and not scene.told(), f"its gate was opened: {scene.job('b')}")
    open(scene.path("broken"), "w").close()
    scene.act("a", "approve")
    scene.comes("b", "failed")
    scene.ends(expect=1)
    need(scene.job("b")["stage"] == "planned", f"converted though its hook had failed: {scene.job('b')}")
    scene.run("--retry", expect=1)
    need(scene.job("b")["stage"] == "planned" and len(scene.told()) == 2, f"converted without its hook: {scene.job('b')}")
    os.unlink(scene.path("broken"))
    scene.run("--retry")
    need(scene.state("b")["step"] == "done" and len(scene.told()) == 3, scene.told())


@case
def planned_and_not_looked_at(scene):
    """Between the plan and its gate a job is ready for a while, where p2vd is busy: nobody has approved of it by that."""
    scene.serve(workers=1)
    scene.daemon.kill()
    scene.daemon.wait()
    scene.start_daemon(FAKE_SLEEP="4")
    hook = scene.hook("before")
    scene.book("name: weekend\nwaves:\n- name: one\n  servers: [{name: a}]\n- name: two\n"
               f"  servers: [{{name: b, hooks: {{before: {{run: {hook}}}}}}}]\n")
    scene.call_in("b", mac="52:54:00:00:00:12", received=False)
    scene.start()
    scene.comes("b", "copying", "its agent sends")
    scene.finish_pass("b")
    wait("b is looked at", lambda: (scene.job("b") or {}).get("running"))
    scene.call_in("other", mac="52:54:00:00:00:13")
    wait("other has called in", lambda: scene.job("other"))
    scene.act("other", "priority", priority=900)
    wait("b waits behind it", lambda: scene.job("b")["stage"] == "planned" and scene.job("b")["status"] == "ready")
    wait("b stands at its gate", lambda: scene.job("b")["status"] == "held")
    time.sleep(2)
    need(scene.job("b")["stage"] == "planned" and scene.job("b")["status"] == "held", f"its gate was opened: {scene.job('b')}")
    need(scene.state("b")["step"] == "ready" and not scene.told(), scene.state("b"))


@case
def two_that_match(scene):
    """A serial number that the maker has never set means nobody; a machine that was removed is in nobody's way."""
    scene.serve(hold=[])
    scene.book("name: weekend\nwaves:\n- name: one\n  servers:\n  - {name: a, match: {serial: Default string}}\n"
               "  - {name: b, match: {mac: '52:54:00:00:00:22'}}\n")
    for number, name in enumerate(("box", "bee", "old"), start=21):
        scene.call_in(name, serial="Default string", mac=f"52:54:00:00:00:{number}", received=False)
    wait("they have called in", lambda: all(scene.job(name) for name in ("box", "bee", "old")))
    need("is one that it may mean, too" in " ".join(scene.run("--check", expect=1).split()), "the check says nothing")
    scene.start()
    scene.comes("b", "copying")
    need(scene.state("b")["job_name"] == "bee", scene.state("b"))
    scene.comes("a", "waiting", "both match: say more in match, or remove one")
    scene.act("old", "rm")
    scene.comes("a", "copying")
    need(scene.state("a")["job_name"] == "box", scene.state("a"))
    scene.act("box", "rm")
    wait("it is removed", lambda: not scene.job("box"))
    scene.comes("a", "waiting")
    scene.call_in("box", serial="Default string", mac="52:54:00:00:00:21", received=False)
    scene.comes("a", "copying", "its agent sends")
    scene.finish_pass("bee")
    scene.finish_pass("box")
    scene.ends()


@case
def a_persons_hold(scene):
    """Who holds a job himself has the last word, however much happened to it before."""
    scene.serve(hold=[])
    scene.book("name: weekend\nwaves:\n- name: one\n  servers: [{name: a}]\n")
    scene.call_in("a", "plan sleep:1", received=False)
    scene.start()
    scene.comes("a", "copying", "its agent sends")
    for _ in range(550):
        scene.act("a", "priority", priority=5)
    scene.act("a", "hold", reason="wait for me")
    shown = subprocess.run([scene.p2v, "job", "show", "a", "--socket", scene.socket], capture_output=True, text=True)
    need("hold: wait for me" in shown.stdout, f"the history ends too early: {shown.stdout[-500:]}")
    scene.finish_pass("a")
    scene.comes("a", "ready", "held by a person")
    time.sleep(2)
    need(scene.job("a")["state"] == "held", "it was let go")
    os.unlink(scene.path("a", "orders"))
    scene.act("a", "approve")
    scene.ends()


@case
def converted_too_early(scene):
    """A job that was converted by other orders is not taken for what the runbook wants."""
    scene.serve(hold=[])
    scene.call_in("a")
    wait("proven", lambda: (scene.job("a") or {}).get("state") == "proven")
    scene.book("name: weekend\nwaves:\n- name: one\n  servers: [{name: a}]\n")
    need("p2v job rollback" in scene.run(expect=1), "it says nothing")
    scene.run("--rollback", "a")
    scene.run("--retry")
    need(scene.state("a")["step"] == "done", scene.state("a"))


def memory_ordered(scene, name):
    return json.loads(scene.ask("GET", f"/v1/jobs/{name}/files/orders.json")[1])["memory_bytes"]


@case
def changed_in_between(scene):
    """What has been changed in the runbook counts for one that has not been let go; the same runbook changes nothing."""
    scene.serve()
    book = "name: weekend\nwaves:\n- name: one\n  servers: [{name: a, memory: MEMORY, approve: [conversion]}]\n"
    scene.book(book.replace("MEMORY", "4G"))
    scene.call_in("a", mac="52:54:00:00:00:11")
    scene.start()
    scene.comes("a", "ready", "p2v job approve a")
    scene.interrupt()
    scene.book(book.replace("MEMORY", "6G"))
    scene.start()
    wait("it has the new orders", lambda: memory_ordered(scene, "a") == 6 << 30)
    scene.comes("a", "ready", "p2v job approve a")
    wait("it stands at its gate", lambda: scene.job("a")["state"] == "held" and scene.job("a")["stage"] == "planned")
    before = len(scene.events("a"))
    scene.interrupt()
    scene.start()
    time.sleep(3)
    need(len(scene.events("a")) == before, [event["what"] for event in scene.events("a")])
    scene.act("a", "approve")
    scene.ends()
    # Done is done.
    scene.book(book.replace("MEMORY", "8G"))
    scene.run()
    need(memory_ordered(scene, "a") == 6 << 30 and scene.job("a")["state"] == "proven", scene.job("a"))


@case
def mended_and_retried(scene):
    """Wherever one has failed: --retry goes by what the runbook says now, not by what had failed."""
    scene.serve(tries=1)
    hook = scene.hook("before")
    book = ("name: weekend\nwaves:\n- name: one\n  servers:\n"
            f"  - {{name: a, memory: MEMORY, hooks: {{before: {{run: {hook}}}}}}}\n"
            "  - {name: b, memory: MEMORY}\n  - {name: c, memory: MEMORY}\n")
    scene.book(book.replace("MEMORY", "4G"))
    for i, (name, order) in enumerate((("a", "changes fail"), ("b", "plan fail"), ("c", "prove unproven"))):
        scene.call_in(name, order, mac=f"52:54:00:00:00:1{i}")
    scene.run(expect=1)
    need([scene.state(name)["step"] for name in "abc"] == ["failed"] * 3, [scene.state(name) for name in "abc"])
    md = scene.report()[0]
    need("| since 2" in md and "p2v run --retry goes on" in md, f"the report does not say that they are away still: {md}")
    for name in "abc":
        os.unlink(scene.path(name, "orders"))
    scene.book(book.replace("MEMORY", "6G"))
    scene.run("--retry")
    need([memory_ordered(scene, name) for name in "abc"] == [6 << 30] * 3, "old orders were carried out")
    need(len(scene.told("before")) == 1, scene.told())


CUTOVER = """
name: weekend
waves:
- name: one
  servers:
  - name: a
    approve: final
    cutover:
      refresh_min: 30
      refresh: {run: REFRESH}
      final: {run: FINAL}
      handover: {run: HANDOVER}
      rollback: {run: ROLLBACK}
      interface: lab0
"""

PASS = """
folder = news['dir']
for noun in ('plan.json', 'facts.json', 'image.json', 'receipt'):
    if os.path.exists(os.path.join(folder, noun)):
        os.rename(os.path.join(folder, noun), os.path.join(folder, '.old-' + noun))
import time
time.sleep(float(os.environ.get('PASS_S', '0.2')))
receipt = json.load(open(os.path.join(folder, '.old-receipt')))
receipt['finished'] = str(time.time())
for noun, text in (('receipt', json.dumps(receipt)), ('image.json', '{}')):
    open(os.path.join(folder, '.new'), 'w').write(text)
    os.rename(os.path.join(folder, '.new'), os.path.join(folder, noun))
"""


class Lab:
    """Two network name spaces on one wire: where p2v run is, and the physical machine."""

    def __enter__(self):
        self.here, self.there = f"p2vh{os.getpid()}", f"p2vt{os.getpid()}"
        for name in (self.here, self.there):
            self.ip("netns", "add", name)
        self.ip("link", "add", "lab0", "netns", self.here, "type", "veth", "peer", "name", "eth0", "netns", self.there)
        self.inside(self.here, "ip", "link", "set", "lab0", "up")
        return self

    def __exit__(self, *_):
        for name in (self.here, self.there):
            subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)

    @staticmethod
    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    def inside(self, name, *argv):
        subprocess.run(["ip", "netns", "exec", name, *argv], check=True)

    def machine(self, up, mac="52:54:00:00:00:01", address="192.0.2.10/24"):
        """The physical machine is switched on or off; the cable stays."""
        self.inside(self.there, "ip", "addr", "flush", "dev", "eth0")
        self.inside(self.there, "sysctl", "-q", "-w", f"net.ipv6.conf.eth0.disable_ipv6={0 if up else 1}")
        self.inside(self.there, "ip", "link", "set", "eth0", "down")
        if up:
            self.inside(self.there, "ip", "link", "set", "eth0", "address", mac)
            if address:
                self.inside(self.there, "ip", "addr", "add", address, "dev", "eth0")
        else:
            self.inside(self.there, "ip", "link", "set", "eth0", "address", "02:00:00:00:00:77")
        self.inside(self.there, "ip", "link", "set", "eth0", "up")

    def prefix(self):
        return ["ip", "netns", "exec", self.here]


@case
def cutover(scene):
    """Hot, refreshed, approved, last pass, converted, proven; handed over only when the physical machine is off."""
    if os.geteuid() != 0 or subprocess.run(["ip", "netns", "add", "p2vprobe"], check=False).returncode != 0:
        print("     cutover: no network name spaces here: not tried")
        return
    subprocess.run(["ip", "netns", "del", "p2vprobe"], check=True)
    scene.serve()
    book = CUTOVER
    for word, lines in (("refresh", [PASS]), ("final", [PASS]), ("handover", []), ("rollback", [])):
        book = book.replace(word.upper(), scene.hook(word, *lines))
    scene.book(book)
    with Lab() as lab:
        lab.machine(True)
        scene.call_in("a", address="192.0.2.10/24", received=False)
        scene.start(prefix=lab.prefix())
        scene.comes("a", "copying", "its agent sends")
        need("another p2v run" in scene.run(expect=3), "two at once")
        scene.finish_pass("a")
        scene.comes("a", "hot")
        for passes in (2, 3):
            # Killed in the middle, and on.
            scene.interrupt(signal.SIGKILL)
            need(len(scene.told("refresh")) == passes - 2, "refreshed too early")
            scene.let_time_pass(1801)
            scene.start(prefix=lab.prefix())
            wait("it is refreshed", lambda n=passes: scene.state("a").get("passes", 0) >= n)
        need(not scene.told("final"), "the last pass was not approved")
        scene.run("--approve", "a")
        scene.comes("a", "proven", "still answers (192.0.2.10 is at 52:54:00:00:00:01)")
        need(len(scene.told("final")) >= 1 and not scene.told("handover"), scene.told())
        # Another address, but the same card: by its link-local address, or by what it sends.
        lab.machine(True, address=None)
        scene.comes("a", "proven", "52:54:00:00:00:01")
        lab.machine(False)
        scene.ends()
        need(len(scene.told("handover")) == 1, scene.told())
        need("handed over" in scene.job("a").get("reason", ""), scene.job("a"))
        state = scene.state("a")
        need(state["final_s"] and state["done_s"] >= state["final_s"], state)
        need(any("fe80::" in line or "sends" in line for line in open(scene.err.name)), open(scene.err.name).read())
    text = scene.run("--rollback", "a")
    need("never changed" in text and len(scene.told("rollback")) == 1, text)
    need(scene.state("a")["step"] == "rolled-back" and not os.path.exists(scene.path("a", "output.json")), "not back")
    need(os.path.exists(scene.path("a", "image.json")), "the disks are gone")
    need("rolled-back" in scene.run(expect=1), "a rolled back one is not taken up by itself")


@case
def check_says_what_is(scene):
    """--check: misuse with its line; what is missing; the plan with its estimates."""
    scene.serve()
    scene.book("name: weekend\nwaves:\n- name: one\n  servers:\n  - name: a\n    memry: 1G\n")
    need("memry" in scene.run("--check", expect=2), "an unknown word")
    scene.book("name: weekend\nwaves:\n- name: one\n  servers:\n  - name: a\n    format: floppy\n")
    need(re.search(r"line 6: a: format: 'floppy' is not qcow2", scene.run("--check", expect=2)), "a wrong format")
    key = os.path.join(scene.work, "key")
    book = f"""
name: weekend
waves:
- name: one
  servers:
  - {{name: a, size: 6G, rate: 100M, keys: ['all:file:{key}'], hooks: {{before: {{run: no-such-program}}}}}}
  - name: b
    leave_out: disk7
    networks: [{{mac: '52:54:00:00:00:99', bridge: br0}}]
- name: two
  servers:
  - {{name: c, size: 9999999G}}
  - {{name: d, cutover: {{handover: {{run: 'true'}}, interface: nosuch0}}}}
"""
    scene.book(book)
    scene.call_in("b", mac="52:54:00:00:00:02", received=False)
    wait("b has called in", lambda: scene.job("b"))
    text = scene.run("--check", expect=1)
    for words in ("no program no-such-program", f"keys: {key} is not there", "has no disk7", "no card",
                  "make room", "no interface nosuch0", "has not called in", "no estimate"):
        need(words in re.sub(r"\s+", " ", text), f"--check does not say '{words}':\n{text}")
    need(all(len(line) <= 80 or key in line for line in text.splitlines()), text)
    need(not os.path.exists(os.path.join(scene.work, "weekend.state.json")), "it left something")
    plan = json.loads(scene.run("--check", "--json", expect=1))
    servers = {s["server"]: s for s in plan["servers"]}
    # 6 GiB at 100 MiB/s, 60 s and 120 s.
    need(servers["a"]["copy_s"] == 62 and servers["a"]["outage_s"] == 242 and not plan["ok"], servers)
    need(servers["b"]["job"] and not servers["d"]["known"], servers)
    with open(key, "w") as file:
        file.write("secret\n")
    os.chmod(key, 0o600)
    scene.book("name: weekend\nwaves:\n- name: one\n  servers:\n"
               f"  - {{name: a, size: 60M, keys: ['all:file:{key}'], hooks: {{before: {{run: 'true'}}}}}}\n")
    text = scene.run("--check")
    need("The runbook can be run" in text and "secret" not in text, text)
    scene.daemon.terminate()
    scene.daemon.wait()
    need("is p2vd running" in scene.run("--check", expect=1), "no server")


@case
def schema_and_example(scene):
    """The published schema and the reader agree; the manual's example is one that --check takes."""
    import jsonschema
    import yaml
    scene.serve()
    schema = json.loads(subprocess.run([scene.p2v, "run", "--schema"], capture_output=True, check=True).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    page = subprocess.run([scene.p2v, "run", "--help=man-runbook"], capture_output=True, text=True, check=True).stdout
    example = page.split(".nf\n")[1].split(".fi")[0].replace("\\-", "-").replace("\\(aq", "'").replace("\\&", "")
    for text, right in ((BOOK, True), (CUTOVER, True), (example, True),
                        ("name: x\nwaves:\n- name: w\n  servers: [{name: a, memry: 1G}]\n", False),
                        ("name: x\nwaves:\n- name: w\n  servers: [{name: a, cpus: 4096}]\n", False),
                        ("name: x\nwaves:\n- name: w\n  servers: [{name: a, format: floppy}]\n", False),
                        ("waves:\n- name: w\n  servers: [{name: a}]\n", False)):
        need(validator.is_valid(yaml.safe_load(text)) == right, f"the schema about {text}")
        scene.book(text)
        done = subprocess.run(scene.argv("--check", "--json"), capture_output=True, text=True)
        need((done.returncode != 2) == right, f"p2v about {text}: {done.stderr}")


@case
def killed_again_and_again(scene):
    """p2v run and p2vd are killed at random; all are done at the end, nothing was done twice."""
    names = [f"s{i:02}" for i in range(9)]
    scene.serve(tries=90, lease_s=3)
    hook = scene.hook("before")
    scene.book("name: weekend\ndefaults: {hooks: {before: {run: HOOK}}}\nwaves:\n".replace("HOOK", hook) + "".join(
        f"- name: w{w}\n  servers: [{', '.join('{name: ' + n + '}' for n in names[w * 3:w * 3 + 3])}]\n" for w in range(3)))
    for i, name in enumerate(names):
        scene.call_in(name, mac=f"52:54:00:00:01:{i:02x}")
    random.seed(6)
    scene.start()
    kills = 0
    while any(scene.state(name).get("step") != "done" for name in names):
        time.sleep(random.uniform(0.2, 1.2))
        need(kills < 200, "it does not come to an end")
        kills += 1
        if random.random() < 0.5:
            scene.runner.kill()
            scene.runner.wait()
            scene.start()
        elif random.random() < 0.5:
            scene.daemon.kill()
            scene.daemon.wait()
            scene.start_daemon(FAKE_SLEEP="0.2")
    scene.runner.kill()
    scene.runner.wait()
    scene.run()
    need(kills > 4, f"only {kills} kills")
    told = [n["server"] for n in scene.told()]
    need(set(told) == set(names), told)
    waves = {name: i // 3 for i, name in enumerate(names)}
    order = [waves[e["name"]] for e in scene.events() if e["what"] == "convert"]
    need(order == sorted(order), f"the waves' order: {order}")


def run(function, programs):
    scene = Scene(*programs)
    try:
        function(scene)
        scene.check_clean()
        return True
    except Wrong as why:
        print(f"FAIL {function.__name__}: {why}\n{open(scene.log.name, errors='replace').read()[-2000:]}", flush=True)
        return False
    finally:
        scene.close()


def main():
    p2vd, p2v, *wanted = sys.argv[1:]
    run_cases([c for c in CASES if not wanted or c.__name__ in wanted], lambda case: run(case, (p2vd, p2v)))


main()
