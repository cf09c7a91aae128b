#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hives that are to do harm: p2v ends soon and with a sentence, or converts what it understands; what the guest says
is nowhere in what Windows would run; a guest that is refused stays as it was.

usage: hostile.py WALK [WORDS]     those whose name holds the words; HOSTILE_VERBOSE=1 shows each sentence"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cases
import spoil

SYSTEMS = ("2k19", "w7")
LIMIT_S, LIMIT_BYTES = 60, 700 << 20
# Hives that can be read here and there, and are refused before anything is changed.
NO_TREES = ("list-leads-to-the-root", "every-list-leads-to-the-root")


class Wrong(Exception):
    """It did harm."""


def need(ok, text):
    if not ok:
        raise Wrong(text)


def make(top, system, name):
    """The guest, with its SYSTEM or what its hives say spoiled."""
    words = [name] if name in spoil.WORDED else []
    case = cases.Case(top, system, words)
    if name in spoil.BYTES:
        path = cases.lookup.find(case.config(), "system")
        path.write_bytes(spoil.BYTES[name](path.read_bytes()))
        case.keep_before()
    return case


def limit():
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT_BYTES, LIMIT_BYTES))


def walk(case, program):
    try:
        done = subprocess.run([program, "root", ".", "virtio"], cwd=case.top, capture_output=True, timeout=LIMIT_S,
                              preexec_fn=limit, check=False)
    except subprocess.TimeoutExpired as e:
        raise Wrong(f"does not end within {LIMIT_S} s") from e
    said = done.stderr.decode("utf-8", "backslashreplace").strip()
    need(done.returncode in (0, 1, 3), f"ends with {done.returncode}: {said}")
    need(done.returncode == 0 or said, f"ends with {done.returncode} and without a word")
    need("no memory" not in said and "out of memory" not in said, f"wants more than {LIMIT_BYTES >> 20} MiB: {said}")
    need(not any(ord(c) < 0x20 and c not in "\n\t" or 0x7F <= ord(c) < 0xA0 for c in said), "raw control characters")
    return done.returncode, said


def check_scripts(case):
    """Batch files say what p2v says, line by line."""
    for path in Path(case.root).rglob("*.cmd"):
        text = path.read_bytes()
        need(b"CANARY" not in text, f"{path.name} holds the guest's words")
        need(all(0x20 <= c < 0x7F or c in b"\r\n" for c in text), f"{path.name} holds more than plain text")


def read_alike(folder):
    """Readers that know nothing of each other need not agree on what is spoiled."""
    try:
        for path in folder.iterdir():
            cases.compare.hive.both(path)
    except ValueError:
        return False
    return True


def run(system, name, program, top):
    case = make(top, system, name)
    before = cases.tree_digest(case.root)
    code, said = walk(case, program)
    planned = (case.top / "plan.json").exists()
    if code == 3 or not planned:
        need(cases.tree_digest(case.root) == before, "refused, and changed all the same")
    need(code or name not in NO_TREES, "keys that are no tree, and it was converted")
    if code:
        return said
    check_scripts(case)
    if read_alike(case.top / "before"):
        case.registry()
    done = cases.tree_digest(case.root)
    need(walk(case, program)[0] == 0, "converted, then refused")
    need(cases.tree_digest(case.root) == done, "converted twice, and files differ")
    return "converted"


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    program, wanted = str(Path(sys.argv[1]).resolve()), sys.argv[2] if len(sys.argv) > 2 else ""
    cases.systems.FEATURES.update(spoil.WORDED)
    tests = [(s, n) for s in SYSTEMS for n in [*spoil.BYTES, *spoil.WORDED] if wanted in f"{s}:{n}"]
    failed = 0
    print(f"1..{len(tests)}")
    for i, (system, name) in enumerate(tests, 1):
        start = time.monotonic()
        try:
            with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as top:
                said = run(system, name, program, top)
            word = "ok"
        except (Wrong, ValueError) as e:
            said, word, failed = str(e), "not ok", failed + 1
            print(f"{system}:{name}: {e}", file=sys.stderr)
        print(f"{word} {i} - {system}:{name} # {time.monotonic() - start:.1f} s", flush=True)
        if os.environ.get("HOSTILE_VERBOSE"):
            print(f"#   {said.splitlines()[0][:200]}", flush=True)
    sys.exit(1 if failed or not tests else 0)


if __name__ == "__main__":
    main()
