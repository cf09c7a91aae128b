#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What an administrator does with the package on a host of systemd's; units.py has it run there as root after each start.
# What it has seen it says in a line each.
exec < /dev/null >> /var/log/walk 2>&1
set -Eeuo pipefail
export HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive COLUMNS=80

seen() { echo "SEEN $*"; }

wrong() {
  echo "WRONG line $1"
  systemctl --no-pager --full status p2vd.service p2v-sshd.service || true
  journalctl --no-pager -u p2vd.service -n 40 || true
  systemctl poweroff
}
trap 'wrong $LINENO' ERR

# await WHAT COMMAND...
await() {
  local what=$1 end=$((SECONDS + 120))
  shift
  until "$@" > /tmp/await 2>&1; do
    [ $SECONDS -lt $end ] || { echo "waited in vain for $what: $(cat /tmp/await)"; false; }
    sleep 0.5
  done
}

# What a "!" hides from set -e.
not() { ! "$@"; }

has() { "${@:2}" | grep "$1"; }

state_is() { p2v job show "$1" --json | grep -q "\"state\": \"$2\""; }

main_pid() { systemctl show --property MainPID --value p2vd.service; }

other_pid() { local pid; pid=$(main_pid); [ "$pid" != 0 ] && [ "$pid" != "$1" ] && p2v job list > /dev/null; }

# send NAME [PORT]: this host's own agent, over the loopback interface.
send() {
  local port=${2:-22}
  [ -e "/root/$1.img" ] || head -c 4M /dev/urandom > "/root/$1.img"
  local machine=()
  [ ! -e "/root/$1.json" ] || machine=(--machine "/root/$1.json")
  p2v-agent --server "p2v@127.0.0.1:$port" --identity /root/campaign --disk "/root/$1.img" --name "$1" --yes "${machine[@]}" \
    --host-key "$(ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub | cut -d ' ' -f 2)" --progress=none
}

units_are_fine() {
  systemd-analyze verify --man=no /etc/systemd/system/p2vd.service "$@"
  # 0 is shut, 10 is open: 9.6 without a line of hardening.
  systemd-analyze security --no-pager --threshold=30 p2vd.service > /tmp/security || { cat /tmp/security; false; }
  seen "units: $(tail -n 1 /tmp/security | tr -d '→' | xargs)"
}

installed() {
  dpkg -i /root/p2v.deb
  [ "$(systemctl is-active p2vd.service)" = active ]
  [ "$(systemctl is-enabled p2vd.service)" = enabled ]
  await "p2vd" p2v job list
  p2v server check
  p2v doctor --quick || true
  seen "installed: p2vd runs, and p2v server check finds nothing"
  units_are_fine
  # It is an administrator who does it again.
  p2v server init
  p2v server check > /dev/null
}

# The stages are played: what is asked here is asked of systemd and p2vd.
played() {
  printf 'program: /usr/local/bin/p2v-player\nhold: [conversion]\nscan_s: 1\nkeep_free: 1M\nretry_s: 1\n' >> /etc/p2v/p2vd.conf
  systemctl restart p2vd.service
  await "p2vd" p2v job list
}

received() {
  p2v key new campaign --output /root/campaign
  send web01
  await "web01" state_is web01 held
  echo "changes probe:1" > /srv/p2v/web01/orders
  p2v job approve web01
  await "web01" state_is web01 proven
  cat /srv/p2v/web01/probe
  echo
  [ "$(stat -c %U /srv/p2v/web01/proof.json)" = p2v ]
  seen "received from an agent, and its stages ran as p2v"
}

killed() {
  local pid child
  send web02
  await "web02" state_is web02 held
  echo "changes sleep:1" > /srv/p2v/web02/orders
  p2v job approve web02
  await "the stage" test -e /srv/p2v/web02/child.pid
  child=$(cat /srv/p2v/web02/child.pid)
  pid=$(main_pid)
  kill -9 "$pid"
  await "another p2vd" other_pid "$pid"
  [ ! -e "/proc/$child" ]
  await "web02" state_is web02 proven
  seen "killed with a stage under way: started again, nothing of the stage is left, and it was done again"
}

own_sshd() {
  p2v server init --ssh-port 2222
  units_are_fine /etc/systemd/system/p2v-sshd.service
  [ "$(systemctl is-active p2v-sshd.service)" = active ]
  send web03 2222
  await "web03" state_is web03 held
  seen "received by an sshd of its own"
}

started_again() {
  await "p2vd after the start" p2v job list
  p2v server check
  [ "$(systemctl is-active p2v-sshd.service)" = active ]
  state_is web01 proven
  state_is web03 held
  send web04 2222
  await "web04" state_is web04 held
  p2v server backup /root/ledger.copy
  not has p2v systemctl --failed --no-legend
  seen "started with the host: the jobs are there, and the next machine is received"
}

# A real server's disk, and nothing played: what the units allow has to be enough for it.
real() {
  printf 'scan_s: 1\nkeep_free: 1M\n' >> /etc/p2v/p2vd.conf
  systemctl restart p2vd.service
  await "p2vd" p2v job list
  p2v key new campaign --output /root/campaign
  send web01
  timeout 1200 p2v job watch web01 || { p2v job logs web01; false; }
  state_is web01 proven
  seen "a real server, received, converted and proven by the unit's p2vd: $(p2v job show web01 | grep -c .) lines say how"
}

purged() {
  dpkg -P p2v > /tmp/purge 2>&1
  grep "still holds disks" /tmp/purge
  not systemctl is-active p2vd.service
  not systemctl is-active p2v-sshd.service
  [ -e /srv/p2v/web01/image/disk0.qcow2 ]
  dpkg -i /root/p2v.deb
  await "p2vd" p2v job list
  rm -rf /srv/p2v/web0*
  dpkg -P p2v
  [ ! -e /srv/p2v ]
  [ ! -e /etc/systemd/system/p2vd.service ]
  not getent passwd p2v
  [ "$(systemctl is-active ssh.service)" = active ]
  not has p2v systemctl list-units --all --no-legend
  seen "purged: with disks they stay, without any nothing is left, and the host's sshd still runs"
}

case $(cat /root/phase 2> /dev/null || echo 1) in
  1)
    installed
    played
    received
    killed
    own_sshd
    echo 2 > /root/phase
    systemctl reboot
    ;;
  real)
    installed
    real
    systemctl poweroff
    ;;
  2)
    started_again
    purged
    systemctl poweroff
    ;;
esac
