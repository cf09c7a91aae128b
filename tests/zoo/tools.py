# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cases of the zoo share: programs, images, files and what the map says of them."""
import contextlib
import ctypes
import hashlib
import json
import mmap
import os
import shutil
import subprocess
import time

MIB = 1 << 20
MAP_COPY = AGENT = None  # paths: programs()

def programs(map_copy_path, agent_path):
    global MAP_COPY, AGENT
    MAP_COPY, AGENT = map(os.path.abspath, (map_copy_path, agent_path))


class Skip(Exception):
    pass


class Refused(Exception):
    pass


def run(*argv, ok=(0,), **kw):
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", **kw)
    if done.returncode not in ok:
        raise AssertionError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")


def make(path, size):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with open(path, "wb") as file:
        file.truncate(size)


def noise(rng, mib):
    """Deleted data: pieces of a MiB that do not shrink, none like another."""
    piece = rng.randbytes(MIB - 8)
    for i in range(mib):
        yield i.to_bytes(8, "little") + piece


def make_noise(path, size, rng):
    with open(path, "wb") as file:
        file.writelines(noise(rng, size // MIB))
        file.truncate(size)


def sync(where):
    """That file system, and not those of others beside us."""
    fd = os.open(where, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).syncfs(fd):
        raise OSError(ctypes.get_errno(), f"syncfs of {where}")
    os.close(fd)


@contextlib.contextmanager
def attached(image, *options):
    """A loop device for the image."""
    loop = run("losetup", "-f", "--show", *options, image).strip()
    try:
        yield loop
    finally:
        run("losetup", "-d", loop)


@contextlib.contextmanager
def mounted(image, where, *options, kind=None):
    os.makedirs(where, exist_ok=True)
    loop = [] if image.startswith("/dev/") else ["loop"]
    command = ["mount", "-o", ",".join([*loop, *options]) or "defaults", image, where]
    if kind:
        command[1:1] = ["-t", kind]
    run(*command)
    try:
        yield where
    finally:
        unmount(where)


def unmount(where):
    """A writer that was killed may hold it for a moment."""
    for _ in range(100):
        if subprocess.run(["umount", where], capture_output=True).returncode == 0:
            return
        time.sleep(0.1)
    run("umount", where)


def fill(mnt, rng, room=0.5):
    """Files of all sizes, then deleted data in most of what is left, then holes among them."""
    free = os.statvfs(mnt)
    free = free.f_bavail * free.f_frsize
    os.makedirs(f"{mnt}/d/deep", exist_ok=True)
    written = n = 0
    while written < free * room * 0.6:
        size = rng.choice([0, 100, 4096, 70000, 300000, 2 * MIB])
        with open(f"{mnt}/d/f{n}", "wb") as file:
            file.write(rng.randbytes(size))
        written += size + 4096
        n += 1
    with open(f"{mnt}/d/deep/text", "wb") as file:
        for line in range(100000):
            file.write(b"%d bottles of the same\n" % line)
    with open(f"{mnt}/d/deep/sparse", "wb") as file:
        file.seek(5 * MIB)
        file.write(b"end")
    with contextlib.suppress(OSError):
        with open(f"{mnt}/d/allocated", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, MIB)
            file.seek(8192)
            file.write(b"x" * 5000)
    with contextlib.suppress(OSError):
        with open(f"{mnt}/junk", "wb") as file:
            file.writelines(noise(rng, 1 << 20))
    sync(mnt)
    for i in range(0, n, 3):
        os.unlink(f"{mnt}/d/f{i}")
    os.unlink(f"{mnt}/junk")
    if shutil.which("cp"):
        subprocess.run(["cp", "--reflink=always", f"{mnt}/d/f1", f"{mnt}/d/clone"], capture_output=True)
    sync(mnt)


def digests(mnt, damaged=False):
    """damaged: a file that cannot be read is what it is, and must be so on both sides."""
    found = {}
    for base, dirs, names in os.walk(mnt):
        dirs.sort()
        for name in names:
            path = os.path.join(base, name)
            try:
                with open(path, "rb") as file:
                    found[os.path.relpath(path, mnt)] = hashlib.sha256(file.read()).hexdigest()
            except OSError as why:
                if not damaged:
                    raise
                found[os.path.relpath(path, mnt)] = os.strerror(why.errno)
    return found


def must_notice(copy, offsets, look):
    """As by maps that are wrong, one used block of 4 KiB is missing in the copy: who looks at it must notice."""
    for offset in offsets:
        at = offset // 4096 * 4096 if offset >= 0 else os.path.getsize(copy) + offset
        with open(copy, "rb") as file:
            file.seek(at)
            block = file.read(4096)
        patch(at, b"\xa5" * 4096)(copy)
        try:
            look()
        except AssertionError:
            continue
        finally:
            patch(at, block)(copy)
        raise AssertionError(f"the used block at {at} was dropped, and nobody noticed")


class Region:
    def __init__(self, line):
        depth, used, zero, free, self.what, self.why_used, self.why_free = line.split("\t")
        self.depth, self.used, self.zero, self.free = int(depth), int(used), int(zero), int(free)


def map_copy(source, copy, size=None, kind=None, others=()):
    """others: further disks of the machine."""
    make(copy, size or os.path.getsize(source))
    more = [kind] if kind else ["--with", *others] if others else []
    done = subprocess.run([MAP_COPY, source, copy, *more], capture_output=True, text=True)
    if done.returncode == 3:
        raise Refused(done.stderr)
    if done.returncode:
        raise AssertionError(f"map-copy: exit {done.returncode}: {done.stderr}")
    first, *rest = done.stdout.rstrip("\n").split("\n")
    used, zero, free = map(int, first.split())
    if not kind:
        told(source, rest, others)
    return used, zero, free, [Region(line) for line in rest]


def told(disk, lines, others=()):
    """p2v-agent --map says the same of the same disk, to people in 80 columns and as JSON: regions without a gap
    whose bytes add up."""
    text = run(AGENT, "--map", os.path.basename(disk), *map(os.path.basename, others), cwd=os.path.dirname(disk))
    found, *_ = json.loads(run(AGENT, "--map", "--json", disk, *others))["disks"]
    at, flat = 0, " ".join(text.split())
    for r, line in zip(found["regions"], lines, strict=True):
        # What the host's file system calls a hole changes as it writes back.
        copied = Region(line)
        if (r["used_bytes"] + r["zero_bytes"], r["free_bytes"], r["what"], r["why_used"], r.get("why_free") or "") != \
                (copied.used + copied.zero, copied.free, copied.what, copied.why_used, copied.why_free):
            raise AssertionError(f"--map says {r} and not {line}")
        if r["depth"] == 0 and (r["offset_bytes"] != at or not r["what"] or not r["why_used"]):
            raise AssertionError(f"a gap or a silence at {at}: {r}")
        if r["used_bytes"] + r["zero_bytes"] + r["free_bytes"] != r["length_bytes"] or bool(r["free_bytes"]) != bool(r.get("why_free")):
            raise AssertionError(f"does not add up: {r}")
        for word in ("what", "why_used") if r["used_bytes"] else ("what",):
            if " ".join(r[word].split()) not in flat:
                raise AssertionError(f"'{r[word]}' is not in\n{text}")
        at += r["length_bytes"] if r["depth"] == 0 else 0
    if at != found["size_bytes"]:
        raise AssertionError(f"ends at {at} of {found['size_bytes']}")
    wide = [line for line in text.split("\n") if len(line) > 80]
    if wide:
        raise AssertionError(f"wider than 80 columns: {wide}")


def files_at(disk, words):
    """The names of the files in which the words lie, wherever on the disk they are found."""
    names, at = [], 0
    with open(disk, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        while (at := view.find(words, at)) >= 0:
            names += run(MAP_COPY, "--files", disk, str(at)).strip().split("\n")
            at += 1
    return names


def same(a, b, where):
    if a != b:
        odd = sorted(set(a.items()) ^ set(b.items()))
        raise AssertionError(f"{where}: {len(odd)} files differ, as {odd[:3]}")
    if not a:
        raise AssertionError(f"{where}: no file was looked at")


def patch(at, data, mask=None):
    """Overwrites bytes, or with a mask clears (0) and keeps (1) bits of them."""
    def change(image):
        with open(image, "r+b") as file:
            file.seek(at)
            old = file.read(len(data))
            file.seek(at)
            file.write(bytes(o & d for o, d in zip(old, data)) if mask else data)
    return change


def parts_of(image):
    """(start, length) of each partition that is no container."""
    table = json.loads(run("sfdisk", "-J", image))["partitiontable"]
    unit = int(table.get("sectorsize", 512))
    return [(p["start"] * unit, p["size"] * unit) for p in table["partitions"]
            if p["type"] not in ("5", "f", "85")]


def slice_out(disk, at, n, path):
    with open(disk, "rb") as src, open(path, "wb") as dst:
        src.seek(at)
        shutil.copyfileobj(LimitedReader(src, n), dst, MIB)


class LimitedReader:
    def __init__(self, file, n):
        self.file, self.left = file, n

    def read(self, n):
        data = self.file.read(min(n, self.left))
        self.left -= len(data)
        return data
