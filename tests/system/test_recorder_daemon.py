"""The recorder daemon as a whole: real process, real sockets, simulated cameras."""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
from pathlib import Path
from typing import Any

import av
import pytest

from gateway.core import feedwire
from gateway.core.errors import CameraLoginRefused, GrantRefused, NotFound
from gateway.core.media import AccessUnit, CodecConfig
from gateway.core.model import Action, PublicId, StreamRole
from tests.fakes.recorderd import PASSWORD, recorderd, small_farm

pytestmark = [pytest.mark.anyio, pytest.mark.system]


async def test_cameras_are_found_adopted_recorded_and_closed(tmp_path: Path) -> None:
    """Four cameras, main and sub, are recorded; SIGTERM leaves closed segments only, and the index equals them."""
    async with small_farm(4, tmp_path) as farm, recorderd(tmp_path) as daemon:
        ids = await daemon.adopt_all(farm)
        found = (await daemon.call("discover"))["found"]
        assert set(ids) <= {item["adopted_as"] for item in found}
        cameras = await daemon.until_recording(4)
        assert [len(camera["streams"]) for camera in cameras] == [2, 2, 2, 2]
        assert {camera["state"] for camera in cameras} == {"up"}

        async def two_segments() -> bool:
            return all([len(await daemon.segments(camera)) >= 4 for camera in ids])

        await daemon.until(two_segments)
        started = time.monotonic()
        assert await daemon.stop() == 0
        assert time.monotonic() - started < 10
        assert not list(daemon.footage.rglob("*.part"))
        files = list(daemon.footage.rglob("*.seg"))
        await daemon.start()
        report = await daemon.call("reindex")
        listed = [await daemon.segments(camera) for camera in ids]
        closed = sum(segment["closed"] for segments in listed for segment in segments)
        assert report["added"] == report["removed"] == 0
        assert report["damaged"] == []
        assert len(files) <= report["files"] <= closed


async def test_stills_need_a_grant_and_are_pictures(tmp_path: Path) -> None:
    """A signed grant gets a JPEG of the asked width with its time; none, a forged or another's gets nothing."""
    async with small_farm(1, tmp_path) as farm, recorderd(tmp_path) as daemon:
        (camera,) = await daemon.adopt_all(farm)
        ticket = daemon.ticket(camera, Action.SNAPSHOT)

        async def still() -> bool:
            try:
                await daemon.call("still", ticket=ticket, width=320)
            except NotFound:
                return False
            return True

        await daemon.until(still)
        reply = await daemon.client.call("still", {"ticket": ticket, "width": 320})
        assert reply.blob[:2] == b"\xff\xd8"
        assert (reply.result["width"], reply.result["height"]) == (320, 180)
        assert abs(time.time() * 1000 - reply.result["captured_ms"]) < 60_000
        for bad in (
            {},
            {"ticket": {"grant": ticket["grant"], "sig": "AAAA"}},
            {"ticket": daemon.ticket(camera, Action.EXPORT)},
        ):
            with pytest.raises(GrantRefused):
                await daemon.client.call("still", bad)
        status = await daemon.call("status")
        assert status["vision"]["running"] is True
        assert status["vision"]["bad"] == 0


async def test_the_feed_begins_with_a_key_frame(tmp_path: Path) -> None:
    """A subscriber of the feed socket gets CONFIG, then the current GOP from its key frame on."""
    async with small_farm(1, tmp_path) as farm, recorderd(tmp_path) as daemon:
        (camera,) = await daemon.adopt_all(farm)
        await daemon.until_recording(1)
        reader, writer = await asyncio.open_unix_connection(str(daemon.feed_socket))
        writer.write(feedwire.encode_subscribe(feedwire.Subscription(PublicId(camera), StreamRole.SUB)))
        configs: dict[int, CodecConfig] = {}
        units: list[AccessUnit] = []
        while len(units) < 12:
            kind, length = feedwire.HEAD.unpack(await reader.readexactly(feedwire.HEAD.size))
            body = await reader.readexactly(length)
            if kind == feedwire.CONFIG:
                config = feedwire.decode_config(body)
                configs[config.epoch] = config
            else:
                assert kind == feedwire.UNIT
                units.append(feedwire.decode_unit(body, configs)[0])
        writer.close()
        await writer.wait_closed()
    assert units[0].is_key
    steps = {newer.pts_90k - older.pts_90k for older, newer in itertools.pairwise(units)}
    assert steps == {90_000 // 5}


async def test_a_killed_recorder_accounts_for_the_hole(tmp_path: Path) -> None:
    """After kill -9 the tail is recovered and the hole up to the first new key frame is `recorder_restart`."""
    async with small_farm(3, tmp_path) as farm, recorderd(tmp_path) as daemon:
        ids = await daemon.adopt_all(farm)
        await daemon.until_recording(3)
        await daemon.stop(signal.SIGKILL)
        await daemon.start()
        await daemon.until_recording(3)
        for camera in ids:
            for stream in ("main", "sub"):
                gaps = (await daemon.call("gaps", camera=camera, stream=stream))["gaps"]
                assert [gap["cause"] for gap in gaps] == ["recorder_restart"]
                segments = (await daemon.call("segments", camera=camera, stream=stream))["segments"]
                runs = {segment["run"] for segment in segments}
                assert len(runs) == 2
                old = [item for item in segments if item["run"] == min(runs)]
                new = [item for item in segments if item["run"] == max(runs)]
                assert gaps[0]["start_ms"] == old[-1]["start_ms"] + old[-1]["duration_ms"]
                assert gaps[0]["end_ms"] == new[0]["start_ms"]


async def test_an_orderly_stop_is_a_gap_of_its_own_kind(tmp_path: Path) -> None:
    """After SIGTERM and a start the hole has cause `recorder_stopped`."""
    async with small_farm(1, tmp_path) as farm, recorderd(tmp_path) as daemon:
        (camera,) = await daemon.adopt_all(farm)
        await daemon.until_recording(1)
        await daemon.stop()
        await daemon.start()
        await daemon.until_recording(1)
        gaps = (await daemon.call("gaps", camera=camera))["gaps"]
    assert {gap["cause"] for gap in gaps} == {"recorder_stopped"}
    assert not any(gap["open"] for gap in gaps)


async def test_a_wrong_password_is_sent_once(tmp_path: Path) -> None:
    """Over two streams, ONVIF and a restart the camera sees one bad login; the right one is taken at once."""
    async with small_farm(1, tmp_path) as farm, recorderd(tmp_path) as daemon:
        (simulated,) = farm.cameras
        (camera,) = await daemon.adopt_all(farm)
        await daemon.until_recording(1)
        await daemon.stop()
        await daemon.start()
        await daemon.call("camera.login", camera=camera, username="admin", password="falsch")

        async def refused() -> bool:
            return str((await daemon.cameras())[0]["state"]) == "login_refused"

        # The running sessions were opened with the right password; only new ones use the wrong one.
        await simulated.switch("drop_connections", None)
        await daemon.until(refused)
        await asyncio.sleep(2)
        assert simulated.bad_logins == 1
        await daemon.stop()
        await daemon.start()
        await daemon.until(refused)
        await asyncio.sleep(2)
        assert simulated.bad_logins == 1
        gaps = (await daemon.call("gaps", camera=camera, stream="main"))["gaps"]
        assert gaps[-1]["cause"] == "login"
        assert gaps[-1]["open"] is True
        await daemon.call("camera.login", camera=camera, username="admin", password=PASSWORD)
        await daemon.until_recording(1)
        assert simulated.bad_logins == 1


async def test_adopting_with_a_wrong_password_leaves_nothing(tmp_path: Path) -> None:
    """The camera sees one bad login, the caller the reason, the registry nothing."""
    async with small_farm(1, tmp_path) as farm, recorderd(tmp_path) as daemon:
        (simulated,) = farm.cameras
        with pytest.raises(CameraLoginRefused):
            await daemon.call(
                "adopt", address=simulated.address, port=simulated.onvif_port, username="admin", password="falsch"
            )
        assert simulated.bad_logins == 1
        assert (await daemon.call("camera.list"))["cameras"] == []


async def test_an_unplugged_camera_is_down_and_comes_back(tmp_path: Path) -> None:
    """Its gap has a cause, its state is journalled both ways, recording goes on when it answers."""
    async with small_farm(2, tmp_path) as farm, recorderd(tmp_path) as daemon:
        ids = await daemon.adopt_all(farm)
        await daemon.until_recording(2)
        await farm.cameras[0].switch("offline", True)

        async def down() -> bool:
            return str((await daemon.cameras())[0]["state"]) == "down"

        await daemon.until(down)
        assert (await daemon.cameras())[1]["recording"] is True
        await farm.cameras[0].switch("offline", False)
        await daemon.until_recording(2)
        gaps = (await daemon.call("gaps", camera=ids[0], stream="main"))["gaps"]
        assert {gap["cause"] for gap in gaps} == {"camera"}
        assert gaps
        assert (await daemon.call("gaps", camera=ids[1]))["gaps"] == []

        async def told() -> list[str]:
            """Return what the journal says once it ends well: a picture is recorded before the state is written."""
            events = (await daemon.call("journal", after=0))["events"]
            mine = [event for event in events if event["type"] == "camera.state.v1" and event["subject"] == ids[0]]
            states = [str(event["data"]["state"]) for event in mine]
            return states if states[-1] == "up" and len(states) > 1 else []

        states = await daemon.until(told)
        assert states[0] == "up"
        assert "down" in states


async def test_a_granted_span_is_exported_as_a_playable_file(tmp_path: Path) -> None:
    """The export of a few seconds decodes; the same ticket gives no other time."""
    async with small_farm(1, tmp_path) as farm, recorderd(tmp_path) as daemon:
        (camera,) = await daemon.adopt_all(farm)
        await daemon.until_recording(1)

        async def closed() -> list[dict[str, Any]]:
            """Return the closed ones only: the file that is being written goes on growing."""
            return list((await daemon.call("segments", camera=camera, stream="main", closed_only=True))["segments"])

        first = (await daemon.until(closed))[0]
        span = {"from_ms": first["start_ms"], "to_ms": first["start_ms"] + first["duration_ms"]}
        ticket = daemon.ticket(camera, Action.EXPORT, **span)
        clip = tmp_path / "clip.mp4"
        with clip.open("wb") as file:
            async for chunk in daemon.client.stream("export", {"ticket": ticket, "segment": first["path"]}):
                file.write(chunk)
        with av.open(str(clip)) as container:
            frames = sum(1 for _ in container.decode(video=0))
        assert frames == round(first["duration_ms"] / 100)
        half = daemon.ticket(camera, Action.EXPORT, from_ms=span["from_ms"], to_ms=span["to_ms"] - 1000)
        with pytest.raises(NotFound):
            async for _ in daemon.client.stream("export", {"ticket": half, "segment": first["path"]}):
                pass


async def test_a_removed_camera_leaves_its_footage(tmp_path: Path) -> None:
    """After removal nothing connects any more, the segments are still listed."""
    async with small_farm(1, tmp_path) as farm, recorderd(tmp_path) as daemon:
        (camera,) = await daemon.adopt_all(farm)
        await daemon.until_recording(1)
        await daemon.call("camera.remove", camera=camera)
        assert await daemon.cameras() == []

        async def alone() -> bool:
            return farm.cameras[0].sessions == 0

        await daemon.until(alone)
        assert await daemon.segments(camera)
        gaps = (await daemon.call("gaps", camera=camera))["gaps"]
        assert not any(gap["open"] for gap in gaps)
