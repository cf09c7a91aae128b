#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: census-install.sh ROOT GATEWAY
#
# Puts census.sh into a test server, to run as the last thing before its login prompts.
set -euo pipefail

root=$1
install -m 0755 "$(dirname "$0")/census.sh" "$root/usr/local/sbin/census"
if ! chroot "$root" sh -c 'command -v systemctl' > /dev/null; then
  cat > "$root/etc/init.d/census" <<END
#!/bin/sh
### BEGIN INIT INFO
# Provides: census
# Required-Start: \$all
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop:
# Short-Description: Census for the test
### END INIT INFO
[ "\$1" != start ] || exec /usr/local/sbin/census $2
END
  chmod 0755 "$root/etc/init.d/census"
  chroot "$root" update-rc.d census defaults
  exit 0
fi
cat > "$root/etc/systemd/system/census.service" <<END
[Unit]
Description=Census for the test
After=network-online.target ssh.service p2v-guest-agent.service
Wants=network-online.target
Before=getty.target getty@tty1.service serial-getty@ttyS0.service
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/census $2
[Install]
WantedBy=multi-user.target
END
chroot "$root" systemctl enable --quiet census.service
