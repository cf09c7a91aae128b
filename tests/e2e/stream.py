# SPDX-License-Identifier: GPL-3.0-or-later
"""The stream with the real programs, through a real sshd: second passes, several connections, pauses, links and
servers that fail, and what is said then.

usage: stream.py [--build DIR] [CASE...]"""

import argparse
import contextlib
import hashlib
import json
import os
import pty
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time

from lib import server, sshd, walk
from lib.expect import Wrong, need

MIB = 1 << 20
GRAIN = 65536
BLOCK = 4096
CASES = []


def case(function):
    CASES.append(function)
    return function


def make_disk(path, mib, seed=1):
    """Random data, text that compresses, and holes."""
    rng = random.Random(seed)
    with open(path, "wb") as file:
        for at in range(mib):
            if at % 4 == 3:
                continue
            file.seek(at * MIB)
            file.write(rng.randbytes(MIB) if at % 2 else (b"p2v %08d " % at) * (MIB // 13))
        file.truncate(mib * MIB)
    return path


def make_noise(path, mib, seed=1):
    """Data that does not shrink: its bytes on the wire are known."""
    rng = random.Random(seed)
    with open(path, "wb") as file:
        for _ in range(mib):
            file.write(rng.randbytes(MIB))
    return path


def change_blocks(path, share, seed):
    """Other bytes in this share of the blocks of 4 KiB, every fifth of them zeros; the grains that are now others."""
    rng = random.Random(seed)
    changed = set()
    with open(path, "r+b") as file:
        blocks = os.path.getsize(path) // BLOCK
        for i, block in enumerate(rng.sample(range(blocks), int(blocks * share))):
            file.seek(block * BLOCK)
            before = file.read(BLOCK)
            after = bytes(BLOCK) if i % 5 == 0 else rng.randbytes(BLOCK)
            file.seek(block * BLOCK)
            file.write(after)
            if after != before:
                changed.add(block * BLOCK // GRAIN)
    return changed


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def image_is(steps, name, disk):
    raw = os.path.join(steps.work, f"{name}.raw")
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw",
                    os.path.join(steps.jobs, name, "image", "disk0.qcow2"), raw], check=True)
    same = digest(raw) == digest(disk)
    os.unlink(raw)
    need(same, "the image is not the disk")


def said(done, code, *words):
    text = (done.stderr or "").strip()
    need(done.returncode == code, f"exit code {done.returncode} instead of {code}: {text[-600:]}")
    for word in words:
        need(word in text, f"does not say '{word}': {text[-600:]}")
    print(f"      {code}: {text.splitlines()[-1][:170] if text else ''}")


class Agent:
    """An agent that runs on; what it says on standard error is gathered."""

    def __init__(self, steps, disk, name, *more, argv=None):
        argv = argv or steps.agent_argv([disk], None, "--name", name, "--progress", "json", *more)
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        self.said = []
        self.reader = threading.Thread(target=lambda: self.said.extend(iter(self.process.stderr.readline, "")))
        self.reader.start()

    def progress(self, word="done"):
        """The last number that the progress named."""
        for line in reversed(self.said):
            if '"event":"progress"' in line:
                return json.loads(line).get(word)
        return None

    def wait_for(self, condition, what, limit_s=60):
        end = time.monotonic() + limit_s
        while not condition():
            need(time.monotonic() < end, f"{what} does not happen: {''.join(self.said)[-500:]}")
            need(self.process.poll() is None, f"the agent ends before: {''.join(self.said)[-500:]}")
            time.sleep(0.05)

    def wait_bytes(self, n):
        self.wait_for(lambda: (self.progress() or 0) >= n, f"{n} bytes sent")

    def heard(self, words):
        return any(words in line for line in self.said)

    def end(self, limit_s=120):
        """Its result, or None where it failed; `said` is whole then."""
        self.process.wait(timeout=limit_s)
        out = self.process.stdout.read()
        self.reader.join()
        return json.loads(out) if self.process.returncode == 0 else None

    def failed(self, *words):
        need(self.end() is None, "it does not fail")
        text = "".join(line for line in self.said if not line.startswith("{"))
        for word in words:
            need(word in text, f"does not say '{word}': {text[-600:]}")
        print(f"      {self.process.returncode}: {text.strip().splitlines()[-1][:200]}")
        return self.process.returncode


class Proxy:
    """A wire to a port of this host that can fall silent: nothing is closed, and nothing comes through any more. Where
    it is dark, nobody is there."""

    def __init__(self, port):
        self.target, self.epoch, self.dark = port, 0, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def silence(self):
        """All connections that are there; new ones are not concerned."""
        self.epoch += 1

    def accept(self):
        while True:
            try:
                here = self.listener.accept()[0]
            except OSError:
                return
            if self.dark:
                here.close()
                continue
            self.connections += 1
            there = socket.create_connection(("127.0.0.1", self.target))
            for a, b in ((here, there), (there, here)):
                threading.Thread(target=self.pump, args=(a, b, self.epoch), daemon=True).start()

    def pump(self, a, b, epoch):
        try:
            while True:
                data = a.recv(65536)
                if epoch != self.epoch:
                    time.sleep(600)
                    return
                if not data:
                    b.shutdown(socket.SHUT_WR)
                    return
                b.sendall(data)
        except OSError:
            for one in (a, b):
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


def through(steps, argv, port):
    """The same command by way of another port of this host."""
    argv = list(argv)
    argv[argv.index("--server") + 1] = f"{steps.user}@127.0.0.1:{port}"
    at = argv.index("--known-hosts")
    argv[at:at + 2] = ["--host-key", steps.daemon.fingerprint]
    return argv


def sessions(steps, name="p2v-recv"):
    """The processes of this name at the server's end, oldest first."""
    found = []
    for pid in sshd.children(steps.daemon.process.pid):
        try:
            with open(f"/proc/{pid}/comm") as file:
                if file.read().strip() == name[:15]:
                    found.append(pid)
        except OSError:
            pass
    return sorted(found)


def quiet(steps):
    """Waits until no receiver and no storage daemon is left: one may hold a mount."""
    end = time.monotonic() + 60
    for name in ("p2v-recv", "qemu-storage"):
        while subprocess.run(["pgrep", "-u", steps.user, name], check=False, stdout=subprocess.DEVNULL).returncode == 0:
            need(time.monotonic() < end, "receivers that do not end")
            time.sleep(0.1)


def memory_mib(pids):
    """Peak of each process, in sum."""
    kib = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as file:
            kib += int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1))
    return kib >> 10


def shared_mib(pids):
    """Memory at this moment: what several processes share counts once."""
    kib = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            kib += int(re.search(r"\nPss:\s+(\d+)", file.read()).group(1))
    return kib >> 10


def has(steps, name, noun):
    return os.path.exists(os.path.join(steps.jobs, name, noun))


@case
def ordered_bandwidth(steps):
    """What JOB/orders.json allows the agent, which was told nothing; and no more limit once that is gone."""
    disk = os.path.join(steps.work, "noise.img")
    make_noise(disk, 24)
    job = os.path.join(steps.jobs, "slow")
    os.mkdir(job, 0o755)
    with open(os.path.join(job, "orders.json"), "w") as file:
        json.dump({"version": 1, "bandwidth_bytes": 2 << 20}, file)
    for path in (job, file.name):
        shutil.chown(path, steps.user)
    steps.send([disk], None, "--name", "slow")
    slow = steps.times["send"]
    steps.send([disk], None, "--name", "fast")
    need(slow > 8 and steps.times["send"] < slow / 2, f"limited to 12 s: {slow} s; without: {steps.times['send']} s")
    image_is(steps, "slow", disk)
    shutil.rmtree(job)
    shutil.rmtree(os.path.join(steps.jobs, "fast"))


@case
def second_pass(steps):
    """A second pass sends the grains that have changed, and the image is the new disk."""
    disk = make_disk(os.path.join(steps.work, "second.img"), 96)
    first = steps.send([disk], None, "--name", "second")
    changed = change_blocks(disk, 0.02, seed=2)
    again = steps.run("send", steps.agent_argv([disk], None, "--name", "second"), expect=(3,))
    said(again, 3, "--refresh")
    result = steps.send([disk], None, "--name", "second", "--refresh")
    sent = result["disks"][0]
    need(sent["verified"], "it is not verified")
    need(96 * MIB - sent["kept_bytes"] == len(changed) * GRAIN,
         f"{len(changed)} grains are others, and {(96 * MIB - sent['kept_bytes']) / GRAIN} were sent")
    image_is(steps, "second", disk)
    receipt = steps.noun("second", "receipt")
    need(receipt["disks"][0]["digest"] == sent["digest"] != first["disks"][0]["digest"], "the receipt is of another pass")
    need(steps.noun("second", "image.json")["disks"][0]["digest"] == sent["digest"], "image.json is of another pass")
    print(f"      {len(changed)} of {96 * MIB // GRAIN} grains, {sent['sent_bytes'] >> 10} KiB sent")
    result = steps.send([disk], None, "--name", "second", "--refresh")
    need(result["disks"][0]["sent_bytes"] == 0, "a third pass over the same disk sends something")


@case
def second_pass_cut(steps):
    """kill -9 of the agent in a second pass: the job counts as incomplete, and only another second pass completes it."""
    disk = make_disk(os.path.join(steps.work, "cut.img"), 96)
    steps.send([disk], None, "--name", "cut")
    change_blocks(disk, 0.1, seed=3)
    slow = subprocess.Popen(steps.agent_argv([disk], None, "--name", "cut", "--refresh", "--limit", "8M"),
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while has(steps, "cut", "image.json"):
        need(time.monotonic() < end, "the second pass does not begin")
        time.sleep(0.02)
    time.sleep(1)
    slow.send_signal(signal.SIGKILL)
    slow.wait()
    need(not has(steps, "cut", "receipt"), "a receipt for a disk that is half old and half new")
    change_blocks(disk, 0.01, seed=4)
    said(steps.run("send", steps.agent_argv([disk], None, "--name", "cut"), expect=(3,)), 3, "--refresh")
    steps.send([disk], None, "--name", "cut", "--refresh")
    image_is(steps, "cut", disk)


def files_of(path):
    """What a file system holds: each file's digest. path: an image of it."""
    mount = f"{path}.mnt"
    os.makedirs(mount)
    subprocess.run(["mount", "-o", "loop,ro", path, mount], check=True)
    try:
        return {os.path.relpath(os.path.join(folder, name), mount): digest(os.path.join(folder, name))
                for folder, _, names in os.walk(mount) for name in names}
    finally:
        subprocess.run(["umount", mount], check=True)
        os.rmdir(mount)


def same_but_free(image, disk):
    """Byte by byte: what is not the disk's is zero, in sectors that were free."""
    with open(image, "rb") as a, open(disk, "rb") as b:
        while block := b.read(MIB):
            got = a.read(MIB)
            for at in range(0, len(block), 512) if got != block else ():
                need(got[at:at + 512] in (block[at:at + 512], bytes(512)), f"other bytes at {b.tell() - len(block) + at}")


class Writer(threading.Thread):
    """Somebody who works on a mounted file system: writes, renames, deletes, until told to stop."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.over, self.n = folder, threading.Event(), 0

    def run(self):
        rng = random.Random(7)
        while not self.over.is_set():
            path = os.path.join(self.folder, f"f{self.n % 40}")
            with open(path, "wb") as file:
                file.write(rng.randbytes(rng.randrange(400_000)))
                if self.n % 5 == 0:
                    os.fsync(file.fileno())
            if self.n % 7 == 0:
                os.rename(path, f"{path}.old")
            if self.n % 11 == 0:
                os.unlink(f"{path}.old") if os.path.exists(f"{path}.old") else None
            self.n += 1


def at_rest(disk, limit_s=60):
    """Waits until an ext4 is cleanly unmounted: whoever made a mount namespace meanwhile holds a copy of the mount."""
    end = time.monotonic() + limit_s
    while True:
        with open(disk, "rb") as file:
            file.seek(1024 + 0x60)
            if not int.from_bytes(file.read(4), "little") & 4:  # needs_recovery
                return
        need(time.monotonic() < end, f"{disk} stays mounted somewhere")
        time.sleep(0.1)


@case
def hot_then_cold(steps):
    """A first pass while somebody writes to the mounted disk, a second one when it is at rest: the cold disk, exactly."""
    disk, mount = os.path.join(steps.work, "hot.img"), os.path.join(steps.work, "hot.mnt")
    with open(disk, "wb") as file:
        file.truncate(192 * MIB)
    subprocess.run(["mkfs.ext4", "-q", "-F", disk], check=True)
    os.makedirs(mount)
    loop = subprocess.run(["losetup", "--find", "--show", disk], check=True, capture_output=True, text=True).stdout.strip()
    try:
        subprocess.run(["mount", loop, mount], check=True)
        writer = Writer(mount)
        writer.start()
        try:
            while writer.n < 60:
                time.sleep(0.05)
            steps.send([loop], None, "--name", "hot", "--limit", "24M")
            before = writer.n
        finally:
            writer.over.set()
            writer.join()
            subprocess.run(["umount", mount], check=True)
    finally:
        subprocess.run(["losetup", "-d", loop], check=True)
    at_rest(disk)
    result = steps.send([disk], None, "--name", "hot", "--refresh")
    need(result["disks"][0]["verified"], "it is not verified")
    raw = os.path.join(steps.work, "hot.raw")
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw",
                    os.path.join(steps.jobs, "hot", "image", "disk0.qcow2"), raw], check=True)
    subprocess.run(["e2fsck", "-fn", raw], check=True, capture_output=True)
    files = files_of(disk)
    need(files and files_of(raw) == files, "the image does not hold what the disk holds")
    same_but_free(raw, disk)
    print(f"      {before} files were written until the first pass ended, {len(files)} are left; "
          f"{result['disks'][0]['sent_bytes'] >> 10} KiB in the second")


@case
def made_anew(steps):
    """A second pass after the file system has grown, and after another was made in its place: what the disk holds now.
    A disk of another size is another machine's."""
    disk, tree = os.path.join(steps.work, "anew.img"), os.path.join(steps.work, "anew.tree")
    os.makedirs(tree)
    for i in range(8):
        make_noise(os.path.join(tree, f"f{i}"), 8, seed=i)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, disk, "96M"], check=True, capture_output=True)
    os.truncate(disk, 192 * MIB)
    steps.send([disk], None, "--name", "anew")
    raw = os.path.join(steps.work, "anew.raw")

    def arrives(*fsck):
        result = steps.send([disk], None, "--name", "anew", "--refresh")
        subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw",
                        os.path.join(steps.jobs, "anew", "image", "disk0.qcow2"), raw], check=True)
        subprocess.run([*fsck, raw], check=True, capture_output=True)
        files = files_of(disk)
        need(files and files_of(raw) == files, "the image does not hold what the disk holds")
        same_but_free(raw, disk)
        print(f"      {fsck[0]}: {len(files)} files, {result['disks'][0]['sent_bytes'] >> 10} KiB sent")

    subprocess.run(["resize2fs", disk], check=True, capture_output=True)
    for i in range(4):
        make_noise(os.path.join(tree, "more"), 10, seed=20 + i)
        subprocess.run(["debugfs", "-w", "-R", f"write {tree}/more more{i}", disk], check=True, capture_output=True)
    subprocess.run(["debugfs", "-w", "-R", "rm f3", disk], check=True, capture_output=True)
    arrives("e2fsck", "-fn")
    subprocess.run(["mkfs.btrfs", "-q", "-f", "-r", tree, disk], check=True, capture_output=True)
    arrives("btrfs", "check", "--readonly")
    os.truncate(disk, 193 * MIB)
    said(steps.run("send", steps.agent_argv([disk], None, "--name", "anew", "--refresh"), expect=(3,)), 3, "anew")


@case
def rescue(steps):
    """A block device whose end cannot be read: --rescue copies the rest and names what is missing, and whose it is."""
    backing, tree = os.path.join(steps.work, "failing.img"), os.path.join(steps.work, "failing.tree")
    os.makedirs(os.path.join(tree, "logs"))
    make_noise(os.path.join(tree, "logs", "a"), 12)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d", tree, backing, "16M"], check=True,
                   capture_output=True)
    with open(backing, "rb") as file, open(os.path.join(tree, "logs", "a"), "rb") as noise:
        noise.seek(12 * MIB - 8192)
        cut = file.read().find(noise.read(4096))
    need(cut > 8 * MIB, "the file does not lie at the end")
    whole = os.path.join(steps.work, "failing.whole")
    shutil.copy(backing, whole)
    loop = subprocess.run(["losetup", "--find", "--show", "--read-only", backing], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.strip()
    try:
        os.truncate(backing, cut)
        said(steps.run("send", steps.agent_argv([loop], None, "--name", "failing"), expect=(1,)), 1, loop, "read at")
        result = steps.send([loop], None, "--name", "failing", "--rescue")
    finally:
        subprocess.run(["losetup", "--detach", loop], check=True)
    bad = [f"{cut}+{16 * MIB - cut}"]
    receipt = steps.noun("failing", "receipt")["disks"][0]
    need(result["disks"][0]["bad_ranges"] == bad, f"the result names {result['disks'][0]['bad_ranges']}")
    need(receipt["bad_ranges"] == bad, "the receipt names others")
    for noun in (result["disks"][0], receipt):
        need("/logs/a" in noun["bad_files"], f"the file is not named: {noun['bad_files']}")
    os.truncate(backing, 16 * MIB)
    image_is(steps, "failing", backing)
    told = steps.run("verify", [steps.program("p2v"), "verify", os.path.join(steps.jobs, "failing")]).stdout
    need("as it was received" in told and f"could not be read at {bad[0]}" in told and "unreadable there: /logs/a" in told, told)
    print(f"      {bad[0]} could not be read: {', '.join(receipt['bad_files'])}")


@case
def ssh_config(steps):
    """~/.ssh/config: an alias, a key, and a jump host, which has to be known, too. Where there is no ssh, libssh2 does it."""
    disk = make_disk(os.path.join(steps.work, "config.img"), 8)
    os.chmod(disk, 0o644)
    home = os.path.join(steps.work, ".ssh")
    os.makedirs(home, mode=0o700)
    shutil.copy(steps.key, os.path.join(home, "key"))
    with sshd.Sshd(os.path.join(steps.work, "jump"), "true", user=steps.user) as jump:
        with open(jump.path("identity.pub")) as public, open(jump.path("authorized_keys"), "w") as keys_file:
            keys_file.write(public.read())
        shutil.copy(jump.identity, os.path.join(home, "jump_key"))
        with open(os.path.join(home, "config"), "w") as file:
            file.write(f"""Host conversion
    HostName 127.0.0.1
    Port {steps.daemon.port}
    User {steps.user}
    IdentityFile {home}/key
    ProxyJump jump
Host jump
    HostName 127.0.0.1
    Port {jump.port}
    User {steps.user}
    IdentityFile {home}/jump_key
    UserKnownHostsFile {home}/known_jump
    StrictHostKeyChecking yes
    BatchMode yes
Host *
    ForkAfterAuthentication yes
    RequestTTY force
""")
        subprocess.run(["chown", "-R", steps.user, home], check=True)
        argv = [word for word in steps.agent_argv([disk], None, "--name", "config", "--link", "openssh")
                if word not in ("--identity", steps.key)]
        argv[argv.index("--server") + 1] = "conversion"

        def run():
            return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  user=steps.user, cwd="/", env={"PATH": "/usr/bin:/bin", "HOME": steps.work}, check=False,
                                  timeout=120)

        said(run(), 1, "Host key verification failed")
        shutil.copy(jump.known_hosts, os.path.join(home, "known_jump"))
        subprocess.run(["chown", "-R", steps.user, home], check=True)
        said(run(), 0)
    image_is(steps, "config", disk)
    done = subprocess.run(steps.agent_argv([disk], None, "--name", "nossh", "--link", "openssh"), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"PATH": "/nowhere"}, check=False)
    said(done, 1, "ssh")
    done = subprocess.run(steps.agent_argv([disk], None, "--name", "nossh"), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"PATH": "/nowhere"}, check=False)
    said(done, 0)
    need(json.loads(done.stdout)["link"].startswith("libssh2"), "another link")


@case
def verified_later(steps):
    """p2v verify: fine at first; a flipped bit at rest is named by its 64 KiB; a job without a receipt is none."""
    disk = make_disk(os.path.join(steps.work, "rot.img"), 16)
    steps.send([disk], None, "--name", "rot")
    job = os.path.join(steps.jobs, "rot")
    verify = [steps.program("p2v"), "verify", job]
    done = steps.run("verify", verify)
    need("as it was received" in done.stdout, done.stdout)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -q -P 0x55 {5 * MIB + 70000} 1",
                    os.path.join(job, "image", "disk0.qcow2")], check=True)
    done = steps.run("verify", [*verify, "--json"], expect=(1,))
    found = json.loads(done.stdout)
    need(not found["ok"] and found["disks"][0]["bad_ranges"] == [f"{5 * MIB + GRAIN}+{GRAIN}"], done.stdout)
    need("NOT what was received" in steps.run("verify", verify, expect=(1,)).stdout, "it is not said in words")
    print(f"      {found['disks'][0]['bad_ranges'][0]} differs")
    # A second pass over the same disk puts it right: the read-back finds it.
    steps.send([disk], None, "--name", "rot", "--refresh")
    steps.run("verify", verify)
    os.unlink(os.path.join(job, "receipt"))
    said(steps.run("verify", verify, expect=(1,)), 1, "no receipt")


@case
def verified_converted(steps):
    """p2v verify of a job whose image a conversion wrote into: the snapshot is read, and a bit flipped in it is named."""
    disk = make_disk(os.path.join(steps.work, "conv.img"), 16)
    steps.send([disk], None, "--name", "conv")
    job = os.path.join(steps.jobs, "conv")
    image = os.path.join(job, "image", "disk0.qcow2")
    verify = [steps.program("p2v"), "verify", job, "--json"]
    subprocess.run(["qemu-img", "snapshot", "-c", "p2v-pristine", image], check=True)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -q -P 0x55 {5 * MIB} 1M", image], check=True)
    found = json.loads(steps.run("verify", verify).stdout)
    need(found["ok"] and found["disks"][0]["snapshot"] == "p2v-pristine", found)
    # What the machine writes changes nothing; a bit that flips in a cluster that the snapshot holds does.
    extents = json.loads(subprocess.run(["qemu-img", "map", "--output=json", "-f", "qcow2", image], check=True,
                                        stdout=subprocess.PIPE, text=True).stdout)
    at = next(e["offset"] + 9 * MIB - e["start"] for e in extents
              if e["data"] and e["start"] <= 9 * MIB < e["start"] + e["length"])
    with open(image, "r+b") as file:
        file.seek(at + 12345)
        bit = file.read(1)[0] ^ 8
        file.seek(at + 12345)
        file.write(bytes([bit]))
    found = json.loads(steps.run("verify", verify, expect=(1,)).stdout)
    need(found["disks"][0]["bad_ranges"] == [f"{9 * MIB}+{GRAIN}"], found)
    print(f"      {found['disks'][0]['bad_ranges'][0]} differs")


@case
def several_connections(steps):
    """--streams 4 over both kinds of link, and as many as there can be; one that is killed takes nothing with it; memory
    stays in its bounds."""
    disk = make_noise(os.path.join(steps.work, "many.img"), 160)
    for link, streams in ("libssh2", 4), ("openssh", 4), ("libssh2", 16):
        shutil.rmtree(os.path.join(steps.jobs, "many"), ignore_errors=True)
        agent = Agent(steps, disk, "many", "--streams", str(streams), "--link", link, "--limit", "40M")
        agent.wait_for(lambda n=streams: len(sessions(steps)) == n, "so many connections")
        agent.wait_bytes(30 * MIB)
        memory = memory_mib(sessions(steps))
        shared = shared_mib(sessions(steps) + sessions(steps, "qemu-storage-daemon"))
        os.kill(sessions(steps)[-1], signal.SIGKILL)
        result = agent.end()
        need(result, "".join(agent.said)[-500:])
        need(result["streams"] == streams and result["receipt"]["streams"] == streams, f"streams: {result['streams']}")
        need(result["connections"] == 1, "the control connection was made anew")
        need(agent.heard("one of several connections is missing"), "nobody says that one was lost")
        image_is(steps, "many", disk)
        peak = result["peak_memory_bytes"] >> 20
        need(peak < 96 and shared < 128 and (memory < 128 or streams > 4),
             f"memory: agent {peak} MiB, receivers {memory} MiB one by one, {shared} MiB together")
        print(f"      {result['link']}: agent {peak} MiB, {streams} receivers and their storage daemon {shared} MiB "
              f"(receivers' peaks, libraries counted for each: {memory})")
    need(not [name for name in os.listdir(os.path.join(steps.jobs, "many")) if name.startswith("data-")],
         "a socket is left behind")


def strike(steps, agent, victim):
    """kill -9 of the agent, of all processes of the server's side that have this name, or of the session's sshd."""
    if victim == "agent":
        pids = [agent.process.pid]
    elif victim == "sshd":
        pids = sshd.children(steps.daemon.process.pid)[1:]
    else:
        pids = subprocess.run(["pgrep", "-u", steps.user, victim[:15]], check=True, stdout=subprocess.PIPE, text=True).stdout
    for pid in map(int, pids.split() if isinstance(pids, str) else pids):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


@case
def killed_in_the_middle(steps):
    """kill -9 of each process in turn: the agent connects again by itself, or is started again, and at most 64 MiB go a
    second time."""
    disk = make_noise(os.path.join(steps.work, "noise.img"), 192)
    for victim, streams in ("p2v-recv", "1"), ("p2v-recv", "3"), ("qemu-storage-daemon", "1"), ("sshd", "1"), ("agent", "1"):
        shutil.rmtree(os.path.join(steps.jobs, "noise"), ignore_errors=True)
        agent = Agent(steps, disk, "noise", "--streams", streams, "--limit", "60M")
        agent.wait_bytes(120 * MIB)
        strike(steps, agent, victim)
        result = agent.end()
        if victim == "agent":
            sent = agent.progress()
            again = sent - steps.send([disk], None, "--name", "noise")["disks"][0]["kept_bytes"]
        else:
            need(result and result["connections"] == 2, "".join(agent.said)[-500:])
            again = result["disks"][0]["sent_bytes"] - 192 * MIB
        need(again < 65 * MIB, f"{victim}: {again >> 20} MiB were sent again")
        image_is(steps, "noise", disk)
        print(f"      {victim}, {streams} connection(s): {again >> 20} MiB sent again")


@case
def continued_another_day(steps):
    """A copy that was cut off, and a disk that was written to since: the image is the disk of now, and not half of each."""
    disk = make_noise(os.path.join(steps.work, "day.img"), 64)
    agent = Agent(steps, disk, "day", "--limit", "16M")
    agent.wait_bytes(48 * MIB)
    strike(steps, agent, "agent")
    agent.end()
    changed = change_blocks(disk, 0.01, 5)
    result = steps.send([disk], None, "--name", "day")
    image_is(steps, "day", disk)
    sent, kept = (result["disks"][0][word] for word in ("sent_bytes", "kept_bytes"))
    need(kept > 0 and sent < 64 * MIB, f"{sent} bytes sent, {kept} kept")
    print(f"      {len(changed)} grains of 1024 were changed: {sent >> 20} MiB sent, {kept >> 20} kept")


@case
def second_disk_another_day(steps):
    """The same between two disks: the first one was done, and is written to before the second one is."""
    disks = [make_noise(os.path.join(steps.work, f"day{i}.img"), size, seed=i) for i, size in enumerate((24, 96))]
    agent = Agent(steps, disks[0], "days", "--limit", "16M", "--disk", disks[1])
    agent.wait_for(lambda: any("day1.img" in line and '"done":3' in line for line in agent.said), "the second disk's turn")
    strike(steps, agent, "agent")
    agent.end()
    changed = change_blocks(disks[0], 0.002, 6)
    result = steps.send(disks, None, "--name", "days")
    for i, disk in enumerate(disks):
        raw = os.path.join(steps.work, "day.raw")
        subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw",
                        os.path.join(steps.jobs, "days", "image", f"disk{i}.qcow2"), raw], check=True)
        need(digest(raw) == digest(disk), f"image {i} is not the disk")
    print(f"      {len(changed)} grains of the first were changed: {result['disks'][0]['sent_bytes'] >> 20} MiB of it sent")


@case
def server_shuts_down(steps):
    """SIGTERM for all that runs at the server's end, as when it is shut down in order: the agent connects again by itself."""
    disk = make_noise(os.path.join(steps.work, "down.img"), 48)
    for names in ("p2v-recv",), ("p2v-recv", "qemu-storage-daemon", "sshd"):
        shutil.rmtree(os.path.join(steps.jobs, "down"), ignore_errors=True)
        agent = Agent(steps, disk, "down", "--limit", "16M")
        agent.wait_bytes(16 * MIB)
        for pid in {pid for name in names for pid in sessions(steps, name)} - {steps.daemon.process.pid}:
            os.kill(pid, signal.SIGTERM)
        result = agent.end()
        need(result and result["connections"] == 2, "".join(agent.said)[-500:])
        image_is(steps, "down", disk)


def unmounted(where):
    end = time.monotonic() + 30
    while subprocess.run(["umount", where], check=False, stderr=subprocess.DEVNULL).returncode:
        need(time.monotonic() < end, f"{where} stays in use")
        time.sleep(0.1)


@case
def power_cut(steps):
    """The server loses power, twice: each time its disk is as it was at that moment, without what its file system had
    not written yet. The agent goes on by itself, nothing acknowledged is missing, at most 64 MiB go again."""
    disk, rate = make_noise(os.path.join(steps.work, "power.img"), 192), 32
    box, job = os.path.join(steps.work, "power.box"), os.path.join(steps.jobs, "power")
    with open(f"{box}.img", "wb") as file:
        file.truncate(1500 * MIB)
    subprocess.run(["mkfs.xfs", "-q", f"{box}.img"], check=True)
    os.makedirs(box)
    os.makedirs(job)
    subprocess.run(["mount", "-o", "loop", f"{box}.img", box], check=True)
    live = os.path.join(box, "0")
    with open(live, "wb") as file:
        file.truncate(320 * MIB)
    subprocess.run(["mkfs.ext4", "-q", "-F", live], check=True)
    subprocess.run(["mount", "-o", "loop", live, job], check=True)
    shutil.chown(job, steps.user)
    os.chmod(job, 0o700)
    wire = Proxy(steps.daemon.port)
    argv = steps.agent_argv([disk], None, "--name", "power", "--progress", "json", "--limit", f"{rate}M", "--streams", "1")
    agent, allowed = Agent(steps, disk, "power", argv=through(steps, argv, wire.port)), 0
    try:
        for cut in (1, 2):
            agent.wait_bytes((40 + 60 * cut) * MIB)
            subprocess.run(["sync", "-f", box], check=True)
            begin = time.monotonic()
            after = os.path.join(box, str(cut))
            subprocess.run(["cp", "--reflink=always", live, after], check=True)
            wire.dark = True
            strike(steps, agent, "sshd")
            for name in "p2v-recv", "qemu-storage-daemon":
                subprocess.run(["pkill", "-KILL", "-u", steps.user, name[:15]], check=False)
            allowed += 64 + rate * (time.monotonic() - begin)
            quiet(steps)
            unmounted(job)
            subprocess.run(["mount", "-o", "loop", after, job], check=True)
            wire.dark, live = False, after
        result = agent.end()
        need(result and result["connections"] == 3, "".join(agent.said)[-500:])
        again = (result["disks"][0]["sent_bytes"] >> 20) - 192
        need(again <= allowed + 1, f"{again} MiB were sent again, where {allowed:.0f} are allowed")
        image_is(steps, "power", disk)
        print(f"      {again} MiB sent again after two cuts, of {allowed:.0f} that are allowed")
    finally:
        agent.process.kill()
        quiet(steps)
        unmounted(job)
        unmounted(box)
        os.unlink(f"{box}.img")


@case
def silent_link(steps):
    """A link that falls silent without an end: noticed, connected anew, nothing lost."""
    disk = make_noise(os.path.join(steps.work, "silent.img"), 64)
    wire = Proxy(steps.daemon.port)
    argv = steps.agent_argv([disk], None, "--name", "silent", "--progress", "json", "--limit", "8M", "--streams", "1")
    agent = Agent(steps, disk, "silent", argv=through(steps, argv, wire.port))
    agent.wait_bytes(10 * MIB)
    wire.silence()
    begin = time.monotonic()
    agent.wait_for(lambda: agent.heard("connecting again"), "the silence is noticed", 90)
    noticed = time.monotonic() - begin
    # OpenSSH and we ourselves both count to thirty seconds from the last word.
    need(noticed < 40, f"noticed after {noticed:.0f} s only")
    result = agent.end()
    need(result and result["connections"] == 2, "".join(agent.said)[-500:])
    image_is(steps, "silent", disk)
    print(f"      noticed after {noticed:.0f} s")


@case
def paused(steps):
    """SIGUSR1 stops the stream, SIGUSR2 lets it go on; ratio and bottleneck are told."""
    disk = make_noise(os.path.join(steps.work, "pause.img"), 48)
    agent = Agent(steps, disk, "pause", "--limit", "8M")
    agent.wait_bytes(8 * MIB)
    # Looked at every two seconds; the first look sees little of it on a busy machine.
    agent.wait_for(lambda: agent.progress("bottleneck") == "limit", "that the limit is named", 10)
    need(0 < agent.progress("ratio") < 1.1, agent.said[-1])
    agent.process.send_signal(signal.SIGUSR1)
    agent.wait_for(lambda: agent.progress("bottleneck") == "a pause", "the pause")
    before = agent.progress()
    time.sleep(3)
    need(agent.progress() == before, "it goes on in a pause")
    agent.process.send_signal(signal.SIGUSR2)
    need(agent.end(), "".join(agent.said)[-500:])
    image_is(steps, "pause", disk)


def terminal(argv, keys):
    """Runs argv on a terminal; for each (words, key) waits until the words are seen, then strikes the key. Returns
    the exit code, what was seen, and whether the terminal is as it was."""
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (25, 200))
    before = termios.tcgetattr(follower)
    child = subprocess.Popen(argv, stdin=follower, stdout=subprocess.DEVNULL, stderr=follower, start_new_session=True,
                             env={**os.environ, "TERM": "vt100"},
                             preexec_fn=lambda: __import__("fcntl").ioctl(0, termios.TIOCSCTTY, 0))
    seen, keys, since, end = "", list(keys), 0, time.monotonic() + 90
    while child.poll() is None:
        need(time.monotonic() < end, f"it does not end: {seen[-300:]}")
        if select.select([leader], [], [], 0.2)[0]:
            seen += os.read(leader, 4096).decode(errors="replace")
        if keys and keys[0][0] in seen[since:]:
            since = len(seen)
            os.write(leader, keys.pop(0)[1])
    same = termios.tcgetattr(follower) == before
    os.close(leader)
    os.close(follower)
    need(not keys, f"never said: {keys[0][0] if keys else ''}: {seen[-300:]}")
    return child.returncode, seen, same


@case
def keys(steps):
    """On a terminal: p pauses and continues, q ends; the terminal is left as it was; the same command goes on."""
    disk = make_noise(os.path.join(steps.work, "keys.img"), 48)
    argv = [word for word in steps.agent_argv([disk], None, "--name", "keys", "--limit", "8M") if word != "--json"]
    code, seen, same = terminal(argv, [("bound by limit", b"p"), ("bound by a pause", b"p"), ("bound by limit", b"q")])
    need(code == 1 and "run the same command again" in seen, seen[-300:])
    need(same, "the terminal is left in another mode")
    result = steps.send([disk], None, "--name", "keys")
    need(result["disks"][0]["kept_bytes"] > 0, "nothing was kept")
    image_is(steps, "keys", disk)


@case
def two_agents(steps):
    """A second agent for a job that is being sent is refused, by the job's name; the first one does not notice."""
    disk = make_noise(os.path.join(steps.work, "two.img"), 96)
    first = Agent(steps, disk, "two", "--limit", "4M")
    first.wait_bytes(MIB)
    need(Agent(steps, disk, "two").failed("job two", "another agent is sending it") == 3, "it is not refused")
    first.process.send_signal(signal.SIGTERM)
    need(first.end() is None and first.process.returncode == 1, "the first does not end")
    steps.send([disk], None, "--name", "two")
    image_is(steps, "two", disk)


def small_server(steps, name, mib):
    """A file system of its own below a job; the device, to be given back."""
    image, job = os.path.join(steps.work, f"{name}.fs"), os.path.join(steps.jobs, name)
    with open(image, "wb") as file:
        file.truncate(mib * MIB)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", image], check=True)
    os.makedirs(job)
    subprocess.run(["mount", "-o", "loop,errors=remount-ro", image, job], check=True)
    shutil.chown(job, steps.user)
    os.chmod(job, 0o700)
    return job


def fill_up(path):
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(MIB))
        except OSError:
            pass


@case
def full_disk(steps):
    """No room at the server: said before anything is sent where it can be known. Full in the middle: the agent says so, stays,
    asks again, and goes on by itself once room was made, without what was durable."""
    disk = make_noise(os.path.join(steps.work, "full.img"), 128)
    job = small_server(steps, "full", 192)
    ballast = os.path.join(job, "ballast")
    try:
        subprocess.run(["fallocate", "-l", "80M", ballast], check=True)
        Agent(steps, disk, "full").failed("are needed on the server and", "make room")
        os.unlink(ballast)
        agent = Agent(steps, disk, "full", "--limit", "24M")
        agent.wait_bytes(64 * MIB)
        fill_up(ballast)
        agent.wait_for(lambda: agent.heard("disk0.qcow2: "), "that the full disk is named")
        agent.wait_for(lambda: sum("waiting for room there" in line for line in agent.said) >= 3, "that it asks again")
        need(agent.heard("No space left on device") and agent.heard("are needed on the server and"), "".join(agent.said)[-900:])
        os.unlink(ballast)
        result = agent.end()
        need(result and result["connections"] >= 4, "".join(agent.said)[-500:])
        again, kept = (result["disks"][0][key] >> 20 for key in ("sent_bytes", "kept_bytes"))
        need(again - 128 < 65 and kept >= 32, f"{again} MiB were sent, {kept} were kept")
        image_is(steps, "full", disk)
        print(f"      {again} MiB sent of 128 over {result['connections']} connections")
    finally:
        quiet(steps)
        subprocess.run(["umount", job], check=True)


@case
def disk_turns_read_only(steps):
    """The server's file system gives up and turns read-only in the middle: a failure that names it; repaired, it goes on."""
    disk = make_noise(os.path.join(steps.work, "ro.img"), 48)
    job = small_server(steps, "ro", 96)
    try:
        device = os.path.basename(subprocess.run(["findmnt", "-n", "-o", "SOURCE", job], check=True, text=True,
                                                 stdout=subprocess.PIPE).stdout.strip())
        trigger = f"/sys/fs/ext4/{device}/trigger_fs_error"
        if not os.access(trigger, os.W_OK):
            print("      left out: this kernel has no trigger_fs_error")
            return
        agent = Agent(steps, disk, "ro", "--limit", "8M")
        agent.wait_bytes(8 * MIB)
        with open(trigger, "w") as file:
            file.write("1")
        agent.failed("the server:", "disk0.qcow2", "Read-only file system")
        quiet(steps)
        subprocess.run(["umount", job], check=True)
        # A copy: somebody else's mount namespace may still have the old one, as it is.
        shutil.copy(os.path.join(steps.work, "ro.fs"), os.path.join(steps.work, "rw.fs"))
        fsck = subprocess.run(["e2fsck", "-fy", os.path.join(steps.work, "rw.fs")], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        need(fsck.returncode < 4, fsck.stdout)
        subprocess.run(["mount", "-o", "loop", os.path.join(steps.work, "rw.fs"), job], check=True)
        steps.send([disk], None, "--name", "ro")
        image_is(steps, "ro", disk)
    finally:
        quiet(steps)
        subprocess.run(["umount", job], check=True)


FILTER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib", "other_version.py")
FUTURE = f"+{0xffff << 32}"  # features that nobody knows yet


@contextlib.contextmanager
def other_version(steps, who, **says):
    """A server whose sshd, or whose agents, are of another version."""
    words = " ".join(f"{key}={value}" for key, value in says.items())
    usual = steps.daemon
    steps.daemon = sshd.Sshd(os.path.join(steps.work, f"sshd-{who}-{len(os.listdir(steps.work))}"),
                             f"python3 {FILTER} {who} {words} {steps.program('p2v-recv')} --dir {steps.jobs}", user=steps.user)
    steps.key, steps.known_hosts = steps.daemon.identity, steps.daemon.known_hosts
    steps.daemon.start()
    try:
        yield
    finally:
        steps.daemon.stop()
        steps.daemon, steps.key, steps.known_hosts = usual, usual.identity, usual.known_hosts


@case
def other_versions(steps):
    """An agent and a receiver of different versions: served with what both know, or refused by name on the agent's screen."""
    disk = make_disk(os.path.join(steps.work, "versions.img"), 24)
    served = {
        "an agent of tomorrow that knows today's": ("hello", {"versions": "1-9", "features": FUTURE, "more": 40}),
        "an agent of yesterday": ("both", {"features": 0}),
        "a receiver of tomorrow": ("welcome", {"features": FUTURE, "more": 40}),
        "a receiver of yesterday": ("welcome", {"features": 0}),
    }
    for i, (name, (who, says)) in enumerate(served.items()):
        with other_version(steps, who, **says):
            agent = Agent(steps, disk, f"version{i}")
            need(agent.end(), f"{name}: {''.join(agent.said)[-500:]}")
        image_is(steps, f"version{i}", disk)
    refused = {
        "the agent speaks protocol 2 to 3, this receiver 1 to 1: update the receiver": ("hello", {"versions": "2-3"}),
        "the receiver chose protocol 2, this agent speaks 1 to 1": ("welcome", {"versions": "2"}),
    }
    for sentence, (who, says) in refused.items():
        with other_version(steps, who, **says):
            need(Agent(steps, disk, "version9").failed(sentence) == 1, "another exit code")
    need(not os.path.exists(os.path.join(steps.jobs, "version9")), "a job was begun")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=".")
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    server.require("qemu-img", "qemu-io", "ssh-keygen", "losetup", "useradd", "mkfs.ext4", "mount")
    work = tempfile.mkdtemp(prefix="p2v-stream.", dir=options.build)
    os.chmod(work, 0o755)
    failed = 0
    try:
        with walk.Walk(options.build, work, user="p2v-stream") as steps:
            steps.start_server()
            for function in CASES:
                if options.cases and function.__name__ not in options.cases:
                    continue
                print(f"   {function.__name__}: {function.__doc__.splitlines()[0]}", flush=True)
                try:
                    function(steps)
                except (Wrong, subprocess.SubprocessError, walk.StepFailed) as error:
                    failed += 1
                    print(f"      FAIL: {error}", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if failed else 0)


main()
