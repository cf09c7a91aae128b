#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server of the matrix: what tests/images/NAME.sh makes.

usage: matrix.py NAME [STEP...] [--build DIR]     the first three where none is named

physical    it boots on its own, physical-like hardware, answers at its static address, and says what it has
            mounted and swaps to, which addresses it has, and that its gateway answers. The other steps do it
            first where this disk was not seen yet
untouched   its disk does not boot on virtio: without this, a conversion that does nothing would pass
converted   `p2v convert` and `p2v prove`: the verdict is "proven", with every check of it, and the guest has
            every mount, swap and address that it had, what it is to gain, and no unit that has failed since
again       converted, and what came out is looked at once more: nothing is left to change; undone, nothing of it is
            left, and what was given has not been written to
degraded    the same without the last disk, of a server that mirrors; what lay on it alone is missing
"""

import argparse
import contextlib
import json
import os
import subprocess
import tempfile

from lib import census, server, vm, walk

LIMIT_S = 600
# dracut counts rounds of its loop, 240 of them, and a round is as long as its programs take.
GIVES_UP_LIMIT_S = 1200
# What the initramfs of each kind writes while it still waits for its root. Its words are put together when it is
# written, so that no file of the initramfs holds them in this form.
GIVES_UP = ["Warning: dracut-initqueue: timeout, still waiting", "Gave up waiting for root file system device",
            "Timed out waiting for device dev-"]


def on_screen(text):
    """As a text console keeps it: each character with its colour, grey on black."""
    return b"".join(bytes([ord(char), 0x07]) for char in text)


@contextlib.contextmanager
def booted(machine_argv, images, work, limit_s=LIMIT_S):
    """The machine, and the loopback port that leads to its SSH server. Its screen is shown where the test fails."""
    port = vm.free_port()
    disks = [vm.overlay_create(image, "raw", os.path.join(work, f"disk{i + 1}.qcow2")) for i, image in enumerate(images)]
    with vm.Vm(machine_argv(disks, port), work, limit_s=limit_s + 60) as machine:
        try:
            yield port, machine
        except vm.VmError:
            print(f"--- screen ---\n{machine.vga_text()[-4000:]}\n--- serial line ---\n{machine.serial_text()[-4000:]}")
            raise


def disk_bytes(machine, images, what):
    return sum(machine.disk_stats(f"disk{i + 1}")[what] for i in range(len(images)))


def overlay_bytes(work):
    """What the machine's disks hold beyond what they lie over: QEMU counts no writes to an SD card."""
    return sum(os.path.getsize(os.path.join(work, name)) for name in os.listdir(work) if name.endswith(".qcow2"))


def unlock(box, machine):
    """Types the passphrase of a server that asks for one on its screen."""
    machine.wait(f"question '{box.key_prompt}'", lambda: box.key_prompt in machine.vga_text(), LIMIT_S)
    print(f"{machine.seconds():.0f} s: {box.key_prompt}")
    machine.type(box.key + "\n")


def was_seen(images):
    """What `physical` keeps is of this disk, and not of one that was made anew since."""
    kept = images[0] + ".census"
    return os.path.exists(kept) and os.path.getmtime(kept) >= os.path.getmtime(images[0])


def physical(box, images, work, _):
    with booted(box.physical_argv, images, work) as (port, machine):
        empty = overlay_bytes(work)
        if box.key:
            unlock(box, machine)
        banner = machine.wait(f"SSH banner from {box.address}", lambda: vm.tcp_banner(port), LIMIT_S)
        print(f"{machine.seconds():.0f} s: {box.address} answers: {banner}")
        has = machine.wait("census", lambda: census.read(machine.serial_text()), LIMIT_S)
        print("".join(f"    {line}\n" for line in sorted(has)), end="")
        written = overlay_bytes(work) - empty
    if not banner.startswith("SSH-2.0-") or written == 0:
        raise vm.VmError(f"{box.name} answered '{banner}' and wrote {written} bytes to its disk")
    if f"gateway {box.gateway} answers" not in has:
        raise vm.VmError(f"{box.name} does not reach its gateway")
    if box.secure == "yes" and not any(line.startswith("link secureboot ") for line in has):
        raise vm.VmError(f"{box.name} does not see Secure Boot on")
    with open(images[0] + ".census", "w") as file:
        file.write("".join(f"{line}\n" for line in sorted(has)))


def untouched(box, images, work, _):
    with booted(box.virtio_argv, images, work, GIVES_UP_LIMIT_S) as (port, machine):

        def gave_up():
            if vm.tcp_banner(port, limit_s=1):
                raise vm.VmError(f"the untouched disk boots on virtio: {box.address} answers")
            return machine.memory_holds([form(text) for text in GIVES_UP for form in (str.encode, on_screen)])

        text = machine.wait("sign that the initramfs gives up", gave_up, GIVES_UP_LIMIT_S, every_s=15)
        print(f"{machine.seconds():.0f} s: {text.replace(bytes([7]), b'').decode()}")
        read, written = (disk_bytes(machine, images, what) for what in ("rd_bytes", "wr_bytes"))
    if read == 0 or written != 0:
        raise vm.VmError("the boot loader must have read the disk, and nobody written it: "
                         f"{read} bytes read, {written} written")


def key_options(box, work):
    """The passphrase in a file of its own, as convert and prove take it."""
    if not box.key:
        return []
    path = os.path.join(work, "key")
    with open(path, "w") as file:
        file.write(box.key)
    return ["--key", f"all:file:{path}"]


def converted(box, images, work, build, gone=()):
    """gone: beginnings of census lines that need not be there afterwards."""
    if not was_seen(images):
        physical(box, images, work, build)
    job = os.path.join(work, "job")
    machine = walk.machine_json(box, os.path.join(work, "machine.json"))
    steps = walk.Walk(build, work)
    key = key_options(box, work)
    steps.run("convert", [steps.program("p2v"), "convert", *images, "--input-format", "raw", "-o", job, "--machine",
                          machine, *key])
    print(f"convert {steps.times['convert']:.0f} s", flush=True)
    print_parts(job)
    # Twice the usual time: the census holds back the login prompt for up to a minute where a device is missing.
    steps.run("prove", [steps.program("p2v"), "prove", job, "--timeout", "1200", *key], expect=(0, 1))
    with open(os.path.join(job, "proof.json")) as file:
        proof = json.load(file)
    for check in proof["checks"]:
        print(f"{'yes' if check['ok'] else 'NO ':4}{check['name']:14} {check.get('evidence', '')}")
    with open(os.path.join(job, "proof", "serial.log"), errors="replace") as log:
        serial = log.read()
    if proof["verdict"] != "proven":
        print(serial[-8000:])
        raise vm.VmError(f"{box.name} is {proof['verdict']}: {proof.get('reason', '')}")
    print(f"prove {steps.times['prove']:.0f} s")
    compare(box, images, census.read(serial), gone)


def again(box, images, work, build):
    job, steps = os.path.join(work, "job"), walk.Walk(build, work)
    tool, key = steps.program("p2v"), key_options(box, work)
    machine = ["--machine", walk.machine_json(box, os.path.join(work, "machine.json"))]
    written = [os.stat(image).st_mtime_ns for image in images]
    steps.run("convert", [tool, "convert", *images, "--input-format", "raw", "-o", job, *machine, *key])
    with open(os.path.join(job, "output.json")) as file:
        disks = [os.path.join(job, disk["path"]) for disk in json.load(file)["disks"]]
    plan = json.loads(steps.run("again", [tool, "convert", *disks, "--input-format", "qcow2", "-o", os.path.join(work, "again"),
                                          *machine, *key, "--dry-run", "--json"]).stdout)
    for step in plan["steps"]:
        print(f"{step['op']} {step.get('path', '')}: {step['reason']}")
    if plan["steps"]:
        raise vm.VmError(f"{box.name}: a second conversion has {len(plan['steps'])} steps")
    print("nothing is left to change")
    steps.run("undo", [tool, "convert", "--undo", job])
    left = [path for path in [*disks, os.path.join(job, "output.json")] if os.path.exists(path)]
    if left or written != [os.stat(image).st_mtime_ns for image in images]:
        raise vm.VmError(f"undone, but {left or images} are there or were written to")
    print("undone")


def degraded(box, images, work, build):
    if not was_seen(images):
        physical(box, images, work, build)
    converted(box, images[:-1], work, build, gone=("swap ",))


def print_parts(job):
    """What the server is made of, in the words of plan-grade.c, and the plan's grade."""
    with open(os.path.join(job, "facts.json")) as file:
        system = json.load(file)["systems"][0]
    with open(os.path.join(job, "plan.json")) as file:
        plan = json.load(file)
    kinds = {"initramfs": {kernel["initramfs"]["kind"] for kernel in system["kernels"] if not kernel.get("rescue")},
             "network": {nic.get("dialect", "") for nic in system["nics"] if nic["kind"] != "name"}}
    print(f"    grade {plan['grade']}: {system['arch']}, {system['bootloader']['kind']}, {plan['firmware']}, "
          f"{kinds['initramfs']}, {kinds['network']}, {system['root']}")
    for warning in plan.get("warnings", []):
        print(f"    warning: {warning}")


def compare(box, images, after, gone):
    with open(images[0] + ".census") as file:
        before = {line for line in file.read().splitlines() if not line.startswith(gone or "-")}
    if box.gains in before:
        raise vm.VmError(f"{box.name} had '{box.gains}' before")
    if not after:
        raise vm.VmError(f"{box.name} did not say on its serial line what it has")
    lost = census.lost(before | ({box.gains} if box.gains else set()), after)
    for line in lost:
        print(line)
    if lost:
        raise vm.VmError(f"{box.name} has not all that it had: {lost[0]}")
    print(f"as before: {', '.join(sorted(line for line in before if not line.startswith(('link', 'end'))))}")


STEPS = {"physical": physical, "untouched": untouched, "converted": converted, "again": again,
         "degraded": degraded}
USUAL = ["physical", "untouched", "converted"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("steps", nargs="*", choices=[*STEPS, []])
    parser.add_argument("--build", default="build")
    options = parser.parse_args()
    server.require("qemu-system-x86_64", "qemu-img")
    box = server.Server(options.name)
    box.require()
    images = server.image_paths(box)
    try:
        with vm.heavy_lock():
            for step in options.steps or USUAL:
                with tempfile.TemporaryDirectory(prefix="p2v-matrix.", dir="/var/tmp") as work:
                    STEPS[step](box, images, work, os.path.abspath(options.build))
    except (walk.StepFailed, subprocess.TimeoutExpired) as error:
        raise vm.VmError(str(error))


if __name__ == "__main__":
    server.run(main)
