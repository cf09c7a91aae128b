# SPDX-License-Identifier: GPL-3.0-or-later
"""A zoo of disks. Each is made with its own tools, filled, partly emptied again, and copied by
map-copy, which overwrites what the map calls free. The copy must hold the same files and pass its
check; what lies outside of file systems must be the same; and the map must have found what is free.

Then file systems that are not clean: a snapshot is taken while somebody writes, and the copy must
give after recovery what the snapshot itself gives after recovery.

And maps that are wrong: with one used block missing in it, the copy must be noticed.

usage: zoo.py MAP_COPY AGENT [ANIMAL]...      exit code 77: nothing could run

As many cases run at once as there are processors (four at most), in memory where there is enough of it (else in TMPDIR). ZOO_SEED=N
repeats what a run did; ZOO_AT_ONCE=N says how many."""
import contextlib
import ctypes
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time

from dirty import dirty
from disks import (GPT, MBR, btrfs_several, gpt_4kn, huge, in_partition, luks, ntfs_sleeps, partitioned, shown, suspended, swap,
                   xfs_old, xfs_outside_log)
from kinds import (ANIMALS, BTRFS, EXFAT_FUSE, EXT, FAT_FUSE, IN_PARTITION, NTFS, NTFS_FUSE, VFAT, XFS, Btrfs, BtrfsPair, Ext,
                   FatLive, FatTools, Fuse, Xfs)
from names import btrfs_names, ntfs_names, xfs_names
from raid import raid1, raid1_lvm
from tools import MIB, Refused, Skip, programs, run
from volumes import lvm, lvm_several, lvm_thin

CASES = [(animal.name, animal.try_it) for animal in ANIMALS] + [
    (kind.name, in_partition(kind)) for kind in IN_PARTITION] + [
    ("swap", swap),
    ("suspended", suspended),
    ("gpt", partitioned(GPT, "gpt", drops=[5 * MIB, 2 * MIB + 4096, -4096])),
    ("gpt-4kn", gpt_4kn),
    ("shown", shown),
    ("huge-ext4", huge("ext4", *EXT, "-t", "ext4", "-E", "lazy_itable_init=1,lazy_journal_init=1")),
    ("huge-xfs", huge("xfs", *XFS)),
    ("mbr-logical", partitioned(MBR, "dos", drops=[719 * MIB])),
    ("btrfs-several", btrfs_several),
    ("xfs-outside-log", xfs_outside_log),
    ("xfs-v4", xfs_old()),
    ("xfs-v4-4096", xfs_old("-s", "size=4096")),
    ("luks", luks),
    ("ntfs-sleeps", ntfs_sleeps),
    ("ntfs-names", ntfs_names),
    ("xfs-names", xfs_names()),
    ("btrfs-names", btrfs_names),
    ("xfs-names-1k", xfs_names("-b", "size=1024", "-n", "size=8192")),
    ("raid1-1.2", raid1(4096, MIB)),
    ("raid1-1.1", raid1(0, MIB)),
    ("raid1-1.0", raid1(-1, 0)),
    ("raid1-0.90", raid1(-1, 0, old=True)),
    ("raid1-lvm", raid1_lvm),
    ("raid1-resync", raid1(4096, MIB, free=False, resynced=123456)),
    ("raid1-spare", raid1(4096, MIB, free=False, role=0xffff)),
    ("raid0", raid1(4096, MIB, free=False, level=0)),
    ("lvm", lvm),
    ("lvm-several", lvm_several),
    ("lvm-thin", lvm_thin),
    ("dirty-ext4", dirty(Ext("ext4", *EXT, "-t", "ext4"), "journal was not replayed")),
    ("dirty-ext2", dirty(Ext("ext2", *EXT, "-t", "ext2", recover=("e2fsck", "-fy"), fsck=("true",)), "not cleanly unmounted")),
    ("dirty-ext3-1k", dirty(Ext("ext3", *EXT, "-t", "ext3", "-b", "1024"), "journal was not replayed", rounds=2)),
    ("dirty-ext4-bigalloc", dirty(Ext("ext4", *EXT, "-t", "ext4", "-O", "bigalloc", "-C", "65536"),
                                  "journal was not replayed", rounds=2)),
    ("dirty-ext4-metabg", dirty(Ext("ext4", *EXT, "-t", "ext4", "-O", "meta_bg,^resize_inode,^metadata_csum,uninit_bg,^64bit"),
                                "journal was not replayed", rounds=2)),
    ("dirty-ext4-nojournal", dirty(Ext("ext4", *EXT, "-t", "ext4", "-O", "^has_journal", recover=("e2fsck", "-fy"), fsck=("true",)),
                                   "not cleanly unmounted", rounds=2)),
    ("dirty-btrfs-dup", dirty(Btrfs("btrfs", *BTRFS, "-d", "dup", "-m", "dup", writing=("compress-force=zstd",)),
                              "log to be replayed", may_free=True, rounds=2)),
    ("dirty-xfs-rmap", dirty(Xfs("xfs", *XFS, "-m", "rmapbt=1,reflink=1"), "log is not clean", rounds=2)),
    ("dirty-xfs-old", dirty(Xfs("xfs", *XFS, "-m", "reflink=0,bigtime=0,inobtcount=0", "-b", "size=1024"), "log is not clean",
                            rounds=2)),
    ("dirty-btrfs", dirty(Btrfs("btrfs", *BTRFS), "log to be replayed", may_free=True)),
    ("dirty-btrfs-nolog", dirty(Btrfs("btrfs", *BTRFS), "by its extent tree", may_free=True, fsync=0)),
    ("dirty-btrfs-several", dirty(BtrfsPair("btrfs", *BTRFS, "-d", "raid0", "-m", "raid1"), "all copied", rounds=2)),
    ("dirty-btrfs-mirror", dirty(BtrfsPair("btrfs", *BTRFS, "-d", "raid1", "-m", "raid1"), "all copied", rounds=2)),
    ("dirty-ntfs", dirty(Fuse("ntfs", *NTFS, called="ntfs", **NTFS_FUSE), "by its $Bitmap", may_free=True)),
    ("dirty-fat32", dirty(FatLive("fat32", *VFAT, "-F", "32", size=64 * MIB, **FAT_FUSE), "not cleanly")),
    ("dirty-fat32-1", dirty(FatLive("fat32", *VFAT, "-F", "32", "-s", "1", "-f", "1", size=64 * MIB, **FAT_FUSE), "not cleanly",
                            rounds=2)),
    ("dirty-fat16", dirty(FatTools("fat16", *VFAT, "-F", "16", size=64 * MIB, called="vfat"), "by its FAT", may_free=True)),
    ("dirty-fat12", dirty(FatTools("fat12", *VFAT, "-F", "12", size=8 * MIB, called="vfat"), "FAT12", rounds=2)),
    ("dirty-exfat", dirty(Fuse("exfat", "mkfs.exfat", called="exfat", **EXFAT_FUSE), "not cleanly")),
    ("dirty-xfs", dirty(Xfs("xfs", *XFS), "log is not clean")),
    ("dirty-xfs-4096", dirty(Xfs("xfs", *XFS, "-s", "size=4096"), "log is not clean")),
]

def mounts_alone():
    """Mounts of our own: a process that takes a copy of the host's (sandboxes do) would keep ours in use."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x20000):  # CLONE_NEWNS
        raise OSError(ctypes.get_errno(), "unshare")
    run("mount", "--make-rprivate", "/")


AT_ONCE = min(os.cpu_count(), 4)
DISKS = 4 << 30     # what a case needs at most of them
PROGRAMS = 2 << 30  # and of memory beside them


def available():
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("MemAvailable:"))


@contextlib.contextmanager
def playground(at_once):
    """A folder for so many cases."""
    with tempfile.TemporaryDirectory(prefix="p2v-zoo-", ignore_cleanup_errors=True) as folder:
        memory = "TMPDIR" not in os.environ and available() > at_once * (DISKS + PROGRAMS)
        if memory:
            run("mount", "-t", "tmpfs", "-o", f"size={at_once * DISKS}", "p2v-zoo", folder)
        try:
            yield folder
        finally:
            if memory:
                run("umount", "--lazy", folder)


def run_case(folder, seed, number):
    """What is to be printed, and whether the case ran and passed, failed, or was left out."""
    name, try_it = CASES[number]
    work = tempfile.mkdtemp(dir=folder)
    start = time.monotonic()
    try:
        text = try_it(work, random.Random(f"{seed}{name}"))
        return f"{name}: {text} [{time.monotonic() - start:.1f} s]", "passed"
    except Skip as why:
        return f"{name}: left out: {why}", "left out"
    except (AssertionError, Refused, OSError) as why:
        return f"{name}: FAILED: {why}", "failed"
    finally:
        shutil.rmtree(work, ignore_errors=True)


def run_cases(numbers, seed):
    """All of them, the outcomes. Whoever starts is forked after the mounts were made alone."""
    at_once = int(os.environ.get("ZOO_AT_ONCE", AT_ONCE))
    with playground(at_once) as folder, multiprocessing.get_context("fork").Pool(at_once) as pool:
        waiting = [pool.apply_async(run_case, (folder, seed, number), callback=lambda got: print(got[0], flush=True))
                   for number in numbers]
        return [one.get()[1] for one in waiting]


def main():
    map_copy, agent, *only = sys.argv[1:]
    programs(map_copy, agent)
    if os.geteuid() != 0:
        print("needs root for loop devices")
        sys.exit(77)
    mounts_alone()
    if only:
        os.environ.setdefault("ZOO_SEED", "1")
    seed = int(os.environ.get("ZOO_SEED", random.randrange(1 << 30)))
    print(f"ZOO_SEED={seed}", flush=True)
    outcomes = run_cases([i for i, (name, _) in enumerate(CASES) if not only or name in only], seed)
    sys.exit(1 if "failed" in outcomes else 0 if "passed" in outcomes else 77)


main()
