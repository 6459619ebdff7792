"""RTP as bytes, and RTSP messages as text."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.simulated.rtp import (
    NTP_EPOCH_OFFSET_S,
    goodbye,
    interleaved,
    interleaved_rtp,
    packetize,
    rtp_header,
    sender_report,
)
from drivers.simulated.rtspmessage import RtspReply, RtspRequest, describe, parse_request, parse_transport
from gateway.core.errors import CameraBadReply
from gateway.core.media import Codec, CodecConfig

H264 = CodecConfig(Codec.H264, b"\x67\x42\xc0\x1f\x01", b"\x68\xce\x01")
H265 = CodecConfig(Codec.H265, b"\x42\x01s", b"\x44\x01p", b"\x40\x01v")


def reassemble(payloads: list[bytes], codec: Codec) -> bytes:
    """Written from RFC 6184 and 7798 again: FU-A and FU back to one NAL unit."""
    if len(payloads) == 1:
        return payloads[0]
    head = 1 if codec is Codec.H264 else 2
    flags = [p[head] for p in payloads]
    assert [bool(f & 0x80) for f in flags] == [True] + [False] * (len(flags) - 1)
    assert [bool(f & 0x40) for f in flags] == [False] * (len(flags) - 1) + [True]
    first = payloads[0]
    if codec is Codec.H264:
        header = bytes([first[0] & 0xE0 | first[1] & 0x1F])
    else:
        header = bytes([first[0] & 0x81 | (first[2] & 0x3F) << 1, first[1]])
    return header + b"".join(p[head + 1 :] for p in payloads)


@given(st.sampled_from(Codec), st.binary(min_size=3, max_size=5000), st.integers(60, 1460))
def test_fragments_make_the_unit_again(codec: Codec, tail: bytes, mtu_bytes: int) -> None:
    """However long a unit and however short the packets: no payload is too long, and no byte is lost."""
    unit = (b"\x65" if codec is Codec.H264 else b"\x26\x01") + tail
    payloads = packetize(unit, codec, mtu_bytes)
    assert max(map(len, payloads)) <= mtu_bytes
    assert reassemble(payloads, codec) == unit


def test_headers() -> None:
    """Version, marker, type, wrapped numbers and SSRC stand where RFC 3550 has them, also when interleaved."""
    header = rtp_header(marker=True, seq=65_537, time_90k=(1 << 32) + 5, ssrc=0xABCDEF01)
    assert struct.unpack(">BBHII", header) == (0x80, 0x80 | 96, 1, 5, 0xABCDEF01)
    framed = interleaved_rtp(2, 100, marker=False, seq=7, time_90k=9, ssrc=3)
    assert framed == b"$\x02" + struct.pack(">H", 112) + rtp_header(marker=False, seq=7, time_90k=9, ssrc=3)
    assert interleaved(1, b"ab") == b"$\x01\x00\x02ab"


def test_sender_report_carries_the_camera_clock() -> None:
    """SR pairs NTP and RTP time, counts packets and bytes, and is followed by a CNAME."""
    data = sender_report(9, unix_s=1_000.5, time_90k=77, packets=3, payload_bytes=400)
    first, kind, words, ssrc, ntp_s, fraction, rtp, packets, sent = struct.unpack(">BBHIIIIII", data[:28])
    assert (first, kind, words, ssrc) == (0x80, 200, 6, 9)
    assert (ntp_s, fraction) == (1_000 + NTP_EPOCH_OFFSET_S, 1 << 31)
    assert (rtp, packets, sent) == (77, 3, 400)
    first, kind, words, ssrc = struct.unpack(">BBHI", data[28:36])
    assert (first, kind, ssrc) == (0x81, 202, 9)
    assert len(data) == 28 + 4 * (words + 1)
    assert data[36:44] == b"\x01\x06camera"
    assert set(data[44:]) == {0}


def test_goodbye() -> None:
    """BYE names one source."""
    assert goodbye(5) == b"\x81\xcb\x00\x01\x00\x00\x00\x05"


def test_request_is_taken_apart() -> None:
    """Method, URL, CSeq and session come out of a head; header names are read in any case."""
    head = b"SETUP rtsp://h:1/a/b/trackID=0?x=1 RTSP/1.0\r\ncseq: 4\r\nSession: AB12;timeout=60\r\nX\r\n\r\n"
    request = parse_request(head)
    assert (request.method, request.cseq, request.session) == ("SETUP", "4", "AB12")
    assert request.headers["cseq"] == "4"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("rtsp://h/Streaming/Channels/101", "/Streaming/Channels/101"),
        ("rtsp://h/Streaming/Channels/101/", "/Streaming/Channels/101"),
        ("rtsp://h/live/trackID=0", "/live"),
        ("rtsp://h/cam/realmonitor?channel=1&subtype=0", "/cam/realmonitor?channel=1&subtype=0"),
        ("rtsp://h/cam/realmonitor?channel=1&subtype=0/trackID=0", "/cam/realmonitor?channel=1&subtype=0"),
        ("rtsp://h", "/"),
        ("*", "*"),
    ],
)
def test_path_of_a_request(url: str, path: str) -> None:
    """The stream's path keeps its query and loses the track's control name."""
    assert RtspRequest("PLAY", url, {}).path == path


@pytest.mark.parametrize("line", [b"GARBAGE", b"GET / HTTP/1.1", b"PLAY  rtsp://h RTSP/1.0", b""])
def test_no_rtsp_is_refused(line: bytes) -> None:
    """What is no request line raises CameraBadReply, nothing else."""
    with pytest.raises(CameraBadReply):
        parse_request(line + b"\r\n\r\n")


def test_cseq_is_never_echoed_unread() -> None:
    """Only digits come back as CSeq."""
    assert RtspRequest("PLAY", "*", {"cseq": "1\tevil"}).cseq == "0"


@pytest.mark.parametrize(
    ("value", "tcp", "first"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=4-5", True, 4),
        ("RTP/AVP/TCP;unicast", True, None),
        ("RTP/AVP;unicast;client_port=5000-5001", False, 5000),
        ("RTP/AVP;multicast,RTP/AVP/TCP;interleaved=0-1", True, 0),
        ("RTP/AVP/UDP;unicast;client_port=65534-65535", False, 65534),
    ],
)
def test_transports_we_speak(value: str, *, tcp: bool, first: int | None) -> None:
    """The first unicast transport of the list that we know is taken."""
    wish = parse_transport(value)
    assert wish is not None
    assert (wish.tcp, wish.first) == (tcp, first)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "RTP/AVP;multicast;client_port=1-2",
        "RTP/AVP/TCP;interleaved=255-256",
        "RTP/AVP;client_port=65535-65536",
        "RAW/RAW",
    ],
)
def test_transports_we_do_not_speak(value: str) -> None:
    """Multicast, numbers out of range and other protocols give None (461)."""
    assert parse_transport(value) is None


def test_reply_bytes() -> None:
    """A reply has its reason, CSeq, repeated headers and the body's length."""
    data = RtspReply(401, (("WWW-Authenticate", "Digest a"), ("WWW-Authenticate", "Basic b")), b"xy").to_bytes("9")
    assert data.startswith(b"RTSP/1.0 401 Unauthorized\r\nCSeq: 9\r\n")
    assert data.count(b"WWW-Authenticate") == 2
    assert data.endswith(b"Content-Length: 2\r\n\r\nxy")


def test_sdp_of_h264() -> None:
    """The description names the codec, the profile and both parameter sets."""
    text = describe(H264, fps=15, address="127.0.1.11", session="7", params=True).decode()
    assert "a=rtpmap:96 H264/90000\r\n" in text
    assert "profile-level-id=42C01F" in text
    sets = f"sprop-parameter-sets={base64.b64encode(H264.sps).decode()},{base64.b64encode(H264.pps).decode()}"
    assert sets in text
    assert text.endswith("a=control:trackID=0\r\n")


def test_sdp_without_parameter_sets() -> None:
    """A camera may leave the sets out: H.264 keeps its mode, H.265 has no fmtp at all."""
    assert "sprop" not in describe(H264, fps=15, address="a", session="7", params=False).decode()
    assert "fmtp" not in describe(H265, fps=15, address="a", session="7", params=False).decode()


def test_sdp_of_h265() -> None:
    """H.265 has three sets, each by its name (RFC 7798 §7.1)."""
    text = describe(H265, fps=15, address="a", session="7", params=True).decode()
    assert "a=rtpmap:96 H265/90000" in text
    for name, nal in (("vps", H265.vps), ("sps", H265.sps), ("pps", H265.pps)):
        assert f"sprop-{name}={base64.b64encode(nal).decode()}" in text
