#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian package where systemd runs: installed, used by an agent, p2vd killed, the host started again, purged. The host
is a container (systemd is its process 1); what is done there stands in units.sh.

--real: instead, a real server is received, converted and proven there.

usage: units.py [--real] [--build DIR] [--package FILE] [--work DIR]"""

import argparse
import os
import re
import shutil
import subprocess
import sys

import deb
from lib import container, server, vm, walk

LIMIT_S = 300
REAL_LIMIT_S = 1800
HERE = os.path.dirname(os.path.abspath(__file__))
PLAYER = os.path.join(HERE, "..", "unit", "daemon", "fake-p2v.py")
# A Debian of the matrix' kind with what the package depends on, and no more.
TREE = """
. "$1/tests/images/lib.sh"
base=$2/base-bookworm-amd64.tar
(flock 9 && "$1/tests/images/base.sh" bookworm amd64 "$base") 9> "$base.lock"
tar -x -f "$base" -C "$3" --numeric-owner --xattrs --xattrs-include='*' --exclude=./dev/*
cp /etc/resolv.conf "$3/etc/resolv.conf"
tree=$3
shift 3
trap 'umount "$tree/dev" "$tree/proc"' EXIT
mount -t proc proc "$tree/proc"
mount -t tmpfs -o mode=0755 dev "$tree/dev"
for node in null zero full random urandom tty; do cp -a "/dev/$node" "$tree/dev/$node"; done
INITRD=No DEBIAN_FRONTEND=noninteractive chroot "$tree" apt-get install --yes -q --no-install-recommends "$@"
chroot "$tree" systemctl mask --quiet apt-daily.timer apt-daily-upgrade.timer systemd-udevd.service
chroot "$tree" systemctl enable --quiet walk.service
"""
WALK = """[Unit]
After=multi-user.target ssh.service
[Service]
ExecStart=/usr/local/bin/walk
[Install]
WantedBy=multi-user.target
"""


def put(tree, path, text, mode=0o644):
    os.makedirs(os.path.dirname(tree + path), exist_ok=True)
    with open(tree + path, "w") as file:
        file.write(text)
    os.chmod(tree + path, mode)


def text_of(path):
    with open(path) as file:
        return file.read()


def tree_make(package, work):
    tree = os.path.join(work, "tree")
    os.mkdir(tree)
    put(tree, "/etc/systemd/system/walk.service", WALK)
    put(tree, "/etc/hostname", "conversion\n")
    put(tree, "/usr/local/bin/walk", text_of(os.path.join(HERE, "units.sh")), 0o755)
    put(tree, "/usr/local/bin/p2v-player", text_of(PLAYER), 0o755)
    os.makedirs(tree + "/root", mode=0o700)
    shutil.copy(package, tree + "/root/p2v.deb")
    cache = os.environ.get("P2V_IMAGE_CACHE") or os.environ.get("P2V_TEST_IMAGES") or work
    os.makedirs(cache, exist_ok=True)
    done = subprocess.run(["bash", "-euc", TREE, "bash", deb.TOP, cache, tree, *deb.dependencies(package), "adduser",
                           "python3"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deb.need(done.returncode == 0, f"the machine's system was not made: {done.stdout[-2000:]}")
    return tree


def seen(tree):
    """What was seen there, in order."""
    with open(tree + "/var/log/walk") as file:
        return re.findall(r"^SEEN (.*)$", file.read(), re.M)


def walk_along(tree, work, ends, limit_s, lines):
    with container.Container(tree, work) as host:
        for last in ends:
            host.start()
            how = host.ends(limit_s)
            deb.need(how == last, f"it ended by {how}: {text_of(tree + '/var/log/walk')[-4000:]}")
    for line in seen(tree):
        print(f"   {line}", flush=True)
    deb.need(len(seen(tree)) == lines, text_of(tree + "/var/log/walk"))


def disk_put(tree):
    """What the host's agent is to send: the demo's server, with that one's inventory."""
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", server.image_path("debian12-bios"), tree + "/root/web01.img"],
                   check=True)
    walk.machine_json(server.Server("debian12-bios"), tree + "/root/web01.json")
    put(tree, "/root/phase", "real\n")


def run(options):
    package = options.package or deb.package_make(options.build, options.work)
    tree = tree_make(package, options.work)
    if not options.real:
        return walk_along(tree, options.work, ("reboot", "poweroff"), LIMIT_S, 8)
    disk_put(tree)
    with vm.heavy_lock():
        return walk_along(tree, options.work, ("poweroff",), REAL_LIMIT_S, 3)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--build", default="build")
    parser.add_argument("--package")
    parser.add_argument("--work", default="/var/tmp/p2v-e2e-units")
    options = parser.parse_args()
    options.build, options.work = os.path.abspath(options.build), os.path.abspath(options.work)
    server.require("mmdebstrap", "dpkg-shlibdeps", "unshare")
    if container.works():
        server.skip(container.works())
    shutil.rmtree(options.work, ignore_errors=True)
    os.makedirs(options.work)
    try:
        run(options)
    except (deb.Wrong, subprocess.SubprocessError) as why:
        sys.exit(f"FAIL: {why}")
    shutil.rmtree(options.work)


if __name__ == "__main__":
    main()
