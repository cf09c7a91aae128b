#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: i386-lvm.sh OUT.img
#
# Debian 11 for i386: root and swap in a volume group, /boot and /home by kernel name, /home on a logical
# partition; two cards that the kernel numbers (net.ifnames=0), a VLAN on the second, ifupdown.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
image_require lvm
server_tree bullseye i386 lvm2 grub-pc ifupdown vlan
server_system <<FSTAB
proc /proc proc defaults 0 0
/dev/mapper/vg0-root / ext4 errors=remount-ro 0 1
/dev/sda1 /boot ext2 defaults 0 2
/dev/sda6 /home ext3 defaults,nodev 0 2
/dev/vg0/swap none swap sw 0 0
/dev/hdc /media/cdrom0 udf,iso9660 user,noauto 0 0
FSTAB
cat > "$tree/etc/network/interfaces" <<INTERFACES
auto lo eth0 eth1 eth1.20
iface lo inet loopback

iface eth0 inet static
	address $SERVER_ADDRESS
	netmask 255.255.255.0
	network ${SERVER_NETWORK%/*}
	gateway $SERVER_GATEWAY

iface eth1 inet manual
	up ip link set \$IFACE up

iface eth1.20 inet static
	address $SERVER_VLAN_ADDRESS
	netmask 255.255.255.0
	vlan-raw-device eth1
INTERFACES
echo RESUME=/dev/mapper/vg0-swap > "$tree/etc/initramfs-tools/conf.d/resume"
mkdir -p "$tree/home/admin" "$work/home"
initramfs_tools ext4 sd_mod ata_piix ata_generic dm_mod i8042 atkbd
grub_core "(,msdos1)/grub" ext2
grub_config "root=/dev/mapper/vg0-root ro net.ifnames=0" "set root='hd0,msdos1'" "" part_msdos ext2

disk_make 1 1792 <<DISK
label: dos
label-id: $SERVER_DISK_ID
1 : start=1MiB, size=128MiB, type=83, bootable
2 : start=129MiB, type=5
5 : start=130MiB, size=1536MiB, type=8e
6 : start=1667MiB, type=83
DISK
grub_embed 1
mkdir "$work/boot"
cp -a "$tree/boot/." "$work/boot"
find "$tree/boot" -mindepth 1 -delete
cp -a "$tree/home/." "$work/home"
find "$tree/home" -mindepth 1 -delete
fs_make ext2 "$work/boot.fs" 128 "$work/boot" -U "$SERVER_BOOT_UUID"
fs_make ext3 "$work/home.fs" 120 "$work/home" -U "$SERVER_HOME_UUID"
fs_make ext4 "$work/root.fs" 1408 "$tree" -U "$SERVER_ROOT_UUID"
truncate -s 96M "$work/swap.fs"
mkswap -q -U "$SERVER_SWAP_UUID" "$work/swap.fs"
disk_put 1 1 "$work/boot.fs"
disk_put 1 6 "$work/home.fs"
volumes_begin "$SERVER_VG" 1:5
volume_make root 1408 "$work/root.fs"
volume_make swap 96 "$work/swap.fs"
volumes_end
server_end
