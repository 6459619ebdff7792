"""Logins that grew old, known for a while by what is kept of their tokens: whose form it is that still comes with one.

Owns that memory. Invariants: only what the box itself swept out for its age is in it, so nothing that somebody ended,
whatever the wall clock said; it forgets after `KNOWN_S` by the monotonic clock, with the oldest first when it is full,
and with a restart: whose login it was is then not known, and a form that comes with it is said to be lost.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.access.reasons import Reason
from gateway.core.model import PublicId

KNOWN_S = 12 * 3600
"""How long it is known whose login that was, and so how long a form that came with one can be opened (`keptforms`)."""
MOST_KNOWN = 2048
GROWN_OLD: frozenset[str] = frozenset({Reason.SESSION_EXPIRED, Reason.SESSION_IDLE, Reason.SESSION_UNPROVEN})
"""Why a login may be over without anybody having ended it."""


class AgedLogins:
    """Hashes of tokens and whose they were, in the order in which they grew old; in the event loop."""

    def __init__(self, mono_ns: Callable[[], int]) -> None:
        self._mono_ns = mono_ns
        self._known: dict[bytes, tuple[PublicId, int]] = {}

    def note(self, token_hash: bytes, person: PublicId, reason: str | None) -> None:
        """Take note of a login that is swept out, if its age is the reason."""
        self._forget()
        if reason not in GROWN_OLD:
            return
        while len(self._known) >= MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[token_hash] = (person, self._mono_ns() + KNOWN_S * 1_000_000_000)

    def whose(self, token_hash: bytes) -> PublicId | None:
        """Return whose login it was; None for one that did not grow old, or too long ago."""
        self._forget()
        found = self._known.get(token_hash)
        return found[0] if found is not None else None

    def _forget(self) -> None:
        now_ns = self._mono_ns()
        for token_hash in [kept for kept, (_, until_ns) in self._known.items() if until_ns <= now_ns]:
            del self._known[token_hash]
