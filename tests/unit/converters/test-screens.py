#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Screens of a Windows are read by what p2v prove reads them with.

usage: test-screens.py SCREEN_WORDS"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "images/windows"))

import screens  # pylint: disable=wrong-import-position


def main():
    if not screens.chromium() or not shutil.which("tesseract"):
        print("chromium or tesseract-ocr is not installed")
        sys.exit(77)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        pictures = screens.pictures(Path(folder))
        for name, *_, kind, words in screens.SCREENS:
            ppm = Path(folder, "screen.ppm")
            ppm.write_bytes(b"P6 %d %d 255\n" % (screens.WIDTH, screens.HEIGHT) + pictures[name])
            said = subprocess.run([sys.argv[1], ppm], check=True, capture_output=True, text=True, timeout=60).stdout.strip()
            ok = said.startswith(kind) and words in said
            failed += not ok
            print(f"{'ok' if ok else 'FAIL'} {name}: {said}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
