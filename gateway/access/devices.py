"""Bound phones and browsers of guardians: their login by key, the app on the home screen, and their end.

Owns `device` (once a slip made it) and `device_key`. Invariants: a guardian's session is begun and kept alive by a
proof of the browser's key, each with a new token, so a copied cookie is worth nothing from the owner's next proof on
and at most `login.PROOF_S` in any case; a device that waits, was refused or has ended proves in vain; ending a device
ends its sessions, and with them its streams, before the row is written. The app on the home screen binds by a token of
one use that a signed-in browser of the same device asked for, and counts as that device.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sqlite3
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.access import audit
from gateway.access.audit import Actor
from gateway.access.devicekeys import Challenges, Proof, Purpose, proves, read_point
from gateway.access.invitations import add_key
from gateway.access.invitees import invite_need
from gateway.access.login import Logins, SignedIn
from gateway.access.reasons import Reason
from gateway.access.store import FactStore, Need
from gateway.core.errors import CodeRefused, NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Secret, is_public_id, new_public_id

HANDOVER_S = 600
TOLD_S = 600
"""How long a page says that a device has just ended; the same address opened later says nothing."""
MAX_HANDOVERS = 500
"""Open ones; the oldest is forgotten, its owner taps once more."""
WAITING, APPROVED, REFUSED = "waiting", "approved", "refused"
_WHY = "device.why"


@dataclass(frozen=True, slots=True)
class Device:
    """A phone or browser of a guardian that has not ended."""

    id: PublicId
    person: PublicId
    label: str
    created_ms: int
    approved: bool
    seen_ms: int | None = None
    """When one of its sessions was last used."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A device that has just ended: whose it was, what it was called, when (UTC ms)."""

    person: PublicId
    label: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a browser's device is; `why` are the school's words of a refusal."""

    state: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Handover:
    device: PublicId
    person: PublicId
    made_ns: int


class Devices:
    """Lets devices in, lists and ends them."""

    def __init__(
        self,
        store: FactStore,
        logins: Logins,
        challenges: Challenges,
        *,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._store, self._logins, self._challenges, self._random = store, logins, challenges, random_bytes
        self._handovers: OrderedDict[bytes, _Handover] = OrderedDict()

    def challenge(self) -> str:
        """Return something to sign, good for two minutes and once."""
        return self._challenges.make()

    async def enter(self, key: str, proof: Proof, *, label: str) -> SignedIn:
        """Begin or go on with the session of a browser that proves its key; the token is always a new one.

        Raises CodeRefused with `reason` device.unknown (also for one that has ended), device.proof, device.waiting or
        device.refused.
        """
        row = await self._store.db.read(lambda conn: _by_key(conn, key)) if is_public_id(key) else None
        if row is None:
            raise _no(Reason.DEVICE_UNKNOWN)
        if not proves(row["point"], Purpose.ENTER, proof) or not self._challenges.take(proof.challenge):
            raise _no(Reason.DEVICE_PROOF)

        def run(conn: sqlite3.Connection) -> tuple[SignedIn, Callable[[], None]] | Reason:
            now = _by_key(conn, key)
            refused = self._why_not(now)
            if refused is not None or now is None:
                return refused or Reason.DEVICE_UNKNOWN
            person, device = PublicId(now["person"]), PublicId(now["device"])
            going = self._logins.renew(conn, PublicId(key))
            return going or self._logins.start(conn, person, label=label, device=device, key=PublicId(key))

        found = await self._store.db.write(run)
        if isinstance(found, Reason):
            raise _no(found)
        signed_in, adopt = found
        adopt()
        return signed_in

    async def standing(self, key: str) -> Standing:
        """Say whether a bound browser's device waits, was approved or refused; NotFound for any other."""
        row = await self._store.db.read(lambda conn: _by_key(conn, key)) if is_public_id(key) else None
        if row is not None and row["refused_ms"] is not None:
            sealed = row["why_sealed"]
            return Standing(REFUSED, self._store.unseal(_WHY, row["device"], sealed) if sealed else "")
        if row is None or row["ended_ms"] is not None:
            raise NotFound("there is no such device")
        return Standing(APPROVED if row["approved_ms"] is not None else WAITING)

    async def of(self, person: PublicId) -> tuple[Device, ...]:
        """Return a guardian's devices that have not ended, oldest first; the caller has decided."""
        rows = await self._store.db.read(
            lambda conn: conn.execute(
                "SELECT * FROM device WHERE person = ? AND ended_ms IS NULL ORDER BY created_ms, id", (person,)
            ).fetchall()
        )
        seen: dict[str, int] = {}
        for session in self._logins.sessions(person):
            if session.device is not None:
                seen[session.device] = max(seen.get(session.device, 0), session.last_seen_ms)
        return tuple(
            Device(
                PublicId(row["id"]),
                PublicId(row["person"]),
                row["label"],
                row["created_ms"],
                row["approved_ms"] is not None,
                seen.get(row["id"]),
            )
            for row in rows
        )

    async def just_ended(self, actor: Actor, device: PublicId) -> Ended | None:
        """Return a guardian's device that has just ended, to whoever at the school may end theirs; else None."""
        row = await self._store.db.read(
            lambda conn: conn.execute(
                "SELECT person, label, ended_ms FROM device WHERE id = ? AND ended_ms IS NOT NULL", (device,)
            ).fetchone()
        )
        if row is None or not self.may_end(actor, PublicId(row["person"])):
            return None
        age_ms = self._store.clock.now_ms() - row["ended_ms"]
        if not 0 <= age_ms < TOLD_S * 1000:
            return None
        return Ended(PublicId(row["person"]), row["label"], row["ended_ms"])

    def may_end(self, actor: Actor, person: PublicId) -> bool:
        """Say whether the actor may end a guardian's devices as the school, without a trace."""
        store, need = self._store, invite_need(self._store, actor, person)
        return store.answer(store.current, actor, need, store.clock.now_ms()).allowed

    async def end(self, actor: Actor, device: PublicId) -> None:
        """Unbind a device: one's own, or as the school (principal, teacher of the child's class); its streams end.

        NotFound, also for another family's; Denied.
        """
        row = await self._store.db.read(
            lambda conn: conn.execute(
                "SELECT person FROM device WHERE id = ? AND ended_ms IS NULL", (device,)
            ).fetchone()
        )
        person = PublicId(row["person"]) if row is not None else None
        need = self._end_need(actor, person)
        if person is None or need is None:
            raise NotFound("there is no such device")
        await self._store.demand(actor, need)
        await self._logins.end_device(actor, device)  # the streams first

        def run(conn: sqlite3.Connection) -> None:
            now_ms = self._store.clock.now_ms()
            conn.execute("UPDATE device SET ended_ms = ? WHERE id = ? AND ended_ms IS NULL", (now_ms, device))
            audit.append(conn, self._store.body(actor, "device.end", now_ms, need, bound=device, who=person))

        await self._store.db.write(run)
        await self._logins.end_device(actor, device)  # one that began in between

    # the app on the home screen

    def hand_over(self, person: PublicId, device: PublicId) -> Secret:
        """Return a token by which the app binds itself as this device: once, within ten minutes, the newest only."""
        for old in [mark for mark, item in self._handovers.items() if item.device == device]:
            del self._handovers[old]
        token = base64.b32encode(self._random(20)).decode("ascii")
        self._handovers[_mark(token)] = _Handover(device, person, self._store.clock.mono_ns())
        while len(self._handovers) > MAX_HANDOVERS:
            self._handovers.popitem(last=False)
        return Secret(token)

    async def take_over(self, token: str, point: str, proof: Proof, *, label: str) -> tuple[PublicId, SignedIn]:
        """Bind the app's own key to the device that asked; CodeRefused with handover.unknown, device.proof."""
        raw = read_point(point)
        if not proves(raw, Purpose.BIND, proof) or not self._challenges.take(proof.challenge):
            raise _no(Reason.DEVICE_PROOF)
        item = self._handovers.pop(_mark(token), None)
        if item is None or self._store.clock.mono_ns() - item.made_ns >= HANDOVER_S * 1_000_000_000:
            raise _no(Reason.HANDOVER_UNKNOWN)
        key = new_public_id(self._random)

        def run(conn: sqlite3.Connection) -> tuple[SignedIn, Callable[[], None]] | Reason:
            now_ms = self._store.clock.now_ms()
            row = conn.execute("SELECT *, id AS device FROM device WHERE id = ?", (item.device,)).fetchone()
            refused = self._why_not(row)
            if refused is not None:
                return refused
            # An app that is put on the screen anew has lost its key: the older one would never be used again.
            add_key(conn, key, item.device, raw, "app", now_ms)
            actor, need = Actor(item.person, item.device), _person(item.person)
            audit.append(conn, self._store.body(actor, "device.app", now_ms, need, bound=item.device))
            return self._logins.start(conn, item.person, label=label, device=item.device, key=key)

        found = await self._store.db.write(run)
        if isinstance(found, Reason):
            raise _no(found)
        signed_in, adopt = found
        adopt()
        return key, signed_in

    # inside

    def _why_not(self, row: sqlite3.Row | None) -> Reason | None:
        if row is None or (row["ended_ms"] is not None and row["refused_ms"] is None):
            return Reason.DEVICE_UNKNOWN
        if row["refused_ms"] is not None:
            return Reason.DEVICE_REFUSED
        if row["approved_ms"] is None:
            return Reason.DEVICE_WAITING
        who = self._store.current.index.persons.get(PublicId(row["person"]))
        return Reason.PERSON_DISABLED if who is None or who.disabled else None

    def _end_need(self, actor: Actor, person: PublicId | None) -> Need | None:
        """Return the right by which the actor may end it, None where there is none to name."""
        if person is None:
            return None
        own, school = _person(person), invite_need(self._store, actor, person)
        for need in (own, school):
            if self._store.answer(self._store.current, actor, need, self._store.clock.now_ms()).allowed:
                return need
        return own


def _by_key(conn: sqlite3.Connection, key: str) -> sqlite3.Row | None:
    sql = (
        "SELECT device.*, device.id AS device, point FROM device_key "
        "JOIN device ON device.id = device WHERE device_key.id = ?"
    )
    found: sqlite3.Row | None = conn.execute(sql, (key,)).fetchone()
    return found


def _mark(token: str) -> bytes:
    return hashlib.sha256(b"vuon-handover-1\0" + token.upper().encode()).digest()


def _no(reason: Reason) -> CodeRefused:
    return CodeRefused("this browser is not let in", reason=str(reason))


def _person(person: PublicId) -> Need:
    return Need(Action.PEOPLE, ObjectRef(ObjectKind.PERSON, person))
