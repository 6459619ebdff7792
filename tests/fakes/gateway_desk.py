"""What the gateway's loops need around them: its database, a recorder behind a socket, and what they told."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.access.migrations import MIGRATIONS
from gateway.core.db import Database
from gateway.core.errors import DaemonUnavailable
from gateway.core.events import uuid7
from gateway.core.wire import ControlClient, ControlServer, Reply, Request
from gateway.health import store as health
from gateway.health.tracker import Tracker
from gateway.roofs.gateway_loops import JournalCopy, Looks
from gateway.upstream import outbox
from tests.fakes.clock import NOON_MS, FakeClock
from tests.fakes.events import CAMERA


def fact(seq: int, kind: str = "clock.step.v1", **data: Any) -> dict[str, Any]:
    return {
        "seq": seq,
        "id": uuid7(NOON_MS + seq),
        "type": kind,
        "at_ms": NOON_MS,
        "time_trusted": True,
        "mono_ms": seq,
        "subject": CAMERA,
        "data": data or {"step_ms": seq},
    }


class FakeRecorder:
    """The recorder's journal and status behind a real control socket."""

    def __init__(self) -> None:
        self.stream, self.events = "journal-1", list[dict[str, Any]]()
        self.asked: list[int] = []
        self.cameras: list[dict[str, Any]] = []
        self.groups: list[list[dict[str, Any]]] = []
        """What was told of the classes, each time."""

    async def journal(self, request: Request) -> Reply:
        after, limit = request.number("after"), request.number("limit")
        self.asked.append(after)
        page = [item for item in self.events if item["seq"] > after][:limit]
        return Reply({"stream": self.stream, "events": page})

    async def status(self, _request: Request) -> Reply:
        return Reply({"cameras": self.cameras, "volumes": []})

    async def set_groups(self, request: Request) -> Reply:
        told = list(request.params["groups"])
        known = self.groups[-1] if self.groups else None
        self.groups.append(told)
        return Reply({"changed": told != known})


class Desk:
    """A gateway's database, a recorder, and what the loops told."""

    def __init__(self, db: Database, recorder: FakeRecorder, client: ControlClient) -> None:
        self.db, self.recorder, self.client = db, recorder, client
        self.clock, self.woken, self.changed = FakeClock(), 0, list[list[int]]()
        self.fail_changed = False
        self.live: dict[str, Any] | None = {"viewers": {"a": 2, "b": 1}}
        self.hub_ok: bool | None = None

    def woke(self) -> None:
        self.woken += 1

    async def on_changed(self, rows: list[dict[str, Any]]) -> None:
        if self.fail_changed:
            raise DaemonUnavailable("busy")
        self.changed.append([row["seq"] for row in rows])

    def copier(self) -> JournalCopy:
        return JournalCopy(self.client, self.db, self.on_changed)

    async def live_status(self) -> dict[str, Any]:
        if self.live is None:
            raise DaemonUnavailable("live is away")
        return self.live

    def looks(self, tracker: Tracker | None = None) -> Looks:
        return Looks(
            self.client,
            self.live_status,
            self.db,
            tracker or Tracker(self.clock),
            self.clock,
            hub_ok=lambda: self.hub_ok,
            woke=self.woke,
        )

    async def types(self) -> list[str]:
        return [row["type"] for row in await self.rows("SELECT type FROM event ORDER BY number")]

    async def rows(self, sql: str) -> list[sqlite3.Row]:
        return await self.db.read(lambda conn: conn.execute(sql).fetchall())


@asynccontextmanager
async def recorder_socket(folder: Path, recorder: FakeRecorder) -> AsyncIterator[None]:
    methods = {"journal": recorder.journal, "status": recorder.status, "groups.set": recorder.set_groups}
    async with ControlServer(folder / "recorder.sock", "recorder", methods, on_fault=lambda name, error: None):
        yield


@asynccontextmanager
async def gateway_desk(folder: Path) -> AsyncIterator[Desk]:
    """A desk whose recorder answers on a control socket."""
    recorder = FakeRecorder()
    migrations = [MIGRATIONS, outbox.MIGRATIONS, health.MIGRATIONS]
    async with (
        Database(folder / "gateway.db", migrations) as db,
        recorder_socket(folder, recorder),
        ControlClient(folder / "recorder.sock", "recorder") as client,
    ):
        yield Desk(db, recorder, client)
