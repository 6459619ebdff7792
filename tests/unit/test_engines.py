"""Which engine plays a camera: settled at adoption, by a person or by a probe that says why."""

from __future__ import annotations

import pytest

from drivers.adopt import Learned
from drivers.base import LoginMode, StreamInfo
from drivers.engines import AUTO, Engine, settle
from drivers.gate import LoginGate
from drivers.manychannels import LearnedChannel, LearnedDevice
from drivers.rtsp.source import RtspSource
from drivers.rtsponly import StreamPlayer
from gateway.core.errors import (
    CameraBadReply,
    CameraClosed,
    CameraError,
    CameraLoginRefused,
    CameraOverloaded,
    CameraSilent,
    CameraUnreachable,
    CameraUnsupported,
    ConfigError,
)
from gateway.core.model import StreamRole
from recorder.adoption import ENGINES
from tests.unit.test_adopt import Player

pytestmark = pytest.mark.anyio
SOURCE = RtspSource("192.0.2.7", 554, "/main")
ABOUT = Learned(
    driver="onvif", endpoint="", port=80, serial="", mac=None, manufacturer="", model="", firmware="", name="",
    streams=(StreamInfo(StreamRole.MAIN, SOURCE),), clock_skew_ms=None, login_mode=LoginMode.UNKNOWN,
)  # fmt: skip
LEARNED = LearnedDevice(ABOUT, (LearnedChannel(0, ABOUT.streams),))


class Adoption:
    """Learns with any player, and remembers with which."""

    def __init__(self, native: Player, pyav: Player) -> None:
        self.players: dict[str, StreamPlayer] = {Engine.NATIVE.value: native, Engine.PYAV.value: pyav}
        self.by: list[StreamPlayer] = []

    async def learn(self, player: StreamPlayer) -> LearnedDevice:
        self.by.append(player)
        return LEARNED

    async def settle(self, asked: str) -> tuple[Engine, str]:
        settled = await settle(asked, self.learn, LoginGate(None), self.players)
        assert settled.learned is LEARNED
        return settled.engine, settled.why


async def test_without_a_word_the_engine_is_ours_and_nothing_is_tried() -> None:
    """A camera that our engine cannot play is adopted with it all the same: it must not choose."""
    native, pyav = Player(error=CameraBadReply("odd")), Player("unit")
    adoption = Adoption(native, pyav)
    assert await adoption.settle("native") == (Engine.NATIVE, "")
    assert adoption.by == [native]
    assert native.played == pyav.played == []


async def test_a_person_pins_the_second_engine_once_it_shows_a_picture() -> None:
    """Ours is not asked."""
    native, pyav = Player("unit"), Player("unit")
    adoption = Adoption(native, pyav)
    assert await adoption.settle("pyav") == (Engine.PYAV, "")
    assert adoption.by == [pyav]
    assert (native.played, pyav.played) == ([], [SOURCE.url()])
    assert pyav.stopped == 1


async def test_an_engine_that_shows_nothing_is_not_pinned() -> None:
    """The adoption fails with its reason, also on a machine that cannot run it."""
    for error in (CameraClosed("gone"), ConfigError("no cage")):
        player = Player()
        player.error = error  # type: ignore[assignment]  # the second is no CameraError
        with pytest.raises(type(error)):
            await Adoption(Player("unit"), player).settle("pyav")


async def test_the_probe_keeps_ours_if_it_shows_a_picture() -> None:
    """The second engine is not started."""
    native, pyav = Player("unit"), Player("unit")
    assert await Adoption(native, pyav).settle(AUTO) == (Engine.NATIVE, "")
    assert pyav.played == []


@pytest.mark.parametrize("error", [CameraBadReply("no picture in it"), CameraSilent("nothing came")])
async def test_the_probe_pins_the_second_and_says_what_ours_failed_with(error: CameraError) -> None:
    """Code and words are stored with the camera."""
    engine, why = await Adoption(Player(error=error), Player("unit")).settle(AUTO)
    assert engine is Engine.PYAV
    assert why == f"{error.code}: {error.message}"


@pytest.mark.parametrize(
    "error",
    [
        CameraLoginRefused("no"),
        CameraUnreachable("no"),
        CameraOverloaded("no"),
        CameraUnsupported("no"),
        CameraClosed("no"),
    ],
)
async def test_the_probe_pins_nothing_for_what_another_engine_cannot_cure(error: CameraError) -> None:
    """A refused login, a camera that is away, full, or of another kind."""
    pyav = Player("unit")
    with pytest.raises(type(error)):
        await Adoption(Player(error=error), pyav).settle(AUTO)
    assert pyav.played == []


async def test_if_neither_shows_a_picture_the_adoption_fails() -> None:
    """Nothing is stored."""
    with pytest.raises(CameraClosed):
        await Adoption(Player(error=CameraSilent("x")), Player(error=CameraClosed("y"))).settle(AUTO)


def test_the_recorder_knows_the_same_names() -> None:
    """It may not import drivers."""
    assert set(ENGINES) == {*(engine.value for engine in Engine), AUTO}
