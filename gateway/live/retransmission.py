"""Answering NACKs from the history all viewers share, without becoming an amplifier (RFC 4588).

Owns what may be sent again to one viewer. Invariants: retransmitted bytes never exceed 20 % of the media
sent plus a first allowance, and outside they come out of the uplink too, which may refuse; no more than
`MOST_ASKED_PER_S` requests a second are even looked up, because all viewers share one loop; a packet asked for again
within one round trip is never sent twice (what cannot be remembered so long is not sent); without a negotiated RTX
stream nothing is sent again, because encrypting another header under a used SRTP index would give the
authentication key away (RFC 7714 §10).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pylibsrtp import Error as SrtpError

from gateway.live.frames import Frame, History
from gateway.live.sender import Viewer
from gateway.live.uplink import Uplink

SHARE = 0.2
FIRST_ALLOWANCE_BYTES = 64_000
"""What may be repaired before the share has grown: the loss of half a first key frame."""
MOST_SAVED_BYTES = 256_000
MOST_ASKED_PER_S = 2_000
"""A stream of 8 Mbit/s has about 900 packets a second."""
UNKNOWN_RTT_S = 0.1
LEAST_RTT_S = 0.01
_HEADER = struct.Struct("!BBHIIH")
MOST_REMEMBERED = 4096
"""Two seconds of requests at their highest rate: longer round trips get fewer repairs."""


@dataclass(frozen=True, slots=True)
class RtxNumbers:
    """The retransmission stream of one viewer."""

    ssrc: int
    payload_type: int
    first_seq: int


class Retransmitter:
    """Repairs one viewer's losses; used in the event loop only."""

    def __init__(self, numbers: RtxNumbers | None) -> None:
        self._numbers = numbers
        self._seq = numbers.first_seq if numbers else 0
        self._sent_at_ns: dict[int, int] = {}
        self._allowance = float(FIRST_ALLOWANCE_BYTES)
        self._seen_octets = 0
        self._second, self._asked_now = -1, 0
        self.asked = self.sent = self.repeated = self.over_budget = self.too_late = self.ignored = 0

    @property
    def next_seq(self) -> int:
        """Extended sequence number of the next packet sent again: whoever comes after goes on with it."""
        return self._seq

    def repair(
        self,
        viewer: Viewer,
        lost: Iterable[int],
        history: History,
        *,
        now_ns: int,
        rtt_s: float | None,
        uplink: Uplink | None = None,
    ) -> None:
        """Send again what a NACK names, as far as history, round trip, budget and `uplink` (None: LAN) allow."""
        self._earn(viewer)
        wait_ns = int(max(LEAST_RTT_S, rtt_s if rtt_s is not None else UNKNOWN_RTT_S) * 1e9)
        if now_ns // 1_000_000_000 != self._second:
            self._second, self._asked_now = now_ns // 1_000_000_000, 0
        for seq in lost:
            self.asked += 1
            self._asked_now += 1
            if self._asked_now > MOST_ASKED_PER_S:
                self.ignored += 1
                continue
            index = viewer.index_of(seq)
            place = history.packet(index) if index is not None else None
            if index is None or place is None or self._numbers is None:
                self.too_late += 1
            elif now_ns - self._sent_at_ns.get(index, now_ns - wait_ns) < wait_ns:
                self.repeated += 1
            elif not self._can_remember(now_ns - wait_ns):
                self.ignored += 1
            elif not self._resend(viewer, seq, *place, lambda size: self._booked(size, uplink, now_ns)):
                return
            else:
                self._sent_at_ns.pop(index, None)  # so that the order is that of sending
                self._sent_at_ns[index] = now_ns

    def afford(self, viewer: Viewer, size_bytes: int) -> bool:
        """Say whether the budget has room for so much more, and take it then."""
        self._earn(viewer)
        if self._allowance < size_bytes:
            self.over_budget += 1
            return False
        self._allowance -= size_bytes
        return True

    def _resend(self, viewer: Viewer, seq: int, frame: Frame, place: int, book: Callable[[int], bool]) -> bool:
        """Send one packet on the RTX stream; False when budgets or socket allow no more of this NACK."""
        outlet, payload = viewer.outlet(), frame.payloads[place]
        if outlet is None or self._numbers is None or not book(len(payload)):
            return False
        kind = self._numbers.payload_type | (0x80 if place == len(frame.payloads) - 1 else 0)
        ts = (frame.ts_90k + viewer.numbers.ts_offset) & 0xFFFFFFFF
        head = _HEADER.pack(0x80, kind, self._seq & 0xFFFF, ts, self._numbers.ssrc, seq)
        try:
            outlet.socket.sendto(viewer.protect(head + payload), socket.MSG_DONTWAIT, outlet.address)
        except BlockingIOError:
            viewer.send_errors += 1
            return False
        except (OSError, SrtpError):
            self._seq += 1  # it may have left: a number used for another packet would be a nonce used twice
            viewer.send_errors += 1
            return False
        self._seq += 1
        self._allowance -= len(payload)
        self.sent += 1
        return True

    def _earn(self, viewer: Viewer) -> None:
        earned = SHARE * (viewer.octets - self._seen_octets)
        self._seen_octets = viewer.octets
        self._allowance = min(MOST_SAVED_BYTES, self._allowance + earned)

    def _booked(self, size_bytes: int, uplink: Uplink | None, now_ns: int) -> bool:
        """Say whether the viewer's budget and then the site's have room."""
        if self._allowance < size_bytes or (uplink is not None and not uplink.spare(size_bytes, now_ns)):
            self.over_budget += 1
            return False
        return True

    def _can_remember(self, before_ns: int) -> bool:
        """Forget what was sent before a round trip ago, if there is no room otherwise; say whether there is."""
        if len(self._sent_at_ns) >= MOST_REMEMBERED:
            oldest, at_ns = next(iter(self._sent_at_ns.items()))
            if at_ns > before_ns:
                return False
            del self._sent_at_ns[oldest]
        return True
