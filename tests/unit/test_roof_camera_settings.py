"""What this box wants of a camera, and how the drivers' words become the recorder's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from drivers.gate import LoginGate
from drivers.rtsp.network import RtspNetwork
from gateway.core.config import Config
from gateway.core.errors import BadInput, CameraClosed, CameraUnsupported
from gateway.core.model import Login, Secret, StreamRole
from gateway.roofs.camera_settings import SettingsDesk, own_address, posix_zone, restated
from gateway.roofs.onvifvisits import OnvifVisits
from recorder.registry import StreamSpec
from recorder.settings import SettingChange, SettingOutcome, SettingsWish
from tests.fakes.camera_settings import PASSWORD, USER, Bench, FakeKeeper, Hurry, adopted, settings_bench
from tests.fakes.clock import NOON_MS

pytestmark = pytest.mark.anyio


@dataclass
class Player:
    """Refuses every stream, and remembers who asked."""

    logins: list[Login | None] = field(default_factory=list)

    async def play(self, source: object, gate: LoginGate, sink: object) -> None:
        self.logins.append(gate.login)
        raise CameraClosed("no stream for this user")


def desk(player: Any, **cameras: str) -> SettingsDesk:
    return SettingsDesk(Config.model_validate({"cameras": cameras}), Hurry(), player, OnvifVisits(Hurry()))


def gate() -> LoginGate:
    return LoginGate(Login(USER, Secret(PASSWORD)))


@asynccontextmanager
async def bench_and_network() -> AsyncIterator[tuple[Bench, RtspNetwork]]:
    async with settings_bench() as bench, RtspNetwork() as network:
        yield bench, network


async def test_the_wish_is_this_boxs() -> None:
    """Time server, zone and class name are ours; the factory password is asked for by name only."""
    async with settings_bench(clock_skew_s=600.0) as bench:
        bench.camera.state.time_zone = "GMT0"
        changes = {
            c.setting: c.after
            for c in await desk(Player(), ntp_server="box").plan(adopted(bench), gate(), SettingsWish())
        }
        assert changes["time.ntp"] == "127.0.0.1"
        assert changes["time.zone"] == "ICT-7"
        assert changes["osd.label"] == "Lớp Lá 1 +date"
        assert "user.factory" not in changes
        wish = SettingsWish(frozenset({"user.factory"}))
        (only,) = await desk(Player()).plan(adopted(bench), gate(), wish)
        assert only.setting == "user.factory"


async def test_without_a_time_server_cameras_keep_theirs() -> None:
    """A box that serves no time points nobody at itself; an address of another server is taken as it is."""
    async with settings_bench() as bench:
        keys = SettingsWish(frozenset({"time.ntp"}))
        assert await desk(Player()).plan(adopted(bench), gate(), keys) == []
        (change,) = await desk(Player(), ntp_server="10.0.0.5").plan(adopted(bench), gate(), keys)
        assert change.after == "10.0.0.5", "and the clock that comes along was not chosen"


async def test_a_camera_without_a_time_server_is_offered_this_box() -> None:
    """By the plan alone: nothing is set by itself, a server that is there stays, and the configured one goes first."""
    keys = SettingsWish(frozenset({"time.ntp"}))
    async with settings_bench() as bench:
        offering = replace(desk(Player()), time_for={bench.camera.address: "127.0.0.1"}.get)
        (change,) = await offering.plan(adopted(bench), gate(), keys)
        assert (change.before, change.after, bench.camera.state.ntp_servers) == ("", "127.0.0.1", [])
        configured = replace(desk(Player(), ntp_server="10.0.0.5"), time_for=offering.time_for)
        assert [c.after for c in await configured.plan(adopted(bench), gate(), keys)] == ["10.0.0.5"]
        bench.camera.state.ntp_servers = ["10.9.9.9"]
        assert await offering.plan(adopted(bench), gate(), keys) == []
        bench.camera.state.ntp_servers, bench.camera.state.ntp_from_dhcp = [], True
        assert await offering.plan(adopted(bench), gate(), keys) == []


async def test_what_is_no_setting_and_what_cannot_be_set() -> None:
    """A key is named before the camera is asked; a camera known by its stream only has no settings."""
    async with settings_bench() as bench:
        with pytest.raises(BadInput):
            await desk(Player()).plan(adopted(bench), gate(), SettingsWish(frozenset({"main.colour"})))
        with pytest.raises(CameraUnsupported):
            await desk(Player()).plan(adopted(bench, "rtsp"), gate(), SettingsWish())
        assert bench.camera.calls == {}


async def test_a_new_login_has_to_play_before_it_is_kept() -> None:
    """With a stream it is kept; without one the user is taken off the camera again."""
    wish = SettingsWish(frozenset({"user.own", "sub.gop"}))
    async with bench_and_network() as (bench, network):
        keeper, player = FakeKeeper(), Player()
        changes = await desk(player).plan(adopted(bench), gate(), wish)
        settled = await desk(player).apply(adopted(bench), gate(), changes, keeper)
        assert [(o.applied, o.why) for o in settled.outcomes] == [(False, "camera_closed"), (False, "untouched")]
        assert keeper.kept == []
        assert [login.username for login in player.logins if login] == ["vuon"]
        assert list(bench.users()) == [USER]
        settled = await desk(network).apply(adopted(bench), gate(), changes, keeper)
        assert all(outcome.applied for outcome in settled.outcomes)
        assert [login.username for login in keeper.kept] == ["vuon"]
        assert bench.camera.bad_logins == 0


async def test_streams_are_restated_as_read_back() -> None:
    """Of an encoder that was changed, what the camera showed; nothing else is told."""
    async with settings_bench() as bench:
        camera, wish = adopted(bench), SettingsWish(frozenset({"main.gop", "osd.label"}))
        settled = await desk(Player()).apply(
            camera, gate(), await desk(Player()).plan(camera, gate(), wish), FakeKeeper()
        )
        assert [outcome.applied for outcome in settled.outcomes] == [True, True]
        assert settled.streams == (), "neither setting says what a stream is"


def test_what_a_stream_is_now() -> None:
    """Only what was applied counts, for the stream it belongs to."""
    main = StreamSpec(StreamRole.MAIN, "10.0.0.1", 554, "/1", "h265", 2560, 1440, 25.0, 4_096_000)
    sub = replace(main, role=StreamRole.SUB, path="/2")
    outcomes = [
        SettingOutcome(SettingChange("main.codec", "h265", "h264"), applied=True, now="h264"),
        SettingOutcome(SettingChange("main.size", "2560x1440", "1920x1080"), applied=True, now="1920x1080"),
        SettingOutcome(SettingChange("main.fps", "25", "12.5"), applied=True, now="12.5"),
        SettingOutcome(SettingChange("main.bitrate", "4096000", "2000000"), applied=True, now="2048000"),
        SettingOutcome(SettingChange("sub.codec", "h265", "h264"), applied=False, now="h265", why="ignored"),
    ]
    assert restated((main, sub), outcomes) == (
        replace(main, codec="h264", width=1920, height=1080, fps=12.5, bitrate_bps=2_048_000),
    )


@pytest.mark.parametrize(
    ("zone", "posix"),
    [
        ("Asia/Ho_Chi_Minh", "ICT-7"),
        ("UTC", "UTC0"),
        ("Asia/Tokyo", "JST-9"),
        ("America/New_York", "EST5"),
        ("Asia/Kolkata", "IST-5:30"),
    ],
)
def test_zones_as_cameras_write_them(zone: str, posix: str) -> None:
    """By the offset of today."""
    assert posix_zone(ZoneInfo(zone), NOON_MS) == posix


def test_our_address_on_the_way_to_a_camera() -> None:
    """Nothing is sent; a host that is none has no way."""
    assert own_address("127.0.0.9") == "127.0.0.1"
    assert own_address("not a host") is None
