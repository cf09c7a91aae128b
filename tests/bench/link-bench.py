# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the SSH link against OpenSSH's own client, all through one private sshd on the loopback into
`cat >/dev/null`. Prints MB/s, CPU seconds a GB of the client's side and of sshd's, and the ratio to `ssh` with the
same cipher. Nothing is asserted.

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


GB = mib * (1 << 20) / 1e9


def sshd_cpu(server):
    """Of the daemon and the sessions that it has waited for."""
    with open(f"/proc/{server.process.pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def show(server, before, text):
    time.sleep(0.3)  # until the session is waited for
    print(f"{text}, sshd {(sshd_cpu(server) - before) / GB:.2f}", flush=True)


def ours(server, row, cipher=None, mac=None):
    argv = [program, row, server.target, server.identity, server.known_hosts, str(mib)]
    before = sshd_cpu(server)
    out = subprocess.run(argv + [word for word in (cipher, mac) if word], check=True, capture_output=True,
                         text=True).stdout
    show(server, before, f"{row:8} {out.strip()}")
    return float(out.split(": ")[1].split()[0])


def peer(server, cipher, mac):
    user, where = server.target.split("@")
    argv = ["ssh", "-F", "none", "-p", where.split(":")[1], "-i", server.identity, "-c", cipher, "-m", mac,
            "-o", f"UserKnownHostsFile={server.known_hosts}", "-o", "BatchMode=yes", f"{user}@127.0.0.1", "x"]
    piece = os.urandom(1 << 20)
    server_before = sshd_cpu(server)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as ssh:
        for _ in range(mib):
            ssh.stdin.write(piece)
        ssh.stdin.close()
        ssh.wait()
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    show(server, server_before, f"ssh      {cipher} {mac}: {GB * 1000 / seconds:.0f} MB/s, {cpu / GB:.2f} CPU s/GB")
    return GB * 1000 / seconds


with tempfile.TemporaryDirectory() as work, sshd.Sshd(work, "cat >/dev/null", ["LogLevel ERROR"]) as server:
    for row in ("libssh2", "openssh"):
        ours(server, row)
    chosen = ours(server, "auto")
    for cipher, mac in ROWS:
        own, other = ours(server, "libssh2", cipher, mac), peer(server, cipher, mac)
        print(f"         ratio {own / other:.2f}", flush=True)
    best = peer(server, "aes128-gcm@openssh.com", "hmac-sha2-256")
    print(f"         the link as it chooses for itself: {chosen / best:.2f} of that", flush=True)
