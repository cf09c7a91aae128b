# SPDX-License-Identifier: GPL-3.0-or-later
"""Halves of mirrors, with superblocks of every version."""
import shutil
import struct

from disks import seen
from kinds import EXT, XFS, Ext, Xfs
from tools import MIB, attached, files_at, make, make_noise, map_copy, must_notice, need, patch, run, same
from volumes import lvm_conf


def raid_super(at, offset, sectors, resynced=2**64 - 1, level=1, role=0):
    """An md superblock 1.x as mdadm writes it; this kernel may have no md to make one."""
    sb = bytearray(4096)
    struct.pack_into("<II", sb, 0, 0xa92b4efc, 1)
    sb[16:32] = bytes(range(16))
    sb[32:38] = b"host:0"
    struct.pack_into("<QiIQIIi", sb, 64, 1700000000, level, 0, sectors, 0, 2, 0)
    struct.pack_into("<QQQQII", sb, 128, offset // 512, sectors, at // 512, 0, 0, 0)
    struct.pack_into("<QQQII", sb, 192, 1700000000, 17, resynced, 0, 2)
    struct.pack_into("<HH", sb, 256, role, 1)
    total = sum(struct.unpack_from("<65I", sb, 0))
    struct.pack_into("<I", sb, 216, (total & 0xffffffff) + (total >> 32))
    return bytes(sb)


def raid_super_090(size):
    """The same of version 0.90, of a clean array of two; of a device of this size."""
    sb = bytearray(4096)
    words = {0: 0xa92b4efc, 2: 90, 5: 0x11, 6: 1700000000, 7: 1, 8: size // 1024, 9: 2, 10: 2, 13: 0x22, 14: 0x33, 15: 0x44,
             32: 1700000000, 33: 1, 34: 2, 35: 2, 39: 17, 41: 17, 992: 0, 993: 8, 994: 1, 995: 0, 996: 6}
    for i in range(2):
        words |= {128 + 32 * i + k: v for k, v in enumerate((i, 8, 1 + 16 * i, i, 6))}
    for at, value in words.items():
        struct.pack_into("<I", sb, at * 4, value)
    total = sum(struct.unpack("<1024I", sb))
    struct.pack_into("<I", sb, 152, (total + (total >> 32)) & 0xffffffff)
    return bytes(sb)


def raid1(at, offset, free=True, old=False, **kw):
    """A member of an array: its superblock stays, and a file system in it is mapped."""
    def try_it(work, rng):
        disk, copy, part = f"{work}/disk", f"{work}/copy", f"{work}/part"
        # What is not believed is a small one.
        kind = Xfs("xfs", *XFS) if free else Ext("ext4", *EXT, "-t", "ext4", size=40 * MIB)
        kind.build(part, work, rng)
        size = kind.size + offset + MIB
        make(disk, size)
        run("dd", f"if={part}", f"of={disk}", "bs=64k", f"seek={offset // 65536}", "conv=notrunc", "status=none")
        where = at if at >= 0 else (size // 512 - 16) // 8 * 8 * 512
        if old:
            where = size // 65536 * 65536 - 65536
        sb = raid_super_090(where) if old else raid_super(where, offset, kind.size // 512, **kw)
        patch(where, sb)(disk)
        if shutil.which("mdadm") and "correct" not in run("mdadm", "--examine", disk, ok=(0, 1)):
            raise AssertionError("mdadm does not know it")
        _, _, found, regions = map_copy(disk, copy)
        if not free:
            if found or "in sync" not in regions[0].why_used:
                raise AssertionError(f"{found} free: {regions[0].why_used}")
            return regions[0].why_used
        if found < 200 * MIB:
            raise AssertionError(f"{found} free: {[vars(r) for r in regions]}")
        there = seen(kind, disk, offset, kind.size, work)

        def look():
            with open(copy, "rb") as file:
                file.seek(where)
                if file.read(4096) != sb:
                    raise AssertionError("the superblock is gone")
            same(there, seen(kind, copy, offset, kind.size, work), kind.name)
        look()
        must_notice(copy, [where], look)
        return f"{found >> 20} MiB free"
    return try_it


def raid1_lvm(work, rng):
    """The usual server: a group in a mirror. What is free in its volume and in the group is, and files are named."""
    need("pvcreate")
    disk, copy, part, group = (f"{work}/{name}" for name in ("disk", "copy", "part", "group"))
    make(group, 500 * MIB)
    with attached(group) as loop:
        conf = lvm_conf(loop)
        run("pvcreate", "-qq", "-ff", "-y", loop, *conf)
        run("vgcreate", "-qq", "vg", loop, *conf)
        run("lvcreate", "-qq", "-an", "-Zn", "-Wn", "-y", "-n", "root", "-L", "300m", "vg", *conf)
        start = MIB + int(float(run("pvs", "--noheadings", "--units", "b", "--nosuffix", "-o", "pe_start", loop, *conf)))
    kind = Ext("ext4", *EXT, "-t", "ext4")
    kind.build(part, work, rng)
    make_noise(disk, 502 * MIB, rng)
    run("dd", f"if={group}", f"of={disk}", "bs=1M", "seek=1", "count=1", "conv=notrunc", "status=none")
    run("dd", f"if={part}", f"of={disk}", "bs=1M", f"seek={start // MIB}", "conv=notrunc", "status=none")
    patch(4096, raid_super(4096, MIB, 500 * MIB // 512))(disk)
    _, _, free, regions = map_copy(disk, copy)
    if free < 350 * MIB or "volume vg/root (ext4)" not in [r.what for r in regions]:
        raise AssertionError(f"{free >> 20}: {[vars(r) for r in regions]}")
    there = seen(kind, disk, start, kind.size, work)

    def look():
        with open(disk, "rb") as a, open(copy, "rb") as b:
            if a.read(start) != b.read(start):
                raise AssertionError("the metadata of the group or of the mirror differ")
        same(there, seen(kind, copy, start, kind.size, work), "ext4 in LVM in RAID1")
    look()
    must_notice(copy, [MIB + 512], look)
    names = files_at(disk, b"\n90000 bottles of the same\n")
    if names != ["volume vg/root: /d/deep/text"]:
        raise AssertionError(f"files by their bytes: {names}")
    return f"{free >> 20} MiB free"
