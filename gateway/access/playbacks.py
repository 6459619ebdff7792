"""Recorded footage that people have open: which rights to it there are, and whose.

Owns the opened playbacks, in memory. Invariants: one is opened by one decision with one audit row that names
the span; each use decides again, so that a revoked person, an ended session or a removed camera ends it at once;
it answers only to the person, the session and the camera it was opened for, for everybody else it is not
there; one that nobody uses for `IDLE_S` ends; a session has at most `MOST_A_DEVICE`, all together
`MOST`, the longest unused goes for a new one. Event loop only.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.access.grants import Grants
from gateway.access.store import FactStore, refusal
from gateway.core import ticket
from gateway.core.errors import NotFound
from gateway.core.model import Action, Grant, PublicId, new_public_id

IDLE_S = 1_800
MOST = 256
MOST_A_DEVICE = 32
"""A page that shows every room of a day opens one for each."""


@dataclass(slots=True)
class _Opened:
    grant: Grant
    used_ns: int


class Playbacks:
    """Opens, finds and ends them."""

    def __init__(self, store: FactStore, grants: Grants, key: Ed25519PrivateKey) -> None:
        self._store, self._grants, self._key, self._clock = store, grants, key, store.clock
        self._opened: OrderedDict[PublicId, _Opened] = OrderedDict()
        """The longest unused first."""

    def __len__(self) -> int:
        self._expire()
        return len(self._opened)

    async def open(
        self, person: PublicId, device: str, camera: PublicId, from_ms: int, to_ms: int
    ) -> tuple[PublicId, Grant]:
        """Decide about recorded time and keep the right to it; Denied or NotFound by decision, BadInput."""
        decision, grant = await self._grants.issue(
            person, device, Action.PLAYBACK, camera, from_ms=from_ms, to_ms=to_ms
        )
        if grant is None:
            raise refusal(decision)
        self._expire()
        same = [name for name, item in self._opened.items() if item.grant.device == device]
        for name in same[: max(0, len(same) + 1 - MOST_A_DEVICE)]:
            del self._opened[name]
        while len(self._opened) >= MOST:
            self._opened.popitem(last=False)
        # A name of its own: the grant's id is in the audit, which others may read.
        playback = new_public_id()
        self._opened[playback] = _Opened(grant, self._clock.mono_ns())
        return playback, grant

    def use(self, person: PublicId, device: str, camera: PublicId, playback: PublicId) -> Grant:
        """Decide again and return the right as it is now; NotFound if it is not this session's, Denied."""
        opened = self._find(person, device, camera, playback)
        decision = self._grants.redecide(opened.grant)
        if not decision.allowed:
            del self._opened[playback]
            raise refusal(decision)
        opened.grant = self._grants.renewed(opened.grant, decision)
        opened.used_ns = self._clock.mono_ns()
        self._opened.move_to_end(playback)
        return opened.grant

    def ticket(self, grant: Grant) -> Mapping[str, str]:
        """Return the signed form of a right that `use` returned."""
        return ticket.sign(grant, self._key)

    def close(self, person: PublicId, device: str, camera: PublicId, playback: PublicId) -> None:
        """End one; NotFound if it is not this session's."""
        self._find(person, device, camera, playback)
        del self._opened[playback]

    def _find(self, person: PublicId, device: str, camera: PublicId, playback: PublicId) -> _Opened:
        self._expire()
        opened = self._opened.get(playback)
        if opened is None or (opened.grant.person, opened.grant.device, opened.grant.camera) != (
            person,
            device,
            camera,
        ):
            raise NotFound("no such playback")
        return opened

    def _expire(self) -> None:
        before_ns = self._clock.mono_ns() - IDLE_S * 1_000_000_000
        while self._opened:
            name, oldest = next(iter(self._opened.items()))
            if oldest.used_ns > before_ns:
                return
            del self._opened[name]
