"""A form that came when its sender's login was over: sealed for that person, so that nothing typed is lost.

Owns the seal. Invariants: nothing is kept here: the sealed text waits on the page that asks who is there; it opens for
the person whose login it was and for nobody else, whoever sits at that browser; the key is in memory only, so it opens
in this run of the box and within `KNOWN_S`; a login that somebody ended (a sign-out, a lost phone, a disabled person)
keeps nothing, only one that grew old; the token that names it opens nothing.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable

from gateway.access.agedlogins import KNOWN_S
from gateway.access.login import Logins
from gateway.access.store import FactStore
from gateway.core.errors import KeyLocked
from gateway.core.model import PublicId
from gateway.core.secrets import KEY_BYTES, SealKey


class KeptForms:
    """Seals forms for the person whose login they came with."""

    def __init__(self, store: FactStore, logins: Logins, *, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._store, self._logins, self._key = store, logins, SealKey(random_bytes(KEY_BYTES))

    def whose(self, token: str) -> PublicId | None:
        """Return whose login a token was, if that grew old and nobody ended it; None for anything else."""
        person = self._logins.grew_old(token)
        who = self._store.current.index.persons.get(person) if person is not None else None
        return None if who is None or who.disabled else who.id

    def seal(self, person: PublicId, path: str, text: str) -> str:
        """Return a form (the page it goes to, its fields as text) as it may stand on a page that anybody reads."""
        until_ns = self._store.clock.mono_ns() + KNOWN_S * 1_000_000_000
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
