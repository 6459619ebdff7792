"""The ONVIF driver sets a simulated camera right: reads, plans, changes, reads back, takes back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drivers.base import CameraSettings, Change, EncoderWish, LoginMode, Probe
from drivers.settings import ORDER, BoxFacts, Why, standard, undone
from gateway.core.errors import BadInput, CameraOverloaded
from gateway.core.media import Codec
from gateway.core.model import Login, Secret, StreamRole
from tests.fakes.camera_settings import PASSWORD, USER, by_setting, doable, settings_bench

pytestmark = pytest.mark.anyio
WANT = standard(Probe("onvif", LoginMode.WSSE), BoxFacts("127.0.0.1", "ICT-7", "Lớp Lá 1"))
MASK = ((-1.0, -1.0), (0.0, -1.0), (0.0, 0.0))

NEW: dict[str, object] = {"onvif_audio": True, "clock_skew_s": 7200.0, "b_frames": 2}
QUIRKS: dict[str, dict[str, object]] = {
    "as it came": NEW,
    "media1 only": NEW | {"no_media2": True},
    "media2 answers with a page": NEW | {"media2_crash": True},
    "no list of services": NEW | {"no_get_services": True},
    "media2 ignores orders": NEW | {"ignores_set": ("media2",)},
    "main is H.265": NEW | {"h265": True},
    "labels in ASCII only": NEW | {"osd_ascii": "garbled"},
    "labels beyond ASCII refused": NEW | {"osd_ascii": "refused"},
    "http digest": NEW | {"onvif_auth": ("digest",), "onvif_digest": ("SHA-256",)},
    "no sub stream": NEW | {"no_sub": True},
}


@pytest.mark.parametrize("name", QUIRKS)
async def test_a_camera_is_set_right_once_and_for_all(name: str) -> None:
    """Whatever its firmware: everything planned is applied, a second plan is empty, undo restores; no bad login."""
    quirks = QUIRKS[name]
    async with settings_bench(**quirks) as bench:
        before = await bench.driver.settings()
        masked = "no_media2" not in quirks and "media2_crash" not in quirks and "no_get_services" not in quirks
        want = replace(WANT, masks=(MASK,)) if masked else WANT
        planned = await bench.driver.plan(want)
        assert [item.setting for item in planned if item.blocked] == ["codec.smart"]
        outcomes = await bench.driver.apply(planned)
        assert {item.change.setting: item.why for item in outcomes if not item.applied} == {"codec.smart": Why.BLOCKED}
        assert doable(await bench.driver.plan(want)) == []
        main = bench.camera.profiles[0].encoder
        assert (main.codec, main.gop_frames) == (Codec.H264, 2 * main.fps)
        if not quirks.get("no_sub"):
            assert bench.encoder(1) == (640, 360, 10, 20, 400)
        assert [name for name in bench.users() if name.startswith("vuon")] == ["vuon"]
        assert abs(bench.camera.quirks.clock_skew_s) < 5
        bench.keeper.before = Login(USER, Secret(PASSWORD))
        await bench.driver.apply(undone(doable(planned)))
        after = await bench.driver.settings()
        assert bench.camera.bad_logins == 0
        assert {key for key in before.now if before.now[key] != after.now.get(key)} <= {"time.clock"}
        assert after.now["time.clock"] == "manual", "the mode comes back, the wrong time does not"


async def test_reading_changes_nothing() -> None:
    """The backup names every setting this camera has, with what it can be; no setter is called."""
    async with settings_bench(onvif_audio=True) as bench:
        reading = await bench.driver.settings()
        assert set(reading.now) == set(ORDER) - {"codec.smart", "user.factory"}
        assert set(ORDER) - reading.options.settable == {"codec.smart"}
        assert reading.options.main[Codec.H264].gop == (1, 250)
        assert (640, 360) in reading.options.sub[Codec.H264].sizes
        assert reading.options.most_masks == 8
        assert [name for name in bench.camera.calls if "Set" in name or "Create" in name or "Remove" in name] == []


async def test_only_what_is_wanted_is_asked() -> None:
    """A plan for the clock does not look at encoders, labels or users."""
    async with settings_bench() as bench:
        await bench.driver.plan(CameraSettings(time_zone="ICT-7"))
        asked = set(bench.camera.calls)
        assert asked == {"onvif.GetSystemDateAndTime", "onvif.GetDeviceInformation"}


async def test_a_silent_no_stops_the_order_and_leaves_the_rest() -> None:
    """A camera that answers and changes nothing: that is seen, said, and nothing after it is touched."""
    async with settings_bench(ignores_set=("media1", "media2"), onvif_audio=True) as bench:
        before = bench.encoder(1)
        outcomes = by_setting(await bench.driver.apply(await bench.driver.plan(WANT)))
        assert outcomes["time.ntp"][0]
        assert outcomes["user.own"][0]
        assert outcomes["sub.size"] == (False, "320x180", Why.IGNORED)
        assert outcomes["main.gop"] == (False, "10", Why.UNTOUCHED)
        assert outcomes["audio"] == (False, "main=snd-main sub=snd-sub", Why.UNTOUCHED)
        assert outcomes["osd.label"][2] == Why.UNTOUCHED
        assert bench.encoder(1) == before
        assert bench.camera.state.osds == {}
        assert bench.count("SetVideoEncoderConfiguration") == 2, "once by each media service"


async def test_an_encoder_takes_its_parts_in_one_order() -> None:
    """Six parts of one stream restart it once."""
    restarts: list[StreamRole] = []
    async with settings_bench() as bench:
        bench.camera.state.on_stream_change = lambda profile: restarts.append(profile.role)
        outcomes = await bench.driver.apply(await bench.driver.plan(CameraSettings(sub=WANT.sub)))
        assert all(item.applied for item in outcomes)
        assert len(outcomes) == 4
        assert restarts == [StreamRole.SUB]


async def test_a_refused_part_does_not_spoil_the_others_before_it() -> None:
    """Refused together, the parts go one by one in their order, up to the one the camera means."""
    wish = CameraSettings(main=EncoderWish(width=640, height=360, gop_s=2.0, profile="Main"))
    async with settings_bench(b_frames=2, refuses_profile="Main") as bench:
        outcomes = by_setting(await bench.driver.apply(await bench.driver.plan(wish)))
        assert outcomes == {
            "main.profile": (False, "High", "camera_bad_reply"),
            "main.size": (False, "1280x720", Why.UNTOUCHED),
            "main.gop": (False, "10", Why.UNTOUCHED),
        }
        assert bench.encoder() == (1280, 720, 10, 10, 256)
        wish = CameraSettings(main=EncoderWish(width=640, height=360, gop_s=2.0))
        assert all(item.applied for item in await bench.driver.apply(await bench.driver.plan(wish)))


async def test_h265_is_read_and_changed_by_media2_only() -> None:
    """Media1 has no word for it: the order goes to Media2 alone, and back again."""
    async with settings_bench(h265=True) as bench:
        changes = await bench.driver.plan(CameraSettings(main=EncoderWish(codec=Codec.H264)))
        assert [(item.setting, item.before, item.after) for item in changes] == [("main.codec", "h265", "h264")]
        assert (await bench.driver.apply(changes))[0].applied
        assert (await bench.driver.apply(undone(changes)))[0].applied
        assert bench.camera.profiles[0].encoder.codec is Codec.H265


async def test_b_frames_are_gone_after_the_profile_was_set() -> None:
    """Not only in what the camera says: its stream has none."""
    async with settings_bench(b_frames=2) as bench:
        stream = bench.camera.streams[StreamRole.MAIN]
        assert any(unit.lag_90k for unit in (await stream.ready()).units)
        outcomes = await bench.driver.apply(await bench.driver.plan(CameraSettings(main=EncoderWish(profile="Main"))))
        assert [item.now for item in outcomes] == ["Main"]
        assert not any(unit.lag_90k for unit in (await stream.ready()).units)


async def test_the_clock_is_put_right_before_it_follows_the_server() -> None:
    """A camera a day off that answers only logins signed near its time is asked on without a bad login."""
    async with settings_bench(clock_skew_s=-86_400.0, onvif_auth=("wsse",), wsse_window_s=60.0) as bench:
        outcomes = await bench.driver.apply(await bench.driver.plan(CameraSettings(ntp_server="127.0.0.1")))
        assert [item.now for item in outcomes] == ["127.0.0.1", "ntp"]
        assert bench.camera.state.time_type == "NTP"
        assert abs(bench.camera.quirks.clock_skew_s) < 5
        await bench.driver.plan(WANT)
        assert bench.camera.bad_logins == 0


async def test_labels_of_others_stay() -> None:
    """The first plain text becomes the class name, a second one and the date stay; undo brings the old one back."""
    async with settings_bench() as bench:
        osds = bench.camera.state.osds
        osds |= {"a": ("DateAndTime", ""), "b": ("Plain", "Camera 01"), "c": ("Plain", "Khu B")}
        changes = await bench.driver.plan(CameraSettings(label="Lớp Lá 1"))
        assert [(item.before, item.after) for item in changes] == [("Camera 01 +date", "Lớp Lá 1 +date")]
        assert (await bench.driver.apply(changes))[0].applied
        assert osds == {"a": ("DateAndTime", ""), "b": ("Plain", "Lớp Lá 1"), "c": ("Plain", "Khu B")}
        assert (await bench.driver.apply(undone(changes)))[0].applied
        assert osds["b"] == ("Plain", "Camera 01")


async def test_masks_are_exactly_those_wanted() -> None:
    """A mask that is there stays, a new one is drawn before the old one goes."""
    other = ((0.5, 0.5), (1.0, 0.5), (1.0, 1.0), (0.5, 1.0))
    async with settings_bench() as bench:
        await bench.driver.apply(await bench.driver.plan(CameraSettings(masks=(MASK, other))))
        (first, *_) = bench.camera.state.masks
        changes = await bench.driver.plan(CameraSettings(masks=(MASK, ((0.0, 0.0), (0.3, 0.0), (0.3, 0.3)))))
        assert (await bench.driver.apply(changes))[0].applied
        assert len(bench.camera.state.masks) == 2
        assert first in bench.camera.state.masks
        assert bench.count("CreateMask") == 3
        assert (await bench.driver.apply(undone(changes)))[0].applied


async def test_a_camera_that_breaks_off_is_looked_at_once_more() -> None:
    """An answer that was lost is no surprise if the setting is there; a camera that is gone ends the order."""
    async with settings_bench() as bench:
        changes = await bench.driver.plan(CameraSettings(ntp_server="127.0.0.1", audio=False, label="Bếp"))
        await bench.camera.switch("offline", value=True)
        outcomes = by_setting(await bench.driver.apply(changes))
        assert outcomes["time.ntp"] == (False, "", "camera_unreachable")
        assert outcomes["osd.label"][2] == Why.UNTOUCHED


async def test_an_operator_is_told_and_not_locked_out() -> None:
    """A login that the camera refuses for a change is in doubt once, and the order ends there."""
    async with settings_bench() as bench:
        changes = await bench.driver.plan(CameraSettings(ntp_server="127.0.0.1"))
        bench.camera.set_password("Another-2026")
        outcomes = by_setting(await bench.driver.apply(changes))
        assert outcomes["time.ntp"][2] == CameraOverloaded.code
        assert bench.camera.bad_logins <= 3


async def test_a_value_that_is_none_is_a_surprise_not_a_crash() -> None:
    """A clock whose mode the camera never told cannot be put back to it."""
    async with settings_bench() as bench:
        for setting in ("time.clock", "mask", "audio", "main.size", "main.codec"):
            (outcome,) = await bench.driver.apply([Change(setting, "", "?")])
            assert (outcome.applied, outcome.why) == (False, "camera_unsupported"), setting
        assert [name for name in bench.camera.calls if "Set" in name or "Create" in name] == []


async def test_a_change_that_is_none_is_refused() -> None:
    """Before anything is sent."""
    async with settings_bench() as bench:
        with pytest.raises(BadInput):
            await bench.driver.apply([Change("main.colour", "a", "b")])
        assert bench.camera.calls == {}
