"""The data plane: one packetised frame out to many viewers.

Owns `Viewer` (what the plane must know of a session) and `send_frame`, the one function every frame
leaves through: a faster one (segmentation offload) can take its place without anybody noticing.
Invariants: sequence numbers of a viewer have no holes of our making (after frames were left out
they continue at the next key frame); nothing blocks: a full socket costs that viewer the frames up to
the next key frame, counted; after `stop()` no packet of that viewer leaves.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pylibsrtp import Error as SrtpError

from gateway.live.frames import Frame
from gateway.live.rtcp import ntp_time

_HEADER = struct.Struct("!BBHII")
_HEADER_TIMED = struct.Struct("!BBHIIII")
_ONE_BYTE_EXTENSION = 0xBEDE0001
"""RFC 8285 §4.2: one word of extension elements follows."""


class DatagramSocket(Protocol):
    """What a packet leaves through: a UDP socket, or a relay that looks like one."""

    def sendto(self, data: bytes, flags: int, address: tuple[str, int], /) -> int:
        """Send one datagram; BlockingIOError when its buffer is full."""


class Outlet(NamedTuple):
    """The nominated path of a viewer."""

    socket: DatagramSocket
    address: tuple[str, int]


@dataclass(frozen=True, slots=True)
class Numbers:
    """The RTP numbers of one viewer; sequence and time start at random (RFC 3550 §5.1)."""

    ssrc: int
    payload_type: int
    first_seq: int
    ts_offset: int
    abs_send_time_id: int = 0
    """Header extension id of abs-send-time; 0 = not negotiated."""


class Viewer:
    """One receiver of a stream: numbers, key, path, counters. Used in the event loop only."""

    def __init__(
        self, numbers: Numbers, protect: Callable[[bytes], bytes], outlet: Callable[[], Outlet | None]
    ) -> None:
        self.numbers, self.protect, self._outlet = numbers, protect, outlet
        self.stopped = False
        self.not_before_ns = 0
        """Monotonic: pictures received earlier are not this viewer's to see."""
        self.waits_for_key = True
        self.next_seq = numbers.first_seq
        """Extended (never wrapped) sequence number of the next packet."""
        self.shift = 0
        """`extended sequence number = packet index + shift`, from `base_index` on."""
        self.base_index = 0
        self.frames = self.packets = self.octets = self.wire_bytes = 0
        self.skipped_frames = self.full_socket = self.send_errors = self.no_path = 0

    def outlet(self) -> Outlet | None:
        """Return where to send now; None after `stop()` or when ICE has no path any more."""
        return None if self.stopped else self._outlet()

    def stop(self) -> None:
        """Send nothing from now on."""
        self.stopped = True

    def begin_at(self, frame: Frame) -> None:
        """Continue the sequence at a key frame, whatever was left out before it."""
        self.shift = self.next_seq - frame.first_index
        self.base_index = frame.first_index
        self.waits_for_key = False

    def index_of(self, seq: int) -> int | None:
        """Return the packet index of a 16-bit sequence number; None if it was never sent, or long ago."""
        sent = self.next_seq - 1 - ((self.next_seq - 1 - seq) & 0xFFFF)
        index = sent - self.shift
        return index if index >= self.base_index and sent >= self.numbers.first_seq else None


def send_frame(frame: Frame, viewers: Iterable[Viewer], *, now_ms: int) -> None:
    """Send one frame to each viewer, headers and encryption per viewer; never blocks, never raises OSError.

    `now_ms` (UTC) is what abs-send-time carries.
    """
    stamp = ntp_time(now_ms) >> 14 & 0xFFFFFF
    for viewer in viewers:
        if viewer.waits_for_key:
            if not frame.is_key:
                viewer.skipped_frames += 1
                continue
            viewer.begin_at(frame)
        _send(frame, viewer, stamp)


def rtp_header(numbers: Numbers, *, marker: bool, seq: int, ts_90k: int, stamp: int) -> bytes:
    """Return the fixed header (RFC 3550 §5.1), with abs-send-time if negotiated."""
    kind = numbers.payload_type | (0x80 if marker else 0)
    ts = (ts_90k + numbers.ts_offset) & 0xFFFFFFFF
    if not numbers.abs_send_time_id:
        return _HEADER.pack(0x80, kind, seq & 0xFFFF, ts, numbers.ssrc)
    element = (numbers.abs_send_time_id << 4 | 2) << 24 | stamp
    return _HEADER_TIMED.pack(0x90, kind, seq & 0xFFFF, ts, numbers.ssrc, _ONE_BYTE_EXTENSION, element)


def _send(frame: Frame, viewer: Viewer, stamp: int) -> None:
    try:
        outlet = viewer.outlet()
    except OSError:  # no descriptor is left: that must not end the stream for the others
        outlet = None
    if outlet is None:
        viewer.no_path += 1
        viewer.waits_for_key = True
        return
    sink, address = outlet
    numbers, protect = viewer.numbers, viewer.protect
    seq, last = viewer.next_seq, len(frame.payloads) - 1
    try:
        for place, payload in enumerate(frame.payloads):
            head = rtp_header(numbers, marker=place == last, seq=seq, ts_90k=frame.ts_90k, stamp=stamp)
            packet = protect(head + payload)
            sink.sendto(packet, socket.MSG_DONTWAIT, address)
            seq += 1
            viewer.octets += len(payload)
            viewer.wire_bytes += len(packet)
        viewer.frames += 1
    except BlockingIOError:
        viewer.full_socket += 1
        viewer.waits_for_key = True
    except (OSError, SrtpError):
        # No route, no interface, a used-up key: this viewer's trouble, as good as a full socket for it.
        viewer.send_errors += 1
        viewer.waits_for_key = True
    viewer.packets += seq - viewer.next_seq
    viewer.next_seq = seq
