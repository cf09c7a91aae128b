#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Usage: census.sh GATEWAY    (in a test server, as the last thing before its login prompts)
#
# Says on the serial line what the test compares before and after: each mount, swap and address, units
# that have failed, whether the gateway answers and the guest agent runs. Each line carries its checksum, as the kernel may
# speak in between, and all are said twice.
say() {
  while read -r line; do
    printf 'CENSUS %s %s\n' "$(echo "$line" | cksum | cut -d' ' -f1)" "$line"
  done
}

tries=0
until ping -c 1 -W 2 "$1" > /dev/null 2>&1 || [ $tries -ge 40 ]; do
  tries=$((tries + 1))
  sleep 1
done
{
  # Swaps and mounts that fstab asks for may come after this.
  tries=0
  while [ -n "$(systemctl list-jobs --no-legend --plain | grep -E '\.(mount|swap|device) ')" ] && [ $tries -lt 60 ]; do
    tries=$((tries + 1))
    sleep 1
  done
} 2> /dev/null
text=$({
  findmnt --real --raw --noheadings --output TARGET,FSTYPE,UUID,FSROOT | grep -v ' fuse' | sort | sed 's/^/mount /'
  swapon --noheadings --raw --show=UUID,SIZE | sort | sed 's/^/swap /'
  ip -o address show scope global | sed -E 's/^[0-9]+: //; s/ (brd|scope|metric) .*//; s/  */ /g; s/^/address /' | sort
  ip -o link show | sed -nE 's/^[0-9]+: ([^:@]+).*link\/ether ([0-9a-f:]+).*/link \1 \2/p' | sort
  systemctl list-units --state=failed --plain --no-legend | sed -E 's/^ *([^ ]+) .*/failed \1/' | sort
  ping -c 2 -W 5 "$1" > /dev/null 2>&1 && echo "gateway $1 answers" || echo "gateway $1 is silent"
  systemctl is-active --quiet qemu-guest-agent && echo "running qemu-guest-agent"
  echo "end"
} | say)
for copy in 1 2; do
  printf '\n%s\n' "$text" > /dev/ttyS0
done
