#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the superblocks (version 1.2) of a clean md RAID 1: struct mdp_superblock_1 of linux/raid/md_p.h.

usage: md-superblock.py UUID NAME DATA-OFFSET-SECTORS FILE:START:SECTORS..."""

import hashlib
import struct
import sys

MAGIC, LEVEL, SECTOR, SUPER_AT, ROLES = 0xA92B4EFC, 1, 512, 8, 128


def checksum(block):
    total = sum(struct.unpack(f"<{len(block) // 4}I", block[:len(block) & ~3]))
    return (total & 0xFFFFFFFF) + (total >> 32) & 0xFFFFFFFF


def main():
    uuid, name, offset, *members = sys.argv[1:]
    uuid, offset = bytes.fromhex(uuid.replace(":", "")), int(offset)
    places = [member.rsplit(":", 2) for member in members]
    size = (min(int(sectors) for _, _, sectors in places) - offset) & ~127
    when = 1700000000
    for i, (path, start, sectors) in enumerate(places):
        device = hashlib.md5(f"{name} {i}".encode()).digest()
        array = struct.pack("<4I16s32sQ2IQ", MAGIC, 1, 0, 0, uuid, name.encode(), when, LEVEL, 0, size)
        array += struct.pack("<2I", 0, len(places))
        array = array.ljust(128, b"\0")
        member = struct.pack("<4Q2I16s", offset, int(sectors) - offset, SUPER_AT, 0, i, 0, device).ljust(64, b"\0")
        state = struct.pack("<3Q2I", when, 20, 0xFFFFFFFFFFFFFFFF, 0, ROLES).ljust(64, b"\0")
        roles = struct.pack(f"<{len(places)}H", *range(len(places)))
        block = bytearray(array + member + state + roles + b"\xff\xff" * (ROLES - len(places)))
        struct.pack_into("<I", block, 216, checksum(bytes(block)))
        with open(path, "r+b") as disk:
            disk.seek((int(start) + SUPER_AT) * SECTOR)
            disk.write(block)


main()
