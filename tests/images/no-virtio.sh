#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: no-virtio.sh OUT.img
#
# Debian 11 for i386 whose kernel has no virtio at all, as one that somebody built for this machine: root by
# label, swap by kernel name, GRUB 2.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
server_tree bullseye i386 grub-pc ifupdown
server_system <<END
LABEL=$SERVER_ROOT_LABEL / ext4 errors=remount-ro 0 1
/dev/sda2 none swap sw 0 0
END
net_ifupdown
kernel=$(ls "$tree/lib/modules")
find "$tree/lib/modules/$kernel/kernel" -name '*virtio*' -prune -exec rm -r {} +
chroot "$tree" depmod "$kernel"
! grep -q virtio "$tree/lib/modules/$kernel/modules.dep" || image_die "the kernel has virtio drivers"
initramfs_tools ext4 sd_mod ata_piix ata_generic i8042 atkbd
grub_core "(,msdos1)/boot/grub" ext2
grub_config "root=LABEL=$SERVER_ROOT_LABEL ro" "search --no-floppy --label --set=root $SERVER_ROOT_LABEL" /boot part_msdos ext2
disk_make 1 1408 <<END
label: dos
label-id: $SERVER_DISK_ID
1 : start=1MiB, size=1279MiB, type=83, bootable
2 : start=1280MiB, type=82
END
grub_embed 1
fs_make ext4 "$work/root.fs" 1279 "$tree" -L "$SERVER_ROOT_LABEL" -U "$SERVER_ROOT_UUID"
disk_put 1 1 "$work/root.fs"
disk_swap 1 2 -U "$SERVER_SWAP_UUID"
server_end
