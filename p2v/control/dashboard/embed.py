#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files as C arrays: embed.py NAME=FILE... writes a header to standard output."""
import sys

print("/* Made by embed.py. */")
for argument in sys.argv[1:]:
    name, path = argument.split("=", 1)
    with open(path, "rb") as file:
        data = file.read()
    print(f"static const unsigned char {name}[] = {{{','.join(str(byte) for byte in data)}}};")
