"""A disk that fills: with held footage, and by others. Real ext4, real writer, real cleaner, injected clock."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import anyio
import pytest

from gateway.core.model import StreamRole, new_public_id
from recorder.gaps import GapCause
from recorder.retention import Reason
from recorder.rows import SegmentRow
from tests.fakes.kept_box import KeptBox, kept_box
from tests.fakes.small_disk import fill, small_disk

pytestmark = pytest.mark.anyio
MIB = 1 << 20
DISK_BYTES, MIN_FREE = 48 * MIB, 3 * MIB
HOUR_MS = 3_600_000


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[KeptBox]:
    """A box whose disk is full of footage: retention has begun to take the oldest."""
    with small_disk(tmp_path, DISK_BYTES) as disk:
        async with kept_box(tmp_path / "state", [disk], min_free_bytes=MIN_FREE, queue_bytes=MIB) as made:
            while not made.gone:
                await made.record()
                await made.cleaner.clean()
            yield made


def by_time(row: SegmentRow) -> tuple[int, int]:
    return row.begin_ms, row.stream


def free_bytes(box: KeptBox) -> int:
    found = os.statvfs(box.slot.options.path)
    return found.f_bavail * found.f_frsize


async def newest_ms(box: KeptBox) -> int:
    """Return the end of the newest file of the stream that is furthest behind."""
    return min([(await box.rows(stream))[-1].end_ms for stream in box.streams])


async def half_held(box: KeptBox) -> tuple[list[SegmentRow], dict[str, str]]:
    """Hold the older half; returns its rows and what their files hold."""
    rows = await box.rows()
    middle_ms = rows[len(rows) // 2].begin_ms
    await box.hold(rows[0].begin_ms, middle_ms)
    held = [row for row in rows if row.begin_ms < middle_ms]
    return held, box.digests(held)


async def roll_on(box: KeptBox, held: Sequence[SegmentRow]) -> None:
    """Record an hour and a half more: the half that is not held makes room, oldest first, and nothing is wrong."""
    box.gone.clear()
    for _ in range(9):
        began_ms = box.clock.now_ms()
        await box.record()
        (done,) = await box.cleaner.clean()
        assert await newest_ms(box) >= began_ms - 600_000
        assert free_bytes(box) >= done.plan.reserve_bytes - MIB // 8
    assert box.gone == sorted(box.gone, key=by_time)
    assert set(box.gone).isdisjoint(held)
    assert not box.cleaner.tight
    assert box.look() == set()


async def pressed(box: KeptBox, held: Sequence[SegmentRow]) -> int:
    """Let others fill the disk step by step: normal footage goes, then that of an event, with an alarm each time."""
    normal = [row for row in await box.rows() if row not in held]
    event_ms = normal[0].begin_ms
    for camera in box.cameras:
        await box.pins.mark(camera, event_ms, event_ms + HOUR_MS // 3, new_public_id())
    pinned = {row for row in normal if row.begin_ms < event_ms + HOUR_MS // 3}
    older = {row for row in normal if row.begin_ms < normal[-1].end_ms - HOUR_MS - 600_000} - pinned
    assert older
    box.gone.clear()
    taken = 0
    while not pinned <= set(box.gone):
        assert not box.cleaner.tight
        taken += MIB // 4
        fill(box.slot.options.path / "others", taken)
        (done,) = await box.cleaner.clean()
        reasons = {victim.reason for victim in done.plan.victims}
        assert reasons <= {Reason.SPACE, Reason.EVENT}
        assert ("volume.event_footage_going" in box.look()) is bool(pinned & set(box.gone))
    first_event = next(at for at, row in enumerate(box.gone) if row in pinned)
    assert older <= set(box.gone[:first_event])
    assert box.gone[:first_event] == sorted(box.gone[:first_event], key=by_time)
    assert set(box.gone[first_event : first_event + len(pinned)]) == pinned
    return taken


async def test_with_holds_on_half_of_the_disk_the_rest_goes_in_order(box: KeptBox) -> None:
    """Held files stay as they are, the newest footage stays, alarms come in time, and then the order of sacrifice."""
    held, digests = await half_held(box)
    await roll_on(box, held)
    taken = await pressed(box, held)
    assert box.digests(held) == digests

    # Besides the newest hour nothing but held footage is left: an alarm within a minute, and sub streams rest.
    filler = box.slot.options.path / "others"
    fill(filler, taken + MIB)
    async with box.cleaning():
        await box.until(lambda: "volume.full_by_hold" in box.look(), at_most_s=60)
    subs, mains = set(box.of_role(StreamRole.SUB)), box.of_role(StreamRole.MAIN)
    assert box.relief.resting == subs
    box.losses.take(everything=True)
    before = {stream: len(await box.rows(stream)) for stream in mains}
    for _ in range(3):
        await box.record()
        await box.cleaner.clean()
    assert {(loss.stream, loss.cause) for loss in box.losses.take(everything=True)} == {
        (stream, GapCause.DISK) for stream in subs
    }
    for stream in mains:
        assert len(await box.rows(stream)) > before[stream]
    assert box.digests(held) == digests

    # And when there is room again all is as before.
    filler.unlink()
    async with box.cleaning():
        await box.until(lambda: "volume.full_by_hold" not in box.look(), at_most_s=60)
    assert box.relief.resting == frozenset()
    await box.record()
    await box.record()
    assert await newest_ms(box) > box.clock.now_ms() - 1_300_000
    assert box.losses.take(everything=True) == []
    assert box.digests(held) == digests


async def test_full_to_the_last_byte_the_newest_is_kept_in_memory_and_the_gap_is_stated(box: KeptBox) -> None:
    """Only held footage is left and no byte is free: what waits is the newest; what is lost has the cause `disk`."""
    await box.hold(0, box.clock.now_ms() + 10 * HOUR_MS)
    held = await box.rows()
    digests = box.digests(held)
    filler = box.slot.options.path / "others"
    fill(filler, DISK_BYTES)
    for _ in range(12):
        await box.record(wait=False)
        await box.cleaner.clean()
        await anyio.sleep(0.05)
        box.look()
    assert "volume.full_by_hold" in box.look()
    assert "volume.full" not in box.look()  # one root cause is one alarm
    seen = box.slot.require().writer.statistics()
    assert 0 < seen.waiting_bytes <= MIB + 64_000
    assert box.digests(held) == digests
    lost = box.losses.take(everything=True)
    assert {loss.cause for loss in lost} == {GapCause.DISK}
    filler.unlink()
    with anyio.fail_after(20):
        while box.slot.require().writer.statistics().waiting_bytes:  # noqa: ASYNC110 - the writer's thread tells nobody
            await anyio.sleep(0.02)
    await box.record()
    main = box.of_role(StreamRole.MAIN)
    for stream in main:  # what was kept in memory is on the disk now, and it is what came last
        newest = (await box.rows(stream))[-1]
        gaps_end = max(loss.end_ms for loss in lost if loss.stream == stream)
        assert newest.end_ms > gaps_end
    assert box.digests(held) == digests


async def test_what_others_write_costs_old_footage_and_not_a_second_of_the_new(box: KeptBox) -> None:
    """The cleaner notices within seconds and frees down to the reserve; nothing is lost, and no hold is blamed."""
    async with box.cleaning():
        await box.until(lambda: free_bytes(box) >= MIN_FREE, at_most_s=60)
        box.gone.clear()
        oldest = (await box.rows())[0]
        fill(box.slot.options.path / "others", free_bytes(box) - MIB)
        took_s = await box.until(lambda: free_bytes(box) >= MIN_FREE, at_most_s=30)
    assert took_s <= 20
    assert box.gone[0] == oldest
    await box.record()
    assert box.losses.take(everything=True) == []
    assert not box.cleaner.tight
    assert box.slot.require().writer.statistics().failing is None
