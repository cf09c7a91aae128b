#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden cases for Windows: what is planned for each, what changes, and what its registry says then.

    golden.py WALK [NAME...]            compare with expected/NAME.txt: TAP
    golden.py WALK --update [NAME...]   write what comes out (read the difference before committing)

Beside the comparison, of each: the hives are read alike by libhivex and libregf; a driver for every disk that
the plan gives would start (lookup.py finds it as Windows does); done twice is done once; what is refused is
left as it was.
"""

import argparse
import difflib
import sys
import tempfile
from pathlib import Path

import cases
import pe  # by cases

EXPECTED = Path(__file__).parent / "expected"

# name: system, what is the matter with it, whether there is a medium, its layout
CASES = {name: (name, [], True, "iso") for name in cases.MEDIA}
CASES |= {
    "xp-no-medium": ("xp", [], False, "iso"),
    "2k3-no-medium": ("2k3", [], False, "iso"),
    "2k3-x64-no-medium": ("2k3-x64", ["scsi-only"], False, "iso"),
    "w7-no-medium": ("w7", ["utc"], False, "iso"),
    "2k12r2-no-medium": ("2k12r2", [], False, "iso"),
    "w10-no-medium": ("w10", [], False, "iso"),
    "2k25-no-medium": ("2k25", [], False, "iso"),
    "w7-floppy": ("w7", [], True, "vfd"),
    "2k19-rpm": ("2k19", ["agents", "filters"], True, "rpm"),
    "2k12r2-team": ("2k12r2", ["team"], True, "iso"),
    "2k8r2-team": ("2k8r2", ["team"], True, "iso"),
    "2k22-team": ("2k22", ["team", "removable-foreign"], True, "iso"),
    "w11-no-removable": ("w11", ["removable-absent"], True, "iso"),
    "2k16-roles": ("2k16", ["domain-controller", "cluster", "hyperv"], True, "iso"),
    "w10-policies": ("w10", ["restricted", "antivirus", "pending"], True, "iso"),
    "2k8r2-test-signing": ("2k8r2", ["test-signing"], True, "iso"),
    "2k8r2-bus-drivers": ("2k8r2", ["bus-drivers"], True, "iso"),
    "2k8r2-ghost": ("2k8r2", ["ghost"], True, "iso"),
    "2k22-ways": ("2k22", ["ways"], True, "iso"),
    "2k12r2-test-signing": ("2k12r2", ["test-signing"], True, "iso"),
    "2k19-ipv6": ("2k19", ["ipv6", "wins"], True, "iso"),
    "2k8-ipv6": ("2k8", ["ipv6"], True, "iso"),
    "2k3-wins": ("2k3", ["wins"], True, "iso"),
    "w10-wins": ("w10", ["wins", "ipv6"], True, "iso"),
    "2k19-old-logs": ("2k19", ["old-logs"], True, "iso"),
    "2k19-unclean": ("2k19", ["unclean"], True, "iso"),
    "2k19-strict": ("2k19", ["strict"], True, "iso"),
    "2k3-strict": ("2k3", ["strict"], True, "iso"),
    "2k3-scsi-only": ("2k3", ["scsi-only"], False, "iso"),
    "2k3-scsi-loose": ("2k3", ["scsi-only-loose"], False, "iso"),
    "2k19-dirty": ("2k19", ["dirty"], True, "iso"),
    "2k16-no-version": ("2k16", ["no-version"], True, "iso"),
    "w10-hibernated": ("w10", ["hibernated"], True, "iso"),
}
# Whose script is shown from the first line to the last; of others, what differs.
WHOLE_SCRIPT = ("xp", "2k19")
BUSES = {"virtio-blk": ["virtio-blk", "virtio-scsi"], "virtio-scsi": ["virtio-blk", "virtio-scsi"], "sata": ["ahci"],
         "ide": ["ide"]}


class Wrong(Exception):
    """The case did not come out as it should."""


def need(ok, text):
    if not ok:
        raise Wrong(text)


def needed_devices(case):
    """What has to start: XP and 2003 have no driver for virtio-scsi, and know the old virtio-blk only."""
    buses = {d["bus"] for d in case.noun("plan")["disks"]}
    need(buses, "the plan has no disk")
    found = {device for bus in buses for device in BUSES[bus]}
    if case.system.old and "virtio-blk" in found:
        found = {"virtio-blk-old"}
    return sorted(found)


def script(path, name):
    text = path.read_bytes().decode("ascii").split("\r\n")
    if name in WHOLE_SCRIPT:
        return text
    start = text.index(":main")
    return text[start:start + text[start:].index("")]


def describe(name, case, code, said):
    lines = ["refused: " + line for line in said.splitlines()] if code else []
    lines += ["", (case.top / "plan.txt").read_text().rstrip(), ""]
    if code:
        return lines
    notes = case.noun("facts").get("notes", [])
    lines += [f"noted: {note}" for note in notes] + [""] * bool(notes)
    for change in case.noun("changes")["changes"]:
        lines.append(f"{change['action']} {change['kind']} {change['path']}")
        path = Path(case.root, change["path"].lstrip("/"))
        if path.suffix == ".cmd":
            lines += ["    " + line for line in script(path, name)]
    registry = case.registry()
    check_report(case, registry)
    return lines + [""] + registry


def reported(case):
    """What the change report says of each hive: {name: [(sign, key, value or None)]}."""
    out = {}
    for change in case.noun("changes")["changes"]:
        if change["kind"] != "hive":
            continue
        for line in (case.top / change["diff"]).read_text().splitlines():
            out.setdefault(Path(change["path"]).name, []).append(part(line.partition(" = ")[0]))
    return out


def part(line):
    """'+ Key\\Sub [Name]...' as (sign, key, name); name is None where the line is about the key."""
    sign, _, rest = line.partition(" ")
    key, bracket, name = rest.partition(" [")
    name = name.partition("]")[0] if bracket else None
    return sign, key.strip().lower(), "" if name == "(default)" else name and name.lower()


def covers(edit, change):
    """The line of the report says that this line of the comparison came about."""
    sign, key, name = edit
    if sign == "-" and name is None:
        return (change[1] + "\\").startswith(key + "\\")
    if change[2] is None:
        return (key + "\\").startswith(change[1] + "\\")
    return (key, name) == change[1:]


def check_report(case, registry):
    """Whatever differs in the registry is in the report, and whatever the report says has happened."""
    said, hive, changed = reported(case), None, {}
    for line in registry:
        if line[:2] in ("+ ", "- "):
            changed[hive].append(part(line))
        else:
            hive = line
            changed[hive] = []
    need(set(said) == set(changed), f"the report is about {sorted(said)}, changed are {sorted(changed)}")
    for name, lines in changed.items():
        for line in lines:
            need(any(covers(edit, line) for edit in said[name]), f"not in the report: {name} {line}")
        for edit in said[name]:
            need(any(covers(edit, line) for line in lines), f"in the report, and did not happen: {name} {edit}")


def check_certificates(case):
    """What Windows is to trust is the publisher's own certificate, and none of those beside it."""
    issuer = "Red Hat, Inc." if case.system.version[:2] in ((6, 2), (6, 3)) else "Issuing CA"
    want = pe.certificate(pe.SERIAL, issuer, "Red Hat, Inc.")
    for path in case.root.rglob("*.cer"):
        need(path.read_bytes() == want, f"{path.name} is not the publisher's certificate")


def again(case, program):
    """The second conversion has nothing to do."""
    code, said = case.walk(program)
    need(code == 0, f"converted, then refused: {said}")
    steps = [f"{s['op']} {s['path']}" for s in case.noun("plan")["steps"]]
    need(not steps, f"converted, and planned again: {', '.join(steps)}")
    need(not case.noun("changes")["changes"], "converted twice, and it changes again")


def run(name, program, top):
    system, words, drivers, layout = CASES[name]
    case = cases.Case(top, system, words, drivers, layout)
    before = cases.tree_digest(case.root)
    code, said = case.walk(program)
    need(code in (0, 3), f"exit code {code}: {said}")
    text = describe(name, case, code, said)
    if code == 3:
        need(cases.tree_digest(case.root) == before, "refused, and changed all the same")
        return text
    check_certificates(case)
    for device in needed_devices(case):
        need(case.starts_on(device), f"would not start from {device}")
        text.append(f"starts on {device}")
    done = cases.tree_digest(case.root)
    again(case, program)
    need(cases.tree_digest(case.root) == done, "converted twice, and files differ")
    return text


def check(name, program, update):
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as top:
        text = "\n".join(run(name, program, top)) + "\n"
    path = EXPECTED / f"{name}.txt"
    if update:
        EXPECTED.mkdir(exist_ok=True)
        path.write_text(text)
        return
    want = path.read_text() if path.exists() else ""
    if want != text:
        diff = difflib.unified_diff(want.splitlines(), text.splitlines(), "expected", "now", lineterm="")
        raise Wrong("\n".join(diff))


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("walk")
    p.add_argument("names", nargs="*")
    p.add_argument("--update", action="store_true")
    args = p.parse_intermixed_args()
    names = [n for n in CASES if not args.names or n in args.names]
    program, failed = str(Path(args.walk).resolve()), 0
    print(f"1..{len(names)}")
    for i, name in enumerate(names, 1):
        try:
            check(name, program, args.update)
            print(f"ok {i} - {name}", flush=True)
        except (Wrong, ValueError) as e:
            failed += 1
            print(f"not ok {i} - {name}", flush=True)
            print(f"{name}: {e}", file=sys.stderr)
    sys.exit(1 if failed or not names else 0)


if __name__ == "__main__":
    main()
