#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: raid0-luks1.sh OUT.img
#
# Debian 13 whose root lies in LUKS 1 on an md RAID 0 over two disks, both made by their own tools in libguestfs's
# appliance; /boot on the first disk, swap on the second by the kernel's name; a bond of two cards with a VLAN on it
# in systemd-networkd's words. It asks for its passphrase on the screen. OUT-2.img is the second disk.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
image_require guestfish
server_tree trixie amd64 mdadm cryptsetup-initramfs grub-pc
server_system <<END
/dev/mapper/md0_crypt / ext4 errors=remount-ro 0 1
/dev/sda1 /boot ext4 defaults 0 2
/dev/sdb1 none swap sw 0 0
END
echo "md0_crypt /dev/md0 none luks,discard" > "$tree/etc/crypttab"
cat > "$tree/etc/mdadm/mdadm.conf" <<END
DEVICE /dev/sd[ab]2
HOMEHOST <system>
MAILADDR root
ARRAY /dev/md0 metadata=1.2 UUID=$SERVER_ARRAY_UUID name=$SERVER_NAME:0
END
# networkd FILE: the file's text from the input.
networkd() { cat > "$tree/etc/systemd/network/$1"; }
networkd 10-bond0.netdev <<END
[NetDev]
Name=bond0
Kind=bond

[Bond]
Mode=active-backup
MIIMonitorSec=100ms
END
networkd 10-backup.netdev <<END
[NetDev]
Name=backup
Kind=vlan

[VLAN]
Id=30
END
networkd 20-cards.network <<END
[Match]
Name=$SERVER_NIC $SERVER_NIC2

[Network]
Bond=bond0
END
networkd 30-bond0.network <<END
[Match]
Name=bond0

[Network]
VLAN=backup
Address=$SERVER_ADDRESS/$SERVER_PREFIX
Gateway=$SERVER_GATEWAY
LinkLocalAddressing=no
IPv6AcceptRA=no
END
networkd 40-backup.network <<END
[Match]
Name=backup

[Network]
Address=$SERVER_VLAN_ADDRESS/24
LinkLocalAddressing=no
IPv6AcceptRA=no
END
chroot "$tree" systemctl enable --quiet systemd-networkd
# What the hook of cryptsetup finds on the machine itself.
echo CRYPTSETUP=y >> "$tree/etc/cryptsetup-initramfs/conf-hook"
initramfs_hook="echo 'md0_crypt /dev/md0 none luks,discard' > \$DESTDIR/cryptroot/crypttab"
initramfs_tools ext4 sd_mod ata_piix ata_generic raid0 dm_mod dm_crypt xts aes_generic ecb sha256_generic i8042 atkbd
grub_core "(,msdos1)/grub" ext2
grub_config "root=/dev/mapper/md0_crypt ro" "search --no-floppy --fs-uuid --set=root $SERVER_BOOT_UUID" "" part_msdos ext2
for n in 1 2; do
  disk_make $n 768 <<END
label: dos
label-id: $((SERVER_DISK_ID + n))
1 : start=1MiB, size=192MiB, type=$([ $n = 1 ] && echo 83, bootable || echo 82)
2 : start=193MiB, type=fd
END
done
grub_embed 1
mkdir "$work/boot"
cp -a "$tree/boot/." "$work/boot"
find "$tree/boot" -mindepth 1 -delete
fs_make ext4 "$work/boot.fs" 192 "$work/boot" -U "$SERVER_BOOT_UUID"
fs_make ext4 "$work/root.fs" 1088 "$tree" -U "$SERVER_ROOT_UUID"
disk_put 1 1 "$work/boot.fs"
disk_swap 2 1 -U "$SERVER_SWAP_UUID"
# The iterations are few, as a software-emulated machine counts them.
appliance "${disk[1]}" "${disk[2]}" "$work/root.fs" <<END
mdadm --create /dev/md0 --run --metadata=1.2 --homehost=$SERVER_NAME --name=0 --uuid=$SERVER_ARRAY_UUID --level=0 --raid-devices=2 /dev/sda2 /dev/sdb2
echo -n $SERVER_KEY > /tmp/key
cryptsetup luksFormat --batch-mode --type luks1 --pbkdf-force-iterations 1000 --uuid $SERVER_LUKS_UUID --key-file /tmp/key /dev/md0
cryptsetup open --key-file /tmp/key /dev/md0 md0_crypt
dd if=/dev/sdc of=/dev/mapper/md0_crypt bs=1M oflag=direct
cryptsetup close md0_crypt
mdadm --stop /dev/md0
END
server_end
