"""Encoded loops: what is in them, and that each is made once."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from drivers.annexb import split_annex_b
from drivers.simulated.faults import Look
from drivers.simulated.scene import Loop, SceneSpec, SceneStore, encode, nal_type, still
from gateway.core.media import Codec

SPEC = SceneSpec("Lớp Lá 1", 0, 320, 180, 10, gop_frames=10, loop_frames=20, bitrate_bps=256_000)


def decode(loop: Loop, rounds: int = 1) -> list[np.ndarray]:
    """Feed the loop to a decoder as a stream that goes round."""
    name = "h264" if loop.spec.codec is Codec.H264 else "hevc"
    decoder = av.CodecContext.create(name, "r")
    assert isinstance(decoder, VideoCodecContext)
    sets = [nal for nal in (loop.config.vps, loop.config.sps, loop.config.pps) if nal]
    pictures: list[np.ndarray] = []
    for unit in loop.units * rounds:
        nals = [*sets, *unit.nals] if unit.is_key else list(unit.nals)
        packet = av.Packet(b"".join(b"\0\0\0\1" + nal for nal in nals))
        pictures += [frame.to_ndarray(format="gray") for frame in decoder.decode(packet)]
    return pictures + [frame.to_ndarray(format="gray") for frame in decoder.decode(None)]


def test_constrained_baseline_gop_and_no_b_frames() -> None:
    """A default scene is Constrained Baseline, a key frame each GOP, shown in decode order, one slice a picture."""
    loop = encode(SPEC)
    assert loop.config.sps[1] == 66
    assert loop.config.sps[2] & 0x40, "constraint_set1: Constrained Baseline"
    assert [i for i, unit in enumerate(loop.units) if unit.is_key] == [0, 10]
    assert all(unit.lag_90k == 0 for unit in loop.units)
    assert all(len(unit.nals) == 1 for unit in loop.units)
    assert {nal_type(nal, Codec.H264) for unit in loop.units for nal in unit.nals} == {1, 5}


def test_the_loop_can_go_round_for_ever() -> None:
    """Decoded twice round, every frame comes out, and the second round shows the same pictures."""
    pictures = decode(encode(SPEC), rounds=2)
    assert len(pictures) == 40
    assert all(np.array_equal(a, b) for a, b in zip(pictures[:20], pictures[20:], strict=True))


def test_pictures_move() -> None:
    """Every decoded frame differs from the one before: a freeze check sees life."""
    pictures = decode(encode(SPEC))
    assert all(np.any(a != b) for a, b in itertools.pairwise(pictures))


def test_frozen_is_one_gop_of_one_picture() -> None:
    """A frozen scene has the stream of a live one, but its picture stands still."""
    loop = encode(replace(SPEC, look=Look.FROZEN))
    pictures = decode(loop, rounds=2)
    assert len(loop.units) == 10
    assert np.array_equal(pictures[0], pictures[10])
    assert max(np.abs(pictures[-1].astype(int) - picture).mean() for picture in pictures) < 1


def test_h265() -> None:
    """An H.265 scene has VPS, SPS and PPS, starts at an IRAP picture and decodes whole."""
    loop = encode(replace(SPEC, codec=Codec.H265))
    kinds = [nal_type(nal, Codec.H265) for nal in (loop.config.vps, loop.config.sps, loop.config.pps)]
    assert kinds == [32, 33, 34]
    assert loop.units[0].is_key
    assert len(decode(loop)) == 20


def test_b_frames_are_shown_later_than_decoded() -> None:
    """With B-frames, presentation lags decoding, and all lags keep within a few frames."""
    loop = encode(replace(SPEC, b_frames=2))
    lags = [unit.lag_90k for unit in loop.units]
    assert max(lags) > 0
    assert 0 <= min(lags) <= max(lags) <= 6 * 9000
    assert len(decode(loop)) == 20


def test_grain_uses_the_bitrate() -> None:
    """Noise makes the encoder need more bits, up to the cap it was given."""

    def size(loop: Loop) -> int:
        return sum(len(nal) for unit in loop.units for nal in unit.nals)

    plain, noisy = size(encode(SPEC)), size(encode(replace(SPEC, grain=12)))
    assert noisy > plain
    assert noisy * 8 / 2.0 < SPEC.bitrate_bps * 2.5


@pytest.mark.parametrize(("wanted", "frames"), [(20, 20), (21, 30), (1, 20)])
def test_loops_are_whole_gops(wanted: int, frames: int) -> None:
    """A loop ends where a GOP ends, and has two at least: key frames of a live camera differ."""
    assert replace(SPEC, loop_frames=wanted).frames == frames
    assert replace(SPEC, loop_frames=wanted, look=Look.FROZEN).frames == SPEC.gop_frames


def test_payloads_are_made_once_and_hold_the_sets() -> None:
    """Payloads begin each key frame with SPS and PPS, unless told not to, and are cached."""
    loop = encode(SPEC)
    payloads = loop.payloads(1000)
    assert payloads is loop.payloads(1000)
    assert payloads[0][:2] == (loop.config.sps, loop.config.pps)
    assert loop.config.sps not in payloads[1]
    assert loop.config.sps not in loop.payloads(1000, params_in_band=False)[0]
    assert max(len(p) for unit in payloads for p in unit) <= 1000


def test_split_annex_b() -> None:
    """Start codes of 3 and 4 bytes end a NAL unit; trailing zeros are not part of it."""
    assert split_annex_b(b"\0\0\0\1\x67ab\0\0\1\x68c\0\0\0\1\x65\0\0\3d") == [b"\x67ab", b"\x68c", b"\x65\0\0\3d"]
    assert split_annex_b(b"no start code") == []


def test_still_is_a_jpeg_of_the_scene() -> None:
    """A still is a JPEG, and two instants give two pictures."""
    one, other = still(SPEC, 0.2), still(SPEC, 1.1)
    assert one[:3] == b"\xff\xd8\xff"
    assert one != other


def test_store_encodes_once_for_many_askers() -> None:
    """Equal specs asked for at the same time by four threads are encoded once and shared."""
    store, got = SceneStore(), []
    assert store.ready(SPEC) is None
    threads = [threading.Thread(target=lambda: got.append(store.get(replace(SPEC)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.encoded == 1
    assert all(loop is got[0] for loop in got)
    assert store.ready(SPEC) is got[0]


def test_store_is_bounded() -> None:
    """The loop that was not asked for the longest goes first."""
    small = replace(SPEC, width=64, height=64, gop_frames=2, loop_frames=2)
    specs = [replace(small, variant=n) for n in range(3)]
    store = SceneStore(most_loops=2)
    for spec in (specs[0], specs[1], specs[0], specs[2]):
        store.get(spec)
    assert store.ready(specs[1]) is None
    assert store.ready(specs[0]) is not None
    assert store.ready(specs[2]) is not None
