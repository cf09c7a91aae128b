#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes disks and directories in the shape of an installed Windows, with nothing of Windows in them.

    windows.py --list
    windows.py -o DIR --system 2k19 [--with agents,filters]   DIR poses as the guest's root
    windows.py --disk FILE --system 2k19 [--with ...]         a whole disk, raw and sparse (as root)
    windows.py --nouns DIR --system 2k19 [--with ...]         storage.json and machine.json of that disk

In a directory the EFI system partition's files are in Windows/Boot, where a conversion mounts it.
Beside the words that systems.FEATURES has, --with takes: scsi-only (XP and 2003: no driver for IDE is installed; scsi-only-loose: they lie beside),
dirty (SYSTEM was not written back),
old-logs (of hives that were), unclean (the volume was not unmounted), hibernated, test-signing, removable-absent, removable-foreign, bitlocker, dynamic (disks only).
"""

import argparse
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import bcd
import hive
import pe
import systems

MIB = 1 << 20
SIGNATURE = 0x5E2A1C34
GUID_DISK = "5E2A1C34-1111-4D2B-9F10-000000000000"
GUID_PART = "5E2A1C34-1111-4D2B-9F10-00000000000"
TYPES = {"esp": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "msr": "E3C9E316-0B5C-4DB8-817D-F92DF00215AE",
         "data": "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
         "recovery": "DE94BBA4-06D1-4D40-A16A-BFD50179D6AC",
         "ldm": "AF9B60A0-1431-4F62-BC68-3311714A69AD"}
WORDS = ["scsi-only", "scsi-only-loose", "dirty", "old-logs", "unclean", "hibernated", "test-signing", "removable-absent", "removable-foreign",
         "bitlocker", "dynamic"]


class Part:
    """A partition: sectors, what it is, and a name of its content."""

    def __init__(self, number, start, sectors, kind, content=None, label=""):
        self.number, self.start, self.sectors, self.kind = number, start, sectors, kind
        self.content, self.label = content, label

    @property
    def guid(self):
        return GUID_PART + str(self.number)


def parts(s):
    """The partitions that its setup makes, the last being small here."""
    if s.firmware == systems.UEFI:
        return [Part(1, 2048, 40 * 2048, "esp", "esp"),
                Part(2, 43 * 2048, 16 * 2048, "msr"),
                Part(3, 60 * 2048, 300 * 2048, "data", "windows"),
                Part(4, 361 * 2048, 20 * 2048, "recovery", "recovery", "Recovery")]
    if s.version < (6, 1):
        start = 63 if s.old else 2048
        return [Part(1, start, 300 * 2048, "data", "windows")]
    return [Part(1, 2048, 30 * 2048, "data", "boot", "System Reserved"),
            Part(2, 32 * 2048, 300 * 2048, "data", "windows")]


def part_of(s, content):
    found = [p for p in parts(s) if p.content == content]
    return found[0] if found else part_of(s, "windows")


def where(s, part):
    """The partition as BCD and MountedDevices name it."""
    return part.guid if s.firmware == systems.UEFI else part.start * 512


def mounted_device(s):
    part = part_of(s, "windows")
    if s.firmware == systems.UEFI:
        return b"DMIO:ID:" + uuid.UUID(part.guid).bytes_le
    return struct.pack("<IQ", SIGNATURE, part.start * 512)


# ---- files ----

def put(root, path, data=b""):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data if isinstance(data, bytes) else data.encode())


def make_bcd(s, words, path):
    uefi = s.firmware == systems.UEFI
    disk = GUID_DISK if uefi else SIGNATURE
    bcd.make(disk, where(s, part_of(s, "esp" if uefi else "boot")), where(s, part_of(s, "windows")),
             uefi, s.product, "test-signing" in words).write(path)


def make_esp(s, words, root):
    """The EFI system partition."""
    name = "bootx64.efi" if s.arch == systems.AMD64 else "bootia32.efi"
    manager = pe.program(s.arch, "boot manager")
    put(root, "EFI/Microsoft/Boot/bootmgfw.efi", manager)
    put(root, "EFI/Microsoft/Boot/memtest.efi", pe.program(s.arch, "memory test"))
    put(root, "EFI/Microsoft/Boot/en-US/bootmgfw.efi.mui", pe.program(s.arch, "words"))
    make_bcd(s, words, root / "EFI/Microsoft/Boot/BCD")
    if "removable-foreign" in words:
        put(root, f"EFI/BOOT/{name.upper()}", pe.program(s.arch, "another system's loader"))
        put(root, "EFI/debian/shimx64.efi", pe.program(s.arch, "shim"))
    elif "removable-absent" not in words:
        put(root, f"EFI/Boot/{name}", manager)


def make_boot(s, words, root):
    """What a BIOS starts: ntldr and boot.ini, or bootmgr and its BCD."""
    if s.old:
        title = s.product.replace("Microsoft ", "")
        put(root, "boot.ini", "[boot loader]\r\ntimeout=30\r\n"
            "default=multi(0)disk(0)rdisk(0)partition(1)\\WINDOWS\r\n[operating systems]\r\n"
            f"multi(0)disk(0)rdisk(0)partition(1)\\WINDOWS=\"{title}\" /noexecute=optin /fastdetect\r\n")
        put(root, "ntldr", b"\xe9" + bytes(511))
        put(root, "NTDETECT.COM", b"MZ" + bytes(510))
        return
    put(root, "bootmgr", b"\xe9" + bytes(511))
    make_bcd(s, words, root / "Boot/BCD")


def driver_files(s):
    names = ["disk", "pci", "partmgr", "intelppm", "atapi", "intelide", "pciide", s.storage, s.nic]
    names += ["ftdisk"] if s.old else ["volmgr", "storahci" if s.database else "msahci"]
    names += ["stornvme"] if s.version >= (6, 3) else []
    names += ["vpci"] if s.database else []
    return names


def leave_out_ide(s, root, top, loose):
    """As the setup of XP and 2003 does where there is no such controller: the drivers lie in a cabinet, or beside."""
    names = ["atapi.sys", "intelide.sys", "pciide.sys"]
    for name in names:
        (root / top / "system32/drivers" / name).unlink()
    if loose:
        for name in names:
            put(root, f"{top}/system32/dllcache/{name}", pe.program(s.arch, name[:-4]))
        return
    cache = root / top / "Driver Cache" / ("amd64" if s.arch == systems.AMD64 else "i386")
    cache.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as work:
        for cabinet, inside in (("sp2.cab", names[1:]), ("driver.cab", names + ["disk.sys"])):
            for name in inside:
                put(Path(work), name.upper(), pe.program(s.arch, f"{name[:-4]} of {cabinet}"))
            run("gcab", "--create", "--zip", "--nopath", str(cache / cabinet), *[f"{work}/{name.upper()}" for name in inside])


def make_windows(s, words, root):
    """The system's own volume."""
    top = s.directory
    sys32 = f"{top}/system32" if s.old else f"{top}/System32"
    built = systems.hives(s, mounted_device(s))
    for word in words:
        if word in systems.FEATURES:
            systems.FEATURES[word](s, built)
    for name, content in built.items():
        real = name.lower() if s.old and name not in ("SAM", "SECURITY") else name
        content.write(root / sys32 / "config" / real)
        if name == "SYSTEM" and "dirty" in words:
            hive.make_dirty(root / sys32 / "config" / real)
        if "old-logs" in words:
            hive.leave_logs(root / sys32 / "config" / real)
    for name in ("ntoskrnl.exe", "hal.dll", "cmd.exe", "winload.exe", "reg.exe", "sc.exe") + \
            (("pnputil.exe",) if not s.old else ()):
        put(root, f"{sys32}/{name}", pe.program(s.arch, name))
    for name in driver_files(s):
        put(root, f"{sys32}/drivers/{name}.sys", pe.program(s.arch, name))
    if "scsi-only" in words or "scsi-only-loose" in words:
        leave_out_ide(s, root, top, "scsi-only-loose" in words)
    put(root, f"{top}/inf/mshdc.inf", "[Version]\r\nSignature=\"$Windows NT$\"\r\n")
    put(root, f"{top}/Fonts/arial.ttf")
    (root / top / ("Temp" if s.old else "temp")).mkdir()
    put(root, "Program Files/desktop.ini")
    put(root, ("Documents and Settings" if s.old else "Users") + "/Default/x.txt", "x\r\n")
    put(root, "pagefile.sys", bytes(4096))
    if "strict" in words and not s.old:
        put(root, f"{sys32}/CodeIntegrity/SIPolicy.p7b", b"\x30\x82")
    if not s.old:
        put(root, f"{sys32}/DriverStore/FileRepository/mshdc.inf_{s.arch}_0123456789abcdef/mshdc.inf")
    if "hibernated" in words:
        put(root, "hiberfil.sys", b"hibr".ljust(4096, b"\0"))


def make_tree(s, words, root):
    root = Path(root)
    make_windows(s, words, root)
    if s.firmware == systems.UEFI:
        make_esp(s, words, root / s.directory / "Boot")
    else:
        make_boot(s, words, root)


# ---- disks ----

def run(*argv, text=None):
    done = subprocess.run(argv, input=text, text=True, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, argv))}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def make_ntfs(image, part, tree):
    """By ntfs-3g, which ends when the volume is written back."""
    with open(image, "wb") as file:
        file.truncate(part.sectors * 512)
    run("mkntfs", "-F", "-Q", "-q", "-p", str(part.start), "-H", "255", "-S", "63", "-s", "512",
        "-L", part.label or "Windows", image)
    with tempfile.TemporaryDirectory() as mount:
        fuse = subprocess.Popen(["ntfs-3g", "-o", "no_detach", image, mount], stderr=subprocess.DEVNULL)
        try:
            while not os.path.ismount(mount):
                if fuse.poll() is not None:
                    sys.exit("ntfs-3g: cannot mount (is there a /dev/fuse?)")
                time.sleep(0.02)
            shutil.copytree(tree, mount, dirs_exist_ok=True, copy_function=shutil.copyfile)
        finally:
            if os.path.ismount(mount):
                run("umount", mount)
            fuse.wait()


def make_vfat(image, part, tree):
    with open(image, "wb") as file:
        file.truncate(part.sectors * 512)
    run("mkfs.vfat", "-F", "32", "-s", "1", "-i", "5E2A1C34", "-h", str(part.start), image)
    for entry in sorted(Path(tree).iterdir()):
        run("mcopy", "-s", "-i", image, str(entry), "::/")


def spoil_log(image):
    """$LogFile (record 2) does not say that all is written: rubbish is where its first restart page was."""
    found = run("ntfsinfo", "-f", "-v", "-i", "2", image)
    first = int(re.search(r"Runlist:.*\n\s+0x0\s+(0x[0-9a-f]+)", found).group(1), 16)
    cluster = int(re.search(r"Cluster Size: (\d+)", run("ntfsinfo", "-f", "-m", image)).group(1))
    with open(image, "r+b") as file:
        file.seek(first * cluster)
        file.write(b"RSTR" + b"\1" * 508)


def encrypt(image):
    """The head of a BitLocker volume, as of Windows 7 on, and of the three copies of what describes it (by cryptsetup's and
    libbde's documents): nobody can look inside."""
    copies = [2 * MIB, 4 * MIB, 6 * MIB]
    with open(image, "r+b") as file:
        file.write(b"\xeb\x58\x90-FVE-FS-")
        file.seek(0xA0)
        file.write(uuid.UUID("4967D63B-2E29-4AD8-8399-F6A339E3D001").bytes_le + struct.pack("<QQQ", *copies))
        file.seek(64 << 10)
        file.write(os.urandom(MIB))
        for copy in copies:
            file.seek(copy)
            file.write(b"-FVE-FS-" + struct.pack("<HH", 64, 2) + bytes(52))


MAKERS = {"windows": (make_windows, make_ntfs), "boot": (make_boot, make_ntfs),
          "recovery": (lambda s, words, root: put(root, "Recovery/WindowsRE/Winre.wim", b"MSWIM\0\0\0"),
                       make_ntfs),
          "esp": (make_esp, make_vfat)}


def fill(s, words, part, disk, work):
    tree, image = Path(work) / f"tree{part.number}", str(Path(work) / f"part{part.number}")
    tree.mkdir()
    make_files, make_volume = MAKERS[part.content]
    make_files(s, words, tree)
    if part.content == "windows" and s.firmware == systems.BIOS and len(parts(s)) == 1:
        make_boot(s, words, tree)
    make_volume(image, part, tree)
    if part.content == "windows" and "unclean" in words:
        spoil_log(image)
    if part.content == "windows" and "bitlocker" in words:
        encrypt(image)
    run("dd", f"if={image}", f"of={disk}", "bs=64k", "conv=sparse,notrunc", "oflag=seek_bytes",
        f"seek={part.start * 512}", "status=none")


def table(s, words):
    """What sfdisk is told."""
    if s.firmware == systems.UEFI:
        kind = {**TYPES, "data": TYPES["ldm"] if "dynamic" in words else TYPES["data"]}
        head = [f"label: gpt\nlabel-id: {GUID_DISK}\nunit: sectors\n"]
        return "\n".join(head + [f"start={p.start}, size={p.sectors}, type={kind[p.kind]}, "
                                 f"uuid={p.guid}" for p in parts(s)]) + "\n"
    kind = "42" if "dynamic" in words else "7"
    head = [f"label: dos\nlabel-id: {SIGNATURE:#x}\nunit: sectors\n"]
    return "\n".join(head + [f"start={p.start}, size={p.sectors}, type={kind}" +
                             (", bootable" if p.number == 1 else "") for p in parts(s)]) + "\n"


def make_disk(s, words, disk):
    with open(disk, "wb") as file:
        file.truncate(disk_bytes(s))
    run("sfdisk", "-q", disk, text=table(s, words))
    if s.firmware == systems.BIOS:
        # The words of the boot code that setup writes.
        with open(disk, "r+b") as file:
            file.write(b"\x33\xc0\x8e\xd0\xbc\x00\x7c")
            file.seek(0x163)
            file.write(b"Invalid partition table\0Error loading operating system\0"
                       b"Missing operating system\0")
    with tempfile.TemporaryDirectory() as work:
        for part in parts(s):
            if part.content:
                fill(s, words, part, disk, work)


# ---- what inspection and agent say of it ----

def disk_bytes(s):
    last = parts(s)[-1]
    return (last.start + last.sectors) * 512 + MIB


def storage(s, words):
    """The part of facts.json that is not read from files."""
    kinds = {"windows": "BitLocker" if "bitlocker" in words else "ntfs", "boot": "ntfs", "recovery": "ntfs",
             "esp": "vfat", None: ""}
    gpt = s.firmware == systems.UEFI
    return {"version": 1,
            "disks": [{"id": "disk0", "device": "/dev/sda", "size_bytes": disk_bytes(s),
                       "table": "gpt" if gpt else "dos", "boot_code": "unknown"}],
            "filesystems": [
                {"device": f"/dev/sda{p.number}", "disk": "disk0", "part": p.number,
                 "kind": kinds[p.content], "uuid": f"5E2A1C340000000{p.number}", "label": p.label,
                 "partuuid": p.guid.lower() if gpt else f"5e2a1c34-0{p.number}",
                 "offset_bytes": p.start * 512, "size_bytes": p.sectors * 512,
                 "unclean": p.content == "windows" and "unclean" in words,
                 "esp": p.kind == "esp"} for p in parts(s) if p.content]}


def machine(s):
    """machine.json: what the agent found."""
    return {"version": 1, "name": "web01", "uuid": "4c4c4544-0042-3510-8052-b4c04f4a4e31",
            "arch": "x86_64", "firmware": s.firmware, "memory_bytes": 4 << 30, "cpus": 4,
            "rtc": "localtime",
            "disks": [{"id": "disk0", "path": "/dev/sda", "size_bytes": disk_bytes(s),
                       "logical_sector_bytes": 512, "physical_sector_bytes": 512, "bus": "ata"}],
            "nics": [{"name": f"eth{c.number - 1}", "mac": c.mac, "driver": "e1000e",
                      "pci": f"0000:{c.bus:02x}:00.0"} for c in systems.cards(s)]}


def write_nouns(s, words, folder):
    for name, noun in (("storage", storage(s, words)), ("machine", machine(s))):
        put(Path(folder), f"{name}.json", json.dumps(noun, indent=2) + "\n")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--list", action="store_true")
    p.add_argument("--system", choices=systems.SYSTEMS)
    p.add_argument("--with", dest="words", default="")
    p.add_argument("-o", "--output")
    p.add_argument("--disk")
    p.add_argument("--nouns")
    args = p.parse_args()
    words = [w for w in args.words.split(",") if w]
    for word in words:
        if word not in WORDS and word not in systems.FEATURES:
            p.error(f"{word}: is none of {', '.join(WORDS + list(systems.FEATURES))}")
    if args.list:
        print("\n".join(systems.SYSTEMS))
        return
    if not args.system or not (args.output or args.disk or args.nouns):
        p.error("say --system, and -o, --disk or --nouns")
    s = systems.SYSTEMS[args.system]
    if args.output:
        make_tree(s, words, args.output)
    if args.disk:
        make_disk(s, words, args.disk)
    if args.nouns:
        write_nouns(s, words, args.nouns)


if __name__ == "__main__":
    main()
