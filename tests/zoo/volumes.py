# SPDX-License-Identifier: GPL-3.0-or-later
"""LVM: linear, striped, over several disks, thin."""
import contextlib
import hashlib
import shutil

from kinds import EXT, XFS, Ext, Xfs
from tools import MIB, Refused, attached, files_at, make, make_noise, map_copy, need, patch, run, same, slice_out


def lvm_conf(device):
    return ["--driverloaded", "n", "--config",
            'devices { dir="/dev" scan=["/dev"] global_filter=["a|^%s$|","r|.*|"] use_devicesfile=0 } '
            "activation { udev_sync=0 udev_rules=0 monitoring=0 } backup { backup=0 archive=0 } "
            'global { locking_type=1 event_activation=0 }' % device]


def lvm(work, rng):
    """Linear volumes of several segments, one of them striped over itself, in one physical volume:
    volumes with file systems, one that sleeps not, one unknown; the rest of the group is free."""
    need("pvcreate", "mkfs.xfs", "mkswap")
    disk, copy, part = f"{work}/disk", f"{work}/copy", f"{work}/part"
    make_noise(disk, 1400 * MIB, rng)
    with attached(disk) as loop:
        conf = lvm_conf(loop)
        run("pvcreate", "-qq", "-ff", "-y", loop, *conf)
        run("vgcreate", "-qq", "vg-x", loop, *conf)
        create = ["lvcreate", "-qq", "-an", "-Zn", "-Wn", "-y"]
        for name, size in ("root", "160m"), ("hole1", "40m"), ("home", "400m"), ("odd", "20m"), ("swap", "64m"):
            run(*create, "-n", name, "-L", size, "vg-x", *conf)
        run("lvremove", "-qq", "-y", "vg-x/hole1", *conf)
        run("lvextend", "-qq", "-L", "320m", "vg-x/root", "--alloc", "anywhere", *conf)
        report = run("lvs", "--noheadings", "--segments", "--units", "b", "--nosuffix", "-o",
                     "lv_name,seg_start,seg_size,seg_pe_ranges", "vg-x", *conf)
        start = int(float(run("pvs", "--noheadings", "--units", "b", "--nosuffix", "-o", "pe_start", loop, *conf)))
    extent, segments = 4 * MIB, {}
    for line in report.strip().split("\n"):
        name, at, size, where = line.split()
        segments.setdefault(name, []).append(
            (int(at), int(size), start + int(where.rsplit(":", 1)[1].split("-")[0]) * extent))

    def move(image, path, name, into):
        for at, size, where in segments[name]:
            src, dst, skip, seek = (path, image, at, where) if into else (image, path, where, at)
            run("dd", f"if={src}", f"of={dst}", "bs=1M", "conv=notrunc", f"skip={skip // MIB}",
                f"seek={seek // MIB}", f"count={size // MIB}", "status=none")

    kinds = {"root": Ext("ext4", *EXT, "-t", "ext4", size=320 * MIB), "home": Xfs("xfs", *XFS, size=400 * MIB)}
    for name, kind in kinds.items():
        kind.build(part, work, rng)
        move(disk, part, name, True)
    make(part, 64 * MIB)
    run("mkswap", part)
    move(disk, part, "swap", True)
    _, _, free, regions = map_copy(disk, copy)
    said = {r.what: r for r in regions}
    if free < 800 * MIB or "volume vg-x/home (xfs)" not in said or said["volume vg-x/odd"].free:
        raise AssertionError(f"{free >> 20}: {[vars(r) for r in regions]}")
    if len(segments["root"]) < 2:
        raise AssertionError("root has one segment only")
    for name, kind in kinds.items():
        found = []
        for image in (disk, copy):
            make(part, kind.size)
            move(image, part, name, False)
            kind.check(part)
            found.append(kind.digests(part, work))
        same(*found, name)
    names = files_at(disk, b"\n90000 bottles of the same\n")
    if sorted(names) != ["volume vg-x/home: /d/deep/text", "volume vg-x/root: /d/deep/text"]:
        raise AssertionError(f"files by their bytes: {names}")
    sums = []
    for image in (disk, copy):
        make(part, 20 * MIB)
        move(image, part, "odd", False)
        with open(part, "rb") as file, open(image, "rb") as whole:
            sums.append(hashlib.sha256(file.read() + whole.read(start)).hexdigest())
    if sums[0] != sums[1]:
        raise AssertionError("the unknown volume or the metadata differ")
    with open(disk, "r+b") as file:
        file.seek(segments["swap"][0][2] + 4086)
        file.write(b"S1SUSPEND\0")
    try:
        map_copy(disk, copy)
    except Refused:
        return f"{free >> 20} MiB free; asleep: refused"
    raise AssertionError("a volume that sleeps is not refused")


@contextlib.contextmanager
def all_attached(disks):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(attached(disk)) for disk in disks]


def lvm_several(work, rng):
    """A group on two disks: volumes striped over both in large and small pieces, one that goes on from the one to the
    other, one on the second alone. Mapped where both disks are seen, and of one state."""
    need("pvcreate", "mkfs.xfs")
    disks, copies, part = [f"{work}/disk0", f"{work}/disk1"], [f"{work}/copy0", f"{work}/copy1"], f"{work}/part"
    kinds = {"wide": Ext("ext4", *EXT, "-t", "ext4", size=160 * MIB), "fine": Ext("ext3", *EXT, "-t", "ext3", size=80 * MIB),
             "long": Xfs("xfs", *XFS, size=320 * MIB), "one": Ext("ext2", *EXT, "-t", "ext2", size=60 * MIB)}
    for disk in disks:
        make_noise(disk, 460 * MIB, rng)
    with all_attached(disks) as loops:
        conf = lvm_conf(f"({'|'.join(loops)})")
        for loop in loops:
            run("pvcreate", "-qq", "-ff", "-y", loop, *conf)
        run("vgcreate", "-qq", "vg", *loops, *conf)
        create = ["lvcreate", "-qq", "-an", "-Zn", "-Wn", "-y"]
        run(*create, "-n", "wide", "-L", "160m", "-i2", "-I64k", "vg", *conf)
        run(*create, "-n", "fine", "-L", "80m", "-i2", "-I4k", "vg", *conf)
        run(*create, "-n", "long", "-L", "200m", "vg", loops[0], *conf)
        run("lvextend", "-qq", "-L", "320m", "vg/long", loops[1], *conf)
        run(*create, "-n", "one", "-L", "60m", "vg", loops[1], *conf)
        segments = run("lvs", "--noheadings", "--segments", "--units", "b", "--nosuffix", "-o",
                       "lv_name,seg_start,seg_size,stripes,stripe_size,seg_pe_ranges", "vg", *conf).strip().split("\n")
        start = int(float(run("pvs", "--noheadings", "--units", "b", "--nosuffix", "-o", "pe_start", loops[0], *conf)))

    def pieces(name):
        """(disk, offset there, offset in the volume, length)"""
        for line in segments:
            lv, first, size, n, each, *where = line.split()
            if lv != name:
                continue
            first, size, n, each = int(first), int(size), int(n), int(each) or int(size)
            places = [(loops.index(w.split(":")[0]), start + int(w.split(":")[1].split("-")[0]) * 4 * MIB) for w in where]
            for row in range(size // each):
                disk, at = places[row % n]
                yield disk, at + row // n * each, first + row * each, each

    def move(paths, name, into):
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(open(path, "r+b")) for path in paths]
            volume = stack.enter_context(open(part, "r+b"))
            for disk, there, here, n in pieces(name):
                src, dst, at, to = (volume, files[disk], here, there) if into else (files[disk], volume, there, here)
                src.seek(at), dst.seek(to)
                dst.write(src.read(n))

    for name, kind in kinds.items():
        kind.build(part, work, rng)
        move(disks, name, True)
    free = []
    for i in range(2):
        _, _, n, regions = map_copy(disks[i], copies[i], others=[disks[1 - i]])
        said = {r.what for r in regions}
        if n < 200 * MIB or "volume vg/wide (ext4)" not in said or ("volume vg/one (ext4)" in said) != (i == 1):
            raise AssertionError(f"{n >> 20}: {[vars(r) for r in regions]}")
        free.append(n >> 20)
        with open(disks[i], "rb") as a, open(copies[i], "rb") as b:
            if a.read(start) != b.read(start):
                raise AssertionError("the group's metadata differ")
    for name, kind in kinds.items():
        found = []
        for paths in (disks, copies):
            make(part, kind.size)
            move(paths, name, False)
            kind.check(part)
            found.append(kind.digests(part, work))
        same(*found, name)
    names = files_at(disks[1], b"\n90000 bottles of the same\n")
    if "volume vg/one: /d/deep/text" not in names:
        raise AssertionError(f"files by their bytes: {names}")
    # Without the other disk, or where that one was away while something was changed, nothing is believed.
    _, _, alone, regions = map_copy(disks[0], copies[0])
    if alone or "not all are among" not in regions[0].why_used:
        raise AssertionError(f"{alone}: {regions[0].why_used}")
    shutil.copy(disks[1], f"{work}/stale")
    with all_attached(disks) as loops:
        run("lvremove", "-qq", "-y", "vg/one", *lvm_conf(f"({'|'.join(loops)})"))
    _, _, stale, regions = map_copy(disks[0], copies[0], others=[f"{work}/stale"])
    if stale or "contradict" not in regions[0].why_used:
        raise AssertionError(f"{stale}: {regions[0].why_used}")
    return f"{free[0]} and {free[1]} MiB free; alone, and with a stale one: nothing"


THIN_TEXT = """
pool {{ id = "poolpo-olpo-olpo-olpo-olpo-olpo-olpool" status = ["READ", "WRITE", "VISIBLE"] flags = [] segment_count = 1
  segment1 {{ start_extent = 0 extent_count = {extents} type = "thin-pool" metadata = "pool_tmeta" pool = "pool_tdata"
    transaction_id = 1 chunk_size = 128 discards = "passdown" zero_new_blocks = 1 }} }}
root {{ id = "rootro-otro-otro-otro-otro-otro-otroot" status = ["READ", "WRITE", "VISIBLE"] flags = [] segment_count = 1
  segment1 {{ start_extent = 0 extent_count = 75 type = "thin" thin_pool = "pool" transaction_id = 0 device_id = 1 }} }}
"""


def lvm_thin(work, rng):
    """A thin pool: what none of its volumes has is free. The kernel here may have no device mapper, so LVM's and the
    pool's own metadata are made by their tools (vgcfgrestore, thin_restore), and read back by them."""
    need("vgcfgrestore", "thin_restore", "thin_dump")
    disk, copy, part, chunk = f"{work}/disk", f"{work}/copy", f"{work}/part", 65536
    make_noise(disk, 700 * MIB, rng)
    with attached(disk) as loop:
        conf = lvm_conf(loop)
        run("pvcreate", "-qq", "-ff", "-y", loop, *conf)
        run("vgcreate", "-qq", "vg", loop, *conf)
        for name, size in ("pool_tdata", "600m"), ("pool_tmeta", "8m"):
            run("lvcreate", "-qq", "-an", "-Zn", "-Wn", "-y", "-n", name.replace("_t", ""), "-L", size, "vg", *conf)
        run("vgcfgbackup", "-qq", "-f", f"{work}/vg", "vg", *conf)
        starts = dict(line.split() for line in run("lvs", "--noheadings", "-o", "lv_name,seg_pe_ranges", "vg", *conf).strip().split("\n"))
        first = int(float(run("pvs", "--noheadings", "--units", "b", "--nosuffix", "-o", "pe_start", loop, *conf)))
        with open(f"{work}/vg") as file:
            text = file.read()
        for name in "data", "meta":
            text = text.replace(f"pool{name} {{", f"pool_t{name} {{")
        text = text.replace('status = ["READ", "WRITE", "VISIBLE"]', 'status = ["READ", "WRITE"]')
        text = text.replace("logical_volumes {", "logical_volumes {" + THIN_TEXT.format(extents=150), 1)
        with open(f"{work}/vg", "w") as file:
            file.write(text)
        run("vgcfgrestore", "-qq", "--force", "-y", "-f", f"{work}/vg", "vg", *conf)
        if "thin-pool" not in run("lvs", "-a", "--noheadings", "-o", "lv_name,segtype", "vg", *conf):
            raise AssertionError("LVM does not see a thin pool")
    at = {name[4:]: first + int(where.rsplit(":", 1)[1].split("-")[0]) * 4 * MIB for name, where in starts.items()}
    kind = Ext("ext4", *EXT, "-t", "ext4")
    kind.build(part, work, rng)
    with open(part, "rb") as file:
        blocks = [file.read(chunk) for _ in range(kind.size // chunk)]
    mapped = [i for i, block in enumerate(blocks) if any(block)]
    where = dict(zip(mapped, rng.sample(range(600 * MIB // chunk), len(mapped))))
    with open(f"{work}/xml", "w") as xml:
        xml.write(f'<superblock uuid="" time="0" transaction="1" data_block_size="128" nr_data_blocks="{600 * MIB // chunk}">\n'
                  f'<device dev_id="1" mapped_blocks="{len(mapped)}" transaction="0" creation_time="0" snap_time="0">\n')
        xml.writelines(f'<single_mapping origin_block="{i}" data_block="{where[i]}" time="0"/>\n' for i in mapped)
        xml.write("</device>\n</superblock>\n")
    make(f"{work}/meta", 8 * MIB)
    run("thin_restore", "-i", f"{work}/xml", "-o", f"{work}/meta")
    with open(disk, "r+b") as file, open(f"{work}/meta", "rb") as meta:
        file.seek(at["meta"])
        file.write(meta.read())
        for i in mapped:
            file.seek(at["data"] + where[i] * chunk)
            file.write(blocks[i])
    _, _, free, regions = map_copy(disk, copy)
    expected = (600 * MIB // chunk - len(mapped)) * chunk
    if not expected * 0.9 <= [r.free for r in regions if "pool_tdata" in r.what][0] <= expected:
        raise AssertionError(f"{free} free instead of {expected}: {[vars(r) for r in regions]}")
    slice_out(copy, at["meta"], 8 * MIB, f"{work}/meta2")
    if run("thin_dump", f"{work}/meta") != run("thin_dump", f"{work}/meta2"):
        raise AssertionError("the pool's metadata differ")
    make(f"{work}/part2", kind.size)
    with open(copy, "rb") as file, open(f"{work}/part2", "r+b") as out:
        for i in mapped:
            file.seek(at["data"] + where[i] * chunk)
            out.seek(i * chunk)
            out.write(file.read(chunk))
    kind.check(f"{work}/part2")
    same(kind.digests(part, work), kind.digests(f"{work}/part2", work), "ext4 in a thin volume")
    patch(at["meta"] + 4, b"\1")(disk)
    _, _, free, regions = map_copy(disk, copy)
    if [r.free for r in regions if "pool_tdata" in r.what][0]:
        raise AssertionError("a pool whose superblock is damaged is believed")
    return f"{expected >> 20} MiB free of the pool"
