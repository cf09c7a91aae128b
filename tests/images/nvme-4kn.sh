#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: nvme-4kn.sh OUT.img
#
# Debian 12 with UEFI on a disk whose sectors have 4096 bytes: the signed GRUB at the vendor's path alone, root on
# XFS, swap by kernel name, systemd-networkd.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
image_require fdisk mkfs.xfs mkfs.vfat mcopy
server_tree bookworm amd64 grub-efi-amd64-signed grub-efi-amd64-bin grub-common grub2-common xfsprogs dosfstools
server_system <<FSTAB
UUID=$SERVER_ROOT_UUID / xfs defaults 0 0
UUID=$SERVER_ESP_ID /boot/efi vfat umask=0077 0 1
/dev/nvme0n1p2 none swap sw 0 0
FSTAB
net_networkd
mkdir -p "$tree/boot/efi" "$work/esp/EFI/debian"
initramfs_tools xfs nvme i8042 atkbd
grub_config "root=UUID=$SERVER_ROOT_UUID ro" "search --no-floppy --fs-uuid --set=root $SERVER_ROOT_UUID" /boot part_gpt xfs
cp "$tree/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" "$work/esp/EFI/debian/grubx64.efi"
printf "search.fs_uuid %s root hd0,gpt3\nset prefix=(\$root)'/boot/grub'\nconfigfile \$prefix/grub.cfg\n" "$SERVER_ROOT_UUID" \
  > "$work/esp/EFI/debian/grub.cfg"

# sfdisk takes a file's sectors for 512 bytes; fdisk can be told.
swap_start=$((SERVER_ESP_START + SERVER_ESP_SECTORS)) swap_sectors=24576
root_start=$((swap_start + swap_sectors)) root_mib=1536
disk[1]=$work/disk1
truncate -s $((root_start * 4096 + (root_mib + 1) * 1048576)) "${disk[1]}"
printf '%s\n' g \
  n 1 "$SERVER_ESP_START" "+$((SERVER_ESP_SECTORS - 1))" t 1 \
  n 2 "$swap_start" "+$((swap_sectors - 1))" t 2 19 \
  n 3 "$root_start" "+$((root_mib * 256 - 1))" \
  x i "$SERVER_DISK_ID" u 1 "$SERVER_ESP_PARTUUID" r w | fdisk -b 4096 "${disk[1]}" > "$work/fdisk.log" 2>&1 ||
  { cat "$work/fdisk.log" >&2; image_die "no partitions"; }
put() { dd if="$2" of="${disk[1]}" bs=1M oflag=seek_bytes seek=$(($1 * 4096)) conv=sparse,notrunc status=none; }

truncate -s $((SERVER_ESP_SECTORS * 4096)) "$work/esp.fs"
mkfs.vfat -S 4096 -s 1 -F 16 -i "${SERVER_ESP_ID/-/}" "$work/esp.fs" > /dev/null
mcopy -s -i "$work/esp.fs" "$work/esp/EFI" ::
truncate -s $((swap_sectors * 4096)) "$work/swap.fs"
mkswap -q -U "$SERVER_SWAP_UUID" "$work/swap.fs"
fs_make xfs "$work/root.fs" "$root_mib" "$tree" -s size=4096 -m "uuid=$SERVER_ROOT_UUID"
put "$SERVER_ESP_START" "$work/esp.fs"
put "$swap_start" "$work/swap.fs"
put "$root_start" "$work/root.fs"
server_end
