#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the Debian package p2v from a build that was set up with --prefix=/usr.

usage: make-deb.py BUILD OUTPUT_DIR

Its scripts do what `p2v server init` does, and a purge takes away all that this made: which files that is, is asked of
the program itself. Job directories are other people's disks: those that still hold some stay."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

# What the programs run (`p2v doctor` looks for them), beside the libraries that they link with.
DEPENDS = ["adduser", "openssh-server", "openssh-client", "qemu-utils", "qemu-system-x86", "kmod", "diffutils", "lz4"]
RECOMMENDS = ["libguestfs-xfs", "linux-image-amd64 | linux-image-generic", "ovmf"]
SUGGESTS = ["postgresql", "xorriso", "grub-pc-bin", "grub2-common", "mtools", "ovmf-ia32"]
DESCRIPTION = """Description: turns physical servers into virtual machines that are proven to boot
 A boot medium's agent streams a physical server's disks over SSH to this
 conversion server. The guest is made to fit virtual hardware without any of
 its code being run, handed over as a virtual machine, and booted in isolation
 to show that it comes up with its network.
 .
 This package sets the server up: a user, a daemon, and what sshd needs to let
 agents in with their keys and nothing else."""

POSTINST = """#!/bin/sh
set -e
if [ "$1" = configure ]; then
	p2v server init > /dev/null
	if [ -n "$2" ] && [ -d /run/systemd/system ]; then
		systemctl try-restart p2vd.service p2v-sshd.service || true
	fi
fi
"""

PRERM = """#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	systemctl disable --now p2vd.service || true
	if [ -e /etc/systemd/system/p2v-sshd.service ]; then
		systemctl disable --now p2v-sshd.service || true
	fi
fi
"""

# A removed package keeps its settings, keys, ledger and jobs; without p2v-recv nobody comes in.
POSTRM = """#!/bin/sh
set -e
[ "$1" = purge ] || exit 0
base=/srv/p2v
if [ -r /etc/p2v/p2vd.conf ]; then
	said=$(sed -n 's/[[:space:]]#.*//; s/[[:space:]]*$//; s/^base: *//p' /etc/p2v/p2vd.conf | tail -n 1 | tr -d "\\"'")
	case $said in /?*) base=$said ;; esac
fi
rm -f {files}
rm -rf /etc/p2v /var/lib/p2v /run/p2v
if [ -d "$base" ]; then
	rm -rf "$base/.queue" "$base/.limits.json"
	rmdir --ignore-fail-on-non-empty "$base"
fi
if [ -d "$base" ]; then
	echo "p2v: $base still holds disks of migrated servers: they stay, and so does the user p2v who owns them" >&2
elif getent passwd p2v > /dev/null; then
	userdel p2v
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	systemctl try-reload-or-restart ssh.service || true
fi
"""


def run(*argv, **options):
    return subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, **options)


def output(*argv, **options):
    return run(*argv, stdout=subprocess.PIPE, text=True, **options).stdout


def server_files(program, work):
    """Every file that `p2v server init` may make outside of its own directories."""
    root = os.path.join(work, "init")
    run(program, "server", "init", "--root", root, "--ssh-port", "1", stdout=subprocess.DEVNULL)
    paths = ["/" + os.path.relpath(os.path.join(folder, name), root) for folder, _, names in os.walk(root) for name in names]
    return sorted(path for path in paths if not path.startswith(("/etc/p2v/", "/var/lib/p2v/", "/srv/p2v/")))


def libraries(stage, work):
    """The packages of the libraries that the programs link with, with the versions that they need."""
    programs = []
    for folder, _, names in os.walk(stage):
        for path in (os.path.join(folder, name) for name in names):
            with open(path, "rb") as file:
                if file.read(4) == b"\x7fELF":
                    programs.append("-e" + path)
    os.makedirs(os.path.join(work, "debian"))
    with open(os.path.join(work, "debian", "control"), "w") as file:
        file.write("Source: p2v\n\nPackage: p2v\nArchitecture: any\n")
    text = output("dpkg-shlibdeps", "-O", "--ignore-missing-info", *programs, cwd=work, stderr=subprocess.DEVNULL)
    return re.search(r"^shlibs:Depends=(.*)$", text, re.M).group(1)


def write(path, text, mode):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)


def installed_kib(stage):
    return sum(os.lstat(os.path.join(folder, name)).st_size + 1023 >> 10 for folder, _, names in os.walk(stage) for name in names)


def make(build, target, work):
    stage = os.path.join(work, "stage")
    run("meson", "install", "-C", build, "--no-rebuild", "--strip", "--destdir", stage, stdout=subprocess.DEVNULL)
    for folder, _, names in os.walk(os.path.join(stage, "usr/share/man")):
        for name in names:
            run("gzip", "-9n", os.path.join(folder, name))
    doc = os.path.join(stage, "usr/share/doc/p2v")
    os.makedirs(doc)
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    shutil.copy(os.path.join(here, "LICENSE"), os.path.join(doc, "copyright"))
    shutil.copy(os.path.join(here, "README.md"), doc)
    version = re.search(r"\d+(\.\d+)+", output(os.path.join(stage, "usr/bin/p2v"), "--version")).group()
    arch = output("dpkg", "--print-architecture").strip()
    depends = ", ".join([libraries(stage, work), *DEPENDS])
    scripts = os.path.join(stage, "DEBIAN")
    os.makedirs(scripts)
    write(os.path.join(scripts, "control"),
          f"Package: p2v\nVersion: {version}\nArchitecture: {arch}\nMaintainer: p2v <p2v@localhost>\nSection: admin\n"
          f"Priority: optional\nInstalled-Size: {installed_kib(stage)}\nDepends: {depends}\n"
          f"Recommends: {', '.join(RECOMMENDS)}\nSuggests: {', '.join(SUGGESTS)}\n{DESCRIPTION}\n", 0o644)
    files = " ".join(server_files(os.path.join(stage, "usr/bin/p2v"), work))
    for name, text in (("postinst", POSTINST), ("prerm", PRERM), ("postrm", POSTRM.replace("{files}", files))):
        write(os.path.join(scripts, name), text, 0o755)
    os.makedirs(target, exist_ok=True)
    package = os.path.join(target, f"p2v_{version}_{arch}.deb")
    run("dpkg-deb", "--root-owner-group", "-Zxz", "--build", stage, package, stdout=subprocess.DEVNULL)
    print(package)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    # Readable for all: the modes of directories go into the package.
    os.umask(0o022)
    work = tempfile.mkdtemp(prefix="p2v-deb.")
    try:
        os.chmod(work, 0o755)
        make(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), work)
    finally:
        shutil.rmtree(work)


main()
