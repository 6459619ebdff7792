"""What has to change on a camera: the pure rules of plans, over any camera there could be."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers import settings as rules
from drivers import settingtext as text
from drivers.base import CameraSettings, Change, EncoderWish, LoginMode, Probe
from drivers.settings import BoxFacts, EncoderOptions, Options
from gateway.core.errors import BadInput
from gateway.core.media import Codec
from gateway.core.model import StreamRole

SIZES = ((320, 180), (640, 360), (640, 480), (1280, 720), (1920, 1080), (2560, 1440))
RATES = (5.0, 10.0, 12.5, 15.0, 20.0, 25.0, 30.0)
ABOUT = Probe("onvif", LoginMode.WSSE)
BOX = BoxFacts("192.168.1.2", "ICT-7", "Lớp Lá 1")

encoder_options = st.builds(
    EncoderOptions,
    sizes=st.lists(st.sampled_from(SIZES), unique=True).map(tuple),
    fps=st.lists(st.sampled_from(RATES), unique=True).map(tuple),
    gop=st.none() | st.tuples(st.integers(1, 10), st.integers(10, 400)),
    bitrate_bps=st.none() | st.tuples(st.integers(1_000, 500_000), st.integers(500_000, 8_000_000)),
    profiles=st.lists(st.sampled_from(("Baseline", "Main", "High", "Extended")), unique=True).map(tuple),
)
options = st.builds(
    Options,
    settable=st.sets(st.sampled_from(rules.ORDER)).map(frozenset) | st.just(frozenset(rules.ORDER)),
    main=st.dictionaries(st.sampled_from(Codec), encoder_options),
    sub=st.dictionaries(st.sampled_from(Codec), encoder_options),
    most_masks=st.integers(0, 4),
    shared_login=st.booleans(),
)
encoder_wish = st.builds(
    EncoderWish,
    codec=st.none() | st.sampled_from(Codec),
    width=st.just(640),
    height=st.just(360),
    fps=st.none() | st.sampled_from(RATES),
    gop_s=st.none() | st.sampled_from((0.5, 1.0, 2.0, 4.0)),
    bitrate_bps=st.none() | st.integers(100_000, 4_000_000),
    profile=st.none() | st.sampled_from(("Baseline", "Main", "High")),
)
wishes = st.builds(
    CameraSettings,
    ntp_server=st.none() | st.just("192.168.1.2"),
    time_zone=st.none() | st.just("ICT-7"),
    main=st.none() | encoder_wish,
    sub=st.none() | encoder_wish,
    smart_codec=st.none() | st.booleans(),
    audio=st.none() | st.just(False),
    label=st.none() | st.sampled_from(("", "Lớp Lá 1", "Bếp")),
    own_user=st.none() | st.booleans(),
    factory_password=st.none() | st.booleans(),
    masks=st.none() | st.just(()) | st.just((((-1.0, -1.0), (0.0, -1.0), (0.0, 0.0)),)),
)


def _encoder(role: str) -> st.SearchStrategy[dict[str, str]]:
    shown = {
        "codec": st.sampled_from([codec.value for codec in Codec]),
        "profile": st.sampled_from(("Baseline", "Main", "High")),
        "size": st.sampled_from(SIZES).map(lambda size: text.size_text(*size)),
        "fps": st.sampled_from(RATES).map(text.rate_text),
        "gop": st.integers(1, 300).map(str),
        "bitrate": st.integers(64_000, 8_000_000).map(str),
    }
    return st.fixed_dictionaries(
        {f"{role}.codec": shown.pop("codec")}, optional={f"{role}.{k}": v for k, v in shown.items()}
    )


readings = st.builds(
    lambda *parts: {key: value for part in parts for key, value in part.items()},
    _encoder("main") | st.just({}),
    _encoder("sub") | st.just({}),
    st.fixed_dictionaries(
        {},
        optional={
            "time.zone": st.sampled_from(("ICT-7", "CST-8:00:00", "EST5EDT,M3.2.0,M11.1.0")),
            "time.ntp": st.sampled_from(("", "dhcp", "192.168.1.2", "pool.ntp.org")),
            "time.clock": st.sampled_from(("ntp", "manual", "ntp +90 s", "manual -86400 s")),
            "codec.smart": st.sampled_from((text.ON, text.OFF)),
            "audio": st.sampled_from((text.OFF, "main=a0", "main=a0 sub=a1")),
            "osd.label": st.sampled_from(("", "Camera 01 +date", "Lop La 1 +date", "+date")),
            "user.own": st.sampled_from(("admin", "vuon", "vuon2")),
            "mask": st.sampled_from(("", "-1,-1 0,-1 0,0")),
        },
    ),
)


def applied(now: Mapping[str, str], changes: tuple[Change, ...]) -> dict[str, str]:
    """What a camera shows that takes everything it is asked."""
    return {**now, **{change.setting: change.after for change in changes}}


def doable(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    return tuple(change for change in changes if not change.blocked)


@given(readings, wishes, options)
def test_after_a_plan_was_applied_nothing_is_left(now: dict[str, str], want: CameraSettings, offered: Options) -> None:
    """Apply, then plan again: empty, but for what was blocked before."""
    first = rules.differences(now, want, offered)
    again = rules.differences(applied(now, doable(first)), want, offered)
    assert doable(again) == ()
    assert {change.setting for change in again} <= {change.setting for change in first}


@given(readings, wishes, options)
def test_undo_restores_exactly(now: dict[str, str], want: CameraSettings, offered: Options) -> None:
    """Every setting that was told has its old text again; the safe order, the former login before the smart codec."""
    changes = doable(rules.differences(now, want, offered))
    back = rules.undone(changes)
    restored = applied(applied(now, changes), back)
    assert {key: restored[key] for key in now} == now
    order = [key for key in rules.ORDER if key != "user.own"]
    order.insert(order.index("codec.smart"), "user.own")
    assert [change.setting for change in back] == sorted((change.setting for change in back), key=order.index)


@given(readings, wishes, options)
def test_a_plan_says_only_what_differs_in_the_safe_order(
    now: dict[str, str], want: CameraSettings, offered: Options
) -> None:
    """Each setting once, none that agrees, none that was not asked for, the clock before and the password after all."""
    changes = rules.differences(now, want, offered)
    keys = [change.setting for change in changes]
    assert keys == [key for key in rules.ORDER if key in keys]
    assert set(keys) <= rules.concerned(want)
    for change in changes:
        assert change.before == now.get(change.setting, "")
        assert change.setting not in now or not rules.agrees(change.setting, change.before, change.after)


H265_WISH = CameraSettings(sub=EncoderWish(codec=Codec.H265, width=640, height=360))
STUCK = Options(
    frozenset({"sub.size"}), sub={Codec.H264: EncoderOptions(sizes=((320, 180),)), Codec.H265: EncoderOptions()}
)


@example({"sub.codec": "h264", "sub.size": "640x480"}, H265_WISH, STUCK)
@given(readings, wishes, options)
def test_a_plan_stays_inside_the_cameras_options(now: dict[str, str], want: CameraSettings, offered: Options) -> None:
    """Sizes, rates, key-frame distances, bits and profiles are ones the camera offered for the codec it will have."""
    changes = {change.setting: change for change in doable(rules.differences(now, want, offered))}
    for role, by_codec in (("main", offered.main), ("sub", offered.sub)):
        codec = changes[f"{role}.codec"].after if f"{role}.codec" in changes else now.get(f"{role}.codec", "")
        limits = next((item for name, item in by_codec.items() if name.value == codec), None)
        if limits is None:
            continue
        got = {
            part: changes[f"{role}.{part}"].after
            for part in ("size", "fps", "gop", "bitrate", "profile")
            if f"{role}.{part}" in changes
        }
        assert "size" not in got or not limits.sizes or text.read_size(got["size"]) in limits.sizes
        assert "fps" not in got or not limits.fps or float(got["fps"]) in limits.fps
        assert "gop" not in got or limits.gop is None or limits.gop[0] <= int(got["gop"]) <= limits.gop[1]
        span = limits.bitrate_bps
        assert "bitrate" not in got or span is None or span[0] <= int(got["bitrate"]) <= span[1]
        assert "profile" not in got or not limits.profiles or got["profile"] in limits.profiles


@given(readings, wishes, options, st.sets(st.sampled_from(rules.ORDER)))
def test_chosen_settings_change_nothing_else(
    now: dict[str, str], want: CameraSettings, offered: Options, keys: set[str]
) -> None:
    """A narrowed wish plans for the chosen keys (a time server brings its clock along) and no other."""
    changes = rules.differences(now, rules.narrowed(want, keys), offered)
    allowed = keys | ({"time.ntp", "time.clock"} if keys & {"time.ntp", "time.clock"} else set())
    assert {change.setting for change in changes} <= allowed


ANYTHING = Options()


def plan(now: Mapping[str, str], want: CameraSettings, offered: Options = ANYTHING) -> dict[str, tuple[str, str]]:
    """The changes by setting: (after, blocked)."""
    return {change.setting: (change.after, change.blocked) for change in rules.differences(now, want, offered)}


HIKVISION_NEW = {
    "time.zone": "CST-8:00:00",
    "time.ntp": "time.windows.com",
    "time.clock": "ntp -31536000 s",
    "main.codec": "h265",
    "main.profile": "Main",
    "main.size": "2560x1440",
    "main.fps": "25",
    "main.gop": "50",
    "main.bitrate": "4096000",
    "sub.codec": "h265",
    "sub.profile": "Main",
    "sub.size": "640x480",
    "sub.fps": "25",
    "sub.gop": "50",
    "sub.bitrate": "512000",
    "codec.smart": "on",
    "audio": "main=a0",
    "osd.label": "Camera 01 +date",
    "user.own": "admin",
    "mask": "",
}


def test_a_camera_as_it_comes_out_of_the_box() -> None:
    """The standard wish turns off what harms and leaves size, rate and bits of the main stream alone."""
    assert plan(HIKVISION_NEW, rules.standard(ABOUT, BOX)) == {
        "time.zone": ("ICT-7", ""),
        "time.ntp": ("192.168.1.2", ""),
        "time.clock": ("ntp", ""),
        "codec.smart": ("off", ""),
        "user.own": ("vuon", ""),
        "sub.codec": ("h264", ""),
        "sub.profile": ("Baseline", ""),
        "sub.size": ("640x360", ""),
        "sub.fps": ("10", ""),
        "sub.gop": ("20", ""),
        "sub.bitrate": ("400000", ""),
        "main.codec": ("h264", ""),
        "audio": ("off", ""),
        "osd.label": ("Lớp Lá 1 +date", ""),
    }


def test_the_standard_wish_asks_for_no_factory_password_and_no_mask() -> None:
    """These a person asks for; a box that serves no time leaves the time server alone."""
    want = rules.standard(ABOUT, BoxFacts())
    assert (want.factory_password, want.masks, want.ntp_server, want.label) == (None, None, None, None)
    assert want.own_user is True


@pytest.mark.parametrize(
    ("now", "offered"),
    [
        ({"time.ntp": "", "time.clock": "manual"}, {"time.ntp", "time.clock"}),
        ({"time.ntp": "", "time.clock": "ntp"}, {"time.ntp"}),
        ({"time.ntp": "192.168.1.2", "time.clock": "manual"}, {"time.clock"}),
        ({"time.ntp": "192.168.1.2", "time.clock": "ntp"}, set()),
        ({"time.ntp": "pool.ntp.org", "time.clock": "manual"}, set()),
        ({"time.ntp": "dhcp", "time.clock": "ntp +90 s"}, set()),
        ({"time.clock": "manual"}, set()),
    ],
    ids=["none", "none by ntp", "half done", "done", "another", "dhcp", "does not tell"],
)
def test_only_a_camera_without_a_time_server_is_offered_ours(now: dict[str, str], offered: set[str]) -> None:
    """What a person set stays, what the camera does not tell stays, and a plan that was carried out is empty."""
    want = rules.standard(ABOUT, BoxFacts(ntp_fallback="192.168.1.2"))
    assert {key for key in plan(now, want) if key in ("time.ntp", "time.clock")} == offered
    assert {key for key in plan(now, rules.narrowed(want, {"time.ntp"})) if key.startswith("time")} == offered


def test_a_recorder_keeps_its_login() -> None:
    """All its channels share it, whether that is known before or found while reading."""
    assert rules.standard(Probe("onvif", LoginMode.WSSE, channels=16), BOX).own_user is None
    shared = Options(shared_login=True)
    assert plan({"user.own": "admin"}, CameraSettings(own_user=True), shared) == {"user.own": ("vuon", "shared")}


def test_a_long_class_name_is_cut_to_what_cameras_hold() -> None:
    """32 characters, no blank at the end."""
    assert rules.standard(ABOUT, BoxFacts(label="a" * 31 + " bcd")).label == "a" * 31


def test_the_key_frame_distance_follows_the_rate_that_will_be() -> None:
    """2 s are 20 pictures when the rate becomes 10, and 50 when it stays 25."""
    now = {"sub.codec": "h264", "sub.fps": "25", "sub.gop": "250"}
    wish = CameraSettings(sub=EncoderWish(fps=10.0, gop_s=2.0))
    assert plan(now, wish)["sub.gop"] == ("20", "")
    assert plan(now, rules.narrowed(wish, {"sub.gop"})) == {"sub.gop": ("50", "")}


@pytest.mark.parametrize(
    ("now", "profiles", "after"),
    [
        ("High", ("Baseline", "Main", "High"), "Main"),
        ("High", ("Baseline", "High"), "Baseline"),
        ("High", ("High",), None),
        ("Baseline", ("Baseline", "Main", "High"), None),
        ("Main", (), None),
        ("High", (), "Main"),
    ],
)
def test_b_frames_go_by_the_profile(now: str, profiles: tuple[str, ...], after: str | None) -> None:
    """Main or Baseline, whichever is offered and nearer; neither is changed for the other."""
    offered = Options(main={Codec.H264: EncoderOptions(profiles=profiles)})
    found = plan({"main.codec": "h264", "main.profile": now}, CameraSettings(main=rules.MAIN), offered)
    assert found == ({} if after is None else {"main.profile": (after, "")})


def test_a_codec_that_is_not_offered_is_told_as_blocked() -> None:
    """The rest is planned for the codec that stays."""
    offered = Options(main={Codec.H265: EncoderOptions(gop=(1, 25))})
    now = {"main.codec": "h265", "main.fps": "25", "main.gop": "100", "main.profile": "Main"}
    assert plan(now, CameraSettings(main=rules.MAIN), offered) == {
        "main.codec": ("h264", "no_option"),
        "main.gop": ("25", ""),
    }


def test_what_cannot_be_reached_is_told_as_blocked() -> None:
    """A smart codec without an interface, masks beyond what the camera draws."""
    offered = Options(settable=frozenset(rules.ORDER) - {"codec.smart"}, most_masks=0)
    want = CameraSettings(smart_codec=False, masks=(((0, 0), (1, 0), (1, 1)),))
    assert plan({"mask": ""}, want, offered) == {
        "codec.smart": ("off", "not_offered"),
        "mask": ("0,0 1,0 1,1", "no_option"),
    }


@pytest.mark.parametrize(
    ("sizes", "role", "nearest"),
    [
        (((1920, 1080), (640, 480), (352, 288)), StreamRole.SUB, (640, 480)),
        (((1920, 1080), (704, 576)), StreamRole.SUB, (704, 576)),
        (((1920, 1080), (2560, 1440)), StreamRole.SUB, (1920, 1080)),
        ((), StreamRole.SUB, (640, 360)),
    ],
)
def test_the_nearest_size(sizes: tuple[tuple[int, int], ...], role: StreamRole, nearest: tuple[int, int]) -> None:
    """A sub stream is at most 720 high where the camera has such a size at all."""
    assert rules.nearest_size(sizes, (640, 360), role) == nearest


def test_a_key_that_is_no_setting_is_named() -> None:
    """With what there is."""
    with pytest.raises(BadInput) as refused:
        rules.check_keys(["main.gop", "main.colour"])
    assert refused.value.fields["value"] == "main.colour"
    assert "main.gop" in str(refused.value.fields["settings"])


def test_every_setting_belongs_to_a_wish() -> None:
    """A wish for everything concerns every key, one for nothing none."""
    everything = CameraSettings(
        "a", "b", EncoderWish(), EncoderWish(), smart_codec=False, audio=False, label="", own_user=True,
        factory_password=True, masks=(),
    )  # fmt: skip
    assert rules.concerned(everything) == set(rules.ORDER)
    assert rules.concerned(CameraSettings()) == set()
