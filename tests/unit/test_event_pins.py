"""Pins: footage of events."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from gateway.core.errors import BadInput, NotFound
from gateway.core.model import new_public_id
from recorder import pins as module
from recorder.pins import AFTER_MS, BEFORE_MS, JOIN_MS, MOST_PIN_MS, PinBook, PinKind
from recorder.retention import DAY_MS, Pin
from tests.fakes.clock import NOON_MS, FakeClock
from tests.fakes.recording import books, new_camera

pytestmark = pytest.mark.anyio
WHO = new_public_id()


async def test_a_marked_event_pins_all_streams_until_it_is_removed(tmp_path: Path) -> None:
    """Who marked it is kept; a removed one is normal footage again."""
    async with books(tmp_path, FakeClock()) as own:
        camera, book = await own.registry.add(new_camera()), PinBook(own.db, FakeClock())
        pinned = await book.mark(camera, 1_000, 2_000, WHO)
        assert await book.placed() == await book.placed(camera.public_id) == [pinned]
        assert (pinned.kind, pinned.who, pinned.placed_ms) == (PinKind.MARKED, WHO, NOON_MS)
        assert sorted(await book.active(), key=lambda pin: pin.stream) == [
            Pin(stream.id, 1_000, 2_000) for stream in camera.streams
        ]
        assert await book.placed(new_public_id()) == []
        await book.remove(pinned.id)
        assert await book.active() == []
        with pytest.raises(NotFound):
            await book.remove(pinned.id)


@pytest.mark.parametrize("end_ms", [1_000, 999, 1_001 + MOST_PIN_MS])
async def test_a_span_that_is_no_event_is_refused(tmp_path: Path, end_ms: int) -> None:
    """Empty, backwards, or longer than a day."""
    async with books(tmp_path, FakeClock()) as own:
        camera = await own.registry.add(new_camera())
        with pytest.raises(BadInput):
            await PinBook(own.db, FakeClock()).mark(camera, 1_000, end_ms, WHO)


async def test_reports_of_a_camera_are_joined_with_what_lies_close(tmp_path: Path) -> None:
    """With the half minute before and the minute after; another reason or an hour later is another pin."""
    async with books(tmp_path, FakeClock()) as own:
        camera, book = await own.registry.add(new_camera()), PinBook(own.db, FakeClock())
        await book.reported(camera.public_id, PinKind.TAMPER, NOON_MS, NOON_MS)
        await book.reported(camera.public_id, PinKind.TAMPER, NOON_MS + AFTER_MS + JOIN_MS, NOON_MS + 200_000)
        await book.reported(camera.public_id, PinKind.INPUT, NOON_MS, NOON_MS)
        await book.reported(camera.public_id, PinKind.TAMPER, NOON_MS + 3_600_000, NOON_MS + 3_600_000)
        await book.reported(new_public_id(), PinKind.TAMPER, NOON_MS, NOON_MS)
        found = [(item.kind, item.start_ms - NOON_MS, item.end_ms - NOON_MS) for item in await book.placed()]
    assert sorted(found) == sorted(
        [
            (PinKind.TAMPER, -BEFORE_MS, 200_000 + AFTER_MS),
            (PinKind.INPUT, -BEFORE_MS, AFTER_MS),
            (PinKind.TAMPER, 3_600_000 - BEFORE_MS, 3_600_000 + AFTER_MS),
        ]
    )


async def test_a_contact_that_never_rests_makes_days_of_pins_not_one_without_end(tmp_path: Path) -> None:
    """One pin is at most a day long, so that old ones can end."""
    async with books(tmp_path, FakeClock()) as own:
        camera, book = await own.registry.add(new_camera()), PinBook(own.db, FakeClock())
        for minute in range(0, 3 * 24 * 60, 2):
            await book.reported(camera.public_id, PinKind.INPUT, NOON_MS + minute * 60_000, NOON_MS + minute * 60_000)
        placed = await book.placed()
    assert max(item.end_ms - item.start_ms for item in placed) <= MOST_PIN_MS
    assert 3 <= len(placed) <= 5
    assert all(after.start_ms <= before.end_ms + JOIN_MS for before, after in itertools.pairwise(placed))


async def test_there_is_room_for_what_people_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest report gives way; when people marked all there may be, another mark is refused, a report dropped."""
    monkeypatch.setattr(module, "MAX_PINS", 3)
    async with books(tmp_path, FakeClock()) as own:
        camera, book = await own.registry.add(new_camera()), PinBook(own.db, FakeClock())
        for hour in range(4):
            await book.reported(
                camera.public_id, PinKind.TAMPER, NOON_MS + hour * 3_600_000, NOON_MS + hour * 3_600_000
            )
        assert [item.start_ms - NOON_MS + BEFORE_MS for item in await book.placed()] == [
            3_600_000,
            7_200_000,
            10_800_000,
        ]
        for number in range(3):
            await book.mark(camera, number, number + 1, WHO)
        await book.reported(camera.public_id, PinKind.TAMPER, NOON_MS, NOON_MS)
        with pytest.raises(BadInput):
            await book.mark(camera, 9, 10, WHO)
        assert {item.kind for item in await book.placed()} == {PinKind.MARKED}


async def test_a_pin_that_is_over_is_forgotten(tmp_path: Path) -> None:
    """When its days are over for every stream of the camera; of a stream without a rule nothing is forgotten."""
    async with books(tmp_path, FakeClock()) as own:
        camera, book = await own.registry.add(new_camera()), PinBook(own.db, FakeClock())
        main, sub = (stream.id for stream in camera.streams)
        await book.mark(camera, NOON_MS - 50 * DAY_MS, NOON_MS - 40 * DAY_MS - 9 * DAY_MS, WHO)
        assert await book.forget({main: 40, sub: 60}, NOON_MS) == 0
        assert await book.forget({main: 40}, NOON_MS) == 0
        assert await book.forget({main: 40, sub: 49}, NOON_MS) == 1
        assert await book.placed() == []
