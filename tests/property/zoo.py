# SPDX-License-Identifier: GPL-3.0-or-later
"""A zoo of disks. Each is made with its own tools, filled, partly emptied again, and copied by
map-copy, which overwrites what the map calls free. The copy must hold the same files and pass its
check; what lies outside of file systems must be the same; and the map must have found what is free.

Then file systems that are not clean: a snapshot is taken while somebody writes, and the copy must
give after recovery what the snapshot itself gives after recovery.

usage: zoo.py MAP_COPY AGENT [ANIMAL]...      exit code 77: nothing could run"""
import contextlib
import ctypes
import hashlib
import json
import mmap
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

MAP_COPY, AGENT = map(os.path.abspath, sys.argv[1:3])
ONLY = sys.argv[3:]
MIB = 1 << 20


class Skip(Exception):
    pass


class Refused(Exception):
    pass


def run(*argv, ok=(0,), **kw):
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", **kw)
    if done.returncode not in ok:
        raise AssertionError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")


def make(path, size):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with open(path, "wb") as file:
        file.truncate(size)


@contextlib.contextmanager
def mounted(image, where, *options, kind=None):
    os.makedirs(where, exist_ok=True)
    command = ["mount", "-o", ",".join(["loop", *options]), image, where]
    if kind:
        command[1:1] = ["-t", kind]
    run(*command)
    try:
        yield where
    finally:
        unmount(where)


def unmount(where):
    """A writer that was killed may hold it for a moment."""
    for _ in range(100):
        if subprocess.run(["umount", where], capture_output=True).returncode == 0:
            return
        time.sleep(0.1)
    run("umount", where)


def random_bytes(rng, n):
    return rng.randbytes(n)


def fill(mnt, rng, room=0.5):
    """Files of all sizes, then deleted data in most of what is left, then holes among them."""
    free = os.statvfs(mnt)
    free = free.f_bavail * free.f_frsize
    os.makedirs(f"{mnt}/d/deep", exist_ok=True)
    written = n = 0
    while written < free * room * 0.6:
        size = rng.choice([0, 100, 4096, 70000, 300000, 2 * MIB])
        with open(f"{mnt}/d/f{n}", "wb") as file:
            file.write(random_bytes(rng, size))
        written += size + 4096
        n += 1
    with open(f"{mnt}/d/deep/text", "wb") as file:
        for line in range(100000):
            file.write(b"%d bottles of the same\n" % line)
    with open(f"{mnt}/d/deep/sparse", "wb") as file:
        file.seek(5 * MIB)
        file.write(b"end")
    with contextlib.suppress(OSError):
        with open(f"{mnt}/d/allocated", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, MIB)
            file.seek(8192)
            file.write(b"x" * 5000)
    with contextlib.suppress(OSError):
        with open(f"{mnt}/junk", "wb") as file:
            while True:
                file.write(rng.randbytes(MIB))
    os.sync()
    for i in range(0, n, 3):
        os.unlink(f"{mnt}/d/f{i}")
    os.unlink(f"{mnt}/junk")
    if shutil.which("cp"):
        subprocess.run(["cp", "--reflink=always", f"{mnt}/d/f1", f"{mnt}/d/clone"], capture_output=True)
    os.sync()


def digests(mnt, damaged=False):
    """damaged: a file that cannot be read is what it is, and must be so on both sides."""
    found = {}
    for base, dirs, names in os.walk(mnt):
        dirs.sort()
        for name in names:
            path = os.path.join(base, name)
            try:
                with open(path, "rb") as file:
                    found[os.path.relpath(path, mnt)] = hashlib.sha256(file.read()).hexdigest()
            except OSError as why:
                if not damaged:
                    raise
                found[os.path.relpath(path, mnt)] = os.strerror(why.errno)
    return found


class Region:
    def __init__(self, line):
        depth, used, zero, free, self.what, self.why_used, self.why_free = line.split("\t")
        self.depth, self.used, self.zero, self.free = int(depth), int(used), int(zero), int(free)


DROP = None  # what a mutant does to each copy: see mutant()


def map_copy(source, copy, size=None, kind=None, others=()):
    """others: further disks of the machine."""
    make(copy, size or os.path.getsize(source))
    more = [kind] if kind else ["--with", *others] if others else []
    done = subprocess.run([MAP_COPY, source, copy, *more], capture_output=True, text=True)
    if done.returncode == 3:
        raise Refused(done.stderr)
    if done.returncode:
        raise AssertionError(f"map-copy: exit {done.returncode}: {done.stderr}")
    if DROP:
        DROP(source, copy)
    first, *rest = done.stdout.rstrip("\n").split("\n")
    used, zero, free = map(int, first.split())
    if not kind:
        told(source, rest, others)
    return used, zero, free, [Region(line) for line in rest]


def told(disk, lines, others=()):
    """p2v-agent --map says the same of the same disk, to people in 80 columns and as JSON: regions without a gap
    whose bytes add up."""
    text = run(AGENT, "--map", os.path.basename(disk), *map(os.path.basename, others), cwd=os.path.dirname(disk))
    found, *_ = json.loads(run(AGENT, "--map", "--json", disk, *others))["disks"]
    at, flat = 0, " ".join(text.split())
    for r, line in zip(found["regions"], lines, strict=True):
        # What the host's file system calls a hole changes as it writes back.
        copied = Region(line)
        if (r["used_bytes"] + r["zero_bytes"], r["free_bytes"], r["what"], r["why_used"], r.get("why_free") or "") != \
                (copied.used + copied.zero, copied.free, copied.what, copied.why_used, copied.why_free):
            raise AssertionError(f"--map says {r} and not {line}")
        if r["depth"] == 0 and (r["offset_bytes"] != at or not r["what"] or not r["why_used"]):
            raise AssertionError(f"a gap or a silence at {at}: {r}")
        if r["used_bytes"] + r["zero_bytes"] + r["free_bytes"] != r["length_bytes"] or bool(r["free_bytes"]) != bool(r.get("why_free")):
            raise AssertionError(f"does not add up: {r}")
        for word in ("what", "why_used") if r["used_bytes"] else ("what",):
            if " ".join(r[word].split()) not in flat:
                raise AssertionError(f"'{r[word]}' is not in\n{text}")
        at += r["length_bytes"] if r["depth"] == 0 else 0
    if at != found["size_bytes"]:
        raise AssertionError(f"ends at {at} of {found['size_bytes']}")
    wide = [line for line in text.split("\n") if len(line) > 80]
    if wide:
        raise AssertionError(f"wider than 80 columns: {wide}")


def files_at(disk, words):
    """The names of the files in which the words lie, wherever on the disk they are found."""
    names, at = [], 0
    with open(disk, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        while (at := view.find(words, at)) >= 0:
            names += run(MAP_COPY, "--files", disk, str(at)).strip().split("\n")
            at += 1
    return names


def same(a, b, where):
    if a != b:
        odd = sorted(set(a.items()) ^ set(b.items()))
        raise AssertionError(f"{where}: {len(odd)} files differ, as {odd[:3]}")
    if not a:
        raise AssertionError(f"{where}: no file was looked at")


class Kind:
    """A file system that this kernel mounts."""
    size = 300 * MIB
    options = ()       # mount options to look at it
    writing = ()       # mount options to fill it
    kind = None
    needs = ()
    reason = None      # expected in why_used where nothing is free
    after = None       # what to do to the image once it is filled
    called = None      # by libblkid, where it would take the whole disk for something else
    recover = None     # what to run after a crash, where mounting is not enough
    free = 0.2         # at least this share of it

    def __init__(self, name, *mkfs, **kw):
        self.name, self.mkfs = name, mkfs
        self.__dict__.update(kw)

    def build(self, image, work, rng):
        need(self.mkfs[0], *self.needs)
        make(image, self.size)
        run(*self.mkfs, image)
        with self.live(image, work):
            fill(f"{work}/mnt", rng)

    def live(self, image, work):
        return mounted(image, f"{work}/mnt", *self.writing, kind=self.kind)

    def digests(self, image, work):
        with mounted(image, f"{work}/mnt", "ro", *self.options, kind=self.kind):
            return digests(f"{work}/mnt")

    def recovered(self, image, work):
        """What the machine itself would show after its recovery."""
        if self.recover:
            run(*self.recover, image, ok=(0, 1))
        with mounted(image, f"{work}/mnt", *self.options, kind=self.kind):
            found = digests(f"{work}/mnt")
        self.check(image)
        return found

    def check(self, image):
        run(*self.fsck, image)

    def try_it(self, work, rng):
        image, copy = f"{work}/disk", f"{work}/copy"
        self.build(image, work, rng)
        used, zero, free, regions = map_copy(image, copy)
        if self.reason:
            if free or self.reason not in regions[0].why_used:
                raise AssertionError(f"{free} bytes free, and {regions[0].why_used}")
        elif free < self.size * self.free:
            raise AssertionError(f"only {free // MIB} MiB of {self.size // MIB} free: {regions[0].why_used}")
        self.check(copy)
        same(self.digests(image, work), self.digests(copy, work), self.name)
        return f"{used >> 20} MiB used, {zero >> 20} zero, {free >> 20} free" + \
            (f" ({regions[0].why_used})" if not free else "")


class Ext(Kind):
    fsck = ("e2fsck", "-fn")


class Xfs(Kind):
    size = 400 * MIB
    options = ("nouuid",)
    fsck = ("xfs_repair", "-n")


class Btrfs(Kind):
    size = 400 * MIB
    fsck = ("btrfs", "check", "--readonly", "--check-data-csum")


class Snapshots(Btrfs):
    """Subvolumes and their snapshots, of which blocks have been taken back."""
    def build(self, image, work, rng):
        super().build(image, work, rng)
        with self.live(image, work) as mnt:
            run("btrfs", "subvolume", "create", f"{mnt}/sub")
            for i in range(60):
                with open(f"{mnt}/sub/s{i}", "wb") as file:
                    file.write(rng.randbytes(300000))
            for i in range(3):
                run("btrfs", "subvolume", "snapshot", *(["-r"] if i else []), f"{mnt}/sub", f"{mnt}/snap{i}")
                for name in range(i, 60, 7):
                    with open(f"{mnt}/sub/s{name}", "wb") as file:
                        file.write(rng.randbytes(200000))
            run("btrfs", "subvolume", "delete", "-c", f"{mnt}/snap1")


class Fuse(Kind):
    """A file system that a FUSE program mounts: of a block device, as unmounting waits for it then."""
    def build(self, image, work, rng):
        need(self.mkfs[0], self.fuse)
        make(image, self.size)
        run(*self.mkfs, image)
        with self.fused(image, f"{work}/mnt"):
            fill(f"{work}/mnt", rng)
        if self.after:
            self.after(image)

    @contextlib.contextmanager
    def fused(self, image, where, *options):
        os.makedirs(where, exist_ok=True)
        loop = run("losetup", "-f", "--show", image).strip()
        try:
            run(self.fuse, *options, loop, where)
            try:
                yield
            finally:
                unmount(where)
        finally:
            run("losetup", "-d", loop)

    def live(self, image, work):
        return self.fused(image, f"{work}/mnt")

    def digests(self, image, work, damaged=False):
        with self.fused(image, f"{work}/mnt", "-o", "ro"):
            return digests(f"{work}/mnt", damaged)

    def recovered(self, image, work):
        return self.digests(image, work, damaged=True)


class Fat(Kind):
    """Filled and read by mtools."""
    fsck = ("fsck.vfat", "-n")
    needs = ("mcopy", "mdel")

    def build(self, image, work, rng):
        need(self.mkfs[0], *self.needs)
        make(image, self.size)
        with open(image, "r+b") as file:
            for _ in range(self.size // MIB):
                file.write(rng.randbytes(MIB))
        run(*self.mkfs, image)
        os.makedirs(f"{work}/files")
        for i in range(self.size // MIB // 2):
            with open(f"{work}/files/f{i}", "wb") as file:
                file.write(rng.randbytes(rng.choice([0, 700, 70000, MIB])))
        run("mcopy", "-i", image, "-s", f"{work}/files", "::/files")
        gone = [f"::/files/f{i}" for i in range(0, self.size // MIB // 2, 3)]
        run("mdel", "-i", image, *gone)
        if self.after:
            self.after(image)

    def digests(self, image, work):
        shutil.rmtree(f"{work}/out", ignore_errors=True)
        os.makedirs(f"{work}/out")
        run("mcopy", "-i", image, "-s", "-n", "::/files", f"{work}/out")
        return digests(f"{work}/out")


def patch(at, data, mask=None):
    """Overwrites bytes, or with a mask clears (0) and keeps (1) bits of them."""
    def change(image):
        with open(image, "r+b") as file:
            file.seek(at)
            old = file.read(len(data))
            file.seek(at)
            file.write(bytes(o & d for o, d in zip(old, data)) if mask else data)
    return change


def ntfs_record(image, number, mirror=48):
    with open(image, "rb") as file:
        boot = file.read(512)
        cluster = int.from_bytes(boot[11:13], "little") * boot[13]
        at = int.from_bytes(boot[mirror:mirror + 8], "little") * cluster + number * 1024
        file.seek(at)
        return at, file.read(1024), cluster


def ntfs_dirty(image):
    for mirror in 48, 56:
        at, record, _ = ntfs_record(image, 3, mirror)
        attr = int.from_bytes(record[20:22], "little")
        while int.from_bytes(record[attr:attr + 4], "little") != 0x70:
            attr += int.from_bytes(record[attr + 4:attr + 8], "little")
        patch(at + attr + int.from_bytes(record[attr + 20:attr + 22], "little") + 10, b"\x01")(image)


def ntfs_first_run(image, number):
    """Where the first run of a record's data lies."""
    _, record, cluster = ntfs_record(image, number)
    attr = int.from_bytes(record[20:22], "little")
    while int.from_bytes(record[attr:attr + 4], "little") != 0x80:
        attr += int.from_bytes(record[attr + 4:attr + 8], "little")
    run_at = attr + int.from_bytes(record[attr + 32:attr + 34], "little")
    sizes = record[run_at]
    return int.from_bytes(record[run_at + 1 + (sizes & 15):][:sizes >> 4], "little") * cluster


def ntfs_log(image):
    """Rubbish where the log's restart page was: as far as anybody can tell it is not clean."""
    patch(ntfs_first_run(image, 2), b"RSTR" + b"\1" * 508)(image)


def ntfs_lag(image):
    """What a pulled plug can leave of ntfs-3g: files on the medium, and a bitmap that does not have them yet."""
    patch(ntfs_first_run(image, 6) + 1024, bytes(6144))(image)


def ntfs_sleeps(work, rng):
    kind = Fuse("ntfs", *NTFS, fuse="ntfs-3g")
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


def ntfs_names(work, rng):
    """A file of NTFS is named by a byte of it; so are a folder and the list of all files."""
    disk = f"{work}/disk"
    kind = Fuse("ntfs", *NTFS, **NTFS_FUSE)
    kind.build(disk, work, rng)
    text, name = (set(files_at(disk, words)) for words in (b"\n90000 bottles of the same\n", "allocated".encode("utf-16-le")))
    if text != {"/d/deep/text"} or name != {"/d", "/$MFT"}:
        raise AssertionError(f"{text} {name}")
    return " ".join(text | name)


def xfs_names(*options):
    """Files of XFS by a byte of them: one of very many pieces, one in a directory of several blocks, an attribute."""
    def try_it(work, rng):
        disk = f"{work}/disk"
        kind = Xfs("xfs", *XFS, *options)
        need("setfattr")
        make(disk, kind.size)
        run(*kind.mkfs, disk)
        with kind.live(disk, work):
            os.makedirs(f"{work}/mnt/a/many")
            for i in range(3000):
                with open(f"{work}/mnt/a/many/a-name-that-is-not-short-{i}", "wb") as file:
                    file.write(b"the file %d of many" % i)
            with open(f"{work}/mnt/a/pieces", "wb") as file:
                for i in range(2000):
                    file.seek(i * 8192)
                    file.write(b"piece %d of it" % i)
            run("setfattr", "-n", "user.large", "-v", "the value of an attribute " + "x" * 3000, f"{work}/mnt/a/pieces")
        # The log has some of it, too.
        found = {words: {name for name in files_at(disk, words) if not name.startswith("in no file")} for words in (
            b"the file 2345 of many", b"piece 1987 of it", b"the value of an attribute x", b"a-name-that-is-not-short-1777")}
        expected = [{"/a/many/a-name-that-is-not-short-2345"}, {"/a/pieces"}, {"/a/pieces"}, {"/a/many"}]
        if list(found.values()) != expected:
            raise AssertionError(str(found))
        return "; ".join(name for names in found.values() for name in names)
    return try_it


def btrfs_names(work, rng):
    """Files of btrfs by a byte of them, in either copy: one at the top, one in a subvolume that has a snapshot."""
    disk = f"{work}/disk"
    kind = Btrfs("btrfs", *BTRFS, "-d", "dup")
    make(disk, kind.size)
    run(*kind.mkfs, disk)
    words = {b: b + rng.randbytes(200000) for b in (b"here is the first", b"here is the second")}
    with kind.live(disk, work):
        run("btrfs", "subvolume", "create", f"{work}/mnt/sub")
        os.makedirs(f"{work}/mnt/sub/a/b")
        for name, content in zip(("sub/a/b/first", "second"), words.values()):
            with open(f"{work}/mnt/{name}", "wb") as file:
                file.write(content)
        run("btrfs", "subvolume", "snapshot", f"{work}/mnt/sub", f"{work}/mnt/snap")
    found = [set(files_at(disk, word)) for word in words]
    if found != [{"/sub/a/b/first", "/snap/a/b/first"}, {"/second"}]:
        raise AssertionError(str(found))
    return str(found)


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
        found = []
        for image in (disk, copy):
            slice_out(image, MIB, kind.size, part)
            kind.check(part)
            found.append(kind.digests(part, work))
        same(*found, kind.name)
        return f"{free >> 20} MiB free" + ("" if free else f" ({why})")
    return try_it


NTFS = ["mkntfs", "-F", "-Q", "-q"]
EXT = ["mke2fs", "-q", "-F"]
BTRFS = ["mkfs.btrfs", "-q", "-f"]
XFS = ["mkfs.xfs", "-q", "-f"]
ANIMALS = [
    Ext("ext2", *EXT, "-t", "ext2"),
    Ext("ext3-1k", *EXT, "-t", "ext3", "-b", "1024"),
    Ext("ext4", *EXT, "-t", "ext4"),
    Ext("ext4-1k", *EXT, "-t", "ext4", "-b", "1024"),
    Ext("ext4-bigalloc", *EXT, "-t", "ext4", "-O", "bigalloc", "-C", "65536"),
    Ext("ext4-metabg", *EXT, "-t", "ext4", "-O", "meta_bg,^resize_inode"),
    Ext("ext4-uninit", *EXT, "-t", "ext4", "-O", "^metadata_csum,uninit_bg,^64bit", "-g", "4096"),
    Ext("ext4-64bit-lazy", *EXT, "-t", "ext4", "-O", "64bit", "-E", "lazy_itable_init=1"),
    Ext("ext4-odd-size", *EXT, "-t", "ext4", "-O", "bigalloc", "-C", "65536", size=300 * MIB + 5120),
    Btrfs("btrfs", *BTRFS),
    Btrfs("btrfs-dup", *BTRFS, "-d", "dup", "-m", "dup", free=0.1),
    Btrfs("btrfs-mixed", *BTRFS, "--mixed", size=200 * MIB),
    Btrfs("btrfs-old", *BTRFS, "-O", "^skinny-metadata,^no-holes", "-R", "^free-space-tree", "-n", "4096"),
    Btrfs("btrfs-zstd", *BTRFS, writing=("compress-force=zstd",)),
    Btrfs("btrfs-xxhash", *BTRFS, "--csum", "xxhash", reason="checksums"),
    Xfs("xfs", *XFS),
    Xfs("xfs-4096", *XFS, "-s", "size=4096"),
    Xfs("xfs-rmap", *XFS, "-m", "rmapbt=1,reflink=1"),
    Xfs("xfs-old", *XFS, "-m", "reflink=0,bigtime=0,inobtcount=0", "-b", "size=1024"),
    Xfs("xfs-stripe-log", *XFS, "-l", "su=256k"),
    Ext("ext4-new", *EXT, "-t", "ext4", "-O", "inline_data,fast_commit,orphan_file,sparse_super2,ea_inode,mmp"),
    Xfs("xfs-new", *XFS, "-i", "nrext64=1,size=1024", "-n", "size=16384", "-m", "bigtime=1,inobtcount=1,rmapbt=1"),
    Snapshots("btrfs-snapshots", *BTRFS),
    Btrfs("btrfs-64k", *BTRFS, "-n", "65536", "-R", "quota"),
]


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
        make(image, 400 * MIB)
        with open(image, "r+b") as file:
            for _ in range(400):
                file.write(rng.randbytes(MIB))
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


def swap(work, rng):
    """A used swap space: its header stays, with label and UUID."""
    need("mkswap")
    image, copy = f"{work}/disk", f"{work}/copy"
    make(image, 64 * MIB)
    with open(image, "r+b") as file:
        file.write(rng.randbytes(64 * MIB))
    run("mkswap", "-L", "pool", image)
    used, _, free, _ = map_copy(image, copy)
    names = [run("blkid", "-p", "-o", "export", path).split("\n", 1)[1] for path in (image, copy)]
    if used != 4096 or names[0] != names[1] or "LABEL=pool" not in names[0]:
        raise AssertionError(f"{used} used, {names}")
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


def luks(work, rng):
    """All of it is copied: header, keys, and what looks like noise."""
    need("cryptsetup")
    for version in "luks1", "luks2":
        make(f"{work}/disk", 64 * MIB)
        with open(f"{work}/disk", "r+b") as file:
            file.write(rng.randbytes(64 * MIB))
        run("cryptsetup", "luksFormat", "-q", "--type", version, "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
            f"{work}/disk", "-", input="secret")
        used, _, free, regions = map_copy(f"{work}/disk", f"{work}/copy")
        if free or "encrypted" not in regions[0].why_used:
            raise AssertionError(f"{free} free: {regions[0].why_used}")
        run("cmp", f"{work}/disk", f"{work}/copy")
        run("cryptsetup", "luksDump", f"{work}/copy")
    return regions[0].why_used


def mutant(kind, pick):
    """A map that drops one used block of 4 KiB: the case that guards it must fail. pick: (source, work, rng) -> its
    offset."""
    def try_it(work, rng):
        global DROP

        def drop(source, copy):
            patch(pick(source, work, rng) // 4096 * 4096, b"\xa5" * 4096)(copy)
        DROP = drop
        try:
            kind(work, rng)
        except AssertionError as why:
            return "noticed: " + " ".join(str(why).split())[:90]
        finally:
            DROP = None
        raise AssertionError("one used block was dropped, and nobody noticed")
    return try_it


def of_a_file(kind):
    """Some block of some file, found by what is in it."""
    def pick(source, work, rng):
        with mounted(source, f"{work}/look", "ro", *kind.options):
            names = sorted(os.listdir(f"{work}/look/d"))
            big = [name for name in names if name.startswith("f") and os.path.getsize(f"{work}/look/d/{name}") > 65536]
            with open(f"{work}/look/d/{rng.choice(big)}", "rb") as file:
                file.seek(rng.randrange(15) * 4096)
                block = file.read(4096)
        with open(source, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image:
            return image.find(block)
    return pick


def at(offset):
    """A block counted from the start, or from the end."""
    return lambda source, work, rng: offset if offset >= 0 else os.path.getsize(source) + offset


def parts_of(image):
    """(start, length) of each partition that is no container."""
    table = json.loads(run("sfdisk", "-J", image))["partitiontable"]
    unit = int(table.get("sectorsize", 512))
    return [(p["start"] * unit, p["size"] * unit) for p in table["partitions"]
            if p["type"] not in ("5", "f", "85")]


def slice_out(disk, at, n, path):
    with open(disk, "rb") as src, open(path, "wb") as dst:
        src.seek(at)
        shutil.copyfileobj(LimitedReader(src, n), dst, MIB)


class LimitedReader:
    def __init__(self, file, n):
        self.file, self.left = file, n

    def read(self, n):
        data = self.file.read(min(n, self.left))
        self.left -= len(data)
        return data


def partitioned(script, label):
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
        edges = [0] + [x for at, n in sorted(parts) for x in (at, at + n)] + [1200 * MIB]
        with open(disk, "rb") as a, open(copy, "rb") as b:
            for start, end in zip(edges[::2], edges[1::2]):
                a.seek(start), b.seek(start)
                if a.read(end - start) != b.read(end - start):
                    raise AssertionError(f"the gap {start}-{end} differs")
        if run("sfdisk", "-d", disk).replace(disk, "") != run("sfdisk", "-d", copy).replace(copy, ""):
            raise AssertionError("the tables differ")
        for (at, n), kind in zip(parts, kinds):
            found = []
            for where in (disk, copy):
                slice_out(where, at, n, part)
                kind.check(part)
                found.append(kind.digests(part, work))
            same(*found, kind.name)
        return f"{free >> 20} MiB free"
    return try_it


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
    make(disk, 1400 * MIB)
    with open(disk, "r+b") as file:
        for _ in range(1400):
            file.write(rng.randbytes(MIB))
    loop = run("losetup", "-f", "--show", disk).strip()
    try:
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
    finally:
        run("losetup", "-d", loop)
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


def lvm_several(work, rng):
    """A group on two disks: volumes striped over both in large and small pieces, one that goes on from the one to the
    other, one on the second alone. Mapped where both disks are seen, and of one state."""
    need("pvcreate", "mkfs.xfs")
    disks, copies, part = [f"{work}/disk0", f"{work}/disk1"], [f"{work}/copy0", f"{work}/copy1"], f"{work}/part"
    kinds = {"wide": Ext("ext4", *EXT, "-t", "ext4", size=160 * MIB), "fine": Ext("ext3", *EXT, "-t", "ext3", size=80 * MIB),
             "long": Xfs("xfs", *XFS, size=320 * MIB), "one": Ext("ext2", *EXT, "-t", "ext2", size=60 * MIB)}
    for disk in disks:
        make(disk, 460 * MIB)
        with open(disk, "r+b") as file:
            for _ in range(460):
                file.write(rng.randbytes(MIB))
    loops = [run("losetup", "-f", "--show", disk).strip() for disk in disks]
    try:
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
    finally:
        for loop in loops:
            run("losetup", "-d", loop)

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
    loops = [run("losetup", "-f", "--show", disk).strip() for disk in disks]
    try:
        run("lvremove", "-qq", "-y", "vg/one", *lvm_conf(f"({'|'.join(loops)})"))
    finally:
        for loop in loops:
            run("losetup", "-d", loop)
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
    make(disk, 700 * MIB)
    with open(disk, "r+b") as file:
        for _ in range(700):
            file.write(rng.randbytes(MIB))
    loop = run("losetup", "-f", "--show", disk).strip()
    try:
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
    finally:
        run("losetup", "-d", loop)
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
    text = run(AGENT, "--map", "disk", cwd=work)
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
        (found,) = json.loads(run("prlimit", f"--data={96 * MIB}", AGENT, "--map", "--json", disk))["disks"]
        took = time.monotonic() - start
        if found["regions"][0]["what"] != f"whole disk ({kind})" or found["used_bytes"] + found["zero_bytes"] > 64 << 30:
            raise AssertionError(f"{found}")
        if took > 60:
            raise AssertionError(f"{took:.1f} s")
        return f"{found['used_bytes'] >> 20} MiB used, {took:.1f} s"
    return try_it


def gpt_4kn(work, rng):
    """A disk of 4,096-byte sectors: its table counts in them."""
    need("sfdisk", "mkfs.xfs")
    disk, copy, part, size = f"{work}/disk", f"{work}/copy", f"{work}/part", 405 * MIB
    kind = Xfs("xfs", *XFS, "-s", "size=4096")
    kind.build(part, work, rng)
    make(disk, size)
    loop = run("losetup", "-f", "--show", "--sector-size", "4096", disk).strip()
    try:
        run("sfdisk", "-q", loop, input="label: gpt\nstart=2MiB, size=400MiB\n")
        run("dd", f"if={part}", f"of={loop}", "bs=1M", "seek=2", "oflag=direct", "status=none")
        _, _, free, regions = map_copy(loop, copy, size)
    finally:
        run("losetup", "-d", loop)
    if free < 200 * MIB:
        raise AssertionError(f"{free} free: {[vars(r) for r in regions]}")
    with open(disk, "rb") as a, open(copy, "rb") as b:
        for at, n in (0, 2 * MIB), (402 * MIB, 3 * MIB):
            a.seek(at), b.seek(at)
            if a.read(n) != b.read(n):
                raise AssertionError("a gap differs")
    found = []
    for image in disk, copy:
        slice_out(image, 2 * MIB, kind.size, part)
        kind.check(part)
        found.append(kind.digests(part, work))
    same(*found, "xfs")
    return f"{free >> 20} MiB free"


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
        kind = Xfs("xfs", *XFS)
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
        with open(copy, "rb") as file:
            file.seek(where)
            if file.read(4096) != sb:
                raise AssertionError("the superblock is gone")
        sums = []
        for image in (disk, copy):
            slice_out(image, offset, kind.size, part)
            kind.check(part)
            sums.append(kind.digests(part, work))
        same(*sums, "xfs in RAID1")
        return f"{found >> 20} MiB free"
    return try_it


def raid1_lvm(work, rng):
    """The usual server: a group in a mirror. What is free in its volume and in the group is, and files are named."""
    need("pvcreate")
    disk, copy, part, group = (f"{work}/{name}" for name in ("disk", "copy", "part", "group"))
    make(group, 500 * MIB)
    loop = run("losetup", "-f", "--show", group).strip()
    try:
        conf = lvm_conf(loop)
        run("pvcreate", "-qq", "-ff", "-y", loop, *conf)
        run("vgcreate", "-qq", "vg", loop, *conf)
        run("lvcreate", "-qq", "-an", "-Zn", "-Wn", "-y", "-n", "root", "-L", "300m", "vg", *conf)
        start = MIB + int(float(run("pvs", "--noheadings", "--units", "b", "--nosuffix", "-o", "pe_start", loop, *conf)))
    finally:
        run("losetup", "-d", loop)
    kind = Ext("ext4", *EXT, "-t", "ext4")
    kind.build(part, work, rng)
    make(disk, 502 * MIB)
    with open(disk, "r+b") as file:
        for _ in range(502):
            file.write(rng.randbytes(MIB))
    run("dd", f"if={group}", f"of={disk}", "bs=1M", "seek=1", "count=1", "conv=notrunc", "status=none")
    run("dd", f"if={part}", f"of={disk}", "bs=1M", f"seek={start // MIB}", "conv=notrunc", "status=none")
    patch(4096, raid_super(4096, MIB, 500 * MIB // 512))(disk)
    _, _, free, regions = map_copy(disk, copy)
    if free < 350 * MIB or "volume vg/root (ext4)" not in [r.what for r in regions]:
        raise AssertionError(f"{free >> 20}: {[vars(r) for r in regions]}")
    found = []
    for image in (disk, copy):
        slice_out(image, start, kind.size, part)
        kind.check(part)
        found.append(kind.digests(part, work))
    same(*found, "ext4 in LVM in RAID1")
    with open(disk, "rb") as a, open(copy, "rb") as b:
        if a.read(start) != b.read(start):
            raise AssertionError("the metadata of the group or of the mirror differ")
    names = files_at(disk, b"\n90000 bottles of the same\n")
    if names != ["volume vg/root: /d/deep/text"]:
        raise AssertionError(f"files by their bytes: {names}")
    return f"{free >> 20} MiB free"


@contextlib.contextmanager
def box(work):
    """A file system whose files can be cloned in one instant, writers or not."""
    make(f"{work}/box", 3000 * MIB)
    run(*XFS, f"{work}/box")
    with mounted(f"{work}/box", f"{work}/boxed") as where:
        yield where


WRITER = r"""
import os, random, sys
rng, at = random.Random(int(sys.argv[2])), sys.argv[1]
while True:
    name = f"{at}/w{rng.randrange(40)}"
    if rng.random() < .3 and os.path.exists(name):
        os.unlink(name)
        continue
    fd = os.open(name, os.O_CREAT | os.O_WRONLY, 0o644)
    os.pwrite(fd, rng.randbytes(rng.randrange(1, 400000)), 0)
    if rng.random() < float(sys.argv[3]):
        os.fsync(fd)
    elif rng.random() < .02:
        os.sync()
    os.close(fd)
"""


def dirty(kind, reason, may_free=False, fsync=0.5, rounds=4):
    """Snapshots while somebody writes. Where the map calls nothing free, it says why."""
    def try_it(work, rng):
        need(kind.mkfs[0])
        said = set()
        with box(work) as where:
            live = f"{where}/live"
            kind.build(live, work, rng)
            for _ in range(rounds):
                snap, copy = f"{where}/snap", f"{where}/copy"
                with kind.live(live, work):
                    writer = subprocess.Popen([sys.executable, "-c", WRITER, f"{work}/mnt", str(rng.random())[2:], str(fsync)])
                    time.sleep(0.5 + rng.random())
                    run("cp", "--reflink=always", live, snap)
                    writer.kill()
                    writer.wait()
                _, _, free, regions = map_copy(snap, copy, kind=kind.called)
                said.add(regions[0].why_used)
                if free and not may_free:
                    raise AssertionError(f"{free} free: {regions[0].why_used}")
                same(kind.recovered(snap, work), kind.recovered(copy, work), "after recovery")
        if not any(reason in text for text in said):
            raise AssertionError(f"said {said}")
        return "; ".join(sorted(said))
    return try_it


NTFS_FUSE = {"fuse": "ntfs-3g", "fsck": ("ntfsfix", "-n")}
VFAT = ["mkfs.vfat"]
EXFAT_FUSE = {"fuse": "mount.exfat-fuse", "fsck": ("fsck.exfat", "-n")}
IN_PARTITION = [
    Fuse("ntfs", *NTFS, **NTFS_FUSE),
    Fuse("ntfs-512", *NTFS, "-c", "512", **NTFS_FUSE),
    Fuse("ntfs-64k", *NTFS, "-c", "65536", **NTFS_FUSE),
    Fuse("ntfs-dirty", *NTFS, after=ntfs_dirty, reason="marked as dirty", fuse="ntfs-3g", fsck=("true",)),
    Fuse("ntfs-log", *NTFS, after=ntfs_log, reason="log is not clean", fuse="ntfs-3g", fsck=("true",)),
    Fuse("ntfs-lag", *NTFS, after=ntfs_lag, fuse="ntfs-3g", fsck=("true",)),
    Fat("fat32", *VFAT, "-F", "32"),
    Fat("fat32-1", *VFAT, "-F", "32", "-s", "1", "-f", "1", size=64 * MIB),
    Fat("fat16", *VFAT, "-F", "16", size=100 * MIB),
    Fat("fat12", *VFAT, "-F", "12", size=8 * MIB, reason="FAT12"),
    Fat("fat32-dirty", *VFAT, "-F", "32", "-f", "1", "-R", "32", after=patch(32 * 512 + 7, b"\xf7", mask=True),
        reason="not cleanly", fsck=("true",)),
    Fat("fat16-dirty", *VFAT, "-F", "16", size=100 * MIB, after=patch(37, b"\x01"), reason="not cleanly",
        fsck=("true",)),
    Fuse("exfat", "mkfs.exfat", **EXFAT_FUSE),
    Fuse("exfat-4k", "mkfs.exfat", "-c", "4096", **EXFAT_FUSE),
    Fuse("exfat-dirty", "mkfs.exfat", after=patch(106, b"\x02"), reason="not cleanly", fuse="mount.exfat-fuse",
         fsck=("true",)),
]
GPT = "start=10MiB, size=300MiB, type=linux\nstart=315MiB, size=400MiB, type=linux\nstart=720MiB, size=300MiB, type=linux\n" \
    "start=2MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649\n"  # GRUB's core image: nobody's file system
MBR = "start=10MiB, size=300MiB, type=83\nstart=315MiB, size=880MiB, type=5\nstart=317MiB, size=400MiB, type=83\nstart=720MiB, size=300MiB, type=83\n"
CASES = [(animal.name, animal.try_it) for animal in ANIMALS] + [
    (kind.name, in_partition(kind)) for kind in IN_PARTITION] + [
    ("swap", swap),
    ("suspended", suspended),
    ("gpt", partitioned(GPT, "gpt")),
    ("gpt-4kn", gpt_4kn),
    ("shown", shown),
    ("huge-ext4", huge("ext4", *EXT, "-t", "ext4", "-E", "lazy_itable_init=1,lazy_journal_init=1")),
    ("huge-xfs", huge("xfs", *XFS)),
    ("mbr-logical", partitioned(MBR, "dos")),
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
    ("dirty-ntfs", dirty(Fuse("ntfs", *NTFS, called="ntfs", **NTFS_FUSE), "by its $Bitmap", may_free=True)),
    ("dirty-exfat", dirty(Fuse("exfat", "mkfs.exfat", called="exfat", **EXFAT_FUSE), "not cleanly")),
    ("dirty-xfs", dirty(Xfs("xfs", *XFS), "log is not clean")),
    ("dirty-xfs-4096", dirty(Xfs("xfs", *XFS, "-s", "size=4096"), "log is not clean")),
]
BY_NAME = {animal.name: animal for animal in ANIMALS}
CASES += [(f"mutant-{name}", mutant(BY_NAME[name].try_it, of_a_file(BY_NAME[name]))) for name in ("ext4", "xfs", "btrfs")] + [
    ("mutant-ext4-groups", mutant(BY_NAME["ext4"].try_it, at(4096))),
    ("mutant-xfs-header", mutant(BY_NAME["xfs"].try_it, at(0))),
    ("mutant-btrfs-super", mutant(BY_NAME["btrfs"].try_it, at(65536))),
    ("mutant-gap", mutant(partitioned(GPT, "gpt"), at(5 * MIB))),
    ("mutant-boot", mutant(partitioned(GPT, "gpt"), at(2 * MIB + 4096))),
    ("mutant-second-gpt", mutant(partitioned(GPT, "gpt"), at(-4096))),
    ("mutant-logical", mutant(partitioned(MBR, "dos"), at(719 * MIB))),
    ("mutant-raid", mutant(raid1(4096, MIB), at(4096))),
    ("mutant-mirror", mutant(raid1_lvm, at(MIB + 512))),
    ("mutant-swap", mutant(swap, at(0))),
]


def mounts_alone():
    """Mounts of our own: a process that takes a copy of the host's (sandboxes do) would keep ours in use."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x20000):  # CLONE_NEWNS
        raise OSError(ctypes.get_errno(), "unshare")
    run("mount", "--make-rprivate", "/")


def main():
    if os.geteuid() != 0:
        print("needs root for loop devices")
        sys.exit(77)
    mounts_alone()
    if ONLY:
        os.environ.setdefault("ZOO_SEED", "1")
    seed = int(os.environ.get("ZOO_SEED", random.randrange(1 << 30)))
    print(f"ZOO_SEED={seed}", flush=True)
    failed = ran = 0
    for name, try_it in CASES:
        if ONLY and name not in ONLY:
            continue
        work = tempfile.mkdtemp(prefix="p2v-zoo-")
        start = time.monotonic()
        try:
            print(f"{name}: {try_it(work, random.Random(f'{seed}{name}'))} [{time.monotonic() - start:.1f} s]", flush=True)
            ran += 1
        except Skip as why:
            print(f"{name}: left out: {why}", flush=True)
        except (AssertionError, Refused, OSError) as why:
            print(f"{name}: FAILED: {why}", flush=True)
            failed += 1
        finally:
            shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if failed else 0 if ran else 77)


main()
