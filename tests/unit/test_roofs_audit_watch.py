"""The box looks at its own audit: at start and each day, in slices; what it finds is a condition."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.access import audit
from gateway.access.migrations import MIGRATIONS
from gateway.core.db import Database
from gateway.core.errors import BadInput
from gateway.core.wire import ControlClient, ControlServer
from gateway.health.conditions import Raised, read_status
from gateway.roofs import audit_watch
from gateway.roofs.audit_watch import EVERY_S, AuditWatch
from gateway.roofs.control_audit import AuditCalls
from tests.fakes import audit_tampering as tampering
from tests.fakes.access_world import KEY
from tests.fakes.audit_tampering import EVERY, ROWS
from tests.fakes.clock import FakeClock
from tests.fakes.memory_disk import in_memory
from tests.fakes.school import NOW

pytestmark = pytest.mark.anyio
PUBLIC = KEY.public_key()


@asynccontextmanager
async def filled(folder: Path) -> AsyncIterator[Database]:
    """An audit of thirty rows."""
    path = in_memory(folder) / "gateway.db"
    tampering.filled(path)
    async with Database(path, [MIGRATIONS]) as db:
        yield db


def do(attack: str, seq: int = 17) -> object:
    """The attack as a write that drops the triggers first."""

    def run(conn: sqlite3.Connection) -> None:
        for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            conn.execute(f"DROP TRIGGER {name}")
        conn.execute("PRAGMA defer_foreign_keys = ON")
        tampering.ATTACKS[attack](conn, seq)

    return run


async def tampered(db: Database, attack: str, seq: int = 17) -> None:
    run = do(attack, seq)
    assert callable(run)
    await db.write(run)


async def test_it_walks_at_start_and_each_day(tmp_path: Path) -> None:
    """Nothing is known before the first walk; a day later what was done meanwhile is."""
    async with filled(tmp_path) as db:
        clock = FakeClock()
        watch = AuditWatch(db, PUBLIC, clock)
        assert (watch.ok, watch.last) == (None, None)
        task = asyncio.create_task(watch.run())
        async with asyncio.timeout(30):
            while watch.ok is None:  # noqa: ASYNC110 - the watch has no event
                await asyncio.sleep(0.001)
            first = watch.last
            assert first is not None
            assert (watch.ok, first.verdict.entries, first.verdict.checkpoints) == (True, ROWS, ROWS // EVERY)
            await tampered(db, "row_edited")
            while watch.last is first:
                await clock.advance(EVERY_S)
                await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task])
        assert watch.ok is False


async def test_a_walk_is_taken_in_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty rows by seven are five reads with a pause between them: other work goes on."""
    monkeypatch.setattr(audit_watch, "SLICE", 7)
    async with filled(tmp_path) as db:
        reads, real = [0], db.read

        async def counted(fn: object) -> object:
            reads[0] += 1
            return await real(fn)  # type: ignore[arg-type]  # handed on as it is

        monkeypatch.setattr(db, "read", counted)
        verdict = await AuditWatch(db, PUBLIC, FakeClock()).verify([])
        assert (verdict.entries, verdict.findings, reads[0]) == (ROWS, (), 5)


async def test_a_cut_end_is_noticed_though_the_boxs_own_checkpoints_went_with_it(tmp_path: Path) -> None:
    """The newest checkpoint of the walk before is held against the next."""
    async with filled(tmp_path) as db:
        watch = AuditWatch(db, PUBLIC, FakeClock())
        await watch.check()
        await tampered(db, "tail_cut", 25)
        assert (await watch.check()).verdict.problem == "tail_cut"
        assert (await AuditWatch(db, PUBLIC, FakeClock()).check()).verdict.problem is None


async def test_who_asks_during_a_walk_gets_its_result(tmp_path: Path) -> None:
    """Ten taps on the button are one walk."""
    async with filled(tmp_path) as db:
        watch = AuditWatch(db, PUBLIC, FakeClock())
        results = await asyncio.gather(*(watch.check() for _ in range(10)))
        assert len({id(item) for item in results}) == 1


async def test_the_socket_verifies_against_what_is_brought(tmp_path: Path) -> None:
    """Kept checkpoints are compared and change nothing of what the pages say; malformed ones are refused."""
    async with filled(tmp_path) as db:
        points = [point.fields for point, _ in await db.read(lambda conn: audit.checkpoints(conn, sparse=False))]
        watch = AuditWatch(db, PUBLIC, FakeClock())
        calls = AuditCalls(watch, db, PUBLIC).handlers()
        path = tmp_path / "g.sock"
        async with (
            ControlServer(path, "gateway", calls, on_fault=lambda _name, _error: None),
            ControlClient(path, "gateway") as client,
        ):
            listed = (await client.call("audit.points", {})).result
            assert listed["key"] == PUBLIC.public_bytes_raw().hex()
            assert [row["seq"] for row in listed["points"]] == [30]
            assert [row["seq"] for row in (await client.call("audit.points", {"all": True})).result["points"]] == [
                10,
                20,
                30,
            ]
            whole = (await client.call("audit.verify", {"kept": points})).result
            assert (whole["ok"], whole["checkpoints"]) == (True, 6)
            await tampered(db, "rewritten")
            found = (await client.call("audit.verify", {"kept": points})).result
            assert (found["ok"], found["problem"]) == (False, "rewritten")
            assert watch.last is None
            for wrong in ("x", ["x"], [{"seq": 1}], [{"seq": 0, "head": "", "signature": ""}], [1] * 3_001):
                with pytest.raises(BadInput):
                    await client.call("audit.verify", {"kept": wrong})


async def test_the_socket_counts_what_came_since(tmp_path: Path) -> None:
    """Each call walks anew."""
    async with filled(tmp_path) as db:
        watch = AuditWatch(db, PUBLIC, FakeClock())
        await watch.check()
        await db.write(lambda conn: audit.append(conn, {"at_ms": NOW, "what": "x"}))
        assert (await watch.check()).verdict.entries == ROWS + 1


@pytest.mark.parametrize(
    ("ok", "before", "raised"),
    [(True, False, False), (False, False, True), (None, False, False), (None, True, True), (True, True, False)],
)
def test_a_broken_audit_is_a_condition(ok: bool | None, before: bool, raised: bool) -> None:
    """Red at once; until the first walk after a restart it is as it was."""
    broken = Raised("audit.broken", "box")
    status: dict[str, Any] = {"recorder": {"cameras": [], "volumes": []}, "live": {}, "audit_ok": ok}
    assert (broken in read_status(status, {broken} if before else set())) is raised
