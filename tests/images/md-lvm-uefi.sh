#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: md-lvm-uefi.sh OUT.img
#
# Debian 13 with UEFI on two mirrored disks, as careful people make it: /boot on one md RAID 1; on another a volume
# group with root, /var on XFS and swap; an EFI system partition on each disk, one called by the disk's serial number.
# systemd-networkd with a bond and a VLAN on it. OUT-2.img is the second disk.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
image_require lvm mkfs.xfs
server_tree trixie amd64 mdadm lvm2 xfsprogs shim-signed grub-efi-amd64-signed grub-efi-amd64-bin grub-common \
  grub2-common dosfstools
server_system <<END
/dev/mapper/$SERVER_VG-root / ext4 errors=remount-ro 0 1
/dev/md/boot /boot ext4 defaults 0 2
/dev/disk/by-id/ata-QEMU_HARDDISK_${SERVER_DISK_SERIAL}-part1 /boot/efi vfat umask=0077 0 2
/dev/disk/by-uuid/$SERVER_ESP2_ID /boot/efi2 vfat umask=0077,nofail 0 2
/dev/$SERVER_VG/var /var xfs defaults 0 0
/dev/mapper/$SERVER_VG-swap none swap sw 0 0
END
cat > "$tree/etc/mdadm/mdadm.conf" <<END
HOMEHOST <ignore>
MAILADDR root
ARRAY /dev/md/boot metadata=1.2 UUID=$SERVER_BOOT_ARRAY_UUID devices=/dev/sda2,/dev/sdb2
ARRAY /dev/md/data metadata=1.2 UUID=$SERVER_DATA_ARRAY_UUID devices=/dev/sda3,/dev/sdb3
END
sed -i 's#^\t*\# use_devicesfile = .*#\tuse_devicesfile = 0\n\tglobal_filter = [ "a|^/dev/md/.*|", "a|^/dev/md[0-9]+$|", "r|.*|" ]#' "$tree/etc/lvm/lvm.conf"
grep -q '^.global_filter' "$tree/etc/lvm/lvm.conf" || image_die "lvm.conf has no filter"
network=$tree/etc/systemd/network
printf '[NetDev]\nName=bond0\nKind=bond\n\n[Bond]\nMode=active-backup\nMIIMonitorSec=1\nPrimaryReselectPolicy=always\n' > "$network/10-bond0.netdev"
printf '[NetDev]\nName=bond0.40\nKind=vlan\n\n[VLAN]\nId=40\n' > "$network/11-vlan.netdev"
printf '[Match]\nName=%s\n\n[Network]\nBond=bond0\nPrimarySlave=true\n' "$SERVER_NIC" > "$network/20-first.network"
printf '[Match]\nPath=pci-0000:00:05.0\n\n[Network]\nBond=bond0\n' > "$network/21-second.network"
printf '[Match]\nName=bond0\n\n[Network]\nVLAN=bond0.40\nAddress=%s/%s\nGateway=%s\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n' \
  "$SERVER_ADDRESS" "$SERVER_PREFIX" "$SERVER_GATEWAY" > "$network/30-bond0.network"
printf '[Match]\nName=bond0.40\n\n[Network]\nAddress=%s/24\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n' "$SERVER_VLAN_ADDRESS" \
  > "$network/31-vlan.network"
chroot "$tree" systemctl enable --quiet systemd-networkd
mkdir -p "$work/esp/EFI/debian" "$work/esp2" "$work/boot" "$work/var"
initramfs_tools ext4 ahci sd_mod raid1 dm_mod i8042 atkbd
grub_config "root=/dev/mapper/$SERVER_VG-root ro" "search --no-floppy --fs-uuid --set=root $SERVER_BOOT_UUID" "" \
  part_gpt diskfilter mdraid1x ext2
cp "$tree/usr/lib/shim/shimx64.efi.signed" "$work/esp/EFI/debian/shimx64.efi"
cp "$tree/usr/lib/shim/mmx64.efi.signed" "$work/esp/EFI/debian/mmx64.efi"
cp "$tree/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" "$work/esp/EFI/debian/grubx64.efi"
printf "search.fs_uuid %s root mduuid/%s\nset prefix=(\$root)'/grub'\nconfigfile \$prefix/grub.cfg\n" "$SERVER_BOOT_UUID" \
  "${SERVER_BOOT_ARRAY_UUID//:/}" > "$work/esp/EFI/debian/grub.cfg"
cp -r "$work/esp/EFI" "$work/esp2"

for n in 1 2; do
  disk_make $n 1920 <<END
label: gpt
label-id: ${SERVER_DISK_ID}$n
1 : start=1MiB, size=40MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B$([ $n = 2 ] || echo ", uuid=$SERVER_ESP_PARTUUID")
2 : start=41MiB, size=161MiB, type=A19D880F-05FC-4D3B-A006-743F0F84911E
3 : start=202MiB, size=1697MiB, type=A19D880F-05FC-4D3B-A006-743F0F84911E
END
done
SERVER_ARRAY_UUID=$SERVER_BOOT_ARRAY_UUID md_make boot 2
SERVER_ARRAY_UUID=$SERVER_DATA_ARRAY_UUID md_make data 3
for part in boot var; do
  cp -a "$tree/$part/." "$work/$part"
  find "$tree/$part" -mindepth 1 -delete
done
mkdir -p "$work/boot/efi" "$work/boot/efi2"
fs_make ext4 "$work/boot.fs" 160 "$work/boot" -U "$SERVER_BOOT_UUID"
fs_make xfs "$work/var.fs" 384 "$work/var" -m uuid="$SERVER_VAR_UUID"
fs_make ext4 "$work/root.fs" 1152 "$tree" -U "$SERVER_ROOT_UUID"
truncate -s 96M "$work/swap.fs"
mkswap -q -U "$SERVER_SWAP_UUID" "$work/swap.fs"
truncate -s 1640M "$work/pv"
volumes_begin "$SERVER_VG" "$work/pv"
volume_make root 1152 "$work/root.fs"
volume_make var 384 "$work/var.fs"
volume_make swap 96 "$work/swap.fs"
volumes_end
fat_make "$work/esp.fs" 40 "$work/esp" "$SERVER_ESP_ID"
fat_make "$work/esp2.fs" 40 "$work/esp2" "$SERVER_ESP2_ID"
disk_put 1 1 "$work/esp.fs"
disk_put 2 1 "$work/esp2.fs"
for n in 1 2; do
  disk_put $n 2 "$work/boot.fs" $((1 << 20))
  disk_put $n 3 "$work/pv" $((1 << 20))
done
server_end
