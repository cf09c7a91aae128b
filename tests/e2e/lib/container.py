# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree that systemd runs as its own host would: process 1 in namespaces of its own, without a way out.

    with Container(tree, work) as host:
        host.start()
        host.ends(limit_s=300)      "reboot" or "poweroff", as somebody in there said
"""

import os
import signal
import subprocess

# In the new namespaces: what a boot finds, then systemd. $1: the tree.
BOOT = r"""
cd "$1"
mount --make-rprivate /
mount --bind . "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=0755 run run
mount -t tmpfs -o mode=0755 dev dev
for node in null zero full random urandom tty; do touch dev/$node; mount --bind /dev/$node dev/$node; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
touch dev/console
mount --bind "$2" dev/console
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 cgroup2 sys/fs/cgroup
else
  mount -t tmpfs -o mode=0755 cgroup sys/fs/cgroup
  mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
  mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
  mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
fi
mkdir -p .old
pivot_root . .old
umount -l .old
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
"""
# The hierarchies that systemd makes its groups in.
HIERARCHIES = [path for path in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup")
               if os.path.exists(os.path.join(path, "cgroup.procs"))]


def works():
    """Why it cannot be done here, or None."""
    if os.geteuid() != 0:
        return "root is needed"
    if not HIERARCHIES or not all(os.access(path, os.W_OK) and not os.statvfs(path).f_flag & os.ST_RDONLY
                                  for path in HIERARCHIES):
        return "this host lets nobody make control groups"
    return None


class Container:
    def __init__(self, tree, work):
        self.tree, self.console, self.process = tree, os.path.join(work, "console.log"), None
        self.groups = [os.path.join(path, f"p2v-test-{os.getpid()}") for path in HIERARCHIES]

    def __enter__(self):
        for group in self.groups:
            os.makedirs(group, exist_ok=True)
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            # unshare's child goes with it, and with that all others: it is their process 1.
            self.process.kill()
            self.process.wait()
        for group in self.groups:
            for folder, _, _ in os.walk(group, topdown=False):
                os.rmdir(folder)

    def _enter_groups(self):
        for group in self.groups:
            with open(os.path.join(group, "cgroup.procs"), "w") as file:
                file.write("0")

    def start(self):
        with open(self.console, "ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--uts", "--ipc", "--net", "--cgroup",
                 "bash", "-euc", BOOT, "bash", self.tree, self.console],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=self._enter_groups)

    def ends(self, limit_s):
        """How it ended: the kernel tells it by the signal that process 1 seems to have had."""
        code = self.process.wait(limit_s)
        return {-signal.SIGHUP: "reboot", 128 + signal.SIGHUP: "reboot", -signal.SIGINT: "poweroff",
                128 + signal.SIGINT: "poweroff"}.get(code, f"exit code {code}")
