# SPDX-License-Identifier: GPL-3.0-or-later
"""Files by a byte of them: for what could not be read."""
import os

from kinds import BTRFS, NTFS, NTFS_FUSE, XFS, Btrfs, Fuse, Xfs
from tools import MIB, files_at, make, need, run


def ntfs_names(work, rng):
    """A file of NTFS is named by a byte of it; so are a folder and the list of all files."""
    disk = f"{work}/disk"
    kind = Fuse("ntfs", *NTFS, size=40 * MIB, **NTFS_FUSE)
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
