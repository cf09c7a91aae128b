# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be said of the text alone: the licence line, the format, the calls that are banned, no
shell in product code, and that the files which the guides name are there."""
import os
import re
import subprocess

import house

SPDX = "SPDX-License-Identifier: GPL-3.0-or-later"
# Calls with no bound, or that hand a string to a shell, or that end the process from a library.
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|system|popen|alloca|mktemp|tmpnam|"
                    r"atoi|atol|sscanf)\s*\(")
EXITS = re.compile(r"\b(exit|_exit|abort)\s*\(|\b(perror|printf|puts)\s*\(|\bassert\s*\(")
PROGRAMS = ("p2v/cli/", "p2v/recv/main.c", "p2v/daemon/main.c", "agent/main.c", "p2v/core/opt.c", "p2v/core/proc.c",
            "p2v/core/stop.c")
bad = []

for path in house.files(".c", ".h", ".py", ".sh", "meson.build"):
    head = "\n".join(house.read(path).split("\n")[:3])
    if SPDX not in head:
        bad.append(f"{path}: the first lines do not say {SPDX}")

for path in house.files(".c", ".h"):
    if path.startswith("tests/"):
        continue
    code = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), house.read(path), flags=re.S)
    code = re.sub(r'"(\\.|[^"\\\n])*"', '""', code)
    for number, line in enumerate(code.split("\n"), 1):
        if BANNED.search(line):
            bad.append(f"{path}:{number}: banned call: {line.strip()}")
        if EXITS.search(line) and not path.startswith(PROGRAMS):
            bad.append(f"{path}:{number}: a library neither prints nor ends the process: {line.strip()}")

sources = house.files(".c", ".h")
for at in range(0, len(sources), 50):
    ran = subprocess.run(["clang-format", "--dry-run", "-Werror", *sources[at:at + 50]],
                         cwd=house.ROOT, capture_output=True, text=True)
    bad += [line for line in ran.stderr.split("\n") if "error:" in line]

# `p2v/wire/frame.c`, `msg.c` in a guide: a path from the root, or a file beside the one before it.
for guide in ("README.md", "p2v/doc/HACKING.md"):
    folder = ""
    for name in re.findall(r"`([\w./-]+\.[ch]|[\w-]+/[\w./-]+)`", house.read(guide)):
        folder = os.path.dirname(name) or folder
        path = os.path.join(folder, os.path.basename(name))
        if name.split("/")[0] in ("p2v", "agent", "converters", "drivers-inject", "tests") or "/" not in name:
            if not os.path.exists(os.path.join(house.ROOT, path)):
                bad.append(f"{guide}: names {path}, which is not there")

house.report("text", bad)
