#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A medium from an address: fetched once, by its digest, and kept; one that is not what was said is refused.

usage: fetched.py WALK"""

import hashlib
import http.server
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import cases


class Server(http.server.SimpleHTTPRequestHandler):
    """Counts what is asked for."""
    asked = []

    def log_message(self, *_):
        self.asked.append(self.path)


def serve(folder):
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *args: Server(*args, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def walk(case, program, *media):
    env = {**os.environ, "XDG_CACHE_HOME": str(case.top / "cache")}
    done = subprocess.run([program, "root", ".", *media], cwd=case.top, env=env, capture_output=True, text=True,
                          timeout=cases.LIMIT_S, check=False)
    return done.returncode, done.stderr.strip()


def expect(what, ok, said):
    print(f"{'ok' if ok else 'not ok'} - {what}{'' if ok else ': ' + str(said)}", flush=True)
    return ok


def run(program, top):
    case = cases.Case(top, "2k19")
    iso = case.top / "web" / "virtio-win.iso"
    iso.parent.mkdir()
    cases.media.make_iso(case.media, iso)
    digest = "sha256:" + hashlib.sha256(iso.read_bytes()).hexdigest()
    before = cases.tree_digest(case.root)
    server = serve(iso.parent)
    url = f"http://127.0.0.1:{server.server_port}/virtio-win.iso"
    wrong = digest[:-4] + ("0000" if digest[-4:] != "0000" else "1111")
    ok = True
    for what, words, part in (("without a digest", [url], "--virtio-win-digest"),
                              ("of another digest", [url, wrong], "digest"),
                              ("a digest that is none", [url, "md5:1"], "sha256:HEX")):
        code, said = walk(case, program, *words)
        ok &= expect(f"{what}: refused", code == 1 and part in said, (code, said))
    ok &= expect("nothing was changed", cases.tree_digest(case.root) == before, "")
    code, said = walk(case, program, url, digest)
    ok &= expect("fetched, and the drivers are put in", code == 0 and case.starts_on("virtio-blk"), (code, said))
    ok &= expect("the plan names it", "virtio-win-0.1.285" in case.noun("plan").get("media", ""), case.noun("plan").get("media"))
    n = len(Server.asked)
    server.shutdown()
    server.server_close()
    code, said = walk(case, program, url, digest)
    ok &= expect("once", code == 0 and len(Server.asked) == n, (code, said, Server.asked))
    kept = sorted(p.name for p in (case.top / "cache" / "p2v").iterdir())
    return expect("one file is kept", kept == [f"virtio-win-{digest[7:]}.iso"], kept) and ok


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print("1..8")
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as top:
        sys.exit(0 if run(str(Path(sys.argv[1]).resolve()), top) else 1)


if __name__ == "__main__":
    main()
