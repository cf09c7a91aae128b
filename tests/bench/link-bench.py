# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH link against OpenSSH's own client, both through one private sshd on the loopback into
`cat >/dev/null`. Prints MB/s and client CPU seconds a GB, and the ratio to `ssh` with the same cipher.
Nothing is asserted.

usage: link-bench.py LINK-BENCH-PROGRAM [MIB]"""

import os
import resource
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e", "lib"))
import sshd  # noqa: E402

program = sys.argv[1]
mib = int(sys.argv[2]) if len(sys.argv) > 2 else 2048
ROWS = [("aes128-ctr", "hmac-sha2-256"), ("aes128-ctr", "hmac-sha2-512"), ("aes128-ctr", "hmac-sha1"),
        ("aes256-ctr", "hmac-sha2-256")]


def ours(server, cipher=None, mac=None):
    argv = [program, server.target, server.identity, server.known_hosts, str(mib)]
    out = subprocess.run(argv + ([cipher, mac] if cipher else []), check=True, capture_output=True, text=True).stdout
    print("libssh2 ", out.strip(), flush=True)
    return float(out.split(": ")[1].split()[0])


def peer(server, cipher, mac):
    user, where = server.target.split("@")
    argv = ["ssh", "-F", "none", "-p", where.split(":")[1], "-i", server.identity, "-c", cipher, "-m", mac,
            "-o", f"UserKnownHostsFile={server.known_hosts}", "-o", "BatchMode=yes", f"{user}@127.0.0.1", "x"]
    piece = os.urandom(1 << 20)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as ssh:
        for _ in range(mib):
            ssh.stdin.write(piece)
        ssh.stdin.close()
        ssh.wait()
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    gb = mib * (1 << 20) / 1e9
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"ssh      {cipher} {mac}: {gb * 1000 / seconds:.0f} MB/s, {cpu / gb:.2f} CPU s/GB", flush=True)
    return gb * 1000 / seconds


with tempfile.TemporaryDirectory() as work, sshd.Sshd(work, "cat >/dev/null", ["LogLevel ERROR"]) as server:
    chosen = ours(server)
    for cipher, mac in ROWS:
        own, other = ours(server, cipher, mac), peer(server, cipher, mac)
        print(f"         ratio {own / other:.2f}", flush=True)
    best = peer(server, "aes128-gcm@openssh.com", "hmac-sha2-256")
    print(f"         the link as it chooses for itself: {chosen / best:.2f} of that", flush=True)
