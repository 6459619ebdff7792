"""Activation against the simulated cameras: two readings of the makers' protocols, ours and theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import pytest

from drivers.adopt import Means as AdoptMeans
from drivers.adopt import learn
from drivers.gate import LoginGate
from drivers.onvif.pace import CallPool
from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.farm import QUICK, Farm, FarmWorld
from drivers.simulated.options import CameraOptions
from drivers.vendors import activation
from drivers.vendors.activation import Step
from drivers.vendors.password import new_password
from gateway.core.clock import SystemClock
from gateway.core.errors import CameraLoginRefused, CameraUnreachable, CameraUnsupported
from gateway.core.model import Login, Secret

pytestmark = pytest.mark.anyio
PASSWORD = "Mat-khau-1"


def means() -> activation.Means:
    return activation.Means(SystemClock(), CallPool())


@asynccontextmanager
async def camera(odd: str, **quirks: object) -> AsyncIterator[SimulatedCamera]:
    seed = uuid4().hex

    def adjust(options: CameraOptions) -> CameraOptions:
        return replace(options, quirks=replace(options.quirks, **quirks))  # type: ignore[arg-type]  # fields by name

    options = replace(QUICK, odd=(odd,) if odd else (), seed=seed, discovery=False, warm=False)
    base = f"127.89.{int(seed[:2], 16)}.11"
    async with Farm(1, password=PASSWORD, base=base, options=options, world=FarmWorld(adjust=adjust)) as farm:
        yield farm.cameras[0]


async def make_ready(simulated: SimulatedCamera) -> tuple[Login, tuple[Step, ...]]:
    """Do all that a new camera lacks, as the recorder does."""
    seen = await activation.look(simulated.address, simulated.onvif_port, means())
    login = simulated.options.login
    done: tuple[Step, ...] = ()
    if not seen.active:
        login = Login("admin", new_password())
        done = await activation.give_password(seen, login, means())
    if not seen.onvif:
        done += await activation.switch_onvif_on(seen, LoginGate(login), means())
    return login, done


@pytest.mark.parametrize(
    ("odd", "generation", "steps"),
    [
        ("hikvision:inactive", 0, (Step.PASSWORD, Step.ONVIF, Step.ONVIF_USER)),
        ("hikvision:inactive", 3, (Step.PASSWORD, Step.ONVIF, Step.ONVIF_USER)),
        ("hikvision:onvif_off", 0, (Step.ONVIF, Step.ONVIF_USER)),
        ("dahua:inactive", 0, (Step.PASSWORD, Step.CLOUD_OFF, Step.ONVIF)),
        ("dahua:onvif_off", 0, (Step.ONVIF,)),
        ("hikvision:ready", 0, ()),
        ("dahua:ready", 0, ()),
    ],
)
async def test_a_new_camera_is_made_ready_and_learned(odd: str, generation: int, steps: tuple[Step, ...]) -> None:
    """Exactly what it lacks is done; then it is learned by ONVIF with that login, and saw no bad one."""
    async with camera(odd, activation=generation) as simulated:
        login, done = await make_ready(simulated)
        assert done == steps
        seen = await activation.look(simulated.address, simulated.onvif_port, means())
        assert seen.ready
        learned = await learn(
            simulated.address, simulated.onvif_port, LoginGate(login), AdoptMeans(SystemClock(), CallPool())
        )
        assert len(learned.streams) == 2
        assert learned.serial == simulated.state.identity.serial
        assert simulated.bad_logins == 0


@pytest.mark.parametrize("odd", ["hikvision:inactive", "dahua:inactive", "hikvision:onvif_off", "dahua:onvif_off"])
async def test_looking_changes_nothing(odd: str) -> None:
    """Looked at twice a camera is as it was, and no login was sent."""
    async with camera(odd) as simulated:
        first = await activation.look(simulated.address, simulated.onvif_port, means())
        assert await activation.look(simulated.address, simulated.onvif_port, means()) == first
        assert (first.vendor, first.active) == (odd.partition(":")[0], odd.endswith("onvif_off"))
        assert not first.ready
        side = simulated.vendor.side
        assert side is not None
        assert (side.passwords_given, side.onvif_on) == (0, False)
        assert simulated.statistics()["good_logins"] == simulated.bad_logins == 0


@pytest.mark.parametrize("odd", ["hikvision:onvif_off", "dahua:onvif_off"])
async def test_a_wrong_password_is_sent_once(odd: str) -> None:
    """Switching ONVIF on with a wrong password: one bad login, a typed refusal, ONVIF stays off."""
    async with camera(odd) as simulated:
        seen = await activation.look(simulated.address, simulated.onvif_port, means())
        gate = LoginGate(Login("admin", Secret("falsch")))
        for _ in range(2):
            with pytest.raises(CameraLoginRefused):
                await activation.switch_onvif_on(seen, gate, means())
        assert simulated.bad_logins == 1
        assert simulated.vendor.side is not None
        assert not simulated.vendor.side.onvif_on


@pytest.mark.parametrize("odd", ["hikvision:inactive", "dahua:inactive"])
async def test_a_password_the_camera_finds_weak_is_refused(odd: str) -> None:
    """The camera says no, we say so, and it is still without one."""
    async with camera(odd) as simulated:
        seen = await activation.look(simulated.address, simulated.onvif_port, means())
        with pytest.raises(CameraUnsupported):
            await activation.give_password(seen, Login("admin", Secret("weak")), means())
        assert not (await activation.look(simulated.address, simulated.onvif_port, means())).active


@pytest.mark.parametrize("odd", ["hikvision:inactive", "dahua:inactive"])
async def test_the_first_password_is_given_once(odd: str) -> None:
    """A second try with what was known before finds the camera active and leaves it."""
    async with camera(odd) as simulated:
        seen = await activation.look(simulated.address, simulated.onvif_port, means())
        first = Login("admin", new_password())
        await activation.give_password(seen, first, means())
        with pytest.raises(CameraUnsupported):
            await activation.give_password(seen, Login("admin", new_password()), means())
        assert simulated.book.password_of("admin") == first.password.reveal()


async def test_a_camera_of_another_maker_is_told_so() -> None:
    """One that speaks only the standards has no such door: a typed refusal, no login."""
    async with camera("") as simulated:
        with pytest.raises(CameraUnsupported):
            await activation.look(simulated.address, simulated.onvif_port, means())
        assert simulated.bad_logins == 0


async def test_nobody_there_is_unreachable() -> None:
    """No answer is no vendor."""
    with pytest.raises(CameraUnreachable):
        await activation.look("127.89.0.3", 9, means())


async def test_a_camera_without_onvif_answers_nothing_of_it() -> None:
    """While it is inactive neither RTSP nor ONVIF nor a still answers; active, RTSP does; switched on, all do."""
    async with camera("hikvision:inactive") as simulated:
        assert not await activation.onvif_answers(simulated.address, simulated.onvif_port, means())
        assert simulated.rtsp_port == 0
        await make_ready(simulated)
        assert await activation.onvif_answers(simulated.address, simulated.onvif_port, means())
        assert simulated.rtsp_port != 0
