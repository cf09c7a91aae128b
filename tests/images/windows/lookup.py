#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which driver a Windows starts for its boot disk, found in its hives as Windows finds it.

    lookup.py SYSTEM [DEVICE...]     a line for each device: its service, or what is missing
    lookup.py --boots TREE DEVICE... exit code 1 where one has no driver, or its file is not there

DEVICE is virtio-blk, virtio-scsi, ahci or ide: the identifiers that Windows makes up for it, the best
first. Up to 7 each is looked for in CriticalDeviceDatabase; from 8 on in DriverDatabase: identifier,
.inf, package, descriptor, configuration, service. The service has to start at boot, and nothing may
hold it back.
"""

import argparse
import sys
from pathlib import Path

import hive

SETS = ("Current", "Default", "LastKnownGood")


def pci(vendor, device, subsystem, revision, device_class):
    """The identifiers of a PCI device, from the hardware id to the class."""
    ven, cls = f"VEN_{vendor:04X}&DEV_{device:04X}", f"{device_class:06X}"
    return [f"PCI\\{ven}&SUBSYS_{subsystem}&REV_{revision:02X}", f"PCI\\{ven}&SUBSYS_{subsystem}",
            f"PCI\\{ven}&CC_{cls}", f"PCI\\{ven}&CC_{cls[:4]}", f"PCI\\{ven}&REV_{revision:02X}",
            f"PCI\\{ven}", f"PCI\\CC_{cls}", f"PCI\\CC_{cls[:4]}"]


# As QEMU shows them on a root bus (transitional) and behind a PCIe port (modern).
DEVICES = {
    "virtio-blk": [pci(0x1AF4, 0x1001, "00021AF4", 0, 0x010000), pci(0x1AF4, 0x1042, "11001AF4", 1, 0x010000)],
    "virtio-scsi": [pci(0x1AF4, 0x1004, "00081AF4", 0, 0x010000), pci(0x1AF4, 0x1048, "11001AF4", 1, 0x010000)],
    "virtio-blk-old": [pci(0x1AF4, 0x1001, "00021AF4", 0, 0x010000)],
    "ahci": [pci(0x8086, 0x2922, "11001AF4", 2, 0x010601)],
    "ide": [pci(0x8086, 0x7010, "11001AF4", 0, 0x010180)],
}


class Registry:
    """A hive's values by lower-case key and name."""

    def __init__(self, path):
        self.keys = {}
        for key, value in hive.walk_regf(path):
            values = self.keys.setdefault(key.lower(), {})
            if value:
                values[value[0].lower()] = value[1:]

    def has(self, key):
        return key.lower() in self.keys

    def number(self, key, name):
        kind, data = self.keys.get(key.lower(), {}).get(name.lower(), (None, b""))
        return int.from_bytes(data, "little") if kind == hive.DWORD else None

    def text(self, key, name):
        kind, data = self.keys.get(key.lower(), {}).get(name.lower(), (None, b""))
        if kind not in (hive.SZ, hive.EXPAND, hive.MULTI):
            return None
        return data.decode("utf-16-le", "replace").split("\0")[0]

    def values(self, key):
        return list(self.keys.get(key.lower(), {}))


def sets(reg):
    """The control sets that can be booted."""
    found = []
    for name in SETS:
        ccs = f"ControlSet{reg.number('Select', name) or 0:03d}"
        if reg.has(ccs) and ccs not in found:
            found.append(ccs)
    return found


def by_database(reg, ids):
    top = "DriverDatabase"
    for device in ids:
        for inf in reg.values(f"{top}\\DeviceIds\\{device}"):
            package = reg.text(f"{top}\\DriverInfFiles\\{inf}", "Active")
            home = f"{top}\\DriverPackages\\{package}"
            config = reg.text(f"{home}\\Descriptors\\{device}", "Configuration")
            service = reg.text(f"{home}\\Configurations\\{config}", "Service")
            if service and len(reg.keys.get(home.lower(), {}).get("version", (0, b""))[1]) == 48:
                return service
    return None


def by_list(reg, ccs, ids):
    for device in ids:
        key = f"{ccs}\\Control\\CriticalDeviceDatabase\\{device.replace(chr(92), '#')}"
        service = reg.text(key, "Service")
        if service and reg.text(key, "ClassGUID"):
            return service
    return None


def starts(reg, ccs, service):
    """None, or what keeps it from starting at boot."""
    key = f"{ccs}\\Services\\{service}"
    if not reg.has(key):
        return f"{service}: no such service"
    if reg.number(key, "Start") != 0:
        return f"{service}: starts {reg.number(key, 'Start')}"
    held = [reg.number(f"{key}\\StartOverride", name) for name in reg.values(f"{key}\\StartOverride")]
    if any(held):
        return f"{service}: held back"
    return None


def driver(reg, ccs, ids):
    """(service, None) or (None, what is missing)."""
    found = by_database(reg, ids) if reg.has("DriverDatabase") else by_list(reg, ccs, ids)
    if not found:
        return None, "no driver"
    trouble = starts(reg, ccs, found)
    return (None, trouble) if trouble else (found, None)


def look(reg, device):
    """Lines "set device: service"."""
    for ccs in sets(reg):
        for ids in DEVICES[device]:
            service, trouble = driver(reg, ccs, ids)
            yield ccs, ids[0], service, trouble


def find(root, *names):
    """A path below root, in whatever letter case."""
    for name in names:
        root = next(p for p in Path(root).iterdir() if p.name.lower() == name.lower())
    return root


def file_of(reg, ccs, service, root):
    path = reg.text(f"{ccs}\\Services\\{service}", "ImagePath") or f"System32\\drivers\\{service}.sys"
    return find(root, "windows", *path.split("\\"))


def check(tree, devices):
    reg = Registry(find(tree, "windows", "system32", "config", "system"))
    bad = 0
    for device in devices:
        for ccs, first, service, trouble in look(reg, device):
            try:
                shown = service and file_of(reg, ccs, service, tree).name
            except StopIteration:
                service, trouble = None, f"{service}: its file is not there"
            print(f"{ccs} {first}: {f'{service}, {shown}' if service else trouble}")
            bad += not service
    return bad


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--boots", metavar="TREE")
    p.add_argument("words", nargs="*")
    args = p.parse_args()
    if args.boots:
        sys.exit(1 if check(args.boots, args.words) else 0)
    reg = Registry(args.words[0])
    for device in args.words[1:] or DEVICES:
        for ccs, first, service, trouble in look(reg, device):
            print(f"{ccs} {first}: {service or trouble}")


if __name__ == "__main__":
    main()
