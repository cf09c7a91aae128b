# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks with a phony Windows (tests/images/windows), and what is in them afterwards, read with ntfs-3g's and mtools'
own tools: no appliance, no mount."""

import contextlib
import ctypes
import os
import struct
import subprocess
import tempfile
import time

from lib import server

IMAGES = os.path.normpath(os.path.join(os.path.dirname(__file__), "../../images/windows"))
PYTHON = "/usr/bin/python3"  # Debian's own, which has libhivex and libregf

# What a medium calls the drivers for it.
MEDIA = {"xp": "xp", "2k3": "2k3", "w7": "w7", "2k8r2": "2k8R2", "2k12r2": "2k12R2", "w10": "w10", "2k16": "2k16", "2k19": "2k19",
         "2k22": "2k22", "w11": "w11", "2k25": "2k25"}


def require():
    server.require("qemu-img", "qemu-system-x86_64", "sfdisk", "mkntfs", "ntfs-3g", "ntfscat", "mcopy", "mkfs.vfat", PYTHON)
    if not os.path.exists("/dev/fuse"):
        server.skip("there is no /dev/fuse, by which ntfs-3g fills a disk")
    if subprocess.run([PYTHON, "-c", "import hivex, pyregf"], stderr=subprocess.DEVNULL).returncode:
        server.skip("python3-hivex or python3-libregf is not installed")


def script(name, *argv, check=True):
    return subprocess.run([PYTHON, "-B", os.path.join(IMAGES, name), *argv], check=check, capture_output=True, text=True)


def make_disk(work, system, *words):
    disk = os.path.join(work, f"{system}.img")
    script("windows.py", "--disk", disk, "--system", system, "--with", ",".join(words))
    script("windows.py", "--nouns", os.path.join(work, "nouns"), "--system", system)
    return disk


def machine(work):
    """machine.json of the disk that was made last."""
    return os.path.join(work, "nouns", "machine.json")


def make_media(work, system):
    """A directory with the drivers for it."""
    media = os.path.join(work, "virtio-win")
    script("media.py", "-o", media, "--systems", MEDIA[system])
    return media


# Of the Windows folder: owned by the administrators; they and the system may do everything, users may read, and what is
# made below it gets the same (MS-DTYP 2.4: a security descriptor in self-relative form).
SYSTEM, ADMINISTRATORS, USERS = b"\1\1\0\0\0\0\0\5\x12\0\0\0", b"\1\2\0\0\0\0\0\5\x20\0\0\0\x20\2\0\0", \
    b"\1\2\0\0\0\0\0\5\x20\0\0\0\x21\2\0\0"
FULL, READ, WRITE, INHERITED_BY_ALL = 0x1F01FF, 0x1200A9, 0x500D0156, 3


def access_list(*entries):
    aces = b"".join(struct.pack("<BBHI", 0, INHERITED_BY_ALL, 8 + len(sid), mask) + sid for sid, mask in entries)
    acl = struct.pack("<BBHHH", 2, 0, 8 + len(aces), len(entries), 0) + aces
    owner = 20 + len(acl)
    return struct.pack("<BBHIIII", 1, 0, 0x8004, owner, owner + len(ADMINISTRATORS), 0, 20) + acl + ADMINISTRATORS * 2


@contextlib.contextmanager
def mounted(partition, *options):
    with tempfile.TemporaryDirectory() as folder:
        # In the foreground: it has written everything when it ends, some time after the unmounting.
        with subprocess.Popen(["ntfs-3g", "-o", ",".join(["no_detach", *options]), partition, folder],
                              stderr=subprocess.DEVNULL) as running:
            while not os.path.ismount(folder):
                if running.poll() is not None:
                    raise OSError(f"ntfs-3g ended with {running.returncode}")
                time.sleep(0.05)
            try:
                yield folder
            finally:
                subprocess.run(["umount", folder], check=True)


def lock_down(disk):
    """Every folder and file below Windows gets the list that it would have there."""
    with contextlib.ExitStack() as stack:
        image = stack.enter_context(tempfile.TemporaryDirectory(dir=os.path.dirname(disk)))
        taken = Image(disk, "raw", image)
        with mounted(taken.part("windows"), "rw") as root:
            for top, _, files in os.walk(os.path.join(root, "Windows")):
                for path in [top, *(os.path.join(top, name) for name in files)]:
                    os.setxattr(path, "system.ntfs_acl", access_list((SYSTEM, FULL), (ADMINISTRATORS, FULL), (USERS, READ)))
        subprocess.run(["dd", f"if={taken.part('windows')}", f"of={disk}", "bs=512", f"seek={taken.start('windows')}",
                        "conv=notrunc", "status=none"], check=True)


def list_of(path):
    """The entries that allow something: SID and mask. (os.getxattr() asks with a buffer that ntfs-3g overruns.)"""
    room = ctypes.create_string_buffer(1 << 16)
    n = ctypes.CDLL(None).getxattr(path.encode(), b"system.ntfs_acl", room, len(room))
    raw = room.raw[:n]
    acl = struct.unpack_from("<I", raw, 16)[0]
    at, entries = acl + 8, []
    for _ in range(struct.unpack_from("<H", raw, acl + 4)[0]):
        kind, _, size, mask = struct.unpack_from("<BBHI", raw, at)
        entries += [(raw[at + 8:at + size], mask)] if kind == 0 else []
        at += size
    return entries


def open_to_all(partition, top="Windows"):
    """What others than administrators and the system may write below it."""
    with mounted(partition, "ro") as root:
        return sorted(os.path.relpath(path, root) for folder, _, files in os.walk(os.path.join(root, top))
                      for path in [folder, *(os.path.join(folder, name) for name in files)]
                      if any(sid not in (SYSTEM, ADMINISTRATORS) and mask & WRITE for sid, mask in list_of(path)))


class Image:
    """A disk image, taken apart into files below FOLDER."""

    def __init__(self, image, image_format, folder):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.raw = folder, os.path.join(folder, "disk.raw")
        subprocess.run(["qemu-img", "convert", "-f", image_format, "-O", "raw", image, self.raw], check=True)
        self.parts = {}
        dump = subprocess.run(["sfdisk", "--dump", self.raw], check=True, capture_output=True, text=True).stdout
        for line in dump.splitlines():
            if " : " in line and "start=" in line:
                fields = dict(f.strip().split("=") for f in line.partition(" : ")[2].split(",") if "=" in f)
                self.parts[int(fields["start"])] = (int(fields["size"]), fields["type"])

    def start(self, content):
        esp = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
        return max((s for s, p in self.parts.items() if (p[1] == esp) == (content == "esp")), key=lambda s: self.parts[s][0])

    def part(self, content):
        """The largest NTFS one ("windows"), or the EFI system partition ("esp"), as a file."""
        start = self.start(content)
        size = self.parts[start][0]
        path = os.path.join(self.folder, content)
        if not os.path.exists(path):
            subprocess.run(["dd", f"if={self.raw}", f"of={path}", "bs=512", f"skip={start}", f"count={size}",
                            "conv=sparse", "status=none"], check=True)
        return path

    def ntfs(self, path):
        """A file's bytes, or None."""
        done = subprocess.run(["ntfscat", self.part("windows"), path], capture_output=True)
        return None if done.returncode else done.stdout

    def esp(self, path):
        done = subprocess.run(["mcopy", "-n", "-i", self.part("esp"), f"::/{path}", "-"], capture_output=True)
        return None if done.returncode else done.stdout

    def tree(self, files, top="Windows"):
        """A directory with these of its files, and its hives."""
        root = os.path.join(self.folder, "root")
        hives = [f"System32/config/{n}" for n in ("SYSTEM", "SOFTWARE", "DRIVERS", "SAM", "SECURITY", "DEFAULT")]
        for path in hives + list(files):
            data = self.ntfs(f"{top}/{path}")
            if data is None:
                continue
            target = os.path.join(root, top, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(data)
        return root

    def hives(self):
        return os.path.join(self.tree(()), "Windows/System32/config")
