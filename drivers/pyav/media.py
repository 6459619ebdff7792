"""A stream's RTP on its way to FFmpeg, and the pictures that come back.

Owns `RelayedMedia`: the second engine's stand-in for the native depacketizer. Invariants: FFmpeg gets whole
video frames of the camera in order and nothing else; what waits for it is bounded; a picture with a hole
in it is not delivered, as in the native engine, although FFmpeg would; `feed` and `packet` run in the
network thread, `picture` in the event loop, and what they share is one dictionary of arrivals and, under a
lock, the child's connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

from drivers.rtsp.depacketize import MOST_AHEAD, Depacketizer
from drivers.rtsp.parametersets import ParameterSets
from drivers.rtsp.payload import H264Depacketizer, H265Depacketizer
from gateway.core.errors import CameraClosed
from gateway.core.media import AccessUnit, Codec

MOST_WAITING_BYTES = 16 << 20
"""What a child may be behind: eight seconds of the fastest camera."""
MOST_ARRIVALS = 512
_PACKET = struct.Struct(">xBHI")
_STAMP = struct.Struct(">I")
_MASK = 0xFFFFFFFF
_SHIFT = 90_000


def shifted(frames: bytes) -> bytearray:
    """Return whole frames with other timestamps.

    FFmpeg takes a first timestamp of 0 for none at all, and counts from the second picture's instead.
    """
    moved, at = bytearray(frames), 0
    while at < len(moved):
        (stamp,) = _STAMP.unpack_from(moved, at + 8)
        _STAMP.pack_into(moved, at + 8, (stamp + _SHIFT) & _MASK)
        at += 4 + (moved[at + 2] << 8 | moved[at + 3])
    return moved


@dataclass(slots=True)
class Arrival:
    """What is known of the packets with one timestamp."""

    read_ns: int
    lost: int = 0
    """Packets missing before or in it."""
    broken: bool = False


class RelayedMedia(Depacketizer):
    """Hands frames to a child's connection; takes back what FFmpeg made of them."""

    def __init__(
        self, channel: int, payload_type: int, sets: ParameterSets, deliver: Callable[[AccessUnit], None]
    ) -> None:
        super().__init__(channel, payload_type, sets, deliver)
        self.payload_type = payload_type
        self.channel = channel
        self._arrivals: dict[int, Arrival] = {}
        self._first = self._sequence = self._rtp = -1
        self._closed = True
        """The last packet ended its picture."""
        self._waiting = bytearray()
        self._child: socket.socket | None = None
        self._gone = False
        self._sending = threading.Lock()
        self._attached = asyncio.Event()

    # in the network thread

    def feed(self, data: bytes, at: int, read_ns: int) -> int:
        """Take whole frames of our channel from `at` on; return the offset of the first not taken."""
        begun, last = at, len(data) - 4
        while at <= last and data[at] == 0x24 and data[at + 1] == self.channel:
            stop = at + 4 + (data[at + 2] << 8 | data[at + 3])
            if stop > last + 4 or stop - at < 16:
                break
            if not self._note(data, at + 4, read_ns):
                if at > begun:
                    self._send(data[begun:at])
                begun = stop
            at = stop
        if at > begun:
            self._send(data[begun:at])
        return at

    def packet(self, data: bytes, at: int, stop: int, read_ns: int) -> None:
        """Take the RTP packet `data[at:stop]`, which came before PLAY was answered or is very short."""
        if stop - at < 12 or data[at] >> 6 != 2:
            self.malformed += 1
            return
        if self._note(data, at, read_ns):
            self._send(struct.pack(">BBH", 0x24, self.channel, stop - at) + data[at:stop])

    def _note(self, data: bytes, at: int, read_ns: int) -> bool:
        """Keep account of one packet: sequence, time, and what is missing before it; False: FFmpeg is not to have it.

        It would take a late or repeated packet for the next piece of its picture.
        """
        kind, sequence, stamp = _PACKET.unpack_from(data, at)
        if kind & 0x7F != self._payload_type:
            self.foreign += 1
            return False
        missing = (sequence - self._sequence - 1) & 0xFFFF if self._sequence >= 0 else 0
        anew = missing >= MOST_AHEAD
        if anew and sequence != self._late_next:
            self.late, self._late_next = self.late + 1, (sequence + 1) & 0xFFFF
            return False
        missing = 0 if anew else missing
        self.packets += 1
        if self._first < 0:
            self._first = stamp
        self._sequence, self._late_next = sequence, -1
        arrival = self._arrivals.get(stamp)
        if arrival is None:
            arrival = self._arrivals[stamp] = Arrival(read_ns)
            if len(self._arrivals) > MOST_ARRIVALS:
                self._arrivals.pop(self._stamps()[0], None)
        if missing or anew:  # of one that counts anew the first packet was left out
            self.lost += missing
            arrival.lost += missing
            arrival.broken = True
            if not self._closed and (before := self._arrivals.get(self._rtp)) is not None:
                before.broken = True
        arrival.read_ns, self._rtp, self._closed = read_ns, stamp, bool(kind & 0x80)
        return True

    def _send(self, data: bytes) -> None:
        """Send to the child what it takes now; CameraClosed if it is too far behind.

        That it is gone is seen in the event loop, which then says goodbye to the camera.
        """
        self._waiting += data if self._first else shifted(data)
        if len(self._waiting) > MOST_WAITING_BYTES:
            raise CameraClosed("the second engine does not keep up", waiting_bytes=len(self._waiting), engine="pyav")
        with self._sending:
            if self._child is None and not self._gone:
                return
            try:
                sent = self._child.send(self._waiting) if self._child is not None else len(self._waiting)
            except BlockingIOError:
                return
            except OSError:
                sent = len(self._waiting)
        del self._waiting[:sent]

    # in the event loop

    def detach(self) -> None:
        """Send nothing any more: the child's connection is about to be closed.

        Closed under a `send` of the network thread, its number could already be that of another connection.
        """
        with self._sending:
            self._child, self._gone = None, True

    def attach(self, child: socket.socket) -> None:
        """Send to the child from now on, in the network thread; it has been told that PLAY was accepted."""
        self._child = child
        self._attached.set()

    async def drain(self) -> None:
        """Send the rest and the end of the stream, to a child that may still be starting.

        The camera's side, and with it the network thread's part, is done.
        """
        await self._attached.wait()
        child = self._child
        if child is None:  # it was detached meanwhile
            return
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().sock_sendall(child, bytes(self._waiting))
            child.shutdown(socket.SHUT_WR)

    def picture(self, pts_90k: int | None, annex_b: bytes, now_ns: int) -> None:
        """Deliver one picture as FFmpeg framed it, by the rules of the native engine."""
        stamp = next(iter(self._stamps()), 0) if pts_90k is None else (self._first + pts_90k) & _MASK
        arrival = self._arrived(stamp) or Arrival(now_ns)
        self._lost_before += arrival.lost
        self._stamp, self._read_ns = stamp << 32, arrival.read_ns
        self._broken = arrival.broken
        if arrival.broken:
            self._pictures = 1
        else:
            self._split(annex_b)
        self._end_unit()

    def _arrived(self, stamp: int) -> Arrival | None:
        """Take what is known of a picture, and forget those before it: FFmpeg made nothing of them."""
        stamps, lost = self._stamps(), 0
        if stamp not in stamps:
            return None
        for known in stamps[: stamps.index(stamp) + 1]:
            arrival = self._arrivals.pop(known, None)
            lost += arrival.lost if arrival is not None else 0
            if known == stamp and arrival is not None:
                arrival.lost = lost
                return arrival
        return None

    def _stamps(self) -> list[int]:
        """Return the timestamps that are known, oldest first: a copy, since the other thread changes them."""
        return list(self._arrivals)


class RelayedH264(RelayedMedia, H264Depacketizer):
    """H.264."""


class RelayedH265(RelayedMedia, H265Depacketizer):
    """H.265."""


def make_relayed(
    channel: int, payload_type: int, sets: ParameterSets, deliver: Callable[[AccessUnit], None]
) -> RelayedMedia:
    """Return the stand-in for the codec of `sets`; see `drivers.rtsp.payload.make_depacketizer`."""
    kind = RelayedH264 if sets.codec is Codec.H264 else RelayedH265
    return kind(channel, payload_type, sets, deliver)
