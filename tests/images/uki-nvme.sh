#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: uki-nvme.sh OUT.img
#
# Debian 13 with a unified kernel image made by ukify: kernel, initramfs and arguments are one EFI program that
# systemd-boot finds by itself, and the arguments inside it name the root as the NVMe disk is called; ext4,
# systemd-networkd.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
server_tree trixie amd64 systemd-boot-efi systemd-ukify dosfstools
server_system <<END
UUID=$SERVER_ROOT_UUID / ext4 errors=remount-ro 0 1
UUID=$SERVER_ESP_ID /efi vfat umask=0077 0 2
/dev/nvme0n1p2 none swap sw 0 0
END
mkdir -p "$tree/efi"
net_networkd
initramfs_tools ext4 nvme i8042 atkbd

kernel=$(ls "$tree/lib/modules")
mkdir -p "$tree/etc/kernel" "$work/esp"/{EFI/systemd,EFI/BOOT,EFI/Linux,loader}
echo "root=/dev/nvme0n1p3 ro quiet" > "$tree/etc/kernel/cmdline"
echo "layout=uki" > "$tree/etc/kernel/install.conf"
chroot "$tree" ukify build --linux="/boot/vmlinuz-$kernel" --initrd="/boot/initrd.img-$kernel" --uname="$kernel" \
  --cmdline=@/etc/kernel/cmdline --os-release=@/etc/os-release --output=/tmp/unified.efi > "$work/ukify.log" 2>&1 ||
  { cat "$work/ukify.log" >&2; image_die "ukify failed"; }
mv "$tree/tmp/unified.efi" "$work/esp/EFI/Linux/$(cat "$tree/etc/machine-id")-$kernel.efi"
cp "$tree/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$work/esp/EFI/systemd/"
cp "$tree/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$work/esp/EFI/BOOT/BOOTX64.EFI"
printf 'timeout 1\nconsole-mode keep\n' > "$work/esp/loader/loader.conf"

disk_uefi 1792
fs_make ext4 "$work/root.fs" 1460 "$tree" -U "$SERVER_ROOT_UUID"
disk_put 1 3 "$work/root.fs"
server_end
