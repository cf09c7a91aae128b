# SPDX-License-Identifier: GPL-3.0-or-later
"""The plain way to a second pass, as a peer: the server lists the digests of its blocks of 64 KiB, the client sends
those that differ, through zstd -1. Both sides hash at the same time, on all processors.

usage: blocksync.py serve FILE                        on the server, frames on stdin and stdout
       blocksync.py send FILE -- SSH-COMMAND...       on the client; the command runs `serve`"""

import concurrent.futures
import os
import struct
import subprocess
import sys

import xxhash

BLOCK, BATCH = 65536, 1 << 22
DIGEST = 16


def digests(path):
    fd, size = os.open(path, os.O_RDONLY), os.path.getsize(path)

    def batch(at):
        data = memoryview(os.pread(fd, BATCH, at))
        return b"".join(xxhash.xxh3_128_digest(data[i:i + BLOCK]) for i in range(0, len(data), BLOCK))

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = b"".join(pool.map(batch, range(0, size, BATCH)))
    os.close(fd)
    return found


def serve(path):
    found = digests(path)
    sys.stdout.buffer.write(struct.pack("<Q", len(found)) + found)
    sys.stdout.buffer.flush()
    unpack = subprocess.Popen(["zstd", "-dq"], stdin=sys.stdin.buffer, stdout=subprocess.PIPE)
    with open(path, "r+b") as file:
        while len(head := unpack.stdout.read(12)) == 12:
            at, n = struct.unpack("<QI", head)
            file.seek(at)
            file.write(unpack.stdout.read(n))
        file.flush()
        os.fsync(file.fileno())
    sys.exit(unpack.wait())


def send(path, command):
    remote = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    own = digests(path)
    (n,) = struct.unpack("<Q", remote.stdout.read(8))
    theirs = remote.stdout.read(n)
    pack = subprocess.Popen(["zstd", "-1q"], stdin=subprocess.PIPE, stdout=remote.stdin)
    remote.stdin.close()
    with open(path, "rb") as file:
        for i in range(0, len(own), DIGEST):
            if own[i:i + DIGEST] != theirs[i:i + DIGEST]:
                at = i // DIGEST * BLOCK
                file.seek(at)
                data = file.read(BLOCK)
                pack.stdin.write(struct.pack("<QI", at, len(data)) + data)
    pack.stdin.close()
    sys.exit(pack.wait() or remote.wait())


if sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    send(sys.argv[2], sys.argv[4:])
