#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong between an agent, an sshd and a receiver: each case ends with a sentence that names the object,
the right exit code, no half-written output under its final name, and the source as it was.

Real programs, a real sshd, real full disks and failing reads; no virtual machine.

usage: bad-input.py [--build DIR] [CASE]..."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import tempfile
import time

from lib import cases, server

MIB = 1 << 20
CASES = cases.Cases()
need, digest = cases.need, cases.digest


def make_disk(path, mib, seed=1, zero_every=4):
    """A disk with random data, text that compresses and holes."""
    rng = random.Random(seed)
    with open(path, "wb") as file:
        for at in range(mib):
            if at % zero_every == zero_every - 1:
                continue
            file.seek(at * MIB)
            file.write(rng.randbytes(MIB) if at % 2 else (b"p2v %08d " % at) * (MIB // 13))
        file.truncate(mib * MIB)
    return path


def say(steps, done, code, *words):
    """The program ended with the code, and its last word to the user has all the words."""
    text = (done.stderr or "").strip()
    need(done.returncode == code, f"exit code {done.returncode} instead of {code}: {text[-600:]}")
    for word in words:
        need(word in text, f"does not say '{word}': {text[-600:]}")
    last = text.split("\n")[-1]
    print(f"      {code}: {last[:170]}")


def agent(steps, *argv, env=None, limit_s=120):
    return subprocess.run([steps.program("p2v-agent"), *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=limit_s, env=env)


def server_args(steps, key=None, hosts=None, port=None):
    return ["--server", f"{steps.user}@127.0.0.1:{port or steps.daemon.port}", "--identity", key or steps.key,
            "--known-hosts", hosts or steps.known_hosts, "--yes", "--progress", "none", "--retry-for", "5"]


def no_result(steps, name):
    job = os.path.join(steps.jobs, name)
    for noun in ("receipt", "image.json"):
        need(not os.path.exists(os.path.join(job, noun)), f"{noun} is there, but nothing was finished")


def image_digest(steps, name):
    """The received disk as raw bytes."""
    raw = os.path.join(steps.work, f"{name}.raw")
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw",
                    os.path.join(steps.jobs, name, "image", "disk0.qcow2"), raw], check=True)
    value = digest(raw)
    os.unlink(raw)
    return value


@CASES.add
def wrong_key(steps):
    """A key that the server does not know."""
    other = os.path.join(steps.work, "other_key")
    steps.make_key(other)
    done = agent(steps, *server_args(steps, key=other), "--disk", steps.disk, "--name", "wrongkey")
    say(steps, done, 3, "127.0.0.1", "other_key")
    need(not os.path.exists(os.path.join(steps.jobs, "wrongkey")), "a job was made all the same")


@CASES.add
def changed_host_key(steps):
    """The server answers with another key than the one that was pinned."""
    hosts = os.path.join(steps.work, "changed_hosts")
    other = os.path.join(steps.work, "other_host_key")
    public = steps.make_key(other).split()
    with open(hosts, "w") as file:
        file.write(f"[127.0.0.1]:{steps.daemon.port} {public[0]} {public[1]}\n")
    done = agent(steps, *server_args(steps, hosts=hosts), "--disk", steps.disk, "--name", "changed")
    say(steps, done, 3, "127.0.0.1", "SHA256:")


@CASES.add
def unknown_host_key(steps):
    """A server that nobody vouched for is not trusted."""
    hosts = os.path.join(steps.work, "no_hosts")
    open(hosts, "w").close()
    done = agent(steps, *server_args(steps, hosts=hosts), "--disk", steps.disk, "--name", "unknown")
    say(steps, done, 3, "127.0.0.1", "SHA256:")


@CASES.add
def no_server(steps):
    """Nobody listens there."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    done = agent(steps, *server_args(steps, port=port), "--disk", steps.disk, "--name", "nobody")
    say(steps, done, 1, "127.0.0.1")


@CASES.add
def no_disk(steps):
    """Things that are no disks, and words that are no options."""
    folder = steps.work
    empty = os.path.join(steps.work, "empty.img")
    open(empty, "w").close()
    for path in (folder, "/dev/zero", empty, os.path.join(steps.work, "missing.img")):
        done = agent(steps, *server_args(steps), "--disk", path, "--name", "nodisk")
        need(done.returncode in (1, 2, 3), f"{path}: exit code {done.returncode}")
        say(steps, done, done.returncode, path)
    done = agent(steps, "--nonsense")
    say(steps, done, 2, "--nonsense", "--help")
    done = agent(steps, "--server", "x@127.0.0.1:99999", "--identity", steps.key, "--known-hosts", steps.known_hosts,
                 "--disk", steps.disk)
    say(steps, done, 2, "99999")


@contextlib.contextmanager
def small_server(steps, mib):
    """A server whose job directory is a file system of its own; yields a function that gives it another size."""
    small = os.path.join(steps.work, "small")
    os.makedirs(small, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=777", "small", small], check=True)
    jobs, steps.jobs = steps.jobs, small
    try:
        steps.restart_server()
        yield lambda size: subprocess.run(["mount", "-o", f"remount,size={size}m", small], check=True)
    finally:
        steps.stop_server()
        subprocess.run(["umount", small], check=True)
        steps.jobs = jobs
        steps.restart_server()


def fits_at_last(steps, name, args):
    done = agent(steps, *args)
    need(done.returncode == 0, f"with room made: {done.stderr[-600:]}")
    need(image_digest(steps, name) == digest(steps.disk), "the image is not the disk")


@CASES.add
def too_small_server(steps):
    """No room from the start: refused before anything is sent. With room made, the same command works."""
    with small_server(steps, 24) as resize:
        args = [*server_args(steps), "--disk", steps.disk, "--name", "toosmall"]
        say(steps, agent(steps, *args), 1, "24.0 MiB are free")
        no_result(steps, "toosmall")
        resize(400)
        fits_at_last(steps, "toosmall", args)


@CASES.add
def full_disk(steps):
    """The server's disk fills up in the middle: the agent asks again until it is to give up. With room made, the same
    command goes on and finishes."""
    with small_server(steps, 400) as resize:
        process = start_slow(steps, "full", limit="4M")
        wait_for("data", image_grows(steps, "full", 2))
        stat = os.statvfs(steps.jobs)
        resize((stat.f_blocks - stat.f_bfree) * stat.f_frsize // MIB + 4)
        out, err = process.communicate(timeout=120)
        say(steps, subprocess.CompletedProcess([], process.returncode, out, err), 1, "are needed on the server and",
            "are free: make room there", steps.jobs)
        no_result(steps, "full")
        resize(400)
        fits_at_last(steps, "full", [*server_args(steps), "--disk", steps.disk, "--name", "full"])


@CASES.add
def read_error(steps):
    """A block device whose second half cannot be read."""
    backing = make_disk(os.path.join(steps.work, "failing.img"), 32)
    loop = subprocess.run(["losetup", "--find", "--show", "--read-only", backing], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.strip()
    try:
        os.truncate(backing, 16 * MIB)
        done = agent(steps, *server_args(steps), "--disk", loop, "--name", "failing")
        say(steps, done, 1, loop, "read at", "Input/output error")
        no_result(steps, "failing")
    finally:
        subprocess.run(["losetup", "--detach", loop], check=True)


def start_slow(steps, name, *more, limit="16M"):
    """An agent that takes some seconds, so that there is a middle."""
    return subprocess.Popen([steps.program("p2v-agent"), *server_args(steps), "--disk", steps.disk, "--name", name,
                             "--limit", limit, *more], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def wait_for(what, found, limit_s=30):
    end = time.monotonic() + limit_s
    while not found():
        need(time.monotonic() < end, f"{what} did not come within {limit_s} s")
        time.sleep(0.05)


def image_grows(steps, name, mib=6):
    """True once the image has so much more than it has now."""
    path = os.path.join(steps.jobs, name, "image", "disk0.qcow2")

    def written():
        return os.stat(path).st_blocks * 512 if os.path.exists(path) else 0
    start = written()
    return lambda: written() > start + mib * MIB


def receivers(steps):
    """The p2v-recv processes of this test's user."""
    done = subprocess.run(["pgrep", "-u", steps.user, "-x", "p2v-recv"], stdout=subprocess.PIPE, text=True)
    return [int(pid) for pid in done.stdout.split()]


@CASES.add
def receiver_killed(steps):
    """kill -9 of the receiver in the middle: the agent comes back by itself and finishes."""
    process = start_slow(steps, "killed")
    wait_for("data", image_grows(steps, "killed"))
    for pid in receivers(steps):
        os.kill(pid, signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    need(process.returncode == 0, f"exit code {process.returncode}: {err[-600:]}")
    need(image_digest(steps, "killed") == digest(steps.disk), "the image is not the disk")
    print("      0: came back by itself")


@CASES.add
def server_gone(steps):
    """sshd and everything behind it goes away for good: the agent gives up when it was told to."""
    process = start_slow(steps, "gone")
    wait_for("data", image_grows(steps, "gone"))
    steps.stop_server()
    out, err = process.communicate(timeout=120)
    steps.restart_server()
    done = subprocess.CompletedProcess([], process.returncode, out, err)
    say(steps, done, 1, "127.0.0.1")
    no_result(steps, "gone")
    wait_for("an end of all receivers", lambda: not receivers(steps))


@CASES.add
def agent_killed(steps):
    """kill -9 of the agent, then Ctrl-C of the next: the third continues, and the image is the disk."""
    process = start_slow(steps, "again", limit="4M")
    wait_for("data", image_grows(steps, "again", 2))
    process.kill()
    process.communicate()
    wait_for("an end of all receivers", lambda: not receivers(steps))
    no_result(steps, "again")
    process = start_slow(steps, "again", limit="4M")
    wait_for("data", image_grows(steps, "again", 2))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    done = subprocess.CompletedProcess([], process.returncode, out, err)
    say(steps, done, 1, "again")
    no_result(steps, "again")
    done = agent(steps, *server_args(steps), "--disk", steps.disk, "--name", "again", "--json")
    need(done.returncode == 0, f"the third: {done.stderr[-600:]}")
    need(image_digest(steps, "again") == digest(steps.disk), "the image is not the disk")


@CASES.add
def other_machine(steps):
    """Another disk under a name that is taken is refused, not merged."""
    other = make_disk(os.path.join(steps.work, "other.img"), 24, seed=2)
    done = agent(steps, *server_args(steps), "--disk", other, "--name", "again")
    say(steps, done, 3, "again")


def receive(steps, stream):
    folder = tempfile.mkdtemp(dir=steps.work)
    return subprocess.run([steps.program("p2v-recv"), "--dir", folder], input=stream, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=30), folder


def frame(kind, payload):
    return kind.to_bytes(2, "big") + b"\0\0" + len(payload).to_bytes(4, "big") + payload


PREFACE = bytes.fromhex("50325657495245 0d0a1a0a00")


def hello(low, high):
    name = b"test"
    return frame(1, low.to_bytes(2, "big") + high.to_bytes(2, "big") + bytes(8) + (2 * MIB).to_bytes(4, "big") + b"\0" + bytes(16)
                 + len(name).to_bytes(2, "big") + name)


@CASES.add
def broken_streams(steps):
    """Truncated, newer, garbled: straight into the receiver."""
    for what, stream, words in (
            ("nothing", b"", ["end"]),
            ("half a greeting", PREFACE[:7], ["end"]),
            ("a login banner", b"Welcome to web01!\n" + PREFACE, ["does not speak"]),
            ("a newer protocol", PREFACE + hello(7, 9), ["7", "9", "1"]),
            ("cut after HELLO", PREFACE + hello(1, 1), ["end"]),
            ("noise after HELLO", PREFACE + hello(1, 1) + bytes(range(256)), []),
            ("a huge frame", PREFACE + hello(1, 1) + b"\0\4\0\0\xff\xff\xff\xff", []),
            ("an inventory that is none", PREFACE + hello(1, 1) + frame(4, b"\0\0\0\2[]"), ["machine"])):
        done, folder = receive(steps, stream)
        text = done.stderr.decode(errors="replace").strip()
        need(done.returncode in (1, 3), f"{what}: exit code {done.returncode}: {text}")
        for word in words:
            need(word in text, f"{what}: does not say '{word}': {text}")
        need(text.startswith("p2v-recv: "), f"{what}: says '{text}'")
        left = [name for name in os.listdir(folder) if not name.startswith(".")]
        need(not left, f"{what}: left {left}")
        print(f"      {done.returncode}: {what}: {text[:140]}")


def before(steps):
    steps.start_server()
    steps.disk = make_disk(os.path.join(steps.work, "source.img"), 48)
    steps.before = digest(steps.disk)


def after(steps):
    need(digest(steps.disk) == steps.before, "the source is not what it was")


if __name__ == "__main__":
    server.require("qemu-img", "qemu-nbd", "ssh-keygen", "losetup", "useradd")
    CASES.main("bad-input", __doc__, before, after)
