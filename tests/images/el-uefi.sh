#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: el-uefi.sh OUT.img
#
# Makes the disk of a server laid out as the RHEL family does it, out of Debian 12's packages: GPT, an
# ESP that holds the vendor's path only, /boot on XFS, root on XFS and swap in a volume group, two
# kernels whose initramfs dracut made for this machine's own hardware (AHCI; nothing for virtio), LVM's
# devices file, a static address in a NetworkManager keyfile. el-uefi.env says what machine it belongs to.
# Needs root, but no device-mapper: the logical volumes are linear, so that a loop device at the
# right offset is one. Does nothing if OUT.img is there, made by these same scripts; lands by rename,
# read-only.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/el-uefi.env"
. "$here/lib.sh"

[ $# -eq 1 ] || { echo "usage: $0 OUT.img" >&2; exit 2; }
out=$1
! image_is_made "$out" "$here"/{el-uefi.sh,el-uefi.env,lib.sh,two-kernels.sh,census.sh,census-install.sh} || exit 0
image_require mmdebstrap sfdisk losetup addpart mkfs.xfs mkswap mkfs.vfat mcopy mmd lvm

# What a host-only dracut keeps on that machine, and not a driver more.
initramfs_drivers='xfs crc32c-intel sd_mod ahci libahci libata dm-mod e1000 i8042 atkbd psmouse evdev serio_raw'
initramfs_modules='systemd systemd-initrd dracut-systemd udev-rules kernel-modules kernel-modules-extra dm lvm
  rootfs-block base fs-lib shutdown terminfo usrmount'

packages=xfsprogs,lvm2,dosfstools,grub-efi-amd64,grub-efi-amd64-signed,shim-signed,dracut,zstd,xz-utils,cpio,\
systemd-sysv,udev,dbus,kmod,network-manager,iproute2,iputils-ping,netbase,openssh-server,cron,procps,less,vim-tiny

boot_mib=640
swap_mib=256

main() {
  local root_dev swap_dev boot_dev
  image_begin "$out" "$SERVER_DISK_MIB"
  partition
  boot_dev=${image_loop}p2
  # Metadata only: nothing is activated.
  image_lvm pvcreate -q "${image_loop}p3"
  image_lvm vgcreate -q "$SERVER_VG" "${image_loop}p3"
  image_lvm lvcreate -q -an -Zn -Wn -L "${swap_mib}M" -n swap "$SERVER_VG"
  image_lvm lvcreate -q -an -Zn -Wn -l 100%FREE -n root "$SERVER_VG"
  image_attach_volume "${image_loop}p3" "$SERVER_VG/root"
  root_dev=$image_volume
  image_attach_volume "${image_loop}p3" "$SERVER_VG/swap"
  swap_dev=$image_volume
  mkfs.xfs -q -m "uuid=$SERVER_BOOT_UUID" "$boot_dev"
  mkfs.xfs -q -m "uuid=$SERVER_ROOT_UUID" "$root_dev"
  mkswap -q -U "$SERVER_SWAP_UUID" "$swap_dev"
  mkfs.vfat -F 32 -s 1 -i "${SERVER_ESP_ID/-/}" "${image_loop}p1" > /dev/null
  image_mount "$root_dev"

  # The kernels' own hook would make an initramfs for the machine that runs this script.
  image_mmdebstrap bookworm "$packages" "$image_root" \
    --customize-hook='chmod a-x "$1/etc/kernel/postinst.d/dracut"' \
    --customize-hook="$here/two-kernels.sh \"\$1\"" \
    --customize-hook='chmod a+x "$1/etc/kernel/postinst.d/dracut"'

  configure_system "$image_root"
  configure_network "$image_root"
  "$here/census-install.sh" "$image_root" "$SERVER_GATEWAY"
  configure_lvm "$image_root"
  build_initramfs "$image_root"
  configure_grub "$image_root"
  fill_esp "$image_root"
  split_boot "$image_root" "$boot_dev"
  image_finish "$out" "$root_dev"
}

partition() {
  sfdisk --quiet "$image_tmp" <<END
label: gpt
label-id: $SERVER_DISK_ID
1 : start=1MiB, size=100MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=$SERVER_ESP_PARTUUID, name="EFI System Partition"
2 : start=101MiB, size=${boot_mib}MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
3 : start=$((101 + boot_mib))MiB, type=E6D6D379-F507-44C2-A23C-238F2A3DF928
END
  image_attach_partition 1
  image_attach_partition 2
  image_attach_partition 3
}

configure_system() {
  local root=$1
  echo "$SERVER_NAME" > "$root/etc/hostname"
  printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s.example.com\t%s\n' "$SERVER_NAME" "$SERVER_NAME" > "$root/etc/hosts"
  cat > "$root/etc/fstab" <<END
#
# /etc/fstab
# Accessible filesystems, by reference, are maintained under '/dev/disk/'.
#
/dev/mapper/$SERVER_VG-root /                       xfs     defaults        0 0
UUID=$SERVER_BOOT_UUID /boot                   xfs     defaults        0 0
UUID=$SERVER_ESP_ID          /boot/efi               vfat    umask=0077,shortname=winnt 0 2
/dev/mapper/$SERVER_VG-swap none                    swap    defaults        0 0
END
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
  local file=$1/etc/NetworkManager/system-connections/$SERVER_NIC.nmconnection
  cat > "$file" <<END
[connection]
id=$SERVER_NIC
uuid=5f0f9e0e-31bb-4e2a-9c5c-1b7a2c0d3e05
type=ethernet
autoconnect-priority=-999
interface-name=$SERVER_NIC

[ethernet]

[ipv4]
address1=$SERVER_ADDRESS/$SERVER_PREFIX,$SERVER_GATEWAY
dns=$SERVER_GATEWAY;
method=manual

[ipv6]
addr-gen-mode=eui64
method=disabled
END
  chmod 0600 "$file"
}

# As RHEL 9 has it: a PV is known by the serial number of the disk below it.
configure_lvm() {
  local root=$1 pvid
  sed -i -E 's/^([[:space:]]*)#? *use_devicesfile *= *[01]/\1use_devicesfile = 1/' "$root/etc/lvm/lvm.conf"
  grep -Eq '^[[:space:]]*use_devicesfile = 1' "$root/etc/lvm/lvm.conf" || image_die "lvm.conf: no use_devicesfile"
  pvid=$(image_lvm pvs --noheadings -o pv_uuid "${image_loop}p3" | tr -d ' -')
  mkdir -p "$root/etc/lvm/devices"
  cat > "$root/etc/lvm/devices/system.devices" <<END
# LVM uses devices listed in this file.
VERSION=1.1.1
IDTYPE=sys_wwid IDNAME=t10.ATA_____QEMU_HARDDISK___________________________$SERVER_DISK_SERIAL DEVNAME=/dev/sda3 PVID=$pvid PART=3
END
  chmod 0600 "$root/etc/lvm/devices/system.devices"
}

# Each kernel's image by another compressor, and with an early archive before it, as a machine with
# microcode updates has. The host's facts are what `dracut --hostonly` writes there.
build_initramfs() {
  local root=$1 kernel compress=--xz
  mkdir -p "$root/tmp/cmdline.d" "$root/lib/firmware/intel-ucode"
  echo " rd.lvm.lv=$SERVER_VG/root rd.lvm.lv=$SERVER_VG/swap" > "$root/tmp/cmdline.d/90lvm.conf"
  echo " root=/dev/mapper/$SERVER_VG-root rootfstype=xfs rootflags=rw,relatime,attr2,inode64,noquota" \
    > "$root/tmp/cmdline.d/95root-dev.conf"
  # Stands for a microcode file; QEMU's processor is none that would look at it.
  head -c 2048 /dev/zero > "$root/lib/firmware/intel-ucode/06-55-07"
  for kernel in $(ls "$root/lib/modules" | sort -V); do
    chroot "$root" dracut --quiet --force --no-hostonly --no-hostonly-cmdline --early-microcode $compress \
      --modules "$(echo $initramfs_modules)" --drivers "$initramfs_drivers" --filesystems xfs \
      --include /tmp/cmdline.d /etc/cmdline.d \
      "/boot/initramfs-$kernel.img" "$kernel" || image_die "dracut failed"
    chroot "$root" lsinitrd "/boot/initramfs-$kernel.img" > "$root/tmp/list"
    ! grep -q 'kernel/drivers/.*virtio' "$root/tmp/list" ||
      image_die "the initramfs of $kernel holds a virtio module: no honest physical server"
    grep -q 'ahci.ko' "$root/tmp/list" || image_die "the initramfs of $kernel holds no ahci module"
    grep -q 'Early CPIO' "$root/tmp/list" || image_die "the initramfs of $kernel has no early archive"
    compress=--zstd
  done
  rm -r "$root/tmp/cmdline.d" "$root/tmp/list" "$root/lib/firmware/intel-ucode"
  # What the machine's administrator has: the next image is a host-only one again.
  echo 'hostonly="yes"' > "$root/etc/dracut.conf.d/10-hostonly.conf"
}

# As grub-mkconfig writes it for a root on LVM, which it cannot do without the mapped volume.
configure_grub() {
  local root=$1 kernel args
  args="resume=/dev/mapper/$SERVER_VG-swap rd.lvm.lv=$SERVER_VG/root rd.lvm.lv=$SERVER_VG/swap quiet"
  cat > "$root/etc/default/grub" <<END
GRUB_TIMEOUT=2
GRUB_DEFAULT=saved
GRUB_DISABLE_SUBMENU=true
GRUB_TERMINAL_OUTPUT="console"
GRUB_CMDLINE_LINUX="$args"
GRUB_DISABLE_RECOVERY="true"
END
  mkdir -p "$root/boot/grub"
  cat > "$root/boot/grub/grub.cfg" <<'END'
#
# DO NOT EDIT THIS FILE
#
### BEGIN /etc/grub.d/00_header ###
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
set default="${saved_entry}"
function load_video {
  insmod all_video
}
terminal_output console
set timeout=2
### END /etc/grub.d/00_header ###
### BEGIN /etc/grub.d/10_linux ###
END
  for kernel in $(ls "$root/lib/modules" | sort -rV); do
    cat >> "$root/boot/grub/grub.cfg" <<END
menuentry 'Linux ($kernel)' --class gnu-linux --class os --unrestricted \$menuentry_id_option 'gnulinux-$kernel-advanced-$SERVER_ROOT_UUID' {
	load_video
	set gfxpayload=keep
	insmod gzio
	insmod part_gpt
	insmod xfs
	search --no-floppy --fs-uuid --set=root $SERVER_BOOT_UUID
	linux	/vmlinuz-$kernel root=/dev/mapper/$SERVER_VG-root ro $args
	initrd	/initramfs-$kernel.img
}
END
  done
  echo '### END /etc/grub.d/10_linux ###' >> "$root/boot/grub/grub.cfg"
  chroot "$root" grub-editenv /boot/grub/grubenv create
  chroot "$root" grub-script-check /boot/grub/grub.cfg
}

# What grub-install puts there on a machine with the signed packages. No \EFI\BOOT.
fill_esp() {
  local root=$1 esp=${image_loop}p1
  cat > "$root/tmp/grub.cfg" <<END
search.fs_uuid $SERVER_BOOT_UUID root
set prefix=(\$root)'/grub'
configfile \$prefix/grub.cfg
END
  mmd -i "$esp" ::/EFI ::/EFI/debian
  mcopy -i "$esp" "$root/usr/lib/shim/shimx64.efi.signed" ::/EFI/debian/shimx64.efi
  mcopy -i "$esp" "$root/usr/lib/shim/mmx64.efi.signed" ::/EFI/debian/mmx64.efi
  mcopy -i "$esp" "$root/usr/lib/shim/fbx64.efi.signed" ::/EFI/debian/fbx64.efi
  mcopy -i "$esp" "$root/usr/lib/shim/BOOTX64.CSV" ::/EFI/debian/BOOTX64.CSV
  mcopy -i "$esp" "$root/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" ::/EFI/debian/grubx64.efi
  mcopy -i "$esp" "$root/tmp/grub.cfg" ::/EFI/debian/grub.cfg
  rm "$root/tmp/grub.cfg"
}

# /boot was filled inside the root; it becomes the file system of its own that fstab says it is.
split_boot() {
  local root=$1 kept=$1/tmp/boot
  mkdir "$kept"
  mount "$2" "$kept"
  cp -a "$root/boot/." "$kept"
  mkdir -p "$kept/efi"
  umount "$kept"
  rmdir "$kept"
  find "$root/boot" -mindepth 1 -delete
}

main
