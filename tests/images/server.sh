# SPDX-License-Identifier: GPL-3.0-or-later
# What the recipes of the matrix share. A recipe fills a tree, makes file systems of it, and lays them on
# disks: nothing is mounted but file systems that are being filled, no device-mapper and no md is used.
#
#	server_begin "$@"			NAME.env, the work folder $work; ends if the disk is there
#	server_tree SUITE ARCH PACKAGE...	fills $tree
#	server_system < FSTAB			what every server has
#	net_ifupdown, net_networkd		its address
#	fs_make KIND FILE MIB FOLDER [OPTION...]  a file system out of a folder, which is emptied
#	fat_make FILE MIB FOLDER VOLUME-ID	an EFI system partition
#	luks_make FILE UUID KEY-FILE		encrypts it
#	disk_make N MIB < SFDISK-SCRIPT		disk N (1, 2, ...), a sparse file: ${disk[N]}
#	disk_uefi MIB				disk 1 with an EFI system partition, swap, and a place for the root
#	disk_put N PARTITION FILE		lays a file system on a partition
#	server_end				publishes
here=$(cd "$(dirname "$0")" && pwd)
name=$(basename "$0" .sh)
. "$here/lib.sh"
. "$here/$name.env"
work= tree= out=
disk=()
volume_loops=()

server_begin() {
  [ $# -eq 1 ] || { echo "usage: $0 OUT.img" >&2; exit 2; }
  out=$1
  ! image_is_made "$out" "$here/$name".{sh,env} "$here"/{server.sh,lib.sh,base.sh,census.sh,census-install.sh,md-superblock.py,volume-fill.py} || exit 0
  image_require mmdebstrap sfdisk mkfs.ext4 mkswap python3
  mkdir -p "$(dirname "$out")"
  work=$(mktemp -d "$out.XXXXXX")
  tree=$work/tree
  trap server_cleanup EXIT
  mkdir "$tree"
}

server_cleanup() {
  local at
  set +e
  for at in "$work"/*/; do
    ! mountpoint -q "$at" || umount --recursive "$at"
  done
  for at in dev proc sys; do
    ! mountpoint -q "$tree/$at" || umount "$tree/$at"
  done
  [ ${#volume_loops[@]} -eq 0 ] || losetup --detach "${volume_loops[@]}"
  # Never through a mount: what could not be unmounted stays.
  rm -rf --one-file-system "$work"
}

# server_tree SUITE ARCH PACKAGE...
server_tree() {
  local base
  base=$(dirname "$out")/base-$1-$2.tar
  (flock 9 && "$here/base.sh" "$1" "$2" "$base") 9> "$base.lock"
  tar -x -f "$base" -C "$tree" --numeric-owner --xattrs --xattrs-include='*' --exclude=./dev/*
  mount -t tmpfs -o mode=0755 dev "$tree/dev"
  for node in null zero full random urandom tty; do
    cp -a "/dev/$node" "$tree/dev/$node"
  done
  ln -s /proc/self/fd "$tree/dev/fd"
  mount -t proc proc "$tree/proc"
  mount -t sysfs sysfs "$tree/sys"
  cp /etc/resolv.conf "$tree/etc/resolv.conf"
  shift 2
  [ $# -eq 0 ] || INITRD=No DEBIAN_FRONTEND=noninteractive chroot "$tree" apt-get install --yes -q \
    --no-install-recommends -o Dpkg::Use-Pty=0 "$@" > "$work/apt.log" 2>&1 || { tail "$work/apt.log" >&2; image_die "apt-get failed"; }
}

server_system() {
  cat > "$tree/etc/fstab"
  echo "$SERVER_NAME" > "$tree/etc/hostname"
  printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s.example.com\t%s\n' "$SERVER_NAME" "$SERVER_NAME" > "$tree/etc/hosts"
  printf 'nameserver %s\n' "$SERVER_GATEWAY" > "$tree/etc/resolv.conf"
  tr -d - < /proc/sys/kernel/random/uuid > "$tree/etc/machine-id"
  echo 'root:p2v-test' | chroot "$tree" chpasswd
  # A software-emulated machine is slow enough to meet systemd's 90 seconds.
  mkdir -p "$tree/etc/systemd/system.conf.d"
  printf '[Manager]\nDefaultTimeoutStartSec=600s\nDefaultDeviceTimeoutSec=600s\n' \
    > "$tree/etc/systemd/system.conf.d/slow-hardware.conf"
  # Nothing that loads the machine without a reason.
  ! chroot "$tree" sh -c 'command -v systemctl' > /dev/null ||
    chroot "$tree" systemctl mask --quiet apt-daily.timer apt-daily-upgrade.timer fstrim.timer e2scrub_all.timer \
      e2scrub_reap.service dpkg-db-backup.timer systemd-tmpfiles-clean.timer
  rm -rf "$tree"/var/lib/apt/lists/* "$tree"/var/cache/apt/*.bin "$tree"/var/cache/apt/archives/*.deb
  "$here/census-install.sh" "$tree" "$SERVER_GATEWAY"
}

# net_ifupdown [allow-hotplug]: one card with one address.
net_ifupdown() {
  cat > "$tree/etc/network/interfaces" <<END
auto lo
iface lo inet loopback

${1:-auto} $SERVER_NIC
iface $SERVER_NIC inet static
	address $SERVER_ADDRESS/$SERVER_PREFIX
	gateway $SERVER_GATEWAY
END
}

# net_networkd: the same.
net_networkd() {
  cat > "$tree/etc/systemd/network/20-lan.network" <<END
[Match]
Name=$SERVER_NIC

[Network]
Address=$SERVER_ADDRESS/$SERVER_PREFIX
Gateway=$SERVER_GATEWAY
LinkLocalAddressing=no
IPv6AcceptRA=no
END
  chroot "$tree" systemctl enable --quiet systemd-networkd
}

# initramfs_tools MODULE...: made from this list, then left as an administrator has it: MODULES=dep.
# What `mkinitramfs` with MODULES=dep takes depends on the machine that it runs on. $initramfs_hook: what else
# its hooks would find there, as shell commands with $DESTDIR.
initramfs_hook=
initramfs_tools() {
  local conf=$tree/tmp/initramfs-tools kernel
  sed -i 's/^MODULES=.*/MODULES=dep/' "$tree/etc/initramfs-tools/initramfs.conf"
  cp -a "$tree/etc/initramfs-tools" "$conf"
  mkdir -p "$conf/conf.d" "$conf/hooks" "$tree/var/lib/initramfs-tools"
  echo MODULES=list > "$conf/conf.d/driver-list"
  # A hook, as mkinitramfs runs it, and not the file `modules`: that one also loads what it names.
  cat > "$conf/hooks/driver-list" <<END
#!/bin/sh
[ "\$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
manual_add_modules $*
$initramfs_hook
rm "\$DESTDIR/conf/conf.d/driver-list"
END
  chmod +x "$conf/hooks/driver-list"
  for kernel in $(ls "$tree/lib/modules"); do
    chroot "$tree" mkinitramfs -d /tmp/initramfs-tools -o "/boot/initrd.img-$kernel" "$kernel"
    (cd "$tree" && sha1sum "boot/initrd.img-$kernel" | sed 's#  #  /#' > "var/lib/initramfs-tools/$kernel")
    ! chroot "$tree" lsinitramfs "/boot/initrd.img-$kernel" | grep -q virtio ||
      image_die "the initramfs of $kernel holds a virtio module: no honest physical server"
  done
  rm -r "$conf"
}

# initramfs_dracut "MODULE..." "DRIVER..." [OPTION...]: what a host-only dracut keeps on such a machine.
initramfs_dracut() {
  local modules=$1 drivers=$2 kernel
  shift 2
  for kernel in $(ls "$tree/lib/modules"); do
    chroot "$tree" dracut --quiet --force --no-hostonly --no-hostonly-cmdline --modules "$modules" \
      --drivers "$drivers" "$@" "/boot/initrd.img-$kernel" "$kernel" || image_die "dracut failed"
    ! chroot "$tree" lsinitrd "/boot/initrd.img-$kernel" | grep -q 'kernel/drivers/.*virtio' ||
      image_die "the initramfs of $kernel holds a virtio module: no honest physical server"
  done
  echo 'hostonly="yes"' > "$tree/etc/dracut.conf.d/10-hostonly.conf"
}

# grub_config ROOT-ARGUMENTS SEARCH PREFIX [MODULE...]: grub.cfg as grub-mkconfig writes it; PREFIX is where
# the kernels lie as GRUB sees it, "" or /boot.
grub_config() {
  local args=$1 search=$2 prefix=$3 kernel module
  shift 3
  mkdir -p "$tree/boot/grub"
  cat >> "$tree/etc/default/grub" <<END
GRUB_TIMEOUT=1
GRUB_TERMINAL=console
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
END
  {
    printf '#\n# DO NOT EDIT THIS FILE\n#\n### BEGIN /etc/grub.d/00_header ###\nif [ -s $prefix/grubenv ]; then\n  load_env\nfi\n'
    printf 'set default="0"\nterminal_output console\nset timeout=1\n### END /etc/grub.d/00_header ###\n'
    printf '### BEGIN /etc/grub.d/10_linux ###\n'
    for kernel in $(ls "$tree/lib/modules" | sort -rV); do
      printf "menuentry 'Debian GNU/Linux, with Linux %s' --class debian --class gnu-linux --class os {\n" "$kernel"
      for module; do
        printf '\tinsmod %s\n' "$module"
      done
      printf '\t%s\n\tlinux\t%s/vmlinuz-%s %s quiet\n\tinitrd\t%s/initrd.img-%s\n}\n' \
        "$search" "$prefix" "$kernel" "$args" "$prefix" "$kernel"
    done
    printf '### END /etc/grub.d/10_linux ###\n'
  } > "$tree/boot/grub/grub.cfg"
  chroot "$tree" grub-editenv /boot/grub/grubenv create
  chroot "$tree" grub-script-check /boot/grub/grub.cfg
}

# grub_core PREFIX MODULE...: GRUB for a BIOS as $work/core.img, with its modules in /boot/grub.
grub_core() {
  local prefix=$1
  shift
  mkdir -p "$tree/boot/grub"
  cp -r "$tree/usr/lib/grub/i386-pc" "$tree/boot/grub"
  chroot "$tree" grub-mkimage -O i386-pc -o /tmp/core.img -p "$prefix" biosdisk part_msdos "$@"
  mv "$tree/tmp/core.img" "$work/core.img"
  cp "$tree/usr/lib/grub/i386-pc/boot.img" "$work/boot.img"
}

# le64 NUMBER: eight bytes, the lowest first.
le64() {
  local i n=$1 bytes=
  for i in 1 2 3 4 5 6 7 8; do
    bytes+=$(printf '\\x%02x' $((n & 255)))
    n=$((n >> 8))
  done
  printf "$bytes"
}

# grub_embed N [PARTITION]: as grub-bios-setup does it: boot.img's code in the MBR, core.img behind it or on
# the BIOS boot partition. Where core.img lies stands in boot.img at 0x5c, and where its second sector lies
# in the last 12 bytes of its first.
grub_embed() {
  local start=1 sectors=2047
  [ $# -eq 1 ] || part_of "$1" "$2"
  [ "$(stat -c %s "$work/core.img")" -le $((sectors * 512)) ] || image_die "core.img is too large"
  le64 "$start" | dd of="$work/boot.img" bs=1 seek=$((0x5c)) conv=notrunc status=none
  le64 $((start + 1)) | dd of="$work/core.img" bs=1 seek=$((512 - 12)) conv=notrunc status=none
  dd if="$work/boot.img" of="${disk[$1]}" bs=1 count=440 conv=notrunc status=none
  dd if="$work/core.img" of="${disk[$1]}" bs=512 seek="$start" conv=notrunc status=none
}

tree_close() {
  local at
  for at in dev proc sys; do
    ! mountpoint -q "$tree/$at" || umount "$tree/$at"
  done
}

# loop_gone FILE: whoever took a mount namespace of its own in the meantime, as tests do, keeps FILE mounted in there,
# and what was written to it is not all in it before that ends.
loop_gone() {
  local tries=0
  until [ -z "$(losetup --noheadings --associated "$1")" ]; do
    [ $tries -lt 300 ] || image_die "$1 is still mounted in another namespace"
    tries=$((tries + 1))
    sleep 1
  done
}

# fs_make KIND FILE MIB FOLDER [OPTION...]
fs_make() {
  local kind=$1 file=$2 mib=$3 folder=$4 at=$work/at
  shift 4
  tree_close
  truncate -s "${mib}M" "$file"
  case $kind in
    ext*) "mkfs.$kind" -q "$@" -d "$folder" "$file" ;;
    *)
      "mkfs.$kind" -q "$@" "$file"
      mkdir -p "$at"
      mount -o loop,noatime "$file" "$at"
      fs_fill "$folder" "$at"
      umount "$at"
      loop_gone "$file"
      ;;
  esac
  find "$folder" -mindepth 1 -delete
}

# What a recipe may replace: where in a new file system the folder goes.
fs_fill() { cp -a "$1/." "$2"; }

# fat_make FILE MIB FOLDER VOLUME-ID
fat_make() {
  local entry
  truncate -s "$2M" "$1"
  mkfs.vfat -F 32 -s 1 -i "${4/-/}" "$1" > /dev/null
  for entry in "$3"/*; do
    mcopy -s -i "$1" "$entry" ::
  done
}

# luks_make FILE UUID KEY-FILE: encrypted in place, by cryptsetup alone, and 32 MiB larger. The iterations are few, as a
# software-emulated machine counts them.
luks_make() {
  truncate -s +32M "$1"
  cryptsetup reencrypt --encrypt --batch-mode --type luks2 --cipher aes-xts-plain64 --key-size 512 --pbkdf pbkdf2 \
    --pbkdf-force-iterations 1000 --reduce-device-size 32M --uuid "$2" --key-file "$3" "$1"
}

# disk_make N MIB < SFDISK-SCRIPT
disk_make() {
  disk[$1]=$work/disk$1
  truncate -s "$2M" "${disk[$1]}"
  sfdisk --quiet "${disk[$1]}"
}

# disk_uefi MIB: disk 1 as it is on most machines with UEFI: what is in $work/esp, swap, and partition 3 for the root.
disk_uefi() {
  disk_make 1 "$1" <<END
label: gpt
label-id: $SERVER_DISK_ID
1 : start=1MiB, size=200MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=$SERVER_ESP_PARTUUID
2 : start=201MiB, size=128MiB, type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F
3 : start=329MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709
END
  fat_make "$work/esp.fs" 200 "$work/esp" "$SERVER_ESP_ID"
  disk_put 1 1 "$work/esp.fs"
  disk_swap 1 2 -U "$SERVER_SWAP_UUID"
}

# part_of N PARTITION: sets start and sectors.
part_of() {
  read -r start sectors < <(sfdisk --dump "${disk[$1]}" |
    sed -nE "s/.*[^0-9]$2 : start= *([0-9]+), size= *([0-9]+).*/\1 \2/p")
}

# disk_put N PARTITION FILE [SKIP]: SKIP bytes of the partition stay before it.
disk_put() {
  local start sectors
  part_of "$1" "$2"
  [ $((${4:-0} + $(stat -c %s "$3"))) -le $((sectors * 512)) ] || image_die "$3 does not fit on partition $2"
  dd if="$3" of="${disk[$1]}" bs=1M oflag=seek_bytes seek=$((start * 512 + ${4:-0})) conv=sparse,notrunc status=none
}

# disk_swap N PARTITION OPTION...: a swap area.
disk_swap() {
  local start sectors n=$1 part=$2
  shift 2
  part_of "$n" "$part"
  rm -f "$work/swap"
  truncate -s $((sectors * 512)) "$work/swap"
  mkswap -q "$@" "$work/swap"
  disk_put "$n" "$part" "$work/swap"
}

# md_make NAME PARTITION: the partitions of that number on disks 1 and 2 become a RAID 1 whose data begin
# after 1 MiB. What lies there is put there afterwards, twice.
md_make() {
  local n members=() start sectors
  for n in 1 2; do
    part_of "$n" "$2"
    members+=("${disk[$n]}:$start:$sectors")
  done
  "$here/md-superblock.py" "$SERVER_ARRAY_UUID" "$1" 2048 "${members[@]}"
}

# LVM without a device-mapper: volumes_begin VG DISK:PARTITION...; volume_make NAME MIB FILE [OPTION...] for
# each, linear or striped, which fills it; volumes_end.
# Instead of DISK:PARTITION also a file.
volumes_begin() {
  local place start sectors
  volume_group=$1
  volume_loops=()
  shift
  for place; do
    if [ -e "$place" ]; then
      volume_loops+=("$(losetup --find --show "$place")")
      continue
    fi
    part_of "${place%:*}" "${place#*:}"
    volume_loops+=("$(losetup --find --show --offset $((start * 512)) --sizelimit $((sectors * 512)) "${disk[${place%:*}]}")")
  done
  volumes_lvm pvcreate -q "${volume_loops[@]}"
  volumes_lvm vgcreate -q "$volume_group" "${volume_loops[@]}"
}

volumes_lvm() {
  local filter
  filter=$(printf '"a|^%s$|",' "${volume_loops[@]}")
  lvm "$@" --driverloaded n 2> "$work/lvm.log" \
    --config "devices { filter=[$filter\"r|.*|\"] use_devicesfile=0 } backup { backup=0 archive=0 }" ||
    { cat "$work/lvm.log" >&2; image_die "lvm $1 failed"; }
}

# volume_make NAME MIB FILE [OPTION...]
volume_make() {
  local volume=$1 mib=$2 file=$3
  shift 3
  volumes_lvm lvcreate -q -an -Zn -Wn -L "${mib}M" -n "$volume" "$@" "$volume_group"
  volumes_lvm lvs --noheadings --units b --nosuffix --segments -o seg_start,seg_size,stripes,stripe_size,vg_extent_size,seg_pe_ranges \
    "$volume_group/$volume" > "$work/segments"
  volumes_lvm pvs --noheadings --units b --nosuffix -o pv_name,pe_start "${volume_loops[@]}" > "$work/pvs"
  "$here/volume-fill.py" "$file" "$work/segments" "$work/pvs"
}

volumes_end() {
  losetup --detach "${volume_loops[@]}"
  volume_loops=()
}

# appliance DISK... < COMMANDS: runs them one by one in libguestfs's appliance, whose kernel has md and
# device-mapper; the files are its /dev/sda, /dev/sdb, ...
appliance() {
  local file options=() lock=${P2V_HEAVY_LOCK:-${TMPDIR:-/tmp}/p2v-heavy.lock}
  for file; do
    options+=(--format=raw -a "$file")
  done
  sed 's/.*/debug sh "&"/' > "$work/commands"
  LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg flock "$lock" timeout 900 \
    guestfish "${options[@]}" < <(echo run; cat "$work/commands") || image_die "the appliance failed"
}

# The file of disk N, beside the first one's.
disk_file() { [ "$1" = 1 ] && echo "$out" || echo "${out%.img}-$1.img"; }

server_end() {
  local n
  rm -f "$out.recipe"
  for n in "${!disk[@]}"; do
    chmod 0444 "${disk[$n]}"
    mv "${disk[$n]}" "$(disk_file "$n")"
  done
  echo "$image_recipe" > "$out.recipe"
}
