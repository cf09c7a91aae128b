# SPDX-License-Identifier: GPL-3.0-or-later
"""The test server of tests/images: its disk, and the hardware that the disk is put into."""

import os
import shutil
import subprocess
import sys
import tempfile
import time

from lib import uefi, vm

IMAGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "images")
SKIPPED = 77


# How a disk hangs on the physical machine: QEMU's device, and the place of disk number i.
DISKS = {
    "ide": lambda i: ["ide-hd", f"bus=ide.{i}"],
    "nvme": lambda i: ["nvme", f"addr={8 + i}"],
    "megasas": lambda i: ["scsi-hd", f"bus=raid.0,scsi-id={i}"],
    "mmc": lambda i: ["sd-card", "bus=sd-bus"],
}
# And what has to be there for it; the others' controllers are on the board.
CONTROLLERS = {"megasas": ["-device", "megasas,id=raid,addr=8"], "mmc": ["-device", "sdhci-pci,addr=8"]}


class Server:
    """The keys of an .env file in lower case, without SERVER_: server.mac, server.address, ...
    A second disk or card has the same keys with a 2 behind them."""

    disks, disk_bus, nic_model, firmware, nvram, key, disk_serial = "1", "ide", "e1000", "bios", "kept", None, ""
    secure, sector, boot_arguments, gains, serial_ports = "no", "512", "", "", "1"

    def __init__(self, name):
        self._load(name)

    def _load(self, name):
        self.image = name
        with open(os.path.join(IMAGES, f"{name}.env")) as file:
            keys = dict(line.strip().split("=", 1) for line in file if "=" in line and not line.startswith("#"))
        # The disk of another one, in circumstances of its own.
        if "SERVER_IMAGE" in keys:
            self._load(keys["SERVER_IMAGE"])
        for key, value in keys.items():
            setattr(self, key.removeprefix("SERVER_").lower(), value.strip('"'))

    def nics(self):
        """(name, MAC, slot) of each card."""
        return [(getattr(self, "nic" + n), getattr(self, "mac" + n), getattr(self, f"nic{n}_slot"))
                for n in ("", "2") if hasattr(self, "nic" + n)]

    def disk_names(self):
        """Names of the files that tests/images makes, without a folder."""
        return [f"{self.image}.img"] + [f"{self.image}-{n}.img" for n in range(2, int(self.disks) + 1)]

    def base_argv(self):
        """The board, with the vendor's strings and without a hypervisor's. A BIOS machine keeps text mode by
        a VGA that no driver of Linux claims, so that Vm.vga_text sees the console."""
        board = {
            "pc": ["-global", "PIIX4_PM.acpi-root-pci-hotplug=off", "-device", "isa-vga"],
            "q35": ["-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off", "-device", "VGA"],
        }
        smm = ",smm=on" if self.secure == "yes" else ""
        return ["-machine", self.machine + smm, "-m", self.memory_mib, "-smp", self.cpus, "-cpu", "qemu64,-hypervisor",
                "-uuid", self.uuid, "-rtc", "base=utc",
                "-smbios", f"type=0,vendor={self.vendor},version=2.7.0,date=10/30/2010",
                "-smbios", f"type=1,manufacturer={self.vendor},product={self.product},serial={self.serial}",
                "-smbios", f"type=2,manufacturer={self.vendor},product=0CX396", *board[self.machine],
                *["-serial", "null"] * (int(self.serial_ports) - 1)]

    def efi_vars(self):
        """What the machine's own firmware holds: an entry for its network card, tried first, and one for the
        system, which names the partition by way of the disk's controller."""
        if self.firmware != "uefi":
            return []
        disk = uefi.pci(8, 0) + uefi.nvme(1) if self.disk_bus == "nvme" else uefi.pci(0x1F, 2) + uefi.sata(0)
        return uefi.variables([uefi.option("Network", uefi.pci(0x1E, 0)), self.boot_option(disk)])

    def boot_option(self, disk=b""):
        return uefi.option(self.boot_name, disk + self.loader_path(), self.boot_arguments)

    def loader_path(self):
        return uefi.partition(1, int(self.esp_start), int(self.esp_sectors), self.esp_partuuid) + \
            uefi.file(self.boot_path.replace("/", "\\"))

    def require(self):
        for file in self.firmware_files() if self.firmware == "uefi" else ():
            if not os.path.exists(file):
                skip(f"{file} is not installed")

    def firmware_files(self):
        return (uefi.SECURE_CODE, uefi.SECURE_VARS) if self.secure == "yes" else (uefi.CODE, uefi.VARS)

    def firmware_argv(self, work, named):
        """UEFI: its code, and in the folder `work` a store with these variables."""
        if self.firmware != "uefi":
            return []
        code, template = self.firmware_files()
        store = uefi.store(named, os.path.join(work, "vars.fd"), template)
        # Only firmware code may write the variables, as on real boards.
        lock = ["-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1"]
        return ["-drive", f"if=pflash,format=raw,readonly=on,file={code}",
                "-drive", f"if=pflash,format=raw,file={store}", *(lock if self.secure == "yes" else [])]

    def wire_argv(self, ssh_port):
        """The server's own network without a way out; 127.0.0.1:ssh_port leads to its address, port 22. All its
        cards hang on one switch: wire0, wire1."""
        argv = ["-netdev", f"user,id=lan,ipv6=off,net={self.network},host={self.gateway},restrict=on,"
                           f"hostfwd=tcp:127.0.0.1:{ssh_port}-{self.address}:22",
                "-netdev", "hubport,id=uplink,hubid=0,netdev=lan"]
        for i in range(len(self.nics())):
            argv += ["-netdev", f"hubport,id=wire{i},hubid=0"]
        return argv

    def physical_argv(self, disks, ssh_port):
        """The disks with ids disk, disk2, on the bus that they had, and the cards that the server's address is
        bound to."""
        argv = [*self.base_argv(), *self.firmware_argv(os.path.dirname(disks[0]), self.efi_vars()),
                *self.wire_argv(ssh_port), *CONTROLLERS.get(self.disk_bus, [])]
        for i, disk in enumerate(disks):
            device, place = DISKS[self.disk_bus](i)
            argv += ["-drive", f"if=none,id=drive{i},format=qcow2,file={disk}",
                     "-device", f"{device},id=disk{i + 1},drive=drive{i},{place}" + self.serial_number(i) + self.sectors()]
        for i, (_, mac, slot) in enumerate(self.nics()):
            argv += ["-device", f"{self.nic_model},netdev=wire{i},mac={mac},addr={slot}"]
        return argv

    def serial_number(self, i):
        return f",serial={self.disk_serial}{i or ''}" if self.disk_serial else ""

    def sectors(self):
        return "" if self.sector == "512" else f",logical_block_size={self.sector},physical_block_size={self.sector}"

    def virtio_argv(self, disks, ssh_port):
        """The same machine with the same addresses, but for the disks' and the cards' kind. A UEFI one knows the
        system by its partition alone, so that it is not the firmware that fails to find it."""
        named = uefi.variables([self.boot_option()]) if self.firmware == "uefi" else []
        argv = [*self.base_argv(), *self.firmware_argv(os.path.dirname(disks[0]), named), *self.wire_argv(ssh_port)]
        for i, disk in enumerate(disks):
            argv += ["-drive", f"if=none,id=drive{i},format=qcow2,file={disk}",
                     "-device", f"virtio-blk-pci,id=disk{i + 1},drive=drive{i},addr={8 + i}" + self.serial_number(i)
                                + self.sectors()]
        for i, (_, mac, slot) in enumerate(self.nics()):
            argv += ["-device", f"virtio-net-pci,netdev=wire{i},mac={mac},addr={slot},romfile="]
        return argv


def run(test):
    """Runs a test's main function; what a machine did not do is the test's one line of failure."""
    try:
        test()
    except vm.VmError as error:
        sys.exit(f"FAIL: {error}")


def require(*tools):
    """Ends the test as skipped, with the reason, if it cannot run here."""
    if os.geteuid() != 0:
        skip("root is needed")
    for tool in tools:
        if not shutil.which(tool):
            skip(f"{tool} is not installed")


def skip(reason):
    print(f"SKIP: {reason}")
    sys.exit(SKIPPED)


def image_path(name):
    """The server's raw disk, made if it is not there. Never written to by a test: use an overlay.
    It is kept in the folder P2V_IMAGE_CACHE, else in meson's build folder, else in the temporary one.
    The files of further disks lie beside it."""
    cache = os.environ.get("P2V_IMAGE_CACHE") or os.environ.get("P2V_TEST_IMAGES") or \
        os.path.join(tempfile.gettempdir(), "p2v-images")
    image = os.path.abspath(os.path.join(cache, f"{name}.img"))
    begin = time.monotonic()
    os.makedirs(cache, exist_ok=True)
    with vm.file_lock(image + ".lock"):
        done = subprocess.run([os.path.join(IMAGES, f"{name}.sh"), image], stdin=subprocess.DEVNULL)
    if done.returncode == SKIPPED:
        sys.exit(SKIPPED)
    if done.returncode != 0:
        sys.exit(f"FAIL: {name}.sh made no disk (exit code {done.returncode})")
    print(f"disk {image}: there after {time.monotonic() - begin:.0f} s", flush=True)
    return image


def image_paths(box):
    """All disks of a server, made if they are not there."""
    folder = os.path.dirname(image_path(box.image))
    return [os.path.join(folder, name) for name in box.disk_names()]
