"""The accounts of staff: sign-in name, password, second factor.

Owns `account` and `recovery_code`. Invariants: only staff and officials have one (guardians come by slip, guests by
code); a sign-in name is unique and sealed, the few there are are compared in memory; a password is kept as its
argon2id hash, a second factor's secret sealed; each change is an audit row; whoever resets a password learns none, a
one-use code is the way back in.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.access import secondfactor
from gateway.access.audit import Actor
from gateway.access.codes import normalise
from gateway.access.facts import Facts
from gateway.access.passwords import clean_sign_in_name, suggest
from gateway.access.policy import BOX
from gateway.access.rules_staff import IN_CARE
from gateway.access.store import FactStore, Need
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import LEADER_ROLES, Action, ObjectKind, ObjectRef, PublicId, Role, Secret

WITHOUT = frozenset({Role.GUARDIAN, Role.OBSERVER})
MUST = LEADER_ROLES
"""Roles that cannot do without a password."""
MANAGE, KEEPS = Need(Action.PEOPLE, BOX), Need(Action.APPROVE, BOX)
_NAME, _TOTP = "account.name", "account.totp"


@dataclass(frozen=True, slots=True)
class Account:
    """How a person signs in."""

    person: PublicId
    name: str
    password_hash: str | None = None
    password_ms: int | None = None
    totp: Secret | None = None
    totp_step: int = 0
    resets: int = 0
    """How often its password was forgotten by the school: tells an account without one from the same one later."""

    def __repr__(self) -> str:
        return f"Account({self.person})"


class Accounts:
    """All accounts in memory; changed in the database first."""

    def __init__(
        self,
        store: FactStore,
        *,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._store, self._random = store, random_bytes
        self._by_person: dict[PublicId, Account] = {}
        self._seen_version = -1

    async def load(self) -> None:
        """Read them; again whenever the facts are other ones (an erased box has blotted out the names)."""
        version = self._store.current.version
        rows = await self._store.db.read(lambda conn: conn.execute("SELECT * FROM account").fetchall())
        self._by_person = {PublicId(row["id"]): self._from_row(row) for row in rows}
        self._seen_version = version

    async def fresh(self) -> None:
        """Read them if anything changed since."""
        if self._seen_version != self._store.current.version:
            await self.load()

    def _from_row(self, row: sqlite3.Row) -> Account:
        person, store = PublicId(row["id"]), self._store
        sealed = row["totp_sealed"]
        return Account(
            person,
            store.unseal(_NAME, person, row["name_sealed"]),
            row["password_hash"],
            row["password_ms"],
            Secret(store.unseal(_TOTP, person, sealed)) if sealed is not None else None,
            row["totp_step"],
            row["resets"],
        )

    # asking

    def of(self, person: PublicId) -> Account | None:
        """Return a person's account."""
        return self._by_person.get(person)

    def named(self, name: str) -> Account | None:
        """Return the account of a sign-in name."""
        return next((item for item in self._by_person.values() if item.name == name), None)

    def any_password(self) -> bool:
        """Say whether anybody has a password yet."""
        return any(item.password_hash for item in self._by_person.values())

    def has_second(self, person: PublicId) -> bool:
        """Say whether a person has a second factor."""
        return (mine := self.of(person)) is not None and mine.totp is not None

    def may_have(self, person: PublicId, facts: Facts | None = None) -> bool:
        """Say whether a person's role signs in by password."""
        who = (facts or self._store.current).index.persons.get(person)
        return who is not None and who.role not in WITHOUT

    def must_set(self, person: PublicId) -> bool:
        """Say whether a person has to choose a password before anything else."""
        mine = self.of(person)
        return self.must_have(person) and (mine is None or mine.password_hash is None)

    def must_have(self, person: PublicId) -> bool:
        """Say whether a person's role cannot do without a password."""
        who = self._store.current.index.persons.get(person)
        return who is not None and who.role in MUST

    # sign-in names

    async def ensure(self, actor: Actor, person: PublicId, full_name: str) -> Account:
        """Return a person's account, made with a name drawn from the person's on first use; NotFound for guardians."""
        if (mine := self.of(person)) is not None:
            return mine
        name = suggest(full_name, {item.name for item in self._by_person.values()})
        await self._name(actor, _self(person), person, name)
        return self._by_person[person]

    async def rename(self, actor: Actor, person: PublicId, name: str) -> None:
        """Give a person another sign-in name; BadInput if it is none or taken, NotFound, Denied."""
        await self._name(actor, self._managing(person), person, clean_sign_in_name(name))

    def _managing(self, person: PublicId) -> Need:
        who = self._store.current.index.persons.get(person)
        return MANAGE if who is None or who.role in IN_CARE else KEEPS

    async def _name(self, actor: Actor, need: Need, person: PublicId, name: str) -> None:
        store = self._store

        def run(conn: sqlite3.Connection, _now_ms: int) -> None:
            self._demand(conn, person)
            rows = conn.execute("SELECT id, name_sealed FROM account WHERE id <> ?", (person,)).fetchall()
            if any(store.unseal(_NAME, row["id"], row["name_sealed"]) == name for row in rows):
                raise BadInput("another person signs in by this name", key="name", case="sign_in_name_taken")
            conn.execute(
                "INSERT INTO account (id, name_sealed) VALUES (?, ?) "
                "ON CONFLICT (id) DO UPDATE SET name_sealed = excluded.name_sealed",
                (person, store.seal(_NAME, person, name)),
            )

        await store.change(actor, "account.name", need, run, detail={"who": person})
        self._put(replace(self.of(person) or Account(person, name), name=name))

    def _demand(self, conn: sqlite3.Connection, person: PublicId) -> None:
        if not self.may_have(person, self._store.snapshot(conn)):
            raise NotFound("this person signs in without a password")

    # passwords

    async def set_password(
        self, actor: Actor, was: Account, password_hash: str, *, lives: Callable[[], bool] = lambda: True
    ) -> None:
        """Keep a person's own new password; the caller has proved who it is, by the account as it `was`.

        BadInput (`password_changed`) if it is another one by now, or the login does not live any more: of two changes
        at once one counts, and a reset is not undone by a change that began before it.
        """
        person = was.person

        def run(conn: sqlite3.Connection, now_ms: int) -> int:
            self._demand(conn, person)
            if not lives() or not stands(conn, was):
                raise BadInput("the password was changed or reset meanwhile", key="new", case="password_changed")
            sql = "UPDATE account SET password_hash = ?, password_ms = ? WHERE id = ?"
            if conn.execute(sql, (password_hash, now_ms, person)).rowcount == 0:
                raise NotFound("there is no such account")
            return now_ms

        at_ms = await self._store.change(actor, "password.set", _self(person), run)
        self._put(replace(self._by_person[person], password_hash=password_hash, password_ms=at_ms))

    async def rehash(self, person: PublicId, old_hash: str, new_hash: str) -> bool:
        """Keep the same password at today's cost, unless it was changed meanwhile; no audit row: nothing is new.

        Says whether it was written.
        """
        sql = "UPDATE account SET password_hash = ? WHERE id = ? AND password_hash = ?"
        written = await self._store.db.write(lambda conn: conn.execute(sql, (new_hash, person, old_hash)).rowcount)
        if not written:
            return False
        if (mine := self.of(person)) is not None and mine.password_hash == old_hash:
            self._put(replace(mine, password_hash=new_hash))
        return True

    async def reset(self, actor: Actor, person: PublicId) -> None:
        """Forget a person's password and known browsers; needs the right to manage people and a fresh login.

        That of the leadership, the authority or the installer only by a principal: a vice-principal could lock them
        out, or become one.
        """

        def run(conn: sqlite3.Connection, _now_ms: int) -> None:
            self._demand(conn, person)
            sql = "UPDATE account SET password_hash = NULL, password_ms = NULL, resets = resets + 1 WHERE id = ?"
            conn.execute(sql, (person,))
            conn.execute("DELETE FROM browser_mark WHERE person = ?", (person,))

        await self._store.change(actor, "password.reset", self._managing(person), run, detail={"who": person})
        if (mine := self.of(person)) is not None:
            self._put(replace(mine, password_hash=None, password_ms=None, resets=mine.resets + 1))

    # the second factor

    async def enrol(self, actor: Actor, person: PublicId, secret: Secret, step: int) -> list[str]:
        """Switch the second factor on and return the ten codes; `step` is of the digits that proved it."""
        codes, store = secondfactor.new_recovery_codes(self._random), self._store
        sealed = store.seal(_TOTP, person, secret.reveal())
        need = _self(person, fresh=True)

        def run(conn: sqlite3.Connection, _now_ms: int) -> None:
            self._demand(conn, person)
            sql = "UPDATE account SET totp_sealed = ?, totp_step = ? WHERE id = ?"
            if conn.execute(sql, (sealed, step, person)).rowcount == 0:
                raise NotFound("there is no such account")
            conn.execute("DELETE FROM recovery_code WHERE person = ?", (person,))
            rows = [(secondfactor.recovery_hash(normalise(code)), person) for code in codes]
            conn.executemany("INSERT INTO recovery_code (code_hash, person) VALUES (?, ?)", rows)

        await store.change(actor, "second.on", need, run)
        self._put(replace(self._by_person[person], totp=secret, totp_step=step))
        return codes

    async def drop_second(self, actor: Actor, person: PublicId) -> None:
        """Switch the second factor off: one's own with a fresh login, another's at the console; Denied, NotFound."""
        own = actor.person == person
        need = _self(person, fresh=True) if own or actor.person is None else Need(Action.CONFIGURE, _of(person))

        def run(conn: sqlite3.Connection, _now_ms: int) -> None:
            self._demand(conn, person)
            conn.execute("UPDATE account SET totp_sealed = NULL, totp_step = 0 WHERE id = ?", (person,))
            conn.execute("DELETE FROM recovery_code WHERE person = ?", (person,))

        await self._store.change(actor, "second.off", need, run, detail={"who": person})
        if (mine := self.of(person)) is not None:
            self._put(replace(mine, totp=None, totp_step=0))

    async def use_second(self, person: PublicId, typed: str) -> str:
        """Use up what somebody typed as second factor; returns `digits`, `recovery`, or "" if it does not fit."""
        mine, now_ms = self.of(person), self._store.clock.now_ms()
        if mine is None or mine.totp is None:
            return ""
        step = secondfactor.step_of(mine.totp.reveal(), typed, now_ms, mine.totp_step)
        if step is not None:
            sql = "UPDATE account SET totp_step = ? WHERE id = ? AND totp_step < ?"
            taken = await self._store.db.write(lambda conn: conn.execute(sql, (step, person, step)).rowcount)
            self._put(replace(self._by_person[person], totp_step=max(step, self._by_person[person].totp_step)))
            return "digits" if taken else ""
        kept = secondfactor.recovery_hash(normalise(typed))
        sql = "DELETE FROM recovery_code WHERE code_hash = ? AND person = ?"
        gone = await self._store.db.write(lambda conn: conn.execute(sql, (kept, person)).rowcount)
        return "recovery" if gone else ""

    async def recovery_left(self, persons: Sequence[PublicId]) -> Mapping[PublicId, int]:
        """Return how many recovery codes each has left."""
        sql = "SELECT person, count(*) AS n FROM recovery_code GROUP BY person"
        rows = await self._store.db.read(lambda conn: conn.execute(sql).fetchall())
        left = {PublicId(row["person"]): int(row["n"]) for row in rows}
        return {person: left.get(person, 0) for person in persons}

    def _put(self, account: Account) -> None:
        self._by_person[account.person] = account


def stands(conn: sqlite3.Connection, was: Account) -> bool:
    """Say whether an account's password is still that one and was not reset, inside the caller's transaction."""
    row = conn.execute("SELECT password_hash, resets FROM account WHERE id = ?", (was.person,)).fetchone()
    return row is not None and (row["password_hash"], row["resets"]) == (was.password_hash, was.resets)


def _of(person: PublicId) -> ObjectRef:
    return ObjectRef(ObjectKind.PERSON, person)


def _self(person: PublicId, *, fresh: bool = False) -> Need:
    return Need(Action.PEOPLE, _of(person), fresh=fresh)
