# SPDX-License-Identifier: GPL-3.0-or-later
"""The screens of the boot medium as text: `p2v-boot screen` in a terminal of 80x25 (tmux), shown a worker's state, and
driven by keys. Each must be the snapshot beside this file.

usage: screens.py P2V_BOOT [--update]"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "screens")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from lib import sshd  # noqa: E402

LIMIT_S = 60

MACHINE = {
    "version": 1, "name": "p2v", "uuid": "4c4c4544-0042-3510-8054-b7c04f4d3132", "vendor": "Contoso",
    "product": "Server-2950", "serial": "7B5TM12", "arch": "x86_64", "firmware": "bios", "memory_bytes": 4 << 30,
    "cpus": 4, "sockets": 1, "cores_per_socket": 4,
    "disks": [
        {"id": "disk0", "path": "/dev/sda", "size_bytes": 146 << 30, "logical_sector_bytes": 512,
         "physical_sector_bytes": 512, "model": "PERC 5/i", "bus": "scsi", "table": "dos"},
        {"id": "disk1", "path": "/dev/sdb", "size_bytes": 8 << 30, "logical_sector_bytes": 512,
         "physical_sector_bytes": 512, "model": "Cruzer\x1b[31m", "bus": "usb", "removable": True, "table": "dos"}],
    "nics": [{"name": "p2v-none0", "mac": "00:1b:21:aa:bb:01", "driver": "bnx2"}],
}
KEY = "SHA256:" + "0123456789" * 4 + "abc"
ASKING = {"version": 1, "phase": "asking", "text": "p2v.server is not known yet: say it under Settings", "network": "eth0 10.0.0.7/24",
          "name": "7B5TM12", "after": "wait", "values": []}
TOLD = {**ASKING, "server": "p2v@10.0.0.5", "values": [
    {"name": "server", "value": "p2v@10.0.0.5"}, {"name": "host-key", "value": KEY}]}
# What p2v-agent --map found.
MAP = {"version": 1, "disks": [{"path": "/dev/sda", "used_bytes": 80 << 30, "regions": [
    {"depth": 0, "length_bytes": 512 << 20, "used_bytes": 90 << 20, "what": "partition 1 (ext3)", "why_used": "files"},
    {"depth": 0, "length_bytes": 140 << 30, "used_bytes": 79 << 30, "what": "partition 2 (LVM2_member)"},
    {"depth": 1, "length_bytes": 100 << 30, "used_bytes": 71 << 30, "what": "vg0/root (ext4)",
     "why_used": "ext4: its journal was not replayed: all copied"},
    {"depth": 1, "length_bytes": 8 << 30, "used_bytes": 8 << 30, "what": "vg0/secret (crypto_LUKS)"}]},
    {"path": "/dev/sdc", "used_bytes": 40 << 30, "regions": []}]}
STATES = {
    "asking": ASKING,
    "preparing": {**ASKING, "phase": "preparing", "text": "asking for an address on eth0", "network": None},
    "counting": {**TOLD, "phase": "counting", "text": "starts by itself", "seconds_left": 7},
    "sending": {**TOLD, "phase": "sending", "text": "sending the disks", "attempt": 2, "label": "7B5TM12:/dev/sda",
                "unit": "bytes", "done": 40 << 30, "total": 80 << 30, "rate": 100 << 20, "eta_ms": 410000, "bottleneck": "link",
                "messages": ["the link was lost; trying again", "connected again"]},
    "enrol": {**TOLD, "phase": "sending", "text": "waiting for the server", "attempt": 1, "unit": "steps",
              "label": "the server: this machine is not known here; on the server, say: p2v enroll K7QF-2M4D"},
    "queue": {**TOLD, "phase": "sending", "text": "waiting for the server", "attempt": 1, "unit": "steps",
              "label": "the server: place 3 in the queue: 16 machines are being received, 16 may be at once"},
    "following": {**TOLD, "phase": "sending", "text": "every disk was sent and verified", "attempt": 1, "unit": "permille",
                  "label": "the server: planned, conversion", "done": 420, "total": 1000,
                  "plan": ["attention: the firewall names eth0", "mounts by UUID, as /dev/sda is called otherwise there",
                           "the initramfs gets \x1b[31mvirtio_blk"]},
    "done": {**TOLD, "phase": "done", "text": "every disk was sent and verified"},
    "leaving": {**TOLD, "phase": "failed", "seconds_left": 9, "then": "poweroff",
                "text": "fetching settings: the server has another key than the one that was told"},
    # As long as sentences get: all of it must be seen, for its end says what to do.
    "changed": {**TOLD, "phase": "failed", "seconds_left": 57, "messages": ["the link was lost; trying again"],
                "text": f"p2v@conversion.example.com:22: its host key is another than the known one: expected {KEY} "
                        f"(/p2v/known_hosts), it shows {KEY[:-3]}xyz. Someone may stand in between. If the server was "
                        "reinstalled, give its new fingerprint"},
    "failed": {**TOLD, "phase": "failed", "seconds_left": 42,
               "text": "eth0: no link; eth1: no answer to DHCP. Check the cable and the switch"},
}
# What tells a screen from the one before.
WORDS = {"queue": "place 3", "changed": "in 57 s", "leaving": "off in 9 s", "done": "Done:", "following": "42%"}


class Terminal:
    """One screen in a tmux of its own."""

    def __init__(self, program, folder, rows=25):
        self.folder = folder
        self.socket = os.path.join(folder, "tmux")
        # tmux's own status line would be a row of it, sooner or later.
        config = os.path.join(folder, "tmux.conf")
        with open(config, "w") as file:
            file.write("set -g status off\n")
        self.tmux("-f", config, "new-session", "-d", "-x", "80", "-y", str(rows), "-s", "s",
                  f"exec '{program}' screen '{folder}' 2> '{folder}/stderr'")

    def tmux(self, *argv):
        return subprocess.run(["tmux", "-S", self.socket, *argv], check=True, capture_output=True, text=True).stdout

    def text(self):
        return "\n".join(line.rstrip() for line in self.tmux("capture-pane", "-p", "-t", "s").split("\n"))

    def wait(self, *words):
        """Until all the words stand there, and the picture has come to rest."""
        end, before = time.monotonic() + LIMIT_S, None
        while time.monotonic() < end:
            now = self.text()
            if all(word in now for word in words) and now == before:
                return now
            before = now
            time.sleep(0.3)
        sys.exit(f"FAIL: no {words} within {LIMIT_S} s:\n{self.text()}")

    def press(self, *keys):
        for key in keys:
            self.tmux("send-keys", "-t", "s", key)
            time.sleep(0.2)

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], check=False, capture_output=True)


def put(folder, name, noun):
    temp = os.path.join(folder, f".{name}")
    with open(temp, "w") as file:
        json.dump(noun, file)
    os.rename(temp, os.path.join(folder, name))


def answers(folder, lines=False):
    """What the screen wrote for the worker, taken away as the worker does; lines: as it stands there."""
    path, end = os.path.join(folder, "answers"), time.monotonic() + LIMIT_S
    while not os.path.exists(path):
        if time.monotonic() > end:
            sys.exit("FAIL: the screen has not answered")
        time.sleep(0.1)
    with open(path) as file:
        text = file.read()
    os.unlink(path)
    return text.strip().split("\n") if lines else dict(line.split("=", 1) for line in text.strip().split("\n"))


def need(ok, text):
    if not ok:
        sys.exit(f"FAIL: {text}")


def snapshot(name, text, update):
    path = os.path.join(HERE, f"{name}.txt")
    text = text.rstrip("\n") + "\n"
    need("\x1b" not in text, "an escape sequence is shown")
    if update:
        with open(path, "w") as file:
            file.write(text)
        return
    with open(path) as file:
        want = file.read()
    need(want == text, f"{name} is not {path}:\n{text}")


def details(terminal, folder, update):
    """While the server works: what is on the disks, what needs attention, and the plan below that."""
    put(folder, "state.json", STATES["following"])
    terminal.wait("every disk was sent", "Machine")
    terminal.press("Tab", "Enter")
    snapshot("details", terminal.wait("Needs attention"), update)
    terminal.press(*["Down"] * 5)
    snapshot("details-plan", terminal.wait("virtio_blk"), update)
    terminal.press("Tab", "Enter")
    terminal.wait("the server: planned")


def reads(terminal, folder, state, *keys):
    """The main screen of a state, made anew so that the first button has the cursor, and these keys."""
    put(folder, "state.json", STATES["counting"])
    terminal.wait("starts by itself")
    put(folder, "state.json", state)
    terminal.wait(state["text"][:14], "Machine")
    terminal.press(*keys)


def network(terminal, folder, update):
    """Cards: one blinks, the server is asked for an echo; then the addresses, IPv6 and a VLAN on a bond."""
    near = {**TOLD, "server": "p2v@127.0.0.1", "values": [{"name": "server", "value": "p2v@127.0.0.1"}]}
    reads(terminal, folder, near, "Tab", "Tab", "Enter")
    snapshot("network", terminal.wait("Network cards", "Addresses"), update)
    terminal.press("Tab", "Tab", "Enter")
    snapshot("network-blink", terminal.wait("cannot make", "its light blink"), update)
    terminal.press("Enter")
    terminal.wait("Network cards")
    terminal.press("Tab", "Tab", "Tab", "Enter")
    snapshot("network-ping", terminal.wait("The server answers."), update)
    terminal.press("Enter")
    terminal.wait("Network cards")
    terminal.press(*["Tab"] * 4, "Enter")
    terminal.wait("2001:db8::7/64")
    terminal.press("Tab", "2001:db8:1::9/64", "Tab", "2001:db8:1::1", "Tab", "2001:db8:1::53", "Tab", "120", "Tab",
                   "802.3ad:eth0,eth1")
    snapshot("network-addresses", terminal.wait("802.3ad:eth0"), update)
    terminal.press("Tab", "Enter")
    said = answers(folder)
    for name, value in {"address": "2001:db8:1::9/64", "gateway": "2001:db8:1::1", "dns": "2001:db8:1::53", "vlan": "120",
                        "bond": "802.3ad:eth0,eth1", "start": "ask"}.items():
        need(said.get(name) == f'"{value}"', f"answers: {said}")


def disks(terminal, folder, update):
    """Another disk than the one that is sent by default."""
    reads(terminal, folder, TOLD, "Tab", "Tab", "Tab", "Enter")
    snapshot("disks", terminal.wait("Disks to send"), update)
    terminal.press("Space", "Down", "Space", "Tab", "Enter")
    said = answers(folder)
    need(said.get("disk") == '"/dev/sdb"', f"answers: {said}")


def disks_many(program, update):
    """More disks than there is room: all are in the list, those that are not seen stay chosen; none at all is refused."""
    folder = tempfile.mkdtemp(prefix="p2v-screen.")
    first = MACHINE["disks"][0]
    names = [f"/dev/sd{letter}" for letter in "abcdefghijkl"]
    put(folder, "machine.json", {**MACHINE, "disks": [{**first, "id": f"disk{i}", "path": path} for i, path in enumerate(names)]})
    put(folder, "state.json", TOLD)
    terminal = Terminal(program, folder)
    try:
        reads(terminal, folder, TOLD, "Tab", "Tab", "Tab", "Enter")
        snapshot("disks-many", terminal.wait("Disks to send"), update)
        terminal.press(*["Down"] * 11, "Space", "Tab", "Enter")
        said = answers(folder, lines=True)
        need([line for line in said if "disk=" in line] == [f'disk="{path}"' for path in names[:-1]], said)
        only = {**TOLD, "values": [*TOLD["values"], {"name": "disk", "value": "/dev/sdl"}]}
        reads(terminal, folder, only, "Tab", "Tab", "Tab", "Enter")
        terminal.wait("Disks to send")
        terminal.press(*["Down"] * 11)
        snapshot("disks-last", terminal.wait("[*] /dev/sdl"), update)
        terminal.press("Space", "Tab", "Enter")
        snapshot("disks-none", terminal.wait("No disk is chosen"), update)
        terminal.press("Enter")
        terminal.wait("Waiting for you")
        need(not os.path.exists(os.path.join(folder, "answers")), "nothing was chosen, and it answered")
    finally:
        terminal.close()
        shutil.rmtree(folder, ignore_errors=True)


def serial(program, update):
    """A serial console has 24 rows: what the keys do is to be read there, too."""
    folder = tempfile.mkdtemp(prefix="p2v-screen.")
    put(folder, "machine.json", MACHINE)
    put(folder, "state.json", STATES["sending"])
    terminal = Terminal(program, folder, rows=24)
    try:
        text = terminal.wait("sending the disks", "Tab: next   Space or Enter: press")
        snapshot("serial", text, update)
    finally:
        terminal.close()
        shutil.rmtree(folder, ignore_errors=True)


def trust(terminal, folder, update):
    """A server whose host key nobody told: its fingerprint is shown, and taken only after a yes."""
    with sshd.Sshd(os.path.join(folder, "sshd"), "false") as server:
        address = f"p2v@127.0.0.1:{server.port}"
        state = {**TOLD, "server": address, "values": [{"name": "server", "value": address}]}
        reads(terminal, folder, state, "Enter")
        text = terminal.wait("Is this the server?", "SHA256:", "Yes, the same")
        need(server.fingerprint in text, f"not {server.fingerprint}:\n{text}")
        # Of the same length each: a free port has five digits.
        text = text.replace(str(server.port), "22222")
        snapshot("trust", text.replace(server.fingerprint, "SHA256:" + "x" * (len(server.fingerprint) - 7)), update)
        terminal.press("Enter")
        terminal.wait("Waiting for you")
        need(not os.path.exists(os.path.join(folder, "answers")), "a no was taken for a yes")
        terminal.press("Enter")
        terminal.wait("Is this the server?")
        terminal.press("Tab", "Enter")
        said = answers(folder)
        need(said.get("host-key") == f'"{server.fingerprint}"' and said.get("start") == '"now"', f"answers: {said}")


def shell(terminal, folder, update):
    """Leaving it ends the screen, where the console then has a shell; asked before power goes."""
    reads(terminal, folder, TOLD, *["Tab"] * 5, "Enter")
    snapshot("leave", terminal.wait("Leave", "as it did before"), update)
    terminal.press("Enter")
    terminal.wait("Waiting for you")
    reads(terminal, folder, {**TOLD, "phase": "done", "text": "every disk was sent and verified"}, "Tab", "Enter")
    snapshot("reboot", terminal.wait("Are you sure?", "reboot"), update)
    terminal.press("Enter")
    terminal.wait("Done:")
    terminal.press("Tab", "Enter")
    snapshot("poweroff", terminal.wait("Are you sure?"), update)
    terminal.press("Enter")
    terminal.wait("Done:")
    terminal.press("Tab", "Enter")
    end = time.monotonic() + LIMIT_S
    while subprocess.run(["tmux", "-S", terminal.socket, "has-session"], capture_output=True).returncode == 0:
        need(time.monotonic() < end, "Shell does not leave the screen")
        time.sleep(0.2)


def drive(terminal, folder, update):
    """What a technician presses: server and host key, then Start."""
    put(folder, "state.json", ASKING)
    terminal.wait("Waiting for you")
    terminal.press("Tab", "Enter")
    snapshot("settings", terminal.wait("Settings", "Cancel", "At most"), update)
    terminal.press("Space", "p2v@10.0.0.5", "Space", "Tab", KEY)
    terminal.press("Tab", "Tab", "web 01", *["Tab"] * 5, "Enter")
    snapshot("settings-wrong", terminal.wait("This cannot be", "'web 01' is not made of"), update)
    terminal.press("Enter")
    terminal.wait("Settings", "web 01", "p2v@10.0.0.5")
    terminal.press("Tab", "Tab", "Tab", *["BSpace"] * 6, "web-01", *["Tab"] * 5, "Enter")
    said = answers(folder)
    need(said.get("name") == '"web-01"', f"answers: {said}")
    need(said.get("server") == '"p2v@10.0.0.5"' and said.get("host-key") == f'"{KEY}"', f"answers: {said}")
    need(said.get("start") == '"ask"', "changed settings start nothing by themselves")
    put(folder, "state.json", TOLD)
    terminal.wait("p2v@10.0.0.5")
    terminal.press(*["BTab"], "Enter")
    said = answers(folder)
    need(said.get("start") == '"now"' and said.get("server") == '"p2v@10.0.0.5"', f"answers: {said}")
    put(folder, "state.json", STATES["counting"])
    terminal.wait("starts by itself in 7 s")
    terminal.press("Tab")
    need(answers(folder).get("start") == '"ask"', "going to another button does not hold")
    terminal.press("Enter")
    need(answers(folder).get("start") == '"ask"', "Hold does not hold")
    put(folder, "state.json", TOLD)
    terminal.wait("Waiting for you")
    put(folder, "state.json", STATES["counting"])
    terminal.wait("starts by itself in 7 s")
    terminal.press("Tab")
    answers(folder)
    terminal.press("Tab", "Enter")
    need(answers(folder).get("start") == '"ask"', "a dialog does not hold")
    terminal.wait("Settings", "Cancel", "At most")
    terminal.press(*["Tab"] * 9, "Enter")
    terminal.wait("starts by itself")


def main():
    program, update = os.path.abspath(sys.argv[1]), "--update" in sys.argv
    if not shutil.which("tmux"):
        print("SKIP: tmux is not installed")
        sys.exit(77)
    folder = tempfile.mkdtemp(prefix="p2v-screen.")
    terminal = None
    try:
        put(folder, "machine.json", MACHINE)
        put(folder, "map.json", MAP)
        put(folder, "state.json", STATES["asking"])
        terminal = Terminal(program, folder)
        for name, state in STATES.items():
            put(folder, "state.json", state)
            snapshot(name, terminal.wait(state["text"][:14], "Machine", WORDS.get(name, "")), update)
        details(terminal, folder, update)
        drive(terminal, folder, update)
        for part in network, disks, trust, shell:
            part(terminal, folder, update)
        disks_many(program, update)
        serial(program, update)
    finally:
        if terminal:
            terminal.close()
        shutil.rmtree(folder, ignore_errors=True)


main()
