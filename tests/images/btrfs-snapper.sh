#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: btrfs-snapper.sh OUT.img
#
# Debian 13 laid out as openSUSE does it: root is a snapshot, the file system's default subvolume, which nothing names in
# fstab or in the kernel's arguments; /home, /var and GRUB's modules in subvolumes beside it; dracut; swap by path.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
image_require btrfs
server_tree trixie amd64 btrfs-progs dracut grub-pc
path=/dev/disk/by-path/pci-0000:00:01.1-ata-1
server_system <<END
UUID=$SERVER_ROOT_UUID  /                       btrfs  defaults                          0  0
UUID=$SERVER_ROOT_UUID  /.snapshots             btrfs  subvol=/@/.snapshots              0  0
UUID=$SERVER_ROOT_UUID  /boot/grub/i386-pc      btrfs  subvol=/@/boot/grub/i386-pc       0  0
UUID=$SERVER_ROOT_UUID  /home                   btrfs  subvol=/@/home                    0  0
$path-part2  /var                    btrfs  subvol=/@/var                     0  0
$path-part1  swap                    swap   defaults                          0  0
END
net_networkd
mkdir -p "$tree/home/admin" "$tree/.snapshots"
initramfs_dracut "systemd systemd-initrd dracut-systemd udev-rules kernel-modules btrfs rootfs-block base fs-lib shutdown terminfo" \
  "btrfs sd_mod ata_piix ata_generic libata i8042 atkbd" --filesystems btrfs --xz
snapshot=/@/.snapshots/1/snapshot
grub_core "(,msdos2)$snapshot/boot/grub" btrfs
grub_config "root=UUID=$SERVER_ROOT_UUID resume=$path-part1 rd.timeout=120" \
  "search --no-floppy --fs-uuid --set=root $SERVER_ROOT_UUID" "$snapshot/boot" part_msdos btrfs

disk_make 1 2304 <<END
label: dos
label-id: $SERVER_DISK_ID
1 : start=1MiB, size=128MiB, type=82
2 : start=129MiB, type=83, bootable
END
grub_embed 1
fs_fill() {
  local part
  btrfs -q subvolume create "$2/@"
  btrfs -q subvolume create "$2/@/.snapshots"
  mkdir -p "$2/@/.snapshots/1" "$2/@/boot/grub"
  btrfs -q subvolume create "$2$snapshot"
  for part in boot/grub/i386-pc home var; do
    btrfs -q subvolume create "$2/@/$part"
    cp -a "$1/$part/." "$2/@/$part"
    find "$1/$part" -mindepth 1 -delete
  done
  cp -a "$1/." "$2$snapshot"
  cp -a "$work/i386-pc/." "$2$snapshot/boot/grub/i386-pc"
  btrfs subvolume set-default "$2$snapshot"
}
# GRUB does not see what is mounted over a folder: its modules lie in the snapshot, too.
cp -a "$tree/boot/grub/i386-pc" "$work/i386-pc"
fs_make btrfs "$work/root.fs" 2160 "$tree" -U "$SERVER_ROOT_UUID"
disk_put 1 2 "$work/root.fs"
disk_swap 1 1 -U "$SERVER_SWAP_UUID"
server_end
