"""The phone numbers the school holds of guardians: the last digits prove that a slip came into the right hands.

Owns `guardian_phone`. Invariants: a number is sealed; whole it leaves this module for nobody, comparisons are of the
last digits and take the same time right or wrong; no number is in an audit row, an event or a log.
"""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Mapping

from gateway.access.audit import Actor
from gateway.access.people import MANAGE
from gateway.access.roster import cells
from gateway.access.store import FactStore, refuse_erased, require
from gateway.core.errors import BadInput
from gateway.core.model import PublicId, Role

ASKED_DIGITS = 4
SHOWN_DIGITS = 3
PHONE = "guardian_phone.phone"
"""Table and column that a sealed number is bound to, beside its person."""


def clean_phone(text: str) -> str:
    """Return a number of Việt Nam as 0 and its digits, however it was written (0..., +84 ..., dots); BadInput."""
    phone = cells.phone_of(text)
    if phone is None:
        raise BadInput("that is no phone number", case="phone", key="phone")
    return phone


def fits(phone: str | None, digits: str) -> bool:
    """Say whether the last digits are those of the number; without a number nothing fits."""
    kept = (phone or "")[-ASKED_DIGITS:]
    return hmac.compare_digest(kept.encode(), digits.encode()) and len(kept) == ASKED_DIGITS


def masked(phone: str | None) -> str:
    """Return a number as lists show it: `09•• ••• 678`; empty without one."""
    return f"{phone[:2]}•• ••• {phone[-SHOWN_DIGITS:]}" if phone else ""


class Phones:
    """Keeps numbers; who may read the last digits of whose was decided by the caller."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def set(self, actor: Actor, person: PublicId, text: str) -> None:
        """Keep a guardian's number, or none for an empty text; NotFound, BadInput, Denied."""
        store, number = self._store, clean_phone(text) if text.strip() else None

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "person", person)
            if conn.execute("SELECT role FROM person WHERE id = ?", (person,)).fetchone()["role"] != Role.GUARDIAN:
                raise BadInput("only guardians have a number here", key="person")
            if number is None:
                conn.execute("DELETE FROM guardian_phone WHERE id = ?", (person,))
            else:
                refuse_erased(conn, person)
                keep_phone(conn, store, person, number, now_ms)

        await store.change(actor, "guardian.phone", MANAGE, run, detail={"who": person})

    async def all(self) -> Mapping[PublicId, str]:
        """Return every guardian's number, for showing its end."""
        rows = await self._store.db.read(lambda conn: conn.execute("SELECT * FROM guardian_phone").fetchall())
        found = {PublicId(row["id"]): self._store.unseal(PHONE, row["id"], row["phone_sealed"]) for row in rows}
        return {person: number for person, number in found.items() if number.isdecimal()}


def keep_phone(conn: sqlite3.Connection, store: FactStore, person: PublicId, number: str, now_ms: int) -> None:
    """Write a clean number inside the caller's transaction."""
    conn.execute(
        "INSERT INTO guardian_phone (id, phone_sealed, changed_ms) VALUES (?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET phone_sealed = excluded.phone_sealed, changed_ms = excluded.changed_ms",
        (person, store.seal(PHONE, person, number), now_ms),
    )


def phone_of(conn: sqlite3.Connection, store: FactStore, person: PublicId) -> str | None:
    """Read a number inside the caller's transaction; None if there is none (or it was erased)."""
    row = conn.execute("SELECT phone_sealed FROM guardian_phone WHERE id = ?", (person,)).fetchone()
    number = store.unseal(PHONE, person, row["phone_sealed"]) if row else ""
    return number if number.isdecimal() and len(number) >= ASKED_DIGITS else None
