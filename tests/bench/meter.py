# SPDX-License-Identifier: GPL-3.0-or-later
"""What a transfer costs: wall clock, CPU seconds of the client's side, of the server's (sshd and all below it) and of
the whole machine (the kernel's network work in), bytes on the wire, peak memory of each side and of each program."""

import os
import resource
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def below(pid):
    """pid and its descendants."""
    found = [pid]
    for one in found:
        try:
            for task in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{task}/children") as file:
                    found += [int(child) for child in file.read().split()]
        except OSError:
            pass
    return found


def resident(pid):
    """(program, bytes that are its own and in memory): file pages are the page cache's."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            _, rss, shared, *_ = [int(field) for field in file.read().split()]
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip(), max(rss - shared, 0) * PAGE
    except (OSError, ValueError):
        return None, 0


def cpu_of(pid):
    """Of this process alone; those that it waited for are not its own, and sshd does not wait for all."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:13]) / TICKS
    except OSError:
        return 0


def machine_cpu():
    with open("/proc/stat") as file:
        user, nice, system, idle, wait, irq, softirq, *_ = [int(field) for field in file.readline().split()[1:]]
    return (user + nice + system + irq + softirq) / TICKS


class Meter:
    """with Meter(net, link, sshd_pid) as meter: ...; then meter.row: what it took."""
    def __init__(self, net, link, sshd_pid):
        self.net, self.link, self.sshd = net, link, sshd_pid
        self.peaks, self.programs, self.cpu, self.done = {"client": 0, "server": 0}, {}, {}, threading.Event()
        self.row = {}

    def sample(self):
        while not self.done.wait(0.03):
            server = set(below(self.sshd))
            client = set(below(os.getpid())) - server - {os.getpid()}
            if self.net.other:
                client.discard(self.net.other.pid)
            self.cpu |= {pid: max(cpu_of(pid), self.cpu.get(pid, 0)) for pid in server}
            for side, pids in ("server", server), ("client", client):
                total, sums = 0, {}
                for pid in pids:
                    name, n = resident(pid)
                    total += n
                    if name:
                        sums[name] = sums.get(name, 0) + n
                self.peaks[side] = max(self.peaks[side], total)
                for name, n in sums.items():
                    self.programs[f"{side} {name}"] = max(self.programs.get(f"{side} {name}", 0), n)

    def __enter__(self):
        self.before = (self.net.wire_bytes(self.link), resource.getrusage(resource.RUSAGE_CHILDREN), cpu_of(self.sshd), machine_cpu())
        self.thread = threading.Thread(target=self.sample)
        self.thread.start()
        self.start = time.monotonic()
        return self

    def __exit__(self, *_):
        wall = time.monotonic() - self.start
        end = time.monotonic() + 20
        while len(below(self.sshd)) > 1 and time.monotonic() < end:
            time.sleep(0.02)  # until sshd has waited for its sessions
        self.done.set()
        self.thread.join()
        wire, client, server, machine = self.before
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        both, up = (after - before for after, before in zip(self.net.wire_bytes(self.link), wire))
        self.row = {
            "wall_s": wall,
            "client_cpu_s": now.ru_utime + now.ru_stime - client.ru_utime - client.ru_stime,
            "server_cpu_s": sum(self.cpu.values()) - server,
            "machine_cpu_s": machine_cpu() - machine,
            "wire_bytes": both,
            "wire_up_bytes": up,
            "client_peak_bytes": self.peaks["client"],
            "server_peak_bytes": self.peaks["server"],
            "program_peak_bytes": self.programs,
        }
