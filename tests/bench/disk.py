# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk that is measured: GPT with ext4, XFS, NTFS and swap, half of it used, without a hole. Where nothing is
used there is deleted data; content shrinks to about a half with zstd; a part of it is zeros, a part repeated."""

import os
import random
import subprocess

MIB = 1 << 20
# Name, share of the disk, type for sfdisk, how it is made and mounted, which partclone knows it.
PARTS = [
    ("ext4", 0.45, "linux", ["mke2fs", "-q", "-F", "-t", "ext4", "-E", "nodiscard,lazy_itable_init=0"], ["mount"], "extfs"),
    ("xfs", 0.25, "linux", ["mkfs.xfs", "-q", "-f", "-K"], ["mount"], "xfs"),
    ("ntfs", 0.18, "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", ["mkntfs", "-F", "-Q", "-q"], ["ntfs-3g"], "ntfs"),
    ("swap", 0.10, "swap", ["mkswap", "-L", "swap"], None, None),
]
XFS_LEAST = 300 * MIB
WORDS = [b"%d packages upgraded, %d newly installed and %d not upgraded. " % (i, i * 7, i * 31) for i in range(997)]


def run(*argv, **kw):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw).stdout


class Content:
    """Bytes that shrink to about a half, never the same twice."""
    def __init__(self, seed):
        self.rng = random.Random(seed)
        text = b"".join(self.rng.choice(WORDS) for _ in range(80000))
        self.text = text[:2 * MIB]

    def piece(self, n=MIB):
        noise, out = os.urandom(n // 2), []
        for at in range(0, n // 2, 2048):
            where = self.rng.randrange(len(self.text) - 2048)
            out += [noise[at:at + 2048], self.text[where:where + 2048]]
        return b"".join(out)[:n]


def parts_of(size):
    """(name, start, length) in bytes, in order."""
    at, found = MIB, []
    for name, share, *_ in PARTS:
        length = max(int(size * share), XFS_LEAST if name == "xfs" else 64 * MIB) // MIB * MIB
        found.append((name, at, length))
        at += length
    if at + MIB > size:
        raise SystemExit(f"--size: {size // MIB} MiB are not enough")
    return found


class Loop:
    def __init__(self, image, at, length, *options):
        self.device = run("losetup", "-f", "--show", "--offset", str(at), "--sizelimit", str(length), *options, image).strip()

    def __enter__(self):
        return self.device

    def __exit__(self, *_):
        run("losetup", "-d", self.device)


class Mounted:
    def __init__(self, image, name, at, length, where):
        os.makedirs(where, exist_ok=True)
        self.loop, self.where = Loop(image, at, length), where
        tool = next(part[4] for part in PARTS if part[0] == name)
        run(*tool, self.loop.device, where)

    def __enter__(self):
        return self.where

    def __exit__(self, *_):
        run("umount", self.where)
        self.loop.__exit__()


def fill(where, content, used):
    """Files of all sizes up to `used` bytes; every tenth is of zeros, every tenth a copy of the one before."""
    sizes, written, n, last = [3000, 40000, 200000, MIB, 4 * MIB, 24 * MIB], 0, 0, b""
    while written < used:
        size = min(content.rng.choice(sizes), used - written + 4096)
        if n % 10 == 9:
            data = last
        elif n % 10 == 5:
            data = bytes(size)
        else:
            data = b"".join(content.piece() for _ in range(-(-size // MIB)))[:size]
        folder = os.path.join(where, f"d{n % 37}")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"f{n}"), "wb") as file:
            file.write(data)
        written, n, last = written + len(data) + 4096, n + 1, data
    os.sync()


def build(path, size, work, seed=1):
    """Writes the disk; returns its parts."""
    content, parts = Content(seed), parts_of(size)
    with open(path, "wb") as file:
        for _ in range(size // MIB):
            file.write(content.piece())
        file.seek(0)
        file.write(bytes(MIB))
        file.seek(size - MIB)
        file.write(bytes(MIB))
    table = "label: gpt\n" + "".join(
        f"start={at // 512}, size={length // 512}, type={kind[2]}\n" for (_, at, length), kind in zip(parts, PARTS))
    run("sfdisk", "-q", "--no-reread", path, input=table)
    total = size // 2
    for (name, at, length), (_, _, _, mkfs, mount, _) in zip(parts, PARTS):
        with Loop(path, at, length) as device:
            run(*mkfs, device)
        if mount:
            share = length / sum(n for other, _, n in parts if other != "swap")
            with Mounted(path, name, at, length, os.path.join(work, "mnt")) as where:
                fill(where, content, min(int(total * share), int(length * 0.85) - 40 * MIB))
    os.sync()
    return parts


def change(path, parts, work, share=0.02, seed=2):
    """Overwrites files in place, in runs of 4 to 512 KiB, until this share of the disk's blocks is other."""
    content, left = Content(seed), int(os.path.getsize(path) * share)
    for name, at, length in parts:
        if name not in ("ext4", "xfs"):
            continue
        budget = int(left * (0.6 if name == "ext4" else 1))
        left -= budget
        with Mounted(path, name, at, length, os.path.join(work, "mnt")) as where:
            files = sorted(os.path.join(base, f) for base, _, names in os.walk(where) for f in names)
            files = [f for f in files if os.path.getsize(f) >= 200000]
            while budget > 0:
                victim = content.rng.choice(files)
                n = content.rng.randrange(1, 129) * 4096
                with open(victim, "r+b") as file:
                    file.seek(content.rng.randrange(max(1, os.path.getsize(victim) - n) // 4096 + 1) * 4096)
                    file.write(content.piece(n))
                budget -= n
    os.sync()
