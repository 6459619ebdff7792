"""The real clients against the simulated camera over a line that spoils, breaks up or drips what it says."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest

from drivers.adopt import Learned, Means, learn
from drivers.gate import GateState, LoginGate
from drivers.onvif.pace import CallPool
from drivers.onvif.transport import Limits
from drivers.rtsp.network import RtspNetwork
from drivers.rtsp.protocol import Timeouts
from drivers.rtsp.source import RtspSource
from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.farm import QUICK, Farm
from gateway.core.clock import SystemClock
from gateway.core.errors import CameraClosed, CameraError, CameraSilent
from gateway.core.media import AccessUnit, CodecConfig
from gateway.core.model import Login, Secret, StreamRole
from tests.fakes.encoded import decodes
from tests.fakes.mangler import cut, drip, flips, mangler, pieces

pytestmark = [pytest.mark.anyio, pytest.mark.system]
PASSWORD = "Mầm-non-2026"
SHORT = Timeouts(handshake_s=2.0, silent_s=1.0, pictureless_s=2.0, teardown_s=0.2)
LIMITS = Limits(total_s=1.0)
SEEDS = 8


@contextlib.asynccontextmanager
async def scene() -> AsyncIterator[tuple[SimulatedCamera, RtspNetwork]]:
    options = replace(QUICK, seed=uuid4().hex, discovery=False)
    async with (
        Farm(1, password=PASSWORD, base="127.0.1.161", options=options) as farm,
        RtspNetwork(timeouts=SHORT) as network,
    ):
        yield farm.cameras[0], network


def gate() -> LoginGate:
    return LoginGate(Login("admin", Secret(PASSWORD)))


class Sink:
    """Keeps pictures until there are enough."""

    def __init__(self, enough: int) -> None:
        self.enough = enough
        self.units: list[AccessUnit] = []

    def playing(self, config: CodecConfig | None) -> None:
        pass

    def unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        if len(self.units) == self.enough:
            raise CameraClosed("enough")


async def played(camera: SimulatedCamera, network: RtspNetwork, port: int, key: LoginGate, enough: int) -> Sink:
    """Play the main stream over a proxy until enough came or the camera's error ended it."""
    path = next(profile.path for profile in camera.profiles if profile.role is StreamRole.MAIN)
    sink = Sink(enough)
    with pytest.raises(CameraError) as caught:
        await network.play(RtspSource(camera.address, port, path), key, sink)
    assert PASSWORD not in f"{caught.value} {caught.value.fields}"
    return sink


async def learned(camera: SimulatedCamera, port: int, key: LoginGate) -> Learned:
    return await learn(camera.address, port, key, Means(SystemClock(), CallPool(), limits=LIMITS))


@pytest.mark.parametrize("one_in", [100, 20_000])
async def test_flipped_bytes_over_rtsp(one_in: int) -> None:
    """Whatever is flipped, a session goes on or ends in a camera's error; each login is answered twice at most."""
    async with scene() as (camera, network):

        async def one(seed: int) -> int:
            async with mangler(camera.address, camera.rtsp_port, flips(seed, one_in)) as proxy:
                return len((await played(camera, network, proxy.port, gate(), 8)).units)

        came = await asyncio.gather(*map(one, range(SEEDS)))
        assert camera.bad_logins <= 2 * SEEDS
        assert sum(came) > 0 or one_in < 20_000
        assert len((await played(camera, network, camera.rtsp_port, gate(), 8)).units) == 8


@pytest.mark.parametrize("one_in", [60, 1500])
async def test_flipped_bytes_over_onvif(one_in: int) -> None:
    """Adoption gives what the camera is, or a camera's error; each login is sent wrong once at most."""
    async with scene() as (camera, _):

        async def one(seed: int) -> None:
            async with mangler(camera.address, camera.onvif_port, flips(seed, one_in)) as proxy:
                try:
                    found = await learned(camera, proxy.port, gate())
                except CameraError as error:
                    assert PASSWORD not in f"{error} {error.fields}"
                else:
                    assert {stream.source.host for stream in found.streams} == {camera.address}

        await asyncio.gather(*map(one, range(SEEDS)))
        assert camera.bad_logins <= SEEDS
        assert (await learned(camera, camera.onvif_port, gate())).serial == camera.state.identity.serial


@pytest.mark.parametrize("longest", [1, 700])
async def test_odd_pieces_change_nothing(longest: int) -> None:
    """However the line cuts the bytes, adoption learns the same, and every picture comes whole and in order."""
    async with scene() as (camera, network):
        async with mangler(camera.address, camera.onvif_port, pieces(1, longest)) as proxy:
            assert (await learned(camera, proxy.port, gate())).serial == camera.state.identity.serial
        async with mangler(camera.address, camera.rtsp_port, pieces(2, longest)) as proxy:
            key = gate()
            units = (await played(camera, network, proxy.port, key, 12)).units
        assert key.state is GateState.PROVEN
        assert camera.bad_logins == 0
    assert len(units) == 12
    assert sum(unit.lost_before for unit in units) == 0
    assert {after.pts_90k - before.pts_90k for before, after in itertools.pairwise(units)} == {9000}
    config = units[0].config
    assert decodes(config.codec, [[config.sps, config.pps, *units[0].nals], *(unit.nals for unit in units[1:])]) == 12


async def test_a_line_that_drips_is_given_up() -> None:
    """One byte at a time, too slow for an answer: silent by RTSP, unanswered by ONVIF, and no login is lost."""
    async with scene() as (camera, network):
        path = camera.profiles[0].path
        async with mangler(camera.address, camera.rtsp_port, drip(0.05)) as proxy:
            with pytest.raises(CameraSilent):
                await network.play(RtspSource(camera.address, proxy.port, path), gate(), Sink(1))
        async with mangler(camera.address, camera.onvif_port, drip(0.05)) as proxy:
            with pytest.raises(CameraError):
                await learned(camera, proxy.port, gate())
        assert camera.bad_logins == 0


async def test_a_line_that_falls_silent() -> None:
    """Cut off anywhere between the first byte and the pictures, the session ends by itself, as an error of the camera."""
    async with scene() as (camera, network):

        async def one(after: int) -> int:
            async with mangler(camera.address, camera.rtsp_port, cut(after)) as proxy:
                return len((await played(camera, network, proxy.port, gate(), 200)).units)

        came = await asyncio.gather(*map(one, (0, 1, 60, 180, 400, 700, 1100, 1500, 5000, 20_000)))
        assert max(came) < 200
        assert camera.bad_logins == 0
