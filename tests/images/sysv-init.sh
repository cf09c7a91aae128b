#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: sysv-init.sh OUT.img
#
# Debian 12 without systemd: init and its scripts, whose getty is a line of inittab; each disk by kernel name or path,
# /srv by a label, two cards with names that udev gives; smartd and sensors.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
server_tree bookworm amd64 sysvinit-core initscripts systemd-sysv- systemd- smartmontools fancontrol grub-pc ifupdown
server_system <<END
/dev/sda1 / ext4 errors=remount-ro 0 1
/dev/disk/by-path/pci-0000:00:01.1-ata-1-part2 none swap sw 0 0
LABEL=srv /srv ext3 defaults 0 2
END
cat > "$tree/etc/network/interfaces" <<END
auto lo $SERVER_NIC $SERVER_NIC2
iface lo inet loopback

iface $SERVER_NIC inet static
	address $SERVER_ADDRESS
	netmask 255.255.255.0
	gateway $SERVER_GATEWAY

iface $SERVER_NIC2 inet static
	address $SERVER_BACKUP_ADDRESS
	netmask 255.255.255.0
END
initramfs_tools ext4 sd_mod ata_piix ata_generic i8042 atkbd
grub_core "(,msdos1)/boot/grub" ext2
grub_config "root=/dev/sda1 ro" "set root='hd0,msdos1'" /boot part_msdos ext2
disk_make 1 1728 <<END
label: dos
label-id: $SERVER_DISK_ID
1 : start=1MiB, size=1408MiB, type=83, bootable
2 : start=1409MiB, size=128MiB, type=82
3 : start=1537MiB, type=83
END
grub_embed 1
mkdir "$work/srv"
fs_make ext4 "$work/root.fs" 1408 "$tree" -U "$SERVER_ROOT_UUID"
fs_make ext3 "$work/srv.fs" 180 "$work/srv" -L srv
disk_put 1 1 "$work/root.fs"
disk_swap 1 2 -U "$SERVER_SWAP_UUID"
disk_put 1 3 "$work/srv.fs"
server_end
