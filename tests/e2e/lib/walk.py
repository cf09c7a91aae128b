# SPDX-License-Identifier: GPL-3.0-or-later
"""The corridor, step by step, with the real programs: what an operator types, from Python.

    with Walk(build_dir, work_dir) as walk:
        walk.start_server()
        walk.send(image, machine_json)
        walk.convert("web01")
        walk.prove("web01")
"""

import json
import os
import pwd
import shutil
import subprocess
import time

from lib import sshd, uefi

USER = "p2v-walk"


class StepFailed(Exception):
    """A program ended otherwise than it should; the text is what it said."""


class Walk:
    def __init__(self, build, work, user=USER):
        self.build, self.work, self.user = os.path.abspath(build), os.path.abspath(work), user
        self.jobs = os.path.join(self.work, "jobs")
        self.key = self.known_hosts = None
        self.plain_key = os.path.join(self.work, "plain_key")
        self.made_user = False
        self.daemon = None
        self.times = {}

    def __enter__(self):
        os.makedirs(self.work, mode=0o755, exist_ok=True)
        return self

    def __exit__(self, *unused):
        if self.daemon:
            self.daemon.stop()
        if self.made_user:
            subprocess.run(["userdel", self.user], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def program(self, name):
        for folder in ("p2v/cli", "p2v/recv", "agent"):
            path = os.path.join(self.build, folder, name)
            if os.path.exists(path):
                return path
        raise StepFailed(f"{name} is not built in {self.build}")

    # ---- the server's side of the setup

    def make_user(self):
        """A migration user without a password or a login of any other kind."""
        try:
            # A run that was killed has left him, with its own folder for a home.
            if pwd.getpwnam(self.user).pw_dir != self.work:
                subprocess.run(["usermod", "--home", self.work, self.user], check=True)
                self.made_user = True
        except KeyError:
            subprocess.run(["useradd", "--system", "--no-create-home", "--home-dir", self.work, "--shell", "/bin/sh",
                            "--password", "*", self.user], check=True)
            self.made_user = True

    def make_key(self, path):
        """A key pair of ours; its public line."""
        with open(sshd.keygen(path) + ".pub") as file:
            return file.read().strip()

    def start_server(self, plain_key=False, config=()):
        """An ordinary sshd on a loopback port: one user, one key, one thing that it can do. plain_key: a second
        key without a forced command, for the peers in a benchmark. config: further lines for sshd."""
        self.make_user()
        os.makedirs(self.jobs, exist_ok=True)
        shutil.chown(self.jobs, self.user)
        extra = [self.make_key(self.plain_key) + "\n"] if plain_key else []
        self.daemon = sshd.Sshd(os.path.join(self.work, "sshd"), f"{self.program('p2v-recv')} --dir {self.jobs}", config,
                                user=self.user, extra_keys=extra, port=self.daemon and self.daemon.port)
        self.daemon.start()
        self.key, self.known_hosts = self.daemon.identity, self.daemon.known_hosts

    def stop_server(self):
        """sshd, and every process that it started for the migration user."""
        self.daemon.stop()
        subprocess.run(["pkill", "-KILL", "-u", self.user], check=False)

    def restart_server(self):
        self.stop_server()
        self.start_server()

    # ---- the steps

    def run(self, step, argv, expect=(0,), limit_s=1800, show=False):
        """Runs a program; StepFailed with what it said where the exit code is not expected. With show, its
        progress goes to our standard error."""
        begin = time.monotonic()
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=None if show else subprocess.PIPE, text=True, timeout=limit_s)
        self.times[step] = time.monotonic() - begin
        if done.returncode not in expect:
            raise StepFailed(f"{step}: exit code {done.returncode}: {(done.stderr or '').strip()[-2000:]} {done.stdout[-2000:]}")
        return done

    def agent_argv(self, disks, machine=None, *more):
        argv = [self.program("p2v-agent"), "--server", f"{self.user}@127.0.0.1:{self.daemon.port}",
                "--identity", self.key, "--known-hosts", self.known_hosts, "--yes", "--json"]
        for disk in disks:
            argv += ["--disk", disk]
        if machine:
            argv += ["--machine", machine]
        return argv + list(more)

    def send(self, disks, machine=None, *more, **options):
        return json.loads(self.run("send", self.agent_argv(disks, machine, *more), **options).stdout)

    def convert(self, name, *more, **options):
        return self.run("convert", [self.program("p2v"), "convert", "-o", os.path.join(self.jobs, name), *more], **options)

    def prove(self, name, *more, **options):
        return self.run("prove", [self.program("p2v"), "prove", os.path.join(self.jobs, name), *more], **options)

    def noun(self, name, noun):
        with open(os.path.join(self.jobs, name, noun)) as file:
            return json.load(file)


def machine_json(server, path):
    """The inventory of a test server as its own agent would write it: the test's host is not the server."""
    machine = {
        "version": 1, "name": server.name, "uuid": server.uuid, "vendor": server.vendor, "product": server.product,
        "serial": server.serial, "arch": "x86_64", "firmware": server.firmware, "secure_boot": server.secure == "yes",
        "memory_bytes": int(server.memory_mib) << 20, "cpus": int(server.cpus), "sockets": 1,
        "cores_per_socket": int(server.cpus), "rtc": "utc",
        "nics": [{"name": name, "mac": mac, "driver": server.nic_model, "pci": f"0000:00:0{slot}.0",
                  "path_name": f"enp0s{slot}", "link": True, "speed_mbit": 1000, "addresses": []}
                 for name, mac, slot in server.nics()],
    }
    # An address on a bond or bridge is none of a card's.
    if len(server.nics()) == 1:
        machine["nics"][0]["addresses"] = [f"{server.address}/{server.prefix}"]
    if server.efi_vars() and server.nvram != "lost":
        machine["efi_vars"] = uefi.inventory(server.efi_vars())
    with open(path, "w") as file:
        json.dump(machine, file, indent=2)
    return path
