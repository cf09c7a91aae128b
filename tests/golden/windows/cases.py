# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows in a directory, and one walk through it, for the tests beside this file."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

IMAGES = Path(__file__).resolve().parents[2] / "images/windows"
sys.path.insert(0, str(IMAGES))

# pylint: disable=wrong-import-position
import compare
import lookup
import media
import systems
import windows

# What a medium calls the drivers for it.
MEDIA = {"xp": "xp", "2k3": "2k3", "2k3-x64": "2k3", "2k12": "2k12", "2k8": "2k8", "w7": "w7", "w7-x86": "w7", "2k8r2": "2k8R2",
         "2k12r2": "2k12R2", "w10": "w10", "w10-x86": "w10", "2k16": "2k16", "2k19": "2k19",
         "2k22": "2k22", "w11": "w11", "2k25": "2k25"}
LIMIT_S = 60


class Case:
    """TOP/root is the guest; TOP/virtio the medium, if there is one."""

    def __init__(self, top, system, words=(), drivers=True, layout="iso"):
        self.top, self.system, self.words = Path(top), systems.SYSTEMS[system], list(words)
        self.root = self.top / "root"
        windows.make_tree(self.system, self.words, self.root)
        windows.write_nouns(self.system, self.words, self.top)
        self.media = None
        if drivers:
            self.media = self.top / "virtio"
            media.make_tree(self.media, layout, systems=[MEDIA[system]])
        self.keep_before()

    def keep_before(self):
        """What registry() compares with."""
        shutil.copytree(self.config(), self.top / "before", dirs_exist_ok=True)

    def config(self):
        return lookup.find(self.root, "windows", "system32", "config")

    def walk(self, program, limit_s=LIMIT_S):
        """The program's exit code and what it said."""
        argv = [program, "root", "."] + (["virtio"] if self.media else [])
        done = subprocess.run(argv, cwd=self.top, capture_output=True, text=True, timeout=limit_s,
                              errors="backslashreplace", check=False)
        return done.returncode, done.stderr.strip()

    def noun(self, name):
        return json.loads((self.top / f"{name}.json").read_text())

    def registry(self):
        """What has changed in the hives, as two readers see it."""
        out = []
        compare.compare(self.top / "before", self.config(), out)
        return out

    def starts_on(self, device):
        """Whether each control set has a driver for it that starts, with its file."""
        reg = lookup.Registry(lookup.find(self.config(), "system"))
        found = list(lookup.look(reg, device))
        for ccs, _, service, _ in found:
            if not service:
                return False
            try:
                lookup.file_of(reg, ccs, service, self.root)
            except StopIteration:
                return False
        return bool(found)


def tree_digest(root):
    """Every file's bytes and every directory."""
    return {str(p.relative_to(root)): p.read_bytes() if p.is_file() and not p.is_symlink() else None
            for p in sorted(Path(root).rglob("*"))}
