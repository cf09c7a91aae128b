# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's cards on a switch of our own, whose other port is a card of this host in a network namespace that
nothing else is in. There the server has the addresses that are told, of IPv4 or IPv6, in a VLAN or not.

    with cable.Cable(folder, ["10.77.0.1/24", "fd77::1/64"], cards=2, vlan=120) as switch:
        steps.restart_server(...)      # this thread is in the namespace until the block ends
        argv += ["-netdev", switch.netdevs[0], "-device", "e1000,netdev=port0"]

The ports of the machine carry frames with the VLAN's tag only (802.1Q, as a switch's trunk), the host's none."""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import threading

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
NAME = "cable0"
TAG = 0x8100
FRAME_MAX = 65536


def untag(frame, vlan):
    """None where it is of another VLAN, or of none."""
    kind, tag = struct.unpack(">HH", frame[12:16])
    return frame[:12] + frame[16:] if kind == TAG and tag & 0xFFF == vlan else None


def tag(frame, vlan):
    return frame[:12] + struct.pack(">HH", TAG, vlan) + frame[12:]


class Cable:
    def __init__(self, folder, addresses, cards=1, vlan=None):
        self.addresses, self.vlan = addresses, vlan
        self.sockets = [None] * cards
        self.frames_in = [0] * cards
        self.learned = {}  # a card's address: its port
        self.listeners, self.netdevs = [], []
        for port in range(cards):
            path = os.path.join(folder, f"port{port}.sock")
            if os.path.exists(path):
                os.unlink(path)
            self.listeners.append(socket.socket(socket.AF_UNIX))
            self.listeners[-1].bind(path)
            self.listeners[-1].listen(1)
            self.netdevs.append(f"stream,id=port{port},server=off,addr.type=unix,addr.path={path}")

    def __enter__(self):
        self.before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET) < 0:
            raise OSError(ctypes.get_errno(), "unshare")
        self.tap = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.tap, TUNSETIFF, struct.pack("16sH22x", NAME.encode(), IFF_TAP | IFF_NO_PI))
        for words in (["link", "set", "lo", "up"], ["link", "set", NAME, "up"],
                      *(["addr", "add", a, "dev", NAME, *(["nodad"] if ":" in a else [])] for a in self.addresses)):
            subprocess.run(["ip", *words], check=True)
        threading.Thread(target=self._from_host, daemon=True).start()
        for port in range(len(self.listeners)):
            threading.Thread(target=self._from_machine, args=(port,), daemon=True).start()
        return self

    def __exit__(self, *_):
        for sock in [*self.listeners, *filter(None, self.sockets)]:
            sock.close()
        os.close(self.tap)
        ctypes.CDLL(None).setns(self.before, CLONE_NEWNET)
        os.close(self.before)

    def _from_machine(self, port):
        """QEMU puts the length of each frame before it, in four bytes."""
        try:
            self.sockets[port], _ = self.listeners[port].accept()
            with self.sockets[port].makefile("rb") as file:
                while len(head := file.read(4)) == 4:
                    frame = file.read(struct.unpack(">I", head)[0])
                    self.frames_in[port] += 1
                    self.learned[frame[6:12]] = port
                    frame = frame if self.vlan is None else untag(frame, self.vlan)
                    if frame:
                        os.write(self.tap, frame)
        except OSError:
            pass  # one of both has ended

    def _from_host(self):
        try:
            while frame := os.read(self.tap, FRAME_MAX):
                port = self.learned.get(frame[:6])
                frame = frame if self.vlan is None else tag(frame, self.vlan)
                for sock in self.sockets if port is None else [self.sockets[port]]:
                    if sock:
                        sock.sendall(struct.pack(">I", len(frame)) + frame)
        except OSError:
            pass
