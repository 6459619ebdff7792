"""Speaking to cameras of ours: pace, clear passwords and refused users are the same for all who speak."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drivers.base import LoginMode
from drivers.doctor.said import Said
from drivers.gate import LoginGate
from drivers.onvif.smartcodec import Hikvision
from gateway.core.config import Config
from gateway.core.errors import CameraOverloaded, CameraUnsupported
from gateway.core.model import Login, Secret
from gateway.roofs.camera_settings import SettingsDesk
from gateway.roofs.onvifvisits import OnvifVisits
from gateway.roofs.recorder_doctor import BoxDoctor
from recorder.registry import Camera
from recorder.settings import SettingsWish
from tests.fakes.camera_settings import PASSWORD, USER, Hurry, adopted, settings_bench
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.anyio


class SlowClock(Hurry):
    """Notes how long the pace makes calls wait, and waits not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await super().sleep(seconds)


def gate() -> LoginGate:
    return LoginGate(Login(USER, Secret(PASSWORD)), proven=True)


async def test_a_user_the_maker_refused_is_refused_for_settings_and_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each visit of the doctor would be one more bad login of a user that ONVIF made, until the camera locks."""
    tries = 0

    def refusing(self: Hikvision, fetch: object) -> bool | None:
        nonlocal tries
        tries += 1
        raise CameraOverloaded("refused", doubted=True)

    monkeypatch.setattr(Hikvision, "read", refusing)
    async with settings_bench(manufacturer="HIKVISION") as bench:
        visits, camera = OnvifVisits(Hurry()), adopted(bench)
        doctor = BoxDoctor(Config(), FakeClock(), visits)
        desk = SettingsDesk(Config(), Hurry(), object(), visits)  # type: ignore[arg-type]  # nothing is played
        for _ in range(3):
            said = await doctor.visit(camera, gate())
            assert "main.gop" in said.settings, "the visit goes on without the smart codec"
        await desk.plan(camera, gate(), SettingsWish(frozenset({"codec.smart"})))
    assert tries == 1


@pytest.mark.parametrize("who", ["settings", "doctor"])
async def test_a_camera_of_ours_is_asked_once_a_second(who: str) -> None:
    """The burst of the adoption is over, whoever asks first."""
    async with settings_bench() as bench:
        clock = SlowClock()
        visits, camera = OnvifVisits(clock), adopted(bench)
        if who == "doctor":
            await BoxDoctor(Config(), FakeClock(), visits).visit(camera, gate())
        else:
            desk = SettingsDesk(Config(), clock, object(), visits)  # type: ignore[arg-type]  # nothing is played
            await desk.plan(camera, gate(), SettingsWish())
        assert sum(clock.waits) > 3, "these calls took milliseconds and waited for their turn"


async def test_a_password_goes_in_clear_where_the_installer_allowed_it() -> None:
    """And for everybody who asks that camera: a digest would be a bad login there."""
    async with settings_bench(onvif_auth=("text",)) as bench:
        camera = adopted(bench)
        text = replace(camera, about=replace(camera.about, login_mode=LoginMode.TEXT.value))
        said = await BoxDoctor(Config(), FakeClock(), OnvifVisits(Hurry())).visit(text, gate())
        assert "main.gop" in said.settings
        assert bench.camera.bad_logins == 0
        said = await BoxDoctor(Config(), FakeClock(), OnvifVisits(Hurry())).visit(camera, gate())
        assert said == Said(), "nobody allowed it"
        assert bench.camera.bad_logins == 1


async def test_a_camera_known_by_its_stream_has_no_driver() -> None:
    """Nothing is sent."""
    async with settings_bench() as bench:
        camera: Camera = adopted(bench, "rtsp")
        with pytest.raises(CameraUnsupported):
            async with OnvifVisits(Hurry()).to(camera, gate()):
                pass
        assert bench.camera.calls == {}
