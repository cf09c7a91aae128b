#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: grub-legacy.sh OUT.img
#
# Debian 11 started by GRUB legacy: /boot on ext2, root on ext4, swap; all of them by kernel name, in fstab,
# in menu.lst and in the comments of menu.lst that update-grub reads; a device.map by id.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
server_tree bullseye amd64 grub-legacy ifupdown
server_system <<END
# <file system> <mount point> <type> <options> <dump> <pass>
/dev/sda3 / ext4 defaults,errors=remount-ro 0 1
/dev/sda1 /boot ext2 defaults 0 2
/dev/sda2 none swap sw 0 0
END
cat > "$tree/etc/network/interfaces" <<END
source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback
END
cat > "$tree/etc/network/interfaces.d/lan" <<END
auto $SERVER_NIC
iface $SERVER_NIC inet static
	address $SERVER_ADDRESS
	netmask 255.255.255.0
	gateway $SERVER_GATEWAY
END
echo RESUME=/dev/sda2 > "$tree/etc/initramfs-tools/conf.d/resume"
initramfs_tools ext4 sd_mod ata_piix ata_generic i8042 atkbd
kernel=$(ls "$tree/lib/modules")
mkdir -p "$tree/boot/grub"
cp "$tree"/usr/lib/grub/x86_64-pc/* "$tree/boot/grub/"
echo "(hd0) /dev/disk/by-id/ata-QEMU_HARDDISK_$SERVER_DISK_SERIAL" > "$tree/boot/grub/device.map"
cat > "$tree/boot/grub/menu.lst" <<END
# menu.lst - See: grub(8), info grub, update-grub(8)
default		0
timeout		1
color cyan/blue white/blue

### BEGIN AUTOMAGIC KERNELS LIST
## ## Start Default Options ##
# kopt=root=/dev/sda3 ro
# groot=(hd0,0)
# alternative=true
# defoptions=quiet
# howmany=all
## ## End Default Options ##

title		Debian GNU/Linux, kernel $kernel
root		(hd0,0)
kernel		/vmlinuz-$kernel root=/dev/sda3 ro quiet
initrd		/initrd.img-$kernel

title		Debian GNU/Linux, kernel $kernel (single-user mode)
root		(hd0,0)
kernel		/vmlinuz-$kernel root=/dev/sda3 ro single
initrd		/initrd.img-$kernel

### END DEBIAN AUTOMAGIC KERNELS LIST
END
disk_make 1 1536 <<END
label: dos
label-id: $SERVER_DISK_ID
1 : start=63, size=262144, type=83, bootable
2 : start=129MiB, size=127MiB, type=82
3 : start=256MiB, type=83
END
mkdir "$work/boot" "$work/grub"
cp "$tree/usr/sbin/grub" "$work/grub/"
cp -a "$tree/boot/." "$work/boot"
find "$tree/boot" -mindepth 1 -delete
# GRUB legacy knows inodes of 128 bytes only.
fs_make ext2 "$work/boot.fs" 128 "$work/boot" -I 128 -U "$SERVER_BOOT_UUID"
fs_make ext4 "$work/root.fs" 1279 "$tree" -U "$SERVER_ROOT_UUID"
disk_put 1 1 "$work/boot.fs"
disk_put 1 3 "$work/root.fs"
disk_swap 1 2 -U "$SERVER_SWAP_UUID"
echo "(hd0) ${disk[1]}" > "$work/device.map"
printf 'root (hd0,0)\nsetup (hd0)\nquit\n' |
  "$work/grub/grub" --batch --no-floppy --device-map="$work/device.map" > "$work/grub.log"
grep -q 'Running "install .*succeeded' "$work/grub.log" || { cat "$work/grub.log" >&2; image_die "GRUB was not installed"; }
server_end
