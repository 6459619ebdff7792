"""One stream's connection, driven by the network thread: TCP, TLS on it, or UDP beside it.

Owns `Link`: sockets, session, counters. Invariants: no call blocks; every way to the end is one raised
`CameraError` (or the sink's own error), after which `close()` leaves neither socket nor login claim; a
camera that floods is cut off before it can slow the others; over TLS nothing is sent before the gate trusts the
camera's certificate, and no video comes beside it in clear.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass

from drivers.gate import LoginGate
from drivers.rtsp.datagrams import Datagrams, Where
from drivers.rtsp.habits import Habit
from drivers.rtsp.protocol import Phase, RtspSession, StreamSink, Timeouts
from drivers.rtsp.rtp import SenderReport
from drivers.rtsp.source import RtspSource
from drivers.rtsp.tls import TlsClient
from drivers.rtsp.tracks import Takers, Tracks
from gateway.core.errors import CameraBadReply, CameraSilent, CameraUnreachable
from gateway.core.media import CodecConfig

READ_BYTES = 64 * 1024
"""Asked of the kernel at once. Above 128 KiB the C library maps fresh pages for each read: 16 us instead of 3."""
MOST_READS = 4
"""Of one connection at a wake-up: the others wait."""
MOST_BYTES_PER_S = 16_000_000
"""128 Mbit/s: no camera sends that much."""
MOST_PACKETS_PER_S = 40_000
MOST_UNSENT_BYTES = 1 << 20
"""A camera that has us answer and does not read."""


@dataclass(frozen=True, slots=True)
class Address:
    """A resolved peer."""

    family: int
    where: Where


@dataclass(frozen=True, slots=True)
class StreamStatistics:
    """Counters of one stream since its connection began."""

    source: RtspSource
    phase: str
    transport: str
    """tcp, tls or udp."""
    config: CodecConfig | None
    reads: int
    bytes: int
    packets: int
    units: int
    lost: int
    """RTP packets missing by sequence number."""
    damaged: int
    """Units left out because a part was missing."""
    late: int
    malformed: int
    foreign: int
    unconfigured: int
    """Units before the first parameter sets."""
    jumps: int
    """Units whose time jumped: stamped by the receive clock."""
    early: int
    """UDP packets that had to wait for others before them."""
    audio_units: int
    rubbish_bytes: int
    report: SenderReport | None
    """The camera's last RTCP sender report: a diagnostic, never the index."""


def _unreachable(source: RtspSource, code: int) -> CameraUnreachable:
    name = errno.errorcode.get(code, str(code))
    return CameraUnreachable(f"cannot connect: {os.strerror(code)}", address=source.authority, reason=name)


class Link:
    """Owned by the network thread after construction; `statistics()` may be read from any."""

    def __init__(
        self,
        source: RtspSource,
        address: Address,
        gate: LoginGate,
        sink: StreamSink,
        *,
        timeouts: Timeouts,
        on_end: Callable[[], None],
        habit: Habit | None = None,
        takers: Takers | None = None,
    ) -> None:
        self.source = source
        self.session = RtspSession(
            source,
            gate,
            sink,
            hosts=(address.where[0].lower(),),
            timeouts=timeouts,
            tracks=Tracks(habit, make_pair=None if source.tls else self._open_pair, takers=takers or Takers()),
        )
        self._gate = gate
        self._tls = TlsClient() if source.tls else None
        self._pairs: list[Datagrams] = []
        self.socket: socket.socket | None = None
        self.outcome: Exception | None = None
        """Why it ended; None after a teardown we asked for."""
        self.leaving = False
        self.on_end = on_end
        self.events = 0
        """What the selector watches for now."""
        self.watched: tuple[socket.socket, ...] = ()
        """UDP sockets that the selector watches now."""
        self._address, self._times = address, timeouts
        self._connected = False
        self._opened_ns = self._window_ns = 0
        self._unsent = b""
        self._reads = self._bytes = self._window_bytes = self._window_frames = 0

    def open(self, now_ns: int) -> socket.socket:
        """Begin to connect; raises CameraUnreachable if that fails at once."""
        self._opened_ns = self._window_ns = now_ns
        try:
            self.socket = socket.socket(self._address.family, socket.SOCK_STREAM)
            self.socket.setblocking(False)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise _unreachable(self.source, error.errno or 0) from error
        code = self.socket.connect_ex(self._address.where)
        if code not in (0, errno.EINPROGRESS):
            raise _unreachable(self.source, code)
        return self.socket

    def wanted(self) -> int:
        """Return the selector events to watch for."""
        if not self._connected:
            return selectors.EVENT_WRITE
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)

    @property
    def datagram_sockets(self) -> tuple[socket.socket, ...]:
        """UDP sockets to watch for reading: while playing only, what comes before waits in the kernel."""
        if not self._pairs or self.session.phase is not Phase.PLAYING:
            return ()
        open_now = self.session.tracks.pairs
        return tuple(sock for pair in self._pairs if pair in open_now for sock in pair.sockets)

    def datagrams(self, now_ns: int) -> None:
        """Read what came over UDP; raises what ends the stream."""
        for pair in self._pairs:
            if pair in self.session.tracks.pairs:
                packets, reports = pair.media(), pair.reports()
                self._reads += 1
                self._bytes += sum(map(len, packets))
                self.session.datagrams(pair, packets, reports, now_ns)

    def ready(self, mask: int, now_ns: int) -> None:
        """Do what the socket is ready for; raises what ends the stream."""
        if not self._connected:
            self._connect(now_ns)
        elif mask & selectors.EVENT_READ:
            self._read(now_ns)
        self._flush()

    def tick(self, now_ns: int) -> None:
        """Look at the clock; raises what ends the stream."""
        if not self._connected:
            if now_ns - self._opened_ns > self._times.connect_s * 1e9:
                raise _unreachable(self.source, errno.ETIMEDOUT)
            return
        if self._tls is not None and not self._tls.established:
            if now_ns - self._opened_ns > self._times.handshake_s * 1e9:
                raise CameraSilent("the camera did not finish the TLS handshake", address=self.source.authority)
            return
        self._limit(now_ns)
        self.session.tick(now_ns)
        self._flush()

    def leave(self) -> None:
        """Ask the camera to end the session."""
        self.leaving = True
        self.session.teardown()
        self._flush()

    @property
    def left(self) -> bool:
        """True when nothing more is to come after `leave()`."""
        return self.leaving and (not self._connected or self.session.phase is Phase.LEFT)

    @property
    def transport(self) -> str:
        """How the stream comes, in a word."""
        if self.source.tls:
            return "tls"
        return "udp" if self.session.tracks.udp else "tcp"

    def close(self) -> None:
        """Close the socket and give the login back; safe to call twice."""
        self.session.release()
        if self.socket is not None:
            self.socket.close()

    def statistics(self) -> StreamStatistics:
        """Return the counters at this moment."""
        media, audio = self.session.media, self.session.tracks.audio
        return StreamStatistics(
            self.source,
            self.session.phase.name.lower(),
            self.transport,
            media.sets.config if media else None,
            self._reads,
            self._bytes,
            media.packets if media else 0,
            media.units if media else 0,
            media.lost if media else 0,
            media.damaged if media else 0,
            media.late if media else 0,
            media.malformed if media else 0,
            media.foreign if media else 0,
            media.unconfigured if media else 0,
            media.jumps if media else 0,
            self.session.tracks.early,
            audio.units if audio else 0,
            self.session.framer.rubbish_bytes,
            self.session.tracks.report,
        )

    def _connect(self, now_ns: int) -> None:
        assert self.socket is not None
        if code := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise _unreachable(self.source, code)
        self._connected = True
        if self._tls is None:
            self.session.start(now_ns, self.socket.getsockname()[0])
        else:
            self._tls.receive(b"")

    def _open_pair(self) -> Datagrams:
        """Open UDP for a track, beside our end of the connection."""
        assert self.socket is not None
        pair = Datagrams(self.socket.getsockname(), self._address.where)
        self._pairs.append(pair)
        return pair

    def _receive(self, tls: TlsClient, data: bytes, now_ns: int) -> None:
        """Take bytes through TLS; the session begins when the certificate is trusted."""
        was = tls.established
        plain = tls.receive(data)
        if tls.established and not was:
            assert self.socket is not None
            self._gate.trust(tls.fingerprint)
            self.session.start(now_ns, self.socket.getsockname()[0])
        if plain:
            self.session.receive(plain, now_ns)
        if tls.ended:
            raise self.session.closed("tls")

    def _read(self, now_ns: int) -> None:
        assert self.socket is not None
        for _ in range(MOST_READS):
            try:
                data = self.socket.recv(READ_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                raise self.session.closed(errno.errorcode.get(error.errno or 0, "")) from error
            if not data:
                raise self.session.closed()
            self._reads += 1
            self._bytes += len(data)
            if self._tls is None:
                self.session.receive(data, now_ns)
            else:
                self._receive(self._tls, data, now_ns)
            if len(data) < READ_BYTES:
                return

    def _flush(self) -> None:
        assert self.socket is not None
        output = self.session.take_output()
        if self._tls is not None:
            self._tls.write(output)
            output = self._tls.take_output()
        self._unsent += output
        if not self._unsent:
            return
        if len(self._unsent) > MOST_UNSENT_BYTES:
            raise CameraBadReply("the camera asks and does not read", limit_bytes=MOST_UNSENT_BYTES)
        try:
            self._unsent = self._unsent[self.socket.send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError as error:
            raise self.session.closed(errno.errorcode.get(error.errno or 0, "")) from error

    def _limit(self, now_ns: int) -> None:
        """End a stream that sends more in a second than any camera does."""
        frames = self.session.tracks.frames
        fast = self._bytes - self._window_bytes > MOST_BYTES_PER_S
        if fast or frames - self._window_frames > MOST_PACKETS_PER_S:
            raise CameraBadReply("the camera floods", address=self.source.authority)
        if now_ns - self._window_ns >= 1e9:
            self._window_ns, self._window_bytes, self._window_frames = now_ns, self._bytes, frames
