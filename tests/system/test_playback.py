"""Recorded footage through the running product: cameras, disk, HTTP, and players of others."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import av
import pytest

from gateway.core.model import new_public_id
from recorder.files import VolumeFiles
from recorder.keys import KeyRing
from tests.fakes.box_door import BoxDoor, ask, until
from tests.fakes.demo_box import DemoBox, demo_box
from tests.fakes.footage import school_key
from tests.fakes.frames import taken_ms
from tests.fakes.seeded import write

pytestmark = [pytest.mark.system, pytest.mark.anyio]

MINUTE_MS, HOUR_MS = 60_000, 3_600_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Seeded:
    """The box, and the footage it had before it was started."""

    def __init__(self, box: DemoBox, at_ms: int) -> None:
        """`at_ms` is before the box was started: nothing it records lies earlier."""
        self.box, self.at_ms = box, at_ms // 2_000 * 2_000
        self.camera = str(box.status()["cameras"][0]["id"])
        self.yesterday = self.at_ms // HOUR_MS * HOUR_MS - 26 * HOUR_MS

    async def seed(self) -> None:
        """Two minutes ago, with a hole, clear; and an hour of yesterday under the school's key."""
        files = VolumeFiles(self.box.data / "footage")
        ring = KeyRing(files, school_key(self.box.data / "state" / "keys"))
        for stream in (1, 2):
            write(files, ring, stream, self.yesterday, self.yesterday + HOUR_MS, run=800_000 + stream)
            write(files, None, stream, self.at_ms - 360_000, self.at_ms - 240_000, run=800_010 + stream)
            write(files, None, stream, self.at_ms - 200_000, self.at_ms - 80_000, run=800_020 + stream)
        files.close_root()
        await ask(self.box, "recorder", "reindex")


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    before_ms = now_ms()
    with demo_box(tmp_path_factory.mktemp("playback"), cameras=1) as box:
        box.well()
        made = Seeded(box, before_ms)
        asyncio.run(made.seed())
        yield made


@asynccontextmanager
async def principal(box: DemoBox) -> AsyncIterator[BoxDoor]:
    code = (await ask(box, "gateway", "code.new"))["code"]
    async with BoxDoor(box.ready["web"]) as door:
        assert (await door.sign_in(code)).status_code == 303
        yield door


@asynccontextmanager
async def opened(seeded: Seeded, from_ms: int, to_ms: int) -> AsyncIterator[tuple[BoxDoor, str]]:
    """A principal's device with a playback; yields it and the playback's address."""
    async with principal(seeded.box) as door:
        wish = {"from_ms": from_ms, "to_ms": to_ms}
        reply = await door.post(f"/api/cameras/{seeded.camera}/playback", json=wish)
        assert reply.status_code == 201, reply.text
        assert reply.json()["streams"] == ["main", "sub"]
        yield door, reply.headers["location"]


async def index(door: BoxDoor, where: str, **query: Any) -> dict[str, Any]:
    reply = await door.get(f"{where}/index", params={"stream": "sub"} | query)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def fetch(door: BoxDoor, where: str, url: str, gop: list[int]) -> bytes:
    """Get one GOP by its range."""
    reply = await door.get(f"{where}/{url}", headers={"range": f"bytes={gop[2]}-{gop[2] + gop[3] - 1}"})
    assert reply.status_code == 206, reply.text
    assert len(reply.content) == gop[3]
    return reply.content


async def test_two_minutes_ago_plays_across_a_gap(seeded: Seeded) -> None:
    """Every GOP by its own range; the pictures' times are the index's, with the hole between them."""
    at_ms = seeded.at_ms
    async with opened(seeded, at_ms - 300_000, at_ms - 100_000) as (door, where):
        told = await index(door, where)
        (config,) = told["configs"]
        assert config["mime"].startswith('video/mp4; codecs="avc1.')
        data = (await door.get(f"{where}/{config['url']}")).content
        starts = list[int]()
        for segment in told["segments"]:
            for gop in segment["gops"]:
                data += await fetch(door, where, segment["url"], gop)
                starts.append(gop[0])
    times = taken_ms(data)
    assert (starts[0], starts[-1]) == (at_ms - 300_000, at_ms - 102_000)
    assert [time for time in times if time in set(starts)] == starts
    assert [(a, b) for a, b in pairwise(times) if b - a > 300] == [(at_ms - 240_200, at_ms - 200_000)]


async def test_yesterday_is_decrypted_on_the_way_out(seeded: Seeded) -> None:
    """A whole segment under the school's key, without a range, on both streams; its times are true."""
    from_ms = seeded.yesterday + 30 * MINUTE_MS
    async with opened(seeded, from_ms, from_ms + MINUTE_MS) as (door, where):
        for stream in ("main", "sub"):
            told = await index(door, where, stream=stream)
            (segment,), (config,) = told["segments"], told["configs"]
            init = await door.get(f"{where}/{config['url']}")
            whole = await door.get(f"{where}/{segment['url']}")
            assert (init.headers["content-type"], whole.status_code) == (config["mime"], 200)
            assert len(whole.content) == segment["size_bytes"] == int(whole.headers["content-length"])
            assert taken_ms(init.content + whole.content) == [from_ms + number * 200 for number in range(300)]
            assert whole.headers["cache-control"] == "no-store"


async def test_the_newest_seconds_play_while_they_are_recorded(seeded: Seeded) -> None:
    """The last GOP of the file that is being written comes by its range, was recorded since, and decodes."""
    start_ms = now_ms()
    async with opened(seeded, start_ms - MINUTE_MS, start_ms + HOUR_MS) as (door, where):

        async def fresh() -> tuple[dict[str, Any], dict[str, Any], list[int]] | None:
            told = await index(door, where)
            last = told["segments"][-1] if told["segments"] else None
            if last is None or last["closed"] or last["gops"][-1][0] < start_ms:
                return None
            return told, last, last["gops"][-1]

        told, last, gop = await until(fresh, what="a GOP that was recorded after the playback was opened")
        assert told["newest_ms"] >= gop[0] + gop[1] - 1
        config = next(item for item in told["configs"] if item["config"] == last["config"])
        init = (await door.get(f"{where}/{config['url']}")).content
        times = taken_ms(init + await fetch(door, where, last["url"], gop))
        assert gop[0] <= times[0] <= gop[0] + 1
        reply = await door.get(f"{where}/{last['url']}", headers={"range": "bytes=0-9"})
        assert reply.headers["content-range"] == "bytes 0-9/*"


async def test_a_foreign_player_reads_the_playlist(seeded: Seeded) -> None:
    """Ffprobe follows maps, byte ranges and discontinuities over HTTP, with nothing but the session's cookie."""
    hour_ms = seeded.yesterday
    async with opened(seeded, hour_ms, hour_ms + 10 * MINUTE_MS) as (door, where):
        text = (await door.get(f"{where}/sub/{hour_ms}.m3u8")).text
        assert text.count("#EXT-X-BYTERANGE") == 300
        assert text.endswith("#EXT-X-ENDLIST\n")
        cookie = "; ".join(f"{name}={value}" for name, value in door.cookies.items())
        url = f"{seeded.box.ready['web']}{where}/sub/{hour_ms}.m3u8"
        shown = ["-show_entries", "stream=codec_name,width,nb_read_packets", "-count_packets", "-of", "json"]
        process = await asyncio.create_subprocess_exec(
            "ffprobe", "-v", "error", "-headers", f"Cookie: {cookie}\r\n", *shown, url,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, errors = await process.communicate()
    assert process.returncode == 0, errors
    (stream,) = json.loads(out)["streams"]
    assert (stream["codec_name"], stream["width"], int(stream["nb_read_packets"])) == ("h264", 128, 3_000)


async def test_days_and_timeline_say_what_there_is(seeded: Seeded) -> None:
    """Footage of yesterday and today, two spans around the hole, and motion of what the cameras show."""
    at_ms = seeded.at_ms
    async with principal(seeded.box) as door:
        days = (await door.get(f"/api/cameras/{seeded.camera}/days")).json()
        assert days["oldest_ms"] == seeded.yesterday
        assert sum(day["recorded_ms"] for day in days["days"]) >= HOUR_MS + 240_000
        query: dict[str, str | int] = {"from": at_ms - 400_000, "to": at_ms - 75_000, "stream": "sub"}
        line = (await door.get(f"/api/cameras/{seeded.camera}/timeline", params=query)).json()
        assert line["spans"] == [[at_ms - 360_000, at_ms - 240_000], [at_ms - 200_000, at_ms - 80_000]]
        assert set(line["motion"]["levels"]) == {None}

        async def moved() -> list[int]:
            query = {"from": at_ms, "to": now_ms() + MINUTE_MS}
            line = (await door.get(f"/api/cameras/{seeded.camera}/timeline", params=query)).json()
            return [level for level in line["motion"]["levels"] if level is not None]

        assert max(await until(moved, what="motion")) <= 255


async def test_a_thumbnail_is_the_key_frame_before_the_instant(seeded: Seeded) -> None:
    """In two widths; where there is no footage there is no picture."""
    at_ms = seeded.at_ms
    async with opened(seeded, at_ms - 400_000, at_ms) as (door, where):
        for width in (160, 320):
            reply = await door.get(f"{where}/thumb.jpg", params={"at": at_ms - 299_000, "width": width})
            assert (reply.status_code, reply.headers["x-captured-at"]) == (200, str(at_ms - 300_000))
            with av.open(io.BytesIO(reply.content), "r", format="mjpeg") as picture:
                assert picture.streams.video[0].width == min(width, 128)
        assert (await door.get(f"{where}/thumb.jpg", params={"at": at_ms - 399_000})).status_code == 404


async def test_a_playback_is_its_sessions_own_and_ends_with_it(seeded: Seeded) -> None:
    """Another device of the same person gets what an invented name gets; signing out ends it; so does DELETE."""
    at_ms = seeded.at_ms
    async with opened(seeded, at_ms - 300_000, at_ms) as (door, where), principal(seeded.box) as other:
        url = f"{where}/index?stream=sub"
        assert (await door.get(url)).status_code == 200
        invented = f"/api/cameras/{seeded.camera}/playback/{new_public_id()}/index?stream=sub"
        theirs, nothing = await other.get(url), await other.get(invented)
        assert (theirs.status_code, theirs.content) == (404, nothing.content)
        assert (await other.delete(where)).status_code == 404
        assert (await door.delete(where)).status_code == 204
        assert (await door.get(url)).status_code == 404
