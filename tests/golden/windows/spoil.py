# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to spoil the registry of a Windows: the bytes of a hive, and what it says.

Format of the bytes: https://github.com/msuhanov/regf.
"""

import struct

from cases import systems
from hive import BINARY, Typed, encode, seal

# What would do something in a batch file, a terminal, XML, JSON or a format string. CANARY has to be nowhere.
WORDS = "\" & echo CANARY>C:\\x & rem %PATH% !x! ^ | <x>'&amp;\\u0000%n%s\x1b[2J\x9b\r\nCANARY"
SETS = ("ControlSet001", "ControlSet002")


# ---- bytes ----

def cells(data, kind):
    """Offsets of the used cells of that kind: nk, vk, sk, lf, lh."""
    at = 0x1000
    while at + 8 < len(data):
        if data[at:at + 4] == b"hbin":
            end = at + struct.unpack_from("<I", data, at + 8)[0]
            cell = at + 0x20
            while cell + 6 < min(end, len(data)):
                size = struct.unpack_from("<i", data, cell)[0]
                if size < 0 and data[cell + 4:cell + 6] == kind:
                    yield cell
                if size == 0:
                    break
                cell += abs(size)
            at = end
        else:
            at += 0x1000


def patch(data, at, fmt, *values):
    out = bytearray(data)
    struct.pack_into(fmt, out, at, *values)
    return bytes(out)


def nth(data, kind, n):
    found = list(cells(data, kind))
    return found[min(n, len(found) - 1)]


def lists(data):
    return [c for kind in (b"lf", b"lh") for c in cells(data, kind)]


def every(data, kind, offset, fmt, *values):
    for cell in list(cells(data, kind)):
        data = patch(data, cell + offset, fmt, *values)
    return data


BYTES = {
    "empty": lambda d: b"",
    "a-text": lambda d: b"REGEDIT4\r\n[HKEY_LOCAL_MACHINE]\r\n" * 300,
    "head-only": lambda d: d[:4096],
    "half": lambda d: d[:len(d) // 2],
    "all-but-a-page": lambda d: d[:-4096],
    "zeros": lambda d: d[:4096] + bytes(len(d) - 4096),
    "ones": lambda d: d[:4096] + b"\xff" * (len(d) - 4096),
    "root-outside": lambda d: seal(patch(d, 36, "<I", 0x7FFFFFF0)[:4096]) + d[4096:],
    "root-is-a-value": lambda d: seal(patch(d, 36, "<I", nth(d, b"vk", 3) - 0x1000)[:4096]) + d[4096:],
    "list-leads-to-the-root": lambda d: patch(d, lists(d)[0] + 8, "<I", 0x20),
    "every-list-leads-to-the-root": lambda d: [d := patch(d, c + 8, "<I", 0x20) for c in lists(d)][-1],
    "list-of-65535": lambda d: patch(d, lists(d)[0] + 6, "<H", 0xFFFF),
    "keys-of-4-thousand-million": lambda d: every(d, b"nk", 0x18, "<I", 0xFFFFFFFF),
    "values-of-4-thousand-million": lambda d: every(d, b"nk", 0x28, "<I", 0xFFFFFFFE),
    "values-outside": lambda d: every(d, b"nk", 0x2C, "<I", 0xFFFFFF0),
    "names-of-65535": lambda d: every(d, b"nk", 0x4C, "<H", 0xFFFF),
    "value-names-of-65535": lambda d: every(d, b"vk", 6, "<H", 0xFFFF),
    "values-of-2-gigabytes": lambda d: every(d, b"vk", 8, "<I", 0x7FFFFFF0),
    "value-data-outside": lambda d: every(d, b"vk", 12, "<I", 0xFFFFFFF0),
    "value-data-is-the-root": lambda d: every(d, b"vk", 12, "<I", 0x20),
    "cells-of-no-size": lambda d: every(d, b"nk", 0, "<i", 0),
    "cells-of-2-gigabytes": lambda d: every(d, b"vk", 0, "<i", -0x7FFFFFF8),
    "no-security": lambda d: every(d, b"nk", 0x30, "<I", 0xFFFFFFFF),
    "parents-are-themselves": lambda d: [d := patch(d, c + 0x14, "<I", c - 0x1000) for c in cells(d, b"nk")][-1],
    "odd-version": lambda d: seal(patch(d, 24, "<I", 99)[:4096]) + d[4096:],
}


# ---- what it says ----

def retype(kind, change=lambda data: data):
    """Every value of SYSTEM and SOFTWARE as another type, but for what says which control set is in use."""
    def spoil(_, built):
        for name in ("SYSTEM", "SOFTWARE"):
            for path, values in built[name].keys.items():
                for key, value in values.items() if path != "Select" else ():
                    values[key] = Typed((kind, change(encode(value)[1])))
    return spoil


def drop(hive, path):
    """A key with all below it, in each control set."""
    def spoil(_, built):
        for key in list(built[hive].keys):
            rest = key.partition("\\")[2] if key.startswith("ControlSet") else key
            if (rest + "\\").lower().startswith(path.lower() + "\\"):
                del built[hive].keys[key]
    return spoil


def say_everywhere(words):
    """In each text that is no number, path or driver's name."""
    def spoil(s, built):
        told = {"Name", "Hostname", "NV Hostname", "Domain", "ComputerName", "NameServer", "ProductName", "EditionID",
                "DisplayName", "CSDVersion", "DisplayVersion", "MachineGuid", "PnpInstanceID", "LocationInformation",
                "StandardName", "SystemProductName", "IfAlias", "CmdLine"}
        systems.have_agents(s, built)
        systems.have_antivirus(s, built)
        for name in ("SYSTEM", "SOFTWARE"):
            for values in built[name].keys.values():
                for key in values:
                    if key in told:
                        values[key] = words
                    elif key in ("IPAddress", "SubnetMask", "DefaultGateway", "UpperFilters", "LowerFilters"):
                        values[key] = [*(values[key] or ["192.0.2.9"]), words, "192.0.2.7" + words]
    return spoil


def odd_addresses(_, built):
    for key, values in built["SYSTEM"].keys.items():
        if "IPAddress" in values and "\\Interfaces\\{" in key:
            values.update(EnableDHCP=0, IPAddress=["999.0.2.10", "192.0.2.10/24", "::1", "0.0.0.0", ""],
                          SubnetMask=["255.0.255.0", "x"], DefaultGateway=["192.0.2.300"], NameServer=",,  ,x,8.8.8.8")


def many(count):
    def spoil(_, built):
        for ccs in SETS:
            if any(k.startswith(ccs) for k in built["SYSTEM"].keys):
                for i in range(count):
                    built["SYSTEM"].key(f"{ccs}\\Services\\x{i}", Type=1, Start=3)
                    built["SYSTEM"].key(f"{ccs}\\Control\\Network\\{systems.NET.upper()}\\{{{i:08x}}}\\Connection",
                                        Name=f"Card {i}")
    return spoil


def deep(_, built):
    built["SYSTEM"].key("ControlSet001\\Services\\" + "\\".join(["d"] * 200), Start=0)


def long_values(_, built):
    for ccs in SETS:
        if any(k.startswith(ccs) for k in built["SYSTEM"].keys):
            built["SYSTEM"].key(f"{ccs}\\Control\\Class\\{systems.DISK}", UpperFilters=["x" * 200] * 300)
            built["SYSTEM"].key(f"{ccs}\\Services\\Tcpip\\Parameters", Hostname="h" * 30000)


def set_select(**numbers):
    def spoil(_, built):
        built["SYSTEM"].key("Select", **numbers)
    return spoil


WORDED = {
    "all-binary": retype(BINARY),
    "all-of-no-type": retype(0),
    "all-of-an-odd-type": retype(0xFFFF0012),
    "all-texts": retype(1),
    "all-numbers": retype(4),
    "all-lists": retype(7),
    "all-texts-of-odd-length": retype(1, lambda data: data + b"\xd8"),
    "all-texts-without-end": retype(1, lambda data: data[:-2] if data[-2:] == b"\0\0" else data),
    "all-empty": retype(1, lambda data: b""),
    "lone-surrogates": retype(1, lambda data: b"\x00\xd8" * 9),
    "hostile-words": say_everywhere(WORDS),
    "endless-words": say_everywhere("A" * 3000),
    "odd-addresses": odd_addresses,
    "a-thousand-services-and-cards": many(1000),
    "two-hundred-deep": deep,
    "long-values": long_values,
    "another-set": set_select(Current=7, Default=0xFFFFFFFF, LastKnownGood=0),
    "no-set": set_select(Current=0, Default=0, LastKnownGood=0),
    "select-is-text": lambda _, built: built["SYSTEM"].key("Select", Current="1", Default=None, LastKnownGood=b"\1"),
    **{f"without-{path.rpartition(chr(92))[2].lower().replace(' ', '-')}": drop(hive, path) for hive, path in (
        ("SYSTEM", "Select"), ("SYSTEM", "Services"), ("SYSTEM", "Control"), ("SYSTEM", "Enum"),
        ("SYSTEM", "Control\\Class"), ("SYSTEM", "Control\\Network"), ("SYSTEM", "Services\\Tcpip"),
        ("SYSTEM", "Services\\partmgr"), ("SYSTEM", "Control\\CriticalDeviceDatabase"), ("SYSTEM", "DriverDatabase"),
        ("SYSTEM", "Setup"), ("SYSTEM", "MountedDevices"), ("SYSTEM", "Control\\ProductOptions"),
        ("SOFTWARE", "Microsoft\\Windows NT"), ("SOFTWARE", "Microsoft"), ("SOFTWARE", "Policies"))},
}
