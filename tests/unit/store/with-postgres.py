#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a test with the URL of a fresh PostgreSQL server as its last argument.

usage: with-postgres.py PROGRAM [ARGUMENT]...

The server listens on a socket in a directory of its own only, and is gone when the test is. Exit code 77 (skipped)
where no PostgreSQL is installed; as root it runs as the user `postgres`, since it refuses to be root."""
import glob
import os
import pwd
import shutil
import subprocess
import sys
import tempfile


class NoPostgres(Exception):
    """There is none on this machine; the text says what is missing."""


class Postgres:
    """with Postgres() as server: ... server.url"""

    def __init__(self, durable=False):
        self.durable = durable
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
        if not found:
            raise NoPostgres("PostgreSQL is not installed (package postgresql)")
        self.bin = os.path.dirname(found[-1])
        self.as_user = []
        if os.geteuid() == 0:
            try:
                pwd.getpwnam("postgres")
            except KeyError:
                raise NoPostgres("root cannot run PostgreSQL, and there is no user postgres")
            self.as_user = ["runuser", "-u", "postgres", "--"]

    def run(self, *argv):
        done = subprocess.run([*self.as_user, os.path.join(self.bin, argv[0]), *argv[1:]], cwd=self.dir,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise RuntimeError(f"{argv[0]}: {done.stdout}")
        return done.stdout

    def start(self):
        options = [] if self.durable else ["-c fsync=off", "-c full_page_writes=off"]
        options += ["-c listen_addresses=''", f"-c unix_socket_directories='{self.dir}'", "-c max_connections=60"]
        self.run("pg_ctl", "start", "-w", "-t", "120", "-D", self.data, "-l", os.path.join(self.dir, "log"),
                 "-o", " ".join(options))

    def stop(self, mode="immediate"):
        self.run("pg_ctl", "stop", "-w", "-t", "120", "-D", self.data, "-m", mode)

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="p2v-pg.")
        self.data = os.path.join(self.dir, "data")
        try:
            if self.as_user:
                shutil.chown(self.dir, "postgres")
                # Whoever is to ask it may get to its socket; its data are its own.
                os.chmod(self.dir, 0o711)
            self.run("initdb", "-D", self.data, "-A", "trust", "-U", "p2v", "--no-sync", "-E", "UTF8")
            self.start()
            self.run("createdb", "-h", self.dir, "-U", "p2v", "ledger")
        except BaseException:
            shutil.rmtree(self.dir, ignore_errors=True)
            raise
        self.url = f"postgresql://p2v@/ledger?host={self.dir}"
        return self

    def __exit__(self, *unused):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)


def main():
    try:
        server = Postgres()
    except NoPostgres as why:
        print(why)
        sys.exit(77)
    with server:
        code = subprocess.run([*sys.argv[1:], server.url]).returncode
    sys.exit(code)


if __name__ == "__main__":
    main()
