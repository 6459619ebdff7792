"""A form that came when its sender's login was over: sealed for that person, so that nothing typed is lost.

Owns the seal. Invariants: nothing is kept here: the sealed text waits on the page that asks who is there; it opens for
the person whose login it was and for nobody else, whoever sits at that browser; the key is in memory only, so it opens
in this run of the box and within `KEPT_S`; a login that somebody ended (a sign-out, a lost phone, a disabled person)
keeps nothing, only one that grew old; the token that names it opens nothing.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable

from gateway.access.login import GUARDIAN_AGES, LASTING, STAFF_AGES, token_hash
from gateway.access.store import FactStore
from gateway.core.errors import KeyLocked
from gateway.core.model import PublicId
from gateway.core.secrets import KEY_BYTES, SealKey

KEPT_S = 12 * 3600
"""How long a sealed form can be opened; also how long after its end a login is known by its token."""


class KeptForms:
    """Seals forms for the person whose login they came with."""

    def __init__(self, store: FactStore, *, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._store, self._key = store, SealKey(random_bytes(KEY_BYTES))

    async def whose(self, token: str) -> PublicId | None:
        """Return whose login a token was, if that grew old and nobody ended it; None for anything else."""
        sql = "SELECT person, created_ms, last_seen_ms, ended_ms FROM login_session WHERE token_hash = ?"
        hashed = token_hash(token)
        row = await self._store.db.read(lambda conn: conn.execute(sql, (hashed,)).fetchone())
        who = self._store.current.index.persons.get(PublicId(row["person"])) if row is not None else None
        if row is None or who is None or who.disabled:
            return None
        if row["ended_ms"] is not None:
            ages = GUARDIAN_AGES if who.role in LASTING else STAFF_AGES
            old_ms = min(row["last_seen_ms"] + ages.idle_s * 1000, row["created_ms"] + ages.absolute_s * 1000)
            if row["ended_ms"] < old_ms or self._store.clock.now_ms() - row["ended_ms"] > KEPT_S * 1000:
                return None
        return who.id

    def seal(self, person: PublicId, path: str, text: str) -> str:
        """Return a form (the page it goes to, its fields as text) as it may stand on a page that anybody reads."""
        until_ns = self._store.clock.mono_ns() + KEPT_S * 1_000_000_000
        sealed = self._key.seal(json.dumps([path, text, until_ns]).encode(), _context(person))
        return base64.urlsafe_b64encode(sealed).decode("ascii")

    def open(self, person: PublicId, sealed: str) -> tuple[str, str] | None:
        """Return page and fields for the person they were sealed for; None for anybody else, or if it is too old."""
        try:
            plain = self._key.unseal(base64.urlsafe_b64decode(sealed.encode("ascii")), _context(person))
        except (KeyLocked, ValueError):
            return None
        path, text, until_ns = json.loads(plain)
        return (path, text) if self._store.clock.mono_ns() < until_ns else None


def _context(person: PublicId) -> str:
    return f"kept-form:{person}"
