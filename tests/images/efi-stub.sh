#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: efi-stub.sh OUT.img
#
# Debian 12 without a boot loader: the firmware's own entry starts the kernel on the EFI system partition, with the
# arguments that the entry holds, and a hook of the administrator's copies each new kernel there; ifupdown.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
server_tree bookworm amd64 dosfstools ifupdown
server_system <<END
UUID=$SERVER_ROOT_UUID / ext4 errors=remount-ro 0 1
UUID=$SERVER_ESP_ID /boot/efi vfat umask=0077 0 2
/dev/sda2 none swap sw 0 0
END
mkdir -p "$tree/boot/efi" "$tree/etc/kernel/postinst.d"
cat > "$tree/etc/network/interfaces" <<END
auto lo
iface lo inet loopback

auto $SERVER_NIC
iface $SERVER_NIC inet static
	address $SERVER_ADDRESS/$SERVER_PREFIX
	gateway $SERVER_GATEWAY
END
cat > "$tree/etc/kernel/postinst.d/zz-update-efistub" <<'HOOK'
#!/bin/sh
exec cp /vmlinuz /initrd.img /boot/efi/EFI/debian/
HOOK
chmod 0755 "$tree/etc/kernel/postinst.d/zz-update-efistub"
initramfs_tools ext4 ahci sd_mod i8042 atkbd
kernel=$(ls "$tree/lib/modules")
ln -sf "boot/vmlinuz-$kernel" "$tree/vmlinuz"
ln -sf "boot/initrd.img-$kernel" "$tree/initrd.img"
mkdir -p "$work/esp/EFI/debian"
cp "$tree/boot/vmlinuz-$kernel" "$work/esp/EFI/debian/vmlinuz"
cp "$tree/boot/initrd.img-$kernel" "$work/esp/EFI/debian/initrd.img"

disk_make 1 1792 <<END
label: gpt
label-id: $SERVER_DISK_ID
1 : start=1MiB, size=200MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=$SERVER_ESP_PARTUUID
2 : start=201MiB, size=128MiB, type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F
3 : start=329MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709
END
fs_make ext4 "$work/root.fs" 1460 "$tree" -U "$SERVER_ROOT_UUID"
disk_put 1 3 "$work/root.fs"
fat_make "$work/esp.fs" 200 "$work/esp" "$SERVER_ESP_ID"
disk_put 1 1 "$work/esp.fs"
disk_swap 1 2 -U "$SERVER_SWAP_UUID"
server_end
