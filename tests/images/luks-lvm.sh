#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: luks-lvm.sh OUT.img
#
# Debian 12 as its installer makes it with "encrypted LVM": /boot on ext4, and a LUKS 2 volume that holds the
# volume group of root and swap. It asks for its passphrase on the screen.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
image_require lvm cryptsetup
server_tree bookworm amd64 lvm2 cryptsetup-initramfs grub-pc ifupdown
server_system <<END
/dev/mapper/hr08--vg-root / ext4 errors=remount-ro 0 1
UUID=$SERVER_BOOT_UUID /boot ext4 defaults 0 2
/dev/mapper/hr08--vg-swap_1 none swap sw 0 0
END
echo "sda2_crypt UUID=$SERVER_LUKS_UUID none luks,discard" > "$tree/etc/crypttab"
net_ifupdown allow-hotplug
# What the hook of cryptsetup finds on the machine itself.
echo CRYPTSETUP=y >> "$tree/etc/cryptsetup-initramfs/conf-hook"
initramfs_hook="echo 'sda2_crypt UUID=$SERVER_LUKS_UUID none luks,discard' > \$DESTDIR/cryptroot/crypttab"
initramfs_tools ext4 sd_mod ata_piix ata_generic dm_mod dm_crypt xts aes_generic ecb sha256_generic i8042 atkbd
grub_core "(,msdos1)/grub" ext2
grub_config "root=/dev/mapper/hr08--vg-root ro" "search --no-floppy --fs-uuid --set=root $SERVER_BOOT_UUID" "" part_msdos ext2

disk_make 1 1728 <<END
label: dos
label-id: $SERVER_DISK_ID
1 : start=1MiB, size=160MiB, type=83, bootable
2 : start=161MiB, type=83
END
grub_embed 1
mkdir "$work/boot"
cp -a "$tree/boot/." "$work/boot"
find "$tree/boot" -mindepth 1 -delete
fs_make ext4 "$work/boot.fs" 160 "$work/boot" -U "$SERVER_BOOT_UUID"
fs_make ext4 "$work/root.fs" 1344 "$tree" -U "$SERVER_ROOT_UUID"
truncate -s 128M "$work/swap.fs"
mkswap -q -U "$SERVER_SWAP_UUID" "$work/swap.fs"
truncate -s 1516M "$work/pv"
volumes_begin "$SERVER_VG" "$work/pv"
volume_make root 1344 "$work/root.fs"
volume_make swap_1 128 "$work/swap.fs"
volumes_end
printf %s "$SERVER_KEY" > "$work/key"
luks_make "$work/pv" "$SERVER_LUKS_UUID" "$work/key"
disk_put 1 1 "$work/boot.fs"
disk_put 1 2 "$work/pv"
server_end
