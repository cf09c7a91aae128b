# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lints share: the tree's files, and the rooms as p2v/doc/LAYERS draws them."""
import os
import re
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


class Room:
    def __init__(self, name, folder, may, headers, links):
        self.name, self.folder = name, folder
        self.may, self.headers, self.links = may, headers, links


def rooms():
    """The rooms in the order of the page, each allowed to name only rooms above it."""
    found = {}
    with open(os.path.join(ROOT, "p2v/doc/LAYERS")) as page:
        for line in page:
            words = line.split("#")[0].split()
            if not words:
                continue
            parts = {"may": [], "lib:": [], "link:": []}
            at = "may"
            for word in words[2:]:
                if word in ("lib:", "link:"):
                    at = word
                elif word != "-":
                    parts[at].append(word)
            for other in parts["may"]:
                if other not in found:
                    sys.exit(f"LAYERS: {words[0]} names {other}, which does not stand above it")
            found[words[0]] = Room(words[0], words[1], parts["may"], parts["lib:"], parts["link:"])
    return found


def files(*suffixes):
    """Every file of the tree with one of the suffixes, as paths from the root: what git tracks, or
    all of it where this is no checkout."""
    try:
        listed = subprocess.run(
            ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"],
            check=True, capture_output=True, text=True).stdout.split("\n")
    except (OSError, subprocess.CalledProcessError):
        listed = [os.path.relpath(os.path.join(base, name), ROOT)
                  for base, dirs, names in os.walk(ROOT)
                  if "/build" not in base and "/." not in base for name in names]
    return sorted(p for p in listed if p.endswith(suffixes) and os.path.exists(os.path.join(ROOT, p)))


def room_of(path, all_rooms):
    """The room with the longest folder that holds the path, or None."""
    best = None
    for room in all_rooms.values():
        if path.startswith(room.folder + "/") and (not best or len(room.folder) > len(best.folder)):
            best = room
    return best


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)


def report(title, bad):
    for line in bad:
        print(line)
    print(f"{title}: {len(bad)} found" if bad else f"{title}: fine")
    sys.exit(1 if bad else 0)
