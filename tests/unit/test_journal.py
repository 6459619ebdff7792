"""The recorder's journal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from recorder.journal import MAX_PAGE
from tests.fakes.clock import FakeClock
from tests.fakes.recording import Books, books

pytestmark = pytest.mark.anyio


async def _note(own: Books, count: int) -> None:
    for number in range(count):
        await own.journal.note(own.journal.event("clock.step", step_ms=number))


async def test_a_reader_continues_where_it_stopped(tmp_path: Path) -> None:
    """Pages by cursor deliver every event once, in order."""
    async with books(tmp_path, FakeClock()) as own:
        await _note(own, 7)
        seen, cursor = [], 0
        while page := await own.journal.read(cursor, 3):
            seen += [event["data"]["step_ms"] for event in page]
            cursor = page[-1]["seq"]
    assert seen == list(range(7))


async def test_the_journal_keeps_its_name_over_a_restart(tmp_path: Path) -> None:
    """Same database, same id; another database, another id."""
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        first = own.journal.id
    async with books(tmp_path, clock) as own:
        assert own.journal.id == first
    (tmp_path / "other").mkdir()
    async with books(tmp_path / "other", clock) as own:
        assert own.journal.id != first


async def test_a_waiting_reader_gets_the_next_event(tmp_path: Path) -> None:
    """`read` with a wait returns as soon as something is written."""
    async with books(tmp_path, FakeClock()) as own:
        waiting = asyncio.create_task(own.journal.read(0, 10, wait_ms=30_000))
        await asyncio.sleep(0.05)
        await _note(own, 1)
        events = await waiting
    assert [event["type"] for event in events] == ["clock.step.v1"]


async def test_waiting_for_nothing_ends_empty(tmp_path: Path) -> None:
    """The wait is bounded and then answers with no events."""
    async with books(tmp_path, FakeClock()) as own:
        assert await own.journal.read(0, 10, wait_ms=20) == []


async def test_an_event_and_its_fact_stand_or_fall_together(tmp_path: Path) -> None:
    """A fact that fails leaves no event behind."""
    async with books(tmp_path, FakeClock()) as own:
        event = own.journal.event("clock.step", step_ms=1)
        with pytest.raises(Exception, match="no such table"):
            await own.journal.record(lambda db: db.execute("INSERT INTO nowhere VALUES (1)"), event)
        assert await own.journal.read(0, 10) == []


async def test_sequence_numbers_are_never_used_again(tmp_path: Path) -> None:
    """After the newest rows are trimmed away too, the next number is still a new one."""
    async with books(tmp_path, FakeClock()) as own:
        await _note(own, 5)
        await own.db.write(lambda db: db.execute("DELETE FROM journal"))
        await _note(own, 1)
        (event,) = await own.journal.read(0, 10)
    assert event["seq"] == 6


async def test_trimming_keeps_the_newest(tmp_path: Path) -> None:
    """Only the oldest rows beyond the limit go."""
    async with books(tmp_path, FakeClock()) as own:
        await _note(own, 9)
        await own.journal.trim(4)
        assert [event["data"]["step_ms"] for event in await own.journal.read(0, 10)] == [5, 6, 7, 8]


async def test_a_page_is_bounded_whatever_is_asked(tmp_path: Path) -> None:
    """A huge limit does not read the whole table."""
    async with books(tmp_path, FakeClock()) as own:
        event = own.journal.event("clock.step", step_ms=0)
        await own.journal.note(*([event] * (MAX_PAGE + 5)))
        assert len(await own.journal.read(0, 10**9)) == MAX_PAGE


async def test_an_event_says_whether_its_time_can_be_trusted(tmp_path: Path) -> None:
    """Events of an untrusted clock carry monotonic time to be repaired with."""
    clock = FakeClock(trusted=False)
    async with books(tmp_path, clock) as own:
        await _note(own, 1)
        (event,) = await own.journal.read(0, 1)
    assert event["time_trusted"] is False
    assert event["mono_ms"] == clock.mono_ns() // 1_000_000
