"""Which cameras show which class: what the gateway told, kept so that rules hold without it.

Owns the tables `camera_class` and `camera_class_member`. Invariants: what is told replaces everything, in one
transaction; telling the same again writes nothing; names are stored sealed, because a copy of the database
must not show them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from gateway.core.db import Database
from gateway.core.errors import BadInput, KeyLocked
from gateway.core.model import PublicId
from gateway.core.secrets import SealKey
from recorder.rules import Group

MOST_GROUPS = 500


def _context(group: PublicId) -> str:
    return f"class:{group}"


def _id(group: Group) -> PublicId:
    return group.id


class GroupBook:
    """Reads and replaces the classes; methods run on the database's own threads."""

    def __init__(self, db: Database, seal: SealKey) -> None:
        self._db, self._seal = db, seal

    async def all(self) -> list[Group]:
        """Return the classes as they were told last.

        One whose name does not open with this box's key is left out: a rule that names it counts as unknown,
        which the status tells, until the gateway tells the classes again.
        """
        return await self._db.read(self._load)

    async def set(self, groups: Sequence[Group]) -> bool:
        """Replace all classes; says whether anything changed. BadInput for too many, or one that comes twice."""
        if len(groups) > MOST_GROUPS or len({group.id for group in groups}) < len(groups):
            raise BadInput(f"groups are at most {MOST_GROUPS}, each once", key="groups")
        if sorted(await self.all(), key=_id) == sorted(groups, key=_id):
            return False

        def replace(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM camera_class_member")
            connection.execute("DELETE FROM camera_class")
            sealed = [(group.id, self._seal.seal(group.name.encode(), _context(group.id))) for group in groups]
            connection.executemany("INSERT INTO camera_class (id, name) VALUES (?, ?)", sealed)
            members = [(group.id, camera) for group in groups for camera in sorted(group.cameras)]
            connection.executemany("INSERT INTO camera_class_member (class_id, camera) VALUES (?, ?)", members)

        await self._db.write(replace)
        return True

    def _load(self, connection: sqlite3.Connection) -> list[Group]:
        cameras: dict[str, set[PublicId]] = {}
        for row in connection.execute("SELECT class_id, camera FROM camera_class_member"):
            cameras.setdefault(row["class_id"], set()).add(PublicId(row["camera"]))
        rows = connection.execute("SELECT id, name FROM camera_class ORDER BY id").fetchall()
        named = [(PublicId(row["id"]), self._name(PublicId(row["id"]), row["name"])) for row in rows]
        return [Group(group, name, frozenset(cameras.get(group, ()))) for group, name in named if name is not None]

    def _name(self, group: PublicId, sealed: bytes) -> str | None:
        try:
            return self._seal.unseal(sealed, _context(group)).decode()
        except KeyLocked:
            return None
