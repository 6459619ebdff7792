"""Which addresses of one session have shown that they are the viewer's, and what may be sent to the others.

Owns two grades of proof, pure. An address is *signed* once a check with our ICE password came from it: its source
may still be forged. It has *answered* once it returned the number of a check of ours: packets reach it and
it wants them (RFC 8445 §7.2.5). Invariants: to an address that has not answered never more bytes are sent than came
signed from it, headers counted (RFC 9000 §8.1 allows three times as many), and `MOST_ASKS` packets a session;
at most `MOST_ADDRESSES` are remembered, and one that has not answered never displaces one that has, unless all have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

MOST_ADDRESSES = 16
"""Interfaces times a few NAT rebindings; the oldest is forgotten."""
MOST_ASKS = 256
"""Checks a session may send to addresses that have not answered: a phone between two networks needs ten."""
HEADERS_BYTES = 28
"""IPv4 and UDP, of each packet."""
GIFT_PACKETS = 4
"""Checks to an address the viewer only named, where a NAT must be opened from our side: within 3.5 s."""
_GIFT_BYTES = GIFT_PACKETS * 160
_MOST_GIFTS = 64

Address: TypeAlias = tuple[int, str, int]
"""Our socket's number, host, port."""


@dataclass(slots=True)
class _Standing:
    credit_bytes: int = 0
    answered: bool = False


class Proofs:
    """What one session knows of addresses; used in the event loop only."""

    def __init__(self, *, asks_first: bool = False) -> None:
        self._asks_first = asks_first
        self._known: dict[Address, _Standing] = {}
        """Oldest first."""
        self._gifts: dict[tuple[str, int], int] = {}
        self._asks = 0

    def __len__(self) -> int:
        return len(self._known)

    def named(self, host: str, port: int) -> None:
        """Note a candidate of the viewer's: with servers configured we are behind a NAT and must ask first."""
        if self._asks_first and len(self._gifts) < _MOST_GIFTS:
            self._gifts.setdefault((host, port), _GIFT_BYTES)

    def signed(self, address: Address, size_bytes: int, *, keep: Address | None = None) -> Address | None:
        """Note a signed check of so many bytes; returns the address forgotten for it, never `keep`."""
        standing = self._known.get(address)
        gone = None
        if standing is None:
            gone = self._displaced(keep) if len(self._known) >= MOST_ADDRESSES else None
            standing = self._known[address] = _Standing()
        standing.credit_bytes += size_bytes + HEADERS_BYTES
        return gone

    def _displaced(self, keep: Address | None) -> Address:
        others = [address for address in self._known if address != keep]
        gone = next((address for address in others if not self._known[address].answered), others[0])
        del self._known[gone]
        return gone

    def answer(self, address: Address) -> None:
        """Note that an address has answered a check of ours."""
        self._known.setdefault(address, _Standing()).answered = True

    def has_answered(self, address: Address) -> bool:
        """Say whether packets may go to and come from this address without counting."""
        standing = self._known.get(address)
        return standing is not None and standing.answered

    def pay(self, address: Address, size_bytes: int) -> bool:
        """Say whether a check of so many bytes may go to an address, and take it from what it has sent, or the gift."""
        if self._asks >= MOST_ASKS:
            return False
        cost = size_bytes + HEADERS_BYTES
        standing = self._known.get(address)
        if standing is not None and standing.credit_bytes >= cost:
            standing.credit_bytes -= cost
        elif self._gifts.get(address[1:], 0) >= cost:
            self._gifts[address[1:]] -= cost
        else:
            return False
        self._asks += 1
        return True
