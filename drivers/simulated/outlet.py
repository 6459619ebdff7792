"""Ways out for RTP: interleaved on the RTSP connection, or UDP.

Owns the sockets of UDP tracks and the bounded use of a TCP connection's buffer. Invariants: `send` never
blocks; bytes waiting for a slow reader are at most `MOST_WAITING_BYTES` plus one access unit; a datagram
that the kernel refuses is lost, as on a wire.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

from drivers.simulated.rtp import VIDEO_PAYLOAD_TYPE, interleaved, interleaved_rtp, rtp_header
from gateway.core.errors import AddressTaken

MOST_WAITING_BYTES = 2 << 20
"""About 8 s of a 2 Mbit/s stream: then whole access units are dropped."""
_PORT_TRIES = 50


class Outlet(Protocol):
    """Where one track's packets go."""

    def full(self) -> bool:
        """Say whether the reader is too far behind to take another access unit."""

    def send(
        self,
        payloads: list[tuple[int, bytes]],
        *,
        last_seq: int,
        time_90k: int,
        ssrc: int,
        kind: int = VIDEO_PAYLOAD_TYPE,
    ) -> None:
        """Send one access unit: (sequence number, payload) pairs; the marker goes on `last_seq`."""

    def send_rtcp(self, data: bytes) -> None:
        """Send one RTCP compound packet."""

    def close(self) -> None:
        """Release what is ours; harmless twice."""


class ByteSink(Protocol):
    """The write half of an RTSP connection: all its bytes go through one of these."""

    def write(self, data: bytes) -> None:
        """Queue bytes; never blocks."""

    def waiting_bytes(self) -> int:
        """Return the bytes not yet given to the kernel."""

    def close(self) -> None:
        """Give up what is the sink's own; the connection itself belongs to the server."""


class InterleavedOutlet:
    """RTP inside the RTSP connection (RFC 2326 §10.12)."""

    def __init__(self, sink: ByteSink, channel: int) -> None:
        self._sink, self._channel = sink, channel

    def full(self) -> bool:
        """Say whether the connection's buffer is over its bound."""
        return self._sink.waiting_bytes() > MOST_WAITING_BYTES

    def send(
        self,
        payloads: list[tuple[int, bytes]],
        *,
        last_seq: int,
        time_90k: int,
        ssrc: int,
        kind: int = VIDEO_PAYLOAD_TYPE,
    ) -> None:
        """Write the whole access unit at once: one system call, not one a packet."""
        parts: list[bytes] = []
        for seq, payload in payloads:
            marker = seq == last_seq
            size = len(payload)
            parts.append(
                interleaved_rtp(self._channel, size, marker=marker, seq=seq, time_90k=time_90k, ssrc=ssrc, kind=kind)
            )
            parts.append(payload)
        self._sink.write(b"".join(parts))

    def send_rtcp(self, data: bytes) -> None:
        """Write to the odd channel of the pair."""
        self._sink.write(interleaved(self._channel + 1, data))

    def close(self) -> None:
        """Own nothing: the connection belongs to the server."""


class UdpOutlet:
    """RTP and RTCP from a pair of ports of the camera's address (RFC 3550 §11)."""

    def __init__(
        self,
        local: str,
        remote: str,
        remote_port: int,
        on_rtcp: Callable[[], None],
        swaps: Callable[[], bool] = lambda: False,
    ) -> None:
        """Send to `remote`; while `swaps()` says so, neighbouring packets change places on the way."""
        self._swaps = swaps
        self._rtp, self._rtcp, self.port = _port_pair(local)
        self._to, self._to_rtcp, self._heard = (remote, remote_port), (remote, remote_port + 1), on_rtcp
        self._open = True
        asyncio.get_running_loop().add_reader(self._rtcp, self._read)

    def full(self) -> bool:
        """Never: the network drops what it cannot carry."""
        return False

    def send(
        self,
        payloads: list[tuple[int, bytes]],
        *,
        last_seq: int,
        time_90k: int,
        ssrc: int,
        kind: int = VIDEO_PAYLOAD_TYPE,
    ) -> None:
        """Send each packet; what the kernel has no room for is lost."""
        if self._swaps():
            payloads = [pair for at in range(0, len(payloads), 2) for pair in reversed(payloads[at : at + 2])]
        for seq, payload in payloads:
            head = rtp_header(marker=seq == last_seq, seq=seq, time_90k=time_90k, ssrc=ssrc, kind=kind)
            self._datagram(self._rtp, head + payload, self._to)

    def send_rtcp(self, data: bytes) -> None:
        """Send to the client's odd port."""
        self._datagram(self._rtcp, data, self._to_rtcp)

    def close(self) -> None:
        """Close both sockets."""
        if self._open:
            self._open = False
            asyncio.get_running_loop().remove_reader(self._rtcp)
            self._rtp.close()
            self._rtcp.close()

    def _read(self) -> None:
        try:
            self._rtcp.recv(2048)
        except OSError:
            return  # port unreachable: the client is going; its RTSP connection says so
        self._heard()

    @staticmethod
    def _datagram(sock: socket.socket, data: bytes, to: tuple[str, int]) -> None:
        try:
            sock.sendto(data, to)
        except OSError:
            return  # a full buffer or an unreachable port loses the datagram, as a network does


def _port_pair(local: str) -> tuple[socket.socket, socket.socket, int]:
    """Bind an even port and the next one; raises AddressTaken when none is found."""
    for _ in range(_PORT_TRIES):
        first, second = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        try:
            first.bind((local, 0))
            port = first.getsockname()[1]
            if port % 2 == 0:
                second.bind((local, port + 1))
                first.setblocking(False)
                second.setblocking(False)
                return first, second, port
        except OSError:
            pass  # the odd neighbour is taken: try another pair
        first.close()
        second.close()
    raise AddressTaken(f"no free pair of UDP ports on {local}", address=local)
