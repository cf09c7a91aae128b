# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot medium on machines of every kind of firmware, up to where the server knows the machine: what it is told of
the firmware is what the machine really has. The copy itself is media.py's.

usage: firmware.py [--build DIR] [CASE...]"""

import os
import shutil
import socket
import subprocess
import time

import media
from lib import cable, cases, server, uefi, vm

CASES = cases.Cases()
OVMF = "/usr/share/OVMF"
CD = ["-device", "ide-cd,id=cd,drive=medium,bus=ide.1", "-boot", "d"]
STICK = ["-device", "qemu-xhci", "-device", "usb-storage,id=cd,drive=medium,bootindex=0,removable=on"]
LIMIT_S = 600


def medium(steps, arch="amd64"):
    """A campaign so slow that a machine is always found at it."""
    if arch not in media.MEDIUM:
        media.MEDIUM[arch] = media.build(steps, arch, os.path.join(steps.work, f"{arch}.iso"), settings="limit=64K")
    return media.MEDIUM[arch]


def wire(steps, *more):
    """The server is at the other end of restrict=on; more: of the -netdev."""
    netdev = media.wire(steps)
    return [netdev[0], ",".join([netdev[1], *more])]


def drives(steps, iso, image=None):
    disk = vm.overlay_create(image or server.image_path("debian12-bios"), "raw", os.path.join(steps.work, "disk.qcow2"))
    argv = ["-drive", f"if=none,id=drive,format=qcow2,file={disk}", "-rtc", "base=utc", "-no-reboot"]
    return argv + (["-drive", f"if=none,id=medium,format=raw,readonly=on,file={iso}"] if iso else [])


def known(steps, argv, name, job="web01", **facts):
    """Boots, and waits for the machine's inventory on the server, which must say these things."""
    with vm.heavy_lock(), vm.Vm(argv, steps.work, limit_s=LIMIT_S + 30, name=name) as machine:
        machine.wait("the inventory", lambda: os.path.exists(os.path.join(steps.jobs, job, "machine.json")), LIMIT_S)
        print(f"      {machine.seconds():.0f} s: the server knows it", flush=True)
        text = machine.serial_text()
        image = machine.screenshot() if os.environ.get("P2V_KEEP_SCREENS") else None
    if image:
        os.replace(image, os.path.join(os.environ["P2V_KEEP_SCREENS"], f"{name}.png"))
    told = steps.noun(job, "machine.json")
    for key, value in facts.items():
        cases.need(told.get(key) == value, f"{key} is told as {told.get(key)}, and is {value}")
    return text


def pflash(steps, code, variables, *more):
    """A firmware and a store of its own."""
    store = os.path.join(steps.work, "firmware-vars.fd")
    with open(os.path.join(OVMF, variables), "rb") as source, open(store, "wb") as copy:
        copy.write(source.read())
    return ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF}/{code}",
            "-drive", f"if=pflash,format=raw,unit=1,file={store}", *more]


def without_vga(argv):
    """The same machine with no screen at all."""
    at = argv.index("isa-vga")
    return argv[:at - 1] + argv[at + 1:]


class Line:
    """The far end of a serial line, as somebody with a cable has it."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.sock.setblocking(False)
        self.text = ""

    def look(self):
        try:
            while True:
                got = self.sock.recv(65536)
                if not got:
                    break
                self.text += got.decode("utf-8", "replace")
        except BlockingIOError:
            pass
        return self.text

    def press(self, keys):
        for key in keys:
            self.sock.sendall(key.encode())
            time.sleep(0.5)


@CASES.add
def serial_only(steps):
    """No VGA at all: GRUB's menu and the screen stand on the serial lines, and keys that come there are obeyed."""
    path = os.path.join(steps.work, "ttyS1")
    argv = [*without_vga(media.web01()), *media.hardware("ide"), *wire(steps), *drives(steps, medium(steps)), *CD,
            "-chardev", f"socket,id=line,path={path},server=on,wait=off", "-serial", "chardev:line"]
    with vm.heavy_lock(), vm.Vm(argv, steps.work, limit_s=LIMIT_S + 30, name="serial") as machine:
        line = Line(path)
        machine.wait("GRUB's menu", lambda: "p2v: copy this machine" in machine.serial_text(), LIMIT_S)
        machine.wait("the copy", lambda: "sending" in line.look() and "<Hold>" in line.text, LIMIT_S)
        cases.need("Server-2950" in machine.serial_text(), "the first line shows no screen")
        line.text = ""
        line.press(["\r"])
        machine.wait("the hold", lambda: "nothing is sent" in line.look(), LIMIT_S)
        machine.wait("the other line", lambda: "nothing is sent" in machine.serial_text(), LIMIT_S)
        print(f"      {machine.seconds():.0f} s: held from a serial line; both show it", flush=True)


@CASES.add
def uefi_32(steps):
    """32-bit UEFI, 64-bit processor, as in machines of 2006; from a USB stick."""
    if not os.path.exists(f"{OVMF}/OVMF32_CODE_4M.secboot.fd"):
        server.skip("ovmf-ia32 is not installed")
    argv = [*media.web01("q35,smm=on", memory=512), *media.hardware("nvme"), *wire(steps), *drives(steps, medium(steps)),
            *STICK, *pflash(steps, "OVMF32_CODE_4M.secboot.fd", "OVMF32_VARS_4M.fd",
                            "-global", "driver=cfi.pflash01,property=secure,value=on")]
    known(steps, argv, "uefi-32", firmware="uefi", arch="x86_64")


@CASES.add
def secure_boot(steps):
    """Secure Boot with Microsoft's keys: shim, GRUB and the kernel are all signed."""
    argv = [*media.web01("q35,smm=on", memory=512), *media.hardware("nvme"), *wire(steps), *drives(steps, medium(steps)),
            *STICK, *pflash(steps, "OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.ms.fd",
                            "-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1")]
    known(steps, argv, "secure-boot", firmware="uefi", secure_boot=True)


def pxe_files(steps):
    """What `p2v media pxe` makes, once."""
    folder = os.path.join(steps.work, "files")
    if not os.path.exists(folder):
        os.makedirs(folder)
        media.build(steps, "amd64", folder, settings="limit=64K", verb="pxe")
    return folder


def pxe_boot(steps, bootfile, name):
    """Over DHCP and TFTP."""
    net = wire(steps, f"tftp={pxe_files(steps)}", f"bootfile={bootfile}")
    argv = [*media.web01(), *drives(steps, None), *net, "-boot", "n", "-device", "ide-hd,id=disk,drive=drive,bus=ide.0",
            "-device", "e1000,netdev=wire,mac=00:1b:21:aa:bb:01"]
    known(steps, argv, name, firmware="bios")


@CASES.add
def pxe(steps):
    """`p2v media pxe` with the script for iPXE as it was written."""
    folder = pxe_files(steps)
    shutil.copy(os.path.join(folder, "p2v.ipxe.example"), os.path.join(folder, "p2v.ipxe"))
    pxe_boot(steps, "p2v.ipxe", "pxe")


@CASES.add
def pxe_pxelinux(steps):
    """The same with PXELINUX."""
    folder = pxe_files(steps)
    for path in "/usr/lib/PXELINUX/pxelinux.0", "/usr/lib/syslinux/modules/bios/ldlinux.c32":
        if not os.path.exists(path):
            server.skip(f"{path} is not installed")
        shutil.copy(path, folder)
    os.makedirs(os.path.join(folder, "pxelinux.cfg"), exist_ok=True)
    shutil.copy(os.path.join(folder, "pxelinux.cfg.example"), os.path.join(folder, "pxelinux.cfg", "default"))
    pxe_boot(steps, "pxelinux.0", "pxelinux")


@CASES.add
def pxe_grub(steps):
    """The same with GRUB, as grub-mknetdir sets it up."""
    folder = pxe_files(steps)
    steps.run("grub", ["grub-mknetdir", f"--net-directory={folder}", "--subdir=grub", "-d", "/usr/lib/grub/i386-pc"])
    shutil.copy(os.path.join(folder, "grub.cfg.example"), os.path.join(folder, "grub", "grub.cfg"))
    pxe_boot(steps, "grub/i386-pc/core.0", "pxe-grub")


def words_boot(steps, words, *more):
    """The same system by its kernel, with these words on its command line."""
    folder = pxe_files(steps)
    if not os.path.exists(os.path.join(folder, "all.img")):
        with open(os.path.join(folder, "all.img"), "wb") as out:
            for name in "initrd.img", "config.img":
                with open(os.path.join(folder, name), "rb") as file:
                    data = file.read()
                # As boot loaders do it: each begins at a multiple of four.
                out.write(data + bytes(-len(data) % 4))
    with open(os.path.join(folder, "p2v.ipxe.example")) as file:
        kernel = next(line for line in file if line.startswith("kernel ")).split("initrd=config.img ", 1)[1].strip()
    return [*media.web01(), *drives(steps, None), "-kernel", os.path.join(folder, "vmlinuz"), "-initrd",
            os.path.join(folder, "all.img"), "-append", f"{kernel} {words}", "-device", "ide-hd,id=disk,drive=drive,bus=ide.0",
            *more]


class Https:
    """openssl's web server with a certificate of its own, which nobody but the pinned key speaks for."""

    def __init__(self, folder, port):
        self.folder = folder
        key, cert = (os.path.join(folder, name) for name in ("key.pem", "cert.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                        "-subj", "/CN=campaign"], check=True, capture_output=True)
        public = subprocess.run(["openssl", "x509", "-in", cert, "-pubkey", "-noout"], check=True, capture_output=True).stdout
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=public, check=True, capture_output=True).stdout
        digest = subprocess.run(["openssl", "dgst", "-sha256", "-binary"], input=der, check=True, capture_output=True).stdout
        self.pin = "sha256//" + subprocess.run(["base64", "-w0"], input=digest, check=True, capture_output=True).stdout.decode()
        self.process = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-key", key, "-cert", cert, "-WWW",
                                         "-quiet"], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)


@CASES.add
def settings_by_url(steps):
    """p2v.config=https://...: with another key than the pinned one it halts as told; with that one it is obeyed."""
    folder, port = os.path.join(steps.work, "www"), vm.free_port()
    os.makedirs(folder)
    with open(os.path.join(folder, "campaign"), "w") as file:
        file.write("name=by-url limit=64K\n")
    card = ["-device", "e1000,netdev=wire,mac=00:1b:21:aa:bb:01"]
    net = wire(steps, f"guestfwd=tcp:10.0.2.101:443-cmd:/usr/bin/python3 {media.RELAY} {port}")
    with Https(folder, port) as https:
        other = "sha256//" + "A" * 43 + "="
        words = "p2v.config=https://10.0.2.101/campaign p2v.on-failure=poweroff p2v.config-key="
        argv = words_boot(steps, words + other, *net, *card)
        with vm.heavy_lock(), vm.Vm(argv, steps.work, limit_s=LIMIT_S + 30, name="other-key") as machine:
            machine.process.wait(timeout=LIMIT_S)
            print(f"      {machine.seconds():.0f} s: another key: it switched itself off", flush=True)
            cases.need("10.0.2.101" in machine.serial_text(), "it does not say why")
        cases.need(not os.listdir(steps.jobs), f"it did not stop: {os.listdir(steps.jobs)}")
        known(steps, words_boot(steps, words + https.pin, *net, *card), "by-url", job="by-url", firmware="bios")


class OnCable:
    """The server with these addresses at the far end of a switch; this process is in its network meanwhile."""

    def __init__(self, steps, addresses, **options):
        self.steps, self.switch = steps, cable.Cable(steps.work, addresses, **options)
        self.listen = [f"ListenAddress {address.split('/')[0]}" for address in addresses]

    def __enter__(self):
        self.steps.stop_server()
        self.switch.__enter__()
        self.steps.start_server(config=self.listen)
        return self.switch

    def __exit__(self, *_):
        self.steps.stop_server()
        self.switch.__exit__()
        self.steps.start_server()


def told_server(steps, host):
    return f"p2v.server={steps.user}@{host}:{steps.daemon.port} p2v.host-key={steps.daemon.fingerprint}"


@CASES.add
def bond_vlan(steps):
    """Two cards as one, on it a VLAN with its tag, and in that a fixed address; then the card in use loses its cable."""
    macs = ["00:1b:21:aa:bb:01", "00:1b:21:aa:bb:11"]
    words = f"p2v.bond=active-backup:{','.join(macs)} p2v.vlan=120 p2v.address=10.77.0.33/24"
    with OnCable(steps, ["10.77.0.1/24"], cards=2, vlan=120) as switch:
        cards = [word for i, mac in enumerate(macs) for word in
                 ("-netdev", switch.netdevs[i], "-device", f"e1000,id=card{i},netdev=port{i},mac={mac}")]
        argv = words_boot(steps, f"{words} {told_server(steps, '10.77.0.1')}", *cards)
        with vm.heavy_lock(), vm.Vm(argv, steps.work, limit_s=LIMIT_S + 30, name="bond-vlan") as machine:
            machine.wait("the inventory", lambda: os.path.exists(os.path.join(steps.jobs, "web01", "machine.json")), LIMIT_S)
            print(f"      {machine.seconds():.0f} s: the server knows it", flush=True)
            cases.need("p2vlan 10.77.0.33/24" in machine.serial_text(), machine.serial_text()[-3000:])
            used = switch.frames_in.index(max(switch.frames_in))
            machine.qmp.call("set_link", name=f"card{used}", up=False)
            before = switch.frames_in[1 - used]
            machine.wait("the other card", lambda: switch.frames_in[1 - used] > before + 50, machine.seconds() + 120)
            print(f"      {machine.seconds():.0f} s: the other card carries it", flush=True)


@CASES.add
def ipv6(steps):
    """Nothing but IPv6 on the wire: a fixed address of the machine, and the server by its own."""
    with OnCable(steps, ["fd77::1/64"]) as switch:
        card = ["-netdev", switch.netdevs[0], "-device", "e1000,netdev=port0,mac=00:1b:21:aa:bb:01"]
        text = known(steps, words_boot(steps, f"p2v.address=fd77::33/64 {told_server(steps, '[fd77::1]')}", *card), "ipv6",
                     firmware="bios")
    cases.need("eth0 fd77::33/64" in text, text[-3000:])


if __name__ == "__main__":
    server.require("mmdebstrap", "xorriso", "grub-mkimage", "mformat", "qemu-img", "ssh-keygen", "useradd")
    CASES.main("firmware", __doc__, before=lambda steps: steps.start_server(), after=media.jobs_drop)
