#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: sol-console.sh OUT.img
#
# Debian 12 whose console is the second serial port, which a management controller carries into the network (serial
# over LAN): for GRUB alone, for the kernel beside the screen, and for a login. The virtual machine has no such port.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
server_tree bookworm amd64 grub-pc ifupdown
server_system <<END
UUID=$SERVER_ROOT_UUID / ext4 errors=remount-ro 0 1
UUID=$SERVER_SWAP_UUID none swap sw 0 0
END
net_ifupdown
initramfs_tools ext4 sd_mod ata_piix ata_generic i8042 atkbd
grub_core "(,msdos1)/boot/grub" ext2
cat >> "$tree/etc/default/grub" <<END
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS1,115200n8"
GRUB_SERIAL_COMMAND="serial --unit=1 --speed=115200"
END
grub_config "root=UUID=$SERVER_ROOT_UUID ro console=tty0 console=ttyS1,115200n8" \
  "search --no-floppy --fs-uuid --set=root $SERVER_ROOT_UUID" /boot part_msdos ext2
sed -i 's/^GRUB_TERMINAL=.*/GRUB_TERMINAL=serial/' "$tree/etc/default/grub"
sed -i 's/^terminal_output console/serial --unit=1 --speed=115200\nterminal_input serial\nterminal_output serial/' \
  "$tree/boot/grub/grub.cfg"
chroot "$tree" systemctl enable --quiet serial-getty@ttyS1
disk_make 1 1728 <<END
label: dos
label-id: $SERVER_DISK_ID
1 : start=1MiB, size=1536MiB, type=83, bootable
2 : start=1537MiB, type=82
END
grub_embed 1
fs_make ext4 "$work/root.fs" 1536 "$tree" -U "$SERVER_ROOT_UUID"
disk_put 1 1 "$work/root.fs"
disk_swap 1 2 -U "$SERVER_SWAP_UUID"
server_end
