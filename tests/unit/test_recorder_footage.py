"""The recorder's control calls about footage, over its real socket."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import av
import pytest

from gateway.core.errors import (
    BadInput,
    CameraClosed,
    GrantRefused,
    NotFound,
)
from gateway.core.model import Action, Role, StreamRole
from tests.fakes.h264 import clip
from tests.fakes.recorder_box import adopt, recorded, recorder_box

pytestmark = pytest.mark.anyio


async def test_segments_are_listed_by_camera_stream_and_time(tmp_path: Path) -> None:
    """Oldest first; a span is half open; strangers are not found."""
    async with recorder_box(tmp_path) as box:
        camera, start_ms, end_ms = await recorded(box)
        rows = (await box.call("segments", camera=camera))["segments"]
        assert [row["start_ms"] for row in rows] == sorted(row["start_ms"] for row in rows)
        assert {row["stream"] for row in rows} == {"main"}
        assert {row["camera"] for row in rows} == {camera}
        assert (await box.call("segments", camera=camera, stream="sub"))["segments"] == []
        assert (await box.call("segments", camera=camera, from_ms=end_ms))["segments"] == []
        assert len((await box.call("segments", camera=camera, to_ms=start_ms + 1))["segments"]) == 1
        with pytest.raises(NotFound):
            await box.call("segments", camera="a" * 16)
        with pytest.raises(BadInput):
            await box.call("segments", camera=camera, stream="third")
        with pytest.raises(BadInput):
            await box.call("segments", camera=camera, from_ms=5, to_ms=5)


async def test_segments_come_in_pages(tmp_path: Path) -> None:
    """Of all streams by time; `next` leads through every one once, and nonsense is refused."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box)
        for session in (await box.player.wait_for(1), await box.player.wait_for(2)):
            await box.show(session, 12)
            session.fail(CameraClosed("over"))

        async def closed() -> list[dict[str, Any]]:
            rows = (await box.call("segments", camera=camera, closed_only=True))["segments"]
            return list(rows) if len(rows) == 6 else []

        rows = await box.until(closed)
        seen, after = list[dict[str, Any]](), ""
        for number in range(6):
            page = await box.call("segments", camera=camera, limit=1, after=after)
            seen += page["segments"]
            assert page["more"] == (number < 5) == ("next" in page)
            after = page.get("next", "")
        assert seen == rows
        assert [row["start_ms"] for row in seen] == sorted(row["start_ms"] for row in seen)
        assert {row["stream"] for row in seen} == {"main", "sub"}
        for wrong in ("x", "1.2", "1.2.3.4", f"1.2.{1 << 63}"):
            with pytest.raises(BadInput):
                await box.call("segments", camera=camera, after=wrong)


async def test_a_segment_is_found_by_its_path(tmp_path: Path) -> None:
    """However many there are; only under its own camera."""
    async with recorder_box(tmp_path) as box:
        camera, _, _ = await recorded(box)
        rows = (await box.call("segments", camera=camera))["segments"]
        for row in rows:
            assert (await box.call("segments", camera=camera, path=row["path"]))["segments"] == [row]
        gone = rows[0]["path"].replace("-1.seg", "-999.seg")
        assert (await box.call("segments", camera=camera, path=gone))["segments"] == []
        other = await adopt(box, 2)
        assert (await box.call("segments", camera=other, path=rows[0]["path"]))["segments"] == []
        with pytest.raises(BadInput):
            await box.call("segments", camera=camera, path="../../etc/passwd")


async def test_the_parts_of_an_export_are_known_and_each_comes_whole(tmp_path: Path) -> None:
    """A camera that changed its picture makes two files; together they hold everything."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box, streams=1)
        session = await box.player.wait_for(1)
        start_ns = time.monotonic_ns() - 8_000_000_000
        for size, seconds in (((320, 240), range(4)), ((160, 120), range(4, 8))):
            what = clip(*size, count=40)
            for number in range(seconds.start * what.fps, seconds.stop * what.fps):
                unit = what.unit(number, start_ns + number * 1_000_000_000 // what.fps)
                session.sink.unit(unit)
        session.fail(CameraClosed("over"))

        async def closed() -> list[dict[str, Any]]:
            rows = (await box.call("segments", camera=camera, closed_only=True))["segments"]
            return list(rows) if rows and rows[-1]["start_ms"] - rows[0]["start_ms"] > 3_900 else []

        rows = await box.until(closed)
        span = {"from_ms": rows[0]["start_ms"], "to_ms": rows[-1]["start_ms"] + rows[-1]["duration_ms"]}
        parts = (await box.call("export.plan", camera=camera, **span))["parts"]
        assert len(parts) == 2
        assert parts[0]["start_ms"] - 1 <= span["from_ms"] <= parts[0]["start_ms"]
        assert parts[0]["end_ms"] == parts[1]["start_ms"]
        sizes = []
        for part in parts:
            ticket = box.ticket(camera, Action.EXPORT, from_ms=part["start_ms"], to_ms=part["end_ms"])
            data = b"".join([chunk async for chunk in box.client.stream("export", {"ticket": ticket})])
            assert len(data) == part["size_bytes"]
            (tmp_path / "clip.mp4").write_bytes(data)
            with av.open(str(tmp_path / "clip.mp4")) as container:
                sizes.append((container.streams.video[0].width, sum(1 for _ in container.decode(video=0))))
        assert sizes == [(320, 80), (160, 80)]
        with pytest.raises(NotFound):
            await box.call("export.plan", camera=camera, from_ms=5, to_ms=6)
        with pytest.raises(NotFound):
            await box.call("export.plan", camera=camera, stream="sub", **span)


async def test_gaps_are_listed_with_their_causes(tmp_path: Path) -> None:
    """One that lasts is open and ends now, or where the span ends."""
    async with recorder_box(tmp_path) as box:
        camera, _, end_ms = await recorded(box)
        (gap,) = (await box.call("gaps", camera=camera))["gaps"]
        assert (gap["stream"], gap["cause"], gap["open"]) == ("main", "camera", True)
        assert gap["start_ms"] == end_ms
        (cut,) = (await box.call("gaps", camera=camera, from_ms=0, to_ms=end_ms + 1))["gaps"]
        assert cut["end_ms"] == end_ms + 1
        assert (await box.call("gaps", camera=camera, from_ms=0, to_ms=end_ms))["gaps"] == []


async def test_an_export_needs_a_grant_for_exactly_that(tmp_path: Path) -> None:
    """Action, camera, stream and time are the grant's."""
    async with recorder_box(tmp_path) as box:
        camera, start_ms, end_ms = await recorded(box)
        span = {"from_ms": start_ms, "to_ms": end_ms}

        async def export(ticket: object, **params: object) -> bytes:
            chunks = [chunk async for chunk in box.client.stream("export", {"ticket": ticket, **params})]
            return b"".join(chunks)

        clip_file = tmp_path / "clip.mp4"
        clip_file.write_bytes(await export(box.ticket(camera, Action.EXPORT, **span)))
        with av.open(str(clip_file)) as container:
            assert sum(1 for _ in container.decode(video=0)) == 12 * 20
        for bad in (
            None,
            box.ticket(camera, Action.PLAYBACK, **span),
            box.ticket(camera, Action.EXPORT),
            box.ticket(camera, Action.EXPORT, **span, streams=frozenset({StreamRole.SUB})),
            box.ticket(camera, Action.EXPORT, **span, until_ms=1),
        ):
            with pytest.raises(GrantRefused):
                await export(bad)
        with pytest.raises(NotFound):
            await export(box.ticket("a" * 16, Action.EXPORT, **span))
        with pytest.raises(NotFound):
            await export(box.ticket(camera, Action.EXPORT, from_ms=5, to_ms=6))


@pytest.mark.parametrize("path", ["../../etc/passwd", "1/2026-11-22/00/x.seg", "/etc/passwd", "1/2/3/4/5-6.seg", "a"])
async def test_a_segments_path_is_parsed_never_opened(tmp_path: Path, path: str) -> None:
    """What is no path of ours is refused as input."""
    async with recorder_box(tmp_path) as box:
        camera, start_ms, end_ms = await recorded(box)
        ticket = box.ticket(camera, Action.EXPORT, from_ms=start_ms, to_ms=end_ms)
        with pytest.raises(BadInput):
            async for _ in box.client.stream("export", {"ticket": ticket, "segment": path}):
                pass


async def test_without_vision_there_are_no_stills(tmp_path: Path) -> None:
    """A grant is asked for first, then it is not found."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box)
        with pytest.raises(GrantRefused):
            await box.call("still", width=320)
        for action in (Action.SNAPSHOT, Action.LIVE, Action.AIM):
            with pytest.raises(NotFound):
                await box.call("still", ticket=box.ticket(camera, action, role=Role.GUARDIAN), width=320)
        with pytest.raises(GrantRefused):
            await box.call("still", ticket=box.ticket(camera, Action.EXPORT, from_ms=0, to_ms=1), width=320)


async def test_reindex_finds_what_is_there(tmp_path: Path) -> None:
    """Nothing to add on a healthy disk; a deleted file is noticed."""
    async with recorder_box(tmp_path) as box:
        await recorded(box)
        report = await box.call("reindex")
        assert report["files"] == report["segments"] == 3
        assert (report["added"], report["removed"], report["damaged"]) == (0, 0, [])
        next((tmp_path / "footage").rglob("*.seg")).unlink()
        assert (await box.call("reindex"))["removed"] == 1


async def test_retention_shows_its_plan(tmp_path: Path) -> None:
    """Nothing is old here."""
    async with recorder_box(tmp_path) as box:
        await recorded(box)
        answer = await box.call("retention", dry_run=True)
        assert (answer["plan"], answer["bytes"]) == ([], 0)
