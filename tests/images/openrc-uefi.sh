#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: openrc-uefi.sh OUT.img
#
# Debian 12 dressed as a Gentoo: OpenRC, a GRUB that nobody signed, without a shim and at its own path alone; the EFI
# system partition is /boot, with kernel, initramfs and grub.cfg; every disk by its kernel name.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
server_tree bookworm amd64 sysvinit-core initscripts openrc systemd-sysv- systemd- smartmontools \
  grub-efi-amd64-bin grub-common grub2-common ifupdown dosfstools
server_system <<END
/dev/nvme0n1p3	/	ext4	noatime	0	1
/dev/nvme0n1p1	/boot	vfat	noauto,noatime	0	2
/dev/nvme0n1p2	none	swap	sw	0	0
END
net_ifupdown
initramfs_tools ext4 nvme i8042 atkbd
grub_config "root=/dev/nvme0n1p3 ro" "search --no-floppy --fs-uuid --set=root $SERVER_ESP_ID" "" part_gpt fat
cp -r "$tree/usr/lib/grub/x86_64-efi" "$tree/boot/grub"
mkdir -p "$tree/boot/EFI/gentoo" "$work/esp"
printf 'search.fs_uuid %s root\nset prefix=($root)/grub\n' "$SERVER_ESP_ID" > "$tree/tmp/early.cfg"
chroot "$tree" grub-mkimage -O x86_64-efi -o /boot/EFI/gentoo/grubx64.efi -c /tmp/early.cfg -p /grub \
  part_gpt fat search_fs_uuid normal configfile linux
rm "$tree/tmp/early.cfg" "$tree"/boot/System.map-*
cp -r "$tree/boot/." "$work/esp"
find "$tree/boot" -mindepth 1 -delete
disk_uefi 1792
fs_make ext4 "$work/root.fs" 1460 "$tree" -U "$SERVER_ROOT_UUID"
disk_put 1 3 "$work/root.fs"
server_end
