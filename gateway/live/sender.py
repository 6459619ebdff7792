"""The data plane: one packetised frame out to many viewers.

Owns `Viewer` (what the plane must know of a session), `SendFrame`, the one call every frame leaves through, and
the plain way to make it, packet by packet; `segments.py` is the fast one, and native code could be a third.
Invariants: nothing blocks: a full socket costs that viewer the frames up to the next key frame, counted; after
frames were left out the sequence numbers continue at the next key frame without a hole, but never is a number
used twice that may have left the machine (RFC 7714 §10: it would give the key away); a frame goes to a viewer
only where its last one ended, begins with none that was received before its right, and none that was received
after it is sent, however late the end is noticed; after `stop()` no packet of
that viewer leaves.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from pylibsrtp import Error as SrtpError

from gateway.core.media import TICKS_PER_S
from gateway.live.frames import Frame, History
from gateway.live.rtcp import ntp_time
from gateway.live.srtp import Key

_HEADER = struct.Struct("!BBHII")
_HEADER_TIMED = struct.Struct("!BBHIIII")
FOREVER_NS = 1 << 63
"""Later than any monotonic time: no end is set."""
ONE_BYTE_EXTENSION = 0xBEDE0001
"""RFC 8285 §4.2: one word of extension elements follows."""


class DatagramSocket(Protocol):
    """What a packet leaves through: a UDP socket, or a relay that looks like one."""

    def sendto(self, data: bytes, flags: int, address: tuple[str, int], /) -> int:
        """Send one datagram; BlockingIOError when its buffer is full."""


class Outlet(NamedTuple):
    """The nominated path of a viewer."""

    socket: DatagramSocket
    address: tuple[str, int]
    relayed: bool = False
    """Through a TURN server: beyond the uplink, wherever that stands."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The RTP numbers of one viewer.

    Viewers of one stream have them alike as far as that goes, so that its packets are laid out once: the random start
    of RFC 3550 §5.1 guards packets in the clear, ours are encrypted with a key for each viewer.
    """

    ssrc: int
    payload_type: int
    first_seq: int
    ts_offset: int
    abs_send_time_id: int = 0
    """Header extension id of abs-send-time; 0 = not negotiated."""
    may_follow: bool = False
    """No number of this line was used: it may begin where the stream's count of packets stands."""


class Viewer:
    """One receiver of a stream: numbers, key, path, counters. Used in the event loop only."""

    def __init__(
        self, numbers: Numbers, protect: Callable[[bytes], bytes], outlet: Callable[[], Outlet | None]
    ) -> None:
        self.numbers, self.protect, self._outlet = numbers, protect, outlet
        self.key: Key | None = None
        """For encryption in place, once connected; None = only `protect` will do."""
        self._known: Outlet | None = None
        self.singly_on: Outlet | None = None
        """The path that has refused segments."""
        self.stopped = False
        self.not_before_ns = 0
        """Monotonic: pictures received earlier are not this viewer's to see."""
        self.not_after_ns = FOREVER_NS
        """Monotonic: nor are those received from here on, unless the right is renewed."""
        self.waits_for_key = True
        self.next_seq = numbers.first_seq
        """Extended (never wrapped) sequence number of the next packet."""
        self.shift = 0
        """`extended sequence number = packet index + shift`, from `base_index` on."""
        self.base_index = 0
        self.last_sent: Frame | None = None
        self._last_rtp = 0
        self.rtp_now_90k: Callable[[], int | None] | None = None
        """The time of a line that others used before: it goes on with this viewer's first frame."""
        self.source: History | None = None
        """Of the stream that sends to it: packet indexes are that one's."""
        self.frames = self.packets = self.octets = self.wire_bytes = 0
        self.too_late = 0
        """Times the uplink was so full that frames for this viewer were dropped."""
        self.skipped_frames = self.full_socket = self.send_errors = self.no_path = self.refused_segments = 0

    def outlet(self) -> Outlet | None:
        """Return where to send now; None after `stop()` or when ICE has no path any more."""
        return None if self.stopped else self._outlet()

    def path(self) -> Outlet | None:
        """Return where to send the next frame; without a path it is counted and the next key frame waited for."""
        try:
            found = None if self.stopped else self._outlet()
        except OSError:  # no descriptor is left: that must not end the stream for the others
            found = None
        if found is None:
            self.no_path += 1
            self.waits_for_key = True
        self._known = found
        return found

    def known_outlet(self) -> Outlet | None:
        """Return the path of the last frame, or the one to be used first."""
        return self._known if self._known is not None else self.path()

    @property
    def last_rtp_90k(self) -> int:
        """RTP time of the last frame (not wrapped)."""
        return self._last_rtp

    def stop(self) -> None:
        """Send nothing from now on."""
        self.stopped = True

    def begin_at(self, frame: Frame) -> None:
        """Continue the sequence at a key frame, whatever was left out before it."""
        if self.numbers.may_follow:
            if self.next_seq == self.numbers.first_seq:
                # In the lower half: an early wrap breaks SRTP where the first packets are lost (RFC 3711 §3.3.1).
                self.next_seq = frame.first_index & 0x7FFF
            self.numbers = replace(self.numbers, first_seq=self.next_seq, may_follow=False)
        rtp_now_90k = self.rtp_now_90k() if self.rtp_now_90k is not None else None
        if rtp_now_90k is not None:
            self.numbers = replace(self.numbers, ts_offset=(rtp_now_90k - frame.ts_90k) & 0xFFFFFFFF)
        self.rtp_now_90k = None
        self.shift = self.next_seq - frame.first_index
        self.base_index = frame.first_index
        self.waits_for_key = False

    def continue_on(self, frame: Frame) -> None:
        """Take up another stream at its key frame `frame`: RTP time goes on as time did since the last frame."""
        last = self.last_sent
        if last is not None:
            passed_90k = max(1, (frame.received_mono_ns - last.received_mono_ns) * TICKS_PER_S // 1_000_000_000)
            offset = self._last_rtp + passed_90k - frame.ts_90k
            self.numbers = replace(self.numbers, ts_offset=offset & 0xFFFFFFFF)
        self.waits_for_key = True

    def count(self, packets: int, octets: int, wire_bytes: int) -> None:
        """Count packets that were sent."""
        self.next_seq += packets
        self.packets += packets
        self.octets += octets
        self.wire_bytes += wire_bytes

    def sent(self, frame: Frame, end: int) -> None:
        """Note that a frame was sent up to packet `end`."""
        self.last_sent = frame
        self._last_rtp = frame.ts_90k + self.numbers.ts_offset
        self.frames += end == len(frame.payloads)

    def full(self) -> None:
        """Give the rest of the GOP up: the socket took nothing of this packet, its number is free again."""
        self.full_socket += 1
        self.waits_for_key = True

    def fail(self, *, burnt: int) -> None:
        """Give the rest of the GOP up; so many numbers may have left the machine and are never used again."""
        self.send_errors += 1
        self.waits_for_key = True
        self.next_seq += burnt

    def index_of(self, seq: int) -> int | None:
        """Return the packet index of a 16-bit sequence number; None if it was never sent, or long ago."""
        sent = self.next_seq - 1 - ((self.next_seq - 1 - seq) & 0xFFFF)
        index = sent - self.shift
        return index if index >= self.base_index and sent >= self.numbers.first_seq else None


class SendFrame(Protocol):
    """How a frame leaves; never blocks, never raises OSError."""

    def __call__(
        self, frame: Frame, viewers: Iterable[Viewer], *, now_ms: int, first: int = 0, end: int | None = None
    ) -> None:
        """Send packets `first` to `end` (None: all) of a frame to each viewer; headers and encryption per viewer.

        `now_ms` (UTC) is what abs-send-time carries.
        """


def send_frame(frame: Frame, viewers: Iterable[Viewer], *, now_ms: int, first: int = 0, end: int | None = None) -> None:
    """Fit `SendFrame` packet by packet, with nothing but public functions of pylibsrtp and socket."""
    stamp = ntp_time(now_ms) >> 14 & 0xFFFFFF
    end = len(frame.payloads) if end is None else end
    for viewer in viewers:
        if begins(viewer, frame, first) and (outlet := viewer.path()) is not None:
            send_packets(frame, viewer, outlet, stamp, first, end)


def begins(viewer: Viewer, frame: Frame, first: int) -> bool:
    """Say whether a viewer gets a frame from packet `first` on: where its sequence stands, or at a key frame.

    Every way to a viewer's first picture passes here, also for frames that were queued: so this is where what was
    received before its right is refused. What follows a frame was received after it. What was received after the right
    is refused for every frame: a stalled loop may send before it comes to look whose time is up.
    """
    if frame.received_mono_ns >= viewer.not_after_ns:
        viewer.skipped_frames += first == 0
        viewer.waits_for_key = True
        return False
    at = viewer.next_seq - viewer.shift
    if viewer.waits_for_key or (frame.is_key and not first and at < frame.first_index):
        if not frame.is_key or first or frame.received_mono_ns < viewer.not_before_ns:
            viewer.skipped_frames += first == 0
            return False
        viewer.begin_at(frame)
        return True
    return at == frame.first_index + first


def rtp_header(numbers: Numbers, *, marker: bool, seq: int, ts_90k: int, stamp: int) -> bytes:
    """Return the fixed header (RFC 3550 §5.1), with abs-send-time if negotiated."""
    kind = numbers.payload_type | (0x80 if marker else 0)
    ts = (ts_90k + numbers.ts_offset) & 0xFFFFFFFF
    if not numbers.abs_send_time_id:
        return _HEADER.pack(0x80, kind, seq & 0xFFFF, ts, numbers.ssrc)
    element = (numbers.abs_send_time_id << 4 | 2) << 24 | stamp
    return _HEADER_TIMED.pack(0x90, kind, seq & 0xFFFF, ts, numbers.ssrc, ONE_BYTE_EXTENSION, element)


def send_packets(frame: Frame, viewer: Viewer, outlet: Outlet, stamp: int, first: int, end: int) -> None:
    """Send packets `first` to `end` of a frame to one viewer, each by a call of its own."""
    numbers, last = viewer.numbers, len(frame.payloads) - 1
    for place in range(first, end):
        payload = frame.payloads[place]
        head = rtp_header(numbers, marker=place == last, seq=viewer.next_seq, ts_90k=frame.ts_90k, stamp=stamp)
        try:
            packet = viewer.protect(head + payload)
            outlet.socket.sendto(packet, socket.MSG_DONTWAIT, outlet.address)
        except BlockingIOError:
            viewer.full()
            return
        except (OSError, SrtpError):
            # No route, no interface, a used-up key: this viewer's trouble, as good as a full socket for it.
            viewer.fail(burnt=1)
            return
        viewer.count(1, len(payload), len(packet))
    viewer.sent(frame, end)
