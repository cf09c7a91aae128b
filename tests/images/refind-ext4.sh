#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: refind-ext4.sh OUT.img
#
# Debian 12 started by rEFInd, which finds the kernel on the root by its own driver for ext4, and its arguments in
# refind_linux.conf beside it; its disk is called as the kernel calls it. They name the serial line: nothing adds
# that to them.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
server_tree bookworm amd64 ifupdown dosfstools
# Only its files: the package's script would look for an EFI system partition.
chroot "$tree" sh -c 'cd /tmp && apt-get download -q refind && dpkg-deb -x refind_*.deb refind && rm refind_*.deb'
mv "$tree/tmp/refind" "$work/refind"
server_system <<END
UUID=$SERVER_ROOT_UUID / ext4 errors=remount-ro 0 1
UUID=$SERVER_ESP_ID /boot/efi vfat umask=0077 0 2
/dev/nvme0n1p2 none swap sw 0 0
END
net_ifupdown
mkdir -p "$tree/boot/efi"
initramfs_tools ext4 nvme i8042 atkbd
printf '"Boot with standard options"  "root=/dev/nvme0n1p3 ro console=tty0 console=ttyS0,115200n8"\n"Boot to single-user mode"  "root=/dev/nvme0n1p3 ro single"\n' \
  > "$tree/boot/refind_linux.conf"
mkdir -p "$work/esp/EFI/refind/drivers_x64"
cp "$work/refind/usr/share/refind/refind/refind_x64.efi" "$work/esp/EFI/refind"
cp "$work/refind/usr/share/refind/refind/drivers_x64/ext4_x64.efi" "$work/esp/EFI/refind/drivers_x64"
printf 'timeout 1\ntextonly\nscanfor internal\n' > "$work/esp/EFI/refind/refind.conf"
disk_uefi 1792
fs_make ext4 "$work/root.fs" 1460 "$tree" -U "$SERVER_ROOT_UUID"
disk_put 1 3 "$work/root.fs"
server_end
