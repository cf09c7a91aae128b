# SPDX-License-Identifier: GPL-3.0-or-later
# What the image scripts share. A script calls image_begin, attaches and mounts partitions, fills
# $image_root, and ends with image_finish; whatever happens, nothing stays mounted or attached.

PATH=$PATH:/usr/sbin:/sbin
image_tmp= image_loop= image_root= image_recipe= image_volume=
image_volumes=()

image_die() { echo "${0##*/}: $*" >&2; exit 1; }

# Exit code 77 is meson's "skipped".
image_require() {
  local tool
  [ "$(id -u)" -eq 0 ] || { echo "SKIP: ${0##*/} needs root"; exit 77; }
  for tool; do
    command -v "$tool" > /dev/null || { echo "SKIP: ${0##*/} needs $tool"; exit 77; }
  done
}

# image_is_made OUT SCRIPT...: is OUT there, and were the scripts that made it the same as now?
# OUT.recipe is their digest.
image_is_made() {
  local out=$1
  shift
  image_recipe=$(cat "$@" | sha256sum)
  [ -e "$out" ] && [ "$(cat "$out.recipe" 2> /dev/null)" = "$image_recipe" ]
}

# image_begin OUT MIB: an empty sparse file beside OUT, attached as $image_loop.
image_begin() {
  mkdir -p "$(dirname "$1")"
  image_tmp=$(mktemp "$1.XXXXXX")
  trap image_cleanup EXIT
  truncate -s "$2M" "$image_tmp"
}

# image_attach_partition N: makes ${image_loop}pN out of the table in the file. Each partition is
# named to the kernel one by one, as not every kernel reads partition tables on loop devices.
image_attach_partition() {
  local start size node
  # --partscan also allows partitions that are added by hand.
  [ -n "$image_loop" ] || image_loop=$(losetup --find --show --partscan "$image_tmp")
  node=${image_loop}p$1
  read -r start size < <(sfdisk --dump "$image_tmp" |
    sed -nE "s/.*[^0-9]$1 : start= *([0-9]+), size= *([0-9]+).*/\1 \2/p")
  [ -e "/sys/class/block/${node##*/}" ] || addpart "$image_loop" "$1" "$start" "$size"
  # A container's /dev gets no node by itself.
  [ -b "$node" ] || mknod "$node" b $(tr : ' ' < "/sys/class/block/${node##*/}/dev")
}

# LVM without a device-mapper: it writes metadata on the partitions of $image_loop and activates
# nothing. What it warns about is that.
image_lvm() {
  local config="devices { filter=[\"a|^$image_loop|\",\"r|.*|\"] use_devicesfile=0 } backup { backup=0 archive=0 }"
  lvm "$@" --driverloaded n --config "$config" 2> "$image_tmp.lvm" || { cat "$image_tmp.lvm" >&2; image_die "lvm $1 failed"; }
  rm -f "$image_tmp.lvm"
}

# image_attach_volume PV VG/LV: makes $image_volume, a loop device that is a linear volume of one piece.
image_attach_volume() {
  local start ranges extent size
  start=$(image_lvm pvs --noheadings --units b --nosuffix -o pe_start "$1")
  read -r ranges extent size < <(image_lvm lvs --noheadings --units b --nosuffix \
    -o seg_pe_ranges,vg_extent_size,lv_size "$2")
  [[ $ranges =~ ^$1:([0-9]+)-[0-9]+$ ]] || image_die "$2 lies in more than one piece: $ranges"
  image_volume=$(losetup --find --show --offset $((start + BASH_REMATCH[1] * extent)) --sizelimit "$size" "$1")
  image_volumes+=("$image_volume")
}

image_mount() {
  image_root=$(mktemp -d "${TMPDIR:-/tmp}/p2v-image.XXXXXX")
  mount -o noatime "$1" "$image_root"
}

# The Debian archives that this host's apt knows for suite $1, as sources.list lines; none if it
# knows none, and then mmdebstrap takes Debian's own. Archives of others are left out.
image_sources() {
  apt-get indextargets --format '$(CODENAME) deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' 2> /dev/null |
    sed -nE "s/^$1(-updates|-security)? (deb .* main)\$/\2/p" | sort -u
}

# image_mmdebstrap SUITE PACKAGES ROOT [OPTION...]: fills ROOT, then makes its /dev, /proc and /sys
# usable for the commands that follow.
image_mmdebstrap() {
  local suite=$1 packages=$2 root=$3 sources name value aptopts=()
  shift 3
  sources=$(image_sources "$suite")
  for name in Acquire::http::Proxy Acquire::https::Proxy Acquire::Check-Valid-Until; do
    value=$(eval "$(apt-config shell value "$name")"; echo "${value:-}")
    [ -z "$value" ] || aptopts+=(--aptopt="$name \"$value\"")
  done
  mmdebstrap --mode=root --variant=apt --quiet --include="$packages" \
    "${aptopts[@]}" --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    "$@" "$suite" "$root" ${sources:+-} <<< "$sources"
  rm -f "$root/etc/apt/apt.conf.d/99mmdebstrap" "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
  printf 'deb http://deb.debian.org/debian %s main\n' "$suite" "$suite-updates" > "$root/etc/apt/sources.list"
  printf 'deb http://deb.debian.org/debian-security %s-security main\n' "$suite" >> "$root/etc/apt/sources.list"
  image_mount_dev "$root/dev"
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys"
}

# A /dev of its own: what the image's tools see of this host is its one loop device.
image_mount_dev() {
  local node
  mount -t tmpfs -o mode=0755 dev "$1"
  for node in null zero full random urandom tty; do
    cp -a "/dev/$node" "$1/$node"
  done
  ln -s /proc/self/fd "$1/fd"
  cp -a "$image_loop" "$image_loop"p* "$1"
}

image_unmount() {
  [ -n "$image_root" ] || return 0
  # Recursive: mmdebstrap, when it is killed, leaves mounts of its own inside.
  ! mountpoint -q "$image_root" || umount --recursive "$image_root"
  rmdir "$image_root"
  image_root=
}

image_detach() {
  local node
  [ -n "$image_loop" ] || return 0
  for node in "${image_volumes[@]}"; do
    losetup --detach "$node"
  done
  image_volumes=()
  for node in "$image_loop"p*; do
    [ -b "$node" ] && delpart "$image_loop" "${node##*p}" && rm -f "$node"
  done
  losetup --detach "$image_loop"
  image_loop=
}

image_cleanup() {
  set +e
  image_unmount
  image_detach
  rm -f "$image_tmp" "$image_tmp.lvm"
}

image_check() {
  case $(blkid -p -o value -s TYPE "$1") in
    xfs) xfs_repair -n "$1" > /dev/null 2>&1 ;;
    ext4) e2fsck -fn "$1" > /dev/null ;;
    *) false ;;
  esac || image_die "$1: the root file system is damaged"
}

# image_finish OUT ROOT: checks and publishes. What was written and deleted again becomes a hole.
image_finish() {
  rm -rf "$image_root"/var/lib/apt/lists/* "$image_root"/var/cache/apt/*.bin "$image_root"/var/cache/apt/archives/*.deb
  fstrim "$image_root" || true
  image_unmount
  image_check "$2"
  image_detach
  chmod 0444 "$image_tmp"
  rm -f "$1.recipe"
  mv "$image_tmp" "$1"
  echo "$image_recipe" > "$1.recipe"
}
