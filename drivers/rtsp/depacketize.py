"""From interleaved RTP to access units: the hot loop of the recorder (RFC 2326 §10.12, RFC 3550).

Owns `Depacketizer`: framing, sequence numbers, unit boundaries; what a payload means is
`drivers.rtsp.payload`. Invariants: a unit with a hole in it is never delivered, so a broken key frame is
never a key frame; every missing packet is counted once; a unit holds at most 8 MiB (and one read) and
512 NAL units; no input raises. Runs in the network thread; the loop makes no object per packet but
the payload.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from drivers.rtsp.parametersets import ParameterSets
from drivers.rtsp.rtp import Unwrapper, payload_bounds
from gateway.core.media import AccessUnit, Codec

MOST_UNIT_BYTES = 8 << 20
MOST_NALS = 512
MOST_FRAGMENTS = 16_384
MOST_CONTRADICTIONS = 2
"""A camera whose codec was changed goes on without a word; its parameter sets tell."""
MOST_AHEAD = 10_000
"""A longer jump of the sequence is a camera that counts anew, not loss (RFC 3550 §A.1)."""

_FRAME = struct.Struct(">HHHHQH")
"""`$` and channel, length; then of RTP: flags and payload type, sequence, timestamp and SSRC, payload."""
_SEQUENCE = struct.Struct(">HQ")


class Depacketizer(ABC):
    """Eats interleaved frames of one channel, hands whole access units to `deliver`."""

    codec: ClassVar[Codec]
    skip_bytes: ClassVar[int]
    """From `$` to the bytes of a middle fragment: 18 for H.264, 19 for H.265."""

    def __init__(
        self, channel: int, payload_type: int, sets: ParameterSets, deliver: Callable[[AccessUnit], None]
    ) -> None:
        self.sets = sets
        self.packets = self.units = self.lost = 0
        self.contradicted = False
        """True once the packets showed parameter sets of another codec than was described."""
        self._contradictions = 0
        self.late = self.malformed = self.foreign = self.damaged = self.unconfigured = 0
        self._deliver = deliver
        self._magic = 0x2400 | channel
        self._payload_type = payload_type
        self._plain = 0x8000 | payload_type
        self._clock = Unwrapper()
        self._want = self._stamp = self._late_next = self._late_want = -1
        self._read_ns = 0
        self._lost_before = 0
        self._markers = True
        """False once the marker was seen to end less than a picture: then timestamps end units."""
        # the unit in the making
        self._nals: list[bytes] = []
        self._parts: list[bytes] = []
        """Fragments of the NAL unit in the making, its header first."""
        self._middle = self._third = -1
        """First two payload bytes of the next middle fragment, and H.265's third; -1 = none is due."""
        self._held_bytes = self._pictures = 0
        self._key = self._broken = False
        self._first_slice = b""
        self._ended_stamp = -1
        """Timestamp and SSRC of the last unit that a marker ended."""

    @property
    def jumps(self) -> int:
        """Units whose time jumped and that were stamped by the receive clock."""
        return self._clock.jumps

    def feed(self, data: bytes, at: int, read_ns: int) -> int:
        """Take whole frames of our channel from `at` on; return the offset of the first not taken.

        Middle fragments, nine packets of ten, are recognised by one unpack and four comparisons.
        """
        begun, skip, last, unpack = at, self.skip_bytes, len(data) - self.skip_bytes, _FRAME.unpack_from
        while at <= last:
            kind, length, head, sequence, stamp, first = unpack(data, at)
            stop = at + 4 + length
            if kind != self._magic or stop > last + skip:
                break
            if (
                first == self._middle
                and sequence == self._want
                and stamp == self._stamp
                and head == self._plain
                and (self._third < 0 or data[at + 18] == self._third)
            ):
                self._parts.append(data[at + skip : stop])
                self._want = (sequence + 1) & 0xFFFF
                self.packets += 1
            else:
                self.packet(data, at + 4, stop, read_ns)
            at = stop
        if self._parts or self._nals:
            self._held_bytes += at - begun
            if self._held_bytes > MOST_UNIT_BYTES or len(self._parts) > MOST_FRAGMENTS:
                self._hurt()
        return at

    def packet(self, data: bytes, at: int, stop: int, read_ns: int) -> None:
        """Take the RTP packet `data[at:stop]`, whatever it holds."""
        if stop - at < 12 or data[at] >> 6 != 2:
            self.malformed += 1
            return
        if data[at + 1] & 0x7F != self._payload_type:
            self.foreign += 1
            return
        bounds = payload_bounds(data, at, stop)
        if bounds is None:
            self.malformed += 1
            return
        sequence, stamp = _SEQUENCE.unpack_from(data, at + 2)
        if sequence != self._want and not self._resequence(sequence, stamp):
            return
        self._want = (sequence + 1) & 0xFFFF
        self.packets += 1
        if stamp != self._stamp:
            self._end_by_stamp(stamp, read_ns)
        self._read_ns = read_ns
        if bounds[0] < bounds[1]:
            self._payload(data, *bounds)
        if data[at + 1] & 0x80 and self._markers and self._pictures:
            self._end_unit()
            self._ended_stamp = stamp

    def _resequence(self, sequence: int, stamp: int) -> bool:
        """Account for a sequence number we did not expect; False if the packet is to be dropped."""
        ahead = (sequence - self._want) & 0xFFFF
        if self._want < 0:
            return True
        anew = sequence == self._late_next and self._want == self._late_want
        if anew or (stamp ^ self._stamp) & 0xFFFFFFFF:
            self._hurt()  # another sender, or one that counts anew: nothing can be said of loss
        elif ahead < MOST_AHEAD:
            self.lost += ahead
            self._lost_before += ahead
            self._hurt()
        else:
            self.late += 1
            self._late_next, self._late_want = (sequence + 1) & 0xFFFF, self._want
            return False
        return True

    def _end_by_stamp(self, stamp: int, read_ns: int) -> None:
        """End the unit in the making because the next packet has another time or sender."""
        self._end_unit()
        if (stamp ^ self._stamp) & 0xFFFFFFFF and self._stamp >= 0:
            self._clock.restart(stamp >> 32, read_ns)
        self._stamp = stamp

    def _hurt(self) -> None:
        """Mark the unit in the making as incomplete and let go of its bytes."""
        if self._nals or self._parts or self._pictures:
            self._broken = True
            self._nals.clear()
            self._parts.clear()
        self._middle = self._third = -1
        self._held_bytes = 0

    def _end_unit(self) -> None:
        """Deliver the unit in the making if it is whole and has a picture; begin the next."""
        if self._parts:
            self._broken = True
        nals, pictures, key, broken = self._nals, self._pictures, self._key, self._broken
        self._nals = []
        self._parts.clear()
        self._middle = self._third = -1
        self._held_bytes = self._pictures = 0
        self._key = self._broken = False
        if broken:
            self.damaged += 1
        elif pictures:
            self._hand_over(nals, is_key=key)

    def _hand_over(self, nals: list[bytes], *, is_key: bool) -> None:
        if is_key:
            self.sets.begin_key(self._first_slice)
        config = self.sets.config
        if config is None or self.contradicted:
            self.unconfigured += 1
            return
        pts_90k = self._clock.unwrap(self._stamp >> 32, self._read_ns)
        extras = self.sets.extras() if is_key else ()
        lost_before, self._lost_before = self._lost_before, 0
        self.units += 1
        self._deliver(AccessUnit((*extras, *nals), pts_90k, is_key, self._read_ns, config, lost_before))

    def _fragment(self, header: bytes, flags: int, body: bytes, middle: int, third: int) -> None:
        """Take one fragment: `flags` is its FU header, `header` the NAL unit's own, rebuilt."""
        if flags & 0x80:
            if self._parts:
                self._hurt()
            self._parts += (header, body)
            self._middle, self._third = middle, third
        elif self._parts:
            self._parts.append(body)
        else:
            self._broken = True  # its beginning is missing
            return
        if flags & 0x40:
            nal = b"".join(self._parts)
            self._parts.clear()
            self._middle = self._third = -1
            self._nal(nal)

    def _whole(self, nal: bytes) -> None:
        """Take a NAL unit that came in one packet."""
        if self._parts:
            self._hurt()
        self._nal(nal)

    def _picture(self, nal: bytes, *, begins: bool, is_key: bool) -> None:
        """Take a coded slice; `begins` says that it is the first of its picture."""
        if begins and self._pictures:
            self._end_unit()  # two pictures under one timestamp: the camera's clock stands still
        if not begins and not self._pictures:
            if not self._broken and self._ended_stamp == self._stamp:
                self._markers = False  # the marker came before the picture's last slice
            self._broken = True
        if begins:
            self._first_slice = nal
        self._pictures += 1
        self._key |= is_key
        self._keep(nal)

    def _keep(self, nal: bytes) -> None:
        """Add a NAL unit to the unit in the making."""
        if len(self._nals) >= MOST_NALS:
            self._hurt()
        elif not self._broken:
            self._nals.append(nal)

    def _contradict(self) -> None:
        """Note a NAL unit that only another codec has."""
        self._contradictions += 1
        self.contradicted = self._contradictions >= MOST_CONTRADICTIONS

    @abstractmethod
    def _payload(self, data: bytes, at: int, stop: int) -> None:
        """Take the non-empty payload `data[at:stop]` of one packet."""

    def _aggregate(self, data: bytes, at: int, stop: int) -> None:
        """Take the NAL units of an aggregation packet: each has its length before it."""
        while at + 2 <= stop:
            end = at + 2 + (data[at] << 8 | data[at + 1])
            if end > stop or end == at + 2:
                break
            self._whole(data[at + 2 : end])
            at = end
        if at < stop:
            self.malformed += 1
            self._hurt()

    def _split(self, raw: bytes) -> None:
        """Take NAL units that a camera joined with start codes, as in a byte stream (H.264 Annex B)."""
        for part in raw.split(b"\0\0\1", MOST_NALS):
            if nal := part.rstrip(b"\0"):
                self._unit(nal)

    def _nal(self, nal: bytes) -> None:
        """Take one whole NAL unit, or several that start codes join."""
        if nal.startswith((b"\0\0\1", b"\0\0\0\1")) or (self._is_set(nal) and b"\0\0\1" in nal):
            self._split(nal)
        else:
            self._unit(nal)

    @abstractmethod
    def _is_set(self, nal: bytes) -> bool:
        """Say whether a NAL unit is a parameter set."""

    @abstractmethod
    def _unit(self, nal: bytes) -> None:
        """Take exactly one NAL unit, not empty."""
