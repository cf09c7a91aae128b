# SPDX-License-Identifier: GPL-3.0-or-later
"""The test server of tests/images: its disk, and the hardware that the disk is put into."""

import os
import shutil
import subprocess
import sys
import tempfile
import time

from lib import vm

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

    def base_argv(self):
        """The board, with the vendor's strings and without a hypervisor's. Text mode is kept by a VGA
        that no driver of Linux claims, so that Vm.vga_text sees the console."""
        return ["-machine", self.machine, "-m", self.memory_mib, "-smp", self.cpus, "-cpu", "qemu64,-hypervisor",
                "-uuid", self.uuid, "-rtc", "base=utc",
                "-smbios", f"type=0,vendor={self.vendor},version=2.7.0,date=10/30/2010",
                "-smbios", f"type=1,manufacturer={self.vendor},product={self.product},serial={self.serial}",
                "-smbios", f"type=2,manufacturer={self.vendor},product=0CX396",
                "-global", "PIIX4_PM.acpi-root-pci-hotplug=off", "-device", "isa-vga"]

    def wire_argv(self, ssh_port):
        """The server's own network without a way out; 127.0.0.1:ssh_port leads to its address, port 22."""
        return ["-netdev", f"user,id=wire,ipv6=off,net={self.network},host={self.gateway},restrict=on,"
                           f"hostfwd=tcp:127.0.0.1:{ssh_port}-{self.address}:22"]

    def physical_argv(self, disk, ssh_port):
        """An IDE disk with id `disk`, and the e1000 that the server's address is bound to."""
        return [*self.base_argv(), *self.wire_argv(ssh_port),
                "-drive", f"if=none,id=drive,format=qcow2,file={disk}",
                "-device", f"ide-hd,id=disk,drive=drive,bus=ide.0,serial={self.disk_serial}",
                "-device", f"e1000,netdev=wire,mac={self.mac},addr={self.nic_slot}"]

    def virtio_argv(self, disk, ssh_port):
        """The same machine with the same addresses, but for the disk's and the NIC's kind."""
        return [*self.base_argv(), *self.wire_argv(ssh_port),
                "-drive", f"if=none,id=drive,format=qcow2,file={disk}",
                "-device", f"virtio-blk-pci,id=disk,drive=drive,addr=4,serial={self.disk_serial}",
                "-device", f"virtio-net-pci,netdev=wire,mac={self.mac},addr={self.nic_slot}"]


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
