"""What the conformance suite asks of every driver, asked of the one that has neither network nor login."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from drivers.base import CameraSettings, Capability, Change, Driver, LoginMode
from drivers.filmplayer import FilmPlayer
from drivers.gate import GateState, LoginGate
from drivers.onvif.pace import CallPool
from drivers.registry import Kit, Place, open_driver
from drivers.rtsponly import first_look
from gateway.core.clock import SystemClock
from gateway.core.errors import BadInput, CameraError, CameraUnreachable, CameraUnsupported
from gateway.core.media import Codec
from gateway.core.model import Login, Secret, StreamRole
from tests.fakes.films import film
from tests.unit.test_filmplayer import Network

pytestmark = pytest.mark.anyio


def gate() -> LoginGate:
    return LoginGate(Login("admin", Secret("never asked for")))


def driver(folder: Path | None, name: str = "la.mp4", key: LoginGate | None = None) -> Driver:
    return open_driver("file", Place(name), key or gate(), Kit(SystemClock(), CallPool(), Network(), folder))


def questions(of: Driver) -> list[Callable[[], Awaitable[object]]]:
    return [of.probe, of.streams, of.health]


async def test_probe_and_streams(tmp_path: Path) -> None:
    """A film is known by its name, main comes first, and the smaller film beside it is the sub stream."""
    film(tmp_path / "la.mp4")
    one = driver(tmp_path)
    assert [stream.role for stream in await one.streams()] == [StreamRole.MAIN]
    film(tmp_path / "la.sub.mp4", size=(160, 120))
    key = gate()
    both = driver(tmp_path, key=key)
    probe, streams = await both.probe(), await both.streams()
    await both.close()
    assert (probe.driver, probe.name, probe.serial, probe.login_mode) == ("file", "la", "file:la.mp4", LoginMode.OPEN)
    assert probe.latency_ms >= 0
    assert [(s.role, s.codec, s.width, s.height, s.fps) for s in streams] == [
        (StreamRole.MAIN, Codec.H264, 320, 240, 10.0),
        (StreamRole.SUB, Codec.H264, 160, 120, 10.0),
    ]
    assert key.state is GateState.UNPROVEN


async def test_streams_can_be_played(tmp_path: Path) -> None:
    """What the driver names as a source plays, and is what it said."""
    film(tmp_path / "la.ts")
    player = FilmPlayer(Network(), tmp_path, SystemClock())
    for stream in await driver(tmp_path, "la.ts").streams():
        config = await first_look(player, stream.source, gate())
        assert (config.codec, config.width, config.height) == (stream.codec, stream.width, stream.height)
        assert "@" not in stream.source.url()


async def test_unreachable(tmp_path: Path) -> None:
    """A film that is not there is unreachable."""
    made = driver(tmp_path)
    for ask in questions(made):
        with pytest.raises(CameraUnreachable):
            await ask()


async def test_broken_replies(tmp_path: Path) -> None:
    """A file that is no film raises a camera error."""
    (tmp_path / "la.mp4").write_bytes(b"<html>" * 1000)
    made = driver(tmp_path)
    for ask in questions(made)[:2]:
        with pytest.raises(CameraError):
            await ask()


async def test_no_folder_and_other_names(tmp_path: Path) -> None:
    """Without a folder nothing is played; with one only names that lie in it."""
    for ask in questions(driver(None)):
        with pytest.raises(CameraUnsupported):
            await ask()
    for name in ("../la.mp4", "/etc/passwd", "la.avi"):
        for ask in questions(driver(tmp_path, name)):
            with pytest.raises(BadInput):
                await ask()


async def test_capabilities_are_the_truth(tmp_path: Path) -> None:
    """It has a health, and refuses everything else."""
    film(tmp_path / "la.mp4")
    made = driver(tmp_path)
    assert made.capabilities == {Capability.HEALTH}
    health = await made.health()
    assert (health.latency_ms >= 0, health.clock_skew_ms) == (True, None)
    for ask in (
        made.snapshot,
        lambda: made.plan(CameraSettings(audio=False)),
        lambda: made.apply((Change("g", "4", "2"),)),
    ):
        with pytest.raises(CameraUnsupported):
            await ask()
    with pytest.raises(CameraUnsupported):
        made.events()
    assert [found async for found in made.discover(("127.0.0.1",), 1.0)] == []


async def test_closing_twice(tmp_path: Path) -> None:
    """Closing is harmless whenever and however often."""
    made = driver(tmp_path)
    await made.close()
    await made.close()
