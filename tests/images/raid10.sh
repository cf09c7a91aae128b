#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: raid10.sh OUT.img
#
# Debian 12 whose root is an md RAID 10 over four disks (near=2: each chunk on two of them), each with GRUB in its
# MBR; swap on the first one. OUT-2.img to OUT-4.img are the other disks.
set -euo pipefail
. "$(dirname "$0")/server.sh"

server_begin "$@"
server_tree bookworm amd64 mdadm grub-pc ifupdown
server_system <<END
/dev/md10 / ext4 errors=remount-ro 0 1
UUID=$SERVER_SWAP_UUID none swap sw 0 0
END
net_ifupdown
cat > "$tree/etc/mdadm/mdadm.conf" <<END
HOMEHOST <system>
MAILADDR root
ARRAY /dev/md10 metadata=1.2 UUID=$SERVER_ARRAY_UUID name=$SERVER_NAME:10
END
initramfs_tools ext4 sd_mod ahci raid10 i8042 atkbd
grub_core "(mduuid/${SERVER_ARRAY_UUID//:/})/boot/grub" mdraid1x diskfilter ext2
grub_config "root=/dev/md10 ro" "search --no-floppy --fs-uuid --set=root $SERVER_ROOT_UUID" /boot \
  part_msdos diskfilter mdraid1x ext2
for n in 1 2 3 4; do
  disk_make $n 960 <<END
label: dos
label-id: $((SERVER_DISK_ID + n))
1 : start=1MiB, size=833MiB, type=fd, bootable
2 : start=834MiB, type=82
END
  grub_embed $n
done
fs_make ext4 "$work/root.fs" 1600 "$tree" -U "$SERVER_ROOT_UUID"

members=()
for n in 1 2 3 4; do
  part_of $n 1
  members+=("${disk[$n]}:$start:$sectors")
done
"$here/md-superblock.py" "$SERVER_ARRAY_UUID" "$SERVER_NAME:10" 2048 "${members[@]}"
# What makes a RAID 1's superblocks a RAID 10's: level, layout, whole chunks; and the chunks in their places.
python3 - "$work/root.fs" "${members[@]}" <<'END'
import struct
import sys

CHUNK, DATA, SUPER = 512 << 10, 1 << 20, 4096
source, members = sys.argv[1], [member.rsplit(":", 2) for member in sys.argv[2:]]
disks = [(open(path, "r+b"), int(start) * 512) for path, start, _ in members]
for disk, start in disks:
    disk.seek(start + SUPER)
    block = bytearray(disk.read(512))
    size, = struct.unpack_from("<Q", block, 80)
    struct.pack_into("<2IQI", block, 72, 10, 0x102, size // 1024 * 1024, 1024)
    struct.pack_into("<I", block, 216, 0)
    total = sum(struct.unpack("<128I", block))
    struct.pack_into("<I", block, 216, (total & 0xFFFFFFFF) + (total >> 32) & 0xFFFFFFFF)
    disk.seek(start + SUPER)
    disk.write(block)
with open(source, "rb") as root:
    for number, chunk in enumerate(iter(lambda: root.read(CHUNK), b"")):
        for disk, start in disks[number % 2 * 2:][:2] if any(chunk) else ():
            disk.seek(start + DATA + number // 2 * CHUNK)
            disk.write(chunk)
END
disk_swap 1 2 -U "$SERVER_SWAP_UUID"
server_end
