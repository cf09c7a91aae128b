# SPDX-License-Identifier: GPL-3.0-or-later
"""Link probes: each room's library links whole with the rooms that it may include, what these need, and
their outside libraries, and nothing else. What the includes cannot show (an extern, a macro) shows here.

And purity: the rooms wire and plan call nothing that opens, reads, writes, sleeps, logs or asks the
time: every symbol that they leave undefined is on the short list below or belongs to an allowed room.

usage: link.py BUILD_DIR"""
import glob
import os
import re
import subprocess
import sys

import house

build = os.path.abspath(sys.argv[1])
all_rooms = house.rooms()
PURE = {"wire": "core model block", "plan": "core model"}
PURE_LIBC = re.compile(
    r"^(mem\w+|str(n?len|n?cmp|n?casecmp|r?chr|n?dup|spn|cspn|pbrk|str|tou?ll?|tod)|malloc|calloc|realloc|free|"
    r"v?snprintf|qsort|bsearch|__(str|mem|v?snprintf|isoc99|stack_chk|fprintf)\w*|__ctype_b_loc|tolower|toupper|"
    r"ZSTD_\w+|_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|tsan|gcov|llvm|sanitizer)\w*|is\w+)$")
# Symbols of allowed rooms that would break purity all the same.
IMPURE = re.compile(r"^(p2v_(proc|publish|file|dir|progress|stop|now|sleep|opt|json_(load|save))|block_(io|file|nbd))")
bad = []


def archive(room):
    return os.path.join(build, room.folder, f"libp2v-{room.name}.a")


def archives(room):
    """Its library, and those parts of it that not everybody links."""
    parts = glob.glob(os.path.join(build, room.folder, f"libp2v-{room.name}-*.a"))
    return [a for a in [archive(room), *sorted(parts)] if os.path.exists(a)]


def symbols(path, flag):
    out = subprocess.run(["nm", flag, path], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1] for line in out.split("\n") if line.strip() and not line.endswith(":")}


def below_of(room):
    """The rooms that it may include, and what these need in turn."""
    return {deep for name in room.may for deep in (name, *below_of(all_rooms[name]))}


def probe(room):
    names = below_of(room)
    below = [a for name in sorted(names) for a in archives(all_rooms[name])]
    outside = {flag for name in (*names, room.name) for flag in all_rooms[name].links}
    ran = subprocess.run(
        ["cc", "-shared", "-o", "/dev/null", "-Wl,-z,defs", "-Wl,--whole-archive", *archives(room),
         "-Wl,--no-whole-archive", "-Wl,--start-group", *below, "-Wl,--end-group", *sorted(outside), "-lm", "-lpthread"],
        capture_output=True, text=True)
    return [f"{room.name}: {line}" for line in ran.stderr.split("\n") if "undefined" in line][:5] if ran.returncode else []


sanitized = False
probed = 0
for room in all_rooms.values():
    if not os.path.exists(archive(room)):
        continue
    undefined = symbols(archive(room), "-u")
    sanitized = sanitized or any(s.startswith("__asan") for s in undefined)
    if not sanitized:
        bad += probe(room)
        probed += 1
    if room.name in PURE:
        own = symbols(archive(room), "--defined-only")
        for other in PURE[room.name].split():
            if os.path.exists(archive(all_rooms[other])):
                own |= symbols(archive(all_rooms[other]), "--defined-only")
        for symbol in sorted(undefined):
            if IMPURE.match(symbol) or not (symbol in own or PURE_LIBC.match(symbol)):
                bad.append(f"{room.name}: calls {symbol}, and this room is pure")

print(f"{probed} rooms linked" if not sanitized else "sanitizer build: purity only")
if not sanitized and not probed:
    bad.append(f"no room's library was found below {build}")
house.report("link", bad)
