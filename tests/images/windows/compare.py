#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has changed in a Windows' registry, as two readers see it that know nothing of each other.

    compare.py BEFORE AFTER     directories of hives: lines that went (-) and came (+), hive by hive

Exit code 1 where libhivex and libregf do not agree on a hive, or one is not whole.
"""

import sys
from pathlib import Path

import hive


def compare(before, after, out):
    for path in sorted(Path(after).iterdir()):
        if path.suffix.upper().startswith(".LOG"):
            continue
        old = Path(before) / path.name
        was = hive.both(old) if old.exists() else []
        now = hive.both(path)
        gone, come = set(was) - set(now), set(now) - set(was)
        if gone or come:
            out.append(path.name)
            out += sorted([f"- {line}" for line in gone] + [f"+ {line}" for line in come],
                          key=lambda text: (text[2:].lower(), text[0] == "+"))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.split("\n", maxsplit=1)[0])
    out = []
    try:
        compare(sys.argv[1], sys.argv[2], out)
    except ValueError as e:
        sys.exit(str(e))
    print("\n".join(out))


if __name__ == "__main__":
    main()
