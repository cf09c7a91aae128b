# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot medium: `p2v media build` makes an ISO, a machine boots from it, and its disk arrives at a real sshd, by
itself. The machine's network is QEMU's own, with that one port of the server in it.

usage: media.py [--build DIR] [CASE...]"""

import os
import re
import shutil
import subprocess
import tempfile
import time

import daemon
from lib import cases, server, uefi, vm, walk

CASES = cases.Cases()
MEDIUM = {}
WIRE_SERVER = "10.0.2.100"
RELAY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib", "relay.py")
BUILD_PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../agent/media/build-programs")
BOOT_S, SEND_S = 600, 1500
MAX_PAGES = 10  # of a text on the screen


def sources(steps, security=True):
    """The archives that this host knows, as the test servers' scripts take them."""
    known = subprocess.run(["apt-get", "indextargets", "--format", "$(CODENAME) deb $(REPO_URI) $(RELEASE) $(COMPONENT)",
                            "Created-By: Packages", "Origin: Debian"], capture_output=True, text=True).stdout
    lines = sorted({line.split(" ", 1)[1] for line in known.split("\n")
                    if line.startswith("bookworm") and line.endswith(" main") and (security or "security" not in line)})
    path = os.path.join(steps.work, "sources.list")
    with open(path, "w") as file:
        file.write("\n".join(lines or ["deb http://deb.debian.org/debian bookworm main"]) + "\n")
    return path


def build(steps, arch, path, *more, settings="until=copied link=libssh2", verb="build", identity=True, **options):
    """The medium of a campaign; its machines are known by their serial numbers."""
    config = os.path.join(steps.work, "campaign")
    with open(config, "w") as file:
        file.write("# the campaign\ndelay=2 retry=5\n")
        for box in map(server.Server, ("debian12-bios", "extlinux-i386", "nvme-names")):
            file.write(f"[serial {box.serial}]\nname={box.name}\n")
        file.write(f"[all]\n{settings}\n")
    argv = [steps.program("p2v"), "media", verb, "-o", path, "--arch", arch,
            "--server", f"{steps.user}@{WIRE_SERVER}", "--host-key", steps.daemon.host_keys[0] + ".pub",
            *(["--identity", steps.key] if identity else []), "--config", config,
            "--sources", sources(steps, arch == "amd64"), *more]
    begin = time.monotonic()
    steps.run("media", argv, **options)
    print(f"      {os.path.getsize(path) / 1e6:.1f} MB after {time.monotonic() - begin:.0f} s", flush=True)
    return path


def medium(steps, arch="amd64", *more):
    if arch not in MEDIUM:
        MEDIUM[arch] = build(steps, arch, os.path.join(steps.work, f"{arch}.iso"), *more)
    return MEDIUM[arch]


def wire(steps):
    return ["-netdev", f"user,id=wire,ipv6=off,restrict=on,"
                       f"guestfwd=tcp:{WIRE_SERVER}:22-cmd:/usr/bin/python3 {RELAY} {steps.daemon.port}"]


def wait_done(machine, look):
    """The screen's last word; what it says instead is the failure."""
    def check():
        text = look()
        cases.need("Failed:" not in text, text)
        return "Done:" in text
    machine.wait("the end of the copy", check, limit_s=BOOT_S + SEND_S, every_s=2)


def link_pull(machine, look, seconds=50):
    """The cable is out in the middle of the copy; 50 s are longer than a connection lives."""
    machine.wait("the copy", lambda: "sending the disks" in look(), limit_s=BOOT_S)
    time.sleep(10)
    cases.need("sending the disks" in look(), "the copy was over before the cable was pulled")
    machine.qmp.call("set_link", name="wire", up=False)
    time.sleep(seconds)
    cases.need("sending the disks" in look(), "the copy ended without a cable")
    machine.qmp.call("set_link", name="wire", up=True)
    print(f"      the cable was out for {seconds} s", flush=True)


def press(machine, *keys):
    for key in keys:
        machine.qmp.call("send-key", keys=[{"type": "qcode", "data": key}])
        time.sleep(1)


def hardware(name, box=None):
    """A server's disk on a controller, and its card in its slot."""
    box = box or server.Server("debian12-bios")
    disk, card = {
        "megasas": (["-device", "megasas,id=raid,addr=8", "-device", "scsi-hd,id=disk,drive=drive,bus=raid.0"], "e1000"),
        "ide": (["-device", "ide-hd,id=disk,drive=drive,bus=ide.0"], "rtl8139"),
        "nvme": (["-device", "nvme,id=disk,drive=drive,serial=N1,addr=8"], "e1000e"),
    }[name]
    return [*disk, "-device", f"{card},netdev=wire,mac={box.mac},addr={box.nic_slot}"]


def jobs_drop(steps):
    """The next machine is web01, too. What begins with a dot is the server's own (the queue, its limits)."""
    for job in os.listdir(steps.jobs):
        if not job.startswith("."):
            shutil.rmtree(os.path.join(steps.jobs, job))


def uefi_firmware(steps):
    """OVMF with an empty store: it takes the removable path, as a machine does with a medium in it."""
    store = uefi.store([], os.path.join(steps.work, "vars.fd"))
    return ["-drive", f"if=pflash,format=raw,readonly=on,file={uefi.CODE}", "-drive", f"if=pflash,format=raw,file={store}"]


def same_digest(steps, image, name):
    """What the machine sent is what a p2v-agent here sends of the same disk."""
    steps.send([image], None, "--name", "reference")
    want, got = (steps.noun(job, "receipt")["disks"][0]["digest"] for job in ("reference", name))
    cases.need(want == got, f"the machine's disk arrived as {got}, and is {want}")


def proven(steps, name):
    """What was copied becomes a virtual machine that boots with its address."""
    with vm.heavy_lock():
        steps.convert(name)
        steps.prove(name)
    verdict = steps.noun(name, "proof.json")["verdict"]
    cases.need(verdict == "proven", verdict)
    print(f"      {name} is proven: {steps.times['convert']:.0f} s, {steps.times['prove']:.0f} s", flush=True)


def copied_by_itself(steps, iso, argv, image, name="web01", text_mode=True, stick=False, pull_link=False):
    """Boots, waits for the copy, and switches off at the screen. The disk must not have been written to."""
    disk = vm.overlay_create(image, "raw", os.path.join(steps.work, f"{name}.qcow2"))
    argv = [*argv, *wire(steps), "-drive", f"if=none,id=drive,format=qcow2,file={disk}",
            "-drive", f"if=none,id=medium,format=raw,readonly=on,file={iso}", "-rtc", "base=utc", "-no-reboot"]
    with vm.heavy_lock(), vm.Vm(argv, steps.work, limit_s=BOOT_S + SEND_S + 60, name=name) as machine:
        # A machine with UEFI has no text mode to look into: then the serial console's screen.
        look = machine.vga_text if text_mode else machine.serial_text
        # With two blanks: SeaBIOS shows "Machine UUID"; on a serial console blanks are no characters.
        machine.wait("a screen", lambda: ("Machine  " if text_mode else "Machine ") in look(), limit_s=BOOT_S)
        booted = machine.seconds()
        if pull_link:
            link_pull(machine, look)
        # The medium may be pulled out: all of it is in memory.
        if stick:
            machine.qmp.call("device_del", id="cd")
        else:
            machine.qmp.call("eject", id="cd", force=True)
        wait_done(machine, look)
        sent = machine.seconds() - booted
        if text_mode:
            print("\n".join("      | " + line for line in look().split("\n")), flush=True)
        stats = machine.disk_stats("disk")
        cases.need(stats["wr_bytes"] == 0, f"{stats['wr_bytes']} bytes were written to the machine's disk")
        cases.need(name in machine.serial_text(), "the serial console shows nothing")
        press(machine, "tab", "tab", "ret", "tab", "ret")
        machine.process.wait(timeout=120)
    cases.need(steps.noun(name, "receipt")["disks"][0]["digest"], "no digest")
    steps.run("compare", ["qemu-img", "compare", "-f", "raw", "-F", "qcow2", image, disk])
    print(f"      a screen after {booted:.0f} s, the copy after {sent:.0f} s more; nothing was written", flush=True)


def web01(machine="pc", cpu="qemu64", memory=384, box=None):
    one = box or server.Server("debian12-bios")
    return ["-machine", machine, "-m", str(memory), "-smp", "2", "-cpu", f"{cpu},-hypervisor", "-uuid", one.uuid,
            "-smbios", f"type=1,manufacturer={one.vendor},product={one.product},serial={one.serial}", "-device", "isa-vga"]


def show(machine):
    print("\n".join("      | " + line for line in machine.vga_text().split("\n")), flush=True)


def picture(machine, name):
    """For the README, where somebody wants one: a PNG of the screen in the folder P2V_KEEP_SCREENS."""
    folder = os.environ.get("P2V_KEEP_SCREENS")
    if folder:
        shutil.move(machine.screenshot(), os.path.join(folder, f"{name}.png"))


def shows(look, word, seconds=5):
    """A page takes its time on a machine that is busy."""
    end = time.monotonic() + seconds
    while word not in look() and time.monotonic() < end:
        time.sleep(0.5)
    return word in look()


def details(machine, look, word, name):
    """What is on the disks, what needs attention, and the server's plan, while the machine works."""
    press(machine, "tab", "ret")
    machine.wait("the details", lambda: "┤ Details ├" in look(), limit_s=BOOT_S)
    pages = 1
    while not shows(look, word) and pages < MAX_PAGES:
        press(machine, "pgdn")
        pages += 1
    cases.need(word in look(), f"no page of the details has '{word}': {look()}")
    picture(machine, name)
    press(machine, "tab", "ret")
    machine.wait("the main screen", lambda: "<Details>" in look(), limit_s=BOOT_S + SEND_S)


def walked_away(steps, machine, server_side):
    """From power on to a proven machine on the server; then it switches itself off."""
    look = machine.vga_text
    # With two blanks: the firmware shows "Machine UUID".
    machine.wait("a screen", lambda: "Machine  " in look(), limit_s=BOOT_S)
    print(f"      {machine.seconds():.0f} s: a screen", flush=True)
    link_pull(machine, look, seconds=15)
    picture(machine, "medium-sending")
    machine.qmp.call("eject", id="cd", force=True)
    machine.wait("what the server does", lambda: "the server: held, waits for approval" in look(), limit_s=BOOT_S + SEND_S)
    print(f"      {machine.seconds():.0f} s: sent, and held on the server", flush=True)
    show(machine)
    details(machine, look, "The server's plan", "medium-plan")
    stats = machine.disk_stats("disk")
    cases.need(stats["wr_bytes"] == 0, f"{stats['wr_bytes']} bytes were written to the machine's disk")
    server_side.job("approve", "web01", "--reason", "seen on the screen")
    machine.wait("the proof on the screen", lambda: "the server: emitted" in look(), limit_s=BOOT_S + SEND_S)
    show(machine)
    machine.process.wait(timeout=SEND_S)
    print(f"      {machine.seconds():.0f} s: it switched itself off", flush=True)


@CASES.add
def walk_away(steps):
    """Nobody there: copied, converted and proven by p2vd, which the screen shows; then it switches itself off."""
    image = server.image_path("debian12-bios")
    iso = build(steps, "amd64", os.path.join(steps.work, "away.iso"), settings="after=poweroff")
    disk = vm.overlay_create(image, "raw", os.path.join(steps.work, "away.qcow2"))
    argv = [*web01(), *hardware("ide"), *wire(steps), "-drive", f"if=none,id=drive,format=qcow2,file={disk}",
            "-drive", f"if=none,id=medium,format=raw,readonly=on,file={iso}", "-device", "ide-cd,id=cd,drive=medium,bus=ide.1",
            "-boot", "d", "-rtc", "base=utc", "-no-reboot"]
    server_side = daemon.Daemon(steps)
    with vm.heavy_lock():
        server_side.start()
        try:
            with vm.Vm(argv, steps.work, limit_s=BOOT_S + 2 * SEND_S, name="away") as machine:
                walked_away(steps, machine, server_side)
        finally:
            server_side.stop()
    cases.need(steps.noun("web01", "proof.json")["verdict"] == "proven", "it is not proven")
    cases.need("sending the disks" in open(os.path.join(steps.jobs, "web01", "agent.log")).read(), "no log of the machine's")
    steps.run("compare", ["qemu-img", "compare", "-f", "raw", "-F", "qcow2", image, disk])
    same_digest(steps, image, "web01")


@CASES.add
def megasas_e1000(steps):
    """amd64 from CD, 384 MiB, a MegaRAID controller and an e1000: copied by itself, switched off at the screen."""
    image = server.image_path("debian12-bios")
    copied_by_itself(steps, medium(steps), [*web01(), *hardware("megasas"), "-device", "ide-cd,id=cd,drive=medium,bus=ide.1",
                                            "-boot", "d"], image)
    same_digest(steps, image, "web01")
    proven(steps, "web01")


@CASES.add
def hot_then_cold(steps):
    """Copied while it ran, then again from the medium, a USB stick and BIOS: only what changed is sent."""
    box, image = server.Server("debian12-bios"), server.image_path("debian12-bios")
    hot = os.path.join(steps.work, "hot.img")
    steps.run("hot", ["cp", "--sparse=always", image, hot])
    with open(hot, "r+b") as file:
        for at in range(1 << 20, 1 << 30, 64 << 20):
            file.seek(at)
            file.write(os.urandom(100000))
    steps.send([hot], walk.machine_json(box, os.path.join(steps.work, "hot.json")))
    first = steps.noun("web01", "receipt")["disks"][0]
    os.unlink(hot)
    iso = build(steps, "amd64", os.path.join(steps.work, "refresh.iso"), settings="until=copied link=libssh2 refresh")
    copied_by_itself(steps, iso, [*web01(), *hardware("ide"), "-device", "usb-ehci,id=usb", "-device",
                                  "usb-storage,id=cd,drive=medium,bus=usb.0,bootindex=0,removable=on"], image, stick=True)
    second = steps.noun("web01", "receipt")["disks"][0]
    cases.need(second["digest"] != first["digest"], "the second pass changed nothing")
    cases.need(second["sent_bytes"] < first["sent_bytes"] / 10, f"it sent all again: {second['sent_bytes']} bytes")
    print(f"      the first pass sent {first['sent_bytes']} bytes, the second {second['sent_bytes']}", flush=True)
    same_digest(steps, image, "web01")


def asking_server(steps, trusted):
    """sshd as `p2v server init` sets it up: new keys may ask. What it runs for that must lie where only root writes."""
    shutil.copy(steps.program("p2v-recv"), trusted)
    recv = f"{trusted}/p2v-recv --dir {steps.jobs} --keys {steps.daemon.path('authorized_keys')}"
    steps.stop_server()
    steps.start_server(config=[f"AuthorizedKeysCommand {recv} lines %t %k", f"AuthorizedKeysCommandUser {steps.user}",
                               "ExposeAuthInfo yes", f"ForceCommand {recv}"])


def let_in(steps, machine, server_side):
    """The door, the code on the screen, and what it opens."""
    look = machine.vga_text

    def words():
        # Without the window's frame, which stands where a line is broken.
        return " ".join(re.sub(r"[^!-~]", " ", look()).split())

    def p2v(*argv):
        return steps.run("p2v", [steps.program("p2v"), *argv, "--socket", server_side.socket]).stdout

    machine.wait("the shut door", lambda: "p2v enroll --open" in words(), limit_s=BOOT_S)
    print(f"      {machine.seconds():.0f} s: the door is shut", flush=True)
    p2v("enroll", "--open", "1")
    code = machine.wait("a code", lambda: re.search(r"p2v enroll ([0-9A-Z]{4}-[0-9A-Z]{4})", words()), limit_s=BOOT_S).group(1)
    show(machine)
    waiting = p2v("agent", "list")
    cases.need("7B5TM12" in waiting and code not in waiting, waiting)
    cases.need(not os.path.exists(os.path.join(steps.jobs, "web01")), "a job was made before it was let in")
    p2v("enroll", code, "--name", "web01")
    wait_done(machine, look)
    print(f"      {machine.seconds():.0f} s: let in by its code, and copied", flush=True)


@CASES.add
def enrolled(steps):
    """A medium without a key: the door is shut, then its screen shows a code, and who types that lets it in."""
    image = server.image_path("debian12-bios")
    iso = build(steps, "amd64", os.path.join(steps.work, "keyless.iso"), identity=False)
    disk = vm.overlay_create(image, "raw", os.path.join(steps.work, "keyless.qcow2"))
    argv = [*web01(), *hardware("ide"), *wire(steps), "-drive", f"if=none,id=drive,format=qcow2,file={disk}",
            "-drive", f"if=none,id=medium,format=raw,readonly=on,file={iso}", "-device", "ide-cd,id=cd,drive=medium,bus=ide.1",
            "-boot", "d", "-rtc", "base=utc", "-no-reboot"]
    trusted = tempfile.mkdtemp(prefix="p2v-media.", dir="/run")
    server_side = daemon.Daemon(steps)
    try:
        os.chmod(trusted, 0o755)
        asking_server(steps, trusted)
        server_side.start()
        with vm.heavy_lock(), vm.Vm(argv, steps.work, limit_s=BOOT_S + SEND_S, name="keyless") as machine:
            let_in(steps, machine, server_side)
    finally:
        server_side.stop()
        shutil.rmtree(trusted)
        steps.restart_server()
    same_digest(steps, image, "web01")


@CASES.add
def pentium3_ide_rtl8139(steps):
    """i386 without PAE, 384 MiB, IDE and an rtl8139; the cable is pulled in the middle."""
    box, image = server.Server("extlinux-i386"), server.image_path("extlinux-i386")
    programs = os.path.join(steps.build, "agent", "media-i386")
    steps.run("programs", [BUILD_PROGRAMS, "i386", programs, sources(steps, security=False)])
    copied_by_itself(steps, medium(steps, "i386"),
                     [*web01(cpu="pentium3", box=box), *hardware("ide", box), "-device", "ide-cd,id=cd,drive=medium,bus=ide.1",
                      "-boot", "d"], image, name=box.name, pull_link=True)
    same_digest(steps, image, box.name)
    proven(steps, box.name)


@CASES.add
def uefi_nvme_usb(steps):
    """amd64 with UEFI from a USB stick, NVMe and an e1000e; the machine's own boot entries come along."""
    box, image = server.Server("nvme-names"), server.image_path("nvme-names")
    copied_by_itself(steps, medium(steps),
                     [*web01("q35", memory=512, box=box), *box.firmware_argv(steps.work, box.efi_vars()),
                      *hardware("nvme", box), "-device", f"e1000e,mac={box.mac2},addr={box.nic2_slot}", "-device", "qemu-xhci",
                      "-device", "usb-storage,id=cd,drive=medium,bootindex=0,removable=on", "-device", "usb-kbd"],
                     image, name=box.name, text_mode=False, stick=True)
    names = [v["name"] for v in steps.noun(box.name, "machine.json")["efi_vars"]]
    cases.need("BootOrder" in names, names)
    same_digest(steps, image, box.name)
    proven(steps, box.name)


@CASES.add
def same_bytes(steps):
    """Two builds of the same medium are the same image."""
    first, second = (cases.digest(build(steps, "amd64", os.path.join(steps.work, f"same{i}.iso"))) for i in (1, 2))
    cases.need(first == second, f"{first} and {second}")


@CASES.add
def static_agent(steps):
    """The agent as one file, amd64 and i386: it needs Linux 3.2 and nothing else, and copies a disk from an empty root."""
    for arch in "amd64", "i386":
        folder, root = os.path.join(steps.work, f"static-{arch}"), os.path.join(steps.work, f"root-{arch}")
        steps.run("static", [BUILD_PROGRAMS, "--static", arch, folder, sources(steps, arch == "amd64")])
        os.makedirs(root)
        shutil.copy(os.path.join(folder, "p2v-agent-static"), os.path.join(root, "p2v-agent"))
        headers = steps.run("headers", ["readelf", "--program-headers", "--notes", os.path.join(root, "p2v-agent")]).stdout
        cases.need("INTERP" not in headers and "DYNAMIC" not in headers, f"it needs libraries:\n{headers}")
        cases.need("ABI: 3.2.0" in headers, f"it needs a newer kernel:\n{headers}")
        for path, name in (steps.key, "key"), (steps.known_hosts, "hosts"):
            shutil.copy(path, os.path.join(root, name))
        disk = os.path.join(root, "disk")
        with open(disk, "wb") as file:
            file.write(os.urandom(24 << 20))
            file.truncate(64 << 20)
        steps.run("send", ["chroot", root, "/p2v-agent", "--server", f"{steps.user}@127.0.0.1:{steps.daemon.port}",
                           "--identity", "/key", "--known-hosts", "/hosts", "--yes", "--json", "--name", arch, "--disk", "/disk"])
        image = os.path.join(steps.jobs, arch, "image", "disk0.qcow2")
        steps.run("compare", ["qemu-img", "compare", "-f", "raw", "-F", "qcow2", disk, image])
        print(f"      {arch}: {os.path.getsize(os.path.join(root, 'p2v-agent')) / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    server.require("mmdebstrap", "xorriso", "grub-mkimage", "mformat", "qemu-img", "ssh-keygen", "useradd")
    # Each case ends with a job of its own name.
    CASES.main("media", __doc__, before=lambda steps: steps.start_server(), after=jobs_drop)
