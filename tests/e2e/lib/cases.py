# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that are a list of cases: small functions that are given the walk's steps, run one after the other, and fail by
raising. Each runs alone by its name on the command line.

    CASES = cases.Cases()

    @CASES.add
    def wrong_key(steps):
        \"\"\"A key that the server does not know.\"\"\"
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

from lib import vm, walk
from lib.expect import Wrong, need


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Cases:
    def __init__(self):
        self.functions = []

    def add(self, function):
        self.functions.append(function)
        return function

    def _run_all(self, steps, wanted, after):
        failed = 0
        for function in self.functions:
            if wanted and function.__name__ not in wanted:
                continue
            print(f"   {function.__name__}: {function.__doc__.splitlines()[0]}", flush=True)
            try:
                function(steps)
            except (Wrong, subprocess.SubprocessError, walk.StepFailed, vm.VmError) as error:
                failed += 1
                print(f"      FAIL: {error}", flush=True)
            after(steps)
        return failed

    def main(self, what, description, before=lambda steps: None, after=lambda steps: None):
        """Runs what the command line names, else all, in a walk of its own; ends the program. before: once, after:
        behind each case, also one that failed."""
        parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--build", default="build")
        parser.add_argument("cases", nargs="*")
        options = parser.parse_args()
        work = tempfile.mkdtemp(prefix=f"p2v-{what}.", dir=options.build)
        os.chmod(work, 0o755)
        try:
            with walk.Walk(options.build, work, user=f"p2v-{what}") as steps:
                before(steps)
                failed = self._run_all(steps, options.cases, after)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        sys.exit(1 if failed else 0)
