#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the seeds that are Windows': corpus/hive, corpus/catalog-inf and corpus/catalog-pe.

A seed of corpus/hive poses as SYSTEM, SOFTWARE and BCD at once.

usage: windows-seeds.py"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "images/windows"))

# pylint: disable=wrong-import-position
import bcd
import media
import pe
import systems
import windows


def make_hive(name, words):
    s = systems.SYSTEMS[name]
    built = systems.hives(s, windows.mounted_device(s))
    for word in words:
        systems.FEATURES[word](s, built)
    one = built["SYSTEM"]
    one.keys.update(built["SOFTWARE"].keys)
    one.keys.update(bcd.make(windows.GUID_DISK, windows.GUID_PART + "1", windows.GUID_PART + "3", True,
                             test_signing=True).keys)
    path = HERE / "corpus/hive" / name
    one.write(path)


def main():
    make_hive("2k19", ["filters", "agents", "team", "pending"])
    make_hive("2k3", ["utc", "cluster"])
    for driver, system, arch in ((0, "w10", "amd64"), (2, "w7", "x86"), (3, "2k3", "x86"), (7, "2k25", "amd64")):
        d = media.DRIVERS[driver]
        text = media.inf_text(d, media.SYSTEMS[system][1], arch)
        data = b"\xff\xfe" + text.encode("utf-16-le") if d.utf16 else text.encode()
        path = HERE / "corpus/catalog-inf" / f"{d.name}-{system}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for arch, signing in (("amd64", "sha256"), ("x86", "sha1"), ("amd64", "self"), ("arm64", None)):
        path = HERE / "corpus/catalog-pe" / f"{arch}-{signing}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pe.program(arch, "seed", signing))
    (HERE / "corpus/catalog-pe/signed-data").write_bytes(pe.signed_data("self"))


if __name__ == "__main__":
    main()
