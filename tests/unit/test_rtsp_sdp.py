"""Session descriptions as cameras write them, and as they should not."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.rtsp.audio import AudioFormat
from drivers.rtsp.sdp import MOST_SET_BYTES, AudioTrack, parameter_set, read_sdp
from gateway.core.errors import CameraBadReply, CameraUnsupported
from gateway.core.media import AudioCodec, AudioConfig, Codec

HIKVISION = b"""v=0
o=- 1109162014219182 1109162014219192 IN IP4 192.168.1.64
s=Media Presentation
e=NONE
b=AS:5100
t=0 0
a=control:rtsp://192.168.1.64:554/Streaming/Channels/101/
m=video 0 RTP/AVP 96
c=IN IP4 0.0.0.0
b=AS:5000
a=recvonly
a=x-dimensions:1920,1080
a=control:rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=1
a=rtpmap:96 H264/90000
a=fmtp:96 profile-level-id=420029; packetization-mode=1; sprop-parameter-sets=Z01AKI2NQDwBE/LgLcBAQFAAAD6AAAw1DoYACYFAAABfXgu8uNDAATAoAAAL68F3lwo=,aO44gA==
m=audio 0 RTP/AVP 8
a=control:rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=2
a=rtpmap:8 PCMA/8000
a=Media_header:MEDIAINFO=494D4B48010300000400000111710110401F000000FA000000000000000000000000000000000000;
a=appversion:1.0
"""
DAHUA_H265 = b"""v=0
o=- 2252310609 2252310609 IN IP4 0.0.0.0
s=Media Server
c=IN IP4 0.0.0.0
t=0 0
a=control:*
a=packetization-supported:DH
m=video 0 RTP/AVP 98
a=control:trackID=0
a=framerate:25.000000
a=rtpmap:98 H265/90000
a=fmtp:98 profile-id=1;sprop-sps=QgEBAWAAAAMAsAAAAwAAAwBaoAWCAJBY2uSRfYWl3u5A;sprop-pps=RAHAcYZMkA==;sprop-vps=QAEMAf//AWAAAAMAsAAAAwAAAwBarAk=
a=recvonly
"""


def test_a_hikvision_main_stream() -> None:
    """Absolute control URLs, SPS and PPS, and an audio track that is left alone."""
    found = read_sdp(HIKVISION)
    assert found.control == "rtsp://192.168.1.64:554/Streaming/Channels/101/"
    assert found.video.codec is Codec.H264
    assert found.video.payload_type == 96
    assert found.video.control.endswith("/trackID=1")
    assert [nal[0] & 31 for nal in found.video.sets] == [7, 8]


def test_a_dahua_h265_stream() -> None:
    """All three parameter sets are found, whatever order they are written in."""
    found = read_sdp(DAHUA_H265)
    assert (found.control, found.video.control) == ("*", "trackID=0")
    assert (found.video.codec, found.video.payload_type) == (Codec.H265, 98)
    assert [nal[0] >> 1 & 63 for nal in found.video.sets] == [32, 33, 34]


def body(*lines: str, media: str = "m=video 0 RTP/AVP 96") -> bytes:
    return "\r\n".join(["v=0", media, *lines]).encode()


AAC_HBR = b"streamtype=5; mode=AAC-hbr; config=1408; SizeLength=13; IndexLength=3; IndexDeltaLength=3;"
VIDEO = b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (b"m=audio 0 RTP/AVP 0\r\na=control:a", AudioCodec.PCMU),
        (b"m=audio 0 RTP/AVP 97 8\r\na=rtpmap:97 G726-32/8000\r\na=control:a", AudioCodec.PCMA),
        (
            b"m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/16000/1\r\na=control:a\r\na=fmtp:97 " + AAC_HBR,
            AudioCodec.AAC,
        ),
        (b"m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MP4A-LATM/16000/1", None),
        (b"m=audio 0 RTP/AVP 97\r\na=rtpmap:97 G726-16/8000", None),
        (b"m=audio 0 RTP/AVP", None),
        (b"m=application 0 RTP/AVP 0", None),
    ],
)
def test_the_first_sound_we_can_take_apart(text: bytes, codec: AudioCodec | None) -> None:
    """Before or behind the video; what we cannot take leaves the video as it is."""
    for body in (VIDEO + text, text + b"\r\n" + VIDEO):
        found = read_sdp(body)
        assert found.video.codec is Codec.H264
        assert (found.audio.form.config.codec if found.audio else None) is codec
        assert found.audio is None or found.audio.control == "a"


def test_sound_of_a_hikvision() -> None:
    """G.711 A-law of payload type 8, as most classrooms have it."""
    form = AudioFormat(AudioConfig(AudioCodec.PCMA, 8_000, 1), 8)
    assert read_sdp(HIKVISION).audio == AudioTrack(form, "rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=2")


def test_missing_parameter_sets_are_no_fault() -> None:
    """Some cameras tell them in band only."""
    assert read_sdp(body("a=rtpmap:96 h264/90000")).video.sets == ()


def test_a_forgotten_rtpmap_is_guessed_from_the_parameter_sets() -> None:
    """`sprop-parameter-sets` is H.264's own name."""
    assert read_sdp(body("a=fmtp:96 sprop-parameter-sets=Z00AKA==,aO4=")).video.codec is Codec.H264


def test_the_first_track_we_can_record_is_taken() -> None:
    """A JPEG track before the H.264 one does not stop us, nor a second payload type of the line."""
    text = b"v=0\nm=video 0 RTP/AVP 26\na=control:j\nm=video 0 RTP/AVP 97 96\na=rtpmap:97 H264-SVC/90000\na=rtpmap:96 H264/90000\na=control:v\n"
    found = read_sdp(text)
    assert (found.video.payload_type, found.video.control) == (96, "v")


@pytest.mark.parametrize(
    ("text", "codecs"),
    [
        (body("a=rtpmap:96 JPEG/90000"), ["jpeg"]),
        (body("a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=2"), ["h264"]),
        (body("a=rtpmap:96 H265/90000", "a=fmtp:96 sprop-max-don-diff=3"), ["h265"]),
        (body(media="m=audio 0 RTP/AVP 8"), []),
        (body(media="m=video 0 RTP/AVP 999 x"), []),
        (body(media="m="), []),
    ],
)
def test_video_we_cannot_record_is_named(text: bytes, codecs: list[str]) -> None:
    """JPEG, interleaved packetization, sound only: the error says which codecs there were."""
    with pytest.raises(CameraUnsupported) as caught:
        read_sdp(text)
    assert caught.value.fields["codecs"] == codecs


@pytest.mark.parametrize("text", [b"", b"<html>", b"\0" * 100])
def test_no_description_is_a_bad_reply(text: bytes) -> None:
    """An empty body or a web page is not an SDP."""
    with pytest.raises(CameraBadReply):
        read_sdp(text)


def test_thousands_of_media_lines_cost_nothing() -> None:
    """5,000 tracks: the first is taken; without any of ours, the reader stops at 32."""
    track = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 {}/90000\r\na=control:t\r\n"
    assert read_sdp(("v=0\r\n" + track.format("H264") * 5000).encode()).video.control == "t"
    with pytest.raises(CameraUnsupported):
        read_sdp(("v=0\r\n" + track.format("JPEG") * 40 + track.format("H264")).encode())


@pytest.mark.parametrize(
    ("text", "nal"),
    [
        ("aO44gA==", b"\x68\xee\x38\x80"),
        ("aO44gA", b"\x68\xee\x38\x80"),
        (" aO44gA= ", b"\x68\xee\x38\x80"),
        (base64.b64encode(b"\0\0\0\1\x68\xee\x38\x80\0\0").decode(), b"\x68\xee\x38\x80"),
        (base64.b64encode(b"\0\0\1\x68\xee\x38\x80").decode(), b"\x68\xee\x38\x80"),
        ("", b""),
        ("A", b""),
        ("é", b""),
        (base64.b64encode(b"\x67" * (MOST_SET_BYTES + 1)).decode(), b""),
    ],
)
def test_parameter_sets_are_cleaned(text: str, nal: bytes) -> None:
    """Missing padding, start codes and trailing zeros are mended; rubbish and giants are dropped."""
    assert parameter_set(text) == nal


@given(st.binary(max_size=2000), st.binary(max_size=200))
def test_any_body_is_read_or_refused(data: bytes, tail: bytes) -> None:
    """Nothing but our own errors comes out of a description."""
    for text in (data, HIKVISION[:-300] + tail, b"m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 " + tail):
        try:
            found = read_sdp(text)
        except (CameraBadReply, CameraUnsupported):
            continue
        assert len(found.video.sets) <= 64
