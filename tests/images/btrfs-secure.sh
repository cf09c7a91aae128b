#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: btrfs-secure.sh OUT.img
#
# Debian 13 as its installer makes it on btrfs, with Secure Boot: shim and the signed GRUB at the vendor's path
# alone, root in the subvolume @rootfs, /home and /var/log in subvolumes of their own, swap by kernel name;
# NetworkManager with a VLAN on the card.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
server_tree trixie amd64 btrfs-progs shim-signed grub-efi-amd64-signed grub-efi-amd64-bin grub-common grub2-common network-manager dosfstools
server_system <<FSTAB
# / was on /dev/sda3 during installation
UUID=$SERVER_ROOT_UUID / btrfs defaults,subvol=@rootfs 0 0
UUID=$SERVER_ROOT_UUID /home btrfs defaults,subvol=@home,compress=zstd 0 0
/dev/sda3 /var/log btrfs defaults,subvol=@log 0 0
UUID=$SERVER_ESP_ID /boot/efi vfat umask=0077 0 1
/dev/sda2 none swap sw 0 0
FSTAB
connections=$tree/etc/NetworkManager/system-connections
cat > "$connections/lan.nmconnection" <<KEYFILE
[connection]
id=lan
uuid=7f0f9e0e-31bb-4e2a-9c5c-1b7a2c0d3e13
type=ethernet

[ethernet]
mac-address=${SERVER_MAC^^}

[ipv4]
address1=$SERVER_ADDRESS/$SERVER_PREFIX
gateway=$SERVER_GATEWAY
method=manual

[ipv6]
method=disabled
KEYFILE
cat > "$connections/backup.nmconnection" <<KEYFILE
[connection]
id=backup
uuid=8f0f9e0e-31bb-4e2a-9c5c-1b7a2c0d3e13
type=vlan
interface-name=$SERVER_NIC.100

[vlan]
flags=1
id=100
parent=$SERVER_NIC

[ipv4]
address1=$SERVER_VLAN_ADDRESS/24
method=manual

[ipv6]
method=disabled
KEYFILE
chmod 0600 "$connections"/*
# What the census shows of Secure Boot: a card that is there only while it is on.
cat > "$tree/etc/systemd/system/secure-boot.service" <<UNIT
[Unit]
ConditionSecurity=uefi-secureboot
Before=census.service

[Service]
Type=oneshot
ExecStart=ip link add secureboot address 02:53:42:00:00:01 type dummy

[Install]
WantedBy=multi-user.target
UNIT
chroot "$tree" systemctl enable --quiet secure-boot
mkdir -p "$tree/boot/efi" "$tree/home/admin" "$work/esp/EFI/debian"
initramfs_tools btrfs ahci sd_mod i8042 atkbd
grub_config "root=UUID=$SERVER_ROOT_UUID ro rootflags=subvol=@rootfs" \
  "search --no-floppy --fs-uuid --set=root $SERVER_ROOT_UUID" /@rootfs/boot part_gpt btrfs
cp "$tree/usr/lib/shim/shimx64.efi.signed" "$work/esp/EFI/debian/shimx64.efi"
cp "$tree/usr/lib/shim/mmx64.efi.signed" "$work/esp/EFI/debian/mmx64.efi"
cp "$tree/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" "$work/esp/EFI/debian/grubx64.efi"
printf "search.fs_uuid %s root hd0,gpt3\nset prefix=(\$root)'/@rootfs/boot/grub'\nconfigfile \$prefix/grub.cfg\n" "$SERVER_ROOT_UUID" \
  > "$work/esp/EFI/debian/grub.cfg"

disk_make 1 2304 <<DISK
label: gpt
label-id: $SERVER_DISK_ID
1 : start=1MiB, size=40MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=$SERVER_ESP_PARTUUID
2 : start=41MiB, size=128MiB, type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F
3 : start=169MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
DISK
fs_fill() {
  local name
  for name in rootfs home log; do
    btrfs -q subvolume create "$2/@$name"
  done
  cp -a "$1/home/." "$2/@home"
  cp -a "$1/var/log/." "$2/@log"
  find "$1/home" "$1/var/log" -mindepth 1 -delete
  cp -a "$1/." "$2/@rootfs"
}
fs_make btrfs "$work/root.fs" 2130 "$tree" -U "$SERVER_ROOT_UUID"
fat_make "$work/esp.fs" 40 "$work/esp" "$SERVER_ESP_ID"
disk_put 1 1 "$work/esp.fs"
disk_swap 1 2 -U "$SERVER_SWAP_UUID"
disk_put 1 3 "$work/root.fs"
server_end
