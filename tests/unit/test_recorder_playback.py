"""The recorder's control calls about playing footage, over its real socket."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import BadInput, CameraClosed, GrantRefused, NotFound
from gateway.core.model import Action, RunId, StreamRole
from recorder.layout import HOUR_MS
from recorder.rows import SegmentRow
from recorder.service_playback import LONGEST_MS
from tests.fakes.footage import START_MS
from tests.fakes.frames import taken_ms
from tests.fakes.recorder_box import RecorderBox, adopt, recorded, recorder_box
from tests.fakes.seeded import seed_slot

pytestmark = pytest.mark.anyio

MAIN, SUB = 1, 2
MINUTE_MS = 60_000


class Player:
    """Asks a recorder under one grant."""

    def __init__(self, box: RecorderBox, camera: str, from_ms: int, to_ms: int, **fields: Any) -> None:
        self.box, self.camera, self.span = box, camera, (from_ms, to_ms)
        self.ticket = box.ticket(camera, Action.PLAYBACK, from_ms=from_ms, to_ms=to_ms, **fields)

    async def index(self, stream: str = "main", **params: int) -> dict[str, Any]:
        return await self.box.call("playback.index", ticket=self.ticket, stream=stream, **params)

    async def init(self, config: str, stream: str = "main") -> bytes:
        asked = {"ticket": self.ticket, "stream": stream, "config": config}
        return (await self.box.client.call("playback.init", asked)).blob

    async def media(self, segment: str, offset: int = 0, size: int | None = None, stream: str = "main") -> bytes:
        asked = {"ticket": self.ticket, "stream": stream, "segment": segment, "offset": offset}
        asked |= {} if size is None else {"size": size}
        return b"".join([chunk async for chunk in self.box.client.stream("playback.media", asked)])

    async def everything(self, stream: str = "main") -> bytes:
        """All GOPs of the index, each by its own range."""
        told, data, config = await self.index(stream), b"", ""
        for segment in told["segments"]:
            if segment["config"] != config:
                config = segment["config"]
                data += await self.init(config, stream)
            for _, _, offset, size, _ in segment["gops"]:
                data += await self.media(segment["segment"], offset, size, stream)
        return data


@asynccontextmanager
async def seeded(root: Path) -> AsyncIterator[tuple[RecorderBox, str]]:
    """A camera of two streams with ten minutes of main, then a hole of a minute, then ten under another clock."""
    async with recorder_box(root) as box:
        camera = await adopt(box)
        (slot,) = box.recorder._parts.store.slots
        seed_slot(slot, MAIN, START_MS, START_MS + 10 * MINUTE_MS, run=901)
        seed_slot(slot, SUB, START_MS, START_MS + 10 * MINUTE_MS, run=902)
        seed_slot(slot, MAIN, START_MS + MINUTE_MS, START_MS + 11 * MINUTE_MS, run=903, offset_ms=10 * MINUTE_MS)
        yield box, camera


async def test_a_span_plays_across_runs_offsets_and_a_hole(tmp_path: Path) -> None:
    """What is indexed decodes with the times of the index; runs, true times and the hole are in it."""
    async with seeded(tmp_path) as (box, camera):
        player = Player(box, camera, START_MS + 9 * MINUTE_MS, START_MS + 12 * MINUTE_MS)
        told = await player.index()
        assert [segment["start_ms"] for segment in told["segments"]] == [
            START_MS + 9 * MINUTE_MS,
            START_MS + 11 * MINUTE_MS,
        ]
        assert [segment["segment"] for segment in told["segments"]] == [
            f"{START_MS + 9 * MINUTE_MS}-901",
            f"{START_MS + MINUTE_MS}-903",
        ]
        assert (told["unreadable"], len(told["configs"])) == (0, 1)
        starts = [gop[0] for segment in told["segments"] for gop in segment["gops"]]
        seen = taken_ms(await player.everything())
        assert [at_ms for at_ms in seen if at_ms in set(starts)] == starts
        assert [b - a for a, b in pairwise(seen) if b - a != 200] == [MINUTE_MS + 200]


async def test_the_index_tells_sizes_that_the_bytes_have(tmp_path: Path) -> None:
    """A segment is the sum of its GOPs, `playback.segment` says the same, and so does what comes."""
    async with seeded(tmp_path) as (box, camera):
        player = Player(box, camera, START_MS, START_MS + MINUTE_MS)
        (segment,) = (await player.index())["segments"]
        assert segment["size_bytes"] == sum(gop[3] for gop in segment["gops"])
        assert (segment["end_ms"] - segment["start_ms"], segment["closed"]) == (MINUTE_MS, True)
        asked = {"ticket": player.ticket, "stream": "main", "segment": segment["segment"]}
        assert await box.call("playback.segment", **asked) == {"size_bytes": segment["size_bytes"], "closed": True}
        assert len(await player.media(segment["segment"])) == segment["size_bytes"]


async def test_a_long_span_comes_in_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is bounded; `next_ms` leads on to every GOP once."""
    monkeypatch.setattr("recorder.service_playback.MOST_GOPS", 100)
    async with seeded(tmp_path) as (box, camera):
        player = Player(box, camera, START_MS, START_MS + 30 * MINUTE_MS)
        seen, from_ms = list[int](), START_MS
        while True:
            told = await player.index(from_ms=from_ms)
            seen += [gop[0] for segment in told["segments"] for gop in segment["gops"]]
            if "next_ms" not in told:
                break
            from_ms = told["next_ms"]
        assert len(seen) == len(set(seen)) == 20 * 30
        assert seen == sorted(seen)


async def test_only_what_the_grant_covers_is_told_and_given(tmp_path: Path) -> None:
    """Another action, camera, stream or time, an ended or a missing grant: refused, whatever is asked."""
    async with seeded(tmp_path) as (box, camera):
        span = {"from_ms": START_MS + MINUTE_MS + 1_000, "to_ms": START_MS + 2 * MINUTE_MS}
        player = Player(box, camera, **span)
        (segment,) = (await player.index())["segments"]
        assert segment["gops"][0][0] == START_MS + MINUTE_MS
        before = f"{START_MS}-901"
        for segment, offset, size in ((before, 0, 10), (before, 0, None), (f"{START_MS + 2 * MINUTE_MS}-901", 0, 1)):
            with pytest.raises(GrantRefused):
                await player.media(segment, offset, size)
            if offset == 0:  # how long a segment is tells how much moved in it
                with pytest.raises(GrantRefused):
                    await box.call("playback.segment", ticket=player.ticket, stream="main", segment=segment)
        with pytest.raises(GrantRefused):
            await player.index(from_ms=START_MS)
        with pytest.raises(GrantRefused):
            await player.index(to_ms=span["to_ms"] + 1)
        for wrong in (
            box.ticket(camera, Action.LIVE),
            box.ticket(camera, Action.EXPORT, **span),
            box.ticket(camera, Action.PLAYBACK),
            box.ticket(camera, Action.PLAYBACK, **span, until_ms=1),
            box.ticket(camera, Action.PLAYBACK, **span, streams=frozenset({StreamRole.SUB})),
        ):
            with pytest.raises(GrantRefused):
                await box.call("playback.index", ticket=wrong, stream="main")
        for method in ("playback.index", "playback.init", "playback.segment", "playback.media", "playback.thumb"):
            with pytest.raises(GrantRefused):
                await box.call(method, stream="main", at_ms=span["from_ms"])
        with pytest.raises(NotFound):
            stranger = box.ticket("a" * 16, Action.PLAYBACK, **span)
            await box.call("playback.index", ticket=stranger, stream="main")


async def test_a_whole_segment_at_the_edge_of_a_grant_is_refused(tmp_path: Path) -> None:
    """Only its granted GOPs come; without a range more would be asked for than was granted."""
    async with seeded(tmp_path) as (box, camera):
        player = Player(box, camera, START_MS + 30_000, START_MS + 50_000)
        (segment,) = (await player.index())["segments"]
        assert len(segment["gops"]) == 10
        with pytest.raises(GrantRefused):
            await player.media(segment["segment"])
        first, last = segment["gops"][0], segment["gops"][-1]
        whole = await player.media(segment["segment"], first[2], last[2] + last[3] - first[2])
        assert taken_ms(await player.init(segment["config"]) + whole)[0] == START_MS + 30_000


async def test_an_init_segment_is_of_a_configuration_in_the_granted_time(tmp_path: Path) -> None:
    """A number that is none of it names nothing."""
    async with seeded(tmp_path) as (box, camera):
        player = Player(box, camera, START_MS, START_MS + MINUTE_MS)
        (config,) = (await player.index())["configs"]
        assert config["mime"].startswith('video/mp4; codecs="avc1.')
        assert (config["width"], config["height"]) == (128, 64)
        assert (await player.init(config["config"]))[4:8] == b"ftyp"
        for wrong in ("00000000", "x", ""):
            with pytest.raises(NotFound):
                await player.init(wrong)
        with pytest.raises(NotFound):
            await Player(box, camera, START_MS + HOUR_MS, START_MS + 2 * HOUR_MS).init(config["config"])


async def test_the_running_segment_is_listed_and_plays(tmp_path: Path) -> None:
    """What the writer has written of it; the newest instant is told; when it is closed it is the same bytes."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box, streams=1)
        session = await box.player.wait_for(1)
        now_ms = box.clock.now_ms()
        player = Player(box, camera, now_ms - MINUTE_MS, now_ms + HOUR_MS)
        await box.show(session, 3)

        async def running() -> dict[str, Any] | None:
            told = await player.index()
            return told if told["segments"] and not told["segments"][-1]["closed"] else None

        told = await box.until(running)
        segment = told["segments"][-1]
        assert told["newest_ms"] == segment["end_ms"]
        _, _, offset, size, is_key = segment["gops"][-1]
        assert is_key
        newest = await player.media(segment["segment"], offset, size)
        session.fail(CameraClosed("over"))

        async def closed() -> dict[str, Any] | None:
            told = await player.index()
            return told if told["segments"] and all(item["closed"] for item in told["segments"]) else None

        told = await box.until(closed)
        assert segment["segment"] in [item["segment"] for item in told["segments"]]
        assert await player.media(segment["segment"], offset, size) == newest


async def test_no_segment_is_missing_while_it_is_closed(tmp_path: Path) -> None:
    """Between the writer and the index a file is in neither; whoever asks then sees it all the same."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box, streams=1)
        session = await box.player.wait_for(1)
        now_ms = box.clock.now_ms()
        player = Player(box, camera, now_ms - 2 * MINUTE_MS, now_ms + HOUR_MS)
        (slot,) = box.recorder._parts.store.slots
        index, held, gate = slot.require().index, list[SegmentRow](), threading.Event()
        add = index.add

        def late(rows: Sequence[SegmentRow]) -> None:
            held.extend(rows)
            assert gate.wait(30)
            add(rows)

        index.add = late  # type: ignore[method-assign] # the database answers late
        try:
            await box.show(session, 12)
            session.fail(CameraClosed("over"))

            async def written() -> list[dict[str, Any]]:
                shown = (await player.index())["segments"]
                return list(shown) if held and sum(len(item["gops"]) for item in shown) >= 6 else []

            shown = await box.until(written)
            assert f"{held[0].start_ms}-{held[0].run}" == shown[0]["segment"]
            assert slot.require().index.find(held[0].stream, 0, now_ms * 2) == []
            assert len(await player.media(shown[0]["segment"])) == shown[0]["size_bytes"]
        finally:
            gate.set()


async def test_footage_that_went_meanwhile_is_not_found(tmp_path: Path) -> None:
    """Retention may take a file after it was listed; one whose file is gone is listed no more when that is known."""
    async with seeded(tmp_path) as (box, camera):
        player = Player(box, camera, START_MS, START_MS + MINUTE_MS)
        (segment,) = (await player.index())["segments"]
        (slot,) = box.recorder._parts.store.slots
        (row,) = slot.rows(1, START_MS, START_MS + 1, closed_only=True)  # type: ignore[arg-type] # the stream's number
        (tmp_path / "footage" / row.path).unlink()
        with pytest.raises(NotFound):
            await player.media(segment["segment"], 0, 10)
        slot.require().index.set_flags([row], 4)
        assert (await player.index())["segments"] == []
        slot.require().index.condemn([row])
        with pytest.raises(NotFound):
            await player.media(segment["segment"], 0, 10)


async def test_what_cannot_be_read_is_counted_and_not_listed(tmp_path: Path) -> None:
    """A run whose every head is broken cannot be laid out; another's head stands for a broken one of its run."""
    async with seeded(tmp_path) as (box, camera):
        (slot,) = box.recorder._parts.store.slots
        rows = slot.rows(1, START_MS, START_MS + 11 * MINUTE_MS, closed_only=True)  # type: ignore[arg-type] # as above
        for row in rows[1:10]:
            (tmp_path / "footage" / row.path).write_bytes(b"x" * 2_000)
        player = Player(box, camera, START_MS, START_MS + 10 * MINUTE_MS)
        assert len((await player.index())["segments"]) == 10
    async with recorder_box(tmp_path) as box:
        told = await Player(box, camera, START_MS + MINUTE_MS, START_MS + 9 * MINUTE_MS).index()
        assert (told["segments"], told["unreadable"]) == ([], 8)


async def test_days_are_the_schools_days(tmp_path: Path) -> None:
    """Midnight is the site's; a day that has nothing is left out; the ends of what is kept are told."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box, streams=1)
        (slot,) = box.recorder._parts.store.slots
        evening = START_MS + 17 * HOUR_MS  # midnight in Việt Nam
        seed_slot(slot, MAIN, evening - 10 * MINUTE_MS, evening + 5 * MINUTE_MS, run=901)
        seed_slot(slot, MAIN, evening + 50 * HOUR_MS, evening + 50 * HOUR_MS + MINUTE_MS, run=902)
        told = await box.call("playback.days", camera=camera, to_ms=evening + 100 * HOUR_MS)
        assert told["days"] == [
            {"day": "2026-11-21", "start_ms": evening - 24 * HOUR_MS, "recorded_ms": 10 * MINUTE_MS},
            {"day": "2026-11-22", "start_ms": evening, "recorded_ms": 5 * MINUTE_MS},
            {"day": "2026-11-24", "start_ms": evening + 48 * HOUR_MS, "recorded_ms": MINUTE_MS},
        ]
        assert told["oldest_ms"] == evening - 10 * MINUTE_MS
        assert told["newest_ms"] == evening + 50 * HOUR_MS + MINUTE_MS
        with pytest.raises(BadInput):
            await box.call("playback.days", camera=camera, from_ms=0)
        with pytest.raises(BadInput):
            await box.call("playback.days", camera=camera, from_ms=5, to_ms=5)


async def test_a_camera_without_footage_has_no_days(tmp_path: Path) -> None:
    """Nothing is no error."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box)
        assert await box.call("playback.days", camera=camera) == {"days": [], "oldest_ms": None, "newest_ms": None}
        assert (await box.call("playback.streams", camera=camera))["streams"] == ["main", "sub"]
        with pytest.raises(NotFound):
            await box.call("playback.streams", camera="a" * 16)


async def test_the_timeline_has_spans_gaps_with_causes_and_motion(tmp_path: Path) -> None:
    """Cut to what was asked and to what is past; a lasting gap is open; a level for each 10 s."""
    async with recorder_box(tmp_path) as box:
        camera, start_ms, end_ms = await recorded(box)
        box.recorder.motion.note(camera, start_ms + 1_000, 40.0)  # type: ignore[arg-type] # a public id
        from_ms = start_ms - 5_000
        told = await box.call("playback.timeline", camera=camera, from_ms=from_ms, to_ms=end_ms + HOUR_MS)
        assert told["spans"] == [[start_ms, end_ms]]
        (gap,) = told["gaps"]
        assert (gap["cause"], gap["open"], gap["start_ms"]) == ("camera", True, end_ms)
        assert gap["end_ms"] <= box.clock.now_ms()
        motion = told["motion"]
        assert (motion["start_ms"], motion["step_ms"]) == (from_ms // 10_000 * 10_000, 10_000)
        at = (start_ms + 1_000) // 10_000 - from_ms // 10_000
        assert [number for number, level in enumerate(motion["levels"]) if level is not None] == [at]
        for span in ((5, 5), (0, LONGEST_MS + 1), (-1, 5)):
            with pytest.raises(BadInput):
                await box.call("playback.timeline", camera=camera, from_ms=span[0], to_ms=span[1])


async def test_motion_goes_with_the_footage_and_stays_while_a_disk_is_away(tmp_path: Path) -> None:
    """An hour without footage keeps no levels, but only once every disk has said so."""
    async with seeded(tmp_path) as (box, camera):
        motion = box.recorder.motion
        for hour in (0, 5):
            motion.note(camera, START_MS + hour * HOUR_MS, 9.0)  # type: ignore[arg-type] # a public id
        await motion.flush()
        (slot,) = box.recorder._parts.store.slots
        asked = {"camera": camera, "from_ms": START_MS, "to_ms": START_MS + 6 * HOUR_MS}

        async def seen() -> int:
            levels = (await box.call("playback.timeline", **asked))["motion"]["levels"]
            return sum(level is not None for level in levels)

        slot.needs_reindex = True
        await box.recorder.motion_sweep.sweep()
        assert await seen() == 2
        slot.needs_reindex = False
        await box.call("reindex")
        assert await seen() == 2
        await box.recorder.motion_sweep.sweep()
        assert await seen() == 1


async def test_what_a_time_is_worth_is_told_with_it(tmp_path: Path) -> None:
    """A run whose camera's clock lied says so in the index and in the timeline; a right one is no news."""
    async with recorder_box(tmp_path) as box:
        camera, start_ms, end_ms = await recorded(box)
        player = Player(box, camera, start_ms, end_ms)
        asked = {"camera": camera, "from_ms": start_ms - 60_000, "to_ms": end_ms}
        before = await player.index()
        assert {item["time_quality"] for item in before["segments"]} == {"trusted"}
        assert (await box.call("playback.timeline", **asked))["unsure"] == []
        (run,) = {int(item["segment"].partition("-")[2]) for item in before["segments"]}
        await box.books.runs.lies(RunId(run))
        assert {item["time_quality"] for item in (await player.index())["segments"]} == {"arrival"}
        told = (await box.call("playback.timeline", **asked))["unsure"]
        assert told == [{"start_ms": start_ms, "end_ms": end_ms, "time_quality": "arrival"}]
