#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a file's used blocks to where the extents of a linear or striped logical volume lie.

usage: volume-fill.py FILE SEGMENTS PVS

SEGMENTS: lvs' seg_start, seg_size, stripes, stripe_size, vg_extent_size, seg_pe_ranges, a segment a line;
PVS: pvs' pv_name and pe_start; all in bytes."""

import os
import sys

BLOCK = 65536


def segments(path, starts):
    with open(path) as lines:
        for line in lines:
            start, size, _, stripe, extent, *ranges = line.split()
            places = []
            for one in ranges:
                pv, extents = one.rsplit(":", 1)
                places.append((pv, starts[pv] + int(extents.split("-")[0]) * int(extent)))
            yield int(start), int(size), int(stripe) or int(size), places


def main():
    file, segment_file, pv_file = sys.argv[1:]
    with open(pv_file) as lines:
        starts = {pv: int(start) for pv, start in (line.split() for line in lines)}
    pvs = {pv: os.open(pv, os.O_WRONLY) for pv in starts}
    with open(file, "rb") as source:
        for start, size, stripe, places in segments(segment_file, starts):
            source.seek(start)
            step = min(stripe, BLOCK)
            for at in range(0, size, step):
                data = source.read(step)
                if not data.strip(b"\0"):
                    continue
                row, inside = divmod(at, stripe)
                pv, place = places[row % len(places)]
                os.pwrite(pvs[pv], data, place + row // len(places) * stripe + inside)
    for pv in pvs.values():
        os.fsync(pv)


main()
