# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that `p2v assess --help` shows for a machine on which nothing is installed, pasted as they stand: they
bring what an assessment needs, and no password or private key.

usage: test-assess-help.py P2V"""

import os
import re
import subprocess
import sys
import tempfile

COLUMNS = "NAME KNAME PKNAME TYPE SIZE FSTYPE UUID LABEL PARTUUID TRAN MOUNTPOINT".split()
DISK = dict(NAME="sda", KNAME="sda", TYPE="disk", SIZE="8589934592", TRAN="sata")
PART = dict(NAME="sda1", KNAME="sda1", PKNAME="sda", TYPE="part", SIZE="8588886016", FSTYPE="ext4",
            UUID="11111111-2222-3333-4444-555555555555", PARTUUID="12345678-01", MOUNTPOINT="/")
# ssh HOST WORD...: the words, in a shell at the server's root, as sshd gives them to one.
SSH = """#!/bin/sh
shift
command=$(printf '%s' "$*" | sed 's#^cd / #cd {server} #')
exec sh -c "$command"
"""
LSBLK = """#!/bin/sh
[ "$*" = "-P -b -o {columns}" ] || {{ echo "lsblk: $*" >&2; exit 1; }}
cat {output}
"""
FILES = {"etc/os-release": "ID=debian\nVERSION_ID=12\nPRETTY_NAME='Debian 12'\n", "etc/hostname": "web01\n",
         "etc/fstab": "/dev/sda1 / ext4 defaults 0 1\n", "etc/shadow": "root:secret\n", "etc/gshadow-": "secret\n",
         "etc/ssh/ssh_host_ed25519_key": "secret\n", "etc/ssh/ssh_host_ed25519_key.pub": "public\n",
         "boot/vmlinuz-6.1.0": "kernel\n", "usr/lib/modules/6.1.0/modules.dep": "\n", "usr/bin/ls": "ELF\n",
         "usr/lib/systemd/system/x.service": "\n"}


def need(ok, text):
    if not ok:
        sys.exit(f"FAIL: {text}")


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)


def make_server(work):
    server = os.path.join(work, "server")
    for path, text in FILES.items():
        write(os.path.join(server, path), text)
    os.symlink("usr/lib", os.path.join(server, "lib"))
    os.symlink("usr/bin", os.path.join(server, "bin"))
    return server


def pasted(p2v):
    """The commands, with the lines that go on."""
    text = subprocess.run([p2v, "assess", "--help"], capture_output=True, text=True).stdout
    shown = re.search(r"^  server\$ +mkdir.*?(?=\n\n)", text, re.M | re.S)
    need(shown, text)
    return re.sub(r"^  server\$ +", "", shown.group(), flags=re.M).replace(" --machine machine.json", "")


def main():
    p2v = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="p2v-assess.") as work:
        server = make_server(work)
        output = os.path.join(work, "lsblk")
        write(output, "".join(" ".join(f'{c}="{row.get(c, "")}"' for c in COLUMNS) + "\n" for row in (DISK, PART)))
        write(os.path.join(work, "bin/ssh"), SSH.format(server=server), 0o755)
        write(os.path.join(work, "bin/lsblk"), LSBLK.format(columns=",".join(COLUMNS), output=output), 0o755)
        os.symlink(p2v, os.path.join(work, "bin/p2v"))
        path = os.path.join(work, "bin") + ":" + os.environ["PATH"]
        done = subprocess.run(["sh", "-c", pasted(p2v)], cwd=work, env={**os.environ, "PATH": path}, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL)
        for word in ("web01: ", "Debian 12", "root /dev/sda1 (ext4)", "/etc/fstab"):
            need(word in done.stdout, f"does not say '{word}': {done.stdout}{done.stderr}")
        brought = subprocess.run(["grep", "-rl", "secret", os.path.join(work, "web01")], capture_output=True, text=True)
        need(not brought.stdout, f"brings {brought.stdout}")


if __name__ == "__main__":
    main()
