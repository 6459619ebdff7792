"""Boxes and parameter sets: what we write is what PyAV and ffprobe read."""

from __future__ import annotations

import io

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import BadInput, SegmentCorrupt
from gateway.core.media import Codec, CodecConfig
from recorder.fmp4 import (
    HEAD_BYTES,
    MAX_SIDX_ENTRIES,
    Sample,
    fragment,
    fragment_head,
    fragment_start_90k,
    init_segment,
    rebase,
    segment_index,
)
from recorder.sps import parse_sps, unescape
from tests.fakes.footage import START_MS, encoded

H264 = "674d0028eca03c0113f2e022000003000200000300791e30632c"


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """Split bytes into (kind, body)."""
    out, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        assert 8 <= size <= len(data) - at
        out.append((data[at + 4 : at + 8], data[at + 8 : at + size]))
        at += size
    return out


@pytest.mark.parametrize(
    ("sps", "size"),
    [
        (H264, (1920, 1080)),
        ("6742c01eda0280bfe5c044000003000400000300f03c58ba80", (640, 360)),
        ("67640028acd940780227e5c044000003000400000300c83c60c658", (1920, 1080)),
        ("67640020acd940500 5bb0110000003001000000300f0f1831960".replace(" ", ""), (1280, 720)),
    ],
)
def test_picture_sizes_of_real_cameras(sps: str, size: tuple[int, int]) -> None:
    """Cropping and profiles are understood."""
    found = parse_sps(Codec.H264, bytes.fromhex(sps))
    assert (found.width, found.height) == size
    assert (found.chroma_format, found.luma_bits) == (1, 8)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("size", [64, 90])
def test_sizes_agree_with_the_encoder(codec: str, size: int) -> None:
    """A size that is no multiple of 16 comes out of the crop fields of both codecs."""
    config = encoded(codec, frames=1, size=size)[0].config
    found = parse_sps(config.codec, config.sps)
    assert (found.width, found.height) == (config.width, config.height) == (2 * size, size)
    assert len(found.profile_tier_level) == (12 if codec == "libx265" else 0)


@given(st.sampled_from([Codec.H264, Codec.H265]), st.binary(max_size=64))
def test_garbage_parameter_sets_are_bad_input(codec: Codec, data: bytes) -> None:
    """Whatever a camera sends: a size within reason, or BadInput."""
    try:
        found = parse_sps(codec, data)
    except BadInput:
        return
    assert 0 < found.width <= 16384
    assert 0 < found.height <= 16384


@given(st.data())
def test_mutated_parameter_sets_never_crash_the_init_segment(data: st.DataObject) -> None:
    """A flipped bit in a real SPS gives an init segment or BadInput, nothing else."""
    codec = data.draw(st.sampled_from(["libx264", "libx265"]))
    config = encoded(codec, frames=1)[0].config
    sps = bytearray(config.sps)
    at = data.draw(st.integers(2, len(sps) - 1))
    sps[at] ^= 1 << data.draw(st.integers(0, 7))
    sps = sps[: data.draw(st.integers(0, len(sps)))]
    try:
        init = init_segment(CodecConfig(config.codec, bytes(sps), config.pps, config.vps))
    except BadInput:
        return
    assert [kind for kind, _ in boxes(init)] == [b"ftyp", b"moov"]


def test_emulation_prevention_is_removed() -> None:
    """00 00 03 becomes 00 00, also twice in a row."""
    assert unescape(b"\1\0\0\3\1\0\0\3\0\0\3") == b"\1\0\0\1\0\0\0\0"
    assert unescape(b"plain") == b"plain"


def test_an_init_segment_without_parameter_sets_is_refused() -> None:
    """Nothing can be decoded without them."""
    with pytest.raises(BadInput):
        init_segment(CodecConfig(Codec.H264, b"", b""))
    with pytest.raises(BadInput):
        init_segment(CodecConfig(Codec.H264, bytes.fromhex(H264), b""))


def play(data: bytes) -> list[tuple[int, bool]]:
    """Demux bytes with PyAV: (pts, key) of each packet, and decode them all."""
    with av.open(io.BytesIO(data), "r") as container:
        out = [(packet.pts or 0, packet.is_keyframe) for packet in container.demux(video=0) if packet.size]
    with av.open(io.BytesIO(data), "r") as container:
        assert len(list(container.decode(video=0))) == len(out)
    return out


def make(base_90k: int, count: int = 30) -> bytes:
    """Return one fragment of real pictures."""
    units = encoded(frames=60)[:count]
    samples = [Sample(6000, unit.size_bytes + 4 * len(unit.nals), unit.is_key) for unit in units]
    return fragment(1, base_90k, samples, (nal for unit in units for nal in unit.nals))


def test_a_fragment_states_its_wall_time() -> None:
    """`tfdt` is UTC in 90 kHz, 64 bits: every player sees the same instant."""
    config = encoded(frames=60)[0].config
    data = make(START_MS * 90)
    assert fragment_start_90k(data) == START_MS * 90
    assert [kind for kind, _ in boxes(data)] == [b"moof", b"mdat"]
    packets = play(init_segment(config) + data)
    assert packets == [(START_MS * 90 + 6000 * number, number == 0) for number in range(30)]


def test_a_fragment_is_renumbered_in_place() -> None:
    """Export moves a fragment in time without touching anything else."""
    config = encoded(frames=60)[0].config
    data = make(START_MS * 90)
    head, rest = rebase(data, 9, 0)
    assert len(head) == HEAD_BYTES
    moved = head + bytes(rest)
    assert len(moved) == len(data)
    assert (data[:20] == moved[:20], moved[20:24], data[68:] == moved[68:]) == (True, b"\0\0\0\t", True)
    assert play(init_segment(config) + moved)[0] == (0, True)


def test_what_is_no_fragment_of_ours_is_not_moved() -> None:
    """Foreign boxes are never patched blindly."""
    for data in (b"", b"\0" * 100, make(0)[8:]):
        with pytest.raises(SegmentCorrupt):
            rebase(data, 1, 0)


def test_negative_shifts_are_signed() -> None:
    """A picture shown before its decode slot needs version 1 of the track run box."""
    head = fragment_head(1, 0, [Sample(3000, 10, is_key=True), Sample(3000, 10, is_key=False, shift_90k=-3000)])
    at = head.index(b"trun")
    assert head[at + 4 : at + 8] == bytes.fromhex("01000f01")
    assert head.endswith(b"\xff\xff\xf4\x48" + b"\0\0\0\x1c" + b"mdat")


def test_the_index_of_a_clip_names_every_fragment() -> None:
    """A sidx in front lets players seek and know the length without reading the file."""
    data = segment_index([(1000, 180_000, True), (500, 90_000, False)])
    ((kind, body),) = boxes(data)
    assert kind == b"sidx"
    assert body[-24:] == bytes.fromhex("000003e80002bf2090000000000001f400015f9000000000")
    assert segment_index([(1, 1, True)] * (MAX_SIDX_ENTRIES + 1)) == b""


def test_the_length_is_announced() -> None:
    """`mehd` says how long a finished clip is; live footage has none."""
    config = encoded(frames=60)[0].config
    assert b"mehd\1\0\0\0" + (180_000).to_bytes(8, "big") in init_segment(config, 180_000)
    assert b"mehd" not in init_segment(config)
