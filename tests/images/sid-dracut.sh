#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: sid-dracut.sh OUT.img
#
# The newest Debian (unstable) on an old board: GRUB that reads its root's logical volume itself, no /boot of its
# own, dracut's host-only initramfs (systemd) in zstd, systemd-networkd that finds its card by the place on the PCI
# bus, root by its volume's path, swap by device-mapper's id.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
image_require lvm
server_tree sid amd64 passwd lvm2 dracut grub-pc systemd-resolved
server_system <<END
/dev/$SERVER_VG/root / ext4 errors=remount-ro 0 1
/dev/disk/by-id/dm-name-$SERVER_VG-swap none swap sw 0 0
END
cat > "$tree/etc/systemd/network/10-lan.network" <<END
[Match]
Path=pci-0000:00:0$SERVER_NIC_SLOT.0
Type=ether

[Network]
Address=$SERVER_ADDRESS/$SERVER_PREFIX
Gateway=$SERVER_GATEWAY
LinkLocalAddressing=no
IPv6AcceptRA=no
END
chroot "$tree" systemctl enable --quiet systemd-networkd

mkdir -p "$tree/tmp/cmdline.d"
echo " rd.lvm.lv=$SERVER_VG/root rd.lvm.lv=$SERVER_VG/swap" > "$tree/tmp/cmdline.d/90lvm.conf"
initramfs_dracut "systemd systemd-initrd dracut-systemd udev-rules kernel-modules dm lvm rootfs-block base fs-lib shutdown terminfo" \
  "ext4 sd_mod ata_piix ata_generic libata dm-mod i8042 atkbd" --filesystems ext4 --zstd --lvmconf \
  --include /tmp/cmdline.d /etc/cmdline.d
rm -r "$tree/tmp/cmdline.d"
grub_core "(lvm/$SERVER_VG-root)/boot/grub" lvm ext2
grub_config "root=/dev/mapper/$SERVER_VG-root ro rd.lvm.lv=$SERVER_VG/root" \
  "set root='lvm/$SERVER_VG-root'" /boot part_msdos lvm ext2

disk_make 1 2304 <<END
label: dos
label-id: $SERVER_DISK_ID
1 : start=1MiB, type=8e, bootable
END
grub_embed 1
fs_make ext4 "$work/root.fs" 2048 "$tree" -U "$SERVER_ROOT_UUID"
truncate -s 128M "$work/swap.fs"
mkswap -q -U "$SERVER_SWAP_UUID" "$work/swap.fs"
volumes_begin "$SERVER_VG" 1:1
volume_make root 2048 "$work/root.fs"
volume_make swap 128 "$work/swap.fs"
volumes_end
server_end
