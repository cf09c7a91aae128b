# SPDX-License-Identifier: GPL-3.0-or-later
"""A switch port that carries one VLAN with its tag, between two netdevs of QEMU's kind `stream`: frames from the tagged
side lose the tag (others are dropped), frames to it get one.

    with vlan.Trunk(folder, 120) as trunk:
        argv += trunk.argv        # netdevs `tagged` and `plain`
"""

import os
import socket
import struct
import threading

TAG = b"\x81\x00"


def untag(frame, vid):
    if frame[12:14] != TAG or struct.unpack(">H", frame[14:16])[0] & 0xFFF != vid:
        return None
    return frame[:12] + frame[16:]


def tag(frame, vid):
    return frame[:12] + TAG + struct.pack(">H", vid) + frame[12:]


def frames(sock):
    """Each has four bytes of length before it."""
    file = sock.makefile("rb")
    while len(head := file.read(4)) == 4:
        yield file.read(struct.unpack(">I", head)[0])


class Trunk:
    def __init__(self, folder, vid):
        self.vid, self.listeners, self.argv, self.carried = vid, {}, [], 0
        for name in "tagged", "plain":
            path = os.path.join(folder, f"{name}.sock")
            self.listeners[name] = socket.socket(socket.AF_UNIX)
            self.listeners[name].bind(path)
            self.listeners[name].listen(1)
            self.argv += ["-netdev", f"stream,id={name},server=off,addr.type=unix,addr.path={path}"]

    def _carry(self, near, far, change):
        try:
            for frame in frames(near):
                frame = change(frame, self.vid)
                if frame is not None:
                    self.carried += 1
                    far.sendall(struct.pack(">I", len(frame)) + frame)
        except OSError:
            pass  # QEMU has ended

    def _serve(self):
        try:
            tagged, plain = (self.listeners[name].accept()[0] for name in ("tagged", "plain"))
        except OSError:
            return
        threading.Thread(target=self._carry, args=(plain, tagged, tag), daemon=True).start()
        self._carry(tagged, plain, untag)

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        for listener in self.listeners.values():
            listener.close()
