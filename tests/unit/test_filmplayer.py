"""Films played as cameras: at their pace, round and round, and never over the network."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from drivers.filmplayer import FILM_HOST, FilmPlayer, film_source
from drivers.gate import LoginGate
from drivers.rtsp.protocol import StreamSink
from drivers.rtsp.source import RtspSource
from gateway.core.clock import SystemClock
from gateway.core.errors import BadInput, CameraClosed, CameraError, CameraUnsupported
from gateway.core.media import AccessUnit, CodecConfig
from tests.fakes.clock import FakeClock
from tests.fakes.films import FPS, film

pytestmark = pytest.mark.anyio
GATE = LoginGate(None)


class Network:
    """The player behind: notes what it is asked to play."""

    def __init__(self) -> None:
        self.asked: list[RtspSource] = []

    async def play(self, source: RtspSource, gate: LoginGate, sink: StreamSink) -> None:
        self.asked.append(source)


class Sink:
    """Keeps what comes until it has enough, then ends the session by an error of its own."""

    def __init__(self, enough: int) -> None:
        self.enough = enough
        self.configs: list[CodecConfig | None] = []
        self.units: list[AccessUnit] = []

    def playing(self, config: CodecConfig | None) -> None:
        self.configs.append(config)

    def unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        if len(self.units) == self.enough:
            raise CameraClosed("enough")


class Racing(FakeClock):
    """A clock that is where a sleeper wants it, and notes the ways there."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.tick(seconds)
        await asyncio.sleep(0)


async def test_a_film_goes_round_at_its_own_pace(tmp_path: Path) -> None:
    """Sixty pictures of a film of 25: time goes on without a jump, each is delivered when it is due."""
    film(tmp_path / "la.mp4")
    clock, sink = Racing(), Sink(60)
    began_ns = clock.mono_ns()
    with pytest.raises(CameraClosed, match="enough"):
        await FilmPlayer(Network(), tmp_path, clock).play(film_source("la.mp4"), GATE, sink)
    assert [unit.pts_90k for unit in sink.units] == [number * 9000 for number in range(60)]
    assert [number for number, unit in enumerate(sink.units) if unit.is_key] == [0, 10, 20, 25, 35, 45, 50]
    assert [unit.received_mono_ns - began_ns for unit in sink.units] == pytest.approx(
        [number * 1_000_000_000 // FPS for number in range(60)], abs=1000
    )
    assert {unit.config.epoch for unit in sink.units} == {0}
    assert sink.configs == [sink.units[0].config]
    assert [unit.nals for unit in sink.units[:25]] == [unit.nals for unit in sink.units[25:50]]


async def test_a_very_short_film_goes_round_once_a_second(tmp_path: Path) -> None:
    """However short it is, it is opened at most once a second."""
    film(tmp_path / "la.mp4", pictures=3)
    sink = Sink(7)
    with pytest.raises(CameraClosed, match="enough"):
        await FilmPlayer(Network(), tmp_path, Racing()).play(film_source("la.mp4"), GATE, sink)
    assert [unit.pts_90k for unit in sink.units] == [0, 9000, 18_000, 90_000, 99_000, 108_000, 180_000]


async def test_a_stall_is_not_caught_up_with(tmp_path: Path) -> None:
    """After ten minutes asleep the film goes on at its pace, not in a burst."""
    film(tmp_path / "la.mp4")

    class Stalled(Sink):
        def unit(self, unit: AccessUnit) -> None:
            super().unit(unit)
            if len(self.units) == 5:
                clock.tick(600)

    clock = Racing()
    sink = Stalled(12)
    with pytest.raises(CameraClosed, match="enough"):
        await FilmPlayer(Network(), tmp_path, clock).play(film_source("la.mp4"), GATE, sink)
    steps = [after.received_mono_ns - before.received_mono_ns for before, after in itertools.pairwise(sink.units)]
    assert steps[4] >= 600e9
    assert min(steps[:4] + steps[5:]) > 0.09e9


async def test_other_sources_go_to_the_network(tmp_path: Path) -> None:
    """A camera's address is played by the player behind, a film never is."""
    network = Network()
    player = FilmPlayer(network, tmp_path, SystemClock())
    source = RtspSource("10.0.0.5", 554, "/la.mp4")
    await player.play(source, GATE, Sink(1))
    with pytest.raises(CameraClosed):
        await player.play(film_source("la.mp4"), GATE, Sink(1))
    assert network.asked == [source]


@pytest.mark.parametrize("path", ["/../la.mp4", "/a/../../la.mp4", "//la.mp4", "/la.avi", "/"])
async def test_a_stored_path_cannot_lead_elsewhere(tmp_path: Path, path: str) -> None:
    """A source that was tampered with is refused, not opened."""
    (tmp_path / "films").mkdir()
    film(tmp_path / "la.mp4", pictures=3)
    with pytest.raises(CameraUnsupported):
        await FilmPlayer(Network(), tmp_path / "films", SystemClock()).play(
            RtspSource(FILM_HOST, 1, path), GATE, Sink(1)
        )


async def test_without_a_folder_nothing_is_played() -> None:
    """A box without `cameras.files` plays no film."""
    with pytest.raises(CameraUnsupported):
        await FilmPlayer(Network(), None, SystemClock()).play(film_source("la.mp4"), GATE, Sink(1))


async def test_a_film_that_is_taken_away_ends_the_session(tmp_path: Path) -> None:
    """In the middle of the round it may go on; the next round says that it is not there."""
    path = film(tmp_path / "la.mp4", pictures=4)

    class Taken(Sink):
        def unit(self, unit: AccessUnit) -> None:
            super().unit(unit)
            path.unlink(missing_ok=True)

    sink = Taken(99)
    with pytest.raises(CameraClosed):
        await FilmPlayer(Network(), tmp_path, Racing()).play(film_source("la.mp4"), GATE, sink)
    assert len(sink.units) == 4


async def test_cancelling_leaves_no_open_file(tmp_path: Path) -> None:
    """A cancelled session closes its film before it returns."""
    film(tmp_path / "la.mp4")
    sink = Sink(99)
    task = asyncio.ensure_future(FilmPlayer(Network(), tmp_path, SystemClock()).play(film_source("la.mp4"), GATE, sink))
    async with asyncio.timeout(30):
        while not sink.units:  # noqa: ASYNC110 - nobody tells of a picture but the sink
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    here = Path("/proc/self/fd")
    assert not [link for link in here.iterdir() if link.exists() and str(link.readlink()).endswith("la.mp4")]


async def test_a_broken_film_is_a_camera_error(tmp_path: Path) -> None:
    """Whatever is in the file, the caller sees an error of one camera."""
    (tmp_path / "la.mp4").write_bytes(b"\0" * 5000)
    with pytest.raises(CameraError):
        await FilmPlayer(Network(), tmp_path, SystemClock()).play(film_source("la.mp4"), GATE, Sink(1))


def test_names_that_cannot_be_stored_are_refused() -> None:
    """A source is printable ASCII without blanks, films like all others."""
    for name in ("lớp lá.mp4", "la 1.mp4"):
        with pytest.raises(BadInput):
            film_source(name)
