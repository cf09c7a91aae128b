# SPDX-License-Identifier: GPL-3.0-or-later
"""What QEMU's user network starts for each connection to a forwarded address (guestfwd=...-cmd:): joins its standard
input and output with a port of the loopback interface.

usage: relay.py PORT"""

import os
import socket
import sys
import threading


def copy_in(sock):
    while data := os.read(0, 65536):
        sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)


def main():
    sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    # QEMU gives one socket for both; its end ends the process.
    threading.Thread(target=copy_in, args=(sock,), daemon=True).start()
    while data := sock.recv(65536):
        while data:
            data = data[os.write(1, data):]


main()
