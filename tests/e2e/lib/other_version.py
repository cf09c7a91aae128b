#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands between sshd and p2v-recv, and makes one end's first words those of another version (PROTOCOL.md, "Versions
and features"): a forced command for tests.

usage: other_version.py hello|welcome|both [versions=N | versions=N-M] [features=N | features=+N] [more=N] COMMAND...

hello: what the agent says; welcome: what the receiver answers; both: an agent that does not know what is not among
the features, so that it does not see them in the answer either. features: these and no others, or these, too. more: so many
bytes of fields that nobody knows yet."""
import os
import struct
import subprocess
import sys
import threading

PREFACE, HEAD = 12, 8


def exactly(fd, n):
    data = b""
    while len(data) < n and (piece := os.read(fd, n - len(data))):
        data += piece
    return data


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def other(frame, who, says):
    """The payload of HELLO or WELCOME as an end of that version would send it."""
    versions = 2 if who == "hello" else 1
    size = 2 * versions + 8
    low, *high = says.get("versions", "").split("-")
    if low:
        numbers = [int(low), int(high[0] if high else low)][:versions]
        frame = struct.pack(f">{versions}H", *numbers) + frame[2 * versions:]
    if "features" in says:
        kept = struct.unpack(">Q", frame[2 * versions:size])[0] if says["features"].startswith("+") else 0
        frame = frame[:2 * versions] + struct.pack(">Q", kept | int(says["features"], 0)) + frame[size:]
    return frame + b"\x5a" * int(says.get("more", 0))


def pump(source, sink, who=None, says=None):
    try:
        write_all(sink, exactly(source, PREFACE))
        kind, flags, n = struct.unpack(">HHI", exactly(source, HEAD))
        frame = exactly(source, n)
        if who:
            frame = other(frame, who, says)
        write_all(sink, struct.pack(">HHI", kind, flags, len(frame)) + frame)
        while piece := os.read(source, 1 << 16):
            write_all(sink, piece)
    except (OSError, struct.error):
        pass  # one end has gone, or has said less than a first frame
    os.close(sink)


def main():
    who, *rest = sys.argv[1:]
    says = {}
    while "=" in rest[0]:
        key, value = rest.pop(0).split("=")
        says[key] = value
    receiver = subprocess.Popen(rest, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    ways = [(0, os.dup(receiver.stdin.fileno()), "hello"), (os.dup(receiver.stdout.fileno()), 1, "welcome")]
    receiver.stdin.close()
    receiver.stdout.close()
    threads = [threading.Thread(target=pump, args=(source, sink, name if who in (name, "both") else None, says), daemon=True)
               for source, sink, name in ways]
    for thread in threads:
        thread.start()
    code = receiver.wait()
    threads[1].join()
    sys.exit(code)


main()
