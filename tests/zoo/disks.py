# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole disks: tables, gaps, what is copied whole, and what is refused."""
import json
import os
import time

from kinds import BTRFS, EXT, NTFS, NTFS_FUSE, XFS, Ext, Fuse, Xfs
from tools import MIB, Refused, Skip, attached, make, make_noise, map_copy, must_notice, need, parts_of, patch, run, same
import tools


def in_partition(kind):
    """The same within a partition of a GPT."""
    def try_it(work, rng):
        need("sfdisk")
        disk, copy, part = f"{work}/disk", f"{work}/copy", f"{work}/part"
        kind.build(part, work, rng)
        make(disk, kind.size + 4 * MIB)
        run("sfdisk", "-q", disk, input=f"label: gpt\nstart=1MiB, size={kind.size // 512}\n")
        run("dd", f"if={part}", f"of={disk}", "bs=1M", "seek=1", "conv=notrunc", "status=none")
        _, _, free, regions = map_copy(disk, copy)
        why = [r.why_used for r in regions if r.what.startswith("partition")][0]
        if kind.reason and (free or kind.reason not in why):
            raise AssertionError(f"{free} bytes free, and {why}")
        if not kind.reason and free < kind.size * kind.free:
            raise AssertionError(f"only {free // MIB} MiB free: {why}")
        same(*(seen(kind, image, MIB, kind.size, work) for image in (disk, copy)), kind.name)
        return f"{free >> 20} MiB free" + ("" if free else f" ({why})")
    return try_it


GPT = "start=10MiB, size=300MiB, type=linux\nstart=315MiB, size=400MiB, type=linux\nstart=720MiB, size=300MiB, type=linux\n" \
    "start=2MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649\n"  # GRUB's core image: nobody's file system
MBR = "start=10MiB, size=300MiB, type=83\nstart=315MiB, size=880MiB, type=5\nstart=317MiB, size=400MiB, type=83\nstart=720MiB, size=300MiB, type=83\n"


def seen(kind, disk, at, n, work):
    """What a file system within a disk shows; its check finds nothing."""
    with attached(disk, "-o", str(at), "--sizelimit", str(n)) as device:
        kind.check(device)
        return kind.digests(device, work)


def gaps_are_same(disk, copy, parts):
    ends = [0] + [x for at, n in sorted(parts) for x in (at, at + n)] + [os.path.getsize(disk)]
    with open(disk, "rb") as a, open(copy, "rb") as b:
        for start, end in zip(ends[::2], ends[1::2]):
            a.seek(start), b.seek(start)
            if a.read(end - start) != b.read(end - start):
                raise AssertionError(f"the gap {start}-{end} differs")


def partitioned(script, label, drops=()):
    """Three file systems and rubbish in every gap: all gaps come over, byte by byte."""
    def try_it(work, rng):
        need("sfdisk", "mkfs.xfs")
        disk, copy, part = f"{work}/disk", f"{work}/copy", f"{work}/part"
        kinds = [Ext("ext4", *EXT, "-t", "ext4"), Xfs("xfs", *XFS), Ext("ext2", *EXT, "-t", "ext2")]
        make(disk, 1200 * MIB)
        with open(disk, "r+b") as file:
            file.write(rng.randbytes(8 * MIB))
            file.seek(-2 * MIB, 2)
            file.write(rng.randbytes(2 * MIB))
            file.seek(0)
            file.write(bytes(512 * 34))
        run("sfdisk", "-q", disk, input=f"label: {label}\n{script}")
        parts = parts_of(disk)[:len(kinds)]
        for (at, n), kind in zip(parts, kinds):
            kind.size = n
            kind.build(part, work, rng)
            run("dd", f"if={part}", f"of={disk}", "bs=1M", "conv=notrunc,sparse", f"seek={at}",
                "oflag=seek_bytes", "status=none")
        _, _, free, regions = map_copy(disk, copy)
        if free < 300 * MIB:
            raise AssertionError(f"{free} free: {[r.why_used for r in regions]}")
        there = [seen(kind, disk, *part, work) for kind, part in zip(kinds, parts)]

        def look():
            gaps_are_same(disk, copy, parts)
            if run("sfdisk", "-d", disk).replace(disk, "") != run("sfdisk", "-d", copy).replace(copy, ""):
                raise AssertionError("the tables differ")
            for kind, part, files in zip(kinds, parts, there):
                same(files, seen(kind, copy, *part, work), kind.name)
        look()
        must_notice(copy, drops, look)
        return f"{free >> 20} MiB free"
    return try_it


def gpt_4kn(work, rng):
    """A disk of 4,096-byte sectors: its table counts in them."""
    need("sfdisk", "mkfs.xfs")
    disk, copy, part, size = f"{work}/disk", f"{work}/copy", f"{work}/part", 405 * MIB
    kind = Xfs("xfs", *XFS, "-s", "size=4096")
    kind.build(part, work, rng)
    make(disk, size)
    with attached(disk, "--sector-size", "4096") as loop:
        run("sfdisk", "-q", loop, input="label: gpt\nstart=2MiB, size=400MiB\n")
        run("dd", f"if={part}", f"of={loop}", "bs=1M", "seek=2", "oflag=direct", "status=none")
        _, _, free, regions = map_copy(loop, copy, size)
    if free < 200 * MIB:
        raise AssertionError(f"{free} free: {[vars(r) for r in regions]}")
    gaps_are_same(disk, copy, [(2 * MIB, kind.size)])
    same(*(seen(kind, image, 2 * MIB, kind.size, work) for image in (disk, copy)), "xfs")
    return f"{free >> 20} MiB free"


def swap(work, rng):
    """A used swap space: its header stays, with label and UUID."""
    need("mkswap")
    image, copy = f"{work}/disk", f"{work}/copy"
    make_noise(image, 64 * MIB, rng)
    run("mkswap", "-L", "pool", image)
    used, _, free, _ = map_copy(image, copy)
    if used != 4096:
        raise AssertionError(f"{used} used")

    def look():
        names = [run("blkid", "-p", "-o", "export", path, ok=(0, 2)).partition("\n")[2] for path in (image, copy)]
        if names[0] != names[1] or "LABEL=pool" not in names[0]:
            raise AssertionError(f"{names}")
    look()
    must_notice(copy, [0], look)
    return f"{free >> 20} MiB free"


SLEEPING = (b"S1SUSPEND", b"S2SUSPEND", b"ULSUSPEND", b"LINHIB0001", b"\xed\xc3\x02\xe9\x98\x56\xe5\x0c")


def suspended(work, rng):
    """A machine that sleeps is refused, whoever put it to sleep (the kernel, uswsusp, TuxOnIce)."""
    need("mkswap")
    for page in 4096, 65536:
        for signature in SLEEPING:
            make(f"{work}/disk", 16 * MIB)
            run("mkswap", "-p", str(page), f"{work}/disk")
            # libblkid looks for TuxOnIce's at the start.
            patch(page - 10 if signature.isalnum() else 0, signature)(f"{work}/disk")
            try:
                map_copy(f"{work}/disk", f"{work}/copy")
            except Refused as why:
                if "shut it down" in str(why):
                    continue
                raise AssertionError(str(why)) from why
            raise AssertionError(f"not refused: {signature} in pages of {page}")
    return f"{len(SLEEPING)} kinds refused"


def ntfs_sleeps(work, rng):
    kind = Fuse("ntfs", *NTFS, size=40 * MIB, **NTFS_FUSE)
    kind.build(f"{work}/disk", work, rng)
    with kind.fused(f"{work}/disk", f"{work}/mnt"), open(f"{work}/mnt/hiberfil.sys", "wb") as file:
        file.write(b"hibr" + bytes(8188))
    try:
        map_copy(f"{work}/disk", f"{work}/copy")
    except Refused as why:
        if "shutdown" in str(why):
            return "refused"
        raise
    raise AssertionError("not refused")


def luks(work, rng):
    """All of it is copied: header, keys, and what looks like noise."""
    need("cryptsetup")
    for version in "luks1", "luks2":
        make_noise(f"{work}/disk", 64 * MIB, rng)
        run("cryptsetup", "luksFormat", "-q", "--type", version, "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
            f"{work}/disk", "-", input="secret")
        used, _, free, regions = map_copy(f"{work}/disk", f"{work}/copy")
        if free or "encrypted" not in regions[0].why_used:
            raise AssertionError(f"{free} free: {regions[0].why_used}")
        run("cmp", f"{work}/disk", f"{work}/copy")
        run("cryptsetup", "luksDump", f"{work}/copy")
    return regions[0].why_used


def btrfs_several(work, rng):
    """One of two devices does not know what the other's trees say."""
    need("mkfs.btrfs")
    for name in "disk", "other":
        make(f"{work}/{name}", 300 * MIB)
    run(*BTRFS, "-d", "single", "-m", "raid1", f"{work}/disk", f"{work}/other")
    for name in "disk", "other":
        _, _, free, regions = map_copy(f"{work}/{name}", f"{work}/copy")
        if free or "several devices" not in regions[0].why_used:
            raise AssertionError(f"{free} free: {regions[0].why_used}")
        run("cmp", f"{work}/{name}", f"{work}/copy")
    return regions[0].why_used


def xfs_outside_log(work, rng):
    """Its log is on another disk, so nobody here can tell whether it is clean."""
    need("mkfs.xfs")
    make(f"{work}/disk", 400 * MIB)
    make(f"{work}/log", 70 * MIB)
    run(*XFS, "-l", f"logdev={work}/log,size=64m", f"{work}/disk")
    _, _, free, regions = map_copy(f"{work}/disk", f"{work}/copy")
    if free or "another disk" not in regions[0].why_used:
        raise AssertionError(f"{free} free: {regions[0].why_used}")
    return regions[0].why_used


def xfs_old(*options):
    """Version 4, which this kernel may not mount any more: filled by mkfs, compared by its extents."""
    def try_it(work, rng):
        need("mkfs.xfs", "xfs_db")
        image, copy = f"{work}/disk", f"{work}/copy"
        make_noise(image, 400 * MIB, rng)
        with open(f"{work}/proto", "w") as proto:
            proto.write("boot 0 0\nd--755 0 0\n")
            for i in range(30):
                with open(f"{work}/f{i}", "wb") as file:
                    file.write(rng.randbytes(rng.randrange(1, MIB)))
                proto.write(f"f{i} ---644 0 0 {work}/f{i}\n")
            proto.write("$\n")
        run(*XFS, "-K", "-m", "crc=0", *options, "-p", f"{work}/proto", image)
        _, _, free, regions = map_copy(image, copy)
        if free < 250 * MIB:
            raise AssertionError(f"{free} free: {regions[0].why_used}")
        run("xfs_repair", "-n", copy)
        for i in range(30):
            with open(f"{work}/f{i}", "rb") as file:
                content = file.read()
            got = b""
            for line in run("xfs_db", "-r", "-c", f"path /f{i}", "-c", "bmap", copy).split("\n"):
                if line.startswith("data offset"):
                    words = line.replace("(", " ").replace(")", " ").replace("/", " ").split()
                    block = int(words[5]) * 25600 + int(words[6])
                    with open(copy, "rb") as file:
                        file.seek(block * 4096)
                        got += file.read(int(words[8]) * 4096)
            if got[:len(content)] != content or not content:
                raise AssertionError(f"f{i} differs")
        return f"{free >> 20} MiB free"
    return try_it


def shown(work, rng):
    """p2v-agent --map: what, used, free and why."""
    need("sfdisk", "mkfs.btrfs")
    disk = f"{work}/disk"
    make(disk, 800 * MIB)
    run("sfdisk", "-q", disk, input="label: gpt\nstart=1MiB, size=200MiB\nstart=210MiB, size=400MiB\nstart=620MiB, size=64MiB\n")
    for at, n, mkfs in (1, 200, [*EXT, "-t", "ext4"]), (210, 400, [*BTRFS, "--csum", "xxhash"]), (620, 64, ["mkswap", "-L", "pool"]):
        make(f"{work}/part", n * MIB)
        run(*mkfs, f"{work}/part")
        run("dd", f"if={work}/part", f"of={disk}", "bs=1M", f"seek={at}", "conv=notrunc,sparse", "status=none")
    text = run(tools.AGENT, "--map", "disk", cwd=work)
    for word in "partition 1 (ext4)", "partition 2 (btrfs)", "partition 3 (swap)", "outside of partitions", \
            "cleanly unmounted", "contents of swap space", "label and UUID", "checksums are of a kind":
        if word not in " ".join(text.split()):
            raise AssertionError(f"'{word}' is not in\n{text}")
    return f"{len(map_copy(disk, f'{work}/copy')[3])} regions"


def huge(kind, *mkfs):
    """2 TiB, sparse: the map takes seconds, and 96 MiB of memory are enough."""
    def try_it(work, rng):
        disk = f"{work}/disk"
        need(mkfs[0], "prlimit")
        try:
            make(disk, 2 << 40)
        except OSError as why:
            raise Skip(f"no file of 2 TiB here: {why}") from why
        run(*mkfs, disk)
        start = time.monotonic()
        (found,) = json.loads(run("prlimit", f"--data={96 * MIB}", tools.AGENT, "--map", "--json", disk))["disks"]
        took = time.monotonic() - start
        if found["regions"][0]["what"] != f"whole disk ({kind})" or found["used_bytes"] + found["zero_bytes"] > 64 << 30:
            raise AssertionError(f"{found}")
        if took > 60:
            raise AssertionError(f"{took:.1f} s")
        return f"{found['used_bytes'] >> 20} MiB used, {took:.1f} s"
    return try_it
