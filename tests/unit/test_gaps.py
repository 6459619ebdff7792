"""The gap ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import (
    CameraBadReply,
    CameraClosed,
    CameraLoginRefused,
    CameraOverloaded,
    CameraSilent,
    CameraUnreachable,
    ConfigError,
    StorageError,
    VolumeFull,
    VuonError,
)
from gateway.core.model import StreamId
from recorder.gaps import Gap, GapCause, GapSum, cause_of, gap_sums, gaps_between
from recorder.registry import Stream
from tests.fakes.clock import FakeClock
from tests.fakes.recording import Books, books, new_camera

pytestmark = pytest.mark.anyio


async def adopted(own: Books, number: int = 1) -> tuple[Stream, ...]:
    return (await own.registry.add(new_camera(number))).streams


async def spans(own: Books, stream: Stream) -> list[tuple[int, int | None, str]]:
    found = await own.db.read(lambda db: gaps_between(db, [stream.id], 0, 10**15))
    return [(gap.start_ms, gap.end_ms, gap.cause.value) for gap in found]


async def events(own: Books, *wanted: str) -> list[dict[str, Any]]:
    found = await own.journal.read(0, 1000)
    return [event for event in found if event["type"].removesuffix(".v1") in wanted]


async def test_a_gap_lasts_from_the_last_footage_to_the_next(tmp_path: Path) -> None:
    """Opening and closing make one row with its cause."""
    async with books(tmp_path, FakeClock()) as own:
        stream, _ = await adopted(own)
        await own.ledger.open(stream, 1_000, GapCause.NETWORK)
        assert await spans(own, stream) == [(1_000, None, "network")]
        await own.ledger.close(stream, 9_500, run=2)
        assert await spans(own, stream) == [(1_000, 9_500, "network")]


async def test_a_new_cause_splits_the_gap(tmp_path: Path) -> None:
    """Each second keeps the cause it had: network first, then a refused login."""
    async with books(tmp_path, FakeClock()) as own:
        stream, _ = await adopted(own)
        await own.ledger.open(stream, 1_000, GapCause.NETWORK)
        await own.ledger.open(stream, 4_000, GapCause.LOGIN)
        await own.ledger.open(stream, 5_000, GapCause.LOGIN)
        await own.ledger.close(stream, 9_000, run=2)
        assert await spans(own, stream) == [(1_000, 4_000, "network"), (4_000, 9_000, "login")]


async def test_a_split_never_runs_backwards(tmp_path: Path) -> None:
    """A cause learned with an earlier time begins where the gap begins."""
    async with books(tmp_path, FakeClock()) as own:
        stream, _ = await adopted(own)
        await own.ledger.open(stream, 4_000, GapCause.CAMERA)
        await own.ledger.open(stream, 1_000, GapCause.NETWORK)
        assert await spans(own, stream) == [(4_000, None, "network")]


async def test_a_gap_without_length_leaves_no_row(tmp_path: Path) -> None:
    """A run that begins exactly where the last ended (or before) missed nothing."""
    async with books(tmp_path, FakeClock()) as own:
        stream, _ = await adopted(own)
        await own.ledger.open(stream, 4_000, GapCause.CLOCK)
        await own.ledger.close(stream, 3_000, run=2)
        assert await spans(own, stream) == []
        assert await events(own, "recording.gap") == []


async def test_streams_have_gaps_of_their_own(tmp_path: Path) -> None:
    """Closing the main stream's gap leaves the sub stream's open."""
    async with books(tmp_path, FakeClock()) as own:
        main, sub = await adopted(own)
        await own.ledger.open(main, 1_000, GapCause.CAMERA)
        await own.ledger.open(sub, 1_000, GapCause.CAMERA)
        await own.ledger.close(main, 2_000, run=2)
        assert await spans(own, main) == [(1_000, 2_000, "camera")]
        assert await spans(own, sub) == [(1_000, None, "camera")]


async def test_the_journal_tells_stop_gap_and_start_once(tmp_path: Path) -> None:
    """One stop however often the cause changes; the gap's length and last cause at its end."""
    async with books(tmp_path, FakeClock()) as own:
        stream, _ = await adopted(own)
        await own.ledger.open(stream, 1_000, GapCause.NETWORK)
        await own.ledger.open(stream, 4_000, GapCause.CAMERA)
        await own.ledger.close(stream, 6_500, run=7)
        told = await events(own, "recording.stopped", "recording.gap", "recording.started")
    assert [(event["type"], event["data"].get("why")) for event in told] == [
        ("recording.stopped.v1", "network"),
        ("recording.gap.v1", "camera"),
        ("recording.started.v1", None),
    ]
    assert told[1]["data"]["seconds"] == 2.5
    assert told[2]["data"]["run"] == 7
    assert {event["data"]["stream"] for event in told} == {"main"}


async def test_a_first_start_is_told_without_a_gap(tmp_path: Path) -> None:
    """A camera that records for the first time missed nothing."""
    async with books(tmp_path, FakeClock()) as own:
        stream, _ = await adopted(own)
        await own.ledger.close(stream, 5_000, run=1)
        assert await spans(own, stream) == []
        assert len(await events(own, "recording.started")) == 1


async def test_losses_told_in_parts_are_one_row(tmp_path: Path) -> None:
    """Parts that touch grow the row; a later one, or another cause, is its own."""
    async with books(tmp_path, FakeClock()) as own:
        stream, _ = await adopted(own)
        await own.ledger.add(stream, 1_000, 2_000, GapCause.DISK)
        await own.ledger.add(stream, 2_000, 3_500, GapCause.DISK)
        await own.ledger.add(stream, 60_000, 61_000, GapCause.DISK)
        await own.ledger.add(stream, 61_000, 62_000, GapCause.OVERLOAD)
        await own.ledger.add(stream, 70_000, 70_000, GapCause.DISK)
        assert await spans(own, stream) == [
            (1_000, 3_500, "disk"),
            (60_000, 61_000, "disk"),
            (61_000, 62_000, "overload"),
        ]


async def test_after_a_kill_the_hole_begins_at_the_last_footage(tmp_path: Path) -> None:
    """Same boot: the recorder was killed; another boot: the power went."""
    async with books(tmp_path, FakeClock()) as own:
        main, sub = await adopted(own)
        killed = await own.ledger.recover([(main, 5_000)], 9_000, same_boot=True)
        cut = await own.ledger.recover([(sub, 6_000)], 9_000, same_boot=False)
        assert killed == (Gap(main.id, 5_000, None, GapCause.RECORDER_RESTART),)
        assert cut == (Gap(sub.id, 6_000, None, GapCause.POWER),)
        assert len(await events(own, "recording.stopped")) == 2


async def test_a_stream_that_was_not_recording_keeps_its_cause(tmp_path: Path) -> None:
    """A kill while the camera was unplugged changes nothing in its gap."""
    async with books(tmp_path, FakeClock()) as own:
        main, _ = await adopted(own)
        await own.ledger.open(main, 2_000, GapCause.NETWORK)
        assert await own.ledger.recover([(main, 2_000)], 9_000, same_boot=True) == ()
        assert await spans(own, main) == [(2_000, None, "network")]


async def test_a_stream_without_footage_has_no_hole_to_account_for(tmp_path: Path) -> None:
    """Nothing was recorded, nothing is missing yet."""
    async with books(tmp_path, FakeClock()) as own:
        main, _ = await adopted(own)
        assert await own.ledger.recover([(main, None)], 9_000, same_boot=True) == ()


async def test_footage_from_the_future_does_not_open_a_gap_there(tmp_path: Path) -> None:
    """After the clock went back the gap begins now, not at a time that is yet to come."""
    async with books(tmp_path, FakeClock()) as own:
        main, _ = await adopted(own)
        await own.ledger.recover([(main, 50_000)], 9_000, same_boot=True)
        assert await spans(own, main) == [(9_000, None, "recorder_restart")]


async def test_what_was_missing_before_the_kill_is_not_counted_twice(tmp_path: Path) -> None:
    """The camera had just come back and nothing was on the disk yet: the hole begins where the last gap ended."""
    async with books(tmp_path, FakeClock()) as own:
        main, _ = await adopted(own)
        await own.ledger.open(main, 1_000, GapCause.NETWORK)
        await own.ledger.close(main, 7_000, run=2)
        await own.ledger.recover([(main, 1_000)], 9_000, same_boot=True)
        assert await spans(own, main) == [(1_000, 7_000, "network"), (7_000, None, "recorder_restart")]


async def test_what_a_late_disk_tells_fills_only_what_is_not_accounted_for(tmp_path: Path) -> None:
    """Gaps that are known keep their cause; each second is missing once."""
    async with books(tmp_path, FakeClock()) as own:
        main, _ = await adopted(own)
        await own.ledger.add(main, 2_000, 3_000, GapCause.DISK)
        await own.ledger.add(main, 5_000, 9_000, GapCause.DISK)
        await own.ledger.fill(main, 1_000, 7_000, GapCause.POWER)
        await own.ledger.fill(main, 1_000, 7_000, GapCause.CAMERA)
        assert await spans(own, main) == [
            (1_000, 2_000, "power"),
            (2_000, 3_000, "disk"),
            (3_000, 5_000, "power"),
            (5_000, 9_000, "disk"),
        ]


async def test_a_gap_that_a_wrong_clock_ended_ends_at_the_true_time(tmp_path: Path) -> None:
    """Two hours without power, a clock that stood still meanwhile: two hours are missing, with cause power."""
    async with books(tmp_path, FakeClock()) as own:
        main, _ = await adopted(own)
        await own.ledger.recover([(main, 100_000)], 101_000, same_boot=False, sure=False)
        await own.ledger.close(main, 130_000, run=2, sure=False)
        await own.ledger.open(main, 160_000, GapCause.NETWORK, sure=False)
        await own.ledger.close(main, 170_000, run=3, sure=False)
        await own.ledger.stepped(8_000_000, sets_right_by_ms=7_200_000)
        assert await spans(own, main) == [(100_000, 7_330_000, "power"), (7_360_000, 7_370_000, "network")]


async def test_a_clock_in_1970_costs_no_gap_and_makes_none(tmp_path: Path) -> None:
    """The gap since the last footage waits, unseen, until its end is known; the cut at the step is no gap."""
    async with books(tmp_path, FakeClock()) as own:
        main, _ = await adopted(own)
        await own.ledger.recover([(main, 10**12)], 5_000, same_boot=False, sure=False)
        await own.ledger.close(main, 30_000, run=2, sure=False)
        assert await spans(own, main) == []
        await own.ledger.open(main, 60_000, GapCause.CLOCK, sure=False)
        await own.ledger.close(main, 10**12 + 90_000, run=3)
        await own.ledger.stepped(10**12 + 91_000, sets_right_by_ms=10**12 + 30_000)
        assert await spans(own, main) == [(10**12, 10**12 + 60_000, "power")]


async def test_what_a_clock_never_told_is_not_guessed(tmp_path: Path) -> None:
    """The power went again before the clock was right: a gap without a known end is not kept."""
    async with books(tmp_path, FakeClock()) as own:
        main, _ = await adopted(own)
        await own.ledger.recover([(main, 10**12)], 5_000, same_boot=False, sure=False)
        await own.ledger.close(main, 30_000, run=2, sure=False)
        await own.ledger.recover([(main, 40_000)], 10**12 + 7, same_boot=False)
        assert await spans(own, main) == [(40_000, None, "power")]
        await own.ledger.stepped(10**12 + 8, sets_right_by_ms=1)
        assert await spans(own, main) == [(40_000, None, "power")]


async def test_nothing_is_missing_in_time_that_is_yet_to_come(tmp_path: Path) -> None:
    """A clock that went 400 days ahead and came back leaves no gap of 400 days."""
    async with books(tmp_path, FakeClock()) as own:
        main, sub = await adopted(own)
        await own.ledger.open(main, 1_000, GapCause.CLOCK)
        await own.ledger.close(main, 900_000, run=2)
        await own.ledger.open(main, 950_000, GapCause.NETWORK)
        await own.ledger.add(sub, 800_000, 900_000, GapCause.DISK)
        await own.ledger.stepped(3_000)
        assert await spans(own, main) == [(1_000, 3_000, "clock"), (3_000, None, "network")]
        assert await spans(own, sub) == []


async def test_a_stream_that_is_given_up_has_no_open_gap(tmp_path: Path) -> None:
    """Removing a camera ends its gap; without one nothing happens."""
    async with books(tmp_path, FakeClock()) as own:
        main, sub = await adopted(own)
        await own.ledger.open(main, 2_000, GapCause.NETWORK)
        for stream in (main, sub):
            await own.ledger.drop(stream, 3_000)
        assert await spans(own, main) == [(2_000, 3_000, "network")]
        assert await spans(own, sub) == []


async def test_a_look_returns_what_touches_the_span(tmp_path: Path) -> None:
    """Ends are half open; an open gap touches everything after its start."""
    async with books(tmp_path, FakeClock()) as own:
        main, sub = await adopted(own)
        await own.ledger.add(main, 1_000, 2_000, GapCause.DISK)
        await own.ledger.open(sub, 5_000, GapCause.CAMERA)

        async def between(from_ms: int, to_ms: int) -> list[int]:
            found = await own.db.read(lambda db: gaps_between(db, [main.id, sub.id], from_ms, to_ms))
            return [gap.start_ms for gap in found]

        assert await between(0, 1_000) == []
        assert await between(0, 1_001) == [1_000]
        assert await between(2_000, 5_000) == []
        assert await between(1_999, 9_000) == [1_000, 5_000]
        assert await between(8_000, 9_000) == [5_000]


async def test_sums_count_only_what_lies_in_the_span(tmp_path: Path) -> None:
    """Gaps are clipped to the day that is asked for; an open one counts up to its end."""
    async with books(tmp_path, FakeClock()) as own:
        main, sub = await adopted(own)
        await own.ledger.add(main, 1_000, 4_000, GapCause.DISK)
        await own.ledger.add(main, 9_000, 19_000, GapCause.CAMERA)
        await own.ledger.open(sub, 8_000, GapCause.CAMERA)
        sums = await own.db.read(lambda db: gap_sums(db, 2_000, 10_000))
    assert sums == {main.id: GapSum(2, 3.0), sub.id: GapSum(1, 2.0)}
    assert StreamId(99) not in sums


async def test_an_untrusted_clock_that_jumps_takes_its_gaps_along(tmp_path: Path) -> None:
    """From 1970 to a guess, and from there to the right time: the length stays, the place is right in the end."""
    async with books(tmp_path, FakeClock()) as own:
        main, _ = await adopted(own)
        await own.ledger.open(main, 5_000, GapCause.NETWORK, sure=False)
        await own.ledger.close(main, 65_000, run=2, sure=False)
        await own.ledger.moved(10**12)
        await own.ledger.stepped(10**12 + 400_000, sets_right_by_ms=300_000)
        assert await spans(own, main) == [(10**12 + 305_000, 10**12 + 365_000, "network")]


@pytest.mark.parametrize(
    ("reason", "others_play", "cause"),
    [
        ("ECONNREFUSED", False, GapCause.CAMERA),
        ("ECONNRESET", False, GapCause.CAMERA),
        ("ETIMEDOUT", False, GapCause.NETWORK),
        ("EHOSTUNREACH", False, GapCause.NETWORK),
        ("EHOSTUNREACH", True, GapCause.CAMERA),
        ("ETIMEDOUT", True, GapCause.CAMERA),
        (None, True, GapCause.CAMERA),
    ],
)
def test_a_silent_host_is_a_camera_at_fault_or_the_network(
    reason: str | None, others_play: bool, cause: GapCause
) -> None:
    """It answers the knock by refusing, or the others play: the camera. Nobody is to be heard: the network."""
    error = CameraUnreachable("x", **({"reason": reason} if reason else {}))
    assert cause_of(error, others_play=others_play) is cause


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (CameraUnreachable("x"), GapCause.NETWORK),
        (CameraLoginRefused("x"), GapCause.LOGIN),
        (CameraOverloaded("x"), GapCause.CAMERA),
        (CameraSilent("x"), GapCause.CAMERA),
        (CameraClosed("x"), GapCause.CAMERA),
        (CameraBadReply("x"), GapCause.CAMERA),
        (VolumeFull("x"), GapCause.DISK),
        (StorageError("x"), GapCause.DISK),
        (ConfigError("x"), GapCause.OVERLOAD),
    ],
)
async def test_every_error_has_a_cause(error: VuonError, cause: GapCause) -> None:
    """No end of a stream is without one."""
    assert cause_of(error) is cause
