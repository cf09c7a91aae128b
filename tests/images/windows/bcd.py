# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot configuration data: the hive that bootmgr reads, in the shape that Windows gives it.

Objects are GUIDs, their elements numbers; a device element says on which partition of which disk.
"""

import struct
import uuid

from hive import Hive

BOOTMGR = "{9dea862c-5cdd-4e70-acc1-f32b344d4795}"
MEMDIAG = "{b2721d73-1db4-4c62-bf78-c548a880142d}"
LOADER = "{3b5a4c6e-0000-4e70-8a11-c0ffee000001}"
RESUME = "{3b5a4c6e-0000-4e70-8a11-c0ffee000002}"
LOADER_SETTINGS = "{6efb52bf-1766-41db-a6b3-0ee5eff72bd7}"


def device(disk, part):
    """A partition: by offset and disk signature (MBR), or by GUIDs (GPT)."""
    body = bytearray(88)
    struct.pack_into("<II", body, 0x10, 6, 0)
    struct.pack_into("<I", body, 0x18, 0x48)
    if isinstance(disk, int):
        struct.pack_into("<Q", body, 0x20, part)
        struct.pack_into("<II", body, 0x34, 1, disk)
    else:
        body[0x20:0x30] = uuid.UUID(part).bytes_le
        body[0x38:0x48] = uuid.UUID(disk).bytes_le
    return bytes(body)


def element(hive, top, number, value):
    hive.key(f"Objects\\{top}\\Elements\\{number:08x}", Element=value)


def make(disk, boot, system, uefi, title="Windows", test_signing=False):
    """disk: signature or GUID; boot, system: offset or GUID of the partitions."""
    h = Hive()
    h.key("Description", KeyName="BCD00000000", System=1, TreatAsSystem=1)
    for name, kind in ((BOOTMGR, 0x10100002), (LOADER, 0x10200003), (RESUME, 0x10200004),
                       (MEMDIAG, 0x10200005), (LOADER_SETTINGS, 0x20200003)):
        h.key(f"Objects\\{name}\\Description", Type=kind)
    element(h, BOOTMGR, 0x11000001, device(disk, boot))
    if uefi:
        element(h, BOOTMGR, 0x12000002, "\\EFI\\Microsoft\\Boot\\bootmgfw.efi")
    element(h, BOOTMGR, 0x12000004, "Windows Boot Manager")
    element(h, BOOTMGR, 0x12000005, "en-US")
    element(h, BOOTMGR, 0x23000003, LOADER)
    element(h, BOOTMGR, 0x23000006, RESUME)
    element(h, BOOTMGR, 0x24000001, [LOADER])
    element(h, BOOTMGR, 0x24000010, [MEMDIAG])
    element(h, BOOTMGR, 0x25000004, struct.pack("<Q", 30))
    program = "winload.efi" if uefi else "winload.exe"
    element(h, LOADER, 0x11000001, device(disk, system))
    element(h, LOADER, 0x12000002, f"\\Windows\\system32\\{program}")
    element(h, LOADER, 0x12000004, title)
    element(h, LOADER, 0x12000005, "en-US")
    element(h, LOADER, 0x14000006, [LOADER_SETTINGS])
    element(h, LOADER, 0x21000001, device(disk, system))
    element(h, LOADER, 0x22000002, "\\Windows")
    element(h, LOADER, 0x23000003, RESUME)
    element(h, LOADER, 0x25000020, struct.pack("<Q", 0))
    if test_signing:
        element(h, LOADER, 0x16000049, b"\1")
    if uefi:
        element(h, LOADER, 0x16000060, b"\1")
    element(h, RESUME, 0x21000001, device(disk, system))
    element(h, RESUME, 0x22000002, "\\hiberfil.sys")
    element(h, MEMDIAG, 0x12000002, "\\boot\\memtest.exe")
    return h
