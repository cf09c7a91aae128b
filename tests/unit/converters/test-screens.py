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


def read(program, ppm, picture):
    ppm.write_bytes(picture)
    return subprocess.run([program, ppm], check=True, capture_output=True, text=True, timeout=120).stdout.strip()


def main():
    if not screens.chromium() or not shutil.which("tesseract"):
        print("chromium or tesseract-ocr is not installed")
        sys.exit(77)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        ppm, head = Path(folder, "screen.ppm"), b"P6 %d %d 255\n" % (screens.WIDTH, screens.HEIGHT)
        pictures = screens.pictures(Path(folder))
        tests = [(name, head + pictures[name], kind, words) for name, *_, kind, words in screens.SCREENS]
        tests += [(numbers, screens.stop(numbers), "failure", words) for numbers, words in screens.STOPS]
        for name, picture, kind, words in tests:
            said = read(sys.argv[1], ppm, picture)
            ok = said.startswith(kind) and words in said
            failed += not ok
            print(f"{'ok' if ok else 'FAIL'} {name}: {said}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
