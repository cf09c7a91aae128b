#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: nm-stripe.sh OUT.img
#
# Debian 12 with a RHEL-like inside on a BIOS: /boot on ext4, root on an XFS that is striped over the
# physical volumes of two disks, dracut's host-only initramfs (shell, not systemd), a NetworkManager keyfile,
# lvm.conf with a filter that names the disks. OUT-2.img is the second disk.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
image_require mkfs.xfs lvm
server_tree bookworm amd64 lvm2 xfsprogs dracut grub-pc network-manager
server_system <<END
/dev/mapper/vg--data-root / xfs defaults 0 0
UUID=$SERVER_BOOT_UUID /boot ext4 defaults 0 2
/dev/vg-data/swap none swap defaults 0 0
END
keyfile=$tree/etc/NetworkManager/system-connections/lan.nmconnection
cat > "$keyfile" <<END
[connection]
id=lan
uuid=6f0f9e0e-31bb-4e2a-9c5c-1b7a2c0d3e06
type=ethernet
interface-name=$SERVER_NIC

[ethernet]
mac-address=${SERVER_MAC^^}

[ipv4]
address1=$SERVER_ADDRESS/$SERVER_PREFIX,$SERVER_GATEWAY
method=manual

[ipv6]
method=disabled
END
chmod 0600 "$keyfile"
# Which of the two is sda, Linux does not promise.
sed -i '/^devices {/a\	filter = [ "a|^/dev/sd[ab][12]$|", "r|.*|" ]' "$tree/etc/lvm/lvm.conf"
grep -q 'filter = \[ "a|^/dev/sd\[ab' "$tree/etc/lvm/lvm.conf" || image_die "lvm.conf: no filter"

mkdir -p "$tree/tmp/cmdline.d"
echo ' rd.lvm.lv=vg-data/root rd.lvm.lv=vg-data/swap' > "$tree/tmp/cmdline.d/90lvm.conf"
echo ' root=/dev/mapper/vg--data-root rootfstype=xfs rootflags=rw,relatime' > "$tree/tmp/cmdline.d/95root-dev.conf"
initramfs_dracut "udev-rules kernel-modules dm lvm rootfs-block base fs-lib shutdown terminfo" \
  "xfs crc32c-intel sd_mod ata_piix ata_generic libata dm-mod i8042 atkbd" --filesystems xfs --gzip --lvmconf \
  --include /tmp/cmdline.d /etc/cmdline.d
rm -r "$tree/tmp/cmdline.d"
grub_core "(,msdos1)/grub" ext2
grub_config "root=/dev/mapper/vg--data-root ro rd.lvm.lv=vg-data/root rd.lvm.lv=vg-data/swap resume=/dev/vg-data/swap" \
  "search --no-floppy --fs-uuid --set=root $SERVER_BOOT_UUID" "" part_msdos ext2

disk_make 1 1152 <<END
label: dos
label-id: $SERVER_DISK_ID
1 : start=1MiB, size=160MiB, type=83, bootable
2 : start=161MiB, type=8e
END
disk_make 2 1056 <<END
label: dos
label-id: $((SERVER_DISK_ID + 1))
1 : start=1MiB, type=8e
END
grub_embed 1
mkdir "$work/boot"
cp -a "$tree/boot/." "$work/boot"
find "$tree/boot" -mindepth 1 -delete
fs_make ext4 "$work/boot.fs" 160 "$work/boot" -U "$SERVER_BOOT_UUID"
fs_make xfs "$work/root.fs" 1792 "$tree" -m "uuid=$SERVER_ROOT_UUID"
truncate -s 128M "$work/swap.fs"
mkswap -q -U "$SERVER_SWAP_UUID" "$work/swap.fs"
disk_put 1 1 "$work/boot.fs"
volumes_begin "$SERVER_VG" 1:2 2:1
volume_make root 1792 "$work/root.fs" --stripes 2 --stripesize 64k
volume_make swap 128 "$work/swap.fs"
volumes_end
server_end
