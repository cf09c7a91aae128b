# SPDX-License-Identifier: GPL-3.0-or-later
"""What a technician meets on the booted medium, without a machine: p2v-boot's worker, a screen that is driven by keys,
p2v-agent, the medium's own scripts and a real sshd, with a network of its own (two namespaces and a cable between
them). Only the two cards and the file system that they are on are posed.

usage: test-boot.py BUILD [CASE...]"""

import hashlib
import http.server
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../e2e"))
from lib import sshd  # noqa: E402

LIMIT_S = 90
NETNS = "/run/netns/iron"
SERVER, SERVER6, PREFIX6 = "10.77.0.1", "fd77::1", "fd77::"
CASES = []


def case(function):
    CASES.append(function)
    return function


def need(ok, text):
    if not ok:
        raise AssertionError(text)


def run(*argv, **options):
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    need(done.returncode == 0, f"{argv}: {done.stderr or done.stdout}")
    return done.stdout


def wait(what, check, limit_s=LIMIT_S):
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        value = check()
        if value:
            return value
        time.sleep(0.2)
    raise AssertionError(f"waited in vain: {what() if callable(what) else what}")


class Iron:
    """The machine: a root with the medium's files and the host's programs, in a network of its own."""

    def __init__(self, work, build):
        self.root, self.worker = os.path.join(work, "root"), None
        for name in "usr", "dev", "proc", "sys", "sys-real", "run/p2v", "etc", "lib/p2v", "p2v", "tmp", "root":
            os.makedirs(os.path.join(self.root, name))
        for name in "bin", "sbin", "lib64", "lib32":
            os.symlink(f"usr/{name}", os.path.join(self.root, name))
        for name in os.listdir("/usr/lib"):
            os.symlink(f"/usr/lib/{name}", os.path.join(self.root, "lib", name))
        for name in "passwd", "group", "nsswitch.conf", "ld.so.cache", "alternatives":
            os.symlink(f"/host-etc/{name}", os.path.join(self.root, "etc", name))
        os.makedirs(os.path.join(self.root, "host-etc"))
        for name in "usr", "dev", "proc":
            run("mount", "--rbind", f"/{name}", os.path.join(self.root, name))
        run("mount", "--bind", "/etc", os.path.join(self.root, "host-etc"))
        for name in "init", "worker", "console", "dhcp":
            shutil.copy(os.path.join(HERE, "../../../agent/media", name), os.path.join(self.root, "lib/p2v"))
        run("mount", "-t", "tmpfs", "tmpfs", self.path("usr/local/bin"))
        for name in "agent/p2v-agent", "agent/ui/p2v-boot":
            shutil.copy(os.path.join(build, name), self.path("usr/local/bin"))
        os.symlink(shutil.which("busybox"), self.path("usr/local/bin/udhcpc"))
        # The host is not to be switched off.
        for name in "poweroff", "reboot":
            self.put(f"usr/local/bin/{name}", f"#!/bin/sh\necho {name} > /run/p2v/left\n")
            os.chmod(self.path(f"usr/local/bin/{name}"), 0o755)
        self.put("proc-cmdline", "quiet\n")
        run("mount", "--bind", self.path("proc-cmdline"), self.path("proc/cmdline"))
        self._network()

    def path(self, name):
        return os.path.join(self.root, name)

    def put(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)

    def _network(self):
        """eth0 is plugged in, eth1 is not."""
        run("ip", "netns", "add", "iron")
        for card, far in ("eth0", "cable0"), ("eth1", "cable1"):
            run("ip", "link", "add", far, "type", "veth", "peer", "name", card, "netns", "iron")
        run("ip", "link", "set", "cable0", "up")
        self.ip("link", "set", "lo", "up")
        run("nsenter", f"--net={NETNS}", "mount", "-t", "sysfs", "sysfs", self.path("sys-real"))
        run("mount", "--rbind", self.path("sys-real"), self.path("sys"))
        for name in "sys/class/net", "sys/block":
            run("mount", "-t", "tmpfs", "tmpfs", self.path(name))

    def cards_put(self, cards):
        """What has a driver behind it is a card."""
        for card in "eth0", "eth1":
            folder = self.path(f"sys/class/net/{card}")
            shutil.rmtree(folder, ignore_errors=True)
            if card not in cards:
                continue
            os.makedirs(f"{folder}/device")
            for name in "address", "carrier", "type", "speed", "ifindex", "operstate":
                os.symlink(f"/sys-real/class/net/{card}/{name}", f"{folder}/{name}")

    def ip(self, *argv):
        return run("nsenter", f"--net={NETNS}", "ip", *argv)

    def argv(self, *argv):
        return ["nsenter", f"--net={NETNS}", "chroot", self.root, "env", "PATH=/usr/local/bin:/usr/sbin:/usr/bin",
                "ASAN_OPTIONS=detect_leaks=0", *argv]

    def boot(self, cmdline="", config="", cards=("eth0",)):
        """As after power on."""
        self.halt()
        self.cards_put(cards)
        for name in os.listdir(self.path("run/p2v")):
            os.unlink(self.path(f"run/p2v/{name}"))
        self.put("proc-cmdline", f"quiet {cmdline}\n")
        self.put("p2v/config", config)
        self.worker_start()

    def worker_start(self):
        """As init does, also after one that ended."""
        log = open(self.path("run/p2v/log"), "a")
        self.worker = subprocess.Popen(self.argv("p2v-boot", "run"), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       preexec_fn=sshd.die_with_parent)

    def halt(self):
        if self.worker:
            self.worker.terminate()
            self.worker.wait(30)
        self.worker = None
        for pid in self.dhcp_clients():
            os.kill(pid, signal.SIGKILL)
        for card in "eth0", "eth1":
            self.ip("addr", "flush", "dev", card)
            self.ip("link", "set", card, "down")

    def running(self, program):
        """Of each process of that name here: its number, and its words."""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline") as file:
                    words = file.read().rstrip("\0").split("\0")
                if words[0] == program and os.readlink(f"/proc/{pid}/root") == self.root:
                    found[int(pid)] = words[1:]
            except OSError:
                pass
        return found

    def dhcp_clients(self):
        return list(self.running("udhcpc"))

    def state(self):
        try:
            with open(self.path("run/p2v/state.json")) as file:
                return json.load(file)
        except OSError:
            return {}

    def wait(self, phase, *words):
        """The worker's state of that phase, whose text holds the words."""
        def check():
            state = self.state()
            return state.get("phase") == phase and all(word in state["text"] for word in words) and state
        return wait(lambda: f"{phase} {words}, but {self.state()}\n{self.log()}", check)

    def left(self):
        """How the machine was left, or None: it was not."""
        try:
            with open(self.path("run/p2v/left")) as file:
                return file.read().strip()
        except OSError:
            return None

    def log(self):
        with open(self.path("run/p2v/log")) as file:
            return file.read()


class Screen:
    """One console: the medium's own script, in a terminal of 80x25."""

    def __init__(self, work, iron, name="s"):
        self.socket = os.path.join(work, f"tmux-{name}")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "25", "-s", "s", "exec " + " ".join(
            iron.argv("LC_ALL=C.UTF-8", "sh", "/lib/p2v/console")))

    def tmux(self, *argv):
        return run("tmux", "-S", self.socket, *argv)

    def text(self):
        return self.tmux("capture-pane", "-p", "-t", "s")

    def words(self):
        """Without frames, and as one line: a sentence may be broken anywhere."""
        return " ".join(re.sub(r"[^!-~]", " ", self.text()).split())

    def wait(self, *words):
        """Until all the words stand there, and the picture has come to rest."""
        def check():
            before = self.text()
            time.sleep(0.3)
            return before == self.text() and all(word in self.words() for word in words)
        wait(lambda: f"{words}\n{self.text()}", check)
        return self.words()

    def press(self, *keys):
        for key in keys:
            self.tmux("send-keys", "-t", "s", key)
            time.sleep(0.2)

    def button(self, word):
        """Goes there with Tab, which leaves the cursor on it, and presses it."""
        for _ in range(12):
            if self.cursor_at(word):
                self.press("Enter")
                return
            self.press("Tab")
        raise AssertionError(f"no button {word}:\n{self.text()}")

    def cursor_at(self, word):
        x, y = map(int, self.tmux("display-message", "-p", "-t", "s", "#{cursor_x} #{cursor_y}").split())
        there = re.search(f"(<|│ ){word}(>| │)", self.text().split("\n")[y])
        return there and there.start() <= x <= there.end()

    def pid(self):
        return int(self.tmux("display-message", "-p", "-t", "s", "#{pane_pid}"))

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], check=False, capture_output=True)


class Place:
    def __init__(self, build):
        self.work = tempfile.mkdtemp(prefix="p2v-boot.")
        self.build, self.dhcp, self.server, self.screens = build, None, None, []
        run("mount", "-t", "tmpfs", "tmpfs", "/run/netns")
        run("ip", "link", "set", "lo", "up")
        self.iron = Iron(self.work, build)
        for address in f"{SERVER}/24", f"{SERVER6}/64":
            run("ip", "addr", "add", address, "dev", "cable0", *(["nodad"] if ":" in address else []))
        self.jobs = os.path.join(self.work, "jobs")
        os.mkdir(self.jobs)
        recv = os.path.join(build, "p2v/recv/p2v-recv")
        self.server = sshd.Sshd(os.path.join(self.work, "sshd"), f"{recv} --dir {self.jobs}",
                                [f"ListenAddress {SERVER}", f"ListenAddress {SERVER6}"]).start()
        shutil.copy(self.server.identity, self.iron.path("p2v/identity"))
        os.chmod(self.iron.path("p2v/identity"), 0o600)
        self.address = f"root@{SERVER}:{self.server.port}"
        self.address6 = f"root@[{SERVER6}]:{self.server.port}"
        self.disk = self._disk()

    def _disk(self):
        """A disk that the kernel has made read-only, as the medium's rule does with each one."""
        path = os.path.join(self.work, "disk")
        with open(path, "wb") as file:
            file.write(os.urandom(5 << 20))
            file.truncate(32 << 20)
        self.loop = run("losetup", "--read-only", "--show", "--find", path).strip()
        return path

    def screen(self, name="s"):
        self.screens.append(Screen(self.work, self.iron, name))
        return self.screens[-1]

    def dhcp_start(self):
        conf = os.path.join(self.work, "udhcpd.conf")
        with open(conf, "w") as file:
            file.write(f"start 10.77.0.50\nend 10.77.0.59\ninterface cable0\nmax_leases 8\nlease_file {self.work}/leases\n"
                       f"pidfile {self.work}/udhcpd.pid\nopt subnet 255.255.255.0\nopt router {SERVER}\nopt dns {SERVER}\n")
        open(os.path.join(self.work, "leases"), "w").close()
        self.dhcp = subprocess.Popen(["busybox", "udhcpd", "-f", conf], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL, preexec_fn=sshd.die_with_parent)

    def dhcp_stop(self):
        if self.dhcp:
            self.dhcp.terminate()
            self.dhcp.wait(20)
        self.dhcp = None

    def between(self):
        """After each case."""
        for screen in self.screens:
            screen.close()
        self.screens = []
        self.iron.halt()
        self.dhcp_stop()
        for name in os.listdir(self.jobs):
            path = os.path.join(self.jobs, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)

    def close(self):
        self.between()
        if self.server:
            self.server.stop()
        run("losetup", "--detach", self.loop)


def router_answer(card, stop):
    """A router of fd77::/64 that says so to whoever asks, until stop is set; one that says it unasked does so every ten
    minutes or so (RFC 4861, 4.1, 4.2 and 4.6.2)."""
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
        index = socket.if_nametoindex(card)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                        socket.inet_pton(socket.AF_INET6, "ff02::2") + struct.pack("@I", index))
        sock.settimeout(1)
        prefix = struct.pack(">BBBBIII", 3, 4, 64, 0xC0, 3600, 3600, 0) + socket.inet_pton(socket.AF_INET6, PREFIX6)
        while not stop.is_set():
            try:
                asked = sock.recv(2048)[0] == 133
            except TimeoutError:
                continue
            if asked:
                sock.sendto(struct.pack(">BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + prefix, ("ff02::1", 0, 0, index))


def addresses(iron, card):
    return re.findall(r"inet6? (\S+)", iron.ip("addr", "show", "dev", card, "scope", "global"))


def settings(place, more=""):
    return (f"server={place.address} disk={place.loop} name=web01 delay=1 retry=3600 until=copied link=libssh2 "
            f"host-key={place.server.fingerprint} {more}\n")


@case
def nobody_there(place):
    """By DHCP, by the settings of the medium alone; the copy arrives, and the screen says so."""
    place.dhcp_start()
    place.iron.boot(config=settings(place))
    screen = place.screen()
    place.iron.wait("done", "verified")
    text = screen.wait("Done: every disk was sent and verified", "eth0 10.77.0.5")
    need("web01" in text, text)
    with open(os.path.join(place.jobs, "web01", "receipt")) as file:
        need(json.load(file)["disks"][0]["digest"], "no digest")
    run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", place.disk, os.path.join(place.jobs, "web01", "image/disk0.qcow2"))
    need(len(place.iron.dhcp_clients()) == 1, f"DHCP clients: {place.iron.dhcp_clients()}")


@case
def no_dhcp(place):
    """Nobody answers: it is said of which card, what to do; a wrong address is refused, one that leads nowhere can be mended."""
    place.iron.boot(config=settings(place), cards=("eth0", "eth1"))
    screen = place.screen()
    screen.wait("Failed: eth0: no answer to DHCP; eth1: no link. Check the cable and the switch", "Tries again")
    screen.button("Network")
    screen.wait("Network cards", "link", "no link")
    screen.button("Addresses")
    screen.wait("2001:db8::7/64")
    screen.press("Tab", "10.99.0.300/24", "Tab", "10.99.0.1", "Tab", "Tab", "Tab", "Tab", "Enter")
    screen.wait("This cannot be", "address: '10.99.0.300/24' is not like", "10.0.0.7/24 or 2001:db8::7/64")
    screen.press("Enter")
    screen.wait("2001:db8::7/64", "10.99.0.300/24", "10.99.0.1")
    screen.press("Tab", *["BSpace"] * 14, "10.99.0.7/24", "Tab", "Tab", "Tab", "Tab", "Tab", "Enter")
    screen.wait("Waiting for you: held", "eth0 10.99.0.7/24")
    screen.button("Start")
    screen.wait("Failed:", "cannot connect")
    screen.button("Network")
    screen.wait("Network cards")
    screen.button("Addresses")
    screen.wait("2001:db8::7/64", "10.99.0.7/24")
    screen.press("Tab", *["BSpace"] * 12, "10.77.0.7/24", "Tab", *["BSpace"] * 9, "Tab", "Tab", "Tab", "Tab", "Enter")
    screen.wait("Waiting for you: held", "eth0 10.77.0.7/24")
    need(addresses(place.iron, "eth0") == ["10.77.0.7/24"], addresses(place.iron, "eth0"))
    screen.button("Start")
    screen.wait("Done: every disk was sent and verified")


@case
def wrong_network(place):
    """A card that is not there, one without a link, and a gateway that is out of reach."""
    for words, says in (("p2v.interface=eth7", "this machine has no network card 'eth7'; it has eth0"),
                        ("p2v.interface=eth1 p2v.address=10.77.0.7/24", "eth1: no link. Check the cable and the switch"),
                        ("p2v.address=10.77.0.7/24 p2v.gateway=10.99.0.1",
                         "the gateway 10.99.0.1 cannot be used by eth0 with 10.77.0.7/24")):
        place.iron.boot(words, settings(place), cards=("eth0", "eth1"))
        place.iron.wait("failed", says)


@case
def dhcp_comes_later(place):
    """Each try asks anew, and leaves one client behind, not one for each try; a fixed address ends that one, too."""
    def answer(more):
        place.iron.put("run/p2v/answers.new", settings(place, f"start=ask {more}"))
        os.rename(place.iron.path("run/p2v/answers.new"), place.iron.path("run/p2v/answers"))
        wait("the worker's hand", lambda: not os.path.exists(place.iron.path("run/p2v/answers")))

    place.iron.boot(config=settings(place, "start=ask"))
    place.iron.wait("failed", "no answer to DHCP")
    place.dhcp_start()
    for _ in range(3):
        answer("")
        place.iron.wait("asking", "held")
        need(len(place.iron.dhcp_clients()) == 1, f"DHCP clients: {place.iron.dhcp_clients()}")
    answer("address=10.77.0.9/24")
    wait("the fixed address", lambda: place.iron.state().get("network") == "eth0 10.77.0.9/24")
    need(not place.iron.dhcp_clients() and addresses(place.iron, "eth0") == ["10.77.0.9/24"],
         f"{place.iron.dhcp_clients()}, {addresses(place.iron, 'eth0')}")


@case
def ipv6_of_a_router(place):
    """No DHCP, but a router: its address is taken, and the server is reached by IPv6."""
    stop = threading.Event()
    router = threading.Thread(target=router_answer, args=("cable0", stop))
    router.start()
    try:
        place.iron.boot(config=settings(place).replace(place.address, place.address6))
        state = place.iron.wait("done", "verified")
        need(state["network"].startswith("eth0 fd77:"), state["network"])
        need(not any("." in a for a in addresses(place.iron, "eth0")), addresses(place.iron, "eth0"))
    finally:
        stop.set()
        router.join()


@case
def ipv6_fixed(place):
    """A fixed IPv6 address, as told on the kernel command line."""
    place.iron.boot(f"p2v.address={PREFIX6}7/64 p2v.server={place.address6}", settings(place))
    need(place.iron.wait("done", "verified")["network"] == f"eth0 {PREFIX6}7/64", place.iron.state()["network"])


def at(what, url, digest):
    return f"p2v.config={url}/{what} p2v.config-digest=sha256:{digest}"


@case
def every_setting(place):
    """Each row of the table does what it says: on the network, in p2v-agent's words, and in the end."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(fetched)

        def log_message(self, *_):
            pass

    fetched = b"[serial none]\nname=other\n[all]\nname=fetched limit=64K compress=fast\n"
    digest = hashlib.sha256(fetched).hexdigest()
    with http.server.HTTPServer((SERVER, 0), Handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        url = f"http://{SERVER}:{web.server_address[1]}"
        with open(place.server.identity) as key, open(place.server.known_hosts) as hosts:
            place.iron.put("other-key", key.read())
            place.iron.put("hosts", hosts.read().replace("127.0.0.1", SERVER))
        os.chmod(place.iron.path("other-key"), 0o600)
        words = ("p2v.interface=eth0 p2v.address=10.77.0.7/24 p2v.gateway=10.77.0.1 p2v.dns=10.77.0.53 p2v.refresh p2v.rescue "
                 "p2v.start=now p2v.delay=0 p2v.retry=1 p2v.until=proven p2v.after=poweroff p2v.host-key= "
                 f"p2v.identity=/other-key p2v.known-hosts=/hosts p2v.link=openssh {at('x', url, digest)}")
        place.iron.boot(words, settings(place, "name= assign"), cards=("eth1", "eth0"))
        state = place.iron.wait("sending")
        need(state["network"] == "eth0 10.77.0.7/24" and state["name"] == "fetched", state)
        said = wait("p2v-agent", lambda: list(place.iron.running("p2v-agent").values()))[0]
        for word in (f"--server={place.address}", "--identity=/other-key", "--known-hosts=/hosts", "--name=fetched", "--refresh",
                     "--compress=fast", "--link=openssh", "--limit=65536", "--rescue", f"--disk={place.loop}", "--follow"):
            need(word in said, f"{word} is not among {said}")
        need("--assign" not in said and not any("host-key" in word for word in said), said)
        need("default via 10.77.0.1 dev eth0" in place.iron.ip("route"), place.iron.ip("route"))
        with open(place.iron.path("etc/resolv.conf")) as file:
            need(file.read() == "nameserver 10.77.0.53\n", "another name server")
        # Anybody could have changed what came: it is left alone, and the machine does as it was told for that.
        place.between()
        place.iron.boot(f"p2v.address=10.77.0.7/24 p2v.on-failure=reboot {at('x', url, '0' * 64)}", settings(place))
        wait("the reboot", lambda: place.iron.left() == "reboot")
        need("it is not the file that was meant" in place.iron.log() and not os.listdir(place.jobs), place.iron.log())
        place.between()
        place.iron.boot("p2v.address=10.77.0.7/24 p2v.after=poweroff p2v.assign", settings(place, "delay=0"))
        wait("the end", lambda: place.iron.left() == "poweroff")
        web.shutdown()


def fails(place, words, more="", cmdline=""):
    """It says so, at most so long as fits onto the screen, and can be mended from there."""
    place.iron.boot(f"p2v.address=10.77.0.7/24 {cmdline}", settings(place, more))
    screen = place.screen()
    screen.wait("Failed: ", *words, "<Settings>", "<Network>")
    return screen


@case
def keys(place):
    """The server shows another host key, refuses ours, or lets it in no more: said, and mended where it can be here."""
    screen = fails(place, ["its host key is another than the known one", place.server.fingerprint,
                           "If the server was reinstalled, give its new fingerprint"], "host-key=SHA256:" + "A" * 43)
    screen.button("Settings")
    screen.wait("Settings", "Its host key")
    screen.press("Tab", *["BSpace"] * 50, *["Tab"] * 7, "Enter")
    screen.wait("Waiting for you: p2v.host-key is not known yet: Start shows the server's")
    screen.button("Start")
    screen.wait("Is this the server?", place.server.fingerprint)
    screen.button("Yes, the same")
    screen.wait("Done: every disk was sent and verified")
    place.between()
    accepted = place.server._text("authorized_keys")
    for line in "", accepted.replace("restrict,", 'restrict,expiry-time="20200101",'):
        place.server._write("authorized_keys", line)
        screen = fails(place, ["the server does not accept the key /p2v/identity for user 'root'"])
        place.server._write("authorized_keys", accepted)
        screen.button("Start")
        text = screen.wait("Done: every disk was sent and verified")
        need("does not accept" not in text, text)
        place.between()


@case
def wrong_words(place):
    """What is written wrongly on the command line is said, and nothing is sent; the rest still holds."""
    for words, says in (("p2v.srever=x", "kernel command line: there is no setting p2v.srever"),
                        ("p2v.vlan=5000", "kernel command line: vlan: "),
                        ("p2v.after=explode", "'explode' is none of poweroff, reboot, wait"),
                        ('p2v.name="web', "a quote is not closed"),
                        ("p2v.limit=1M " + "x" * 2048, "it has 2047 bytes or more")):
        place.iron.boot(words, settings(place, "address=10.77.0.7/24"))
        state = place.iron.wait("asking", says)
        need(state["server"] == place.address and state["name"] == "web01", state)
        need(not os.listdir(place.jobs), "it was sent all the same")


@case
def worker_killed(place):
    """kill -9 in the middle of the copy: no agent is left behind, and init's next worker brings it to its end."""
    place.iron.boot("p2v.address=10.77.0.7/24", settings(place, "limit=256K"))
    wait("the copy", lambda: place.iron.state().get("phase") == "sending" and place.iron.state().get("done", 0) > 1 << 20)
    place.iron.worker.kill()
    place.iron.worker.wait(30)
    wait("the agent's end", lambda: not place.iron.running("p2v-agent"))
    place.iron.put("p2v/config", settings(place, "retry=1").replace("retry=3600", ""))
    place.iron.worker_start()
    place.iron.wait("done", "verified")
    run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", place.disk, os.path.join(place.jobs, "web01", "image/disk0.qcow2"))


@case
def terminals(place):
    """Ctrl-C, another size and a terminal that goes away: the copy does not care, and no screen is left spinning."""
    place.iron.boot("p2v.address=10.77.0.7/24", settings(place, "start=ask"))
    screen, other = place.screen(), place.screen("o")
    screen.wait("Waiting for you: held")
    screen.press("C-c")
    screen.press("Escape", "C-z", "C-d", "F12", "F1", "Up", "Left", "x")
    screen.tmux("resize-window", "-t", "s", "-x", "100", "-y", "40")
    screen.tmux("resize-window", "-t", "s", "-x", "80", "-y", "24")
    screen.tmux("resize-window", "-t", "s", "-x", "80", "-y", "25")
    if "A shell." in screen.words():
        screen.press("exit", "Enter")
    gone = sshd.children(other.pid())
    other.close()
    wait("the other screen's end", lambda: not any(os.path.exists(f"/proc/{pid}") for pid in gone))
    need(place.iron.state()["phase"] == "asking", place.iron.state())
    last = place.screen("l")
    last.wait("Waiting for you: held")
    last.button("Shell")
    last.wait("A shell. Nothing that is done here stops a copy")


def inside(build, wanted):
    place, failed = Place(build), 0
    try:
        for function in CASES:
            if wanted and function.__name__ not in wanted:
                continue
            begin = time.monotonic()
            try:
                function(place)
                print(f"ok   {function.__name__} {time.monotonic() - begin:.1f} s", flush=True)
            except AssertionError as error:
                failed += 1
                print(f"FAIL {function.__name__}: {error}\n{place.iron.log()[-3000:]}", flush=True)
            place.between()
    finally:
        place.close()
    return failed


def main():
    build, wanted = os.path.abspath(sys.argv[1]), sys.argv[2:]
    for tool in "busybox", "tmux", "ip", "nsenter", "unshare", "losetup", "qemu-img":
        if not shutil.which(tool):
            print(f"SKIP: {tool} is not installed")
            sys.exit(77)
    if os.geteuid() != 0:
        print("SKIP: only root can make a network of its own")
        sys.exit(77)
    if "P2V_TEST_INSIDE" not in os.environ:
        os.environ["P2V_TEST_INSIDE"] = "1"
        os.makedirs("/run/netns", exist_ok=True)
        os.execvp("unshare", ["unshare", "--net", "--mount", sys.executable, "-B", __file__, build, *wanted])
    sys.exit(1 if inside(build, wanted) else 0)


main()
