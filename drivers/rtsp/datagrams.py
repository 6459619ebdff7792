"""UDP of one track: a pair of sockets that hears one host and speaks to none (RFC 3550 §11).

Owns `Datagrams`. Invariants: bound to our own address of the RTSP connection, on an even port and the next;
connected to the camera's address and the ports it named, so that the kernel drops what anybody else
sends; of a camera that names none the first port it sends from is taken; what came before that is thrown away;
nothing is ever sent; no call blocks, one reads at most `MOST_READ` packets.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable
from typing import TypeAlias

from gateway.core.errors import CameraUnreachable

RECEIVE_BYTES = 2 << 20
"""Asked of the kernel (it may give less): a key frame at line speed while we batch."""
MOST_READ = 1_024
MOST_DATAGRAM_BYTES = 65_536
LEAST_BYTES = 12
PORT_TRIES = 50

Where: TypeAlias = tuple[str, int] | tuple[str, int, int, int]


def _at(where: Where, port: int) -> Where:
    """Return the same host (and scope) with another port."""
    return (where[0], port) if len(where) == 2 else (where[0], port, where[2], where[3])


def _failure(error: OSError, peer: Where, what: str) -> CameraUnreachable:
    return CameraUnreachable(what, address=peer[0], reason=errno.errorcode.get(error.errno or 0, "ports"))


class _Ear:
    """One socket: deaf until it is known whom to hear."""

    def __init__(self, sock: socket.socket, peer: Where) -> None:
        self.socket, self._peer = sock, peer
        self._port = -1
        """The camera's port; 0 while any port of its host may be the one, -1 before `hear`."""
        self.strangers = 0

    def hear(self, port: int) -> None:
        """Hear the camera's `port` only, 0: the first it sends from. What is here already is thrown away."""
        self._connect(port)
        with contextlib.suppress(BlockingIOError):
            for _ in range(MOST_READ):
                with contextlib.suppress(ConnectionError):
                    self.socket.recv(1)

    def _connect(self, port: int) -> None:
        self._port = port
        try:
            if port > 0:
                self.socket.connect(_at(self._peer, port))
        except OSError as error:
            raise _failure(error, self._peer, "the camera's UDP port cannot be reached") from error

    def read(self, buffer: bytearray) -> list[bytes]:
        """Return the camera's packets that are here."""
        packets: list[bytes] = []
        view = memoryview(buffer)
        for _ in range(MOST_READ):
            try:
                length, where = self.socket.recvfrom_into(buffer)
            except BlockingIOError:
                break
            except ConnectionError:  # an ICMP message of the camera: it says nothing about the next packet
                continue
            except OSError as error:
                raise _failure(error, self._peer, "UDP cannot be read") from error
            if not self._is_camera(where):
                self.strangers += 1
            elif length >= LEAST_BYTES:
                packets.append(bytes(view[:length]))
        return packets

    def _is_camera(self, where: Where) -> bool:
        """Check also what the kernel lets through: it may have been waiting since before it knew."""
        if self._port == 0 and where[0] == self._peer[0]:
            self._connect(where[1])
        return where[0] == self._peer[0] and where[1] == self._port


def _pair(make: Callable[[], socket.socket], local: Where) -> tuple[socket.socket, socket.socket]:
    """Bind an even port and the next one of our address."""
    for _ in range(PORT_TRIES):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):  # a neighbour is taken: another pair
            first = stack.enter_context(make())
            second = stack.enter_context(make())
            first.bind(_at(local, 0))
            port = int(first.getsockname()[1])
            if port % 2 == 0:
                second.bind(_at(local, port + 1))
                stack.pop_all()
                return first, second
    raise OSError("no free pair of UDP ports")


class Datagrams:
    """The pair of one track; used by the network thread only."""

    def __init__(self, local: Where, peer: Where) -> None:
        """Bind beside `local` (our end of the RTSP connection); CameraUnreachable if there is no room."""
        family = socket.AF_INET if len(local) == 2 else socket.AF_INET6

        def make() -> socket.socket:
            made = socket.socket(family, socket.SOCK_DGRAM)
            made.setblocking(False)
            return made

        try:
            rtp, rtcp = _pair(make, local)
        except OSError as error:
            raise _failure(error, peer, "no UDP ports are free on the box") from error
        rtp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self.port = int(rtp.getsockname()[1])
        """Our even port; the next one is for RTCP."""
        self._rtp, self._rtcp = _Ear(rtp, peer), _Ear(rtcp, peer)
        self._buffer = bytearray(MOST_DATAGRAM_BYTES)

    @property
    def sockets(self) -> tuple[socket.socket, socket.socket]:
        """The two sockets, for a selector."""
        return self._rtp.socket, self._rtcp.socket

    @property
    def strangers(self) -> int:
        """Packets of others that were thrown away; those the kernel keeps out are not counted."""
        return self._rtp.strangers + self._rtcp.strangers

    def hear(self, rtp_port: int, rtcp_port: int) -> None:
        """Begin to hear the camera's ports, 0 = whatever port it sends from."""
        self._rtp.hear(rtp_port)
        self._rtcp.hear(rtcp_port)

    def media(self) -> list[bytes]:
        """Return the RTP packets that are here, each at least a header long."""
        return self._rtp.read(self._buffer)

    def reports(self) -> list[bytes]:
        """Return the RTCP packets that are here."""
        return self._rtcp.read(self._buffer)

    def close(self) -> None:
        """Close both sockets; safe to call twice."""
        for ear in (self._rtp, self._rtcp):
            ear.socket.close()
