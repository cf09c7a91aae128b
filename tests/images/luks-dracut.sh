#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: luks-dracut.sh OUT.img
#
# Debian 13 with dracut: root is XFS in LUKS 2, which systemd in the initramfs asks the passphrase of, on the screen;
# /srv is in a LUKS volume of its own, called by the kernel's name, whose key is a file on the root; a swap file.
# NetworkManager.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
image_require cryptsetup mkfs.xfs
server_tree trixie amd64 dracut cryptsetup systemd-cryptsetup xfsprogs network-manager grub-pc
server_system <<END
/dev/mapper/luks-$SERVER_LUKS_UUID / xfs defaults 0 0
UUID=$SERVER_BOOT_UUID /boot ext4 defaults 0 2
/dev/mapper/srv /srv ext4 defaults,nodev 0 2
/swapfile none swap sw 0 0
END
mkdir -p -m 0700 "$tree/etc/keys"
head -c 64 /dev/urandom > "$tree/etc/keys/srv"
chmod 0400 "$tree/etc/keys/srv"
cp "$tree/etc/keys/srv" "$work/srv.key"
cat > "$tree/etc/crypttab" <<END
luks-$SERVER_LUKS_UUID UUID=$SERVER_LUKS_UUID none discard,x-initrd.attach
srv /dev/sda3 /etc/keys/srv luks
END
keyfile=$tree/etc/NetworkManager/system-connections/lan.nmconnection
cat > "$keyfile" <<END
[connection]
id=lan
uuid=7f0f9e0e-31bb-4e2a-9c5c-1b7a2c0d3e27
type=ethernet
interface-name=$SERVER_NIC

[ipv4]
address1=$SERVER_ADDRESS/$SERVER_PREFIX
gateway=$SERVER_GATEWAY
method=manual

[ipv6]
method=disabled
END
chmod 0600 "$keyfile"
# Not zeros: the file system would make holes of them, and swapon wants none.
head -c 64M /dev/urandom > "$tree/swapfile"
chmod 0600 "$tree/swapfile"
mkswap -q "$tree/swapfile"
initramfs_dracut "systemd systemd-initrd dracut-systemd systemd-ask-password systemd-cryptsetup udev-rules kernel-modules crypt dm rootfs-block base fs-lib shutdown terminfo" \
  "xfs sd_mod ata_piix ata_generic libata dm-mod dm-crypt xts ecb aes_generic sha256_generic sha512_generic i8042 atkbd" --filesystems xfs --zstd
grub_core "(,msdos1)/grub" ext2
grub_config "root=/dev/mapper/luks-$SERVER_LUKS_UUID ro rd.luks.uuid=luks-$SERVER_LUKS_UUID rd.timeout=120" \
  "search --no-floppy --fs-uuid --set=root $SERVER_BOOT_UUID" "" part_msdos ext2

disk_make 1 2304 <<END
label: dos
label-id: $SERVER_DISK_ID
1 : start=1MiB, size=160MiB, type=83, bootable
2 : start=161MiB, size=1984MiB, type=83
3 : start=2145MiB, type=83
END
grub_embed 1
mkdir "$work/boot" "$work/srv"
cp -a "$tree/boot/." "$work/boot"
find "$tree/boot" -mindepth 1 -delete
fs_make ext4 "$work/boot.fs" 160 "$work/boot" -U "$SERVER_BOOT_UUID"
fs_make ext4 "$work/srv.fs" 96 "$work/srv" -U "$SERVER_DATA_UUID"
fs_make xfs "$work/root.fs" 1920 "$tree" -m uuid="$SERVER_ROOT_UUID"
printf %s "$SERVER_KEY" > "$work/key"
luks_make "$work/root.fs" "$SERVER_LUKS_UUID" "$work/key"
luks_make "$work/srv.fs" "$SERVER_DATA_LUKS_UUID" "$work/srv.key"
disk_put 1 1 "$work/boot.fs"
disk_put 1 2 "$work/root.fs"
disk_put 1 3 "$work/srv.fs"
server_end
