# SPDX-License-Identifier: GPL-3.0-or-later
"""File systems: how each is made, filled, looked at and checked."""
import contextlib
import mmap
import os
import shutil
import subprocess
import time

from tools import (MIB, attached, digests, fill, make, make_noise, map_copy, mounted, must_notice, need, patch, run,
                   same, slice_out, unmount)


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
    drops = ()         # used blocks that must not be missing: where, or a function of (kind, image, work, rng) that says it

    def __init__(self, name, *mkfs, **kw):
        self.name, self.mkfs = name, mkfs
        self.__dict__.update(kw)

    def build(self, image, work, rng):
        need(self.mkfs[0], *self.needs)
        make(image, self.size)
        self.make_fs(image)
        with self.live(image, work):
            fill(f"{work}/mnt", rng)

    def make_fs(self, image):
        run(*self.mkfs, image)

    def live(self, image, work):
        return mounted(image, f"{work}/mnt", *self.writing, kind=self.kind)

    def writer(self, image, work):
        """The arguments of a program that writes there until it is killed; None: any that writes to what is mounted."""
        return None

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

    def map_copy(self, image, copy):
        """What is called free, and what is said of the rest."""
        _, _, free, regions = map_copy(image, copy, kind=self.called)
        return free, {regions[0].why_used}

    def try_it(self, work, rng):
        image, copy = f"{work}/disk", f"{work}/copy"
        self.build(image, work, rng)
        used, zero, free, regions = map_copy(image, copy)
        if self.reason:
            if free or self.reason not in regions[0].why_used:
                raise AssertionError(f"{free} bytes free, and {regions[0].why_used}")
        elif free < self.size * self.free:
            raise AssertionError(f"only {free // MIB} MiB of {self.size // MIB} free: {regions[0].why_used}")
        there = self.digests(image, work)
        drops = [drop(self, image, work, rng) if callable(drop) else drop for drop in self.drops]

        def look():
            self.check(copy)
            same(there, self.digests(copy, work), self.name)
        look()
        must_notice(copy, drops, look)
        return f"{used >> 20} MiB used, {zero >> 20} zero, {free >> 20} free" + \
            (f" ({regions[0].why_used})" if not free else "")


def block_of_a_file(kind, image, work, rng):
    """Some block of some file, found by what is in it."""
    with mounted(image, f"{work}/mnt", "ro", *kind.options):
        names = sorted(os.listdir(f"{work}/mnt/d"))
        big = [name for name in names if name.startswith("f") and os.path.getsize(f"{work}/mnt/d/{name}") > 65536]
        with open(f"{work}/mnt/d/{rng.choice(big)}", "rb") as file:
            file.seek(rng.randrange(15) * 4096)
            block = file.read(4096)
    with open(image, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        return view.find(block)


class Ext(Kind):
    fsck = ("e2fsck", "-fn")


class Xfs(Kind):
    size = 400 * MIB
    options = ("nouuid",)
    fsck = ("xfs_repair", "-n")


class Btrfs(Kind):
    size = 400 * MIB
    fsck = ("btrfs", "check", "--readonly", "--check-data-csum")


class BtrfsPair(Btrfs):
    """Over two devices, which are the halves of one file: so both can be cloned in the same instant."""
    def half(self, i):
        return i * self.size // 2, self.size // 2

    @contextlib.contextmanager
    def devices(self, image):
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(attached(image, "-o", str(at), "--sizelimit", str(n)))
                   for at, n in map(self.half, range(2))]

    def make_fs(self, image):
        with self.devices(image) as devices:
            run(*self.mkfs, *devices)

    @contextlib.contextmanager
    def live(self, image, work):
        with self.devices(image) as devices:
            os.makedirs(f"{work}/mnt", exist_ok=True)
            run("mount", "-o", ",".join(f"device={d}" for d in devices), devices[0], f"{work}/mnt")
            try:
                yield f"{work}/mnt"
            finally:
                unmount(f"{work}/mnt")
                # Else the kernel takes a copy's device for this one.
                run("btrfs", "device", "scan", "--forget", *devices)

    def recovered(self, image, work):
        with self.live(image, work) as mnt:
            found = digests(mnt)
        with self.devices(image) as devices:
            run(*self.fsck, devices[0])
        return found

    def map_copy(self, image, copy):
        free, said = 0, set()
        make(copy, self.size)
        for i in range(2):
            slice_out(image, *self.half(i), f"{image}.half")
            _, _, n, regions = map_copy(f"{image}.half", f"{copy}.half")
            free += n
            said.add(regions[0].why_used)
            run("dd", f"if={copy}.half", f"of={copy}", "bs=1M", f"seek={self.half(i)[0] // MIB}", "conv=notrunc", "status=none")
        return free, said


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
        with self.live(image, work):
            fill(f"{work}/mnt", rng)
        if self.after:
            self.after(image)

    @contextlib.contextmanager
    def fused(self, image, where, *options):
        os.makedirs(where, exist_ok=True)
        with attached(image) as loop:
            run(self.fuse, *options, loop, where)
            try:
                yield
            finally:
                unmount(where)

    def live(self, image, work):
        return self.fused(image, f"{work}/mnt", *self.writing)

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
        make_noise(image, self.size, rng)
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

    def digests(self, image, work, damaged=False):
        shutil.rmtree(f"{work}/out", ignore_errors=True)
        os.makedirs(f"{work}/out")
        run("mcopy", "-i", image, "-s", "-n", "::/files", f"{work}/out", ok=(0, 1) if damaged else (0,))
        return digests(f"{work}/out")


class FatDirty(Fat):
    """Looked at by mtools, as it is and mended."""
    def digests(self, image, work, damaged=False):
        shutil.rmtree(f"{work}/out", ignore_errors=True)
        os.makedirs(f"{work}/out")
        run("mcopy", "-i", image, "-s", "-n", "::/*", f"{work}/out", ok=(0, 1) if damaged else (0,))
        return digests(f"{work}/out")

    def recovered(self, image, work):
        found = {f"as it is: {name}": digest for name, digest in self.digests(image, work, damaged=True).items()}
        run("fsck.vfat", "-a", image, ok=(0, 1))
        return found | self.digests(image, work)


class FatLive(FatDirty):
    """Written to by a FUSE program, as not every kernel knows FAT; it spoils FAT16."""
    needs = ("mcopy", "mdel", "fusefat")

    @contextlib.contextmanager
    def live(self, image, work):
        """Without a loop device, whose cache would hold back what is written."""
        where = f"{work}/mnt"
        os.makedirs(where, exist_ok=True)
        process = subprocess.Popen([self.fuse, "-f", "-o", "rw+", image, where], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not os.path.ismount(where) and process.poll() is None:
                time.sleep(0.05)
            yield where
            unmount(where)
            process.wait()
        finally:
            process.kill()
            process.wait()


FAT_WRITER = """
while :
do name=::/w$((RANDOM % 30))
    if ((RANDOM % 3))
    then head -c $((RANDOM * 5)) /dev/urandom > "$2/part"; mcopy -o -i "$1" "$2/part" $name
    else mdel -i "$1" $name
    fi
done 2> /dev/null
"""


class FatTools(FatDirty):
    """Written to by mtools, which do not mark it as dirty: a snapshot may have one of the two tables written, or neither."""
    def live(self, image, work):
        return contextlib.nullcontext()

    def writer(self, image, work):
        return ["bash", "-c", FAT_WRITER, "bash", image, work]


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


NTFS = ["mkntfs", "-F", "-Q", "-q"]
EXT = ["mke2fs", "-q", "-F"]
BTRFS = ["mkfs.btrfs", "-q", "-f"]
XFS = ["mkfs.xfs", "-q", "-f"]
ANIMALS = [
    Ext("ext2", *EXT, "-t", "ext2"),
    Ext("ext3-1k", *EXT, "-t", "ext3", "-b", "1024"),
    Ext("ext4", *EXT, "-t", "ext4", drops=(block_of_a_file, 4096)),
    Ext("ext4-1k", *EXT, "-t", "ext4", "-b", "1024"),
    Ext("ext4-bigalloc", *EXT, "-t", "ext4", "-O", "bigalloc", "-C", "65536"),
    Ext("ext4-metabg", *EXT, "-t", "ext4", "-O", "meta_bg,^resize_inode"),
    Ext("ext4-uninit", *EXT, "-t", "ext4", "-O", "^metadata_csum,uninit_bg,^64bit", "-g", "4096"),
    Ext("ext4-64bit-lazy", *EXT, "-t", "ext4", "-O", "64bit", "-E", "lazy_itable_init=1"),
    Ext("ext4-odd-size", *EXT, "-t", "ext4", "-O", "bigalloc", "-C", "65536", size=300 * MIB + 5120),
    Btrfs("btrfs", *BTRFS, drops=(block_of_a_file, 65536)),
    Btrfs("btrfs-dup", *BTRFS, "-d", "dup", "-m", "dup", free=0.1),
    Btrfs("btrfs-mixed", *BTRFS, "--mixed", size=200 * MIB),
    Btrfs("btrfs-old", *BTRFS, "-O", "^skinny-metadata,^no-holes", "-R", "^free-space-tree", "-n", "4096"),
    Btrfs("btrfs-zstd", *BTRFS, writing=("compress-force=zstd",)),
    Btrfs("btrfs-xxhash", *BTRFS, "--csum", "xxhash", reason="checksums"),
    Xfs("xfs", *XFS, drops=(block_of_a_file, 0)),
    Xfs("xfs-4096", *XFS, "-s", "size=4096"),
    Xfs("xfs-rmap", *XFS, "-m", "rmapbt=1,reflink=1"),
    Xfs("xfs-old", *XFS, "-m", "reflink=0,bigtime=0,inobtcount=0", "-b", "size=1024"),
    Xfs("xfs-stripe-log", *XFS, "-l", "su=256k"),
    Ext("ext4-new", *EXT, "-t", "ext4", "-O", "inline_data,fast_commit,orphan_file,sparse_super2,ea_inode,mmp"),
    Xfs("xfs-new", *XFS, "-i", "nrext64=1,size=1024", "-n", "size=16384", "-m", "bigtime=1,inobtcount=1,rmapbt=1"),
    Snapshots("btrfs-snapshots", *BTRFS),
    Btrfs("btrfs-64k", *BTRFS, "-n", "65536", "-R", "quota"),
]
NTFS_FUSE = {"fuse": "ntfs-3g", "writing": ("-o", "big_writes"), "fsck": ("ntfsfix", "-n")}
VFAT = ["mkfs.vfat"]
FAT_FUSE = {"called": "vfat", "fuse": "fusefat"}
EXFAT_FUSE = {"fuse": "mount.exfat-fuse", "fsck": ("fsck.exfat", "-n")}
IN_PARTITION = [
    Fuse("ntfs", *NTFS, **NTFS_FUSE),
    Fuse("ntfs-512", *NTFS, "-c", "512", **NTFS_FUSE),
    Fuse("ntfs-64k", *NTFS, "-c", "65536", **NTFS_FUSE),
    Fuse("ntfs-dirty", *NTFS, after=ntfs_dirty, reason="marked as dirty", **{**NTFS_FUSE, "fsck": ("true",)}),
    Fuse("ntfs-log", *NTFS, after=ntfs_log, reason="log is not clean", **{**NTFS_FUSE, "fsck": ("true",)}),
    Fuse("ntfs-lag", *NTFS, after=ntfs_lag, **{**NTFS_FUSE, "fsck": ("true",)}),
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
