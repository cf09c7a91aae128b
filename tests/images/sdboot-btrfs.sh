#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: sdboot-btrfs.sh OUT.img
#
# Debian 13 as its users of systemd's own parts have it: UEFI, systemd-boot with type 1 entries whose
# kernels lie on the ESP, one btrfs with a subvolume each for / and /home, swap by kernel name on an NVMe
# disk, systemd-networkd.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
server_tree trixie amd64 btrfs-progs systemd-boot-efi dosfstools
server_system <<END
UUID=$SERVER_ROOT_UUID / btrfs defaults,noatime,subvol=@ 0 0
UUID=$SERVER_ROOT_UUID /home btrfs defaults,noatime,subvol=@home 0 0
UUID=$SERVER_ESP_ID /efi vfat umask=0077 0 2
/dev/nvme0n1p2 none swap sw 0 0
END
mkdir -p "$tree/efi" "$tree/home/admin"
net_networkd
initramfs_tools btrfs nvme i8042 atkbd

options="root=UUID=$SERVER_ROOT_UUID rootflags=subvol=@ rw quiet"
machine_id=$(cat "$tree/etc/machine-id")
kernel=$(ls "$tree/lib/modules")
mkdir -p "$tree/etc/kernel" "$work/esp"/{EFI/systemd,EFI/BOOT,loader/entries,"$machine_id/$kernel"}
echo "$options" > "$tree/etc/kernel/cmdline"
cp "$tree/boot/vmlinuz-$kernel" "$work/esp/$machine_id/$kernel/linux"
cp "$tree/boot/initrd.img-$kernel" "$work/esp/$machine_id/$kernel/initrd.img-$kernel"
cp "$tree/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$work/esp/EFI/systemd/"
cp "$tree/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$work/esp/EFI/BOOT/BOOTX64.EFI"
printf 'timeout 1\nconsole-mode keep\n#default\n' > "$work/esp/loader/loader.conf"
# As kernel-install writes it.
cat > "$work/esp/loader/entries/$machine_id-$kernel.conf" <<END
title      Debian GNU/Linux 13 (trixie)
version    $kernel
machine-id $machine_id
sort-key   debian
options    $options
linux      /$machine_id/$kernel/linux
initrd     /$machine_id/$kernel/initrd.img-$kernel
END

disk_uefi 2304
fs_fill() {
  btrfs -q subvolume create "$2/@"
  btrfs -q subvolume create "$2/@home"
  cp -a "$1/home/." "$2/@home"
  find "$1/home" -mindepth 1 -delete
  cp -a "$1/." "$2/@"
}
fs_make btrfs "$work/root.fs" 1970 "$tree" -U "$SERVER_ROOT_UUID"
disk_put 1 3 "$work/root.fs"
server_end
