# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes corpus/map-disk: of each small file system, what `p2v-agent --map` reads of it.

And of one with files all that is not zero, but for their contents and its log.

usage: map-disk-seeds.py P2V_AGENT OUT_DIR      (needs strace and the mkfs tools)"""
import os
import re
import struct
import subprocess
import sys
import tempfile

AGENT, OUT = sys.argv[1:]
KINDS = {
    "xfs": (0, 300, ["mkfs.xfs", "-q", "-d", "agcount=2", "-l", "size=64m"]),
    "xfs-v4": (0, 300, ["mkfs.xfs", "-q", "-m", "crc=0", "-d", "agcount=2"]),
    "xfs-files": (0, 300, None),
    "btrfs": (1, 114, ["mkfs.btrfs", "-q", "-n", "4096"]),
    "btrfs-dup": (1, 256, ["mkfs.btrfs", "-q", "-n", "4096", "-d", "dup"]),
    "fat32": (2, 34, ["mkfs.vfat", "-F", "32", "-s", "1"]),
    "fat16": (2, 16, ["mkfs.vfat", "-F", "16"]),
    "exfat": (3, 8, ["mkfs.exfat"]),
    "ext4": (5, 8, ["mke2fs", "-q", "-F", "-t", "ext4"]),
    "ext2": (5, 4, ["mke2fs", "-q", "-F", "-t", "ext2"]),
}


def reads(image):
    """What is read of it; all of it where it is not looked at as a whole disk, as exFAT is not."""
    if subprocess.run([AGENT, "--map", image], check=True, capture_output=True, text=True).stdout.count("outside"):
        yield from ((at, 65536) for at in range(0, os.path.getsize(image), 65536))
    log = image + ".strace"
    subprocess.run(["strace", "-f", "-y", "-e", "trace=pread64", "-s", "0", "-o", log, AGENT, "--map", image],
                   check=True, stdout=subprocess.DEVNULL)
    with open(log) as lines:
        for line in lines:
            found = re.search(r", (\d+), (\d+)\) += \d", line)
            if found and image in line:
                yield int(found[2]), int(found[1])


def pieces(image):
    """Reads of metadata as they are; of long runs only the sectors that hold something."""
    seen = set()
    with open(image, "rb") as file:
        for at, n in sorted(reads(image), key=lambda r: -r[1] if r[1] <= 16384 else 0):
            if (at, n) in seen or at % 512:
                continue
            seen.add((at, n))
            step = n if n % 512 == 0 and n <= 16384 else 512
            for i in range(at, at + n, step):
                file.seek(i)
                data = file.read(min(step, at + n - i))
                if any(data):
                    yield i, data


FILES = "/\n0 0\nd--755 0 0\na d--755 0 0\n{}$\nb d--755 0 0\nhere ---644 0 0 /etc/hostname\nempty ---644 0 0 /dev/null\n$\nnode b--600 0 0 8 0\n$\n"


def with_files(work, image):
    """Directories in the inode and in a block, for XFS."""
    with open(work + "/proto", "w") as proto:
        proto.write(FILES.format("".join(f"a-long-name-{i} ---644 0 0 /etc/hostname\n" for i in range(40))))
    subprocess.run(["mkfs.xfs", "-q", "-d", "agcount=2", "-l", "size=64m", "-p", work + "/proto", image], check=True,
                   stdout=subprocess.DEVNULL)
    with open(image, "rb") as file:
        while data := file.read(512):
            if any(data) and data[:4] not in (b"\xfe\xed\xba\xbe", b"IN\0\0"):
                yield file.tell() - 512, data


for name, (kind, mib, mkfs) in KINDS.items():
    with tempfile.TemporaryDirectory() as work:
        image = os.path.join(work, "disk")
        with open(image, "wb") as file:
            file.truncate(mib << 20)
        if mkfs:
            subprocess.run([*mkfs, image], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seed = struct.pack("<BI", kind, mib << 10)
        done = set()
        for at, data in pieces(image) if mkfs else with_files(work, image):
            if at not in done:
                done.add(at)
                seed += struct.pack("<IH", at // 512, len(data)) + data
        with open(os.path.join(OUT, name), "wb") as file:
            file.write(seed)
        print(name, len(seed))
