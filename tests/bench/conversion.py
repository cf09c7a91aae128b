# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers converted by p2v and by virt-v2v: time, starts of libguestfs's appliance, bytes read by all processes that
took part (their own programs, the appliance's and every pipe included: more than was read of the disk; not said of
virt-v2v, whose servers of the disk nobody waits for, so that nobody is told what they read)."""

import json
import os
import shutil
import subprocess
import sys

from lib import server, vm, walk

# Of the matrix: one disk each, without a key, such as virt-v2v 2.2.0 converts (of nvme-names it finds no root).
SERVERS = ["debian12-bios", "i386-lvm", "netplan-vlan"]

# Runs a command as the one child of a process of its own, which inherits the account of all that it waited for.
METER = """
import json, subprocess, sys, time
def rchar():
    with open("/proc/self/io") as file:
        return int(file.readline().split()[1])
begin, before = time.monotonic(), rchar()
done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
wall = time.monotonic() - begin
print(json.dumps({"wall_s": wall, "read_bytes": rchar() - before - len(done.stdout), "exit": done.returncode,
                  "said": done.stdout.decode(errors="replace")[-2000:]}))
"""

# What libguestfs starts in QEMU's place; the appliance is what has a kernel of its own.
HV = """#!/bin/sh
case " $* " in *" -kernel "*) echo start >> '{log}' ;; esac
exec qemu-system-x86_64 "$@"
"""


class Conversions:
    def __init__(self, steps):
        self.steps, self.tool = steps, steps.program("p2v")
        self.log, hv = os.path.join(steps.work, "launches"), os.path.join(steps.work, "hv")
        with open(hv, "w") as file:
            file.write(HV.format(log=self.log))
        os.chmod(hv, 0o755)
        said = subprocess.run([self.tool, "doctor", "--quick", "--json"], stdout=subprocess.PIPE, text=True).stdout
        self.accel = json.loads(said)["accel"]
        self.env = dict(os.environ, LIBGUESTFS_HV=hv, LIBGUESTFS_BACKEND="direct")
        if self.accel == "tcg":
            self.env["LIBGUESTFS_BACKEND_SETTINGS"] = "force_tcg"

    def measured(self, argv):
        """None where it failed (what it said is shown)."""
        open(self.log, "w").close()
        done = subprocess.run([sys.executable, "-c", METER, *argv], env=self.env, stdout=subprocess.PIPE, check=True, timeout=3600)
        row = json.loads(done.stdout)
        with open(self.log) as file:
            row["launches"] = len(file.readlines())
        if row.pop("exit") != 0:
            print(f"   {argv[0]} failed after {row['wall_s']:.0f} s:\n{row['said']}")
            return None
        del row["said"]
        return row

    def server(self, name):
        """The three rows of one server, each with its name."""
        box, steps = server.Server(name), self.steps
        image = server.image_path(name)
        machine = walk.machine_json(box, os.path.join(steps.work, "machine.json"))
        job, given, out = (os.path.join(steps.jobs, box.name), os.path.join(steps.work, "given"),
                           os.path.join(steps.work, "v2v"))
        for folder in job, given, out:
            shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(out)
        steps.send([image], machine)
        with vm.heavy_lock():
            rows = {
                "p2v convert, received disk (in place)": self.measured([self.tool, "convert", "-o", job]),
                "p2v convert, given disk (copied)": self.measured(
                    [self.tool, "convert", image, "--input-format", "raw", "-o", given, "--machine", machine]),
                "virt-v2v -i disk -o local": self.measured(
                    ["virt-v2v", "-i", "disk", image, "-o", "local", "-os", out, "-on", "v2v"]),
            }
        if rows["virt-v2v -i disk -o local"]:
            rows["virt-v2v -i disk -o local"]["read_bytes"] = None
        for folder in job, given, out:
            shutil.rmtree(folder, ignore_errors=True)
        return {"server": name, "disk_bytes": os.path.getsize(image), "used_bytes": os.stat(image).st_blocks * 512,
                "rows": rows}


def mib(n):
    return "-" if n is None else n >> 20


def show(found):
    rows = found["rows"]
    own = next(iter(rows.values()))
    print(f"\n   {found['server']}: {found['disk_bytes'] >> 20} MiB, {found['used_bytes'] >> 20} MiB of them used"
          f"\n{'':43}{'wall s':>9}{'/own':>8}{'starts':>8}{'MiB read':>10}")
    for name, row in rows.items():
        figures = "   failed" if not row else (f"{row['wall_s']:9.1f}" + (f"{row['wall_s'] / own['wall_s']:8.2f}" if own else f"{'':8}")
                                               + f"{row['launches']:8}{mib(row['read_bytes']):>10}")
        print(f"   {name:40}{figures}", flush=True)


def run(steps, names, target):
    """Prints the table; what is to be written as JSON. target: Bench.target."""
    conversions = Conversions(steps)
    print(f"\nconversion, start of the appliance included ({conversions.accel})")
    result = {"accelerator": conversions.accel, "servers": []}
    for name in names:
        found = conversions.server(name)
        show(found)
        result["servers"].append(found)
        in_place, given, v2v = found["rows"].values()
        for text, row in ("received", in_place), ("given", given):
            if row and v2v:
                target(f"{name}, {text} disk: wall / virt-v2v's", row["wall_s"] / v2v["wall_s"], 0.25)
            if row:
                target(f"{name}, {text} disk: starts of the appliance", row["launches"], 1)
        if in_place:
            target(f"{name}: bytes read / bytes used on the disk", in_place["read_bytes"] / found["used_bytes"], 1)
    return result
