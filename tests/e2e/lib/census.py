# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests/images/census.sh said on a serial line: each line behind its checksum, so that one the kernel
spoke into is left out."""

import re

# POSIX cksum: CRC-32 with the polynomial 04c11db7, most significant bit first, the length appended.


def _crc(data):
    crc = 0
    n = len(data)
    while n:
        data += bytes([n & 0xFF])
        n >>= 8
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (0x104C11DB7 if crc & 0x80000000 else 0)
    return crc ^ 0xFFFFFFFF


def read(text):
    """The lines as a set; empty until all of them are there."""
    lines = set()
    for crc, line in re.findall(r"CENSUS ([0-9]+) ([^\r\n]*)", text):
        if _crc((line + "\n").encode()) == int(crc):
            lines.add(line)
    return lines if "end" in lines else set()


def lost(before, after):
    """What was there before and is not any more, and units that have failed since."""
    return sorted(f"lost: {line}" for line in before - after if not line.startswith("failed ")) + \
        sorted(f"new: {line}" for line in after - before if line.startswith("failed "))
