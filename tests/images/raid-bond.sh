#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: raid-bond.sh OUT.img
#
# Debian 12 whose root is an md RAID 1 over two disks, each with GRUB in its MBR, with a bond of two cards
# in ifupdown's words, and a swap on the second disk. OUT-2.img is the second disk.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
server_tree bookworm amd64 mdadm grub-pc ifupdown ifenslave
server_system <<END
# / was on /dev/md1 during installation
/dev/md1 / ext4 errors=remount-ro 0 1
UUID=$SERVER_SWAP_UUID none swap sw 0 0
END
cat > "$tree/etc/network/interfaces" <<END
auto lo
iface lo inet loopback

auto bond0
iface bond0 inet static
	address $SERVER_ADDRESS/$SERVER_PREFIX
	gateway $SERVER_GATEWAY
	bond-slaves $SERVER_NIC $SERVER_NIC2
	bond-mode active-backup
	bond-miimon 100
	bond-primary $SERVER_NIC
END
cat > "$tree/etc/mdadm/mdadm.conf" <<END
DEVICE /dev/sda* /dev/sdb*
HOMEHOST <system>
MAILADDR root
ARRAY /dev/md1 metadata=1.2 UUID=$SERVER_ARRAY_UUID name=$SERVER_NAME:1
END
initramfs_tools ext4 sd_mod megaraid_sas raid1 i8042 atkbd
grub_core "(mduuid/${SERVER_ARRAY_UUID//:/})/boot/grub" mdraid1x diskfilter ext2
grub_config "root=/dev/md1 ro" "search --no-floppy --fs-uuid --set=root $SERVER_ROOT_UUID" /boot \
  part_msdos diskfilter mdraid1x ext2
for n in 1 2; do
  disk_make $n 1664 <<END
label: dos
label-id: $((SERVER_DISK_ID + n))
1 : start=1MiB, size=1537MiB, type=fd, bootable
2 : start=1538MiB, type=82
END
  grub_embed $n
done
md_make "$SERVER_NAME:1" 1
fs_make ext4 "$work/root.fs" 1536 "$tree" -U "$SERVER_ROOT_UUID"
for n in 1 2; do
  disk_put $n 1 "$work/root.fs" $((1 << 20))
done
disk_swap 2 2 -U "$SERVER_SWAP_UUID"
server_end
