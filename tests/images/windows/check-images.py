#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The phony Windows are what they pose as: each hive of each is read alike by libhivex and libregf, its own
controller's driver would start, and virtio's would not.

usage: check-images.py"""

import sys
import tempfile
from pathlib import Path

import hive
import lookup
import systems
import windows

OWN = {"atapi": "ide", "msahci": "ahci", "storahci": "ahci"}


def look(tree, device):
    reg = lookup.Registry(lookup.find(tree, "windows", "system32", "config", "system"))
    return [service for _, _, service, _ in lookup.look(reg, device)]


def check(s, tree):
    windows.make_tree(s, [], tree)
    hives = [p for p in Path(tree).rglob("*") if p.is_file() and p.read_bytes()[:4] == b"regf"]
    if len(hives) < 5 or (not s.old and not any(p.name == "BCD" for p in hives)):
        raise ValueError(f"{s.name}: has {len(hives)} hives")
    for path in hives:
        hive.both(path)
    if any(look(tree, "virtio-blk")) or any(look(tree, "virtio-scsi")):
        raise ValueError(f"{s.name}: starts on virtio as it is")
    if s.storage in OWN and not s.old and not all(look(tree, OWN[s.storage])):
        raise ValueError(f"{s.name}: does not start on its own machine")
    print(f"{s.name}: {len(hives)} hives")


def main():
    for s in systems.SYSTEMS.values():
        with tempfile.TemporaryDirectory() as tree:
            check(s, tree)


if __name__ == "__main__":
    try:
        main()
    except ValueError as e:
        sys.exit(str(e))
