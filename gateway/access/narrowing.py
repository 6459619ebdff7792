"""What narrows a class's viewing: at the school only, so many minutes a day, only a child's first days.

Owns `class_rules`. Invariants: a change acts at once; all of a class's rules are set together, so that none is
forgotten; setting nothing narrows nothing.
"""

from __future__ import annotations

import sqlite3
from dataclasses import asdict

from gateway.access.audit import Actor
from gateway.access.classes import CONFIGURE
from gateway.access.facts import MINUTES_PER_DAY, ClassRules
from gateway.access.store import FactStore, require
from gateway.core.errors import BadInput

MOST_DAYS = 366


class Narrowing:
    """Sets a class's rules; needs the right to configure the box."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def set(self, actor: Actor, rules: ClassRules) -> None:
        """Replace a class's rules; BadInput outside 0 to 1440 minutes or 1 to 366 days, NotFound."""
        if not 0 <= (rules.daily_minutes or 0) <= MINUTES_PER_DAY:
            raise BadInput("minutes of a day are 0 to 1440", case="rules_minutes", key="daily_minutes")
        if rules.adaptation_days is not None and not 1 <= rules.adaptation_days <= MOST_DAYS:
            raise BadInput(f"first days are 1 to {MOST_DAYS}", case="rules_days", key="adaptation_days")
        values = (rules.class_id, rules.on_site_only, rules.daily_minutes, rules.adaptation_days)

        def run(conn: sqlite3.Connection, _now_ms: int) -> None:
            require(conn, "class", rules.class_id)
            conn.execute("INSERT OR REPLACE INTO class_rules VALUES (?, ?, ?, ?)", values)

        detail: dict[str, str | int | bool] = {
            key: value for key, value in asdict(rules).items() if value is not None and key != "class_id"
        }
        await self._store.change(actor, "class.rules", CONFIGURE, run, detail={"class": rules.class_id, **detail})
