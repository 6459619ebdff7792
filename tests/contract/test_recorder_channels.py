"""A simulated recorder with 16 channels: learned whole, by ONVIF and by the makers' paths, with one login."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import anyio
import pytest

from drivers.adopt import Means
from drivers.channels import FAMILIES
from drivers.gate import GateState, LoginGate
from drivers.manychannels import LearnedDevice, Wish, learn_device
from drivers.onvif.pace import CallPool
from drivers.rtsp.network import RtspNetwork
from drivers.rtsp.source import RtspSource
from drivers.rtsponly import first_look
from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.farm import RECORDER, Farm, FarmOptions, FarmWorld
from drivers.simulated.faults import Quirks
from drivers.simulated.options import CameraOptions
from gateway.core.clock import SystemClock
from gateway.core.errors import (
    CameraError,
    CameraLoginRefused,
    CameraOverloaded,
    CameraUnreachable,
    CameraUnsupported,
)
from gateway.core.model import Login, Secret, StreamRole
from tests.fakes.waiting import until

pytestmark = pytest.mark.anyio
USER, PASSWORD = "admin", "Mầm-non-2026"
CHANNELS = RECORDER.channels


class Hasty(SystemClock):
    """Does not wait between two paths."""

    async def sleep(self, seconds: float) -> None:
        await anyio.lowlevel.checkpoint()


@contextlib.asynccontextmanager
async def recorder(
    quirks: Quirks | None = None, options: FarmOptions = RECORDER, paths: tuple[str, str] | None = None
) -> AsyncIterator[SimulatedCamera]:
    def adjust(plain: CameraOptions) -> CameraOptions:
        changed = replace(plain, quirks=quirks or plain.quirks)
        return replace(changed, paths=paths) if paths is not None else changed

    options = replace(options, seed=uuid4().hex, discovery=False)
    async with Farm(1, password=PASSWORD, base="127.0.1.82", options=options, world=FarmWorld(adjust=adjust)) as farm:
        yield farm.cameras[0]


def gate(password: str = PASSWORD) -> LoginGate:
    return LoginGate(Login(USER, Secret(password)))


async def learned(
    camera: SimulatedCamera, key: LoginGate, channels: frozenset[int] | None = None, path: str | None = None
) -> LearnedDevice:
    wish = Wish(path, camera.rtsp_port, channels)
    return await learn_device(camera.address, camera.onvif_port or 1, key, Means(Hasty(), CallPool()), wish)


def numbers(device: LearnedDevice) -> list[int]:
    return [channel.number for channel in device.channels]


async def test_sixteen_channels_are_sixteen_cameras() -> None:
    """Each with main and sub at its own path; one device, one login, and not one session taken."""
    async with recorder() as camera:
        key = gate()
        device = await learned(camera, key)
        assert numbers(device) == list(range(1, CHANNELS + 1))
        assert device.empty == ()
        for channel in device.channels:
            assert [stream.role for stream in channel.streams] == [StreamRole.MAIN, StreamRole.SUB]
            for stream, path in zip(channel.streams, FAMILIES[0].paths(channel.number), strict=True):
                assert (stream.source.host, stream.source.port) == (camera.address, camera.rtsp_port)
                assert stream.source.path == path
        assert (device.about.serial, device.about.channels) == (camera.state.identity.serial, CHANNELS)
        assert key.state is GateState.PROVEN
        assert camera.bad_logins == 0
        assert camera.counters.count("SETUP", "rtsp") == 0


async def test_channels_without_a_picture_are_named() -> None:
    """ONVIF lists them, nothing is behind them: said, not adopted."""
    async with recorder(Quirks(channels_off=("3", "7"))) as camera:
        device = await learned(camera, gate())
        assert device.empty == (3, 7)
        assert numbers(device) == [number for number in range(1, CHANNELS + 1) if number not in {3, 7}]


async def test_only_the_channels_asked_for_are_learned() -> None:
    """And one that is not there is refused before anything is adopted."""
    async with recorder() as camera:
        assert numbers(await learned(camera, gate(), frozenset({2, 4}))) == [2, 4]
        with pytest.raises(CameraUnsupported) as refusal:
            await learned(camera, gate(), frozenset({2, 40}))
        assert refusal.value.fields["channel"] == 40


async def test_a_recorder_without_any_picture_is_unsupported() -> None:
    """Nothing is adopted, and the reason is told."""
    off = tuple(str(number) for number in range(1, CHANNELS + 1))
    async with recorder(Quirks(channels_off=off)) as camera:
        with pytest.raises(CameraUnsupported, match="no channel has a picture"):
            await learned(camera, gate())


async def test_a_camera_with_one_lens_has_no_channels() -> None:
    """Its number is 0, and asking for a second channel is refused."""
    async with recorder(options=replace(RECORDER, channels=1)) as camera:
        assert numbers(await learned(camera, gate())) == [0]
        assert numbers(await learned(camera, gate(), frozenset({1}))) == [0]
        with pytest.raises(CameraUnsupported):
            await learned(camera, gate(), frozenset({2}))


@pytest.mark.parametrize("rtsp_only", [False, True], ids=["onvif", "paths"])
async def test_a_wrong_password_reaches_a_recorder_once(rtsp_only: bool) -> None:
    """Whatever the number of its channels and paths."""
    async with recorder(options=replace(RECORDER, rtsp_only=rtsp_only)) as camera:
        key = gate("wrong")
        for _ in range(2):
            with pytest.raises(CameraLoginRefused):
                await learned(camera, key, frozenset(range(1, 9)))
        assert camera.bad_logins == 1


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
async def test_a_recorder_without_onvif_is_learned_by_its_makers_paths(family: object) -> None:
    """The family is found by its first channel; the list ends where channels are missing."""
    assert isinstance(family, type(FAMILIES[0]))
    quirks = Quirks(onvif=False, channels_off=("2",))
    async with recorder(quirks, replace(RECORDER, rtsp_only=True, channels=5), (family.main, family.sub)) as camera:
        device = await learned(camera, gate(), frozenset(range(1, 65)))
        assert numbers(device) == [1, 3, 4, 5]
        assert device.empty == (2, 6, 7, 8, 9)
        assert device.about.driver == "rtsp"
        for channel in device.channels:
            assert [stream.source.path for stream in channel.streams] == list(family.paths(channel.number))
        assert camera.bad_logins == 0
        assert camera.counters.count("SETUP", "rtsp") == 0


@pytest.mark.parametrize(("channels", "numbers_found"), [(1, [0]), (3, [1, 2, 3])], ids=["camera", "recorder"])
async def test_a_guessed_path_of_a_recorder_brings_all_its_channels(channels: int, numbers_found: list[int]) -> None:
    """One more question tells a recorder from a camera with the same path."""
    async with (
        recorder(options=replace(RECORDER, rtsp_only=True, channels=channels)) as camera,
        RtspNetwork() as network,
    ):
        wish = Wish(None, camera.rtsp_port)
        means = Means(Hasty(), CallPool(), network)
        device = await learn_device(camera.address, 1, gate(), means, wish)
        assert numbers(device) == numbers_found
        assert camera.bad_logins == 0


async def test_a_path_given_says_whose_recorder_it_is() -> None:
    """Its family's channels are listed; a path of no family cannot be counted in."""
    async with recorder(options=replace(RECORDER, rtsp_only=True, channels=3)) as camera:
        device = await learned(camera, gate(), frozenset({1, 3}), "/Streaming/Channels/101")
        assert numbers(device) == [1, 3]
        with pytest.raises(CameraUnsupported):
            await learned(camera, gate(), frozenset({1, 3}), "/live.sdp")


async def test_a_recorder_that_is_off_is_unreachable() -> None:
    """By either way, and its password stays untried."""
    async with recorder() as camera:
        await camera.switch("offline", True)
        key = gate()
        for channels in (None, frozenset({1, 2})):
            with pytest.raises(CameraUnreachable):
                await learned(camera, key, channels)
        assert key.state is GateState.UNPROVEN


async def test_the_seventeenth_session_is_refused() -> None:
    """With 453, and the sixteen others play on; a session given back is free for the next."""
    async with recorder() as camera, RtspNetwork() as network:
        key = gate()
        await first_look(network, _source(camera, 1), key)

        async def hold(channel: int) -> None:
            await network.play(_source(camera, channel), key, _Nobody())

        async with anyio.create_task_group() as group:
            for channel in range(1, CHANNELS + 1):
                group.start_soon(hold, channel)
            await until(lambda: camera.sessions == CHANNELS)
            with pytest.raises(CameraOverloaded) as refusal:
                await first_look(network, _source(camera, 1, StreamRole.SUB), key)
            assert refusal.value.fields["status"] == 453
            assert camera.sessions == CHANNELS
            group.cancel_scope.cancel()
        await until(lambda: camera.sessions == 0)
        await first_look(network, _source(camera, 1, StreamRole.SUB), key)
        assert camera.bad_logins == 0


async def test_garbage_ends_the_learning_of_a_recorder() -> None:
    """A device that answers paths with what is no RTSP raises a camera error."""
    async with recorder(options=replace(RECORDER, rtsp_only=True)) as camera:
        await camera.switch("garbage", True)
        with pytest.raises(CameraError):
            await learned(camera, gate(), frozenset({1, 2}))
        assert camera.bad_logins == 0


class _Nobody:
    """A sink for pictures nobody looks at."""

    def playing(self, config: object) -> None:
        """Do nothing."""

    def unit(self, unit: object) -> None:
        """Do nothing."""


def _source(camera: SimulatedCamera, channel: int, role: StreamRole = StreamRole.MAIN) -> RtspSource:
    path = FAMILIES[0].paths(channel)[role is StreamRole.SUB]
    return RtspSource(camera.address, camera.rtsp_port, path)
