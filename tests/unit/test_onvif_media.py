"""The typed calls of both media services: what is set reads back, what is odd does no harm."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from drivers.onvif import mediatypes as types
from drivers.onvif.documents import MEDIA2_WSDL, SHARED, VENDORED_FOLDER
from drivers.onvif.media1 import Media1
from drivers.onvif.media2 import Media2
from drivers.onvif.mediaservice import MediaService
from drivers.onvif.written import written
from drivers.simulated.faults import Quirks
from drivers.simulated.soap import SoapFault
from gateway.core.errors import BadInput, CameraBadReply, CameraUnsupported
from gateway.core.media import Codec
from tests.fakes.asked_bench import asking
from tests.fakes.simulated_bench import Bench

Service = Callable[[Bench], MediaService]
MASK = types.Mask("vsc0", ((-1.0, 1.0), (0.0, 1.0), (0.0, -0.25)))


def media2(bench: Bench) -> Media2:
    return Media2(asking(bench, "tr2"))


def media1(bench: Bench) -> Media1:
    return Media1(asking(bench, "trt"))


def answering(body: str) -> Media2:
    """A service that answers everything with this."""

    def ask(operation: str, **parameters: object) -> etree._Element:
        return etree.fromstring(f"<Response>{body}</Response>", etree.XMLParser(recover=True))

    return Media2(ask)


def test_onvifs_own_files_are_unchanged() -> None:
    """The licence of the vendored files allows copies, not changes: their sums are those of the notice."""
    notice = (VENDORED_FOLDER / "NOTICE").read_text()
    files = [path for path in VENDORED_FOLDER.rglob("*.*") if path.is_file()]
    assert len(files) == 3
    for path in files:
        assert hashlib.sha256(path.read_bytes()).hexdigest() in notice
        assert "No license is granted to modify this document" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("service", [media2, media1], ids=["media2", "media1"])
def test_an_encoder_is_set_and_reads_back(service: Service) -> None:
    """Size, rate, bits and GOP read back as they were set; setting what was read changes nothing."""
    bench = Bench()
    calls = service(bench)
    main, sub = calls.video_encoders()
    assert (main.encoding, main.codec, main.width, main.gop) == ("H264", Codec.H264, 1280, 30)
    calls.set_video_encoder(main)
    assert bench.restarted == []
    wanted = replace(main, width=1920, height=1080, fps=12.0, bitrate_bps=1_500_000, gop=24)
    calls.set_video_encoder(wanted)
    assert calls.video_encoders() == (wanted, sub)


@pytest.mark.parametrize("service", [media2, media1], ids=["media2", "media1"])
def test_a_key_frame_is_asked_for(service: Service) -> None:
    """The profile that is named makes one, no other; a name that is none is refused."""
    bench = Bench()
    asked: list[str] = []
    bench.state.on_synchronise = lambda profile: asked.append(profile.token)
    service(bench).synchronise(bench.state.profiles[1].token)
    assert asked == [bench.state.profiles[1].token]
    with pytest.raises(SoapFault):
        service(bench).synchronise("none")


@pytest.mark.parametrize("service", [media2, media1], ids=["media2", "media1"])
def test_options_are_read(service: Service) -> None:
    """Sizes come largest first, rates rising, spans as spans."""
    options = service(Bench()).encoder_options("enc-sub")[0]
    assert options.encoding == "H264"
    assert options.sizes == ((1280, 720), (640, 360), (320, 180))
    assert options.fps[0] == 1.0
    assert options.fps[-1] == 25.0
    assert options.gop == types.Span(1, 250)
    assert options.quality.clamp(9) == 5
    assert types.Span().clamp(7) == 7


def test_h265_by_media2_only() -> None:
    """Media2 shows and sets an H.265 encoder; Media1 has no word for it and refuses to set one."""
    bench = Bench()
    main = media2(bench).video_encoders()[0]
    if len(media2(bench).encoder_options(main.token)) == 2:
        media2(bench).set_video_encoder(replace(main, encoding="H265", profile="Main"))
        assert media2(bench).video_encoders()[0].codec is Codec.H265
        assert [encoder.token for encoder in media1(bench).video_encoders()] == ["enc-sub"]
    with pytest.raises(CameraUnsupported):
        media1(bench).set_video_encoder(replace(main, encoding="H265"))


@pytest.mark.parametrize("service", [media2, media1], ids=["media2", "media1"])
def test_captions(service: Service) -> None:
    """A caption is made, found, changed and deleted, Vietnamese letters and markup signs unharmed."""
    calls = service(Bench())
    (source,) = calls.source_configurations()
    options = calls.osd_options(source.token)
    assert (options.most, options.kinds[0]) == (8, "Plain")
    assert "LowerRight" in options.positions
    token = calls.create_osd(types.Osd(source.token, text="Lớp Lá <1> & 2"))
    (made,) = calls.osds()
    assert (made.token, made.text, made.kind) == (token, "Lớp Lá <1> & 2", "Plain")
    calls.set_osd(replace(made, kind="DateAndTime", text=""))
    assert calls.osds()[0].kind == "DateAndTime"
    calls.delete_osd(token)
    assert calls.osds() == ()


@pytest.mark.parametrize("service", [media2, media1], ids=["media2", "media1"])
def test_sound_is_taken_out(service: Service) -> None:
    """Profiles with sound are named, and silent one by one."""
    calls = service(Bench(Quirks(onvif_audio=True)))
    assert [item.profile for item in calls.audio()] == ["main", "sub"]
    calls.remove_audio("main")
    assert [item.profile for item in calls.audio()] == ["sub"]


def test_masks() -> None:
    """A mask keeps its points, is changed under its token, and goes away."""
    calls = media2(Bench())
    options = calls.mask_options("vsc0")
    assert (options.most, options.kinds, options.rectangle_only) == (8, ("Color",), False)
    token = calls.create_mask(MASK)
    (made,) = calls.masks()
    assert made == replace(MASK, token=token)
    calls.set_mask(replace(made, enabled=False))
    assert calls.masks("vsc0")[0].enabled is False
    calls.delete_mask(token)
    assert calls.masks() == ()


def test_a_wrong_request_is_ours() -> None:
    """What the description does not know is refused before anything is sent."""
    document = SHARED.get(MEDIA2_WSDL)
    for operation, parameters in (("NoSuch", {}), ("DeleteMask", {"Nonsense": 1}), ("CreateMask", {"Mask": {"x": 1}})):
        with pytest.raises(BadInput):
            written(document, operation, dict(parameters))


def test_a_thing_without_a_token_is_an_error() -> None:
    """A camera that makes something and gives it no name is not believed."""
    calls = answering("")
    with pytest.raises(CameraBadReply):
        calls.create_mask(MASK)
    with pytest.raises(CameraBadReply):
        calls.create_osd(types.Osd("v"))
    with pytest.raises(CameraBadReply):
        calls.mask_options("v")


@pytest.mark.parametrize(
    ("operation", "content"),
    [
        ("GetProfiles", ""),
        ("GetVideoEncoderConfigurations", ""),
        ("GetVideoEncoderConfigurationOptions", ""),
        ("GetVideoSourceConfigurations", ""),
        ("GetAudioEncoderConfigurations", ""),
        ("GetStreamUri", "<tr2:Protocol>RTSP</tr2:Protocol><tr2:ProfileToken>main</tr2:ProfileToken>"),
        ("GetMasks", ""),
        ("GetMaskOptions", "<tr2:ConfigurationToken>vsc0</tr2:ConfigurationToken>"),
        ("GetOSDs", ""),
        ("GetOSDOptions", "<tr2:ConfigurationToken>vsc0</tr2:ConfigurationToken>"),
    ],
)
def test_the_simulated_camera_keeps_media2s_description(operation: str, content: str) -> None:
    """A strict reader of ONVIF's own Media2 description accepts the simulated camera's answers."""
    bench = Bench(Quirks(onvif_audio=True))
    media2(bench).create_mask(MASK)
    media2(bench).create_osd(types.Osd("vsc0", text="x"))
    answer = bench.ask("tr2", operation, content)
    document = SHARED.get(MEDIA2_WSDL)
    binding: Any = next(iter(document.bindings.values()))
    element = binding.get(operation).output.body
    with document.settings(strict=True):
        element.parse(etree.fromstring(etree.tostring(answer)), document.types)


@pytest.mark.parametrize("service", [Media2, Media1], ids=["media2", "media1"])
def test_what_both_say_alike_is_read_and_sent_alike(service: type[MediaService]) -> None:
    """Name, encoding, size, rate, bits, quality and users of an encoder stand in one place in both answers and requests."""
    answer = (
        '<Configurations token="e"><Name>Chính</Name><UseCount>2</UseCount><Encoding>h264</Encoding><Resolution>'
        "<Width>640</Width><Height>360</Height></Resolution><RateControl><FrameRateLimit>12</FrameRateLimit>"
        "<BitrateLimit>900</BitrateLimit></RateControl><Quality>4</Quality></Configurations><Configurations/>"
    )
    sent: list[dict[str, object]] = []

    def ask(operation: str, **parameters: object) -> etree._Element:
        sent.append(parameters)
        return etree.fromstring(f"<Response>{answer}</Response>")

    calls = service(ask)
    (found,) = calls.video_encoders()
    assert found == types.VideoEncoder("e", "Chính", "H264", 640, 360, 12.0, 900_000, 0, quality=4.0, use_count=2)
    calls.set_video_encoder(found)
    wanted = sent[-1]["Configuration"]
    assert isinstance(wanted, dict)
    common = ("token", "Name", "UseCount", "Encoding", "Resolution", "Quality")
    assert [wanted[key] for key in common] == ["e", "Chính", 2, "H264", {"Width": 640, "Height": 360}, 4.0]
    assert (wanted["RateControl"]["FrameRateLimit"], wanted["RateControl"]["BitrateLimit"]) == (12, 900)


def test_a_refusal_is_a_fault() -> None:
    """An encoder the camera cannot do is refused by it, not bent."""
    bench = Bench()
    main = media2(bench).video_encoders()[0]
    with pytest.raises(SoapFault):
        media2(bench).set_video_encoder(replace(main, gop=100_000))


NAMES = st.sampled_from(
    ["Configurations", "Options", "Masks", "OSDs", "Profiles", "Point", "Polygon", "Min", "Max", "Width", "Height",
     "ResolutionsAvailable", "Encoding", "RateControl", "H264", "TextString", "Position", "Pos", "AudioEncoder",
     "FrameRateRange", "BitrateRange", "Multicast", "Port", "Color", "Type"]
)  # fmt: skip
TEXTS = st.sampled_from(
    ["", "0", "-1", "1e400", "nan", "inf", "H265", "x" * 300, "99999999999999999999", "Tiếng", "true"]
)
TREES = st.recursive(
    st.builds(lambda n, t: f"<{n}>{t}</{n}>", NAMES, TEXTS),
    lambda inner: st.builds(
        lambda n, a, parts: f'<{n} token="{a}" GovLength="{a}" x="{a}" X="{a}" Total="{a}">{"".join(parts)}</{n}>',
        NAMES, TEXTS, st.lists(inner, max_size=4),
    ),
    max_leaves=20,
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.lists(TREES, max_size=4))
def test_whatever_a_camera_answers_is_read(parts: list[str]) -> None:
    """No answer, however wrong, makes the readers raise anything but a camera error; values stay bounded."""
    calls = answering("".join(parts))
    one = Media1(calls._ask)
    for question in (calls.video_encoders, one.video_encoders, calls.masks, calls.osds, calls.audio, one.audio):
        assert len(question()) <= types.MOST_LISTED
    for encoder in calls.video_encoders():
        assert 0 <= encoder.width <= 16_384
        assert 0 <= encoder.fps <= 240
    for options in (*calls.encoder_options("t"), *one.encoder_options("t")):
        assert all(0 < rate <= 240 for rate in options.fps)


def test_what_a_taciturn_camera_said_can_be_written_back() -> None:
    """An encoder read from a camera that says almost nothing is written without an error of ours."""
    sent: list[dict[str, object]] = []

    def ask(operation: str, **parameters: object) -> etree._Element:
        sent.append(parameters)
        written(SHARED.get(MEDIA2_WSDL), operation, parameters)
        return etree.fromstring('<Response><Configurations token="e"/></Response>')

    calls = Media2(ask)
    calls.set_video_encoder(calls.video_encoders()[0])
    assert len(sent) == 2
