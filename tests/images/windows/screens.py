# SPDX-License-Identifier: GPL-3.0-or-later
"""Screens of a Windows, laid out and coloured like the real ones, drawn by Chromium; and stops in a firmware's letters of
8 by 16 points, which are like those of Windows up to 7."""

import shutil
import struct
import subprocess
import zlib
from pathlib import Path

WIDTH, HEIGHT = 1024, 768
# name: ground, letters, font, what is written (size in points: text), what has to be read
SCREENS = [
    ("10 stops", "#0078d7", "#fff", "sans-serif", [(90, ":("), (19, "Your PC ran into a problem and needs to restart. We're "
     "just collecting some error info, and then we'll restart for you."), (19, "20% complete"), (10, "For more information "
     "about this issue and possible fixes, visit https://www.windows.com/stopcode"), (10, "If you call a support person, "
     "give them this info:<br>Stop code: INACCESSIBLE BOOT DEVICE")], "failure", "(0x7B)"),
    ("24H2 stops", "#000", "#fff", "sans-serif", [(19, "Your device ran into a problem and needs to restart."),
     (19, "40% complete"), (11, "Stop code: SYSTEM_THREAD_EXCEPTION_NOT_HANDLED (0x7E)<br>What failed: viostor.sys")],
     "failure", "(0x7E)"),
    ("7 stops", "#000080", "#fff", "monospace", [(11, "A problem has been detected and Windows has been shut down to prevent "
     "damage<br>to your computer.<br><br>If this is the first time you've seen this Stop error screen,<br>restart your "
     "computer.<br><br>Technical information:<br><br>*** STOP: 0x0000007B (0xFFFFF880009A97E8,0xFFFFFFFFC0000034,"
     "0x0000000000000000,0x0000000000000000)")], "failure", "(0x7B)"),
    ("a driver's signature", "#000", "#ccc", "monospace", [(12, "Windows Boot Manager"), (11, "Windows failed to start. A "
     "recent hardware or software change might be the cause.<br><br>File: \\Windows\\system32\\drivers\\viostor.sys<br><br>"
     "Status: 0xc0000428<br><br>Info: Windows cannot verify the digital signature for this file.")], "failure", "signed"),
    ("no disk", "#0078d7", "#fff", "sans-serif", [(30, "Recovery"), (14, "Your PC/Device needs to be repaired"), (11, "A "
     "required device isn't connected or can't be accessed.<br>Error code: 0xc000000e")], "failure", "0xC000000E"),
    ("automatic repair", "#0078d7", "#fff", "sans-serif", [(30, "Automatic Repair"), (13, "Your PC did not start correctly"),
     (11, "Press \"Restart\" to restart your PC, which can sometimes fix the problem.")], "failure", "automatic repair"),
    ("BitLocker", "#0078d7", "#fff", "sans-serif", [(24, "BitLocker recovery"), (14, "Enter the recovery key for this drive"),
     (11, "For more information on how to retrieve this key, go to another PC.")], "failure", "BitLocker"),
    ("10 waits", "#004275", "#fff", "sans-serif", [(60, "18:05"), (26, "Saturday, November 28"),
     (13, "Press Ctrl+Alt+Delete to unlock.")], "login", "Ctrl+Alt+Delete"),
    ("2012 R2 waits", "#00788a", "#fff", "sans-serif", [(18, "Press Ctrl+Alt+Delete to sign in."),
     (11, "Windows Server 2012 R2")], "login", "sign in"),
    ("2003 waits", "#3a6ea5", "#000", "sans-serif", [(14, "Welcome to Windows"), (11, "Press Ctrl-Alt-Delete to begin."),
     (9, "Requiring this key combination at startup helps keep your computer secure.")], "login", "begin"),
    ("a desktop", "#003b70", "#fff", "sans-serif", [(9, "Recycle Bin")], "login", "Recycle"),
    ("it prepares", "#000", "#fff", "sans-serif", [(16, "Getting devices ready 45%")], "nothing", ""),
    ("it updates", "#006dae", "#fff", "sans-serif", [(16, "Working on updates<br>30% complete<br>Don't turn off your "
     "computer")], "nothing", ""),
    ("a firmware", "#000", "#aaa", "monospace", [(11, "SeaBIOS (version 1.16.2-debian-1.16.2-1)<br>Booting from Hard "
     "Disk...")], "nothing", ""),
]


def page():
    boxes = []
    for _, ground, ink, font, lines, *_ in SCREENS:
        text = "".join(f"<p style='font-size:{size}pt'>{words}</p>" for size, words in lines)
        boxes.append(f"<div style='background:{ground};color:{ink};font-family:{font}'>{text}</div>")
    return ("<meta charset=utf-8><style>body{margin:0} div{width:%dpx;height:%dpx;padding:60px;box-sizing:border-box;"
            "overflow:hidden} p{margin:0 0 18px}</style>" % (WIDTH, HEIGHT)) + "".join(boxes)


def chromium():
    return shutil.which("chromium") or shutil.which("chromium-browser")


def draw(work):
    """One picture with all of them below each other."""
    source, picture = work / "page.html", work / "page.png"
    source.write_text(page())
    subprocess.run([chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--screenshot={picture}",
                    f"--user-data-dir={work}/profile", f"--window-size={WIDTH},{HEIGHT * len(SCREENS)}", source.as_uri()],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
    return picture.read_bytes()


def paeth(a, b, c):
    distances = [abs(b - c), abs(a - c), abs(a + b - 2 * c)]
    return (a, b, c)[distances.index(min(distances))]


def rows(png):
    """The rows of a PNG of 8 bits a colour, as red, green and blue."""
    at, data, step, width = 8, b"", 0, 0
    while at < len(png):
        n, kind = struct.unpack_from(">I4s", png, at)
        if kind == b"IHDR":
            width, _, _, colour = struct.unpack_from(">IIBB", png, at + 8)
            step = {2: 3, 6: 4}[colour]
        if kind == b"IDAT":
            data += png[at + 8:at + 8 + n]
        at += n + 12
    raw, last, size = zlib.decompress(data), bytes(width * step), width * step
    for y in range(len(raw) // (size + 1)):
        kind, row = raw[y * (size + 1)], bytearray(raw[y * (size + 1) + 1:(y + 1) * (size + 1)])
        for i in range(size if kind else 0):
            left, up, corner = (row[i - step] if i >= step else 0), last[i], (last[i - step] if i >= step else 0)
            row[i] = (row[i] + (left, up, (left + up) // 2, paeth(left, up, corner))[kind - 1]) & 255
        last = bytes(row)
        yield b"".join(last[i:i + 3] for i in range(0, size, step)) if step == 4 else last


def pictures(work):
    """Of each screen, by its name: red, green and blue of its points, row by row from the top."""
    lines = list(rows(draw(work)))
    return {screen[0]: b"".join(lines[i * HEIGHT:(i + 1) * HEIGHT]) for i, screen in enumerate(SCREENS)}


FIRMWARE = Path("/usr/share/seabios/vgabios-stdvga.bin")
LETTER_A = bytes.fromhex("000010386cc6c6fec6c6c6c600000000")
STOPS = [("0x0000007B (0xF78D2524,0xC0000034,0x00000000,0x00000000)", "(0x7B)"),
         ("0x0000007E (0xC0000005,0xF748E0BF,0xF78DA208,0xF78D9F08)", "(0x7E)"),
         ("0x000000D1 (0x00000000,0x00000002,0x00000000,0x00000000)", "(0xD1)"),
         ("0x000000ED (0x80F128D0,0xC000009C,0x00000000,0x00000000)", "(0xED)")]


def stop(numbers):
    """The screen of XP's stop as a PPM."""
    code = FIRMWARE.read_bytes()
    font = code.index(LETTER_A) - 16 * ord("A")
    lines = ["A problem has been detected and Windows has been shut down to prevent damage", "to your computer.", "",
             "Technical information:", "", f"*** STOP: {numbers}"]
    ground, ink, rows_left = b"\0\0\xaa", b"\xff\xff\xff", 480 - 16 * len(lines)
    out = b""
    for text in lines:
        for y in range(16):
            row = b"".join(ink if code[font + 16 * ord(c) + y] >> (7 - x) & 1 else ground for c in text for x in range(8))
            out += row.ljust(3 * 640, b"?").replace(b"???", ground)
    return b"P6 640 480 255\n" + out + ground * (640 * rows_left)
