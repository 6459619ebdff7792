"""From an opened playback to the recorder: tickets, decisions at every chunk, hours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.access.audit import CONSOLE
from gateway.access.playbacks import Playbacks
from gateway.core.errors import DaemonUnavailable, Denied, NotFound
from gateway.core.model import Grant, Role, StreamRole
from gateway.core.ticket import open_ticket
from gateway.core.wire import ControlClient, ControlServer, Reply, Request
from gateway.roofs.playback_port import HOUR_MS, LATE_MS, PlaybackPort
from tests.fakes.access_world import KEY, World, school
from web.caller import Caller
from web.services import OpenedPlayback

pytestmark = pytest.mark.anyio

SUB = StreamRole.SUB


class FakeRecorder:
    """Answers the playback calls and remembers them."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.newest_ms: int | None = None
        self.streams = ["main", "sub"]
        self.sent = 0
        self.stopped = False

    async def answer(self, request: Request) -> Reply:
        self.asked.append((request.method, dict(request.params)))
        told: dict[str, dict[str, Any]] = {
            "playback.streams": {"streams": self.streams},
            "playback.index": {"segments": [], "configs": [], "newest_ms": self.newest_ms},
            "playback.segment": {"size_bytes": 100, "closed": False},
            "playback.init": {"mime": "video/mp4"},
            "playback.thumb": {"captured_ms": 5, "width": 160, "height": 90},
        }
        return Reply(told.get(request.method, {"ok": True}), b"blob")

    async def media(self, request: Request) -> AsyncIterator[bytes]:
        self.asked.append((request.method, dict(request.params)))

        async def chunks() -> AsyncIterator[bytes]:
            try:
                for number in range(1_000):
                    self.sent += 1
                    yield number.to_bytes(4, "big") * 65_536
            finally:
                self.stopped = True

        return chunks()


class Scene:
    def __init__(self, w: World, recorder: FakeRecorder, port: PlaybackPort) -> None:
        self.w, self.recorder, self.port = w, recorder, port
        self.caller = Caller(w.principal, Role.PRINCIPAL, "Cô", w.actor.device)

    async def open(self, from_ms: int | None = None, to_ms: int | None = None) -> OpenedPlayback:
        end_ms = self.w.clock.now_ms()
        span = (end_ms - HOUR_MS if from_ms is None else from_ms, end_ms if to_ms is None else to_ms)
        return await self.port.open(self.caller, self.w.camera, *span)

    def grant(self) -> Grant:
        """What the last call carried."""
        return open_ticket(self.recorder.asked[-1][1]["ticket"], KEY.public_key(), now_ms=self.w.clock.now_ms())


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    recorder, path = FakeRecorder(), folder / "recorder.sock"
    names = ("streams", "days", "timeline", "index", "init", "segment", "thumb")
    handlers: dict[str, Any] = {f"playback.{name}": recorder.answer for name in names}
    async with (
        school(folder) as w,
        ControlServer(path, "recorder", handlers | {"playback.media": recorder.media}, on_fault=lambda *_: None),
        ControlClient(path, "recorder") as client,
    ):
        yield Scene(w, recorder, PlaybackPort(Playbacks(w.access.store, w.access.grants, KEY), client, w.clock))


async def test_every_call_carries_a_fresh_ticket_of_the_span(tmp_path: Path) -> None:
    """Signed for playback of this camera and time; what the recorder answers comes back in our words."""
    async with scene(tmp_path) as s:
        opened, camera = await s.open(), s.w.camera
        assert opened.streams == (StreamRole.MAIN, StreamRole.SUB)
        calls = (s.caller, camera, opened.playback)
        assert (await s.port.init(*calls, SUB, "0a1b2c3d")) == ("video/mp4", b"blob")
        size = await s.port.segment(*calls, SUB, "5-1")
        assert (size.bytes, size.closed) == (100, False)
        still = await s.port.thumb(*calls, 7, 160)
        assert (still.captured_ms, still.jpeg) == (5, b"blob")
        await s.port.index(*calls, SUB, (opened.from_ms, None))
        asked = s.recorder.asked[-1][1]
        assert (asked["stream"], asked["from_ms"], "to_ms" in asked) == ("sub", opened.from_ms, False)
        grant = s.grant()
        assert (grant.camera, grant.from_ms, grant.to_ms) == (camera, opened.from_ms, opened.to_ms)
        await s.port.close(*calls)
        with pytest.raises(NotFound):
            await s.port.index(*calls, SUB)


async def test_when_there_was_footage_is_asked_without_a_ticket(tmp_path: Path) -> None:
    """Only what was asked for is passed on."""
    async with scene(tmp_path) as s:
        await s.port.days(s.w.camera, None, 9, None)
        await s.port.timeline(s.w.camera, 1, 2, SUB)
        assert [asked for _, asked in s.recorder.asked] == [
            {"camera": s.w.camera, "to_ms": 9},
            {"camera": s.w.camera, "from_ms": 1, "to_ms": 2, "stream": "sub"},
        ]


async def test_a_camera_with_one_stream_offers_one(tmp_path: Path) -> None:
    """Of those the grant covers."""
    async with scene(tmp_path) as s:
        s.recorder.streams = ["main"]
        assert (await s.open()).streams == (StreamRole.MAIN,)


async def test_a_revoked_person_gets_no_further_chunk(tmp_path: Path) -> None:
    """In the middle of a segment: the next chunk is decided again, and the recorder stops reading."""
    async with scene(tmp_path) as s:
        opened = await s.open()
        chunks = s.port.media(s.caller, s.w.camera, opened.playback, SUB, "5-1", 0, 1 << 28)
        assert len(await anext(chunks)) == 4 * 65_536
        await s.w.access.logins.end_person(CONSOLE, s.w.principal)
        with pytest.raises(Denied):
            await anext(chunks)
        with pytest.raises(NotFound):
            await anext(s.port.media(s.caller, s.w.camera, opened.playback, SUB, "5-1", 0, 5))
        await s.w.until(lambda: s.recorder.stopped)
        assert s.recorder.sent < 1_000


async def test_a_reader_that_goes_away_lets_the_recorder_stop(tmp_path: Path) -> None:
    """Nobody reads on for nobody, and no more is read than fits the sockets."""
    async with scene(tmp_path) as s:
        opened = await s.open()
        chunks = s.port.media(s.caller, s.w.camera, opened.playback, SUB, "5-1", 0, 1 << 28)
        await anext(chunks)
        await chunks.aclose()
        await s.w.until(lambda: s.recorder.stopped)
        assert s.recorder.sent < 100


@pytest.mark.parametrize(
    ("newest", "later_ms", "over"),
    [(None, 0, False), (-1, 0, False), (0, 0, True), (None, LATE_MS, True)],
)
async def test_an_hour_is_over_when_nothing_of_it_can_come(
    tmp_path: Path, newest: int | None, later_ms: int, *, over: bool
) -> None:
    """Footage has gone past it, or so much time has that a camera that is away counts no more."""
    async with scene(tmp_path) as s:
        end_ms = s.w.clock.now_ms() // HOUR_MS * HOUR_MS
        s.w.clock.step_wall(end_ms - s.w.clock.now_ms() + later_ms)
        opened = await s.open(end_ms - HOUR_MS // 2, end_ms + HOUR_MS)
        s.recorder.newest_ms = None if newest is None else end_ms + newest
        hour = await s.port.hour(s.caller, s.w.camera, opened.playback, SUB, end_ms - HOUR_MS)
        assert hour.over is over
        asked = s.recorder.asked[-1][1]
        assert (asked["from_ms"], asked["to_ms"]) == (end_ms - HOUR_MS // 2, end_ms)
        with pytest.raises(NotFound):
            await s.port.hour(s.caller, s.w.camera, opened.playback, SUB, end_ms + HOUR_MS)


async def test_a_recorder_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    """The decision and its row stand all the same: it was asked for."""
    async with school(tmp_path) as w, ControlClient(tmp_path / "none.sock", "recorder") as client:
        port = PlaybackPort(Playbacks(w.access.store, w.access.grants, KEY), client, w.clock)
        with pytest.raises(DaemonUnavailable):
            await Scene(w, FakeRecorder(), port).open()
