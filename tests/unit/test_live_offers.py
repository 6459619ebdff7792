"""Offers: read strictly and written anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import OfferRefused
from gateway.live.offers import ABS_SEND_TIME, MAX_OFFER_BYTES, WALL, WHEP, Unserved, parse_candidates, parse_offer

CHROMIUM = (Path(__file__).parent.parent / "fakes" / "chromium_offer.sdp").read_text().replace("\n", "\r\n")
CHROMIUM_WALL = (Path(__file__).parent.parent / "fakes" / "chromium_wall.sdp").read_text().replace("\n", "\r\n")
FIREFOX = "\r\n".join(
    [
        "v=0",
        "o=mozilla...THIS_IS_SDPARTA-99.0 1234567890123456789 0 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=sendrecv",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "a=group:BUNDLE 0",
        "a=ice-options:trickle",
        "a=msid-semantic:WMS *",
        "m=video 9 UDP/TLS/RTP/SAVPF 120 124 126 127 97 98",
        "c=IN IP4 0.0.0.0",
        "a=candidate:0 1 UDP 2122252543 192.168.1.30 50000 typ host",
        "a=candidate:1 1 TCP 2105524479 192.168.1.30 9 typ host tcptype active",
        "a=recvonly",
        "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=extmap:4 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "a=fmtp:126 profile-level-id=42e01f;level-asymmetry-allowed=1;packetization-mode=1",
        "a=fmtp:97 profile-level-id=42e01f;level-asymmetry-allowed=1",
        "a=fmtp:127 apt=126",
        "a=ice-pwd:0123456789abcdef0123456789abcdef",
        "a=ice-ufrag:12ab34cd",
        "a=mid:0",
        "a=rtcp-fb:126 nack",
        "a=rtcp-fb:126 nack pli",
        "a=rtcp-fb:126 ccm fir",
        "a=rtcp-fb:126 goog-remb",
        "a=rtcp-mux",
        "a=rtpmap:120 VP8/90000",
        "a=rtpmap:126 H264/90000",
        "a=rtpmap:127 rtx/90000",
        "a=rtpmap:97 H264/90000",
        "a=setup:actpass",
        "a=ssrc:99 cname:{x}",
        "",
    ]
)

TWO_LINES = "m=".join(CHROMIUM_WALL.split("m=")[:3])
"""A wall of two tiles, short enough to be changed at random."""


def lines(text: str) -> list[str]:
    return text.split("\r\n")


def without(text: str, start: str) -> str:
    """Return the offer without the first line that begins so."""
    kept = lines(text)
    kept.remove(next(line for line in kept if line.startswith(start)))
    return "\r\n".join(kept)


def test_chromiums_offer_is_rewritten_to_what_we_serve() -> None:
    """H.264 in mode 1 with its RTX stays, every other codec, extension and attribute goes."""
    offer = parse_offer(CHROMIUM)
    assert "m=video 9 UDP/TLS/RTP/SAVPF 102 108 116 41 103 109 117 42" in lines(offer.sdp)
    assert offer.has_channel
    for word in ("VP8", "AV1", "transport-cc", "extmap:4", "msid", "rtcp-rsize", "end-of-candidates"):
        assert word not in offer.sdp
    assert f"a=extmap:2 {ABS_SEND_TIME}" in lines(offer.sdp)
    assert [item.address.endswith(".local") for item in offer.candidates] == [True, True]


def test_firefoxs_offer_passes() -> None:
    """Session-level fingerprint and direction, upper-case UDP, TCP candidates: read, the TCP one left out."""
    offer = parse_offer(FIREFOX)
    assert not offer.has_channel
    assert [(item.address, item.port) for item in offer.candidates] == [("192.168.1.30", 50000)]
    assert "a=fingerprint:sha-256 " + ":".join(["AB"] * 32) in lines(offer.sdp)
    assert "m=video 9 UDP/TLS/RTP/SAVPF 126 127" in lines(offer.sdp)


@pytest.mark.parametrize("text", [CHROMIUM, FIREFOX], ids=["chromium", "firefox"])
def test_aiortc_reads_what_we_write(text: str) -> None:
    """The canonical text parses, with the ICE and DTLS facts of the original."""
    parsed = SessionDescription.parse(parse_offer(text).sdp)
    video = parsed.media[0]
    assert {codec.name for codec in video.rtp.codecs} == {"H264", "rtx"}
    assert video.ice is not None
    assert video.ice.usernameFragment
    assert video.dtls is not None
    assert video.dtls.fingerprints


def test_plain_newlines_are_read_too() -> None:
    """A client that ends lines with LF only is understood."""
    assert parse_offer(CHROMIUM.replace("\r\n", "\n")) == parse_offer(CHROMIUM)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "nothing"),
        ("{}", "no SDP"),
        (without(CHROMIUM, "a=ice-pwd"), "no ICE password"),
        (without(CHROMIUM, "a=mid"), "no identification"),
        (without(FIREFOX, "a=fingerprint"), "no fingerprint"),
        (without(CHROMIUM, "a=rtcp-mux"), "no multiplexing"),
        (without(CHROMIUM, "a=sctp-port"), "a data channel without a port"),
        (CHROMIUM.replace("packetization-mode=1", "packetization-mode=0"), "only mode 0"),
        (CHROMIUM.replace("H264", "H265"), "another codec"),
        (CHROMIUM.replace("a=recvonly", "a=sendonly"), "a viewer that sends"),
        (CHROMIUM.replace("a=recvonly", "a=inactive"), "a viewer that does nothing"),
        (CHROMIUM.replace("a=setup:actpass", "a=setup:passive"), "a viewer that will not be client"),
        (CHROMIUM.replace("m=video 9", "m=video 0"), "a line switched off"),
        (CHROMIUM.replace("m=video", "m=audio"), "no video"),
        (CHROMIUM.replace("a=mid:1", "a=mid:0"), "an identification twice"),
        (CHROMIUM.replace("a=mid:0", "a=mid:0\x00"), "a control character"),
        (CHROMIUM.replace("a=mid:0", "a=mid:ổ"), "text that is no ASCII"),
        (CHROMIUM + "garbage\r\n", "a line that is none"),
        (CHROMIUM + "m=video 9 UDP/TLS/RTP/SAVPF 102\r\na=mid:2\r\n", "a second video"),
        (CHROMIUM.replace("typ host", "typ"), "a malformed candidate"),
        (CHROMIUM.replace(" 46214 ", " 99999 "), "a port that is none"),
        (CHROMIUM.replace("a=ice-ufrag:", "a=ice-ufrag:é"), "a malformed user fragment"),
        (CHROMIUM.replace("sha-256", "md5"), "a broken hash"),
        (CHROMIUM.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), "no encryption"),
        (CHROMIUM.replace("m=application 9 UDP/DTLS/SCTP webrtc", "m=application 9 UDP/DTLS/SCTP bfcp"), "BFCP"),
    ],
    ids=lambda value: value if len(value) < 40 else "",
)
def test_what_we_do_not_serve_is_refused(text: str, why: str) -> None:
    """Each of these is one OfferRefused, never another error."""
    with pytest.raises(OfferRefused):
        parse_offer(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (CHROMIUM + "a=ssrc:1 cname:x\r\n" * 20_000, "20,000 sources"),
        (CHROMIUM + "a=rtpmap:99 H264/90000\r\n" * 20_000, "20,000 codecs"),
        (CHROMIUM + "a=x:" + "y" * 1_000_000 + "\r\n", "a line of a megabyte"),
        (CHROMIUM + "a=x:" + "y" * 600 + "\r\n", "a line of 600 bytes"),
        (CHROMIUM + "a=x\r\n" * 600, "600 lines"),
        (CHROMIUM + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n" * 5, "seven media lines"),
        (CHROMIUM + "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n" * 20, "22 candidates"),
    ],
    ids=lambda value: value if len(value) < 40 else "",
)
def test_bombs_are_refused_by_size(text: str, why: str) -> None:
    """What would keep aiortc's parser busy for seconds is refused by a size limit, before it is looked into."""
    with pytest.raises(OfferRefused, match=r"over \d+ bytes|more than \d+|malformed line"):
        parse_offer(text)


def test_the_limits_leave_room_for_a_real_browser() -> None:
    """Chromium's offer with eight interfaces' candidates is well inside."""
    assert len(CHROMIUM) + 8 * 120 < MAX_OFFER_BYTES


def test_a_wall_has_a_line_for_each_tile() -> None:
    """Chromium's sixteen lines and the channel are read, each with its own identification."""
    offer = parse_offer(CHROMIUM_WALL, WALL)
    assert (offer.videos, offer.has_channel, len(offer.candidates)) == (16, True, 2)
    assert [line for line in lines(offer.sdp) if line.startswith("a=mid:")] == [f"a=mid:{n}" for n in range(17)]
    assert len(SessionDescription.parse(offer.sdp).media) == 17


def test_a_wall_is_no_way_around_the_limits_of_one_session() -> None:
    """Sixteen lines are refused where one is served, a seventeenth always, and so is a channel amid them."""
    with pytest.raises(OfferRefused):
        parse_offer(CHROMIUM_WALL)
    head, *media = CHROMIUM_WALL.split("m=")
    two = [media[0], media[1].replace("a=mid:1\r\n", "a=mid:77\r\n")]
    assert parse_offer("m=".join([head, *two]), WALL).videos == 2
    with pytest.raises(OfferRefused, match="only 1 video"):
        parse_offer("m=".join([head, *two]))
    with pytest.raises(OfferRefused):
        parse_offer("m=".join([head, *media[:16], two[1], media[16]]), WALL)
    with pytest.raises(OfferRefused):
        parse_offer("m=".join([head, media[0], media[16], media[1]]), WALL)
    with pytest.raises(OfferRefused, match="share"):
        parse_offer("m=".join([head, media[0], media[0]]), WALL)


@given(st.data())
def test_mutilated_offers_are_refused_or_harmless(data: st.DataObject) -> None:
    """Lines dropped, doubled, cut or noised: either OfferRefused, or text that aiortc's parser accepts."""
    source = lines(data.draw(st.sampled_from([CHROMIUM, FIREFOX, TWO_LINES])))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(source) - 1))
        kind = data.draw(st.sampled_from(["drop", "double", "cut", "noise", "move"]))
        if kind == "drop" and len(source) > 1:
            del source[at]
        elif kind == "double":
            source.insert(at, source[at])
        elif kind == "cut":
            source[at] = source[at][: data.draw(st.integers(0, 30))]
        elif kind == "noise":
            source[at] += data.draw(st.text(max_size=10))
        else:
            source.insert(data.draw(st.integers(0, len(source) - 1)), source.pop(at))
    try:
        offer = parse_offer("\r\n".join(source), data.draw(st.sampled_from([WHEP, WALL])))
    except OfferRefused:
        return
    SessionDescription.parse(offer.sdp)


@given(st.text(max_size=400))
def test_any_text_is_refused_the_same_way(text: str) -> None:
    """No text makes the parser raise anything but OfferRefused."""
    with pytest.raises(OfferRefused):
        parse_offer("v=0\n" + text)


def test_trickled_candidates_are_read_in_every_form() -> None:
    """A bare value, an attribute line and a whole fragment give the same; TCP and ends are left out."""
    value = "candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host generation 0 ufrag x network-id 1"
    fragment = f"a=ice-ufrag:x\r\na=mid:0\r\na={value}\r\na=candidate:2 1 tcp 1 192.0.2.7 9 typ host\r\na=end-of-candidates\r\n"
    found = parse_candidates(value)
    assert [(item.address, item.port, item.kind) for item in found] == [("192.0.2.7", 50000, "host")]
    assert parse_candidates(f"a={value}") == parse_candidates(fragment) == found
    assert parse_candidates("") == ()


@pytest.mark.parametrize("text", ["candidate:1", "a=candidate:1 1 udp x 192.0.2.7 9 typ host", "candidate:\x00"])
def test_malformed_trickle_is_refused(text: str) -> None:
    """A candidate that is none is the client's error."""
    with pytest.raises(OfferRefused):
        parse_candidates(text)


def test_a_trickle_bomb_is_refused() -> None:
    """Neither a long fragment nor a fragment of many candidates is read."""
    for text in ("candidate:1 1 udp 1 192.0.2.7 9 typ host\n" * 21, "x" * (MAX_OFFER_BYTES + 1)):
        with pytest.raises(OfferRefused):
            parse_candidates(text)


def test_a_line_that_has_its_ports_with_the_first_is_not_switched_off() -> None:
    """Firefox under max-bundle: `m=application 0` with `bundle-only`; without it port 0 means off."""
    channel = ["m=application 0 UDP/DTLS/SCTP webrtc-datachannel", "a=bundle-only", "a=mid:1", "a=sctp-port:5000", ""]
    offer = parse_offer(FIREFOX + "\r\n".join(channel))
    assert offer.has_channel
    assert "m=application 9 UDP/DTLS/SCTP webrtc-datachannel" in offer.sdp
    with pytest.raises(OfferRefused, match="switched off"):
        parse_offer(FIREFOX + "\r\n".join(line for line in channel if line != "a=bundle-only"))


SOUND = """\
m=audio 9 UDP/TLS/RTP/SAVPF 111 0
a=mid:a
a=rtpmap:111 opus/48000/2
a=ice-ufrag:zjkk1
a=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y
a=setup:actpass
a=candidate:1 1 udp 2130706431 192.0.2.7 9 typ host
""".replace("\n", "\r\n")


def with_sound(*, first: bool, sound: str = SOUND, offer: str = FIREFOX) -> str:
    """The offer with a sound line before or after its video."""
    head, _, rest = offer.partition("m=video")
    return head + sound + "m=video" + rest if first else offer + sound


@pytest.mark.parametrize("first", [True, False])
def test_sound_is_noted_and_left_out(first: bool) -> None:
    """Nothing of it reaches the library; the answer will repeat its place, name and first codec."""
    offer = parse_offer(with_sound(first=first))
    assert "audio" not in offer.sdp
    assert "opus" not in offer.sdp
    (item,) = offer.sound
    assert item == Unserved(index=0 if first else 1, mid="a", payload_type=111, codec="opus/48000/2", off=False)
    assert parse_offer(FIREFOX).sound == ()


def test_a_video_line_that_has_its_path_with_the_sound_takes_it_from_there() -> None:
    """Under max-bundle only the first line says how to reach the viewer."""
    video = (
        "".join(
            line + "\r\n"
            for line in FIREFOX.split("\r\n")[:-1]
            if not line.startswith(("a=candidate", "a=ice-ufrag", "a=ice-pwd", "a=setup"))
        )
        .replace("m=video 9 ", "m=video 0 ")
        .replace("a=mid:", "a=bundle-only\r\na=mid:")
    )
    offer = parse_offer(with_sound(first=True, offer=video))
    assert [item.address for item in offer.candidates] == ["192.0.2.7"]
    assert "a=ice-ufrag:zjkk1" in offer.sdp
    assert "a=setup:actpass" in offer.sdp


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SAVPF 111 0", "SAVPF x"),
        ("SAVPF 111 0", "SAVPF 300"),
        ("UDP/TLS/RTP/SAVPF", "UDP/DTLS/SCTP"),
        ("a=mid:a\r\n", ""),
        ("a=mid:a", "a=mid:0"),
        ("m=audio 9", "m=audio 99999999"),
    ],
)
def test_a_malformed_sound_line_is_refused(old: str, new: str) -> None:
    """What the answer would repeat is looked at."""
    with pytest.raises(OfferRefused):
        parse_offer(with_sound(first=True, sound=SOUND.replace(old, new)))


def test_a_codec_name_that_is_none_is_not_repeated() -> None:
    """Only what has the form of one; a line that the viewer has switched off stays off."""
    odd = SOUND.replace("opus/48000/2", "o pus/48000/2\x7f").replace("\x7f", "")
    assert parse_offer(with_sound(first=True, sound=odd)).sound[0].codec == ""
    assert parse_offer(with_sound(first=True, sound=SOUND.replace("audio 9", "audio 0"))).sound[0].off
