#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes driver media in the shapes of virtio-win, with well-formed .inf and PE files.

    media.py -o DIR [--layout iso|rpm|vfd] [--iso FILE.iso] [--only NAME,...] [--systems NAME,...]
    media.py -o DIR --all --iso FILE.iso     DIR/iso, DIR/rpm and DIR/vfd

iso: NetKVM/w10/amd64/netkvm.inf and guest-agent/, as on the ISO; rpm: drivers/by-driver and by-os,
as in /usr/share/virtio-win; vfd: drivers/amd64/Win7/, as on the old floppies.
Which driver there is for which Windows, the decorations and the kinds of signature follow
virtio-win 0.1.285.
"""

import argparse
import os
import subprocess
from pathlib import Path

import pe

VERSION = "07/21/2023,63.93.104.24000"
X86, AMD64 = "x86", "amd64"

# directory: the old one's name, the decoration's version, signature, architectures
SYSTEMS = {
    "xp": ("WinXP", "", "sha1", [X86]),
    "2k3": ("Win2003", "", "sha1", [X86, AMD64]),
    "2k8": ("Win2008", ".6.0", "sha1", [X86, AMD64]),
    "w7": ("Win7", ".6.1", "sha1", [X86, AMD64]),
    "2k8R2": ("Win2008R2", ".6.1", "sha1", [AMD64]),
    "w8": ("Win8", ".6.2", "self", [X86, AMD64]),
    "w8.1": ("Win8.1", ".6.3", "self", [X86, AMD64]),
    "2k12": ("Win2012", ".6.2", "self", [AMD64]),
    "2k12R2": ("Win2012R2", ".6.3", "self", [AMD64]),
    "w10": ("Win10", ".10.0...16299", "sha256", [X86, AMD64]),
    "w11": (None, ".10.0...16299", "sha256", [AMD64]),
    "2k16": (None, ".10.0...14393", "sha256", [AMD64]),
    "2k19": (None, ".10.0...16299", "sha256", [AMD64]),
    "2k22": (None, ".10.0...16299", "sha256", [AMD64]),
    "2k25": (None, ".10.0...16299", "sha256", [AMD64]),
}
# Who has signed the .cat: what is for 10 and later has been attested by Microsoft.
PUBLISHERS = {"sha1": "Red Hat, Inc.", "self": "Red Hat, Inc.",
              "sha256": "Microsoft Windows Hardware Compatibility Publisher"}
OLD = ["xp", "2k3"]
CLASSES = {
    "SCSIAdapter": "{4D36E97B-E325-11CE-BFC1-08002BE10318}",
    "Net": "{4D36E972-E325-11CE-BFC1-08002BE10318}",
    "System": "{4D36E97D-E325-11CE-BFC1-08002BE10318}",
    "Ports": "{4D36E978-E325-11CE-BFC1-08002BE10318}",
}


class Driver:
    """One of virtio-win's drivers."""

    def __init__(self, folder, name, device_class, service, ids, start=3, group="", more=(),
                 not_for=(), utf16=False):
        self.folder, self.name, self.device_class, self.service = folder, name, device_class, service
        self.ids, self.start, self.group, self.more = ids, start, group, more
        self.not_for, self.utf16 = not_for, utf16

    def files(self):
        return ([self.name + ".sys"] if self.service else []) + list(self.more)


def virtio(kind, old, new):
    """Hardware ids: the transitional one, the modern one."""
    ids = []
    if old:
        ids.append((f"PCI\\VEN_1AF4&DEV_{old:04X}&SUBSYS_{kind:04X}1AF4&REV_00",
                    f"PCI\\VEN_1AF4&DEV_{old:04X}"))
    if new:
        ids.append((f"PCI\\VEN_1AF4&DEV_{new:04X}&SUBSYS_11001AF4&REV_01",
                    f"PCI\\VEN_1AF4&DEV_{new:04X}"))
    return ids


DRIVERS = [
    Driver("viostor", "viostor", "SCSIAdapter", "viostor", virtio(2, 0x1001, 0x1042), start=0,
           group="SCSI miniport"),
    Driver("vioscsi", "vioscsi", "SCSIAdapter", "vioscsi", virtio(8, 0x1004, 0x1048), start=0,
           group="SCSI miniport", not_for=OLD),
    Driver("NetKVM", "netkvm", "Net", "netkvm", virtio(1, 0x1000, 0x1041), group="NDIS",
           more=["netkvmco.exe"], utf16=True),
    Driver("Balloon", "balloon", "System", "BALLOON", virtio(5, 0x1002, 0x1045),
           more=["blnsvr.exe"]),
    Driver("vioserial", "vioser", "System", "VirtioSerial", virtio(3, 0x1003, 0x1043)),
    Driver("viorng", "viorng", "System", "VirtRng", virtio(4, 0x1005, 0x1044),
           more=["viorngum.dll"], not_for=OLD),
    Driver("pvpanic", "pvpanic", "System", "PVPanic", [("ACPI\\QEMU0001",)], not_for=OLD),
    Driver("qemupciserial", "qemupciserial", "Ports", "", [("PCI\\VEN_1B36&DEV_0002",)],
           not_for=OLD),
]


def inf_text(d, version, arch):
    """The driver's .inf: the parts that Windows reads, as virtio-win writes them."""
    deco = "NT" + arch + version
    service = d.service or "none"
    lines = [
        f"; {d.name}: made for tests; has nothing in it", "", "[Version]",
        'Signature="$WINDOWS NT$"', f"Class={d.device_class}",
        f"ClassGUID={CLASSES[d.device_class]}", "Provider=%VENDOR%", f"DriverVer={VERSION}",
        f"CatalogFile={d.name}.cat", "", "[DestinationDirs]", "DefaultDestDir = 12",
        f"{service}_more = 11 ; system32", "", "[SourceDisksNames]", "1 = %DISK%,,,", "",
        "[SourceDisksFiles]"] + [f"{f} = 1,," for f in d.files()] + [
        "", "[Manufacturer]", f"%VENDOR% = {d.service or 'Models'}_models, \\ ; on two lines",
        f"    {deco}", "", f"[{d.service or 'Models'}_models.{deco}]"]
    for ids in d.ids:
        # The old .inf files know the transitional identifier only.
        if version or "DEV_10" not in ids[0] or int(ids[0][17:21], 16) < 0x1040:
            lines.append(f"%DEVICE% = {service}_inst, " + ", ".join(ids))
    install = f"{service}_inst" + (".NT" if version else "")
    lines += ["", f"[{install}]"]
    if d.service:
        lines += [f"CopyFiles = {service}_copy" + (f", {service}_more" if d.more else "")]
        lines += ["", f"[{service}_copy]", f"{d.name}.sys,,,2"]
        if d.more:
            lines += ["", f"[{service}_more]"] + list(d.more)
        lines += ["", f"[{install}.Services]",
                  f"AddService = {d.service}, %SPSVCINST_ASSOCSERVICE%, {service}_service, \\",
                  f"    {service}_log", "", f"[{service}_service]", "DisplayName    = %DEVICE%",
                  "ServiceType    = %SERVICE_KERNEL_DRIVER%",
                  f"StartType      = 0x{d.start:x}", "ErrorControl   = 1",
                  f"ServiceBinary  = %12%\\{d.name}.sys"]
        if d.group:
            lines.append(f"LoadOrderGroup = {d.group}")
        lines += ["", f"[{service}_log]", "AddReg = log_reg"]
    else:
        lines += ["", f"[{install}.Services]", "AddService = , 2"]
    lines += ["", "[Strings]", 'VENDOR = "Red Hat, Inc."', 'DISK = "Disk; one"',
              f'DEVICE = "Red Hat VirtIO ""{d.name}"" device"', "SPSVCINST_ASSOCSERVICE = 0x00000002",
              "SERVICE_KERNEL_DRIVER = 1", ""]
    return "\r\n".join(lines)


# Whose drivers are another one's, file by file: hard links, as on the real medium.
TWINS = {"2k22": "2k19"}


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def write_driver(folder, d, system, arch):
    twin = Path(str(folder).replace(f"/{system}", f"/{TWINS.get(system, system)}"))
    if twin != folder and (twin / f"{d.name}.inf").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for f in d.files() + [f"{d.name}.inf", f"{d.name}.cat"]:
            (folder / f).unlink(missing_ok=True)
            os.link(twin / f, folder / f)
        return
    _, version, signing, _ = SYSTEMS[system]
    text = inf_text(d, version, arch)
    write(folder / f"{d.name}.inf",
          b"\xff\xfe" + text.encode("utf-16-le") if d.utf16 else text.encode())
    for f in d.files():
        write(folder / f, pe.program(arch, f"{f} {system}", signing))
    write(folder / f"{d.name}.cat", pe.signed_data(signing, PUBLISHERS[signing]))


def folders(root, layout, d, system, arch):
    """Where the layout has this driver."""
    if layout == "vfd":
        old = SYSTEMS[system][0]
        return [root / "drivers" / {"x86": "i386"}.get(arch, arch) / old] if old else []
    if layout == "rpm":
        return [root / "drivers/by-driver" / d.folder / system / arch,
                root / "drivers/by-os" / {"x86": "i386"}.get(arch, arch) / system]
    found = [root / d.folder / system / arch]
    if d.name in ("viostor", "vioscsi") and SYSTEMS[system][1].startswith(".10.0"):
        found.append(root / arch / system)
    return found


def make_tree(root, layout="iso", only=None, systems=None):
    root = Path(root)
    for d in DRIVERS:
        for system, (_, _, _, arches) in SYSTEMS.items():
            if (only and d.name not in only) or (systems and system not in systems) or \
                    system in d.not_for:
                continue
            for arch in arches:
                for folder in folders(root, layout, d, system, arch):
                    write_driver(folder, d, system, arch)
    if layout != "vfd":
        for name in ("qemu-ga-x86_64.msi", "qemu-ga-i386.msi"):
            write(root / "guest-agent" / name, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + name.encode())
    write(root / "virtio-win_license.txt", b"made for tests\r\n")


def make_iso(tree, iso):
    # One inode for what is hard linked, as on the real one.
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "--hardlinks", "-J", "-joliet-long",
                    "-V", "virtio-win-0.1.285", "-o", str(iso), str(tree)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("-o", "--output", required=True)
    p.add_argument("--all", action="store_true")
    p.add_argument("--layout", choices=["iso", "rpm", "vfd"], default="iso")
    p.add_argument("--iso")
    p.add_argument("--only", type=lambda s: s.split(","))
    p.add_argument("--systems", type=lambda s: s.split(","))
    args = p.parse_args()
    tree = Path(args.output)
    if args.all:
        for layout in ("iso", "rpm", "vfd"):
            make_tree(tree / layout, layout, args.only, args.systems)
        tree = tree / "iso"
    else:
        make_tree(tree, args.layout, args.only, args.systems)
    if args.iso:
        make_iso(tree, args.iso)


if __name__ == "__main__":
    main()
