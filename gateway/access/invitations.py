"""Invitation slips: how a guardian's phone is let in, without a password.

Owns `slip` and the binding of devices. Invariants: a slip carries 128 random bits (for the fragment of a
QR address, which browsers do not send), kept as a hash, good once and for 7 days, for one guardian; a
guardian has at most two bound devices; a newer slip of the same guardian ends the older one. A used or
expired slip says so only to whoever holds its secret. Asking the last four digits of the phone number
the school holds, the key that the phone makes for itself, and the principal's approval join in `redeem`.
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
from gateway.access.limits import RateLimit
from gateway.access.login import Logins, SignedIn, clean_label
from gateway.access.reasons import Reason
from gateway.access.store import FactStore, Need
from gateway.core.errors import BadInput, CodeRefused, NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role, Secret, new_public_id

SECRET_BYTES = 16
DEVICES = 2
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Slip:
    """A fresh slip, to be printed or shown once; `secret` goes behind the `#` of the address."""

    id: PublicId
    secret: Secret
    person: PublicId
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Device:
    """A bound phone or browser of a guardian."""

    id: PublicId
    person: PublicId
    label: str
    created_ms: int


def secret_hash(secret: str) -> bytes:
    """Return what is kept of a slip's secret."""
    return hashlib.sha256(b"vuon-slip-1\0" + secret.encode()).digest()


class Invitations:
    """Makes and redeems slips, lists and ends the devices they bound."""

    def __init__(
        self,
        store: FactStore,
        logins: Logins,
        *,
        days: int = 7,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._store = store
        self._logins = logins
        self._lifetime_ms = days * _DAY_MS
        self._random = random_bytes
        self._limit = RateLimit(store.clock.mono_ns, burst=10, every_s=6)

    async def create(self, actor: Actor, person: PublicId) -> Slip:
        """Make a slip for a guardian and end the older one; Denied, NotFound, BadInput for other roles."""
        store, need = self._store, Need(Action.APPROVE, ObjectRef(ObjectKind.PERSON, person))
        if person not in store.current.index.persons:
            raise NotFound("there is no such person")
        await store.demand(actor, need)
        if store.current.index.persons[person].role is not Role.GUARDIAN:
            raise BadInput("slips are for guardians", person=person)
        secret = base64.urlsafe_b64encode(self._random(SECRET_BYTES)).decode("ascii").rstrip("=")
        slip_id = new_public_id(self._random)

        def run(conn: sqlite3.Connection) -> int:
            now_ms = store.clock.now_ms()
            conn.execute(
                "UPDATE slip SET ended_ms = ? WHERE person = ? AND used_ms IS NULL AND ended_ms IS NULL",
                (now_ms, person),
            )
            conn.execute(
                "INSERT INTO slip (id, secret_hash, person, created_by, created_ms, expires_ms) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    slip_id,
                    secret_hash(secret),
                    person,
                    actor.person or "console",
                    now_ms,
                    now_ms + self._lifetime_ms,
                ),
            )
            audit.append(conn, store.body(actor, "slip.create", now_ms, need, slip=slip_id))
            return now_ms + self._lifetime_ms

        return Slip(slip_id, Secret(secret), person, await store.db.write(run))

    async def redeem(self, secret: str, *, address: str, label: str) -> SignedIn:
        """Trade a slip's secret for a bound device and its login.

        Raises CodeRefused with `reason` rate, slip.unknown, slip.used, slip.expired or device.limit.
        """
        if not self._limit.take(address):
            raise CodeRefused("too many tries from this network", reason=str(Reason.RATE))
        outcome = await self._store.db.write(lambda conn: self._redeem(conn, secret, label))
        if isinstance(outcome, Reason):
            raise CodeRefused("this slip opens nothing", reason=str(outcome))
        signed_in, adopt = outcome
        adopt()
        return signed_in

    async def devices(self, person: PublicId) -> tuple[Device, ...]:
        """Return a guardian's bound devices, oldest first; the caller has decided."""
        rows = await self._store.db.read(
            lambda conn: conn.execute(
                "SELECT * FROM device WHERE person = ? AND ended_ms IS NULL ORDER BY created_ms, id", (person,)
            ).fetchall()
        )
        return tuple(
            Device(PublicId(row["id"]), PublicId(row["person"]), row["label"], row["created_ms"]) for row in rows
        )

    async def end_device(self, actor: Actor, device: PublicId) -> None:
        """Unbind a device, one's own or (with the right to manage people) another's; its logins end."""
        row = await self._store.db.read(
            lambda conn: conn.execute(
                "SELECT person FROM device WHERE id = ? AND ended_ms IS NULL", (device,)
            ).fetchone()
        )
        if row is None:
            raise NotFound("there is no such device")
        need = _person(PublicId(row["person"]))
        await self._store.demand(actor, need)
        await self._logins.end_device(actor, device)  # the streams first

        def run(conn: sqlite3.Connection) -> None:
            now_ms = self._store.clock.now_ms()
            conn.execute("UPDATE device SET ended_ms = ? WHERE id = ?", (now_ms, device))
            audit.append(conn, self._store.body(actor, "device.end", now_ms, need, bound=device))

        await self._store.db.write(run)

    # inside

    def _redeem(
        self, conn: sqlite3.Connection, secret: str, label: str
    ) -> tuple[SignedIn, Callable[[], None]] | Reason:
        store, now_ms = self._store, self._store.clock.now_ms()
        row = conn.execute("SELECT * FROM slip WHERE secret_hash = ?", (secret_hash(secret),)).fetchone()
        refused = self._why_not(conn, row, now_ms)
        if refused is not None:
            store.emit(conn, store.event("access.login", role=Role.GUARDIAN, outcome=refused))
            return refused
        person, device = PublicId(row["person"]), new_public_id(self._random)
        conn.execute("UPDATE slip SET used_ms = ? WHERE id = ?", (now_ms, row["id"]))
        conn.execute(
            "INSERT INTO device (id, person, label, created_ms) VALUES (?, ?, ?, ?)",
            (device, person, clean_label(label), now_ms),
        )
        audit.append(conn, store.body(Actor(person, device), "slip.redeem", now_ms, _person(person), slip=row["id"]))
        return self._logins.start(conn, person, label=label, device=device)

    def _why_not(self, conn: sqlite3.Connection, row: sqlite3.Row | None, now_ms: int) -> Reason | None:
        if row is None:
            return Reason.SLIP_UNKNOWN
        if row["used_ms"] is not None:
            return Reason.SLIP_USED
        if row["ended_ms"] is not None or now_ms >= row["expires_ms"]:
            return Reason.SLIP_EXPIRED
        who = self._store.current.index.persons.get(PublicId(row["person"]))
        if who is None or who.disabled:
            return Reason.PERSON_DISABLED
        bound = conn.execute(
            "SELECT count(*) FROM device WHERE person = ? AND ended_ms IS NULL", (row["person"],)
        ).fetchone()[0]
        return Reason.DEVICE_LIMIT if bound >= DEVICES else None


def _person(person: PublicId) -> Need:
    return Need(Action.PEOPLE, ObjectRef(ObjectKind.PERSON, person))
