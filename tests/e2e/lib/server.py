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


class Server:
    """The keys of an .env file in lower case, without SERVER_: server.mac, server.address, ..."""

    def __init__(self, name):
        with open(os.path.join(IMAGES, f"{name}.env")) as file:
            for line in file:
                if "=" in line and not line.startswith("#"):
                    key, value = line.strip().split("=", 1)
                    setattr(self, key.removeprefix("SERVER_").lower(), value)

    firmware = "bios"

    def base_argv(self):
        """The board, with the vendor's strings and without a hypervisor's. A BIOS machine keeps text mode by
        a VGA that no driver of Linux claims, so that Vm.vga_text sees the console."""
        board = {
            "bios": ["-global", "PIIX4_PM.acpi-root-pci-hotplug=off", "-device", "isa-vga"],
            "uefi": ["-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off", "-device", "VGA"],
        }
        return ["-machine", self.machine, "-m", self.memory_mib, "-smp", self.cpus, "-cpu", "qemu64,-hypervisor",
                "-uuid", self.uuid, "-rtc", "base=utc",
                "-smbios", f"type=0,vendor={self.vendor},version=2.7.0,date=10/30/2010",
                "-smbios", f"type=1,manufacturer={self.vendor},product={self.product},serial={self.serial}",
                "-smbios", f"type=2,manufacturer={self.vendor},product=0CX396", *board[self.firmware]]

    def efi_vars(self):
        """What the machine's own firmware holds: an entry for its network card, tried first, and one for the
        system, which names the partition by way of the disk's controller."""
        if self.firmware != "uefi":
            return []
        disk = uefi.pci(0x1F, 2) + uefi.sata(0)
        return uefi.variables([uefi.option("Network", uefi.pci(0x1E, 0)),
                               uefi.option(self.boot_name, disk + self.loader_path())])

    def loader_path(self):
        return uefi.partition(1, int(self.esp_start), int(self.esp_sectors), self.esp_partuuid) + \
            uefi.file(self.boot_path.replace("/", "\\"))

    def require(self):
        if self.firmware == "uefi" and not os.path.exists(uefi.CODE):
            skip(f"{uefi.CODE} is not installed")

    def firmware_argv(self, work, named):
        """UEFI: its code, and in the folder `work` a store with these variables."""
        if self.firmware != "uefi":
            return []
        store = uefi.store(named, os.path.join(work, "vars.fd"))
        return ["-drive", f"if=pflash,format=raw,readonly=on,file={uefi.CODE}",
                "-drive", f"if=pflash,format=raw,file={store}"]

    def wire_argv(self, ssh_port):
        """The server's own network without a way out; 127.0.0.1:ssh_port leads to its address, port 22."""
        return ["-netdev", f"user,id=wire,ipv6=off,net={self.network},host={self.gateway},restrict=on,"
                           f"hostfwd=tcp:127.0.0.1:{ssh_port}-{self.address}:22"]

    def physical_argv(self, disk, ssh_port):
        """An IDE or SATA disk with id `disk`, and the e1000 that the server's address is bound to."""
        return [*self.base_argv(), *self.firmware_argv(os.path.dirname(disk), self.efi_vars()),
                *self.wire_argv(ssh_port),
                "-drive", f"if=none,id=drive,format=qcow2,file={disk}",
                "-device", f"ide-hd,id=disk,drive=drive,bus=ide.0,serial={self.disk_serial}",
                "-device", f"e1000,netdev=wire,mac={self.mac},addr={self.nic_slot}"]

    def virtio_argv(self, disk, ssh_port):
        """The same machine with the same addresses, but for the disk's and the NIC's kind. A UEFI one knows the
        system by its partition alone, so that it is not the firmware that fails to find it."""
        named = uefi.variables([uefi.option(self.boot_name, self.loader_path())]) if self.firmware == "uefi" else []
        return [*self.base_argv(), *self.firmware_argv(os.path.dirname(disk), named), *self.wire_argv(ssh_port),
                "-drive", f"if=none,id=drive,format=qcow2,file={disk}",
                "-device", f"virtio-blk-pci,id=disk,drive=drive,addr=4,serial={self.disk_serial}",
                "-device", f"virtio-net-pci,netdev=wire,mac={self.mac},addr={self.nic_slot},romfile="]


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
    It is kept in the folder P2V_IMAGE_CACHE, else in meson's build folder, else in the temporary one."""
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
