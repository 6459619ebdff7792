"""Carries WS-Discovery probes from one network namespace to the simulated cameras' loopback in another.

`ip netns exec LAN python -m tests.foreign.probe_relay ADDRESS NAMESPACE`: hears probes on ADDRESS, asks
them again on the loopback of NAMESPACE, sends the true answers back. For clients that switch multicast
loopback off: they hear no camera on their own machine. Prints "ready"; ends with its input.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import socket
import struct
import sys
from pathlib import Path

GROUP, PORT = "239.255.255.250", 3702
CLONE_NEWNET = 0x40000000


def enter(namespace: str) -> None:
    """Move this thread into another network namespace; sockets stay where they were made."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/run/netns/{namespace}").open("rb") as file:
        if libc.setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def main(address: str, namespace: str) -> None:
    outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    outside.bind(("", PORT))
    member = struct.pack("4s4s", socket.inet_aton(GROUP), socket.inet_aton(address))
    outside.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    enter(namespace)
    inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inside.bind(("127.0.0.1", 0))
    inside.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
    selector = selectors.DefaultSelector()
    for source in (outside, inside, sys.stdin):
        selector.register(source, selectors.EVENT_READ)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    asker = None
    while True:
        for key, _ in selector.select():
            if key.fileobj is outside:
                data, asker = outside.recvfrom(65_536)
                inside.sendto(data, (GROUP, PORT))
            elif key.fileobj is inside and asker is not None:
                outside.sendto(inside.recv(65_536), asker)
            elif key.fileobj is sys.stdin:
                return


if __name__ == "__main__":
    main(*sys.argv[1:3])
