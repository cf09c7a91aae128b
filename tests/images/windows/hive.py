# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry hives for tests: written by libhivex, read by it or by libregf, as lines to compare.

    hive.py [--regf] HIVE       each key and value as a line
    hive.py --both HIVE         ... where both readers agree; else exit code 1
"""

import argparse
import struct
import sys

import hivex

SZ, EXPAND, BINARY, DWORD, MULTI, QWORD = 1, 2, 3, 4, 7, 11
NAMES = {0: "none", SZ: "sz", EXPAND: "expand", BINARY: "binary", DWORD: "dword", MULTI: "multi",
         QWORD: "qword"}
PAGE = 4096
ONE_BYTE = b"?"


def utf16(text):
    return text.encode("utf-16-le") + b"\0\0"


class Expand(str):
    """A text with %variables%: REG_EXPAND_SZ."""


class Typed(tuple):
    """(type, bytes) as they are."""


def encode(value):
    """(type, bytes) of what stands for a value: int, str, list, bytes, None, Expand, Typed."""
    if isinstance(value, Typed):
        return tuple(value)
    if value is None:
        return 0, b""
    if isinstance(value, int):
        return (DWORD, struct.pack("<I", value)) if value < 1 << 32 else \
            (QWORD, struct.pack("<Q", value))
    if isinstance(value, bytes):
        return BINARY, value
    if isinstance(value, str):
        return EXPAND if isinstance(value, Expand) else SZ, utf16(value)
    return MULTI, b"".join(utf16(v) for v in value) + b"\0\0"


def minimal():
    """The smallest hive that libhivex writes to: a root key and its security cell."""
    base = bytearray(PAGE)
    base[0:4] = b"regf"
    struct.pack_into("<II", base, 4, 1, 1)          # written back in full
    struct.pack_into("<IIII", base, 20, 1, 5, 0, 1)  # 1.5, a file, loaded as it is
    struct.pack_into("<III", base, 36, 0x20, PAGE, 1)
    cells = bytearray(PAGE)
    cells[0:4] = b"hbin"
    struct.pack_into("<II", cells, 4, 0, PAGE)
    struct.pack_into("<i2sH", cells, 0x20, -0x58, b"nk", 0x2C)
    struct.pack_into("<II", cells, 0x20 + 0x20, 0xFFFFFFFF, 0xFFFFFFFF)
    struct.pack_into("<III", cells, 0x20 + 0x2C, 0xFFFFFFFF, 0x78, 0xFFFFFFFF)
    struct.pack_into("<H2x4s", cells, 0x20 + 0x4C, 4, b"ROOT")
    struct.pack_into("<i2sHIIII", cells, 0x78, -0x30, b"sk", 0, 0x78, 0x78, 1, 20)
    cells[0x78 + 24], cells[0x78 + 27] = 1, 0x80
    struct.pack_into("<I", cells, 0xA8, PAGE - 0xA8)
    return seal(bytes(base)) + bytes(cells)


def seal(base):
    """The base block with its checksum."""
    total = 0
    for (word,) in struct.iter_unpack("<I", base[:508]):
        total ^= word
    return base[:508] + struct.pack("<I", total) + base[512:]


def make_dirty(path):
    """As a crash leaves it: one write more began than ended, and what it wrote is in the logs."""
    with open(path, "r+b") as file:
        base = bytearray(file.read(PAGE))
        struct.pack_into("<I", base, 4, struct.unpack_from("<I", base, 8)[0] + 1)
        file.seek(0)
        file.write(seal(bytes(base)))
    for log in (path.parent / (path.name + ".LOG1"), path.parent / (path.name + ".LOG2")):
        log.write_bytes(seal(bytes(base))[:512] + b"HvLE".ljust(512, b"\0"))


def leave_logs(path):
    """As a shutdown leaves it: all is in the hive, and its logs still hold what was written before, and after."""
    base = path.read_bytes()[:512]
    for i, log in enumerate((path.parent / (path.name + ".LOG1"), path.parent / (path.name + ".LOG2"))):
        entry = struct.pack("<4sIII", b"HvLE", 512, 0, struct.unpack_from("<I", base, 4)[0] + i).ljust(512, b"\0")
        log.write_bytes(base + entry)


class Hive:
    """Keys and values on their way into a hive."""

    def __init__(self):
        self.keys = {}

    def key(self, path, **values):
        """Values whose names are words; others by set()."""
        self.keys.setdefault(path, {}).update(values)
        return self

    def set(self, path, values):
        return self.key(path, **values)

    def write(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(minimal())
        h = hivex.Hivex(str(path), write=True)
        nodes = {"": h.root()}
        for key, values in self.keys.items():
            node = self.node(h, nodes, key)
            h.node_set_values(node, [{"key": name, "t": t, "value": data} for name, (t, data) in
                                     ((n, encode(v)) for n, v in values.items())])
        h.commit(None)

    def node(self, h, nodes, path):
        known = nodes.get(path.lower())
        if known is None:
            parent, _, name = path.rpartition("\\")
            known = h.node_add_child(self.node(h, nodes, parent), name)
            nodes[path.lower()] = known
        return known


def line(path, name, kind, data):
    """One value as a person reads it."""
    text = None
    if kind in (SZ, EXPAND, MULTI) and len(data) % 2 == 0:
        text = data.decode("utf-16-le", "backslashreplace")
        if text.endswith("\0"):
            text = text[:-1]
        else:
            text = None
    shown = repr(text) if text is not None else \
        f"{int.from_bytes(data, 'little'):#x}" if kind in (DWORD, QWORD) else data.hex(" ")
    return f"{path} [{name}] {NAMES.get(kind, hex(kind))}:{shown}"


def walk_hivex(path):
    h = hivex.Hivex(str(path))

    def walk(node, key):
        yield key, None
        for value in h.node_values(node):
            kind, data = h.value_value(value)
            yield key, (h.value_key(value), kind & 0xFFFFFFFF, data)
        for child in h.node_children(node):
            yield from walk(child, f"{key}\\{h.node_name(child)}" if key else h.node_name(child))
    yield from walk(h.root(), "")


def walk_regf(path):
    import pyregf  # pylint: disable=import-outside-toplevel

    file = pyregf.file()
    file.open(str(path))

    def walk(node, key):
        yield key, None
        for value in node.values:
            data = value.data or b""
            # libregf 20201007 reads each value of one byte as 0.
            yield key, (value.name or "", value.type, data if len(data) != 1 else ONE_BYTE)
        for child in node.sub_keys:
            yield from walk(child, f"{key}\\{child.name}" if key else child.name)
    yield from walk(file.get_root_key(), "")


def lines(path, walk=walk_hivex):
    """Every key and value, sorted: the hive as a text."""
    out = []
    for key, value in walk(path):
        out.append(line(key, *value) if value else f"{key} ")
    return sorted(out, key=str.lower)


def both(path):
    """The lines, once libhivex and libregf agree on them."""
    def one_byte(file):
        for key, value in walk_hivex(file):
            yield key, (*value[:2], ONE_BYTE) if value and len(value[2]) == 1 else value

    try:
        ours, theirs = lines(path, one_byte), lines(path, walk_regf)
    except (OSError, RuntimeError) as e:  # RecursionError too: a list that leads back to its own key
        raise ValueError(f"{path}: {e}") from e
    for a, b in zip(ours + [""] * len(theirs), theirs + [""] * len(ours)):
        if a != b:
            raise ValueError(f"{path}: libhivex reads '{a}', libregf '{b}'")
    return lines(path)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("hive")
    p.add_argument("--regf", action="store_true")
    p.add_argument("--both", action="store_true")
    args = p.parse_args()
    try:
        text = both(args.hive) if args.both else \
            lines(args.hive, walk_regf if args.regf else walk_hivex)
    except ValueError as e:
        sys.exit(str(e))
    print("\n".join(text))


if __name__ == "__main__":
    main()
