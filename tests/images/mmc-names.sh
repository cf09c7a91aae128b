#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: mmc-names.sh OUT.img
#
# Debian 12 on an eMMC, each partition called as the kernel calls it: /dev/mmcblk0p1. A card of that kind has as many
# bytes as a power of two.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
server_tree bookworm amd64 grub-pc ifupdown
server_system <<END
/dev/mmcblk0p1 / ext4 errors=remount-ro 0 1
/dev/mmcblk0p2 none swap sw 0 0
/dev/mmcblk0p3 /srv ext4 defaults,nodev 0 2
END
net_ifupdown
echo RESUME=/dev/mmcblk0p2 > "$tree/etc/initramfs-tools/conf.d/resume"
initramfs_tools ext4 sdhci_pci mmc_block i8042 atkbd
grub_core "(,msdos1)/boot/grub" ext2
grub_config "root=/dev/mmcblk0p1 ro resume=/dev/mmcblk0p2" "set root='hd0,msdos1'" /boot part_msdos ext2
mkdir -p "$work/srv"
disk_make 1 2048 <<END
label: dos
label-id: $SERVER_DISK_ID
1 : start=1MiB, size=1664MiB, type=83, bootable
2 : start=1665MiB, size=128MiB, type=82
3 : start=1793MiB, type=83
END
grub_embed 1
fs_make ext4 "$work/root.fs" 1664 "$tree" -U "$SERVER_ROOT_UUID"
fs_make ext4 "$work/srv.fs" 250 "$work/srv"
disk_put 1 1 "$work/root.fs"
disk_swap 1 2 -U "$SERVER_SWAP_UUID"
disk_put 1 3 "$work/srv.fs"
server_end
