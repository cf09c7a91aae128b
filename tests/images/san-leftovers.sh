#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: san-leftovers.sh OUT.img
#
# Debian 12 that boots from multipath, as servers on a SAN do: initramfs, fstab and arguments call the disk mpatha.
# With what else belongs to a physical machine and not to a virtual one: smartd, IPMI, sensors and fans, thermald, a
# watchdog, rasdaemon; the guest tools of two other hypervisors, from when it was a virtual machine; and a
# configuration of Xorg for a card that is gone. The guest agent's package lies in apt's cache, and what it depends on
# is installed.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
server_tree bookworm amd64 multipath-tools-boot smartmontools openipmi fancontrol thermald watchdog rasdaemon \
  open-vm-tools hyperv-daemons grub-pc ifupdown libglib2.0-0 libnuma1 liburing2
chroot "$tree" sh -c 'cd /var/cache && apt-get download -q qemu-guest-agent'
server_system <<END
/dev/mapper/mpatha-part1 / ext4 errors=remount-ro 0 1
/dev/mapper/mpatha-part2 none swap sw 0 0
END
mv "$tree"/var/cache/qemu-guest-agent_*.deb "$tree/var/cache/apt/archives/"
net_ifupdown
# One path: QEMU has no second one to the same disk. That of a SAN's disk would be claimed for its WWN.
mkdir -p "$tree/etc/multipath"
cat > "$tree/etc/multipath.conf" <<END
defaults {
	user_friendly_names yes
	find_multipaths no
}
blacklist_exceptions {
	property ".*"
}
multipaths {
	multipath {
		wwid QEMU_HARDDISK_$SERVER_DISK_SERIAL
		alias mpatha
	}
}
END
echo "/QEMU_HARDDISK_$SERVER_DISK_SERIAL/" > "$tree/etc/multipath/wwids"
mkdir -p "$tree/etc/X11/xorg.conf.d"
printf 'Section "Device"\n\tIdentifier "card"\n\tDriver "nvidia"\nEndSection\n' > "$tree/etc/X11/xorg.conf.d/20-nvidia.conf"
# As pwmconfig writes it for a Super I/O chip.
printf 'INTERVAL=10\nDEVPATH=hwmon0=devices/platform/nct6775.656\nDEVNAME=hwmon0=nct6775\nFCTEMPS=hwmon0/pwm1=hwmon0/temp1_input\nMINTEMP=hwmon0/pwm1=40\nMAXTEMP=hwmon0/pwm1=60\nMINSTART=hwmon0/pwm1=150\nMINSTOP=hwmon0/pwm1=100\n' \
  > "$tree/etc/fancontrol"
echo nct6775 >> "$tree/etc/modules"
initramfs_tools ext4 sd_mod ata_piix ata_generic dm_mod dm_multipath dm_service_time i8042 atkbd
grub_core "(,msdos1)/boot/grub" ext2
grub_config "root=/dev/mapper/mpatha-part1 ro" "search --no-floppy --fs-uuid --set=root $SERVER_ROOT_UUID" /boot part_msdos ext2
disk_make 1 1792 <<END
label: dos
label-id: $SERVER_DISK_ID
1 : start=1MiB, size=1600MiB, type=83, bootable
2 : start=1601MiB, type=82
END
grub_embed 1
fs_make ext4 "$work/root.fs" 1600 "$tree" -U "$SERVER_ROOT_UUID"
disk_put 1 1 "$work/root.fs"
disk_swap 1 2 -U "$SERVER_SWAP_UUID"
server_end
