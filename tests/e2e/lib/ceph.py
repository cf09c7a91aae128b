# SPDX-License-Identifier: GPL-3.0-or-later
"""A Ceph cluster of one monitor and one OSD that keeps all in memory, on the loopback, without systemd.

    with Cluster(folder) as cluster:
        cluster.run("rbd", "create", "--size", "64M", "rbd/disk")

Programs that use librados find it by CEPH_CONF (cluster.env)."""

import os
import shutil
import signal
import subprocess
import time
import uuid

from lib import vm

PROGRAMS = ("ceph-mon", "ceph-osd", "ceph", "rbd", "monmaptool")
CONF = """[global]
fsid = {fsid}
mon initial members = a
mon host = {address}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail crit = 1
mon data = {folder}/mon
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = {bytes}
run dir = {folder}
log file = {folder}/$name.log
pid file = {folder}/$name.pid
admin socket = {folder}/$name.$pid.asok
keyring = {folder}/keyring
"""


def missing():
    """What is not installed, or None."""
    return next((program for program in PROGRAMS if not shutil.which(program)), None)


class Cluster:
    def __init__(self, folder, size):
        """folder: a short path, as sockets lie in it. size: of all that it keeps, in bytes."""
        self.folder, self.conf = folder, os.path.join(folder, "ceph.conf")
        self.address = f"[v2:127.0.0.1:{vm.free_port()},v1:127.0.0.1:{vm.free_port()}]"
        self.fsid, self.daemons = str(uuid.uuid4()), []
        self.env = {**os.environ, "CEPH_CONF": self.conf}
        for name in "mon", "osd":
            os.makedirs(os.path.join(folder, name))
        with open(self.conf, "w") as file:
            file.write(CONF.format(fsid=self.fsid, address=self.address, folder=folder, bytes=size))

    def run(self, *argv, limit_s=60):
        return subprocess.run(argv, check=True, env=self.env, timeout=limit_s, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True).stdout

    def start(self, *argv):
        """A daemon that is ours to end."""
        with open(os.path.join(self.folder, f"{argv[0]}.out"), "w") as out:
            self.daemons.append(subprocess.Popen([*argv, "-f"], env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out))

    def wait_for(self, words, *argv, limit_s=90):
        end = time.monotonic() + limit_s
        while words not in (said := self.run(*argv)):
            if time.monotonic() > end:
                raise vm.VmError(f"{' '.join(argv)} does not say {words}: {said}")
            time.sleep(0.5)

    def __enter__(self):
        monmap, osd = os.path.join(self.folder, "monmap"), str(uuid.uuid4())
        try:
            # --addv: with a plain address the monitor listens where nobody looks for it.
            self.run("monmaptool", "--create", "--addv", "a", self.address, "--fsid", self.fsid, monmap)
            self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
            self.start("ceph-mon", "-i", "a")
            self.run("ceph", "osd", "new", osd)
            self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
            self.start("ceph-osd", "-i", "0")
            self.wait_for("1 up", "ceph", "osd", "stat")
            self.run("ceph", "osd", "pool", "create", "rbd", "8", "8")
            self.run("rbd", "pool", "init", "rbd")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
