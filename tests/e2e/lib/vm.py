# SPDX-License-Identifier: GPL-3.0-or-later
"""A QEMU machine for a test: bounded in time, without a way out, and looked at from outside.

    with heavy_lock(), Vm(argv, work_dir, limit_s=600) as vm:
        vm.wait("a login prompt", lambda: "login:" in vm.vga_text(), limit_s=300)

The machine runs under TCG, headless. What the caller gives as argv is its hardware only. The machine
ends with the `with` block, at its time limit, and with the test's own process, whatever comes first.
"""

import contextlib
import ctypes
import fcntl
import json
import mmap
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time


class VmError(Exception):
    """The machine did not do what was waited for, or ended."""


@contextlib.contextmanager
def heavy_lock():
    """One machine at a time on this host. Waits; do not also wrap the test with flock(1)."""
    with file_lock(heavy_lock_path()):
        yield


def heavy_lock_path():
    return os.environ.get("P2V_HEAVY_LOCK") or os.path.join(tempfile.gettempdir(), "p2v-heavy.lock")


@contextlib.contextmanager
def file_lock(path):
    with open(path, "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def free_port():
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def overlay_create(image, image_format, overlay):
    """A throw-away qcow2 on top of IMAGE, whose format is given and never probed."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", image_format,
                    "-b", os.path.abspath(image), overlay], check=True)
    return overlay


def tcp_banner(port, limit_s=5):
    """The first line that a loopback port sends, or "" if it sends none within limit_s."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=limit_s) as sock:
            sock.settimeout(limit_s)
            return sock.makefile("rb").readline(256).decode("ascii", "replace").strip()
    except OSError:
        return ""


class Qmp:
    """QEMU's control socket. Replies come in order, events between them are dropped."""

    def __init__(self, path, limit_s):
        end = time.monotonic() + limit_s
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        while True:
            try:
                self.sock.connect(path)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > end:
                    raise VmError(f"QEMU opened no control socket within {limit_s} s")
                time.sleep(0.05)
        self.file = self.sock.makefile("rb")
        self.file.readline()
        self.call("qmp_capabilities")

    def call(self, command, **arguments):
        request = {"execute": command, "arguments": arguments}
        try:
            self.sock.sendall(json.dumps(request).encode())
            while True:
                line = self.file.readline()
                if not line:
                    raise VmError(f"QEMU ended during {command}")
                reply = json.loads(line)
                if "return" in reply:
                    return reply["return"]
                if "error" in reply:
                    raise VmError(f"{command}: {reply['error']['desc']}")
        except OSError as error:
            raise VmError(f"{command}: {error}")

    def close(self):
        self.file.close()
        self.sock.close()


class Vm:
    """One machine. Its files (serial log, stderr, screenshots) lie in work_dir under `name`."""

    def __init__(self, argv, work_dir, limit_s, name="vm"):
        self.argv, self.limit_s, self.name = argv, limit_s, name
        self.work_dir = os.path.abspath(work_dir)
        self.serial_log = self.path("serial.log")
        self.start_time = self.process = self.qmp = self.timer = None

    def path(self, suffix):
        return os.path.join(self.work_dir, f"{self.name}-{suffix}")

    def __enter__(self):
        # A socket's path is limited to 107 bytes, a build folder's is not.
        self.socket_dir = tempfile.mkdtemp(prefix="p2v-vm.")
        control = os.path.join(self.socket_dir, "qmp")
        argv = ["qemu-system-x86_64", "-accel", "tcg", "-display", "none", "-nodefaults", "-no-user-config",
                "-sandbox", "on", "-qmp", f"unix:{control},server=on,wait=off",
                "-serial", f"file:{self.serial_log}", *self.argv]
        with open(self.path("qemu.log"), "wb") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=_die_with_parent)
        self.start_time = time.monotonic()
        self.timer = threading.Timer(self.limit_s, self.process.kill)
        self.timer.daemon = True
        self.timer.start()
        try:
            self.qmp = Qmp(control, limit_s=30)
        except VmError as error:
            self.stop()
            raise VmError(f"{error}: {self._qemu_said()}")
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends QEMU: the machine's disks are overlays, there is nothing to shut down."""
        self.timer.cancel()
        if self.qmp:
            self.qmp.close()
        self.process.kill()
        self.process.wait()
        for entry in os.listdir(self.socket_dir):
            os.unlink(os.path.join(self.socket_dir, entry))
        os.rmdir(self.socket_dir)

    def _qemu_said(self):
        with open(self.path("qemu.log"), errors="replace") as log:
            return log.read().strip() or "(QEMU said nothing)"

    def seconds(self):
        """The machine's age."""
        return time.monotonic() - self.start_time

    def wait(self, what, check, limit_s, every_s=1.0):
        """Waits for check() to be true and returns its value; VmError when the machine is older than
        limit_s, or has ended."""
        while self.seconds() < limit_s:
            if self.process.poll() is not None:
                raise VmError(f"{self.name}: QEMU ended while waiting for {what}: {self._qemu_said()}")
            value = check()
            if value:
                return value
            time.sleep(every_s)
        raise VmError(f"{self.name}: no {what} within {limit_s} s")

    def screenshot(self, suffix="screen.png"):
        """A PNG of the screen; returns its path."""
        self.qmp.call("screendump", filename=self.path(suffix), format="png")
        return self.path(suffix)

    def vga_text(self):
        """The text memory of a VGA in text mode (GRUB's console, and Linux's without a frame buffer
        driver): the screen, and lines that have scrolled off it, as Linux scrolls by moving the
        screen's start through the memory. Each cell at 0xb8000 is a character and an attribute."""
        cells = os.path.join(self.socket_dir, "cells")
        self.qmp.call("pmemsave", val=0xB8000, size=0x8000, filename=cells)
        with open(cells, "rb") as file:
            screen = file.read()[::2]
        rows = [screen[row:row + 80].decode("cp437") for row in range(0, len(screen), 80)]
        rows = [row.replace("\0", " ").rstrip() for row in rows]
        return "\n".join(row for row in rows if row)

    def memory_holds(self, texts):
        """The first of some byte strings that stands in the machine's memory below 3 GiB (a q35 has no more
        there), where the kernel's log and a journal are; None if none does."""
        image = os.path.join(self.socket_dir, "memory")
        size = min(3 << 30, self.qmp.call("query-memory-size-summary")["base-memory"])
        self.qmp.call("pmemsave", val=0, size=size, filename=image)
        with open(image, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
            found = [text for text in texts if memory.find(text) >= 0]
        os.unlink(image)
        return found[0] if found else None

    def serial_text(self):
        with open(self.serial_log, errors="replace") as log:
            return log.read()

    def type(self, text):
        """Small letters, digits, '-' and newline, as from a keyboard."""
        for char in text:
            key = {"\n": "ret", "-": "minus"}.get(char, char)
            self.qmp.call("send-key", keys=[{"type": "qcode", "data": key}])
            time.sleep(0.2)

    def disk_stats(self, qdev):
        """What the guest did to a disk, by the id of its -device: rd_bytes, wr_bytes, ..."""
        for disk in self.qmp.call("query-blockstats"):
            if qdev in disk.get("qdev", "").split("/"):
                return disk["stats"]
        raise VmError(f"{self.name}: QEMU has no disk {qdev}")


def _die_with_parent():
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
