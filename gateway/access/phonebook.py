"""The phone number the school holds of a guardian, written and shown by those who manage people.

Owns the writing of `guardian_phone` by hand. Invariants: a number is sealed to its person; lists show its first two
and last three digits; it is in no audit row, event or log.
"""

from __future__ import annotations

import sqlite3

from gateway.access.audit import Actor
from gateway.access.people import MANAGE
from gateway.access.roster.cells import phone_of
from gateway.access.store import FactStore, require
from gateway.core.errors import BadInput
from gateway.core.model import PublicId, Role

PHONE = "guardian_phone.phone"


def masked(phone: str | None) -> str:
    """Return a number as lists show it: `09•• ••• 678`; empty without one."""
    return f"{phone[:2]}•• ••• {phone[-3:]}" if phone else ""


def clean_phone(text: str) -> str:
    """Return a number as 0 and its digits, however it was written; BadInput."""
    phone = phone_of(text)
    if phone is None:
        raise BadInput("that is no phone number", case="phone", key="phone")
    return phone


class PhoneBook:
    """Sets and takes numbers."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def set(self, actor: Actor, person: PublicId, text: str) -> None:
        """Keep a guardian's number, or none for an empty text; NotFound, BadInput, Denied."""
        store, phone = self._store, clean_phone(text) if text.strip() else None

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "person", person)
            if conn.execute("SELECT role FROM person WHERE id = ?", (person,)).fetchone()["role"] != Role.GUARDIAN:
                raise BadInput("only guardians have a number here", key="person")
            if phone is None:
                conn.execute("DELETE FROM guardian_phone WHERE id = ?", (person,))
                return
            conn.execute(
                "INSERT INTO guardian_phone (id, phone_sealed, changed_ms) VALUES (?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET phone_sealed = excluded.phone_sealed, changed_ms = excluded.changed_ms",
                (person, store.seal(PHONE, person, phone), now_ms),
            )

        await store.change(actor, "guardian.phone", MANAGE, run, detail={"who": person})
