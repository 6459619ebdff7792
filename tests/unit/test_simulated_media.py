"""Encoders, captions and masks: one state behind two services, with tokens that never name two things."""

from __future__ import annotations

import pytest
from lxml import etree

from drivers.simulated.faults import Quirks
from drivers.simulated.media_parts import MOST_MASKS, MOST_OSDS
from drivers.simulated.state import LEAST_KBPS, MOST_FPS, MOST_GOP, MOST_KBPS, Encoder
from gateway.core.media import Codec
from gateway.core.model import StreamRole
from tests.fakes.simulated_bench import Bench, named, texts


def osd(prefix: str, text: str, token: str = "") -> str:
    words = f"<tt:TextString><tt:Type>Plain</tt:Type><tt:PlainText>{text}</tt:PlainText></tt:TextString>"
    return f'<{prefix}:OSD token="{token}">{words}</{prefix}:OSD>'


def mask(*points: tuple[float, float], token: str = "", colour: str = "0") -> str:
    polygon = "".join(f'<tt:Point x="{x}" y="{y}"/>' for x, y in points)
    body = f'<tr2:Polygon>{polygon}</tr2:Polygon><tr2:Type>Color</tr2:Type><tr2:Color X="{colour}" Y="0" Z="0"/>'
    return f'<tr2:Mask token="{token}">{body}</tr2:Mask>'


TRIANGLE = ((-0.5, -0.5), (0.5, -0.5), (0.0, 0.5))


def encoder(token: str = "enc-main", *, gop: str = "", **values: object) -> str:
    attribute = f' GovLength="{gop}"' if gop else ""
    words = {name: f"<tt:{name}>{value}</tt:{name}>" for name, value in values.items()}
    size = words.pop("Width", "") + words.pop("Height", "")
    rate = words.pop("FrameRateLimit", "") + words.pop("BitrateLimit", "")
    inside = f"<tt:Resolution>{size}</tt:Resolution><tt:RateControl>{rate}</tt:RateControl>{''.join(words.values())}"
    return f'<tr2:Configuration token="{token}"{attribute}>{inside}</tr2:Configuration>'


def encoder_with(name: str, value: object) -> str:
    return encoder("enc-main", gop="", **{name: value})


@pytest.mark.parametrize("prefix", ["trt", "tr2"])
def test_captions_keep_their_tokens(prefix: str) -> None:
    """A caption made after another was deleted does not take over the token of one that still stands."""
    bench = Bench()
    other = {"trt": "tr2", "tr2": "trt"}[prefix]
    first, second = (texts(bench.ask(prefix, "CreateOSD", osd(prefix, name)), "OSDToken")[0] for name in "ab")
    bench.ask(other, "DeleteOSD", f"<{other}:OSDToken>{first}</{other}:OSDToken>")
    third = texts(bench.ask(other, "CreateOSD", osd(other, "c")), "OSDToken")[0]
    assert third not in (first, second)
    shown = bench.ask(prefix, "GetOSDs")
    assert dict(zip([item.get("token") for item in named(shown, "OSDs")], texts(shown, "PlainText"), strict=True)) == {
        second: "b",
        third: "c",
    }
    one = bench.ask(prefix, "GetOSDs", f"<{prefix}:OSDToken>{third}</{prefix}:OSDToken>")
    assert texts(one, "PlainText") == ["c"]


def test_captions_are_few() -> None:
    """One caption more than fits is refused; a place is free again after a deletion."""
    bench = Bench()
    tokens = [texts(bench.ask("trt", "CreateOSD", osd("trt", "x")), "OSDToken")[0] for _ in range(MOST_OSDS)]
    assert len(set(tokens)) == MOST_OSDS
    assert bench.refused("tr2", "CreateOSD", osd("tr2", "y")) == "MaxOSDs"
    bench.ask("trt", "DeleteOSD", f"<trt:OSDToken>{tokens[0]}</trt:OSDToken>")
    bench.ask("tr2", "CreateOSD", osd("tr2", "y"))
    assert bench.refused("trt", "SetOSD", osd("trt", "z", tokens[0])) == "NoConfig"


def test_masks_are_changed_in_place_and_outlive_the_plug() -> None:
    """A mask is replaced by its token; after unplugging a new one does not overwrite what stood."""
    bench = Bench()
    first = texts(bench.ask("tr2", "CreateMask", mask(*TRIANGLE)), "Token")[0]
    bench.ask("tr2", "SetMask", mask((0, 0), (1, 0), (1, 1), (0, 1), token=first, colour="7"))
    bench.plug()
    second = texts(bench.ask("tr2", "CreateMask", mask(*TRIANGLE)), "Token")[0]
    shown = {item.get("token"): item for item in named(bench.ask("tr2", "GetMasks"), "Masks")}
    assert set(shown) == {first, second}
    assert [point.get("x") for point in named(shown[first], "Point")] == ["0", "1", "1", "0"]
    assert named(shown[first], "Color")[0].get("X") == "7"
    only = bench.ask("tr2", "GetMasks", f"<tr2:Token>{second}</tr2:Token>")
    assert [item.get("token") for item in named(only, "Masks")] == [second]


def test_masks_are_few_and_need_a_shape() -> None:
    """Masks beyond the options, without a polygon, or with an unknown token are refused."""
    bench = Bench()
    most = int(texts(bench.ask("tr2", "GetMaskOptions"), "MaxMasks")[0])
    assert most == MOST_MASKS
    for _ in range(most):
        bench.ask("tr2", "CreateMask", mask(*TRIANGLE))
    assert bench.refused("tr2", "CreateMask", mask(*TRIANGLE)) == "MaxMasks"
    assert bench.refused("tr2", "CreateMask", "") == "InvalidPolygon"
    for operation, content in (
        ("SetMask", mask(*TRIANGLE, token="mask99")),
        ("SetMask", ""),
        ("DeleteMask", "<tr2:Token>mask99</tr2:Token>"),
    ):
        assert bench.refused("tr2", operation, content) == "NoConfig"


def test_a_mask_cannot_smuggle_markup() -> None:
    """What a client put into a mask comes back as the same elements, inside its own Masks element only."""
    bench = Bench()
    evil = '<tr2:Mask><tr2:Polygon/><x:Bad xmlns:x="urn:x" a="&quot;&gt;">&lt;/tr2:Masks&gt;</x:Bad></tr2:Mask>'
    bench.ask("tr2", "CreateMask", evil)
    answer = bench.ask("tr2", "GetMasks")
    assert len(answer) == 1
    bad = named(answer, "Bad")[0]
    assert (bad.get("a"), bad.text) == ('">', "</tr2:Masks>")
    assert etree.QName(bad).namespace == "urn:x"


def test_an_encoder_is_set_over_either_service_and_restarts_its_own_stream_once() -> None:
    """A change is told for the profile that changed; setting the same again restarts nothing."""
    bench = Bench()
    wish = encoder("enc-sub", gop="12", Width=1280, Height=720, FrameRateLimit=12, BitrateLimit=900, Quality=3.5)
    for _ in range(2):
        bench.ask("tr2", "SetVideoEncoderConfiguration", wish)
    assert [profile.role for profile in bench.restarted] == [StreamRole.SUB]
    assert bench.state.profiles[1].encoder == Encoder(Codec.H264, 1280, 720, 12, 12, 900, 3.5)
    bench.ask("trt", "SetVideoEncoderConfiguration", wish.replace("tr2:", "trt:").replace('"12"', '"6"'))
    assert bench.state.profiles[1].encoder.gop_frames == 6
    assert len(bench.restarted) == 2


@pytest.mark.parametrize(
    ("name", "edge", "beyond"),
    [
        ("FrameRateLimit", MOST_FPS, MOST_FPS + 1),
        ("FrameRateLimit", 1, 0),
        ("BitrateLimit", MOST_KBPS, MOST_KBPS + 1),
        ("BitrateLimit", LEAST_KBPS, LEAST_KBPS - 1),
    ],
)
def test_encoder_limits_are_exact(name: str, edge: int, beyond: int) -> None:
    """The last value inside the options is taken, the first outside is refused."""
    bench = Bench()
    bench.ask("tr2", "SetVideoEncoderConfiguration", encoder_with(name, edge))
    kept = bench.state.profiles[0].encoder
    assert bench.refused("tr2", "SetVideoEncoderConfiguration", encoder_with(name, beyond)) == "ConfigModify"
    assert bench.state.profiles[0].encoder == kept


@pytest.mark.parametrize("gop", [str(MOST_GOP + 1), "0", "-1", "²", "1e400", "nan", "inf", "many"])
def test_no_number_of_frames_is_no_gop(gop: str) -> None:
    """A GOP outside the range, or what is no number, is a fault and not an error of ours."""
    bench = Bench()
    assert bench.refused("tr2", "SetVideoEncoderConfiguration", encoder(gop=gop)) == "ConfigModify"


@pytest.mark.parametrize("name", ["Width", "FrameRateLimit", "BitrateLimit", "Quality"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400", "٣x", "0x10"])
def test_strange_numbers_are_refused(name: str, value: str) -> None:
    """Not-a-number and infinity are no sizes and no rates."""
    bench = Bench()
    before = bench.state.profiles[0].encoder
    assert bench.refused("tr2", "SetVideoEncoderConfiguration", encoder_with(name, value)) == "ConfigModify"
    assert bench.state.profiles[0].encoder == before


def test_options_hold_for_what_can_be_set() -> None:
    """Every size and rate that the options offer can be set, on both profiles."""
    bench = Bench()
    for profile in bench.state.profiles:
        named_profile = f"<tr2:ProfileToken>{profile.token}</tr2:ProfileToken>"
        answer = named(bench.ask("tr2", "GetVideoEncoderConfigurationOptions", named_profile), "Options")[0]
        for size in named(answer, "ResolutionsAvailable"):
            wish = encoder(profile.encoder_token, Width=texts(size, "Width")[0], Height=texts(size, "Height")[0])
            bench.ask("tr2", "SetVideoEncoderConfiguration", wish)
        for rate in (answer.get("FrameRatesSupported") or "").split():
            bench.ask("tr2", "SetVideoEncoderConfiguration", encoder(profile.encoder_token, FrameRateLimit=rate))
        older = bench.ask("trt", "GetVideoEncoderConfigurationOptions", named_profile.replace("tr2:", "trt:"))
        assert texts(older, "Width") == [texts(item, "Width")[0] for item in named(answer, "ResolutionsAvailable")]


@pytest.mark.parametrize(
    ("prefix", "operation", "content", "code"),
    [
        ("tr2", "GetProfiles", "<tr2:Token>x</tr2:Token>", "NoProfile"),
        ("tr2", "GetStreamUri", "<tr2:ProfileToken>x</tr2:ProfileToken>", "NoProfile"),
        (
            "tr2",
            "GetVideoEncoderConfigurationOptions",
            "<tr2:ConfigurationToken>x</tr2:ConfigurationToken>",
            "NoConfig",
        ),
        ("tr2", "SetVideoEncoderConfiguration", "", "NoConfig"),
        ("tr2", "SetVideoEncoderConfiguration", encoder("enc-x"), "NoConfig"),
        ("trt", "GetVideoEncoderConfiguration", "", "NoConfig"),
        ("trt", "GetVideoEncoderConfigurationOptions", "<trt:ProfileToken>x</trt:ProfileToken>", "NoProfile"),
        ("timg", "SetImagingSettings", "<timg:VideoSourceToken>x</timg:VideoSourceToken>", "NoSource"),
    ],
)
def test_unknown_names_are_their_own_fault(prefix: str, operation: str, content: str, code: str) -> None:
    """Each token that names nothing gets the subcode ONVIF has for it."""
    assert Bench().refused(prefix, operation, content) == code


def test_h265_is_refused_where_nobody_could_read_it() -> None:
    """A camera without Media2 takes no H.265; with it, Media1 then has no encoder of that stream."""
    wish = encoder(Encoding="H265")
    assert Bench(Quirks(no_media2=True)).refused("tr2", "SetVideoEncoderConfiguration", wish) == "ConfigModify"
    bench = Bench()
    bench.ask("tr2", "SetVideoEncoderConfiguration", wish)
    token = "<trt:ConfigurationToken>enc-main</trt:ConfigurationToken>"
    assert bench.refused("trt", "GetVideoEncoderConfiguration", token) == "NoConfig"
    assert [
        item.get("token") for item in named(bench.ask("trt", "GetVideoEncoderConfigurations"), "Configurations")
    ] == ["enc-sub"]


def test_a_lost_sub_stream_is_nowhere() -> None:
    """Without a sub stream, no list, count or token of either service knows it."""
    bench = Bench(Quirks(no_sub=True))
    for prefix in ("trt", "tr2"):
        assert len(named(bench.ask(prefix, "GetProfiles"), "Profiles")) == 1
        wish = f"<{prefix}:ProfileToken>sub</{prefix}:ProfileToken>"
        assert bench.refused(prefix, "GetStreamUri", wish) == "NoProfile"
    assert texts(bench.ask("tr2", "GetVideoEncoderInstances"), "Total") == ["1"]
    assert texts(bench.ask("trt", "GetGuaranteedNumberOfVideoEncoderInstances"), "TotalNumber") == ["1"]
