#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: nvme-names.sh OUT.img
#
# Debian 12 with UEFI and two cards: the signed GRUB at the vendor's path alone, every disk by its kernel name in
# fstab and on the kernel's command line, /home by the partition's label, a swap file; ifupdown with an IPv6 address,
# a second card in a bridge, both out of interfaces.d.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
server_tree bookworm amd64 shim-signed grub-efi-amd64-signed grub-efi-amd64-bin grub-common grub2-common ifupdown bridge-utils dosfstools
server_system <<END
/dev/nvme0n1p2	/	ext4	errors=remount-ro	0	1
/dev/nvme0n1p1	/boot/efi	vfat	umask=0077	0	2
PARTLABEL=home	/home	ext4	nodev,nosuid	0	2
/swapfile	none	swap	sw	0	0
tmpfs	/tmp	tmpfs	mode=1777,size=64M	0	0
END
printf 'auto lo\niface lo inet loopback\n\nsource /etc/network/interfaces.d/*\n' > "$tree/etc/network/interfaces"
cat > "$tree/etc/network/interfaces.d/lan" <<END
allow-hotplug $SERVER_NIC
iface $SERVER_NIC inet static
	address $SERVER_ADDRESS
	netmask 255.255.255.0
	gateway $SERVER_GATEWAY
iface $SERVER_NIC inet6 static
	address $SERVER_ADDRESS6/64
END
cat > "$tree/etc/network/interfaces.d/br-backup" <<END
auto br-backup
iface br-backup inet static
	bridge_ports $SERVER_NIC2
	bridge_stp off
	bridge_fd 0
	address $SERVER_BACKUP_ADDRESS/24
END
mkdir -p "$tree/home/admin" "$tree/boot/efi" "$work/esp/EFI/debian" "$work/home"
# Not zeros: mkfs -d makes holes of them, and swapon wants none.
head -c 64M /dev/urandom > "$tree/swapfile"
chmod 0600 "$tree/swapfile"
mkswap -q -U "$SERVER_SWAP_UUID" "$tree/swapfile"
initramfs_tools ext4 nvme i8042 atkbd
grub_config "root=/dev/nvme0n1p2 ro" "search --no-floppy --fs-uuid --set=root $SERVER_ROOT_UUID" /boot part_gpt ext2
cp "$tree/usr/lib/shim/shimx64.efi.signed" "$work/esp/EFI/debian/shimx64.efi"
cp "$tree/usr/lib/shim/mmx64.efi.signed" "$work/esp/EFI/debian/mmx64.efi"
cp "$tree/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" "$work/esp/EFI/debian/grubx64.efi"
printf "search.fs_uuid %s root hd0,gpt2\nset prefix=(\$root)'/boot/grub'\nconfigfile \$prefix/grub.cfg\n" "$SERVER_ROOT_UUID" \
  > "$work/esp/EFI/debian/grub.cfg"

disk_make 1 1920 <<END
label: gpt
label-id: $SERVER_DISK_ID
1 : start=1MiB, size=40MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=$SERVER_ESP_PARTUUID
2 : start=41MiB, size=1792MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
3 : start=1833MiB, size=64MiB, type=933AC7E1-2EB4-4F13-B844-0E14E2AEF915, name=home
END
cp -a "$tree/home/." "$work/home"
find "$tree/home" -mindepth 1 -delete
fs_make ext4 "$work/home.fs" 64 "$work/home"
fs_make ext4 "$work/root.fs" 1792 "$tree" -U "$SERVER_ROOT_UUID"
fat_make "$work/esp.fs" 40 "$work/esp" "$SERVER_ESP_ID"
disk_put 1 1 "$work/esp.fs"
disk_put 1 2 "$work/root.fs"
disk_put 1 3 "$work/home.fs"
server_end
