#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures p2v beside its peers, in one run on one machine: prints tables with ratios and writes them as JSON.
Asserts nothing.

  imaging      a disk of --size (ext4, XFS, NTFS, swap; half used, the rest deleted data, no holes) sent whole
  second-pass  the same after 2 % of its blocks of 4 KiB have changed
  memory       peak memory of both ends, mapping and sending small disks and sparse ones of --huge
  conversion   p2v convert beside virt-v2v, of --servers: time, starts of the appliance, bytes read

The first two run by turns on the same sshd in a network namespace of the benchmark's own: on its loopback, and over a
pair of veth that tbf shapes to 1 Gbit/s. Each peer runs with ssh's default cipher and with its fastest.

usage: run.py [--build DIR] [--only imaging,second-pass,memory,conversion] [--size 8G] [--rounds N] [--json FILE] ..."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e")]
import conversion  # noqa: E402
import disk as disks  # noqa: E402
import meter  # noqa: E402
import net as nets  # noqa: E402
import peers  # noqa: E402
from lib import server, walk  # noqa: E402

PARTS = ["imaging", "second-pass", "memory", "conversion"]
OURS = "p2v"
HEAD = f"{'':46}{'wall':>8}{'client':>8}{'server':>8}{'machine':>8}{'on wire':>10}{'peak MiB':>14}{'wall':>7}{'cpu':>7}"
UNITS = f"{'':46}{'s':>8}{'cpu s':>8}{'cpu s':>8}{'cpu s':>8}{'MB':>10}{'here':>7}{'there':>7}{'/own':>7}{'/own':>7}"


def size_of(text):
    units = {"M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
    return int(text[:-1]) * units[text[-1]] if text[-1] in units else int(text)


class Bench:
    def __init__(self, options, net, steps):
        self.options, self.net, self.steps = options, net, steps
        self.result = {"version": 1, "processors": os.cpu_count(), "kernel": os.uname().release, "links": sorted(net.links)}
        if net.missing:
            self.result["links_missing"] = net.missing

    # ---- one row

    def wire(self, link, cipher):
        host, prefix, _ = self.net.links[link]
        s = self.steps
        return peers.Wire(host, prefix, s.daemon.port, s.user, s.plain_key, s.known_hosts, cipher)

    def measured(self, link, function):
        """None where it failed (what it said is shown)."""
        try:
            with meter.Meter(self.net, link, self.steps.daemon.process.pid) as taken:
                extra = function()
        except (peers.Failed, walk.StepFailed, subprocess.SubprocessError, OSError) as why:
            print(f"   failed: {why}", flush=True)
            return None
        return taken.row | (extra or {})

    def agent(self, link, disk, how, *more):
        host, prefix, _ = self.net.links[link]
        argv = [*prefix, *self.steps.agent_argv([disk], None, "--name", "bench", "--link", how, *more)]
        argv[argv.index("--server") + 1] = f"{self.steps.user}@{host}:{self.steps.daemon.port}"
        sent = json.loads(self.steps.run("send", argv).stdout)
        return {"link": sent.get("link"), "verified": all(d["verified"] for d in sent["disks"]),
                "agent_peak_bytes": sent["peak_memory_bytes"]}

    def forget(self, *names):
        for name in names:
            path = os.path.join(self.steps.jobs, name)
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.unlink(path)

    # ---- tables

    def table(self, title, link, rows, target, before=lambda: None):
        """rows: (name, whole, function). Each round runs all of them, one after the other."""
        print(f"\n{title}, {link}{', best of %d' % self.options.rounds if self.options.rounds > 1 else ''}\n{HEAD}\n{UNITS}", flush=True)
        best = {}
        for _ in range(self.options.rounds):
            for name, whole, function in rows:
                before()
                row = self.measured(link, function)
                if row and (name not in best or row["wall_s"] < best[name]["wall_s"]):
                    best[name] = row | {"name": name, "whole": whole}
        own = min((r for n, r in best.items() if n.startswith(OURS)), key=lambda r: r["wall_s"], default=None)
        for row in best.values():
            self.show(row, own)
        others = [row for name, row in best.items() if not name.startswith(OURS)]
        if own:
            target(f"{title}, {link}", link, own, others)
        self.result.setdefault(title, {})[link] = list(best.values())

    def show(self, row, own):
        ratio = (f"{row['wall_s'] / own['wall_s']:7.2f}{row['machine_cpu_s'] / max(own['machine_cpu_s'], 0.01):7.2f}") if own else ""
        name = row["name"] + (f" ({row['link'].split('@')[0]})" if row.get("link") else "")
        print(f"   {name[:43]:43}{row['wall_s']:8.2f}{row['client_cpu_s']:8.2f}{row['server_cpu_s']:8.2f}{row['machine_cpu_s']:8.2f}"
              f"{row['wire_bytes'] / 1e6:10.1f}{row['client_peak_bytes'] / 2**20:7.0f}{row['server_peak_bytes'] / 2**20:7.0f}{ratio}", flush=True)

    def target(self, text, value, limit):
        """One line: what is asked, what is there. limit: value at most that."""
        ok = value <= limit
        print(f"   target: {text}: {value:.2f} (at most {limit:.2f}): {'met' if ok else 'MISSED'}", flush=True)
        self.result.setdefault("targets", []).append({"text": text, "value": value, "limit": limit, "met": ok})

    # ---- what is measured

    def imaging_targets(self, where, link, own, others):
        whole = [row for row in others if row["whole"]]
        if link == "loopback" and whole:
            fastest = min(whole, key=lambda r: r["wall_s"])
            self.target(f"{where}: wall / that of the fastest whole-disk peer ({fastest['name']})", own["wall_s"] / fastest["wall_s"], 0.75)
            least = min(others, key=lambda r: r["machine_cpu_s"])
            self.target(f"{where}: CPU / that of the cheapest peer ({least['name']})", own["machine_cpu_s"] / least["machine_cpu_s"], 1)
        if link == "gbit":
            self.target(f"{where}: wall / (own bytes on the wire / line rate)", own["wall_s"] / (own["wire_up_bytes"] / nets.LINE_BYTES), 1.05)
        clones = [row["wire_bytes"] for row in others if "partclone" in row["name"]]
        if clones:
            self.target(f"{where}: bytes on the wire / partclone's", own["wire_bytes"] / min(clones), 1)

    def second_targets(self, where, link, own, others):
        for name, limit in ("rsync", 0.25), ("digest list", 0.5):
            walls = [row["wall_s"] for row in others if row["name"].startswith(name)]
            if walls:
                self.target(f"{where}: wall / {name}'s", own["wall_s"] / min(walls), limit)

    def peer_rows(self, table, link, disk, parts, target):
        rows = []
        for name, function, whole in table:
            for cipher in None, peers.BEST:
                def go(function=function, cipher=cipher):
                    function(self.wire(link, cipher), disk(), target, parts)
                rows.append((f"{name} {cipher.split('@')[0] if cipher else 'default cipher'}", whole, go))
        return rows

    def own_rows(self, link, disk, *more):
        return [(f"{OURS} --link {how}", True, lambda how=how: self.agent(link, disk(), how, *more)) for how in self.options.ways]

    def imaging(self, disk, parts):
        target = os.path.join(self.steps.jobs, "peer.img")
        for link in self.options.links:
            rows = self.own_rows(link, lambda: disk) + self.peer_rows(peers.IMAGING, link, lambda: disk, parts, target)
            self.table("imaging", link, rows, self.imaging_targets, lambda: self.forget("bench", "peer.img"))

    def second_pass(self, disk, parts):
        """Between two states of a disk, there and back: each pass changes as much as the one before."""
        other, steps = disk + ".changed", self.steps
        subprocess.run(["cp", "--reflink=auto", "--sparse=never", disk, other], check=True)
        disks.change(other, parts, steps.work)
        cached(other)
        target = os.path.join(steps.jobs, "second.img")
        states, turn = [disk, other], {}

        def next_of(key):
            turn[key] = turn.get(key, 0) + 1
            return states[turn[key] % 2]
        self.forget("bench")
        steps.send([disk], None, "--name", "bench")
        subprocess.run(["cp", "--sparse=never", disk, target], check=True)
        shutil.chown(target, steps.user)
        os.sync()  # else the first row is measured while three disks are written back
        for link in self.options.links:
            rows = self.own_rows(link, lambda: next_of("own"), "--refresh") + \
                self.peer_rows(peers.SECOND, link, lambda: next_of("peers"), parts, target)
            self.table("second pass", link, rows, self.second_targets)
        self.forget("bench", "second.img")
        os.unlink(other)

    def memory(self, disk):
        """Sparse disks: what a map costs must not depend on their size."""
        print(f"\nmemory and time of mapping and sending\n{'':46}{'map s':>8}{'map MiB':>9}{'send s':>8}{'agent MiB':>11}{'receiver MiB':>14}")
        rows = []
        for name, path in [("the benchmark's disk", disk), *self.huge()]:
            row = {"name": name, "size_bytes": os.path.getsize(path)} | self.map_cost(path)
            self.forget("bench")
            row |= self.measured("loopback", lambda path=path: self.agent("loopback", path, "auto")) or {}
            programs = row.get("program_peak_bytes", {})
            row["receiver_bytes"] = sum(n for key, n in programs.items() if key.startswith(("server p2v-recv", "server qemu-storage")))
            print(f"   {name:43}{row['map_s']:8.2f}{row['map_peak_bytes'] / 2**20:9.0f}{row.get('wall_s', 0):8.1f}"
                  f"{row.get('agent_peak_bytes', 0) / 2**20:11.0f}{row['receiver_bytes'] / 2**20:14.0f}", flush=True)
            rows.append(row)
            if path != disk:
                os.unlink(path)
        self.forget("bench")
        self.result["memory"] = rows
        for row in rows:
            self.target(f"memory: MiB of the agent, {row['name']}", max(row["map_peak_bytes"], row.get("agent_peak_bytes", 0)) / 2**20, 96)
            if row["receiver_bytes"]:
                self.target(f"memory: MiB of the receiver, {row['name']}", row["receiver_bytes"] / 2**20, 128)

    def map_cost(self, path):
        """From a process of its own, which tells the peak of its one child."""
        script = ("import resource, subprocess, sys, time; t = time.monotonic(); "
                  "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
                  "print(time.monotonic() - t, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
        done = subprocess.run([sys.executable, "-c", script, self.steps.program("p2v-agent"), "--map", "--json", path],
                              check=True, stdout=subprocess.PIPE, text=True)
        seconds, kib = done.stdout.split()
        return {"map_s": float(seconds), "map_peak_bytes": int(kib) * 1024}

    def huge(self):
        """ext4 and XFS of --huge, with many small files in each, every other one deleted again."""
        for name, mkfs in ("ext4", ["mke2fs", "-q", "-F", "-t", "ext4"]), ("xfs", ["mkfs.xfs", "-q", "-f"]):
            path, where = os.path.join(self.steps.work, f"huge-{name}.img"), os.path.join(self.steps.work, "mnt")
            with open(path, "wb") as file:
                file.truncate(self.options.huge)
            os.makedirs(where, exist_ok=True)
            try:
                disks.run(*mkfs, path)
                disks.run("mount", "-o", "loop", path, where)
            except subprocess.CalledProcessError as why:
                print(f"   {name} of {self.options.huge >> 30} GiB cannot be made here: {why.output.strip()[-200:]}")
                os.unlink(path)
                continue
            try:
                for i in range(self.options.huge_files):
                    folder = f"{where}/d{i % 500}"
                    os.makedirs(folder, exist_ok=True)
                    with open(f"{folder}/f{i}", "wb") as file:
                        file.write(os.urandom(9000))
                os.sync()
                for i in range(0, self.options.huge_files, 2):
                    os.unlink(f"{where}/d{i % 500}/f{i}")
            finally:
                disks.run("umount", where)
            yield f"{name} of {self.options.huge >> 30} GiB, sparse", path


def cached(image):
    """All sides read the disk from memory: links and processors are measured, not this machine's disk."""
    with open(image, "rb") as file:
        while file.read(1 << 22):
            pass


def options_read():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--work", help="folder for disks and images (three times --size); removed at the end")
    parser.add_argument("--only", default=",".join(PARTS), help="of " + ", ".join(PARTS))
    parser.add_argument("--size", type=size_of, default="8G", help="of the disk (default: 8G; at least 1200M)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--links", default="loopback,gbit")
    parser.add_argument("--ways", default="auto", help="of p2v-agent's --link: auto,libssh2,openssh")
    parser.add_argument("--peers", default="", help="only those whose name has one of these words, by commas")
    parser.add_argument("--servers", default=",".join(conversion.SERVERS), help="of the conversion: names in tests/images")
    parser.add_argument("--huge", type=size_of, default="2T", help="size of the sparse disks (default: 2T)")
    parser.add_argument("--huge-files", type=int, default=20000)
    parser.add_argument("--json", help="where the figures go (default: bench.json in the build folder)")
    options = parser.parse_args()
    options.only, options.ways = options.only.split(","), options.ways.split(",")
    wrong = set(options.only) - set(PARTS)
    if wrong:
        parser.error(f"--only: {wrong.pop()} is none of {', '.join(PARTS)}")
    for table in peers.IMAGING, peers.SECOND:
        table[:] = [row for row in table if not options.peers or any(word in row[0] for word in options.peers.split(","))]
    return options


def known_hosts_add(steps):
    """The server is also reached by its address on the shaped link."""
    with open(steps.known_hosts) as file:
        lines = file.read()
    with open(steps.known_hosts, "a") as file:
        file.write(lines.replace("[127.0.0.1]", f"[{nets.SERVER}]"))


def main():
    options = options_read()
    work = os.path.abspath(options.work or os.path.join(options.build, "bench"))
    server.require("qemu-img", "ssh", "zstd", "rsync", "nbdcopy", "nbdkit", "partclone.extfs", "mkntfs", "mkfs.xfs", "sfdisk", "ip")
    os.environ.setdefault("P2V_TEST_IMAGES", os.path.join(os.path.abspath(options.build), "tests", "images"))
    shutil.rmtree(work, ignore_errors=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what is mounted and made goes then, too
    net = nets.Net()
    options.links = [link for link in options.links.split(",") if link in net.links]
    print(f"{os.cpu_count()} processors, Linux {os.uname().release}; links: {', '.join(options.links)}"
          + (f" ({net.missing})" if net.missing else ""))
    try:
        with walk.Walk(options.build, work, user="p2v-bench") as steps:
            steps.start_server(plain_key=True, config=[f"ListenAddress {nets.SERVER}"] if "gbit" in net.links else [])
            known_hosts_add(steps)
            shutil.copy(os.path.join(HERE, "blocksync.py"), steps.jobs)
            bench = Bench(options, net, steps)
            if set(options.only) & {"imaging", "second-pass", "memory"}:
                disk = os.path.join(work, "disk.img")
                parts = disks.build(disk, options.size, work)
                cached(disk)
                bench.result["disk"] = {"size_bytes": options.size, "parts": parts}
            if "imaging" in options.only:
                bench.imaging(disk, parts)
            if "second-pass" in options.only:
                bench.second_pass(disk, parts)
            if "memory" in options.only:
                bench.memory(disk)
            if "conversion" in options.only:
                bench.result["conversion"] = conversion.run(steps, options.servers.split(","), bench.target)
            path = options.json or os.path.join(options.build, "bench.json")
            with open(path, "w") as file:
                json.dump(bench.result, file, indent=1)
            print(f"\nall figures: {path}")
    finally:
        net.stop()
        shutil.rmtree(work, ignore_errors=True)


main()
