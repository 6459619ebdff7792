"""A process that notes whom a machine speaks to: run inside a network namespace, as root.

`python -m tests.fakes.wire_watch INTERFACE`: turns IPv6 off there (the kernel's own neighbour chatter proves
nothing), prints "ready", and when its input ends {"asked": {...}, "missed": n} as JSON: the IPv4
addresses that any outgoing packet was for, ARP questions included, each with its bytes of IPv4, and how many packets
it missed.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import struct
import sys
from collections import Counter
from pathlib import Path

from tests.fakes.third_host import ETH_P_IP, packets_sent

ETH_P_ARP = 0x0806
SOL_PACKET, PACKET_STATISTICS = 263, 6


def asked(kind: int, data: bytes) -> str:
    """Return whom a packet is for; its type when it is neither IPv4 nor ARP."""
    if kind == ETH_P_IP:
        return socket.inet_ntoa(data[16:20])
    return socket.inet_ntoa(data[24:28]) if kind == ETH_P_ARP else hex(kind)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(interface: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
    wire = packets_sent(interface)
    wire.setblocking(False)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    selector = selectors.DefaultSelector()
    selector.register(wire, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    say("ready")
    seen: Counter[str] = Counter()
    over = False
    while not over:
        over = any(key.fileobj is sys.stdin for key, _ in selector.select())
        with contextlib.suppress(BlockingIOError):
            while True:
                data, (_, kind, *_) = wire.recvfrom(128)
                seen[asked(kind, data)] += int.from_bytes(data[2:4], "big") if kind == ETH_P_IP else 0
    _, missed = struct.unpack("II", wire.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
    say(json.dumps({"asked": seen, "missed": missed}))


if __name__ == "__main__":
    main(sys.argv[1])
