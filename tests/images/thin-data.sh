#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: thin-data.sh OUT.img
#
# Debian 12 whose root is a thin volume, with a data disk that crypttab opens by a key file, places on the PCI
# bus in fstab and crypttab, a filter of LVM that names the disks, and a card that a .link
# file names by its place. OUT-2.img is the data disk. The thin pool is made in libguestfs's appliance: LVM
# without device-mapper makes none.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
image_require guestfish cryptsetup
by_path=/dev/disk/by-path/pci-0000:00:01.1-ata
server_tree bookworm amd64 lvm2 thin-provisioning-tools cryptsetup grub-pc ifupdown
server_system <<END
/dev/vg0/root / ext4 errors=remount-ro 0 1
$by_path-1.0-part1 /boot ext4 defaults 0 2
/dev/mapper/data /srv ext4 defaults 0 2
/dev/vg0/swap none swap sw 0 0
END
mkdir -p "$tree/etc/keys"
head -c 64 /dev/urandom > "$tree/etc/keys/data.key"
chmod 0400 "$tree/etc/keys/data.key"
echo "data $by_path-2.0-part1 /etc/keys/data.key luks,noearly" > "$tree/etc/crypttab"
net_ifupdown
mkdir -p "$tree/etc/systemd/network"
printf '[Match]\nPath=pci-0000:00:03.0\n\n[Link]\nName=%s\n' "$SERVER_NIC" > "$tree/etc/systemd/network/10-lan.link"
sed -i '/^devices {/a\	global_filter = [ "a|^/dev/sd[ab]|", "r|.*|" ]' "$tree/etc/lvm/lvm.conf"
initramfs_tools ext4 sd_mod ata_piix ata_generic dm_mod dm_thin_pool i8042 atkbd
grub_core "(,msdos1)/grub" ext2
grub_config "root=/dev/mapper/vg0-root ro" "search --no-floppy --fs-uuid --set=root $SERVER_BOOT_UUID" "" part_msdos ext2

disk_make 1 1792 <<END
label: dos
label-id: $SERVER_DISK_ID
1 : start=1MiB, size=160MiB, type=83, bootable
2 : start=161MiB, type=8e
END
disk_make 2 128 <<END
label: dos
label-id: $((SERVER_DISK_ID + 1))
1 : start=1MiB, type=83
END
grub_embed 1
# The data disk: encrypted in place, by cryptsetup alone.
mkdir "$work/boot" "$work/data"
echo "what the server is for" > "$work/data/file"
fs_make ext4 "$work/data.fs" 80 "$work/data" -U "$SERVER_DATA_UUID"
truncate -s +32M "$work/data.fs"
cryptsetup reencrypt --encrypt --batch-mode --type luks2 --cipher aes-xts-plain64 --key-size 512 --pbkdf pbkdf2 \
  --pbkdf-force-iterations 1000 --reduce-device-size 32M --uuid "$SERVER_LUKS_UUID" \
  --key-file "$tree/etc/keys/data.key" "$work/data.fs"
disk_put 2 1 "$work/data.fs"
cp -a "$tree/boot/." "$work/boot"
find "$tree/boot" -mindepth 1 -delete
fs_make ext4 "$work/boot.fs" 160 "$work/boot" -U "$SERVER_BOOT_UUID"
disk_put 1 1 "$work/boot.fs"
fs_make ext4 "$work/root.fs" 1344 "$tree" -U "$SERVER_ROOT_UUID"
truncate -s 96M "$work/swap.fs"
mkswap -q -U "$SERVER_SWAP_UUID" "$work/swap.fs"
appliance "${disk[1]}" "$work/root.fs" "$work/swap.fs" <<END
pvcreate -q /dev/sda2
vgcreate -q vg0 /dev/sda2
lvcreate -q -L 1440M --thinpool pool vg0
lvcreate -q -V 1344M --thin -n root vg0/pool
lvcreate -q -L 96M -n swap vg0
dd if=/dev/sdb of=/dev/vg0/root bs=1M conv=sparse,fsync
dd if=/dev/sdc of=/dev/vg0/swap bs=1M conv=sparse,fsync
vgchange -q -an vg0
END
server_end
