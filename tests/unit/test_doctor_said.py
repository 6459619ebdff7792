"""From a camera's words and the recorder's figures to facts; factory passwords; firmware known to be open."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.doctor.facts import CameraFacts
from drivers.doctor.faults import CAMERA_FAULTS
from drivers.doctor.firmware import ADVISORIES, advisory_for, build_date
from drivers.doctor.passwords import is_factory
from drivers.doctor.said import Measured, Said, StreamMeasured, clock_of, facts_of, profile_of
from drivers.settings import ORDER
from gateway.core.media import Codec, CodecConfig
from gateway.core.model import Login, Secret

BASELINE = CodecConfig(Codec.H264, bytes((0x67, 66, 0xC0, 31)), b"\x68", width=640, height=360)
WELL = Measured(
    state="up", main=StreamMeasured(BASELINE, 15.0, 2.0, False, 0.0), sub=StreamMeasured(BASELINE, 10.0, 2.0, False, 0.0),
    picture=None, factory_password=False, outages=0, refusals=0, open_ports=(), needs_mask=None, qcvn="QCVN 135",
)  # fmt: skip
WORDS = {
    "time.zone": "ICT-7", "time.ntp": "192.168.1.2", "time.clock": "ntp", "user.own": "vuon", "codec.smart": "off",
    "main.codec": "h264", "main.profile": "Main", "main.size": "1920x1080", "main.fps": "15", "main.gop": "30",
    "main.bitrate": "2000000", "sub.codec": "h264", "sub.profile": "Baseline", "sub.size": "640x360", "sub.fps": "10",
    "sub.gop": "20", "sub.bitrate": "400000", "audio": "off", "osd.label": "Lớp Lá 1 +date", "mask": "",
}  # fmt: skip


def facts(measured: Measured = WELL, **changes: str) -> CameraFacts:
    words = {key.replace("_", "."): value for key, value in changes.items()}
    return facts_of(measured, Said(WORDS | words, False, "Hikvision", "DS-2CD", "V5 build 230101"), "ICT-7")


def test_words_and_figures_become_facts() -> None:
    """Each setting in its place; the distance of key frames in seconds at the promised rate."""
    found = facts()
    assert (found.clock_skew_ms, found.uses_ntp, found.time_zone_right) == (0, True, True)
    assert (found.audio, found.smart_codec, found.labelled, found.masks) == (False, False, True, 0)
    assert (found.main.fps_promised, found.main.gop_s, found.main.bitrate_bps) == (15, 2.0, 2_000_000)
    assert found.sub is not None
    assert (found.sub.codec, found.sub.profile, found.sub.width, found.sub.gop_s) == (Codec.H264, "Baseline", 640, 2.0)
    assert found.bad_firmware == ""


def test_a_camera_that_says_nothing_leaves_its_settings_unknown() -> None:
    """What was measured stands; the rest is None."""
    found = facts_of(WELL, Said(), "ICT-7")
    names = (
        "clock_skew_ms",
        "uses_ntp",
        "time_zone_right",
        "smart_codec",
        "audio",
        "labelled",
        "masks",
        "dhcp",
        "bad_firmware",
    )
    assert {getattr(found, name) for name in names} == {None}
    assert (found.state, found.main.codec, found.main.profile, found.main.gop_s) == ("up", Codec.H264, "Baseline", None)


@pytest.mark.parametrize(
    ("dhcp", "leased", "told"), [(True, False, True), (True, True, False), (False, False, False), (None, False, None)]
)
def test_an_address_that_the_box_gives_for_ever_does_not_change(
    dhcp: bool | None, leased: bool, told: bool | None
) -> None:
    """DHCP is a fault where another one gives the address; what the camera does not tell stays unknown."""
    said = Said(dhcp=dhcp)
    found = facts_of(WELL, said.with_lease() if leased else said, "ICT-7")
    assert found.dhcp is told
    assert CAMERA_FAULTS["dhcp_address"].test(found) is told


def test_the_stream_is_believed_before_the_words() -> None:
    """A camera that says H.264 Baseline 640 and sends H.265 1280 sends H.265 1280."""
    sent = CodecConfig(Codec.H265, b"\x42\x01", b"\x44", b"\x40", 1280, 720)
    found = facts(replace(WELL, sub=StreamMeasured(sent)))
    assert found.sub is not None
    assert (found.sub.codec, found.sub.profile, found.sub.height) == (Codec.H265, None, 720)


def test_without_a_stream_the_words_count_and_then_what_adoption_learned() -> None:
    """In that order."""
    silent = StreamMeasured(promised_fps=12.0, codec=Codec.H265, width=352, height=288)
    by_words = facts(replace(WELL, sub=silent)).sub
    by_book = facts_of(replace(WELL, sub=silent), Said(), "ICT-7").sub
    assert by_words is not None
    assert by_book is not None
    assert (by_words.codec, by_words.profile, by_words.width, by_words.fps_promised) == (
        Codec.H264,
        "Baseline",
        640,
        10,
    )
    assert (by_book.codec, by_book.profile, by_book.width, by_book.fps_promised) == (Codec.H265, None, 352, 12.0)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ntp", (True, 0)),
        ("manual -300 s", (False, -300_000)),
        ("ntp +86400 s", (True, 86_400_000)),
        ("sundial", (None, None)),
        (None, (None, None)),
    ],
)
def test_a_clocks_text_is_read(words: str | None, expected: tuple[bool | None, int | None]) -> None:
    """Mode and how far it is off."""
    assert clock_of(words) == expected


@pytest.mark.parametrize(
    ("changes", "name", "expected"),
    [
        ({"time_ntp": ""}, "uses_ntp", False),
        ({"time_clock": "manual"}, "uses_ntp", False),
        ({"time_zone": "UTC0"}, "time_zone_right", False),
        ({"time_zone": "<+07>-7"}, "time_zone_right", True),
        ({"audio": "main=a+b"}, "audio", True),
        ({"osd_label": "+date"}, "labelled", False),
        ({"osd_label": "Lớp"}, "labelled", False),
        ({"mask": "0,0 1,0 1,1; -1,-1 0,0 0,-1"}, "masks", 2),
        ({"codec_smart": "on"}, "smart_codec", True),
    ],
)
def test_each_word_is_its_fact(changes: dict[str, str], name: str, expected: object) -> None:
    """One changed setting, one changed fact."""
    assert getattr(facts(WELL, **changes), name) == expected


@given(st.dictionaries(st.sampled_from(ORDER), st.text(max_size=30)), st.sampled_from(["ICT-7", "UTC0"]))
def test_no_words_of_a_camera_break_the_facts(words: dict[str, str], zone: str) -> None:
    """Whatever a camera says, facts come of it."""
    assert facts_of(WELL, Said(words), zone).state == "up"


def test_a_profile_is_read_from_the_parameter_set() -> None:
    """profile_idc; H.265 and nothing have none."""
    named = {66: "Baseline", 77: "Main", 88: "Extended", 100: "High", 7: None}
    for number, name in named.items():
        assert profile_of(CodecConfig(Codec.H264, bytes((0x67, number)), b"")) == name
    assert profile_of(CodecConfig(Codec.H264, b"\x67", b"")) is None
    assert profile_of(CodecConfig(Codec.H265, b"\x67\x42", b"")) is None
    assert profile_of(None) is None


# factory passwords: compared, never tried


@pytest.mark.parametrize("password", ["admin", "12345", "ADMIN123", "888888", "", "tlJwpbo6", "operator1"])
def test_a_password_of_the_manual_is_known(password: str) -> None:
    """Any case; also one that is the user's own name."""
    assert is_factory(Login("operator1", Secret(password)))


def test_a_password_of_ones_own_is_not() -> None:
    """And a camera that asks for none is open to all."""
    assert not is_factory(Login("admin", Secret("Mat-khau-1!")))
    assert is_factory(None)


# firmware


@pytest.mark.parametrize(
    ("firmware", "date"),
    [
        ("V5.5.82 build 190220", 190_220),
        ("2.800.0000000.10.R, Build Date 2019-11-18", 191_118),
        ("V2.800.0000016.0.R,build:2020-06-05", 200_605),
        ("2.800.0000000.29.R.210630", 210_630),
        ("1.1.16 Build 211209 Rel.37726N", 211_209),
        ("V4.02.R11", None),
        ("build 199999", None),
        ("", None),
    ],
)
def test_build_dates_are_read_as_makers_write_them(firmware: str, date: int | None) -> None:
    """And nonsense is no date."""
    assert build_date(firmware) == date


@pytest.mark.parametrize(
    ("make", "model", "firmware", "expected"),
    [
        ("HIKVISION", "DS-2CD2143G0-I", "V5.5.82 build 190220", "CVE-2021-36260"),
        ("Hikvision", "DS-2CD2042WD-I", "V5.3.0 build 150513", "CVE-2021-36260"),
        ("Hikvision", "DS-2CD2143G2-I", "V5.7.1 build 220401", ""),
        ("Hikvision", "DS-2CD2143G2-I", "V5.7.1", None),
        ("Dahua", "IPC-HFW1230S", "2.800.0000000.10.R, Build Date 2019-11-18", "CVE-2021-33044"),
        ("tp-link", "Tapo C200", "1.1.15 Build 211130 Rel.15378n", "CVE-2021-4045"),
        ("Vuon", "Simulated classroom", "1.0.0", ""),
        ("", "", "V1", None),
    ],
)
def test_only_what_is_certainly_open_is_named(make: str, model: str, firmware: str, expected: str | None) -> None:
    """Built before the first fix; younger builds are not, builds without a date are unknown."""
    assert advisory_for(make, model, firmware) == expected


def test_advisories_are_dated_and_named() -> None:
    """Each a CVE with a day that exists."""
    for item in ADVISORIES:
        assert item.name.startswith("CVE-")
        assert build_date(f"build {item.before}") == item.before


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_no_firmware_text_breaks_the_table(make: str, model: str, firmware: str) -> None:
    """A camera may call itself anything."""
    found = advisory_for(make, model, firmware)
    assert found is None or found == "" or found.startswith("CVE-")
