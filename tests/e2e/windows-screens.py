#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Windows shows when it starts, shown by programs that do nothing else, and what p2v prove makes of it.

Pictures (tests/images/windows/screens.py) are shown by GRUB; a boot sector writes with the firmware's own letters, in
text mode and on a blue ground of 640 x 480, where Windows up to 7 stops.

usage: windows-screens.py [--build DIR] [CASE]..."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

from lib import cases, server, vm

sys.path.insert(0, os.path.normpath(os.path.join(os.path.dirname(__file__), "../images/windows")))

import screens  # pylint: disable=wrong-import-position

MIB = 1 << 20
GRUB = "/usr/lib/grub/i386-pc"
CASES = cases.Cases()
need = cases.need

SECTOR = """
        .code16
        .globl _start
_start: cld
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %ss
        mov     $0x7c00, %sp
        mov     $MODE, %ax
        int     $0x10
        mov     $0x1000, %ax            # colour 0 is blue
        mov     $0x0100, %bx
        int     $0x10
        mov     $text, %si
1:      lodsb
        test    %al, %al
        jz      2f
        mov     $0x0e, %ah
        mov     $0x000f, %bx
        int     $0x10
        jmp     1b
2:      hlt
        jmp     2b
text:   .asciz  "{text}"
        .org    510
        .word   0xaa55
"""
TEXT_MODE, BLUE = 3, 0x12
STOP = ("A problem has been detected and Windows has been shut down to prevent damage\\r\\nto your computer.\\r\\n\\r\\n"
        "Technical information:\\r\\n\\r\\n"
        "*** STOP: 0x0000007B (0xF78D2524,0xC0000034,0x00000000,0x00000000)\\r\\n")
# Shows a picture, which comes on the screen with the next thing that is written; and writes to its disk as a
# running system does.
SHOW = """insmod all_video
set gfxmode=1024x768x32,1024x768
terminal_output gfxterm
background_image (hd0,msdos1)/screen.tga
echo
{writes}
sleep 3600
"""
WRITE = "save_env -f (hd0,msdos1)/grubenv root\n"
MODULES = ["biosdisk", "part_msdos", "fat", "all_video", "vbe", "terminal", "gfxterm", "gfxterm_background", "tga",
           "echo", "loadenv", "sleep"]


def disk_of(steps):
    path = os.path.join(steps.work, "job", "output", "disk0.raw")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def make_sector(steps, mode, text):
    source, binary = os.path.join(steps.work, "boot.s"), os.path.join(steps.work, "boot.o")
    with open(source, "w") as file:
        file.write(f"MODE = {mode}\n" + SECTOR.replace("{text}", text))
    steps.run("as", ["as", "--32", "-o", binary, source])
    steps.run("ld", ["ld", "-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary", "-o", disk_of(steps), binary])
    os.truncate(disk_of(steps), MIB)


def targa(points):
    """24 bits, from the top."""
    head = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, screens.WIDTH, screens.HEIGHT, 24, 0x20)
    turned = bytearray(points)
    turned[0::3], turned[2::3] = points[2::3], points[0::3]
    return head + bytes(turned)


def make_show(steps, name, writes=False):
    """A disk from which GRUB shows the picture."""
    work = Path(steps.work)
    if not hasattr(steps, "pictures"):
        steps.pictures = screens.pictures(work)
    (work / "screen.tga").write_bytes(targa(steps.pictures[name]))
    (work / "grubenv").write_bytes(b"# GRUB Environment Block\n".ljust(1024, b"#"))
    (work / "show.cfg").write_text(SHOW.replace("{writes}", WRITE * 8 if writes else ""))
    steps.run("grub", ["grub-mkimage", "-O", "i386-pc", "-p", "(hd0,msdos1)/", "-c", str(work / "show.cfg"), "-o",
                       str(work / "core.img"), *MODULES])
    disk, part = disk_of(steps), work / "part.img"
    with open(part, "wb") as file:
        file.truncate(31 * MIB)
    steps.run("fat", ["mkfs.vfat", "-F", "16", str(part)])
    steps.run("files", ["mcopy", "-i", str(part), str(work / "screen.tga"), str(work / "grubenv"), "::/"])
    boot = bytearray(Path(GRUB, "boot.img").read_bytes()[:512])
    # Code for floppy disks lies where the table of partitions has to be.
    boot[446:510] = struct.pack("<B3sB3sII", 0x80, b"\0\2\0", 6, b"\xff\xff\xff", 2048, 31 * 2048).ljust(64, b"\0")
    core = (work / "core.img").read_bytes()
    need(len(core) < MIB - 512, "GRUB's program does not fit before the partition")
    Path(disk).write_bytes((bytes(boot) + core).ljust(MIB, b"\0") + part.read_bytes())


def describe(steps):
    """A machine that is handed over, by hand."""
    output = {
        "version": 1, "name": "winscreen", "uuid": "5e2a1c34-0000-4c5c-9f5a-000000000001", "target": "kvm",
        "machine": "pc", "firmware": "bios", "arch": "x86_64", "os": "windows", "memory_bytes": 256 * MIB, "cpus": 1,
        "rtc": "localtime", "domain_xml": "output/winscreen.xml", "start_script": "output/start", "grade": "generic",
        "hyperv": ["relaxed", "vapic", "spinlocks", "vpindex", "runtime", "synic", "stimer", "frequencies"],
        "disks": [{"id": "disk0", "path": "output/disk0.raw", "format": "raw", "size_bytes": os.path.getsize(disk_of(steps)),
                   "file_bytes": os.path.getsize(disk_of(steps)), "boot_order": 1, "bus": "virtio-blk"}],
        "nics": []}
    with open(os.path.join(steps.work, "job", "output.json"), "w") as file:
        json.dump(output, file)


def prove(steps, verdict, *words):
    job = os.path.join(steps.work, "job")
    describe(steps)
    done = steps.run("prove", [steps.program("p2v"), "prove", job, "--timeout", "90", "--progress", "none"],
                     expect=(0, 1, 2, 3), limit_s=200)
    with open(os.path.join(job, "proof.json")) as file:
        proof = json.load(file)
    said = f"{proof['verdict']}: {proof['reason']}"
    print(f"      {said[:200]}", flush=True)
    need(proof["verdict"] == verdict, f"not {verdict} but {said} ({done.stderr.strip()}) {proof['checks']}")
    for word in words:
        need(word in proof["reason"] or word in json.dumps(proof["checks"]), f"does not say '{word}': {said}")
    need(os.path.getsize(os.path.join(job, "proof", "screen.png")) > 500, "no picture")


@CASES.add
def stop_xp(steps):
    """A stop for want of a disk driver, in letters on blue: named by its number."""
    make_sector(steps, BLUE, STOP)
    prove(steps, "failed", "INACCESSIBLE_BOOT_DEVICE", "0x7B")


@CASES.add
def boot_sector(steps):
    """What a boot sector says in text mode."""
    make_sector(steps, TEXT_MODE, "BOOTMGR is missing\\r\\nPress Ctrl+Alt+Del to restart\\r\\n")
    prove(steps, "failed", "boot")


@CASES.add
def stop_7(steps):
    """Windows 7's stop."""
    make_show(steps, "7 stops")
    prove(steps, "failed", "INACCESSIBLE_BOOT_DEVICE", "0x7B")


@CASES.add
def stop_10(steps):
    """Windows 10's, which has a name and no number."""
    make_show(steps, "10 stops")
    prove(steps, "failed", "INACCESSIBLE_BOOT_DEVICE", "0x7B")


@CASES.add
def repair(steps):
    """Its recovery."""
    make_show(steps, "automatic repair")
    prove(steps, "failed", "automatic repair")


@CASES.add
def login(steps):
    """A login, and a disk that is written to."""
    make_show(steps, "10 waits", writes=True)
    prove(steps, "proven", "Ctrl+Alt+Delete", "writes")


@CASES.add
def quiet(steps):
    """A login on a disk that nothing is written to is no proof."""
    make_show(steps, "10 waits")
    prove(steps, "partial", "0 writes")


if __name__ == "__main__":
    server.require("qemu-system-x86_64", "as", "ld", "tesseract", "grub-mkimage", "mkfs.vfat", "mcopy")
    if not screens.chromium() or not os.path.exists(f"{GRUB}/boot.img"):
        server.skip("chromium or grub-pc-bin is not installed")
    with vm.heavy_lock():
        CASES.main("windows-screens", __doc__)
