# SPDX-License-Identifier: GPL-3.0-or-later
"""File systems that are not clean: a snapshot is taken while somebody writes, and the copy must give after recovery
what the snapshot itself gives after recovery."""
import contextlib
import subprocess
import sys
import time

from kinds import XFS
from tools import MIB, make, mounted, need, run, same


@contextlib.contextmanager
def box(work):
    """A file system whose files can be cloned in one instant, writers or not."""
    make(f"{work}/box", 3000 * MIB)
    run(*XFS, f"{work}/box")
    with mounted(f"{work}/box", f"{work}/boxed") as where:
        yield where


WRITER = r"""
import ctypes, os, random, sys
rng, at = random.Random(int(sys.argv[2])), sys.argv[1]
while True:
    name = f"{at}/w{rng.randrange(40)}"
    if rng.random() < .3 and os.path.exists(name):
        os.unlink(name)
        continue
    fd = os.open(name, os.O_CREAT | os.O_WRONLY, 0o644)
    os.pwrite(fd, rng.randbytes(rng.randrange(1, 400000)), 0)
    if rng.random() < float(sys.argv[3]):
        os.fsync(fd)
    elif rng.random() < .02:
        ctypes.CDLL(None).syncfs(fd)
    os.close(fd)
"""


def dirty(kind, reason, may_free=False, fsync=0.5, rounds=4):
    """Snapshots while somebody writes. Where the map calls nothing free, it says why."""
    def try_it(work, rng):
        need(kind.mkfs[0])
        said = set()
        with box(work) as where:
            live = f"{where}/live"
            kind.build(live, work, rng)
            for _ in range(rounds):
                snap, copy = f"{where}/snap", f"{where}/copy"
                with kind.live(live, work):
                    writer = subprocess.Popen(kind.writer(live, work) or
                                              [sys.executable, "-c", WRITER, f"{work}/mnt", str(rng.random())[2:], str(fsync)])
                    time.sleep(0.5 + rng.random())
                    run("cp", "--reflink=always", live, snap)
                    gone = writer.poll() is not None
                    writer.kill()
                    writer.wait()
                if gone:
                    raise AssertionError("nobody wrote any more when the snapshot was taken")
                free, why = kind.map_copy(snap, copy)
                said |= why
                if free and not may_free:
                    raise AssertionError(f"{free} free: {why}")
                same(kind.recovered(snap, work), kind.recovered(copy, work), "after recovery")
        if not any(reason in text for text in said):
            raise AssertionError(f"said {said}")
        return "; ".join(sorted(said))
    return try_it
