"""A host that must never be spoken to: listens where attackers point, and watches the wire if it may.

The ports catch whoever connects. The packet socket (root only, Linux) also catches packets to ports
where nobody listens.
"""

from __future__ import annotations

import contextlib
import ctypes
import selectors
import socket
import struct
import threading
from types import TracebackType
from typing import Self

TCP_PORTS = (80, 443, 554, 8554, 8899)
UDP_PORTS = (18777, 18778, 3702)
ETH_P_ALL, ETH_P_IP = 3, 0x0800
SO_ATTACH_FILTER = 26
LOAD, IF_EQUAL = 0x20, 0x15
PACKET_TYPE = 0xFFFFF004
"""Where a filter finds it (SKF_AD_OFF + SKF_AD_PKTTYPE)."""
TAKE, LEAVE = (0x06, 0, 0, 0x40000), (0x06, 0, 0, 0)


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint))


def packets(interface: str, protocol: int, *program: tuple[int, int, int, int]) -> socket.socket:
    """Return a socket that reads packets which a filter program takes; PermissionError without the right."""
    instructions = (_Instruction * len(program))(*(_Instruction(*line) for line in program))
    found = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(protocol))
    descriptor = struct.pack("HL", len(program), ctypes.addressof(instructions))
    found.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, descriptor)
    found.bind((interface, protocol))
    return found


def packets_to(address: str) -> socket.socket:
    """Return a socket that reads the IPv4 packets on loopback with this destination."""
    number = struct.unpack(">I", socket.inet_aton(address))[0]
    return packets("lo", ETH_P_IP, (LOAD, 0, 0, 16), (IF_EQUAL, 0, 1, number), TAKE, LEAVE)


def packets_sent(interface: str) -> socket.socket:
    """Return a socket that reads what this machine itself sends by a card."""
    return packets(
        interface, ETH_P_ALL, (LOAD, 0, 0, PACKET_TYPE), (IF_EQUAL, 0, 1, socket.PACKET_OUTGOING), TAKE, LEAVE
    )


class ThirdHost:
    """Listens while entered; `heard` names every connection, datagram and packet that came."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.heard: list[str] = []
        self.data = bytearray()
        self.sees_packets = False
        self._selector = selectors.DefaultSelector()
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._selector.register(self._stopped, selectors.EVENT_READ, "stop")
        for port in TCP_PORTS:
            with contextlib.suppress(PermissionError):  # low ports: root only
                self._selector.register(socket.create_server((self.address, port)), selectors.EVENT_READ, f"tcp {port}")
        for port in UDP_PORTS:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind((self.address, port))
            self._selector.register(sock, selectors.EVENT_READ, f"udp {port}")
        with contextlib.suppress(PermissionError):
            self._selector.register(packets_to(self.address), selectors.EVENT_READ, "packet")
            self.sees_packets = True
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.send(b"x")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._stop.close()
        self._selector.close()

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data == "stop":
                    return
                self._take(key.data, key.fileobj)

    def _take(self, name: str, sock: object) -> None:
        assert isinstance(sock, socket.socket)
        self.heard.append(name)
        if not name.startswith("tcp"):
            self.data += sock.recvfrom(65_536)[0]
            return
        with sock.accept()[0] as peer, contextlib.suppress(OSError):
            peer.settimeout(1)
            self.data += peer.recv(65_536)
