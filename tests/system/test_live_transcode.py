"""Cameras without H.264, from the lens to a viewer's decoder: simulated camera, real recorder, real process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.errors import TranscodesFull
from gateway.core.media import Codec
from gateway.core.model import PublicId, Role, StreamRole
from tests.fakes.h265 import h265_clip
from tests.fakes.live_box import LiveBox, make_grant
from tests.fakes.recorderd import SMALL, recorderd, small_farm
from tests.fakes.viewer import Viewer

pytestmark = [pytest.mark.system, pytest.mark.anyio]

MAIN, SUB = StreamRole.MAIN, StreamRole.SUB
LARGE = replace(SMALL, main=replace(SMALL.main, width=1280, height=720))


def transcoders() -> list[int]:
    """Return the transcoders' processes that are children of ours."""
    found = []
    for path in Path("/proc").iterdir():
        if not path.name.isdigit():
            continue
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            line = (path / "cmdline").read_bytes()
        except (OSError, IndexError):
            continue
        if parent == os.getpid() and b"gateway.live.transcoder.child" in line:
            found.append(int(path.name))
    return found


async def until(what: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not what():  # noqa: ASYNC110 - processes and sockets have no event of ours
            await asyncio.sleep(0.05)


def faults_of(box: LiveBox) -> list[str]:
    """Return what failed; a recorder that is looking for its camera is none."""
    return [name for name, _ in box.faults]


async def test_an_h265_only_camera_plays_and_costs_nothing_after_its_last_viewer(tmp_path: Path) -> None:
    """A guardian's sub stream where the camera has H.265 and no sub stream; the recording stays H.265."""
    async with small_farm(1, tmp_path, LARGE) as farm, recorderd(tmp_path) as box:
        camera = farm.cameras[0]
        await camera.switch("h265", value=True)
        await camera.switch("no_sub", value=True)
        (known,) = await box.adopt_all(farm)
        await box.until_recording(1)
        async with LiveBox(tmp_path, feed_socket=box.feed_socket) as live:
            grant = make_grant(
                live.clock, role=Role.GUARDIAN, streams=frozenset({SUB}), camera=PublicId(known), lease_ms=600_000
            )
            assert transcoders() == []
            async with Viewer() as viewer:
                await viewer.watch(live.client, live.ticket(grant))
                await viewer.seen(15)
                assert {(item.width, item.height) for item in viewer.pictures} == {(640, 360)}
                assert await viewer.lost() == 0
                assert len(transcoders()) == 1
                facts = (await live.client.status())["transcodes"]
                assert facts["cameras"][known] == {
                    "source": "main",
                    "codec": "h265",
                    "transcoded": True,
                    "watched": True,
                }
                await live.client.close_grants([grant.id], "pause.class")
            await until(lambda: not live.transcodes.facts()["cameras"][known]["watched"])
            assert len(transcoders()) == 1, "who comes back within ten seconds finds it running"
            await until(lambda: transcoders() == [])
            assert faults_of(live) == []
        (row,) = await box.cameras()
        assert {stream["codec"] for stream in row["streams"]} == {"h265"}


async def test_a_sub_stream_in_h265_is_taken_and_a_killed_transcoder_is_replaced(tmp_path: Path) -> None:
    """Main and sub are H.265: the smaller one is transcoded; `kill -9` amid it and the viewer sees on."""
    options = replace(SMALL, sub=replace(SMALL.sub, codec=Codec.H265))
    async with small_farm(1, tmp_path, options) as farm, recorderd(tmp_path) as box:
        await farm.cameras[0].switch("h265", value=True)
        (known,) = await box.adopt_all(farm)
        await box.until_recording(1)
        async with LiveBox(tmp_path, feed_socket=box.feed_socket) as live, Viewer() as viewer:
            grant = make_grant(live.clock, camera=PublicId(known), lease_ms=600_000)
            await viewer.watch(live.client, live.ticket(grant), MAIN)
            await viewer.seen(5)
            assert {(item.width, item.height) for item in viewer.pictures} == {(320, 180)}
            (pid,) = transcoders()
            os.kill(pid, signal.SIGKILL)
            await until(lambda: transcoders() not in ([], [pid]))
            seen = len(viewer.pictures)
            await viewer.seen(seen + 10)
            assert await viewer.lost() == 0
            assert faults_of(live) == [f"small {known}"]
            assert live.transcodes.facts()["cameras"][known]["source"] == "sub"
        assert transcoders() == []


async def test_the_page_of_a_viewer_too_many_is_told_why(tmp_path: Path) -> None:
    """Where no place is left its session ends with the reason, the next one is refused, and nothing is started."""
    async with LiveBox(tmp_path, h265_clip(640, 360), most_transcodes=0) as live, Viewer() as viewer:
        live.feeds.hold(make_grant(live.clock).camera, MAIN)
        grant = make_grant(live.clock)
        offer = await viewer.offer()
        opened = await live.client.open(live.ticket(grant), offer)
        await viewer.answered(opened.answer)
        await until(lambda: live.sessions.ended["live.transcodes"] == 1)
        await until(lambda: len(live.transcodes._refused_ns) == 1)
        with pytest.raises(TranscodesFull):
            await live.client.open(live.ticket(make_grant(live.clock)), offer)
        for text in viewer.told:
            assert json.loads(text) == {"end": "", "code": "live.transcodes"}
        assert transcoders() == []
