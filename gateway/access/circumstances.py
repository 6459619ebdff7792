"""The circumstances of questions to the policy: where a session asks from, and what its guardian watched today.

Owns both, in memory; the minutes also in `viewed`, written with the end of a stream. Invariants: where somebody is
stands nowhere: it is judged from the address of the last request, by the box's own networks, and who was not
heard of since the start is not at the school; at most `MOST` sessions are remembered, the longest silent is
forgotten. Decisions read it from any thread; changes belong to the event loop.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TypeAlias

from gateway.access.ask import Asking
from gateway.access.facts import Span
from gateway.access.localtime import MS_PER_DAY
from gateway.core.model import Action, Grant, PublicId, Role

OnSite: TypeAlias = Callable[[str], bool]
"""Says whether an address is of the school's own network."""
KEEP_MS = 3 * MS_PER_DAY
MOST = 5_000


def nowhere(_address: str) -> bool:
    """Stand in for a box that knows no network of its own."""
    return False


class Circumstances:
    """What is known of askers beside the facts."""

    def __init__(self, on_site: OnSite = nowhere) -> None:
        self.on_site = on_site
        self.listeners: list[Callable[[], None]] = []
        """Called in the event loop when a session is elsewhere than before; must not block or raise."""
        self._here: OrderedDict[str, bool] = OrderedDict()
        self._running: dict[PublicId, tuple[PublicId, int]] = {}
        """By grant: whose, since when."""
        self._past: dict[PublicId, tuple[Span, ...]] = {}

    def of(self, person: PublicId, device: str, over: str | None = None, *, begins_ms: int | None = None) -> Asking:
        """Return the circumstances of a question; `begins_ms` = a stream would begin then, unless one runs."""
        running = [since_ms for whose, since_ms in list(self._running.values()) if whose == person]
        if begins_ms is not None and not running:
            running = [begins_ms]
        viewed = self._past.get(person, ()) + tuple(Span(since_ms=since_ms) for since_ms in running)
        return Asking(self._here.get(device, False), over, viewed)

    def at(self, device: str) -> Asking:
        """Return only where a session is: for questions about another time than now."""
        return Asking(self._here.get(device, False))

    def came_from(self, device: str, address: str) -> None:
        """Note where a session's request came from."""
        here, was = self.on_site(address), self._here.pop(device, False)
        self._here[device] = here
        while len(self._here) > MOST:
            self._here.popitem(last=False)
        if here != was:
            for listener in self.listeners:
                listener()

    # minutes

    def began(self, grant: Grant) -> None:
        """Note that a guardian's stream may run from now on."""
        if counts(grant):
            self._running[grant.id] = (grant.person, grant.issued_ms)

    def ended(self, grant: Grant, now_ms: int) -> None:
        """Note that a stream ended; nothing for one that was not counted."""
        whose = self._running.pop(grant.id, None)
        if whose is not None:
            person, since_ms = whose
            recent = (span for span in self._past.get(person, ()) if (span.until_ms or 0) > now_ms - KEEP_MS)
            self._past[person] = (*recent, Span(since_ms=since_ms, until_ms=max(since_ms, now_ms)))

    def read(self, conn: sqlite3.Connection, guardians: Iterable[PublicId], now_ms: int) -> None:
        """Take what was watched before the start; streams that may still run count as running."""
        known, past = frozenset(guardians), dict[PublicId, tuple[Span, ...]]()
        for row in conn.execute("SELECT * FROM viewed WHERE until_ms > ? ORDER BY id", (now_ms - KEEP_MS,)):
            person = PublicId(row["person"])
            past[person] = (*past.get(person, ()), Span(since_ms=row["since_ms"], until_ms=row["until_ms"]))
        self._past = past
        for row in conn.execute("SELECT id, person, issued_ms FROM open_grant WHERE action = ?", (Action.LIVE,)):
            if row["person"] in known:
                self._running[PublicId(row["id"])] = (PublicId(row["person"]), row["issued_ms"])


def counts(grant: Grant) -> bool:
    """Say whether a right uses up minutes: a guardian's live video; stills do not, but end with them."""
    return grant.role is Role.GUARDIAN and grant.action is Action.LIVE


def write_viewed(conn: sqlite3.Connection, grant: Grant, now_ms: int) -> None:
    """Keep for how long a guardian watched, in the transaction that ends the stream."""
    if counts(grant):
        conn.execute(
            "INSERT INTO viewed (person, since_ms, until_ms) VALUES (?, ?, ?)",
            (grant.person, grant.issued_ms, max(grant.issued_ms, now_ms)),
        )
        conn.execute("DELETE FROM viewed WHERE until_ms <= ?", (now_ms - KEEP_MS,))
