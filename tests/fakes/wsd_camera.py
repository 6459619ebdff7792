"""A process that answers WS-Discovery on one address: run inside a network namespace.

`python -m tests.fakes.wsd_camera ADDRESS ENDPOINT`: prints "ready", says Hello for each line on its
input, answers probes, and prints how many probes it heard when its input ends.
"""

from __future__ import annotations

import selectors
import socket
import struct
import sys

from drivers.discovery import wsd
from tests.unit.test_wsd import device, message


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(address: str, endpoint: str) -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("", wsd.PORT))
    member = struct.pack("4s4s", socket.inet_aton(wsd.GROUP), socket.inet_aton(address))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    inner = device(f"http://{address}/onvif/device_service", uuid=endpoint)
    selector = selectors.DefaultSelector()
    selector.register(sock, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    say("ready")
    probes = 0
    while True:
        for key, _ in selector.select():
            if key.fileobj is sock:
                data, peer = sock.recvfrom(65_536)
                if b"/Probe<" in data:
                    probes += 1
                    sock.sendto(message(f"<d:ProbeMatch>{inner}</d:ProbeMatch>"), peer)
            elif sys.stdin.readline():
                sock.sendto(message(f"<d:Hello>{inner}</d:Hello>"), (wsd.GROUP, wsd.PORT))
            else:
                say(str(probes))
                return


if __name__ == "__main__":
    main(*sys.argv[1:3])
