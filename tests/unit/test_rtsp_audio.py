"""Sound: AAC and G.711 taken apart, everything else left alone."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.rtsp.audio import MOST_FRAME_BYTES, MOST_FRAMES, SAMPLES, AudioDepacketizer, AudioFormat, audio_format
from gateway.core.media import AudioCodec, AudioConfig, AudioUnit
from tests.fakes.rtp import rtp

FMTP = {"mode": "AAC-hbr", "sizelength": "13", "indexlength": "3", "indexdeltalength": "3", "config": "1408"}
AAC = AudioFormat(AudioConfig(AudioCodec.AAC, 16_000, 1, b"\x14\x08"), 97, 13, 3, 3)
PCMU = AudioFormat(AudioConfig(AudioCodec.PCMU, 8_000, 1), 0)


def taker(form: AudioFormat) -> tuple[AudioDepacketizer, list[AudioUnit]]:
    units: list[AudioUnit] = []
    return AudioDepacketizer(form, units.append), units


def aac(*frames: bytes, sizes: tuple[int, ...] = ()) -> bytes:
    """Return an AAC-hbr payload; `sizes` lies about the frames' lengths."""
    said = sizes or tuple(map(len, frames))
    return struct.pack(f">H{len(said)}H", 16 * len(said), *(size << 3 for size in said)) + b"".join(frames)


def take(made: AudioDepacketizer, *payloads: bytes, kind: int = 97, first: int = 0, stamp: int = 0) -> None:
    for number, payload in enumerate(payloads, first):
        packet = rtp(number, stamp + number * SAMPLES, payload, kind=kind)
        made.packet(b"$" + packet, 1, 1 + len(packet), 5)


@pytest.mark.parametrize(
    ("kind", "rtpmap", "parameters", "form"),
    [
        (97, "mpeg4-generic/16000/1", FMTP, AAC),
        (0, "", {}, PCMU),
        (0, "pcmu/8000", {}, PCMU),
        (8, "", {}, AudioFormat(AudioConfig(AudioCodec.PCMA, 8_000, 1), 8)),
        (96, "pcma/16000/2", {}, AudioFormat(AudioConfig(AudioCodec.PCMA, 16_000, 2), 96)),
        (97, "mpeg4-generic/16000/1", {**FMTP, "mode": "generic"}, None),
        (97, "mpeg4-generic/16000/1", {**FMTP, "config": "xx"}, None),
        (97, "mpeg4-generic/16000/1", {**FMTP, "config": ""}, None),
        (97, "mpeg4-generic/16000/1", {**FMTP, "sizelength": "0"}, None),
        (97, "mpeg4-generic/16000/1", {**FMTP, "sizelength": "99"}, None),
        (97, "mpeg4-generic/16000/1", {**FMTP, "indexlength": "-1"}, None),
        (97, "mpeg4-generic/9999999/1", FMTP, None),
        (97, "mpeg4-generic/16000/9", FMTP, None),
        (97, "mp4a-latm/16000/1", FMTP, None),
        (97, "g726-32/8000", {}, None),
        (2, "", {}, None),
        (97, "", {}, None),
    ],
)
def test_what_a_description_offers(
    kind: int, rtpmap: str, parameters: dict[str, str], form: AudioFormat | None
) -> None:
    """AAC in its plain modes and G.711 are known; G.726, LATM, MP3 and nonsense are not."""
    assert audio_format(kind, rtpmap, parameters) == form


def test_several_frames_in_a_packet() -> None:
    """Each has its own time, 1,024 samples apart (RFC 3640 §3.2.1)."""
    made, units = taker(AAC)
    take(made, aac(b"one", b"three"), stamp=2**32 - 10)
    assert [(unit.data, unit.pts_ticks) for unit in units] == [(b"one", 0), (b"three", SAMPLES)]
    assert units[0].config.config == b"\x14\x08"
    assert units[0].received_mono_ns == 5


def test_one_frame_over_several_packets() -> None:
    """Each piece names the whole length; a missing piece is a missing frame."""
    frame = bytes(range(200)) * 5
    pieces = [aac(frame[at : at + 400], sizes=(1000,)) for at in (0, 400, 800)]
    made, units = taker(AAC)
    for number, piece in enumerate(pieces):
        packet = rtp(number, 7, piece, kind=97)
        made.packet(packet, 0, len(packet), 5)
    assert [unit.data for unit in units] == [frame]
    take(made, pieces[0], first=3)
    last = rtp(5, 9, pieces[2], marker=True, kind=97)
    made.packet(last, 0, len(last), 5)
    take(made, *pieces, aac(b"next"), first=6)
    assert [unit.data for unit in units[1:]] == [frame, b"next"]
    assert (made.lost, units[1].lost_before, made.malformed) == (1, 1, 0)
    take(made, pieces[0], aac(b"after"), first=10)  # its end never came, and no number is missing
    assert (units[-1].data, made.malformed) == (b"after", 1)


@pytest.mark.parametrize(
    "payload",
    [
        b"\0",
        b"\0\x10",
        b"\0\0" + b"x" * 20,
        b"\xff\xff" + bytes(20),
        b"\0\x09\0\0abc",
        struct.pack(">HH", 16, 1 << 3 | 5) + b"x",
        struct.pack(">HH", 16, 0),
        aac(b"ab", b"cd", sizes=(2, 500)),
        aac(b"ab", b"cd", sizes=(2, 0)),
        aac(*[b"x"] * (MOST_FRAMES + 1)),
    ],
)
def test_nonsense_is_counted(payload: bytes) -> None:
    """Headers cut short, interleaved, empty or too many: no frame comes out broken, and the next packet is taken."""
    made, units = taker(AAC)
    take(made, payload, aac(b"good"))
    assert units[-1].data == b"good"
    assert all(unit.data in (b"good", b"ab") for unit in units)
    assert made.malformed == 1


def test_samples_as_they_are() -> None:
    """G.711: the payload is the sound."""
    made, units = taker(PCMU)
    take(made, b"\xff" * 160, b"", b"\xfe" * 80, kind=0)
    assert [len(unit.data) for unit in units] == [160, 80]
    assert made.packets == 3


def test_other_packets_are_not_ours() -> None:
    """Another payload type, no RTP, too short, late: counted, each in its place."""
    made, units = taker(PCMU)
    take(made, b"x", kind=96)
    take(made, b"x", kind=0, first=10)
    take(made, b"x", kind=0, first=8)
    made.packet(b"\x80\0", 0, 2, 1)
    made.packet(b"\x40\0" + bytes(20), 0, 22, 1)
    assert (made.foreign, made.late, made.malformed, len(units)) == (1, 1, 2, 1)


def test_a_sound_that_counts_anew_is_followed() -> None:
    """Two packets in a row far behind: the first is late, from the second on it is the new line."""
    made, units = taker(PCMU)
    take(made, b"x", kind=0, first=40_000)
    take(made, b"a", b"b", b"c", kind=0, first=20_000)
    assert [unit.data for unit in units] == [b"x", b"b", b"c"]
    assert (made.late, made.lost) == (1, 0)


@given(
    st.lists(
        st.tuples(st.integers(0, 65_535), st.binary(max_size=60) | st.builds(aac, st.binary(max_size=9))), max_size=40
    ),
    st.sampled_from([AAC, PCMU]),
    st.integers(0, 255),
)
@settings(max_examples=300)
def test_any_packets_raise_nothing_and_hold_little(
    packets: list[tuple[int, bytes]], form: AudioFormat, head: int
) -> None:
    """Whatever comes: frames are bounded, what waits is bounded."""
    made, units = taker(form)
    for sequence, payload in packets:
        packet = bytearray(rtp(sequence, sequence * 7, payload, kind=form.payload_type))
        packet[0] = head if sequence % 5 == 0 else packet[0]
        made.packet(bytes(packet), 0, len(packet), sequence)
    assert all(len(unit.data) <= MOST_FRAME_BYTES for unit in units)
    assert sum(map(len, made._parts)) <= MOST_FRAME_BYTES
    assert made.units == len(units)
