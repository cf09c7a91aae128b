#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: netplan-vlan.sh OUT.img
#
# Debian 13 with Ubuntu's network: netplan, a bridge over the card, a VLAN on the bridge. GPT with a BIOS boot
# partition, an initramfs in LZ4, which has no end mark, and swap by its place on the PCI bus.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
server_tree trixie amd64 netplan.io systemd-resolved lz4 grub-pc
server_system <<END
/dev/disk/by-uuid/$SERVER_ROOT_UUID / ext4 defaults 0 1
/dev/disk/by-path/pci-0000:00:01.1-ata-1.0-part3 none swap sw 0 0
END
cat > "$tree/etc/netplan/00-installer-config.yaml" <<END
# This is the network config written by 'subiquity'
network:
  version: 2
  ethernets:
    $SERVER_NIC:
      dhcp4: false
  bridges:
    br0:
      interfaces: [$SERVER_NIC]
      addresses:
      - $SERVER_ADDRESS/$SERVER_PREFIX
      routes:
      - to: default
        via: $SERVER_GATEWAY
      parameters:
        stp: false
  vlans:
    vlan30:
      id: 30
      link: br0
      addresses: [$SERVER_VLAN_ADDRESS/24]
END
chmod 0600 "$tree/etc/netplan/00-installer-config.yaml"
chroot "$tree" systemctl enable --quiet systemd-networkd
sed -i 's/^COMPRESS=.*/COMPRESS=lz4/' "$tree/etc/initramfs-tools/initramfs.conf"
initramfs_tools ext4 sd_mod ata_piix ata_generic i8042 atkbd
grub_core "(,gpt2)/boot/grub" part_gpt ext2
grub_config "root=PARTUUID=$SERVER_ROOT_PARTUUID ro" "search --no-floppy --fs-uuid --set=root $SERVER_ROOT_UUID" /boot part_gpt ext2
disk_make 1 1664 <<END
label: gpt
label-id: $SERVER_DISK_ID
1 : start=2048, size=1MiB, type=21686148-6449-6E6F-744E-656564454649
2 : start=2MiB, size=1536MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=$SERVER_ROOT_PARTUUID
3 : start=1538MiB, size=120MiB, type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F
END
grub_embed 1 1
fs_make ext4 "$work/root.fs" 1536 "$tree" -U "$SERVER_ROOT_UUID"
disk_put 1 2 "$work/root.fs"
disk_swap 1 3 -U "$SERVER_SWAP_UUID"
server_end
