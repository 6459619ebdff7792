"""One RTSP session: sequence numbers, timestamps and sender reports of one viewer's track.

Owns the RTP state between PLAY and TEARDOWN. Invariants: sequence number, SSRC and time offset begin at
random; timestamps never jump when the loop goes round; the first packet belongs to a key frame; a viewer
that does not read loses whole access units and starts again at a key frame, counted in `dropped_units`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from drivers.simulated.counters import Counters
from drivers.simulated.faults import Faults, Quirks
from drivers.simulated.live import Due, LiveStream
from drivers.simulated.outlet import Outlet
from drivers.simulated.rtp import goodbye, sender_report
from drivers.simulated.sound import SoundTrack
from gateway.core.clock import Clock
from gateway.core.media import TICKS_PER_S

REPORT_EVERY_90K = 5 * TICKS_PER_S
"""RFC 3550 §6.2: at least 5 s between reports."""


@dataclass(slots=True)
class SessionPorts:
    """What a session needs of its camera."""

    stream: LiveStream
    faults: Faults
    quirks: Quirks
    counters: Counters
    clock: Clock
    dice: random.Random


class RtspSession:
    """One viewer of one stream; used in the event loop only."""

    def __init__(self, session_id: str, ports: SessionPorts, outlet: Outlet) -> None:
        self.id, self._ports, self._outlet = session_id, ports, outlet
        self._dice = ports.dice
        self.ssrc = self._dice.getrandbits(32)
        self.seq = self._dice.getrandbits(16)
        self._offset_90k = self._dice.getrandbits(32)
        self._first = 0
        self._started = False
        self._packets = self._bytes = 0
        self._reported_90k: int | None = None
        self.sound: SoundTrack | None = None

    @property
    def stream(self) -> LiveStream:
        """Return the stream this session plays."""
        return self._ports.stream

    def play(self) -> tuple[int, int]:
        """Begin at the next key frame; returns its sequence number and RTP time for RTP-Info."""
        self._first = self.stream.next_key()
        self._started = False
        self.stream.add(self)
        return self.seq, self._rtp_time(self.stream.time_90k(self._first))

    def pause(self) -> None:
        """Stop sending; PLAY begins again."""
        self.stream.remove(self)

    def close(self) -> None:
        """End: say goodbye on RTCP and release the outlet."""
        self.stream.remove(self)
        if self._started:
            self._outlet.send_rtcp(goodbye(self.ssrc))
        self._outlet.close()
        if self.sound is not None:
            self.sound.close()

    def _rtp_time(self, time_90k: int) -> int:
        return (self._offset_90k + time_90k + self._ports.faults.jump_90k) & 0xFFFFFFFF

    def deliver(self, due: Due) -> None:
        """Send one access unit of the timeline, unless a fault or a slow reader forbids it."""
        faults, counters = self._ports.faults, self._ports.counters
        if faults.silent:
            self._started = False
            return
        if not self._started:
            if not due.unit.is_key or due.number < self._first:
                return
            self._started = True
        if self._outlet.full():
            self._started = False
            counters.totals["dropped_units"] += 1
            return
        time_90k = self._rtp_time(due.time_90k)
        first, self.seq = self.seq, self.seq + len(due.payloads)
        numbered = list(enumerate(due.payloads, first))
        if faults.drop > 0:
            kept = [pair for pair in numbered if self._dice.random() >= faults.drop]
            counters.totals["dropped_packets"] += len(numbered) - len(kept)
            numbered = kept
        if due.unit.is_key:
            self._report(due, time_90k)
        if numbered:
            self._outlet.send(numbered, last_seq=self.seq - 1, time_90k=time_90k, ssrc=self.ssrc)
        self._packets += len(numbered)
        self._bytes += sum(len(payload) for _, payload in numbered)
        counters.totals["rtp_packets"] += len(numbered)
        if self.sound is not None:
            counters.totals["sound_packets"] += self.sound.send_until(due.time_90k)

    def _report(self, due: Due, time_90k: int) -> None:
        """Send SR with the camera's own clock; on key frames, so that a recorder has it before it writes."""
        if self._reported_90k is not None and due.time_90k - self._reported_90k < REPORT_EVERY_90K:
            return
        self._reported_90k = due.time_90k
        unix_s = self._ports.clock.now_ms() / 1000 + self._ports.quirks.clock_skew_s
        self._outlet.send_rtcp(
            sender_report(self.ssrc, unix_s=unix_s, time_90k=time_90k, packets=self._packets, payload_bytes=self._bytes)
        )
