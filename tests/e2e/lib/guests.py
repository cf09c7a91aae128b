# SPDX-License-Identifier: GPL-3.0-or-later
"""Small disks with a system on them that is nothing but the files that a conversion reads."""

import os
import shutil
import subprocess

MIB = 1 << 20
KERNEL = "6.1.0-small"
BUILTIN = ("virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "sd_mod", "ahci")


def write(root, path, text):
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w") as file:
        file.write(text)


def linux_disk(work, name, change):
    """A small system's root in one partition, without a kernel; change(root) makes of it what is wanted."""
    root = os.path.join(work, f"{name}.root")
    for folder in ("etc", "boot/grub", "dev", "lib/modules", "usr/bin"):
        os.makedirs(os.path.join(root, folder))
    write(root, "etc/os-release", 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n')
    write(root, "etc/hostname", "bad\n")
    change(root)
    disk = os.path.join(work, f"{name}.img")
    with open(disk, "wb") as file:
        file.truncate(64 * MIB)
    subprocess.run(["sfdisk", "-q", disk], input=b"label: dos\nstart=2048, type=83, bootable\n", check=True)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, "-E", "offset=1048576", disk, "60M"], check=True)
    shutil.rmtree(root)
    return disk


def add_kernel(root, kernel=KERNEL):
    """A kernel with all its drivers built in, and a menu that starts it: such a system converts."""
    write(root, f"boot/vmlinuz-{kernel}", "x")
    write(root, f"lib/modules/{kernel}/modules.dep", "")
    write(root, f"lib/modules/{kernel}/modules.builtin", "".join(f"kernel/{name}.ko\n" for name in BUILTIN))
    write(root, "boot/grub/grub.cfg", f"set default=0\nmenuentry 'small' {{\n\tlinux /boot/vmlinuz-{kernel} "
                                      "root=/dev/sda1 ro\n}\n")
    write(root, "etc/default/grub", 'GRUB_CMDLINE_LINUX=""\n')
    write(root, "etc/fstab", "/dev/sda1 / ext4 defaults 0 1\n")
    write(root, "etc/network/interfaces",
          "auto eth0\niface eth0 inet static\n\taddress 192.0.2.10/24\n\tgateway 192.0.2.1\n")
    os.makedirs(os.path.join(root, "lib/systemd/system"))
