#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server whose disk goes into a Ceph cluster: converted with --to rbd:..., and proven from there. An image that is too
small is refused before anything is written.

usage: ceph.py [--build DIR]      exit code 77: no Ceph is installed here"""

import argparse
import json
import os
import shutil
import tempfile

from lib import ceph, server, vm, walk

GIB = 1 << 30
IMAGE = "rbd/web01"


def check(job):
    """What would start the machine names the image in the cluster, and no file of the job holds the disk."""
    with open(os.path.join(job, "output.json")) as file:
        output = json.load(file)
    if output["disks"][0]["path"] != f"rbd:{IMAGE}":
        raise vm.VmError(f"the disk is said to be {output['disks'][0]['path']}")
    with open(os.path.join(job, output["domain_xml"])) as file:
        if f"<source protocol='rbd' name='{IMAGE}'" not in file.read():
            raise vm.VmError("the domain does not name it")


def convert(steps, box, job, disk, *more, expect=(0,)):
    os.makedirs(job, exist_ok=True)
    machine = walk.machine_json(box, os.path.join(job, "machine.json"))
    return steps.run("convert", [steps.program("p2v"), "convert", disk, "--input-format", "raw", "-o", job, "--machine", machine,
                                 "--format", "raw", "--progress", "none", *more],
                     expect=expect, limit_s=600)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=".")
    options = parser.parse_args()
    if ceph.missing():
        server.skip(f"{ceph.missing()} is not installed (ceph-mon, ceph-osd, ceph-common)")
    if not os.path.exists("/usr/lib/x86_64-linux-gnu/qemu/block-rbd.so"):
        server.skip("QEMU's driver for rbd is not installed (qemu-block-extra)")
    box = server.Server("debian12-bios")
    disk = server.image_path("debian12-bios")
    folder = tempfile.mkdtemp(prefix="p2v-ceph.")
    work = tempfile.mkdtemp(prefix="p2v-ceph.", dir=options.build)
    try:
        with ceph.Cluster(folder, 4 * GIB) as cluster, vm.heavy_lock():
            os.environ["CEPH_CONF"] = cluster.conf
            steps = walk.Walk(options.build, work)
            job = os.path.join(work, "job")
            cluster.run("rbd", "create", "--size", "64M", "rbd/small")
            refused = convert(steps, box, job, disk, "--to", "disk0=rbd:rbd/small", expect=(3,))
            if "has 64.0 MiB, the disk needs" not in refused.stderr:
                raise vm.VmError(f"not refused by its size: {refused.stderr}")
            cluster.run("rbd", "create", "--size", f"{os.path.getsize(disk)}B", IMAGE)
            convert(steps, box, job, disk, "--to", f"disk0=rbd:{IMAGE}")
            print(cluster.run("rbd", "du", IMAGE))
            check(job)
            steps.run("prove", [steps.program("p2v"), "prove", job, "--progress", "none"], limit_s=900)
            with open(os.path.join(job, "proof.json")) as file:
                print(json.load(file)["verdict"])
    finally:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    server.run(main)
