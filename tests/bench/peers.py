# SPDX-License-Identifier: GPL-3.0-or-later
"""The peers: how else a disk gets to another machine over SSH. Each is a row: its name, what it runs, and whether what
it leaves there is the image of a whole disk. All of them write through to the medium before they end."""

import os
import shlex
import subprocess

import disk as disks

HERE = os.path.dirname(os.path.abspath(__file__))
BEST = "aes128-gcm@openssh.com"
PYTHON = "/usr/bin/python3"  # the one that Debian's python3-xxhash is for


class Failed(Exception):
    """A peer's command failed; the text is what it said."""


class Wire:
    """One SSH command line: a link, a cipher, the plain key."""
    def __init__(self, host, prefix, port, user, key, known_hosts, cipher):
        self.prefix = prefix
        self.argv = ["ssh", "-q", "-F", "none", "-p", str(port), "-i", key, "-o", "BatchMode=yes",
                     "-o", f"UserKnownHostsFile={known_hosts}", *(["-c", cipher] if cipher else []), f"{user}@{host}"]

    def ssh(self, remote, *options):
        return [*self.argv[:-1], *options, self.argv[-1], remote]

    def text(self, remote, *options):
        return shlex.join(self.ssh(remote, *options))


def call(wire, argv, **kw):
    done = subprocess.run([*wire.prefix, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", **kw)
    if done.returncode:
        raise Failed(f"{argv[0]}: exit code {done.returncode}: {done.stdout[-1500:]}")
    return done.stdout


def pipe(wire, text):
    call(wire, ["bash", "-o", "pipefail", "-c", text])


def dd(wire, disk, target, _):
    remote = f"dd of={target} bs=1M iflag=fullblock conv=fsync status=none"
    pipe(wire, f"dd if={disk} bs=1M status=none | {wire.text(remote)}")


def dd_zstd(wire, disk, target, _):
    remote = f"zstd -dq | dd of={target} bs=1M iflag=fullblock conv=sparse,fsync status=none"
    pipe(wire, f"dd if={disk} bs=1M status=none | zstd -1 -q | {wire.text(remote)}")


def partclone(wire, disk, target, parts):
    """Each file system by its own map, restored into place; of the rest: the first and the last MiB, and the header of the swap space."""
    size = os.path.getsize(disk)
    call(wire, wire.ssh(f"truncate -s {size} {target}"))
    for (name, at, length), row in zip(parts, disks.PARTS):
        if row[5] is None:
            put(wire, disk, target, at, 4096)
            continue
        with disks.Loop(disk, at, length, "--read-only") as device:
            remote = f"zstd -dq | /usr/sbin/partclone.restore -C -q -L /dev/null -s - -O {target} -E {at} && sync {target}"
            pipe(wire, f"partclone.{row[5]} -c -q -a 0 -L /dev/null -s {device} -o - | zstd -1 -q | {wire.text(remote)}")
    put(wire, disk, target, 0, disks.MIB)
    put(wire, disk, target, size - disks.MIB, disks.MIB)


def put(wire, disk, target, at, n):
    remote = f"dd of={target} bs=4096 seek={at // 4096} iflag=fullblock conv=notrunc,fsync status=none"
    pipe(wire, f"dd if={disk} bs=4096 skip={at // 4096} count={n // 4096} status=none | {wire.text(remote)}")


def over_nbd(wire, disk, target, serve, push):
    """A server of NBD at the other end, on a socket that SSH forwards. push: the program here, given its URI."""
    there, here = f"{target}.sock", f"{os.path.dirname(disk)}/bench.sock"
    remote = (f"rm -f {there}; {serve.format(socket=there)} & p=$!; while [ ! -S {there} ]; do sleep .02; done; echo ready; "
              f"cat >/dev/null; kill $p; wait $p; sync {target}; rm -f {there}")
    argv = wire.ssh(remote, "-o", "StreamLocalBindUnlink=yes", "-o", "ExitOnForwardFailure=yes", "-L", f"{here}:{there}")
    with subprocess.Popen([*wire.prefix, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as ssh:
        said = ssh.stdout.readline()
        try:
            if said != "ready\n":
                raise Failed(f"the server of NBD says: {said}")
            call(wire, [*push, f"nbd+unix:///?socket={here}"])
        finally:
            ssh.stdin.close()
            ssh.wait()


def qemu_img(wire, disk, target, _):
    serve = f"qemu-img create -q -f qcow2 {target} {os.path.getsize(disk)}; exec qemu-nbd -t -e 8 -f qcow2 --discard=unmap -k {{socket}} {target}"
    over_nbd(wire, disk, target, f"sh -c {shlex.quote(serve)}",
             ["qemu-img", "convert", "-n", "-W", "-m", "16", "-f", "raw", "-O", "raw", disk])


def nbdcopy(wire, disk, target, _):
    serve = f"truncate -s {os.path.getsize(disk)} {target}; exec nbdkit -f -U {{socket}} file {target}"
    over_nbd(wire, disk, target, f"sh -c {shlex.quote(serve)}", ["nbdcopy", "--flush", "--destination-is-zero", disk])


def rsync(wire, disk, target, _):
    shell = shlex.join(wire.argv[:-1])
    call(wire, ["rsync", "--inplace", "--no-whole-file", "--fsync", "-e", shell, disk, f"{wire.argv[-1]}:{target}"])


def digest_list(wire, disk, target, _):
    script = os.path.join(os.path.dirname(target), "blocksync.py")
    call(wire, [PYTHON, os.path.join(HERE, "blocksync.py"), "send", disk, "--",
                *wire.ssh(f"{PYTHON} {script} serve {target}")])


# Name, function, leaves the image of a whole disk at the other end.
IMAGING = [
    ("dd | ssh", dd, True),
    ("dd | zstd -1 | ssh", dd_zstd, True),
    ("partclone | zstd -1 | ssh", partclone, False),
    ("qemu-img, NBD over ssh", qemu_img, True),
    ("nbdcopy, NBD over ssh", nbdcopy, True),
]
# They start from the disk as it was, at the other end as a file of raw bytes.
SECOND = [
    ("rsync --inplace", rsync, True),
    ("digest list of 64 KiB", digest_list, True),
]
