#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: census-install.sh ROOT GATEWAY
#
# Puts census.sh into a test server, to run as the last thing before its login prompts.
set -euo pipefail

root=$1
install -m 0755 "$(dirname "$0")/census.sh" "$root/usr/local/sbin/census"
cat > "$root/etc/systemd/system/census.service" <<END
[Unit]
Description=Census for the test
After=network-online.target ssh.service
Wants=network-online.target
Before=getty.target getty@tty1.service serial-getty@ttyS0.service
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/census $2
[Install]
WantedBy=multi-user.target
END
chroot "$root" systemctl enable --quiet census.service
