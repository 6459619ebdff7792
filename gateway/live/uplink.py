"""Pictures through a school's uplink: spread over time, all viewers outside within one rate.

Owns `Uplink`, the site's budget, and `PacedLine`, the queue of one stream for its viewers outside. Invariants:
packets leave in chunks of a few, for all those viewers, at a little more than the stream's own rate (a key frame at
once overflows the router's queue: 7 % loss measured, 0.06 % so); over all streams not faster than the budget, repairs
included, which never wait: pictures come first; a line that falls behind by `MOST_BEHIND_S` or holds more than
`MOST_QUEUED_BYTES` drops what it holds, counted, and its viewers go on at the next key frame. Viewers on the LAN never
pass here.
"""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Callable, Sequence

import anyio

from gateway.core.clock import Clock
from gateway.live.frames import Frame, History
from gateway.live.sender import SendFrame, Viewer

CHUNK_PACKETS = 6
PACE = 1.4
"""Times the stream's rate."""
LEAST_PACE_BPS = 500_000.0
BURST_PACE = 4.0
"""Times the stream's rate, when a viewer joins from outside."""
MOST_BEHIND_S = 1.5
MOST_QUEUED_BYTES = 4 << 20
"""Of one stream: 1.5 s of 20 Mbit/s, also when a read brought it all in one moment."""
REPAIR_WAIT_S = 0.1
"""A repair is sent only while the budget is booked no further ahead than this."""
WIRE_SHARE = 1.05
"""Headers, tags, UDP and IP beside the payload."""


def is_outside(address: str) -> bool:
    """Say whether a viewer's address is beyond the uplink: neither private nor ours alone (RFC 1918, RFC 4193)."""
    ip = ipaddress.ip_address(address)
    return not (ip.is_private or ip.is_loopback or ip.is_link_local)


def is_beyond(on_link: Callable[[str], bool]) -> Callable[[str], bool]:
    """Return `is_outside` for a box that knows its own networks: a LAN's global IPv6 addresses are inside too."""
    return lambda address: is_outside(address) and not on_link(address)


class Uplink:
    """The site's budget in bits a second; used by all streams."""

    def __init__(self, bps: float, outside: Callable[[str], bool] = is_outside) -> None:
        self.bps, self._outside = bps, outside
        self._free_ns = 0
        self.sent_bytes = 0
        """Headers included, since the start."""
        self.dropped_frames = self.refused_repairs = 0

    def is_outside(self, viewer: Viewer) -> bool:
        """Say whether a viewer is beyond the uplink: by its address, or over a relay."""
        outlet = viewer.known_outlet()
        return outlet is not None and (outlet.relayed or self._outside(outlet.address[0]))

    def take(self, payload_bytes: int, now_ns: int) -> float:
        """Book bytes that leave now; returns the seconds to wait before the next ones."""
        self.sent_bytes += int(payload_bytes * WIRE_SHARE)
        self._free_ns = max(self._free_ns, now_ns) + int(payload_bytes * WIRE_SHARE * 8e9 / self.bps)
        return (self._free_ns - now_ns) / 1e9

    def spare(self, payload_bytes: int, now_ns: int) -> bool:
        """Book a repair, which leaves at once; False while pictures have the budget."""
        if self._free_ns - now_ns > REPAIR_WAIT_S * 1e9:
            self.refused_repairs += 1
            return False
        self.take(payload_bytes, now_ns)
        return True


class PacedLine:
    """The frames of one stream on their way to its viewers outside; `run` sends them."""

    def __init__(self, uplink: Uplink, send: SendFrame, clock: Clock, source: History) -> None:
        self._uplink, self._send, self._clock, self._source = uplink, send, clock, source
        self._frames: deque[tuple[Frame, tuple[Viewer, ...], float]] = deque()
        self._filled = anyio.Event()
        self.queued_bytes = 0

    def put(self, frame: Frame, viewers: Sequence[Viewer], stream_bps: float) -> None:
        """Queue a frame for these viewers; what is late is dropped up to the next key frame."""
        if self._frames:
            behind_ns = frame.received_mono_ns - self._frames[0][0].received_mono_ns
            if behind_ns > MOST_BEHIND_S * 1e9 or self.queued_bytes + frame.size_bytes > MOST_QUEUED_BYTES:
                self._uplink.dropped_frames += len(self._frames)
                for viewer in {viewer for _, queued, _ in self._frames for viewer in queued}:
                    viewer.waits_for_key = True
                    viewer.too_late += 1
                self._frames.clear()
                self.queued_bytes = 0
        self.queued_bytes += frame.size_bytes
        self._frames.append((frame, tuple(viewers), max(LEAST_PACE_BPS, PACE * stream_bps)))
        self._filled.set()

    async def run(self) -> None:
        """Send what is queued, for ever."""
        while True:
            await self._filled.wait()
            self._filled = anyio.Event()
            while self._frames:
                frame, viewers, rate_bps = self._frames.popleft()
                self.queued_bytes -= frame.size_bytes
                await self.spread(frame, viewers, rate_bps)

    async def spread(self, frame: Frame, viewers: Sequence[Viewer], rate_bps: float) -> None:
        """Send one frame in chunks: to all of them at `rate_bps` each, within the site's budget."""
        for first in range(0, len(frame.payloads), CHUNK_PACKETS):
            end = min(first + CHUNK_PACKETS, len(frame.payloads))
            watching = [viewer for viewer in viewers if not viewer.stopped and viewer.source is self._source]
            if not watching:
                return
            before = sum(viewer.octets for viewer in watching)
            self._send(frame, watching, now_ms=self._clock.now_ms(), first=first, end=end)
            sent = sum(viewer.octets for viewer in watching) - before
            size = sum(map(len, frame.payloads[first:end]))
            wait_s = self._uplink.take(sent, self._clock.mono_ns()) if sent else 0.0
            await self._clock.sleep(max(wait_s, size * 8 / rate_bps if sent else 0.0))
