# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of Windows that do nothing: headers, one section, and a signature of the right shape."""

import struct

MACHINES = {"x86": 0x014C, "amd64": 0x8664, "arm64": 0xAA64}

OID_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
OID_DATA = bytes.fromhex("2a864886f70d010701")
OID_RSA = bytes.fromhex("2a864886f70d010101")
OID_COMMON_NAME = bytes.fromhex("550403")
DIGESTS = {"sha1": bytes.fromhex("2b0e03021a"), "sha256": bytes.fromhex("608648016503040201")}


def der(tag, *parts):
    """One element in DER."""
    body = b"".join(parts)
    n = len(body)
    if n < 0x80:
        return bytes([tag, n]) + body
    size = (n.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + n.to_bytes(size, "big") + body


# The first byte is the sign.
SERIAL = bytes.fromhex("0095e2a1c4005b")


def sequence(*parts):
    return der(0x30, *parts)


def name(text):
    return sequence(der(0x31, sequence(der(0x06, OID_COMMON_NAME), der(0x0C, text.encode()))))


def algorithm(oid):
    return sequence(der(0x06, oid), der(0x05))


def certificate(serial, issuer, subject):
    validity = sequence(der(0x17, b"200101000000Z"), der(0x17, b"300101000000Z"))
    key = sequence(algorithm(OID_RSA), der(0x03, b"\0" + bytes(32)))
    tbs = sequence(der(0xA0, der(0x02, b"\x02")), der(0x02, serial), algorithm(OID_RSA),
                   name(issuer), validity, name(subject), key)
    return sequence(tbs, algorithm(OID_RSA), der(0x03, b"\0" + bytes(32)))


def signed_data(kind, publisher="Vendor"):
    """A SignedData: sha1 or sha256 of a chain, or self (a certificate that has issued itself)."""
    digest = DIGESTS["sha1" if kind == "sha1" else "sha256"]
    issuer = publisher if kind == "self" else "Issuing CA"
    certs = [certificate(SERIAL, issuer, publisher)]
    if kind != "self":
        certs.insert(0, certificate(b"\x01", "Root CA", "Root CA"))
        certs.append(certificate(b"\x02", "Root CA", "Issuing CA"))
    signer = sequence(der(0x02, b"\x01"), sequence(name(issuer), der(0x02, SERIAL)),
                      algorithm(digest), algorithm(OID_RSA), der(0x04, bytes(32)))
    body = sequence(der(0x02, b"\x01"), der(0x31, algorithm(digest)), sequence(der(0x06, OID_DATA)),
                    der(0xA0, *certs), der(0x31, signer))
    return sequence(der(0x06, OID_SIGNED_DATA), der(0xA0, body))


def program(arch, text, signing=None):
    """A PE file; text makes it differ from others. signing: None, sha1, sha256, self."""
    wide = arch != "x86"
    code = (b"\xc3" + text.encode() + b"\0").ljust(512, b"\0")
    cert = b""
    if signing:
        body = signed_data(signing)
        body += bytes(-len(body) % 8)
        cert = struct.pack("<IHH", 8 + len(body), 0x0200, 2) + body
    dirs = [(0, 0)] * 16
    if cert:
        dirs[4] = (1024, len(cert))
    optional = struct.pack("<HBBIIIII", 0x20B if wide else 0x10B, 14, 0, 512, 0, 0, 0x1000, 0x1000)
    if wide:
        optional += struct.pack("<Q", 0x140000000)
    else:
        optional += struct.pack("<II", 0x2000, 0x400000)
    optional += struct.pack("<IIHHHHHHIIIIHH", 0x1000, 512, 6, 0, 0, 0, 6, 0, 0, 0x2000, 512, 0, 3, 0)
    optional += struct.pack("<QQQQ" if wide else "<IIII", 0x100000, 0x1000, 0x100000, 0x1000)
    optional += struct.pack("<II", 0, 16) + b"".join(struct.pack("<II", *d) for d in dirs)
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x80)
    head = head.ljust(0x80, b"\0") + b"PE\0\0"
    head += struct.pack("<HHIIIHH", MACHINES[arch], 1, 0x5F000000, 0, 0, len(optional),
                        0x22 if wide else 0x102)
    head += optional
    head += struct.pack("<8sIIIIIIHHI", b".text", 512, 0x1000, 512, 512, 0, 0, 0, 0, 0x60000020)
    return head.ljust(512, b"\0") + code + cert
