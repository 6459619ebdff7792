"""A process that answers SADP on one address: run inside a network namespace.

`python -m tests.fakes.sadp_camera ADDRESS [group]`: prints "ready", answers each inquiry to its sender, or
with `group` to everybody, and prints how many it heard when its input ends.
"""

from __future__ import annotations

import selectors
import socket
import sys

from drivers.discovery import sadp


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(address: str, to: str = "") -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("", sadp.PORT))
    sock.setsockopt(
        socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(sadp.GROUP) + socket.inet_aton(address)
    )
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    answer = (
        f"<ProbeMatch><DeviceDescription>DS</DeviceDescription><DeviceSN>{address}</DeviceSN>"
        f"<MAC>02-00-00-00-00-07</MAC><IPv4Address>{address}</IPv4Address><Activated>false</Activated></ProbeMatch>"
    ).encode()
    selector = selectors.DefaultSelector()
    selector.register(sock, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    say("ready")
    heard = 0
    while True:
        for key, _ in selector.select():
            if key.fileobj is sock:
                data, peer = sock.recvfrom(65_536)
                if b"<Types>inquiry</Types>" in data:
                    heard += 1
                    sock.sendto(answer, (sadp.GROUP, sadp.PORT) if to == "group" else peer)
            elif not sys.stdin.readline():
                say(str(heard))
                return


if __name__ == "__main__":
    main(*sys.argv[1:])
