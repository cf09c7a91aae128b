# SPDX-License-Identifier: GPL-3.0-or-later
"""What `p2v media build` refuses before it fetches anything, so that no machine is sent away with a medium on which it
would only wait: wrong words, wrong files, and settings that cannot be.

usage: test-wrong.py BUILD"""

import os
import subprocess
import sys
import tempfile

BUILD = os.path.abspath(sys.argv[1])
P2V, BOOT = os.path.join(BUILD, "p2v/cli/p2v"), os.path.join(BUILD, "agent/ui/p2v-boot")
KEY = "SHA256:" + "0123456789" * 4 + "abc"


def refused(says, argv, code=2):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                          env={**os.environ, "NO_COLOR": "1"})
    if done.returncode != code or says not in done.stderr or "\n" in done.stderr.strip():
        sys.exit(f"FAIL: {argv[1:]}: exit code {done.returncode}: {done.stderr}")


def check_host_keys(good):
    """What is no public key does not get on the medium; what has not the server's leaves it waiting."""
    for name, phrase in (("host", ""), ("locked", "secret")):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", phrase, "-f", name], check=True)
    with open("host.pub") as file:
        public = file.read()
    texts = {"empty": "\n# nothing\n", "others": "10.0.0.6 " + public, "other-port": "[10.0.0.5]:2222 " + public,
             "prose": public + "and more\n"}
    for name, text in texts.items():
        with open(name, "w") as file:
            file.write(text)
    refused("host is a private key", [*good, "--host-key", "host"])
    for name in "empty", "others", "other-port":
        refused(f"{name} has no key of 10.0.0.5", [*good, "--host-key", name])
    refused("'and more' is neither", [*good, "--host-key", "prose"])
    refused("--host-key: nowhere: No such file", [*good, "--host-key", "nowhere"], code=1)
    refused("locked is no private key", [*good, "--host-key", "host.pub", "--identity", "locked"])


def main():
    with tempfile.TemporaryDirectory(prefix="p2v-media.") as folder:
        os.chdir(folder)
        good = [P2V, "media", "build", "-o", "p2v.iso", "--progress=none", "--server", "p2v@10.0.0.5", "--host-key", KEY]

        def config(text):
            with open("campaign", "w") as file:
                file.write(text)
            return [*good, "--config", "campaign"]

        refused("--output is missing", [P2V, "media", "build"])
        refused("'sparc' is neither amd64 nor i386", [*good, "--arch", "sparc"])
        refused("nowhere: No such file or directory", [P2V, "media", "build", "-o", "nowhere/p2v.iso"], code=1)
        refused("is a directory", [P2V, "media", "build", "-o", "."])
        refused("campaign", [*good, "--config", "campaign"])
        refused("sources", [*good, "--sources", "nowhere"], code=1)
        refused("'p2v@' is not a server", [P2V, "media", "build", "-o", "x", "--server", "p2v@"])
        refused("host-key: 'SHA256:abc' is not like", [*good[:-1], "SHA256:abc"])
        refused("campaign: line 2: there is no setting p2v.srever", config("# ours\nsrever=x\n"))
        refused("campaign: line 3: disk: 'sda' is not like /dev/sda", config("name=a\n[serial 7]\ndisk=sda\n"))
        refused("campaign: line 1: '[serail 7]' is none of", config("[serail 7]\n"))
        refused("after: 'off' is none of poweroff, reboot, wait", config("after=off\n"))
        refused("config-digest or config-key", config("config=https://10.0.0.5/x\n"))
        with open("key", "w") as file:
            file.write("no key\n")
        refused("key is no private key", [*good, "--identity", "key"])
        refused("nowhere: No such file", [*good, "--identity", "nowhere"], code=1)
        check_host_keys(good[:-2])
        # What apt says first, and not what follows from it.
        with open("mirror", "w") as file:
            file.write("deb http://127.0.0.1:9/debian bookworm main\n")
        refused("127.0.0.1:9", [*good, "--sources", "mirror"], code=1)
        if os.path.exists("p2v.iso"):
            sys.exit("FAIL: an image was made")

        with open("campaign", "w") as file:
            file.write("delay=2 retry=5\n[mac 00:1b:21:aa:bb:01]\nname=web01 after=poweroff\n[all]\nlimit=20M\n")
        subprocess.run([BOOT, "check", "campaign"], check=True)
        refused("'check' needs a file", [BOOT, "check"])
        refused("nowhere", [BOOT, "check", "nowhere"], code=1)


main()
