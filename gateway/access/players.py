"""Players that cannot sign in: tokens for a wall screen or a media player, in a staff member's name.

Owns `player_token`. Invariants: a token is 256 random bits, shown once, and only its SHA-256 is kept; it is a staff
member's, uses that person's rights and no others, and watches live video only (the web accepts it for that alone);
it ends at its date, at once when taken back, and with its person, in the same transaction; like a login it is a
device, so ending it ends its streams. It opens nothing from the moment it is taken back, and is kept in memory until
that is written, so that it can be taken back again and `keep` can try again. Its age is counted by wall time (days),
and monotonically too while the box runs: a clock that was set back does not lengthen it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from gateway.access import audit
from gateway.access.audit import Actor
from gateway.access.facts import Facts
from gateway.access.grants import Alive
from gateway.access.localtime import MS_PER_DAY
from gateway.access.reasons import Reason
from gateway.access.store import FactStore, Need, clean_name
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import STAFF_ROLES, Action, ObjectKind, ObjectRef, PublicId, Role, Secret, new_public_id

TOKEN_BYTES = 32
MOST_DAYS = 400
MOST_TOKENS = 50
"""Of all persons together, living ones: a school has a few screens."""
_LABEL = "player_token.label"


@dataclass(frozen=True, slots=True)
class Player:
    """A token as lists show it; `id` names it in grants and in the audit."""

    id: PublicId
    person: PublicId
    role: Role
    label: str
    created_ms: int
    expires_ms: int


@dataclass(slots=True)
class _Live:
    player: Player
    token_hash: bytes
    ends_ns: int
    ended: bool = False
    """It opens nothing any more, whatever becomes of its person."""
    ended_by: tuple[Actor, int] | None = None
    """Who took it back, and when (UTC ms); the audit is to tell it."""


def token_hash(token: str) -> bytes:
    """Return what is kept of a token."""
    return hashlib.sha256(b"vuon-player-1\0" + token.encode()).digest()


class Players:
    """All living tokens; loaded once, answered from memory, changed in the database first."""

    def __init__(self, store: FactStore, *, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._store, self._random = store, random_bytes
        self._by_hash: dict[bytes, _Live] = {}
        self._by_id: dict[PublicId, _Live] = {}
        self._making: set[str] = set()
        """Labels whose token is being written."""
        self.listeners: list[Callable[[], None]] = []
        """Called in the event loop after a token was taken back; must not block or raise."""
        store.listeners.append(self._facts_changed)

    async def load(self) -> None:
        """Read the tokens that had not ended."""
        store, now_ms = self._store, self._store.clock.now_ms()
        rows = await store.db.read(
            lambda conn: conn.execute(
                "SELECT * FROM player_token WHERE ended_ms IS NULL AND expires_ms > ?", (now_ms,)
            ).fetchall()
        )
        for row in rows:
            person = PublicId(row["person"])
            label = store.unseal(_LABEL, row["id"], row["label_sealed"])
            role = store.current.index.persons[person].role
            player = Player(PublicId(row["id"]), person, role, label, row["created_ms"], row["expires_ms"])
            self._adopt(player, row["token_hash"])

    async def create(self, actor: Actor, person: PublicId, label: str, *, days: int) -> tuple[Secret, Player]:
        """Make a token for a staff member's player; Denied, NotFound, BadInput. The token is shown now or never."""
        store, need, text = self._store, _need(person), clean_name(label)
        who = store.current.index.persons.get(person)
        if who is None:
            raise NotFound("there is no such person")
        await store.demand(actor, need)
        if who.role not in STAFF_ROLES or who.disabled:
            raise BadInput("a player's token is a staff member's", case="player_staff", key="person")
        if not 1 <= days <= MOST_DAYS:
            raise BadInput(f"a token lasts 1 to {MOST_DAYS} days", case="player_days", key="days", most=MOST_DAYS)
        if text.casefold() in self._making or any(_same(text, other.label) for other in self.unended()):
            raise BadInput("a token of this label is in use", case="player_label", key="label")
        if len(self.players()) >= MOST_TOKENS:
            raise BadInput(f"there are {MOST_TOKENS} tokens", case="player_many", key="person", most=MOST_TOKENS)
        token = base64.urlsafe_b64encode(self._random(TOKEN_BYTES)).decode("ascii").rstrip("=")
        now_ms = store.clock.now_ms()
        player = Player(new_public_id(self._random), person, who.role, text, now_ms, now_ms + days * MS_PER_DAY)

        def run(conn: sqlite3.Connection) -> None:
            conn.execute(
                "INSERT INTO player_token (id, token_hash, person, label_sealed, created_ms, expires_ms) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    player.id,
                    token_hash(token),
                    person,
                    store.seal(_LABEL, player.id, text),
                    now_ms,
                    player.expires_ms,
                ),
            )
            detail = {"player": player.id, "until_ms": player.expires_ms}
            audit.append(conn, store.body(actor, "player.create", now_ms, need, **detail))

        self._making.add(text.casefold())
        try:
            await store.db.write(run)
            self._adopt(player, token_hash(token))
        finally:
            self._making.discard(text.casefold())
        return Secret(token), player

    async def revoke(self, actor: Actor, player_id: PublicId) -> Player:
        """End a token at once, and with it what it watches; NotFound, Denied.

        What the database raises says that the end is not written: the token opens nothing then, and may be taken
        back again.
        """
        live = self._by_id.get(player_id)
        if live is None or not self._unended(live):
            raise NotFound("there is no such token")
        await self._store.demand(actor, _need(live.player.person))
        live.ended = True  # first in memory: nobody gets in while the disk is slow
        live.ended_by = live.ended_by or (actor, self._store.clock.now_ms())
        for listener in self.listeners:
            listener()
        await self._write_ends([live])
        return live.player

    async def keep(self) -> None:
        """Write down what is over and forget it; call about once a minute."""
        over = [live for live in self._by_id.values() if live.ended or self._over(live) is not None]
        if over:
            await self._write_ends(over)

    async def _write_ends(self, ended: list[_Live]) -> None:
        store = self._store

        def run(conn: sqlite3.Connection) -> None:
            for live in ended:
                player, now_ms = live.player, store.clock.now_ms()
                sql = "UPDATE player_token SET ended_ms = ? WHERE id = ? AND ended_ms IS NULL"
                written = conn.execute(sql, (now_ms, player.id)).rowcount
                if written and live.ended_by is not None:
                    actor, at_ms = live.ended_by
                    need = _need(player.person)
                    audit.append(conn, store.body(actor, "player.end", at_ms, need, player=player.id))

        await store.db.write(run)
        for live in ended:
            self._by_hash.pop(live.token_hash, None)
            self._by_id.pop(live.player.id, None)

    def players(self) -> tuple[Player, ...]:
        """Return the living tokens, oldest first; the caller has decided."""
        found = [live.player for live in self._by_id.values() if self._over(live) is None]
        return _by_age(found)

    def unended(self) -> tuple[Player, ...]:
        """Return those that can be taken back: living ones, and those whose end is not written yet."""
        return _by_age([live.player for live in self._by_id.values() if self._unended(live)])

    def who(self, token: str) -> Player | None:
        """Return whose token this is, None if it opens nothing (any more)."""
        live = self._by_hash.get(token_hash(token))
        return live.player if live is not None and self._over(live) is None else None

    def alive(self, device: str, person: PublicId) -> str | None:
        """Say why a token is over, None while it lives (any thread)."""
        live = self._by_id.get(PublicId(device))
        return Reason.SESSION_ENDED if live is None or live.player.person != person else self._over(live)

    def beside(self, logins: Alive) -> Alive:
        """Return the question whether a device lives, for tokens and logins alike."""

        def alive(device: str, person: PublicId) -> str | None:
            return self.alive(device, person) if PublicId(device) in self._by_id else logins(device, person)

        return alive

    @staticmethod
    def _unended(live: _Live) -> bool:
        """Say whether its end is still to be written; that of who ended with their person is."""
        return not live.ended or live.ended_by is not None

    def _facts_changed(self, _facts: Facts) -> None:
        for live in self._by_id.values():
            live.ended = live.ended or self._lost(live.player.person)

    def _lost(self, person: PublicId) -> bool:
        """Say whether a person may have no token."""
        who = self._store.current.index.persons.get(person)
        return who is None or who.disabled or who.role not in STAFF_ROLES

    def _over(self, live: _Live) -> str | None:
        clock = self._store.clock
        if live.ended_by is not None:
            return Reason.SESSION_ENDED
        if clock.now_ms() >= live.player.expires_ms or clock.mono_ns() >= live.ends_ns:
            return Reason.SESSION_EXPIRED
        if self._lost(live.player.person):
            return Reason.PERSON_DISABLED
        return Reason.SESSION_ENDED if live.ended else None

    def _adopt(self, player: Player, hashed: bytes) -> None:
        clock = self._store.clock
        left_ns = max(0, player.expires_ms - clock.now_ms()) * 1_000_000
        live = _Live(player, hashed, clock.mono_ns() + left_ns, ended=self._lost(player.person))
        self._by_hash[hashed], self._by_id[player.id] = live, live


def end_with_person(conn: sqlite3.Connection, person: PublicId, now_ms: int) -> None:
    """Write the end of a person's tokens inside the transaction that takes their rights."""
    conn.execute("UPDATE player_token SET ended_ms = ? WHERE person = ? AND ended_ms IS NULL", (now_ms, person))


def _by_age(players: list[Player]) -> tuple[Player, ...]:
    return tuple(sorted(players, key=lambda player: (player.created_ms, player.id)))


def _same(label: str, other: str) -> bool:
    """Say whether people would take two screens for one."""
    return label.casefold() == other.casefold()


def _need(person: PublicId) -> Need:
    return Need(Action.APPROVE, ObjectRef(ObjectKind.PERSON, person))
