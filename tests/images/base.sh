#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: base.sh SUITE ARCH OUT.tar
#
# What the servers of one suite and architecture begin with: a Debian with one kernel, initramfs-tools
# and an SSH server, whose kernel package lost what no test machine has (sound, graphics, wireless).
# Needs root. Does nothing if OUT.tar is there, made by this same script; lands by rename.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

[ $# -eq 3 ] || { echo "usage: $0 SUITE ARCH OUT.tar" >&2; exit 2; }
suite=$1 arch=$2 out=$3
! image_is_made "$out" "$here/base.sh" || exit 0
image_require mmdebstrap arch-test

case $arch in
  i386) kernel=linux-image-686-pae ;;
  *) kernel=linux-image-$arch ;;
esac
packages=$kernel,initramfs-tools,busybox,zstd,systemd-sysv,udev,dbus,kmod,iproute2,iputils-ping,netbase,\
openssh-server,procps,e2fsprogs,ca-certificates

options=()
for left_out in sound drivers/{gpu,media,infiniband,iio,staging,bluetooth,isdn,accel,thunderbolt,comedi} \
  drivers/net/{wireless,can,wwan,ethernet/mellanox,ethernet/broadcom,ethernet/chelsio,ethernet/qlogic} net/{mac80211,bluetooth,wireless}; do
  options+=(--dpkgopt="path-exclude=/lib/modules/*/kernel/$left_out/*" \
    --dpkgopt="path-exclude=/usr/lib/modules/*/kernel/$left_out/*")
done
for name in Acquire::http::Proxy Acquire::https::Proxy Acquire::Check-Valid-Until; do
  value=$(eval "$(apt-config shell value "$name")"; echo "${value:-}")
  [ -z "$value" ] || options+=(--aptopt="$name \"$value\"")
done
for left_out in doc man locale info; do
  options+=(--dpkgopt="path-exclude=/usr/share/$left_out/*")
done

trap 'rm -f "$out.new.tar"' EXIT
sources=$(image_sources "$suite")
# Of suites that this host does not follow: the release alone, whose files stay where they are.
[ -n "$sources" ] || sources="deb http://deb.debian.org/debian $suite main"
# INITRD=No keeps the kernel's hooks from calling update-initramfs; the lists of packages stay for
# what is installed later.
INITRD=No mmdebstrap --mode=root --variant=apt --quiet --architectures="$arch" --include="$packages" \
  --skip=cleanup/apt/lists --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io "${options[@]}" \
  "$suite" "$out.new.tar" - <<< "$sources"
rm -f "$out.recipe"
mv "$out.new.tar" "$out"
echo "$image_recipe" > "$out.recipe"
