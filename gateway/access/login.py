"""Who is at the other end: login sessions and their tokens.

Owns `login_session` and `device`. Invariants: a token is 256 random bits and only its SHA-256 is kept; a
session ends by logout, by somebody ending it, by its person being disabled, after `idle_s` without a
request, or `absolute_s` after the login; ages are counted monotonically while the box runs (a stepped
clock neither revives nor kills a session), by wall time only over a restart; a session that was ended opens nothing
from that moment, and is kept in memory until its end is written. A login is fresh for `FRESH_S` after its person
proved who they are; that is known in memory only, so after a restart nobody's is.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from gateway.access import audit
from gateway.access.agedlogins import GROWN_OLD, AgedLogins
from gateway.access.audit import Actor
from gateway.access.boundkeys import forget_keys
from gateway.access.facts import Person
from gateway.access.labels import clean_label
from gateway.access.limits import place_of
from gateway.access.reasons import Reason
from gateway.access.store import FactStore, Need
from gateway.core.errors import NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role, Secret, new_public_id

TOKEN_BYTES = 32
SEEN_EVERY_S = 60
"""How often the last request of a session is written down."""
FRESH_S = 600
"""How long after typing a password (or a one-use code) a person may do what is sensitive."""


@dataclass(frozen=True, slots=True)
class Ages:
    """How long a session may last."""

    absolute_s: int
    idle_s: int


STAFF_AGES = Ages(absolute_s=12 * 3600, idle_s=30 * 60)
PROOF_S = 3600
"""How long a session of a bound browser lasts without a new proof of its key: a copied cookie is worth no more."""
GUARDIAN_AGES = Ages(absolute_s=180 * 86_400, idle_s=45 * 86_400)
"""A guardian's phone is bound by a slip and re-bound each half-year; every look is decided anew."""
LASTING = frozenset({Role.GUARDIAN, Role.OBSERVER})
"""Whose logins live so long; a guest's ends with the visit it is for (`Logins.ends`)."""


@dataclass(frozen=True, slots=True)
class Session:
    """A login as pages see it; `id` names it in grants, in the audit and for ending it."""

    id: PublicId
    person: PublicId
    role: Role
    device: PublicId | None
    label: str
    created_ms: int
    last_seen_ms: int
    place: str = ""
    """Where it came from: box, school or outside; "" if that is not known."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A fresh login: the token goes into the cookie and is never shown again."""

    token: Secret
    session: Session


@dataclass(slots=True)
class _Live:
    """A session in memory; deadlines are monotonic."""

    id: PublicId
    token_hash: bytes
    person: PublicId
    device: PublicId | None
    label: str
    created_ms: int
    seen_ms: int
    seen_ns: int
    ends_ns: int
    idle_ns: int
    written_ns: int
    key: PublicId | None = None
    """The bound browser's key that this session must prove again and again; None: a session without one."""
    proven_ns: int = 0
    place: str = ""
    fresh_ns: int | None = None
    ended: tuple[Actor, str, int] | None = None
    """Who ended it, how, and when (UTC ms); kept until that is written."""


def token_hash(token: str) -> bytes:
    """Return what is kept of a token."""
    return hashlib.sha256(b"vuon-session-1\0" + token.encode()).digest()


class Logins:
    """All login sessions; loaded once, answered from memory, changed in the database first."""

    def __init__(self, store: FactStore, *, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._store = store
        self._random = random_bytes
        self._by_hash: dict[bytes, _Live] = {}
        self._by_id: dict[PublicId, _Live] = {}
        self._by_key: dict[PublicId, _Live] = {}
        """Read by the database's thread too, one key at a time."""
        self._aged = AgedLogins(store.clock.mono_ns)
        self.listeners: list[Callable[[], None]] = []
        """Called in the event loop after sessions ended; must not block or raise."""
        self.ends: Callable[[PublicId, Person], Reason | None] = lambda _session, _person: None
        """Says what else ends a session: a guest's visit is over; any thread."""

    async def load(self) -> None:
        """Read the sessions that had not ended; those whose time ran out meanwhile stay out."""
        sql = "SELECT * FROM login_session WHERE ended_ms IS NULL"
        for row in await self._store.db.read(lambda conn: conn.execute(sql).fetchall()):
            self._adopt(self._from_row(row))

    # asking

    def who(self, token: str, *, active: bool = True) -> Session | None:
        """Return the session of a request's token; `active` counts it as a sign of life of its person."""
        live = self._by_hash.get(token_hash(token))
        if live is None or self.alive(live.id, live.person) is not None:
            return None
        if active:
            live.seen_ns, live.seen_ms = self._store.clock.mono_ns(), self._store.clock.now_ms()
        return self._session(live)

    def grew_old(self, token: str) -> PublicId | None:
        """Return whose login a token was, if that grew old and nobody ended it; None for anything else."""
        hashed = token_hash(token)
        if (live := self._by_hash.get(hashed)) is None:
            return self._aged.whose(hashed)
        return live.person if self.alive(live.id, live.person) in GROWN_OLD else None

    def alive(self, session_id: str, person: PublicId) -> str | None:
        """Say why a session is over, None while it lives (any thread)."""
        live = self._by_id.get(PublicId(session_id))
        if live is None or live.person != person or live.ended is not None:
            return Reason.SESSION_ENDED
        now_ns = self._store.clock.mono_ns()
        if now_ns >= live.ends_ns:
            return Reason.SESSION_EXPIRED
        if now_ns - live.seen_ns >= live.idle_ns:
            return Reason.SESSION_IDLE
        if live.key is not None and now_ns - live.proven_ns >= PROOF_S * 1_000_000_000:
            return Reason.SESSION_UNPROVEN
        who = self._store.current.index.persons.get(person)
        return Reason.PERSON_DISABLED if who is None or who.disabled else self.ends(live.id, who)

    def sessions(self, person: PublicId) -> tuple[Session, ...]:
        """Return a person's living sessions, newest first."""
        mine = [live for live in self._by_id.values() if live.person == person and not self._over(live)]
        return tuple(self._session(live) for live in sorted(mine, key=lambda live: -live.created_ms))

    def stale(self, actor: Actor) -> str | None:
        """Say why an actor must prove again who they are before a sensitive act; None if the login is fresh."""
        live = self._by_id.get(PublicId(actor.device))
        if live is None or live.person != actor.person or live.fresh_ns is None:
            return Reason.LOGIN_STALE
        age_ns = self._store.clock.mono_ns() - live.fresh_ns
        return None if age_ns < FRESH_S * 1_000_000_000 else Reason.LOGIN_STALE

    # starting

    def _token(self) -> str:
        return base64.urlsafe_b64encode(self._random(TOKEN_BYTES)).decode("ascii").rstrip("=")

    async def refresh(self, session_id: PublicId) -> SignedIn:
        """Take note that a session's person proved again who they are; its token changes. NotFound if it is over."""
        live = self._by_id.get(session_id)
        if live is None or self.alive(session_id, live.person) is not None:
            raise NotFound("there is no such session")
        token = self._token()
        kept = token_hash(token)
        sql = "UPDATE login_session SET token_hash = ? WHERE id = ?"
        await self._store.db.write(lambda conn: conn.execute(sql, (kept, live.id)))
        self._by_hash.pop(live.token_hash, None)
        live.token_hash, live.fresh_ns = kept, self._store.clock.mono_ns()
        if live.ended is None:
            self._by_hash[kept] = live
        return SignedIn(Secret(token), self._session(live))

    def start(
        self,
        conn: sqlite3.Connection,
        person: PublicId,
        *,
        label: str,
        device: PublicId | None = None,
        key: PublicId | None = None,
        address: str = "",
    ) -> tuple[SignedIn, Callable[[], None]]:
        """Write a new session inside the caller's transaction; call the second value after the commit.

        With `key` (of a bound browser, proven just now) it ends unless that is proven again within `PROOF_S`.
        """
        clock = self._store.clock
        token = self._token()
        live = _Live(
            id=new_public_id(self._random),
            token_hash=token_hash(token),
            person=person,
            device=device,
            label=clean_label(label),
            created_ms=clock.now_ms(),
            seen_ms=clock.now_ms(),
            seen_ns=clock.mono_ns(),
            ends_ns=clock.mono_ns() + self._ages(person).absolute_s * 1_000_000_000,
            idle_ns=self._ages(person).idle_s * 1_000_000_000,
            written_ns=clock.mono_ns(),
            key=key,
            proven_ns=clock.mono_ns(),
            place=place_of(address),
            fresh_ns=clock.mono_ns(),
        )
        row = (live.id, live.token_hash, person, device, live.label, live.created_ms, live.seen_ms)
        conn.execute(
            "INSERT INTO login_session "
            "(id, token_hash, person, device, label, created_ms, last_seen_ms, key, proven_ms, place) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, key, live.created_ms if key else None, live.place),
        )
        role = self._role(person)
        need = Need(Action.PEOPLE, ObjectRef(ObjectKind.PERSON, person))
        audit.append(conn, self._store.body(Actor(person, live.id), "login", live.created_ms, need, role=role))
        self._store.emit(conn, self._store.event("access.login", role=role, outcome="ok"))
        return SignedIn(Secret(token), self._session(live)), lambda: self._adopt(live)

    def renew(self, conn: sqlite3.Connection, key: PublicId) -> tuple[SignedIn, Callable[[], None]] | None:
        """Give the session of a key that was proven just now a new token, inside the caller's transaction.

        The old token opens nothing from the commit on (call the second value then), whoever has a copy of it; the
        session and its streams go on. None if the key has no living session.
        """
        live = self._by_key.get(key)
        if live is None or self.alive(live.id, live.person) not in {None, Reason.SESSION_UNPROVEN}:
            return None
        token, clock = self._token(), self._store.clock
        fresh, now_ns, now_ms = token_hash(token), clock.mono_ns(), clock.now_ms()
        sql = (
            "UPDATE login_session SET token_hash = ?, proven_ms = ?, last_seen_ms = ? WHERE id = ? AND ended_ms IS NULL"
        )
        conn.execute(sql, (fresh, now_ms, now_ms, live.id))

        def adopt() -> None:
            if self._by_hash.pop(live.token_hash, None) is None:
                return  # it was ended meanwhile
            live.token_hash, live.proven_ns, live.seen_ns, live.seen_ms = fresh, now_ns, now_ns, now_ms
            self._by_hash[fresh] = live

        return SignedIn(Secret(token), self._session(live)), adopt

    # ending

    async def sign_out(self, token: str) -> None:
        """End the session of this token; an unknown one is already out."""
        live = self._by_hash.get(token_hash(token))
        if live is not None:
            await self._end([live], Actor(live.person, live.id), "logout")

    async def end(self, actor: Actor, session_id: PublicId) -> None:
        """End a session, one's own or (with the right to manage people) another's; NotFound, Denied."""
        live = self._by_id.get(session_id)
        if live is None:
            raise NotFound("there is no such session")
        need = Need(Action.PEOPLE, ObjectRef(ObjectKind.PERSON, live.person))
        await self._store.demand(actor, need)
        await self._end([live], actor, "session.end")

    async def end_person(self, actor: Actor, person: PublicId, *, but: str = "") -> int:
        """End every session of a person (`but` one, by its id); the caller has decided. Returns how many ended."""
        mine = [live for live in self._by_id.values() if live.person == person and live.id != but]
        await self._end(mine, actor, "session.end")
        return len(mine)

    async def end_device(self, actor: Actor, device: PublicId) -> int:
        """End every session of a bound device; the caller has decided. Returns how many ended."""
        mine = [live for live in self._by_id.values() if live.device == device]
        await self._end(mine, actor, "session.end")
        return len(mine)

    async def keep(self) -> None:
        """Write down signs of life and sweep out what is over; call about once a minute."""
        clock = self._store.clock
        over = [live for live in self._by_id.values() if self._over(live)]
        seen = [live for live in self._by_id.values() if live.seen_ns - live.written_ns >= SEEN_EVERY_S * 1_000_000_000]
        if not over and not seen:
            return
        now_ms = clock.now_ms()

        def run(conn: sqlite3.Connection) -> None:
            self._write_ends(conn, over, now_ms)
            conn.executemany(
                "UPDATE login_session SET last_seen_ms = ? WHERE id = ?", [(live.seen_ms, live.id) for live in seen]
            )

        await self._store.db.write(run)
        for live in seen:
            live.written_ns = live.seen_ns
        for live in over:
            self._aged.note(live.token_hash, live.person, self.alive(live.id, live.person))
        self._drop(over)
        if over:
            self._tell()

    # inside

    async def _end(self, ended: list[_Live], actor: Actor, what: str) -> None:
        if not ended:
            return
        now_ms = self._store.clock.now_ms()
        for live in ended:  # first in memory: nobody gets in while the disk is slow
            live.ended = live.ended or (actor, what, now_ms)
        self._tell()
        keys = {live.key for live in ended if live.key is not None} if what == "session.end" else set()

        def run(conn: sqlite3.Connection) -> None:
            self._write_ends(conn, ended, now_ms)
            forget_keys(conn, keys, now_ms)

        await self._store.db.write(run)
        self._drop(ended)
        await self._end([live for live in self._by_id.values() if live.key in keys], actor, what)  # begun meanwhile

    def _write_ends(self, conn: sqlite3.Connection, ended: list[_Live], now_ms: int) -> None:
        for live in ended:
            sql = "UPDATE login_session SET ended_ms = ? WHERE id = ? AND ended_ms IS NULL"
            written = conn.execute(sql, (now_ms, live.id)).rowcount
            if written and live.ended is not None:
                actor, what, at_ms = live.ended
                need = Need(Action.PEOPLE, ObjectRef(ObjectKind.PERSON, live.person))
                audit.append(conn, self._store.body(actor, what, at_ms, need, session=live.id))

    def _over(self, live: _Live) -> bool:
        """Say whether a session is over for good; one whose key was not proven of late waits for its browser."""
        return self.alive(live.id, live.person) not in {None, Reason.SESSION_UNPROVEN}

    def _drop(self, ended: list[_Live]) -> None:
        for live in ended:
            self._by_hash.pop(live.token_hash, None)
            self._by_id.pop(live.id, None)
            if live.key is not None and self._by_key.get(live.key) is live:
                del self._by_key[live.key]

    def _tell(self) -> None:
        for listener in self.listeners:
            listener()

    def _adopt(self, live: _Live) -> None:
        self._by_hash[live.token_hash] = live
        self._by_id[live.id] = live
        if live.key is not None:
            self._by_key[live.key] = live

    def _from_row(self, row: sqlite3.Row) -> _Live:
        """Re-count a session's age by wall time, which is all that a restart leaves; never negative."""
        clock, ages = self._store.clock, self._ages(PublicId(row["person"]))
        now_ns = clock.mono_ns()
        age_ns = max(0, clock.now_ms() - row["created_ms"]) * 1_000_000
        idle_ns = max(0, clock.now_ms() - row["last_seen_ms"]) * 1_000_000
        return _Live(
            id=PublicId(row["id"]),
            token_hash=row["token_hash"],
            person=PublicId(row["person"]),
            device=PublicId(row["device"]) if row["device"] else None,
            label=row["label"],
            created_ms=row["created_ms"],
            seen_ms=row["last_seen_ms"],
            seen_ns=now_ns - idle_ns,
            ends_ns=now_ns - age_ns + ages.absolute_s * 1_000_000_000,
            idle_ns=ages.idle_s * 1_000_000_000,
            written_ns=now_ns,
            key=PublicId(row["key"]) if row["key"] else None,
            proven_ns=now_ns - max(0, clock.now_ms() - (row["proven_ms"] or 0)) * 1_000_000,
            place=row["place"],
        )

    def _role(self, person: PublicId) -> Role:
        return self._store.current.index.persons[person].role

    def _ages(self, person: PublicId) -> Ages:
        return GUARDIAN_AGES if self._role(person) in LASTING else STAFF_AGES

    def _session(self, live: _Live) -> Session:
        role = self._role(live.person)
        return Session(live.id, live.person, role, live.device, live.label, live.created_ms, live.seen_ms, live.place)
