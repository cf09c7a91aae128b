#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: debian12-bios.sh OUT.img
#
# Makes the disk of an ordinary Debian 12 server as its administrator left it: MBR, GRUB in the MBR
# gap, ext4 root by UUID, swap by kernel name, two kernels whose initramfs hold the drivers of an
# IDE/AHCI machine and nothing for virtio. debian12-bios.env says what machine it belongs to.
# Needs root. Does nothing if OUT.img is there, made by these same scripts; lands by rename, read-only.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/debian12-bios.env"
. "$here/lib.sh"

[ $# -eq 1 ] || { echo "usage: $0 OUT.img" >&2; exit 2; }
out=$1
! image_is_made "$out" "$here"/{debian12-bios.sh,debian12-bios.env,lib.sh,two-kernels.sh,census.sh,census-install.sh} || exit 0
image_require mmdebstrap sfdisk losetup addpart mkfs.ext4 mkswap

# What `mkinitramfs` with MODULES=dep takes when it runs on the machine of debian12-bios.env (compared
# there: the same files), and AHCI, the other mode of such a board's disk controller.
initramfs_modules='ext4 sd_mod ata_piix ata_generic ahci i8042 atkbd psmouse evdev serio_raw'

packages=e2fsprogs,grub-pc,initramfs-tools,busybox,zstd,systemd-sysv,udev,dbus,kmod,\
ifupdown,iproute2,iputils-ping,netbase,openssh-server,cron,logrotate,procps,less,vim-tiny

main() {
  local swap_mib=256
  image_begin "$out" "$SERVER_DISK_MIB"
  local root_mib=$((SERVER_DISK_MIB - swap_mib - 3))
  sfdisk --quiet "$image_tmp" <<END
label: dos
label-id: $SERVER_DISK_ID
1 : start=1MiB, size=${root_mib}MiB, type=83, bootable
2 : start=$((root_mib + 2))MiB, size=$((swap_mib + 1))MiB, type=5
5 : start=$((root_mib + 3))MiB, size=${swap_mib}MiB, type=82
END
  image_attach_partition 1
  image_attach_partition 5
  mkfs.ext4 -q -U "$SERVER_ROOT_UUID" "${image_loop}p1"
  mkswap -q -U "$SERVER_SWAP_UUID" "${image_loop}p5"
  image_mount "${image_loop}p1"

  # INITRD=No keeps the kernels' own hooks from calling update-initramfs here: with MODULES=dep it
  # would look at the hardware of the machine that runs this script.
  INITRD=No image_mmdebstrap bookworm "$packages" "$image_root" \
    --essential-hook='echo grub-pc grub-pc/install_devices_empty boolean true | chroot "$1" debconf-set-selections' \
    --customize-hook="$here/two-kernels.sh \"\$1\""

  configure_system "$image_root"
  configure_network "$image_root"
  "$here/census-install.sh" "$image_root" "$SERVER_GATEWAY"
  build_initramfs "$image_root"
  install_grub "$image_root"
  image_finish "$out" "${image_loop}p1"
}

configure_system() {
  local root=$1
  echo "$SERVER_NAME" > "$root/etc/hostname"
  printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s.example.com\t%s\n' "$SERVER_NAME" "$SERVER_NAME" > "$root/etc/hosts"
  cat > "$root/etc/fstab" <<END
# <file system> <mount point> <type> <options> <dump> <pass>
# / was on /dev/sda1 during installation
UUID=$SERVER_ROOT_UUID / ext4 errors=remount-ro 0 1
/dev/sda5 none swap sw 0 0
/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0
END
  mkdir -p "$root/media/cdrom0"
  tr -d - < /proc/sys/kernel/random/uuid > "$root/etc/machine-id"
  echo 'root:p2v-test' | chroot "$root" chpasswd
  # A software-emulated machine is slow enough to meet systemd's 90 seconds.
  mkdir -p "$root/etc/systemd/system.conf.d"
  cat > "$root/etc/systemd/system.conf.d/slow-hardware.conf" <<END
[Manager]
DefaultTimeoutStartSec=600s
DefaultDeviceTimeoutSec=600s
END
}

configure_network() {
  cat > "$1/etc/network/interfaces" <<END
# The loopback network interface
auto lo
iface lo inet loopback

# The primary network interface
allow-hotplug $SERVER_NIC
iface $SERVER_NIC inet static
	address $SERVER_ADDRESS/$SERVER_PREFIX
	gateway $SERVER_GATEWAY
END
  printf 'nameserver %s\n' "$SERVER_GATEWAY" > "$1/etc/resolv.conf"
}

# Made from the list above, then left as an administrator has it: MODULES=dep, nothing in the list.
build_initramfs() {
  local root=$1 conf kernel
  sed -i 's/^MODULES=.*/MODULES=dep/' "$root/etc/initramfs-tools/initramfs.conf"
  echo "RESUME=UUID=$SERVER_SWAP_UUID" > "$root/etc/initramfs-tools/conf.d/resume"
  mkdir -p "$root/var/lib/initramfs-tools"
  conf=$root/tmp/initramfs-tools
  cp -a "$root/etc/initramfs-tools" "$conf"
  echo MODULES=list > "$conf/conf.d/driver-list"
  # A hook, as mkinitramfs runs it, and not the file `modules`: that one also loads what it names.
  cat > "$conf/hooks/driver-list" <<END
#!/bin/sh
[ "\$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
manual_add_modules $initramfs_modules
rm "\$DESTDIR/conf/conf.d/driver-list"
END
  chmod +x "$conf/hooks/driver-list"
  for kernel in "$root"/lib/modules/*; do
    kernel=${kernel##*/}
    chroot "$root" mkinitramfs -d /tmp/initramfs-tools -o "/boot/initrd.img-$kernel" "$kernel"
    # What update-initramfs records, so that its next run sees an initramfs of its own.
    (cd "$root" && sha1sum "boot/initrd.img-$kernel" | sed 's#  #  /#' > "var/lib/initramfs-tools/$kernel")
    if chroot "$root" lsinitramfs "/boot/initrd.img-$kernel" | grep -q virtio; then
      image_die "the initramfs of $kernel holds a virtio module: no honest physical server"
    fi
  done
  rm -r "$conf"
}

install_grub() {
  local root=$1
  sed -i -e 's/^GRUB_CMDLINE_LINUX_DEFAULT=.*/GRUB_CMDLINE_LINUX_DEFAULT="quiet"/' \
    -e 's/^GRUB_TIMEOUT=.*/GRUB_TIMEOUT=2/' \
    -e 's/^#GRUB_TERMINAL=console/GRUB_TERMINAL=console/' "$root/etc/default/grub"
  mkdir -p "$root/boot/grub" "$root/dev/disk/by-uuid"
  # grub-mkconfig writes root=UUID= only where udev's link is there.
  ln -sf "../../${image_loop##*/}p1" "$root/dev/disk/by-uuid/$SERVER_ROOT_UUID"
  echo "(hd0) $image_loop" > "$root/boot/grub/device.map"
  chroot "$root" grub-install --target=i386-pc "$image_loop"
  chroot "$root" update-grub
  echo "(hd0)	/dev/disk/by-id/ata-QEMU_HARDDISK_$SERVER_DISK_SERIAL" > "$root/boot/grub/device.map"
  grep -q "root=UUID=$SERVER_ROOT_UUID" "$root/boot/grub/grub.cfg" || image_die "grub.cfg has no root=UUID="
  ! grep -q "$image_loop" "$root/boot/grub/grub.cfg" || image_die "grub.cfg names $image_loop"
  # grub-pc remembers where it is installed; its next upgrade asks for this disk.
  echo "grub-pc grub-pc/install_devices multiselect /dev/disk/by-id/ata-QEMU_HARDDISK_$SERVER_DISK_SERIAL" |
    chroot "$root" debconf-set-selections
}

main
