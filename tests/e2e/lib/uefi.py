# SPDX-License-Identifier: GPL-3.0-or-later
"""UEFI boot entries, and the variable store of a test machine that has them. What is written is as
small as EDK II takes it: MdeModulePkg/Include/Guid/VariableFormat.h; UEFI 2.10, 3.1.3 and 10.3."""

import struct
import uuid

GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
CODE, VARS = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
# With Microsoft's keys enrolled, and Secure Boot on.
SECURE_CODE, SECURE_VARS = "/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"
ATTRIBUTES = 7
FIRST = 0x48 + 28


def node(kind, sub, body=b""):
    return struct.pack("<BBH", kind, sub, 4 + len(body)) + body


def pci(slot, function):
    return node(2, 1, struct.pack("<II", 0x0A0341D0, 0)) + node(1, 1, bytes([function, slot]))


def sata(port):
    return node(3, 18, struct.pack("<HHH", port, 0xFFFF, 0))


def nvme(namespace):
    return node(3, 23, struct.pack("<IQ", namespace, 0))


def partition(number, start, sectors, guid):
    return node(4, 1, struct.pack("<IQQ16sBB", number, start, sectors, uuid.UUID(guid).bytes_le, 2, 2))


def file(path):
    return node(4, 4, (path + "\0").encode("utf-16le"))


def option(description, path, arguments=""):
    """An active load option; path: device path nodes without their end; arguments: for what it starts."""
    path += node(0x7F, 0xFF)
    words = (arguments + "\0").encode("utf-16le") if arguments else b""
    return struct.pack("<IH", 1, len(path)) + (description + "\0").encode("utf-16le") + path + words


def variables(options):
    """Name and data of Boot0000, Boot0001, ... and of BootOrder, which tries them in this order."""
    named = [(f"Boot{i:04X}", data) for i, data in enumerate(options)]
    return named + [("BootOrder", struct.pack(f"<{len(options)}H", *range(len(options))))]


def used(data, names):
    """Where the variables of a store end; those of these names are marked as deleted."""
    at = FIRST
    while data[at:at + 2] == b"\xaa\x55":
        name_bytes, data_bytes = struct.unpack_from("<II", data, at + 36)
        if data[at + 60:at + 60 + name_bytes] in names:
            data[at + 2] &= 0xFD
        at = (at + 60 + name_bytes + data_bytes + 3) & ~3
    return at


def store(named, path, template=VARS):
    """Writes a variable store that holds these variables, and what the template has beside them."""
    with open(template, "rb") as file:
        data = bytearray(file.read())
    named = [((name + "\0").encode("utf-16le"), value) for name, value in named]
    at = used(data, [name for name, _ in named])
    for name, value in named:
        head = struct.pack("<HBBIQ16sIII16s", 0x55AA, 0x3F, 0, ATTRIBUTES, 0, bytes(16), 0, len(name), len(value),
                           uuid.UUID(GLOBAL).bytes_le)
        record = head + name + value
        if set(data[at:at + len(record)]) != {0xFF}:
            raise ValueError(f"{template}: has no room")
        data[at:at + len(record)] = record
        at = (at + len(record) + 3) & ~3
    with open(path, "wb") as out:
        out.write(data)
    return path


def inventory(named):
    """The same variables as machine.json holds them."""
    return [{"name": name, "guid": GLOBAL, "attributes": ATTRIBUTES, "data_hex": value.hex()}
            for name, value in named]
