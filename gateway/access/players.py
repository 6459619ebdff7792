"""Players that cannot sign in: tokens for a wall screen or a media player, in a staff member's name.

Owns `player_token`. Invariants: a token is 256 random bits, shown once, and only its SHA-256 is kept; it is a staff
member's, uses that person's rights and no others, and watches live video only (the web accepts it for that alone);
it ends at its date, at once when taken back, and with its person; like a login it is a device, so ending it ends
its streams. Its age is counted by wall time (days), and monotonically too while the box runs: a clock that was set
back does not lengthen it.
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
from gateway.access.grants import Alive
from gateway.access.reasons import Reason
from gateway.access.store import FactStore, Need, clean_name
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import STAFF_ROLES, Action, ObjectKind, ObjectRef, PublicId, Role, Secret, new_public_id

TOKEN_BYTES = 32
MOST_DAYS = 400
MOST_TOKENS = 50
"""Of all persons together, living ones: a school has a few screens."""
DAY_MS = 86_400_000
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


def token_hash(token: str) -> bytes:
    """Return what is kept of a token."""
    return hashlib.sha256(b"vuon-player-1\0" + token.encode()).digest()


class Players:
    """All living tokens; loaded once, answered from memory, changed in the database first."""

    def __init__(self, store: FactStore, *, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._store, self._random = store, random_bytes
        self._by_hash: dict[bytes, _Live] = {}
        self._by_id: dict[PublicId, _Live] = {}
        self.listeners: list[Callable[[], None]] = []
        """Called in the event loop after a token ended; must not block or raise."""

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
        if len(self.players()) >= MOST_TOKENS:
            raise BadInput(f"there are {MOST_TOKENS} tokens", case="player_many", key="person", most=MOST_TOKENS)
        token = base64.urlsafe_b64encode(self._random(TOKEN_BYTES)).decode("ascii").rstrip("=")
        now_ms = store.clock.now_ms()
        player = Player(new_public_id(self._random), person, who.role, text, now_ms, now_ms + days * DAY_MS)

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

        await store.db.write(run)
        self._adopt(player, token_hash(token))
        return Secret(token), player

    async def revoke(self, actor: Actor, player_id: PublicId) -> Player:
        """End a token at once, and with it what it watches; NotFound, Denied."""
        live = self._by_id.get(player_id)
        if live is None or self.alive(player_id, live.player.person) is not None:
            raise NotFound("there is no such token")
        store, need = self._store, _need(live.player.person)
        await store.demand(actor, need)
        self._by_hash.pop(live.token_hash, None)  # first in memory: nobody gets in while the disk is slow
        self._by_id.pop(player_id, None)
        for listener in self.listeners:
            listener()

        def run(conn: sqlite3.Connection) -> None:
            now_ms = store.clock.now_ms()
            conn.execute("UPDATE player_token SET ended_ms = ? WHERE id = ?", (now_ms, player_id))
            audit.append(conn, store.body(actor, "player.end", now_ms, need, player=player_id))

        await store.db.write(run)
        return live.player

    def players(self) -> tuple[Player, ...]:
        """Return the living tokens, oldest first; the caller has decided."""
        found = [live.player for live in self._by_id.values() if self._over(live) is None]
        return tuple(sorted(found, key=lambda player: (player.created_ms, player.id)))

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

    def _over(self, live: _Live) -> str | None:
        clock = self._store.clock
        if clock.now_ms() >= live.player.expires_ms or clock.mono_ns() >= live.ends_ns:
            return Reason.SESSION_EXPIRED
        who = self._store.current.index.persons.get(live.player.person)
        return Reason.PERSON_DISABLED if who is None or who.disabled or who.role not in STAFF_ROLES else None

    def _adopt(self, player: Player, hashed: bytes) -> None:
        clock = self._store.clock
        left_ns = max(0, player.expires_ms - clock.now_ms()) * 1_000_000
        live = _Live(player, hashed, clock.mono_ns() + left_ns)
        self._by_hash[hashed], self._by_id[player.id] = live, live


def _need(person: PublicId) -> Need:
    return Need(Action.APPROVE, ObjectRef(ObjectKind.PERSON, person))
