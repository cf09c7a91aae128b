# SPDX-License-Identifier: GPL-3.0-or-later
"""A private sshd on a free loopback port, with keys of its own, for tests and the demo.

    with sshd.Sshd(work_dir, command="/path/p2v-recv --dir /x") as server:
        server.target, server.identity, server.known_hosts, server.fingerprint

The accepted key is `restrict`ed to the forced command. It runs as the caller (root or not), so the user to
log in as is the caller, too, or, as root, `user`; extra_keys are further lines of authorized_keys. stop() ends the daemon and the sessions that it started, by pid.

On the command line: sshd.py DIR COMMAND [CONFIG-LINE...] prints the above as NAME=value lines, and
serves until its stdin ends. A line "kill" there pulls the plug.
"""

import ctypes
import os
import pwd
import signal
import socket
import subprocess
import sys
import time


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def keygen(path, kind="ed25519"):
    """A key pair without a passphrase: path and path.pub, made where they are missing."""
    if os.path.exists(path):
        return path
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "p2v-test", "-f", path],
                   check=True, stdin=subprocess.DEVNULL)
    return path


def fingerprint(public_key):
    out = subprocess.run(["ssh-keygen", "-l", "-E", "sha256", "-f", public_key],
                         check=True, capture_output=True, text=True).stdout
    return out.split()[1]


def children(pid):
    """The process and all below it, parents first."""
    found = [pid]
    for one in found:
        try:
            with open(f"/proc/{one}/task/{one}/children") as f:
                found += [int(p) for p in f.read().split()]
        except OSError:
            pass
    return found


def die_with_parent():
    """In the child: the daemon goes when whoever started it is killed and cannot stop it."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Sshd:
    def __init__(self, work_dir, command, config=(), kinds=("ed25519",), user=None, extra_keys=(), port=None):
        self.dir = os.path.abspath(work_dir)
        self.command = command
        self.config = list(config)
        self.kinds = kinds
        self.process = None
        os.makedirs(self.dir, mode=0o755 if user else 0o700, exist_ok=True)
        self.user = user or pwd.getpwuid(os.geteuid()).pw_name
        self.identity = keygen(self.path("identity"))
        self.host_keys = [keygen(self.path(f"host_{kind}"), kind) for kind in kinds]
        self.fingerprint = fingerprint(self.host_keys[0] + ".pub")
        self.port = port or free_port()
        self.target = f"{self.user}@127.0.0.1:{self.port}"
        self.known_hosts = self.path("known_hosts")
        self._write("authorized_keys", f'restrict,command="{self._quoted()}" {self._text("identity.pub")}'
                    + "".join(extra_keys))
        self._write("known_hosts", "".join(
            f"[127.0.0.1]:{self.port} {self._text(os.path.basename(key) + '.pub')}" for key in self.host_keys))

    def path(self, name):
        return os.path.join(self.dir, name)

    def _text(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def _write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)

    def _quoted(self):
        return self.command.replace("\\", "\\\\").replace('"', '\\"')

    def _config(self):
        lines = [f"Port {self.port}", "ListenAddress 127.0.0.1", "PidFile none", "StrictModes no", "UsePAM no",
                 "PasswordAuthentication no", "KbdInteractiveAuthentication no", "PermitRootLogin prohibit-password",
                 "UseDNS no", "PrintMotd no", "LogLevel VERBOSE", "MaxStartups 100", "MaxSessions 100",
                 f"AuthorizedKeysFile {self.path('authorized_keys')}"]
        return "\n".join(lines + [f"HostKey {key}" for key in self.host_keys] + self.config) + "\n"

    def start(self):
        # Debian's sshd wants this directory even where it is not used for anything.
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        self._write("sshd_config", self._config())
        log = open(self.path("sshd.log"), "ab")
        self.process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", self.path("sshd_config")],
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        preexec_fn=die_with_parent)
        log.close()
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"sshd ended: {self._text('sshd.log')[-600:]}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("sshd does not listen")

    def kill(self, sig=signal.SIGKILL):
        """Ends the daemon and every session with it, as a server that loses power would."""
        for pid in reversed(children(self.process.pid)):
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.process = None

    def stop(self):
        if self.process:
            self.kill(signal.SIGTERM)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


def main():
    server = Sshd(sys.argv[1], sys.argv[2], sys.argv[3:]).start()
    try:
        for name in ("target", "port", "identity", "known_hosts", "fingerprint"):
            print(f"{name.upper()}={getattr(server, name)}", flush=True)
        print(f"PID={server.process.pid}", flush=True)
        for line in sys.stdin:
            if line == "kill\n":
                server.kill()
                print("KILLED=1", flush=True)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
