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
net_ifupdown
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

disk_uefi 1792
fs_make ext4 "$work/root.fs" 1460 "$tree" -U "$SERVER_ROOT_UUID"
disk_put 1 3 "$work/root.fs"
server_end
