#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""p2v server init and check below another root, and backup of a ledger.

usage: test-server.py P2V"""
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile


def need(ok, text):
    if not ok:
        sys.exit(f"FAIL: {text}")


def p2v(*words, expect=0):
    done = subprocess.run([sys.argv[1], "server", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    need(done.returncode == expect, f"{words}: {done.returncode} {done.stdout} {done.stderr}")
    return done.stdout + done.stderr


def edit(path, change):
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(change(text))


def sshd_takes(config, work):
    """sshd itself reads what was made."""
    sshd = "/usr/sbin/sshd"
    if not os.path.exists(sshd):
        print("no sshd here: its configuration is not tried")
        return
    key = os.path.join(work, "host_key")
    if not os.path.exists(key):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    os.makedirs("/run/sshd", exist_ok=True)
    done = subprocess.run([sshd, "-T", "-f", config, "-h", key, "-C", "user=p2v,host=x,addr=127.0.0.1"],
                          capture_output=True, text=True)
    need(done.returncode == 0, f"sshd does not take {config}: {done.stderr}")
    for line in ("forcecommand /usr/bin/p2v-recv --dir /data/p2v", "disableforwarding yes", "permittty no",
                 "authorizedkeysfile /etc/p2v/authorized_keys", "authenticationmethods publickey"):
        need(line in done.stdout.lower(), f"sshd: no '{line}'")
    done = subprocess.run([sshd, "-T", "-f", config, "-h", key, "-C", "user=root,host=x,addr=127.0.0.1"],
                          capture_output=True, text=True)
    need("p2v-recv" not in done.stdout, "the forced command is for others, too")


def main():
    work = tempfile.mkdtemp(prefix="p2v-server-test.")
    root = os.path.join(work, "root")
    args = ["--root", root, "--base", "/data/p2v", "--ssh-port", "2222"]
    try:
        p2v("check", *args, expect=1)
        first = p2v("init", *args)
        need("made" in first, first)
        files = sorted(os.path.join(base, name) for base, _, names in os.walk(root) for name in names)
        stamps = {name: os.stat(name).st_ino for name in files}
        again = p2v("init", *args)
        need("made" not in again and "renewed" not in again and "restart" not in again, again)
        need(stamps == {name: os.stat(name).st_ino for name in files}, "a second init wrote again")
        p2v("check", *args)

        unit = os.path.join(root, "etc/systemd/system/p2vd.service")
        conf = os.path.join(root, "etc/p2v/p2vd.conf")
        edit(unit, lambda text: text.replace("NoNewPrivileges=yes", "NoNewPrivileges=no"))
        edit(conf, lambda text: text + "workers: 3\n")
        os.chmod(os.path.join(root, "etc/p2v/authorized_keys"), 0o644)
        report = json.loads(p2v("check", *args, "--json", expect=1))
        bad = [finding["what"] for finding in report["findings"] if not finding["fine"]]
        need(bad == [unit], f"check finds {bad}")
        need("systemctl restart p2vd.service p2v-sshd.service" in p2v("init", *args), "when it counts")
        p2v("check", *args)
        need("workers: 3" in open(conf).read(), "the administrator's file was written")
        need("NoNewPrivileges=yes" in open(unit).read(), "the unit was not renewed")
        need("says base: /data/p2v" in p2v("init", "--root", root, "--base", "/other", expect=3), "two places for jobs")
        p2v("check", *args)

        # What the configuration proposes, it takes; and systemd knows every word of the units.
        proposed = os.path.join(work, "proposed.conf")
        with open(conf) as file, open(proposed, "w") as to:
            to.write("".join(line.lstrip("#") for line in file if ": " in line and not line.startswith("# ") and "workers: 3" not in line))
        p2v("token", "list", "--config", proposed)
        need("retention" in open(proposed).read(), "the configuration proposes no retention")
        if shutil.which("systemd-analyze"):
            for name in ("p2vd.service", "p2v-sshd.service"):
                done = subprocess.run(["systemd-analyze", "verify", os.path.join(root, "etc/systemd/system", name)],
                                      stdin=subprocess.DEVNULL, capture_output=True, text=True)
                bad = [line for line in done.stderr.splitlines() if name in line and "is not executable" not in line
                       and "Failed to prepare" not in line and "man " not in line]
                need(not bad, f"systemd: {bad}")

            # 0 is shut, 10 is open: 9.6 without a line of hardening.
            done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=30", unit],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True)
            need(done.returncode == 0, f"p2vd.service is open: {done.stdout[-200:]} {done.stderr}")

        sshd_takes(os.path.join(root, "etc/ssh/sshd_config.d/50-p2v.conf"), work)
        sshd_takes(os.path.join(root, "etc/p2v/sshd_config"), work)

        os.unlink(conf)
        os.mkdir(conf)
        need("is no file" in p2v("init", *args, expect=3), "a directory in the way")
        for base in ("relative", "/a b", "/x\nForceCommand sh"):
            p2v("init", "--root", root, "--base", base, expect=2)
        p2v("juggle", expect=2)
        p2v("init", "more", expect=2)
        p2v("backup", expect=2)

        settings = os.path.join(work, "p2vd.conf")
        with open(settings, "w") as file:
            file.write(f"store: {work}/ledger.db\n")
        p2v("backup", os.path.join(work, "copy.db"), "--config", settings)
        with sqlite3.connect(os.path.join(work, "copy.db")) as copy:
            need(copy.execute("SELECT count(*) FROM job").fetchone() == (0,), "the copy is no ledger")
        p2v("backup", os.path.join(work, "copy.db"), "--config", settings, expect=1)
    finally:
        shutil.rmtree(work)


main()
