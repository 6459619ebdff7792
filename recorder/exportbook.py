"""Orders of copies as the recorder keeps them.

Owns the tables `export_job` and `export_film` of `cameras.db` (exports.sql, exports_page.sql). Invariants: an
order is on the medium before it is answered; what a measured order holds is written in one transaction, so there
is no half copy; everything that says more than when and which camera is sealed; an order that is over keeps its
row for the list and loses the rest.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files

from sqlite_utils import Migrations
from sqlite_utils.db import Database as UtilsDatabase

from gateway.core.db import Database, apply_schema
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import CameraId, PublicId
from gateway.core.secrets import SealKey

MIGRATIONS = Migrations("exports")
MAX_JOBS = 200
MAX_UNDONE = 20
_SEALED = ("plan", "measured", "manifest", "signature", "page")


@MIGRATIONS()
def m0001(db: UtilsDatabase) -> None:
    """Create the tables."""
    apply_schema(db, files("recorder") / "exports.sql")


@MIGRATIONS()
def m0002_page(db: UtilsDatabase) -> None:
    """Keep the page that a copy was measured with."""
    apply_schema(db, files("recorder") / "exports_page.sql")


class State(StrEnum):
    """How far an order is."""

    QUEUED = "queued"
    MEASURED = "measured"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


OVER = (State.FAILED, State.CANCELLED, State.EXPIRED)


@dataclass(frozen=True, slots=True)
class Job:
    """One order, without its sealed parts."""

    id: PublicId
    camera: CameraId
    camera_id: PublicId
    camera_name: str
    hold: PublicId
    start_ms: int
    end_ms: int
    queued_ms: int
    state: State
    why: str = ""
    ready_ms: int | None = None
    expires_ms: int | None = None


def _job(row: sqlite3.Row) -> Job:
    return Job(
        PublicId(row["id"]),
        CameraId(row["camera_id"]),
        PublicId(row["camera"]),
        row["name"],
        PublicId(row["hold"]),
        row["start_ms"],
        row["end_ms"],
        row["queued_ms"],
        State(row["state"]),
        row["why"],
        row["ready_ms"],
        row["expires_ms"],
    )


_JOBS = (
    "SELECT export_job.*, camera.public_id AS camera, camera.name FROM export_job JOIN camera ON camera.id = camera_id"
)


def _context(job: PublicId, column: str) -> str:
    return f"export_job.{column}:{job}"


class ExportBook:
    """Reads and changes orders."""

    def __init__(self, db: Database, seal: SealKey) -> None:
        self._db, self._seal = db, seal

    async def add(self, job: Job, facts: bytes) -> Job:
        """Keep an order; the same id again returns what is kept. BadInput if too many are undone."""
        sealed = self._seal.seal(facts, _context(job.id, "facts"))

        def insert(connection: sqlite3.Connection) -> None:
            if connection.execute("SELECT 1 FROM export_job WHERE id = ?", (job.id,)).fetchone():
                return
            undone = "SELECT count(*) FROM export_job WHERE state = 'queued'"
            if connection.execute(undone).fetchone()[0] >= MAX_UNDONE:
                raise BadInput("too many copies wait already", key="order", limit=MAX_UNDONE)
            connection.execute(
                "INSERT INTO export_job (id, camera_id, hold, start_ms, end_ms, queued_ms, state, facts)"
                " VALUES (?, ?, ?, ?, ?, ?, 'queued', ?)",
                (job.id, job.camera, job.hold, job.start_ms, job.end_ms, job.queued_ms, sealed),
            )
            _trim(connection)

        await self._db.write(insert)
        return await self.get(job.id)

    async def get(self, job: PublicId) -> Job:
        """Return an order; NotFound."""
        row = await self._db.read(
            lambda connection: connection.execute(f"{_JOBS} WHERE export_job.id = ?", (job,)).fetchone()
        )
        if row is None:
            raise NotFound("no such order", key="order")
        return _job(row)

    async def all(self) -> list[Job]:
        """Return every order, oldest first."""
        return await self._db.read(
            lambda connection: [_job(row) for row in connection.execute(f"{_JOBS} ORDER BY queued_ms, export_job.id")]
        )

    async def sealed(self, job: PublicId, column: str) -> bytes | None:
        """Return a sealed part in clear; None while there is none."""
        row = await self._db.read(
            lambda connection: connection.execute(
                f"SELECT {column} FROM export_job WHERE id = ?",  # noqa: S608 - our own column names
                (job,),
            ).fetchone()
        )
        return None if row is None or row[0] is None else self._seal.unseal(row[0], _context(job, column))

    async def films(self, job: PublicId) -> list[bytes]:
        """Return the heads of the films, in order."""
        rows = await self._db.read(
            lambda connection: connection.execute(
                "SELECT number, head FROM export_film WHERE job = ? ORDER BY number", (job,)
            ).fetchall()
        )
        return [self._seal.unseal(row["head"], _context(job, f"film{row['number']}")) for row in rows]

    async def keep(self, job: PublicId, column: str, value: bytes) -> None:
        """Store one sealed part."""
        await self.advance(job, None, {column: value})

    async def advance(
        self,
        job: PublicId,
        state: State | None,
        parts: Mapping[str, bytes] | None = None,
        films: Sequence[bytes] = (),
        **columns: int | str,
    ) -> bool:
        """Store parts and a state in one transaction; False, and nothing is stored, if the order is over."""
        changed: dict[str, object] = dict(columns)
        if state is not None:
            changed["state"] = state.value
        for column, value in (parts or {}).items():
            changed[column] = self._seal.seal(value, _context(job, column))
        rows = [
            (job, number, self._seal.seal(head, _context(job, f"film{number}"))) for number, head in enumerate(films)
        ]
        marks = ", ".join(f"{column} = :{column}" for column in changed)

        def write(connection: sqlite3.Connection) -> bool:
            done = connection.execute(
                f"UPDATE export_job SET {marks} WHERE id = :id AND state NOT IN ('cancelled', 'expired', 'failed')",  # noqa: S608 - our own names
                {**changed, "id": job},
            ).rowcount
            if done and rows:
                connection.execute("DELETE FROM export_film WHERE job = ?", (job,))
                connection.executemany("INSERT INTO export_film VALUES (?, ?, ?)", rows)
            if done and state in OVER:
                _empty(connection, job)
            return bool(done)

        return await self._db.write(write)


def _empty(connection: sqlite3.Connection, job: PublicId) -> None:
    blank = ", ".join(f"{column} = NULL" for column in _SEALED)
    connection.execute(f"UPDATE export_job SET {blank}, facts = x'' WHERE id = ?", (job,))  # noqa: S608 - our own names
    connection.execute("DELETE FROM export_film WHERE job = ?", (job,))


def _trim(connection: sqlite3.Connection) -> None:
    """Forget the oldest orders that are over."""
    connection.execute(
        "DELETE FROM export_job WHERE state IN ('failed', 'cancelled', 'expired') AND id NOT IN"
        " (SELECT id FROM export_job ORDER BY queued_ms DESC LIMIT ?)",
        (MAX_JOBS,),
    )
