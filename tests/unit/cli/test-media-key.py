# SPDX-License-Identifier: GPL-3.0-or-later
"""`p2v media key` and `p2v media revoke`: the line that is printed is one that sshd takes, and revoking takes out that
key's lines and nothing else.

usage: test-media-key.py P2V"""

import os
import shutil
import subprocess
import sys
import tempfile


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def need(ok, text):
    if not ok:
        sys.exit(f"FAIL: {text}")


def main():
    p2v = os.path.abspath(sys.argv[1])
    if not shutil.which("ssh-keygen"):
        print("SKIP: ssh-keygen is not installed")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="p2v-key.") as work:
        keys = [os.path.join(work, name) for name in ("one", "two")]
        for key in keys:
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a comment", "-f", key)
        line = run(p2v, "media", "key", keys[0], "--from", "10.0.0.0/24,fe80::/10", "--until", "20991231", "--dir", "/jobs")
        public = open(keys[0] + ".pub").read()
        need(line.stdout == 'restrict,command="p2v-recv --dir /jobs",from="10.0.0.0/24,fe80::/10",expiry-time="20991231" '
             + public, f"{line.stdout}{line.stderr}")
        need(run(p2v, "media", "key", keys[0] + ".pub").stdout.endswith(public), "a public key file is as good")
        for wrong in (["--dir", 'a"b'], ["--from", "a b"], ["--until", "tomorrow"], ["--until", "20261301"],
                      ["--until", "20270230"], ["--until", "20250101"]):
            need(run(p2v, "media", "key", keys[0], *wrong).returncode == 2, f"{wrong} is taken")
        locked = os.path.join(work, "locked")
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", locked)
        said = run(p2v, "media", "key", locked)
        need(said.returncode == 2 and "without a passphrase" in said.stderr, said)
        need(run(p2v, "media", "key", "/nowhere").returncode != 0, "no key file, and it is well")
        for verb in "key", "revoke":
            wrong = run(p2v, "media", verb, "/etc/passwd")
            need(wrong.returncode == 2 and "/etc/passwd is no key" in wrong.stderr and not wrong.stdout, f"{wrong}")

        path = os.path.join(work, "authorized_keys")
        other = run(p2v, "media", "key", keys[1]).stdout
        with open(path, "w") as file:
            file.write("# of the campaign\n\n" + line.stdout + other + "nonsense line\n" + public)
        os.chmod(path, 0o640)
        done = run(p2v, "media", "revoke", keys[0], "--authorized-keys", path)
        need(done.returncode == 0, done.stderr)
        need(open(path).read() == "# of the campaign\n\n" + other + "nonsense line\n", "not just that key is gone")
        need(os.stat(path).st_mode & 0o777 == 0o640, "the file's mode is another")
        again = run(p2v, "media", "revoke", keys[0], "--authorized-keys", path)
        need(again.returncode == 1 and "is not in it" in again.stderr, again.stderr)
        shown = run("ssh-keygen", "-l", "-f", keys[1]).stdout.split()[1]
        need(run(p2v, "media", "revoke", shown, "--authorized-keys", path).returncode == 0, "a fingerprint is as good")
        need("ssh-ed25519" not in open(path).read(), "the second key is still there")


main()
