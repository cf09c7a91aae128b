#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: two-kernels.sh ROOT    (a customize hook of mmdebstrap)
#
# Installs two kernels in the order in which a server that has been upgraded got them: the one before
# the newest of the series, then the newest. Where the archive holds no older, the real-time one.
set -euo pipefail

root=$1
newest=$(chroot "$root" apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p')
series=${newest%-*-amd64}
older=$(chroot "$root" apt-cache pkgnames "$series-" |
  grep -Ex "$series-[0-9]+-amd64" | sort -V | grep -Fxv "$newest" | tail -n 1 || true)
for kernel in "${older:-linux-image-rt-amd64}" linux-image-amd64; do
  chroot "$root" apt-get install --yes --no-install-recommends -o Dpkg::Use-Pty=0 "$kernel"
done
