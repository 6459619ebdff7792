"""A wrong date deletes nothing: real cleaner, real files, injected clock, and once under libfaketime."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recorder.agegate import CALM_S
from recorder.retention import DAY_MS, Reason
from recorder.rows import SegmentRow
from recorder.runs import wall_minus_mono_ms
from tests.fakes.clock import NOON_MS, FakeClock
from tests.fakes.kept_box import KeptBox, kept_box
from tests.fakes.small_disk import small_disk

pytestmark = pytest.mark.anyio
MIB = 1 << 20
HOUR_MS = 3_600_000


async def a_month(box: KeptBox) -> list[SegmentRow]:
    """Record ten minutes of every third day up to now."""
    for _ in range(9):
        await box.record()
        box.clock.tick(3 * 86_400 - 600)
        await box.cut(box.streams)
    await box.record()
    await box.cleaner.clean()
    assert box.gone == []
    return await box.rows()


async def minutes_of(box: KeptBox, minutes: float) -> None:
    """Let the cleaner work so often."""
    for _ in range(int(minutes)):
        box.clock.tick(60)
        await box.cleaner.clean()


@pytest.mark.parametrize("jump_ms", [400 * DAY_MS, -HOUR_MS], ids=["400 days on", "1 h back"])
async def test_a_step_of_the_clock_costs_no_file(tmp_path: Path, jump_ms: int) -> None:
    """Not while it is wrong, not after a restart of the recorder, not when it is right again; nothing is overwritten."""
    clock = FakeClock(NOON_MS - 27 * DAY_MS)
    async with kept_box(tmp_path / "state", [tmp_path / "disk"], clock=clock) as box:
        before = await a_month(box)
        digests = box.digests(before)
        clock.step_wall(jump_ms)
        await box.cut(box.streams)
        await minutes_of(box, 5)
        await box.record()
        await minutes_of(box, 5)
        assert box.gone == []
    async with kept_box(tmp_path / "state", [tmp_path / "disk"], clock=clock) as box:
        await minutes_of(box, 5)
        await box.record()
        clock.tick(CALM_S / 2 - 3600)
        await minutes_of(box, 5)
        clock.step_wall(-jump_ms)
        await box.cut(box.streams)
        await box.record()
        await minutes_of(box, 5)
        clock.tick(CALM_S)
        await minutes_of(box, 5)
        after = await box.rows()
        assert box.gone == []
        assert set(before) <= set(after)
        assert len(after) == len(before) + 3 * len(box.streams)
        assert box.digests(before) == digests


async def test_an_hour_in_1970_costs_neither_the_month_before_nor_the_hour(tmp_path: Path) -> None:
    """On a full disk the oldest goes meanwhile; then NTP comes, the hour moves to its place, and nothing goes by age."""
    clock = FakeClock(NOON_MS)
    with small_disk(tmp_path, 40 * MIB) as disk:
        async with kept_box(tmp_path / "state", [disk], clock=clock, min_free_bytes=MIB) as box:
            while not box.gone:
                await box.record()
                await box.cleaner.clean()
            boot_ms = clock.now_ms() + HOUR_MS
        clock = FakeClock(1_000_000, trusted=False)
        async with kept_box(tmp_path / "state", [disk], clock=clock, min_free_bytes=MIB, boot="b2") as box:
            month = await box.rows()
            for _ in range(6):
                await box.record()
                await box.cleaner.clean()
            hour = [row for row in await box.rows() if row not in month]
            assert len(hour) == 5 * len(box.streams)  # the sixth is still being written
            assert box.gone == month[: len(box.gone)] != []
            clock.step_wall(boot_ms - 1_000_000)
            clock.trust()
            await box.cleaner.clean()  # before anybody moved the runs
            corrected = await box.own.runs.correct(wall_minus_mono_ms(clock))
            for run, offset_ms in corrected:
                await box.store.set_offset(run, offset_ms)
            await box.cut(box.streams)
            await box.record()
            await box.cleaner.clean()  # the last file of each run was closed after its run was moved
            for run, offset_ms in corrected:
                await box.store.set_offset(run, offset_ms)
            await box.cleaner.clean()
            left = await box.rows()
            assert box.gone == month[: len(box.gone)]
            moved = {(row.stream, row.start_ms, row.run) for row in left if row.begin_ms >= boot_ms}
            assert {(row.stream, row.start_ms, row.run) for row in hour} <= moved
            assert {row.path for row in month} - {row.path for row in box.gone} <= {row.path for row in left}


async def test_what_was_recorded_in_1970_and_never_dated_is_kept_its_days(tmp_path: Path) -> None:
    """The power failed before NTP came: the next boot knows that it is no older than itself."""
    clock = FakeClock(1_000_000, trusted=False)
    async with kept_box(tmp_path / "state", [tmp_path / "disk"], clock=clock, boot="b1") as box:
        await box.record()
        lost = await box.rows()
    clock = FakeClock(NOON_MS)
    async with kept_box(tmp_path / "state", [tmp_path / "disk"], clock=clock, boot="b2") as box:
        await box.record()
        clock.tick(CALM_S)
        await minutes_of(box, 3)
        clock.tick(28 * 86_400)
        await minutes_of(box, 3)
        assert box.gone == []
        clock.tick(86_400)
        (done,) = await box.cleaner.clean()
        assert [victim.row for victim in done.plan.victims if victim.reason is Reason.AGE][: len(lost)] == lost


@contextmanager
def faked(folder: Path, disk: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the cleaner of `tests.fakes.faketime_child` on a disk under libfaketime; its time stands in `folder/now`."""
    wrapper = subprocess.run(
        ["faketime", "-f", "+0", "sh", "-c", "echo $LD_PRELOAD"], check=True, capture_output=True, text=True, timeout=30
    )
    env = os.environ | {
        "LD_PRELOAD": wrapper.stdout.strip(),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "now"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.faketime_child", str(disk), str(folder / "calm.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    )
    try:
        yield child
    finally:
        assert child.stdin is not None
        child.stdin.close()
        child.wait(30)
        assert child.stdout is not None
        child.stdout.close()


def cleaned(child: subprocess.Popen[str], folder: Path, offset: str) -> dict[str, int]:
    """Set the time as an offset from the real one, let it clean; returns its time, and what is left and gone."""
    (folder / "now").write_text(offset, encoding="ascii")
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("clean\n")
    child.stdin.flush()
    return dict(json.loads(child.stdout.readline()))


@pytest.mark.skipif(shutil.which("faketime") is None, reason="needs the package faketime")
async def test_the_systems_own_clock_may_jump_as_well(tmp_path: Path) -> None:
    """Libfaketime steps the real clock of a running cleaner, and of one that is started again: every file stays."""
    clock = FakeClock(NOON_MS - 27 * DAY_MS)
    async with kept_box(tmp_path / "state", [tmp_path / "disk"], clock=clock) as box:
        await a_month(box)
    files = len(list((tmp_path / "disk").rglob("*.seg")))
    with faked(tmp_path, tmp_path / "disk") as child:
        right_ms = cleaned(child, tmp_path, "+0")["now_ms"]
        for offset, days in (("+400d", 400), ("-1h", 0), ("-400d", -400), ("+0", 0)):
            seen = cleaned(child, tmp_path, offset)
            assert (seen["left"], seen["gone"]) == (files, 0), offset
            assert round((seen["now_ms"] - right_ms) / DAY_MS) == days  # the clock did jump
    with faked(tmp_path, tmp_path / "disk") as child:
        seen = cleaned(child, tmp_path, "+400d")
        assert (seen["left"], seen["gone"]) == (files, 0)
