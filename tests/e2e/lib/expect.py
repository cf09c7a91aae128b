# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of servers lean on: to want something, to wait for it, to ask a Unix socket, a folder in memory."""

import concurrent.futures
import http.client
import os
import socket
import sys
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


def run_cases(cases, run):
    """Those that each have a scene of their own and mostly wait, some at once; run gives whether it went well. Ends the
    program."""
    def one(function):
        begin = time.monotonic()
        ok = run(function)
        print(f"{'ok  ' if ok else 'FAIL'} {function.__name__} {time.monotonic() - begin:.1f} s", flush=True)
        return ok

    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        results = list(pool.map(one, cases))
    sys.exit(0 if results and all(results) else 1)


def quick_folder(prefix):
    """For small things that are flushed again and again, where no power is lost: on a disk that is busy with the
    images of other tests each flush takes as long as all that is written there."""
    return tempfile.mkdtemp(prefix=prefix, dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
