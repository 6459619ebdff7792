"""Invitation slips: how a guardian's phone is let in, without a password.

Owns `slip` and the making of `device`. Invariants: a slip carries 128 random bits (for the fragment of a QR address,
which browsers do not send) and a code of 60 bits for typing, both kept as hashes, good once and for 7 days, for one
guardian; a newer slip of the same guardian ends the older one. A slip is spent only by a browser that proved a key of
its own and knows the last four digits of the phone number the school holds (five tries, then the slip is void); looking
spends nothing. What it binds waits for the school's approval, unless identity was checked when the slip was handed
over. A guardian has at most two devices, waiting ones counted; a third names the one that ends. Used, expired and void
are told only to whoever holds the secret; what does not exist is `slip.unknown`.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from gateway.access import audit
from gateway.access.audit import BY_BOX, Actor
from gateway.access.departures import has_left
from gateway.access.devicekeys import Challenges, Proof, Purpose, proves, read_point
from gateway.access.invitees import TRIES, classes_of, invite_need, ties_of
from gateway.access.labels import clean_label
from gateway.access.limits import RateLimit, network_of
from gateway.access.localtime import MS_PER_DAY
from gateway.access.login import Logins, SignedIn
from gateway.access.phones import Phones, fits, phone_of
from gateway.access.reasons import Reason
from gateway.access.store import FactStore, Need
from gateway.access.typedcodes import grouped, meant
from gateway.core.errors import BadInput, CodeRefused, NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role, Secret, new_public_id

T = TypeVar("T")

SECRET_BYTES = 16
SECRET_CHARS = 26
CODE_CHARS = 12
DEVICES = 2


@dataclass(frozen=True, slots=True)
class Slip:
    """A fresh slip, to be printed or shown once; `secret` goes behind the `#` of the address."""

    id: PublicId
    secret: Secret
    code: Secret
    person: PublicId
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Look:
    """What whoever holds a slip may know before any digit: no name, neither the child's nor the guardian's."""

    classes: tuple[PublicId, ...]
    kind: str
    asks_digits: bool
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Binding:
    """A browser as it asks to be bound."""

    point: str
    """Public key, base64url."""
    proof: Proof
    label: str
    digits: str = ""
    replaces: str = ""
    """The device that ends for it; empty while there is a place."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A slip was spent: the browser's key has an id, and a login if nobody needs to approve."""

    key: PublicId
    device: PublicId
    signed_in: SignedIn | None


@dataclass(frozen=True, slots=True)
class _Refused:
    reason: Reason
    left: int | None = None
    devices: tuple[tuple[str, str], ...] = ()


def slip_hash(text: str, kind: str) -> bytes:
    """Return what is kept of a slip's secret or code: random bits need no slow hash."""
    return hashlib.sha256(f"vuon-slip-2\0{kind}\0{text}".encode()).digest()


def normalise(text: str) -> str:
    """Return a scanned secret or a typed code: case, spaces and dashes do not matter."""
    return meant(text, str.upper)


class Invitations:
    """Makes slips and spends them."""

    def __init__(
        self,
        store: FactStore,
        logins: Logins,
        challenges: Challenges | None = None,
        *,
        days: int = 7,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._store, self._logins = store, logins
        self.challenges = challenges or Challenges(store.clock.mono_ns)
        self._lifetime_ms = days * MS_PER_DAY
        self._random = random_bytes
        self.phones = Phones(store)
        self._limit = RateLimit(store.clock.mono_ns, burst=10, every_s=6)

    async def create(self, actor: Actor, person: PublicId, *, checked: bool = False) -> Slip:
        """Make a slip for a guardian and end the older one; Denied, NotFound, BadInput for other roles and who left.

        `checked`: it is handed over now, after a look at an identity card, so its device needs no further approval;
        only who may approve may say so.
        """
        store, need = self._store, invite_need(self._store, actor, person)._replace(fresh=True)
        if checked:
            await store.demand(actor, Need(Action.APPROVE, ObjectRef(ObjectKind.PERSON, person), fresh=True))
        await store.demand(actor, need)
        who = store.current.index.persons.get(person)
        if who is None:
            raise NotFound("there is no such person")
        if who.role is not Role.GUARDIAN:
            raise BadInput("slips are for guardians", person=person)
        secret = base64.b32encode(self._random(SECRET_BYTES)).decode("ascii").rstrip("=")
        code = base64.b32encode(self._random(SECRET_BYTES)).decode("ascii")[:CODE_CHARS]
        slip_id, by = new_public_id(self._random), actor.person or "console"

        def run(conn: sqlite3.Connection) -> int:
            now_ms = store.clock.now_ms()
            if has_left(conn, person, now_ms):
                raise BadInput("this guardian stands for no child any more", case="guardian_left", key="person")
            ends_ms = now_ms + self._lifetime_ms
            conn.execute(
                "UPDATE slip SET ended_ms = ? WHERE person = ? AND used_ms IS NULL AND ended_ms IS NULL",
                (now_ms, person),
            )
            conn.execute(
                "INSERT INTO slip (id, secret_hash, code_hash, person, created_by, created_ms, expires_ms, checked) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (slip_id, slip_hash(secret, "qr"), slip_hash(code, "typed"), person, by, now_ms, ends_ms, checked),
            )
            audit.append(
                conn, store.body(actor, "slip.create", now_ms, need, who=person, slip=slip_id, checked=checked)
            )
            return ends_ms

        shown = grouped(code)
        return Slip(slip_id, Secret(secret), Secret(shown), person, await store.db.write(run))

    async def look(self, text: str, *, address: str) -> Look:
        """Say what a slip is for, spending nothing; CodeRefused as `bind`."""
        self._take_try(address)
        found = await self._store.db.read(lambda conn: self._look(conn, normalise(text)))
        return self._answer(found, address)

    async def bind(self, text: str, binding: Binding, *, address: str) -> Bound:
        """Trade a slip's secret or code for a bound device, and its login if it is approved already.

        Raises CodeRefused with `reason` rate, device.proof, slip.unknown, slip.used, slip.expired, slip.void,
        slip.digits (`left`: tries left) or device.limit (`devices`: pairs of id and label), and BadInput.
        """
        point = read_point(binding.point)
        self._take_try(address)
        if not proves(point, Purpose.BIND, binding.proof) or not self.challenges.take(binding.proof.challenge):
            raise CodeRefused("the browser did not prove its key", reason=str(Reason.DEVICE_PROOF))
        found = await self._store.db.write(lambda conn: self._bind(conn, normalise(text), point, binding))
        bound, adopt, replaced = self._answer(found, address)
        adopt()
        if replaced is not None:
            await self._logins.end_device(
                Actor(bound.signed_in.session.person, bound.signed_in.session.id) if bound.signed_in else BY_BOX,
                replaced,
            )
        return bound

    # inside

    def _take_try(self, address: str) -> None:
        if not self._limit.take(address):
            raise CodeRefused("too many tries from this network", reason=str(Reason.RATE))

    def _answer(self, found: T | _Refused, address: str) -> T:
        """Raise a refusal; a try that was right costs nothing: a whole class may join over one address."""
        if not isinstance(found, _Refused):
            self._limit.give_back(network_of(address))
            return found
        if found.reason in {Reason.SLIP_DIGITS, Reason.DEVICE_LIMIT, Reason.SLIP_USED, Reason.SLIP_EXPIRED}:
            self._limit.give_back(network_of(address))  # the secret was right, and the slip counts its own tries
        extra = {"left": found.left, "devices": found.devices}
        raise CodeRefused(
            "this slip opens nothing", reason=str(found.reason), **{key: value for key, value in extra.items() if value}
        )

    def _look(self, conn: sqlite3.Connection, typed: str) -> Look | _Refused:
        row = self._row(conn, typed)
        refused = self._why_not(row)
        if refused is not None or row is None:
            return refused or _Refused(Reason.SLIP_UNKNOWN)
        person, now_ms, facts = PublicId(row["person"]), self._store.clock.now_ms(), self._store.current
        kinds = {tie.kind for tie in ties_of(facts, person, now_ms)}
        asks = phone_of(conn, self._store, person) is not None
        return Look(
            tuple(classes_of(facts, person, now_ms)), kinds.pop() if len(kinds) == 1 else "", asks, row["expires_ms"]
        )

    def _bind(
        self, conn: sqlite3.Connection, typed: str, point: bytes, binding: Binding
    ) -> tuple[Bound, Callable[[], None], PublicId | None] | _Refused:
        store, now_ms = self._store, self._store.clock.now_ms()
        row = self._row(conn, typed)
        if row is not None and (again := self._again(conn, row, point, binding.label)) is not None:
            return again
        refused = self._why_not(row)
        if refused is None and row is not None:
            refused = self._wrong_digits(conn, row, binding.digits)
        if refused is not None or row is None:
            refused = refused or _Refused(Reason.SLIP_UNKNOWN)
            store.emit(conn, store.event("access.login", role=Role.GUARDIAN, outcome=refused.reason))
            return refused
        person, checked = PublicId(row["person"]), bool(row["checked"])
        mine = conn.execute(
            "SELECT * FROM device WHERE person = ? AND ended_ms IS NULL ORDER BY created_ms, id", (person,)
        ).fetchall()
        old = next((item for item in mine if item["id"] == binding.replaces), None)
        if len(mine) >= DEVICES and old is None:
            return _Refused(Reason.DEVICE_LIMIT, devices=tuple((item["id"], item["label"]) for item in mine))
        device, key = new_public_id(self._random), new_public_id(self._random)
        conn.execute("UPDATE slip SET used_ms = ? WHERE id = ?", (now_ms, row["id"]))
        conn.execute(
            "INSERT INTO device (id, person, label, created_ms, slip) VALUES (?, ?, ?, ?, ?)",
            (device, person, clean_label(binding.label), now_ms, row["id"]),
        )
        add_key(conn, key, device, point, "browser", now_ms)
        actor, need, ended = Actor(person, device), _person(person), None
        if old is not None and (checked or old["approved_ms"] is None):
            ended = PublicId(old["id"])
            conn.execute("UPDATE device SET ended_ms = ? WHERE id = ?", (now_ms, ended))
            audit.append(conn, store.body(actor, "device.end", now_ms, need, bound=ended))
        elif old is not None:
            conn.execute("UPDATE device SET replaces = ? WHERE id = ?", (old["id"], device))
        audit.append(conn, store.body(actor, "slip.redeem", now_ms, need, slip=row["id"], bound=device))
        if not checked:
            store.emit(conn, store.event("access.login", role=Role.GUARDIAN, outcome=Reason.DEVICE_WAITING))
            return Bound(key, device, None), _nothing, ended
        conn.execute(
            "UPDATE device SET approved_ms = ?, approved_by = ? WHERE id = ?", (now_ms, row["created_by"], device)
        )
        signed_in, adopt = self._logins.start(conn, person, label=binding.label, device=device, key=key)
        return Bound(key, device, signed_in), adopt, ended

    def _again(
        self, conn: sqlite3.Connection, row: sqlite3.Row, point: bytes, label: str
    ) -> tuple[Bound, Callable[[], None], PublicId | None] | None:
        """Answer the browser that spent this slip a second time: the first answer got lost on the way."""
        sql = (
            "SELECT device_key.id AS key, device.* FROM device_key JOIN device ON device.id = device "
            "WHERE point = ? AND slip = ? AND ended_ms IS NULL"
        )
        mine = conn.execute(sql, (point, row["id"])).fetchone()
        if mine is None:
            return None
        key, device, person = PublicId(mine["key"]), PublicId(mine["id"]), PublicId(mine["person"])
        if mine["approved_ms"] is None:
            return Bound(key, device, None), _nothing, None
        going = self._logins.renew(conn, key)
        signed_in, adopt = going or self._logins.start(conn, person, label=label, device=device, key=key)
        return Bound(key, device, signed_in), adopt, None

    def _row(self, conn: sqlite3.Connection, typed: str) -> sqlite3.Row | None:
        column, kind = ("code_hash", "typed") if len(typed) == CODE_CHARS else ("secret_hash", "qr")
        sql = f"SELECT * FROM slip WHERE {column} = ?"  # noqa: S608 - our own column names
        found: sqlite3.Row | None = conn.execute(sql, (slip_hash(typed, kind),)).fetchone()
        return found

    def _why_not(self, row: sqlite3.Row | None) -> _Refused | None:
        if row is None:
            return _Refused(Reason.SLIP_UNKNOWN)
        if row["used_ms"] is not None:
            return _Refused(Reason.SLIP_USED)
        if row["tries"] >= TRIES:
            return _Refused(Reason.SLIP_VOID)
        if row["ended_ms"] is not None or self._store.clock.now_ms() >= row["expires_ms"]:
            return _Refused(Reason.SLIP_EXPIRED)
        who = self._store.current.index.persons.get(PublicId(row["person"]))
        return _Refused(Reason.PERSON_DISABLED) if who is None or who.disabled else None

    def _wrong_digits(self, conn: sqlite3.Connection, row: sqlite3.Row, digits: str) -> _Refused | None:
        """Compare the digits and count a wrong try; a guardian without a number is asked for none."""
        phone = phone_of(conn, self._store, PublicId(row["person"]))
        if phone is None or fits(phone, digits):
            return None
        tries = int(row["tries"]) + bool(digits)
        conn.execute("UPDATE slip SET tries = ? WHERE id = ?", (tries, row["id"]))
        if tries < TRIES:
            return _Refused(Reason.SLIP_DIGITS, left=TRIES - tries)
        person, now_ms = PublicId(row["person"]), self._store.clock.now_ms()
        body = self._store.body(Actor(None, "slip"), "slip.void", now_ms, _person(person), slip=row["id"])
        audit.append(conn, body)
        return _Refused(Reason.SLIP_VOID)


def add_key(conn: sqlite3.Connection, key: PublicId, device: PublicId, point: bytes, kind: str, now_ms: int) -> None:
    """Keep a public key of a device; BadInput for one that is known already."""
    try:
        conn.execute(
            "INSERT INTO device_key (id, device, point, kind, created_ms) VALUES (?, ?, ?, ?, ?)",
            (key, device, point, kind, now_ms),
        )
    except sqlite3.IntegrityError as error:
        raise BadInput("this key is bound already; make a new one", key="key") from error


def _person(person: PublicId) -> Need:
    return Need(Action.PEOPLE, ObjectRef(ObjectKind.PERSON, person))


def _nothing() -> None:
    """Nothing to adopt: a waiting device has no login."""
