# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian package in a Debian of its own: installed, checked, used by a real agent through its own sshd with a key of
`p2v key`, installed again, and purged without a trace.

usage: deb.py [--build DIR] [--package FILE]"""

import argparse
import contextlib
import glob
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from lib import sshd
from lib.expect import Wrong, need, wait

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
MIB = 1 << 20
# What dpkg, its triggers and the account tools keep for themselves.
OTHERS = re.compile(r"^(/var/lib/dpkg/|/var/log/|/var/cache/|/var/lib/systemd/|/etc/(passwd|shadow|group|gshadow|subuid|subgid)-?$|"
                    r"/etc/\.pwd\.lock$|/proc|/dev|/sys|/run/(sshd|motd)|/tmp/|/root/)")


def package_make(build, work):
    """As `make deb` does."""
    folder = os.path.join(work, "build-deb")
    subprocess.run(["meson", "setup", folder, TOP, "--prefix=/usr", "--sysconfdir=/etc", "-Dtests=false"], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([os.path.join(TOP, "packaging", "make-deb.py"), folder, work], check=True, stdout=subprocess.DEVNULL)
    package, = glob.glob(os.path.join(work, "p2v_*.deb"))
    return package


def dependencies(package):
    text = subprocess.run(["dpkg-deb", "-f", package, "Depends"], check=True, capture_output=True, text=True).stdout
    return [re.match(r"[^ (|]+", part.strip()).group() for part in text.split(",")]


class Root:
    """A Debian that has what the package depends on, and nothing more."""

    def __init__(self, path):
        self.path = path

    def make(self, packages):
        script = (f'. "{TOP}/tests/images/lib.sh"; image_mount_dev() {{ mount -t tmpfs -o mode=0755 dev "$1"; '
                  'cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty "$1"; }; '
                  'INITRD=No image_mmdebstrap bookworm "$1" "$2"')
        done = subprocess.run(["bash", "-euc", script, "bash", ",".join(packages), self.path], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        need(done.returncode == 0, f"mmdebstrap: {done.stderr[-1500:]}")
        # Nothing is started by packages: no systemd runs here.
        with open(os.path.join(self.path, "usr/sbin/policy-rc.d"), "w") as file:
            file.write("#!/bin/sh\nexit 101\n")
        os.chmod(file.name, 0o755)

    def run(self, *argv, expect=0, **options):
        done = subprocess.run(["chroot", self.path, *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive",
                                   "LC_ALL": "C.UTF-8"}, **options)
        need(done.returncode == expect, f"{argv}: {done.returncode}: {done.stdout[-1500:]} {done.stderr[-1500:]}")
        return done.stdout + done.stderr

    def start(self, *argv):
        log = open(os.path.join(os.path.dirname(self.path), "programs.log"), "ab")
        return subprocess.Popen(["chroot", self.path, *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/var/lib/p2v"})

    def files(self):
        """Everything that there is, with what links lead to."""
        found = set()
        for folder, folders, names in os.walk(self.path):
            for name in folders + names:
                path = "/" + os.path.relpath(os.path.join(folder, name), self.path)
                if not OTHERS.match(path):
                    found.add(path)
        return found

    def users(self):
        with open(os.path.join(self.path, "etc/passwd")) as file:
            return sorted(line.split(":")[0] for line in file)

    def close(self):
        """Nothing stays mounted: what is below is removed next."""
        for name in ("sys", "proc", "dev"):
            subprocess.run(["umount", "--recursive", "--lazy", os.path.join(self.path, name)], check=False,
                           stderr=subprocess.DEVNULL)


def check_installed(root):
    for path in ("/usr/bin/p2v", "/usr/bin/p2v-recv", "/usr/sbin/p2vd", "/usr/share/man/man1/p2v-key.1.gz",
                 "/usr/share/man/man8/p2vd.8.gz", "/usr/share/man/man5/p2vd.conf.5.gz", "/etc/p2v/p2vd.conf",
                 "/etc/systemd/system/p2vd.service", "/etc/ssh/sshd_config.d/50-p2v.conf"):
        need(os.path.exists(root.path + path), f"{path} is not there")
    said = root.run("p2v", "server", "check", expect=1)
    bad = [line for line in said.splitlines() if not line.startswith("ok")]
    need(len(bad) == 1 and bad[0].startswith("bad   p2vd answers"), f"check: {said}")
    words = root.run("bash", "-c", ". /usr/share/bash-completion/completions/p2v; COMP_WORDS=(p2v job re); COMP_CWORD=2; _p2v; "
                     'echo "${COMPREPLY[@]}"; COMP_WORDS=(p2v key --un); _p2v; echo "${COMPREPLY[@]}"; COMP_WORDS=(p2v ver); '
                     'COMP_CWORD=1; _p2v; echo "${COMPREPLY[@]}"')
    need(words == "retry\n--until\nverify\n", f"completion: {words}")


def agent(options, root, work, port, name, expect=0):
    """A real agent on this host, with the key and the host key of the server."""
    disk = os.path.join(work, f"{name}.img")
    with open(disk, "wb") as file:
        file.write(random.Random(name).randbytes(4 * MIB))
    fingerprint = sshd.fingerprint(root.path + "/etc/ssh/ssh_host_ed25519_key.pub")
    done = subprocess.run([os.path.join(options.build, "agent/p2v-agent"), "--server", f"p2v@127.0.0.1:{port}", "--identity",
                           root.path + "/root/campaign", "--host-key", fingerprint, "--disk", disk, "--name", name, "--json",
                           "--retry-for", "5"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    need((done.returncode == 0) == (expect == 0), f"agent: {done.returncode}: {done.stdout} {done.stderr}")
    return done


def use(options, root, work, programs):
    """By its own sshd, with a key of its own, as its own user."""
    port = sshd.free_port()
    said = root.run("p2v", "server", "init", "--ssh-port", str(port))
    need("/etc/p2v/sshd_config" in said, said)
    # Nothing of the disks is looked at here: that takes an appliance.
    with open(root.path + "/etc/p2v/p2vd.conf", "a") as file:
        hour = time.localtime().tm_hour
        file.write(f"windows: [\"{(hour + 10) % 24}:00-{(hour + 11) % 24}:00\"]\nscan_s: 1\nkeep_free: 1M\n")
    # What systemd does for the units.
    root.run("install", "-d", "-o", "p2v", "-g", "p2v", "-m", "0750", "/run/p2v")
    root.run("install", "-d", "-m", "0755", "/run/sshd")
    programs.append(root.start("setpriv", "--reuid", "p2v", "--regid", "p2v", "--init-groups", "--no-new-privs", "p2vd"))
    programs.append(root.start("/usr/sbin/sshd", "-D", "-e", "-f", "/etc/p2v/sshd_config"))
    wait("all is well", lambda: "bad" not in root.run("sh", "-c", "p2v server check || true"), 60)
    root.run("p2v", "key", "new", "campaign", "--output", "/root/campaign")
    agent(options, root, work, port, "web01")
    # p2vd sees it within a second.
    wait("it is received", lambda: '"state": "received"' in root.run("sh", "-c", "p2v job show web01 --json || true"))
    need(os.stat(root.path + "/srv/p2v/web01/image.json").st_uid == os.stat(root.path + "/var/lib/p2v").st_uid, "the owner")
    # The key opens nothing else.
    done = subprocess.run(["ssh", "-p", str(port), "-i", root.path + "/root/campaign", "-o", "BatchMode=yes", "-o",
                           "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-F", "none", "p2v@127.0.0.1", "id"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    need("uid=" not in done.stdout, f"the key gives a shell: {done.stdout}")
    root.run("p2v", "key", "revoke", "campaign")
    agent(options, root, work, port, "web02", expect=1)
    return port


def stop(programs):
    for program in programs:
        program.send_signal(signal.SIGTERM)
    for program in programs:
        program.wait(60)
    programs.clear()


def run(options, work):
    package = options.package or package_make(options.build, work)
    root = Root(os.path.join(work, "root"))
    programs = []
    inside = os.path.join(root.path, "tmp", "p2v.deb")
    try:
        root.make([*dependencies(package), "adduser"])
        shutil.copy(package, inside)
        before, users = root.files(), root.users()
        root.run("dpkg", "-i", "/tmp/p2v.deb")
        check_installed(root)
        print("      installed: every file is as it should be, the manual and the completion are there", flush=True)
        port = use(options, root, work, programs)
        print("      an agent was received by its sshd with a key of p2v key; revoked, it was refused", flush=True)
        # An update keeps what was chosen.
        root.run("dpkg", "-i", "/tmp/p2v.deb")
        with open(root.path + "/etc/p2v/sshd_config") as file:
            need(f"Port {port}\n" in file.read(), "an update forgets the port")
        need("keep_free: 1M" in open(root.path + "/etc/p2v/p2vd.conf").read(), "an update writes p2vd.conf")
        need("bad" not in root.run("p2v", "server", "check"), "check after the update")
        stop(programs)
        said = root.run("dpkg", "-P", "p2v")
        need("/srv/p2v still holds disks" in said and os.path.exists(root.path + "/srv/p2v/web01/image/disk0.qcow2"),
             f"a purge took the disks: {said}")
        print("      purged while it held disks: they stay, and it says so", flush=True)
        root.run("dpkg", "-i", "/tmp/p2v.deb")
        shutil.rmtree(root.path + "/srv/p2v/web01")
        shutil.rmtree(root.path + "/srv/p2v/web02", ignore_errors=True)
        with open(root.path + "/etc/p2v/p2vd.conf", "a") as file:
            file.write('base: "/srv/p2v"  # on the large disks\n')
        root.run("dpkg", "-r", "p2v")
        need(os.path.exists(root.path + "/etc/p2v/p2vd.conf"), "to remove it takes the settings")
        root.run("dpkg", "-P", "p2v")
        left, gone = root.files() - before, before - root.files()
        need(not left and not gone, f"a purge leaves {sorted(left)[:20]}, takes {sorted(gone)[:20]}")
        need(root.users() == users, f"users: {root.users()}")
        print("      purged: no file and no user is left", flush=True)
    finally:
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            stop(programs)
        root.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--package")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    for tool in ("mmdebstrap", "dpkg-shlibdeps", "ssh"):
        if os.geteuid() != 0 or not shutil.which(tool):
            print(f"needs root and {tool}")
            sys.exit(77)
    work = tempfile.mkdtemp(prefix="p2v-deb-test.", dir="/var/tmp")
    os.chmod(work, 0o755)
    try:
        run(options, work)
    except (Wrong, subprocess.CalledProcessError) as why:
        log = os.path.join(work, "programs.log")
        sys.exit(f"FAIL: {why}\n{open(log, errors='replace').read()[-3000:] if os.path.exists(log) else ''}")
    finally:
        with open("/proc/self/mounts") as mounts:
            if f" {work}/" not in mounts.read():
                shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
