# SPDX-License-Identifier: GPL-3.0-or-later
"""A network of the benchmark's own. This process moves into a fresh network namespace, where the loopback has no
traffic but ours; a second namespace is reached over a veth pair that tbf shapes to 1 Gbit/s both ways."""

import ctypes
import json
import os
import subprocess

CLONE_NEWNET = 0x40000000
CLONE_NEWNS = 0x00020000  # mounts, too: a sandbox that copies the host's would keep ours in use
SERVER, CLIENT = "10.99.0.1", "10.99.0.2"
LINE_BYTES = 125_000_000  # a second, of 1 Gbit/s


def run(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout


class Net:
    """links: those that this kernel can make: loopback, and gbit where it has veth and tbf."""
    def __init__(self):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET | CLONE_NEWNS):
            raise OSError(ctypes.get_errno(), "a network namespace cannot be made (root?)")
        run("mount", "--make-rprivate", "/")
        run("ip", "link", "set", "lo", "up")
        self.links, self.other, self.missing = {"loopback": ("127.0.0.1", [], "lo")}, None, None
        try:
            self.shaped()
        except (subprocess.CalledProcessError, OSError) as why:
            self.missing = f"no veth or tbf in this kernel: {(why.output or b'').decode().strip() if hasattr(why, 'output') else why}"

    def shaped(self):
        self.other = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo ready; exec sleep infinity"], stdout=subprocess.PIPE)
        self.other.stdout.readline()
        pid = str(self.other.pid)
        enter = ["nsenter", "-t", pid, "-n", "--"]
        run("ip", "link", "add", "p2v0", "type", "veth", "peer", "name", "p2v1", "netns", pid)
        for prefix, device, address in ([], "p2v0", SERVER), (enter, "p2v1", CLIENT):
            run(*prefix, "ip", "addr", "add", f"{address}/24", "dev", device)
            run(*prefix, "ip", "link", "set", device, "up")
            run(*prefix, "tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", "1gbit", "burst", "256kb", "latency", "50ms")
        run(*enter, "ip", "link", "set", "lo", "up")
        self.links["gbit"] = (SERVER, enter, "p2v0")

    def wire_bytes(self, link):
        """(both directions, what the client sent), headers included. On the shaped link as the shapers count, which is
        what the line's rate is made of: a device's own counter knows one header for many packets that go through it as
        one. On the loopback both are the same."""
        _, prefix, device = self.links[link]
        if device != "lo":
            down, up = (json.loads(run(*enter, "tc", "-s", "-j", "qdisc", "show", "dev", end))[0]["bytes"]
                        for enter, end in (([], device), (prefix, "p2v1")))
            return down + up, up
        with open("/proc/self/net/dev") as file:
            for line in file:
                name, _, rest = line.partition(":")
                if name.strip() == device:
                    return (int(rest.split()[8]),) * 2
        raise OSError(f"no device {device}")

    def stop(self):
        if self.other:
            self.other.kill()
            self.other.wait()
