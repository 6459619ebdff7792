"""One-use codes: how the first principal, and anybody without a password yet, gets in.

Owns `login_code`. Invariants: a code is 80 random bits shown as `abcd-efgh-jklm-npqr`, kept as a hash,
good once, for 30 minutes and for 5 tries on its prefix; a person has one open code, a newer one replaces
it; an unknown code costs the same work and answers the same as a wrong, used or expired one; tries are
limited per network, a right one counts for none. Whoever has a second factor is asked for it here, too. Codes that
guests are given for a visit (`guestpasses`) are of the same kind and live longer.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.access import audit
from gateway.access.audit import Actor
from gateway.access.limits import RateLimit, network_of
from gateway.access.login import Logins, Session, SignedIn
from gateway.access.policy import BOX
from gateway.access.reasons import Reason
from gateway.access.store import FactStore, Need
from gateway.access.typedcodes import grouped, meant
from gateway.core.errors import CodeRefused, NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role, Secret, new_public_id

CODE_BYTES = 10
PREFIX_CHARS = 4
TRIES = 5


@dataclass(frozen=True, slots=True)
class Halfway:
    """A code was right and is spent, but its person has a second factor."""

    person: PublicId


@dataclass(frozen=True, slots=True)
class Code:
    """A fresh code, to be shown once."""

    text: Secret
    person: PublicId
    expires_ms: int


class Gate(Protocol):
    """Ties codes and the logins they become to something else that ends; called in the code's transaction."""

    def admits(self, conn: sqlite3.Connection, code: str, person: PublicId) -> bool:
        """Say whether a code that is right lets in now."""

    def begun(self, conn: sqlite3.Connection, code: str, session: Session) -> Callable[[], None]:
        """Take note of the login that a code became; call what comes back after the commit."""


class _Open:
    def admits(self, _conn: sqlite3.Connection, _code: str, _person: PublicId) -> bool:
        return True

    def begun(self, _conn: sqlite3.Connection, _code: str, _session: Session) -> Callable[[], None]:
        return lambda: None


def normalise(text: str) -> str:
    """Return the 16 characters of a typed code: case, spaces and dashes do not matter."""
    return meant(text, str.lower)


def code_hash(code: str) -> bytes:
    """Return what is kept of a code: 80 random bits need no slow hash."""
    return hashlib.sha256(b"vuon-code-1\0" + code.encode()).digest()


class Codes:
    """Makes and redeems one-use codes."""

    def __init__(
        self,
        store: FactStore,
        logins: Logins,
        *,
        minutes: int = 30,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._store = store
        self._logins = logins
        self._lifetime_ms = minutes * 60_000
        self._random = random_bytes
        self._limit = RateLimit(store.clock.mono_ns, burst=10, every_s=6)
        self.gate: Gate = _Open()

    async def create(self, actor: Actor, person: PublicId) -> Code:
        """Make a code for a person and close the older one; Denied, NotFound."""
        store, need = self._store, Need(Action.APPROVE, ObjectRef(ObjectKind.PERSON, person), fresh=True)
        if person not in store.current.index.persons:
            raise NotFound("there is no such person")
        await store.demand(actor, need)
        if store.current.index.persons[person].role is Role.PRINCIPAL:  # or whoever makes it could become one
            await store.demand(actor, Need(Action.APPROVE, BOX))

        def run(conn: sqlite3.Connection) -> Code:
            now_ms = store.clock.now_ms()
            conn.execute("UPDATE login_code SET closed_ms = ? WHERE person = ? AND closed_ms IS NULL", (now_ms, person))
            _, code = self.written(conn, person, now_ms, now_ms + self._lifetime_ms)
            audit.append(conn, store.body(actor, "code.create", now_ms, need))
            return code

        return await store.db.write(run)

    def written(
        self, conn: sqlite3.Connection, person: PublicId, now_ms: int, expires_ms: int
    ) -> tuple[PublicId, Code]:
        """Write a fresh code inside the caller's transaction, which has decided and closed older ones; its row, too."""
        row, text = new_public_id(self._random), base64.b32encode(self._random(CODE_BYTES)).decode("ascii").lower()
        sql = "INSERT INTO login_code (id, prefix, code_hash, person, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?)"
        conn.execute(sql, (row, text[:PREFIX_CHARS], code_hash(text), person, now_ms, expires_ms))
        shown = grouped(text)
        return row, Code(Secret(shown), person, expires_ms)

    async def sign_in(self, text: str, *, address: str, label: str) -> SignedIn:
        """Trade a code for a login, asking for no second factor; CodeRefused: rate, code.unknown, code.tries.

        `address` is the asker's IP address, `label` how the device shall be called in lists.
        """
        done = await self.redeem(text, address=address, label=label)
        assert isinstance(done, SignedIn)
        return done

    async def redeem(
        self, text: str, *, address: str, label: str, second: Callable[[PublicId], bool] = lambda _person: False
    ) -> SignedIn | Halfway:
        """Do the same, but stop halfway for a person of whom `second` says that there is a second factor."""
        if not self._limit.take(address):
            raise CodeRefused("too many tries from this network", reason=str(Reason.RATE))
        typed = normalise(text)
        outcome = await self._store.db.write(lambda conn: self._redeem(conn, typed, label, address, second))
        if isinstance(outcome, Reason):
            raise CodeRefused("this code opens nothing", reason=str(outcome))
        self._limit.give_back(network_of(address))
        if isinstance(outcome, Halfway):
            return outcome
        signed_in, adopt = outcome
        adopt()
        return signed_in

    def _redeem(
        self, conn: sqlite3.Connection, typed: str, label: str, address: str, second: Callable[[PublicId], bool]
    ) -> tuple[SignedIn, Callable[[], None]] | Halfway | Reason:
        store, now_ms = self._store, self._store.clock.now_ms()
        row = conn.execute(
            "SELECT * FROM login_code WHERE prefix = ? AND closed_ms IS NULL ORDER BY created_ms DESC LIMIT 1",
            (typed[:PREFIX_CHARS],),
        ).fetchone()
        kept, given = (row["code_hash"] if row else bytes(32)), code_hash(typed)
        fits = hmac.compare_digest(kept, given) and row is not None
        if row is not None:
            tries = row["tries"] + 1
            over = fits or tries >= TRIES or now_ms >= row["expires_ms"]
            conn.execute(
                "UPDATE login_code SET tries = ?, closed_ms = ? WHERE id = ?",
                (tries, now_ms if over else None, row["id"]),
            )
        if fits and now_ms < row["expires_ms"] and self._may_enter(conn, row["id"], row["person"]):
            person = PublicId(row["person"])
            if second(person):
                return Halfway(person)
            return self._begin(conn, row["id"], *self._logins.start(conn, person, label=label, address=address))
        reason = (
            Reason.CODE_TRIES if row is not None and row["tries"] + 1 >= TRIES and not fits else Reason.CODE_UNKNOWN
        )
        store.emit(conn, store.event("access.login", role="unknown", outcome=reason))
        return reason

    def _may_enter(self, conn: sqlite3.Connection, code: str, person: str) -> bool:
        who = self._store.current.index.persons.get(PublicId(person))
        return who is not None and not who.disabled and self.gate.admits(conn, code, who.id)

    def _begin(
        self, conn: sqlite3.Connection, code: str, signed_in: SignedIn, adopt: Callable[[], None]
    ) -> tuple[SignedIn, Callable[[], None]]:
        """Tie a login to what its code was for, before anybody can ask about it."""
        tie = self.gate.begun(conn, code, signed_in.session)

        def both() -> None:
            tie()
            adopt()

        return signed_in, both
