# SPDX-License-Identifier: GPL-3.0-or-later
"""A headless Chromium, driven over its debugging pipe (descriptors 3 and 4, JSON ended by NUL)."""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time


class BrowserError(Exception):
    """The page or the browser did not do what was asked."""


def installed():
    return shutil.which("chromium")


class Browser:
    """with Browser() as browser: browser.open(url); browser.wait("document.title")"""

    def __init__(self, limit_s=60):
        self.limit_s, self.number, self.buffer, self.session = limit_s, 0, b"", None

    def __enter__(self):
        self.home = tempfile.mkdtemp(prefix="p2v-browser.")
        to_read, self.to = os.pipe()
        self.of, from_write = os.pipe()

        def place():
            # Through high numbers, as the ends may be 3 and 4 already.
            ends = [os.dup2(to_read, 60), os.dup2(from_write, 61)]
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        argv = [installed(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--ignore-certificate-errors", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--remote-debugging-pipe", f"--user-data-dir={self.home}",
                "--window-size=1200,1000", "about:blank"]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, close_fds=False, preexec_fn=place,
                                        env={**os.environ, "HOME": self.home})
        os.close(to_read)
        os.close(from_write)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.wait()
        os.close(self.to)
        os.close(self.of)
        shutil.rmtree(self.home, ignore_errors=True)

    def message(self, end):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.of], [], [], max(0, end - time.monotonic()))
            data = os.read(self.of, 1 << 20) if ready else b""
            if not data:
                raise BrowserError("the browser does not answer")
            self.buffer += data
        text, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(text)

    def call(self, method, **params):
        self.number += 1
        request = {"id": self.number, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.to, json.dumps(request).encode() + b"\0")
        end = time.monotonic() + self.limit_s
        while True:
            answer = self.message(end)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']}")
                return answer["result"]

    def open(self, url):
        self.call("Page.navigate", url=url)

    def value(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, expression):
        """Until it is true; a page that is just loading has no say."""
        end = time.monotonic() + self.limit_s
        while time.monotonic() < end:
            try:
                value = self.value(f"Boolean({expression})")
                if value:
                    return value
            except BrowserError:
                pass
            time.sleep(0.1)
        raise BrowserError(f"waited in vain for {expression}; the page says: {self.value('document.body.innerText')}")

    def screenshot(self, path):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
