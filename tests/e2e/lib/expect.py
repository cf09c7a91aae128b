# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of servers lean on: to want something, to wait for it, to ask a Unix socket, a folder in memory."""

import http.client
import os
import socket
import tempfile
import time

# Everything waits for a condition; this is only for what never comes, on a machine that is very busy.
LIMIT_S = 180


class Wrong(Exception):
    """It did not turn out as it should."""


def need(ok, text):
    if not ok:
        raise Wrong(text)


def wait(what, check, limit_s=LIMIT_S, step_s=0.05):
    """What check() gives once it gives something."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        value = check()
        if value:
            return value
        time.sleep(step_s)
    raise Wrong(f"waited in vain: {what}")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=LIMIT_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def quick_folder(prefix):
    """For small things that are flushed again and again, where no power is lost: on a disk that is busy with the
    images of other tests each flush takes as long as all that is written there."""
    return tempfile.mkdtemp(prefix=prefix, dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
