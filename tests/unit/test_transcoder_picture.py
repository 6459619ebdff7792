"""Pictures of any codec to small H.264 ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.live.transcoder.pace import KEY_EVERY_90K, STEP_90K
from gateway.live.transcoder.picture import SmallPictures
from tests.fakes.encoded import encode
from tests.fakes.h264 import Clip, clip
from tests.fakes.h265 import as_clip, h265_clip

BIG = h265_clip(1280, 720, count=40)


def units(what: Clip, count: int, first: int = 0) -> list[AccessUnit]:
    return [what.unit(number, 1_000 + number) for number in range(first, first + count)]


def made_of(pictures: SmallPictures, given: Iterable[AccessUnit]) -> list[AccessUnit]:
    return [made for unit in given for made in pictures.take(unit)]


def decoded(made: Iterable[AccessUnit]) -> list[av.VideoFrame]:
    """Decode with a decoder that has nothing but what is sent."""
    context = av.CodecContext.create("h264", "r")
    assert isinstance(context, av.VideoCodecContext)
    frames = []
    for unit in made:
        sets = (unit.config.sps, unit.config.pps) if unit.is_key else ()
        frames += context.decode(av.Packet(b"".join(b"\0\0\0\1" + nal for nal in (*sets, *unit.nals))))
    return frames + context.decode(None)


def luma(frame: av.VideoFrame) -> np.ndarray:
    return frame.reformat(64, 36, "gray").to_ndarray().astype(np.int16)


def test_h265_becomes_small_h264_of_the_same_pictures() -> None:
    """Half of the pictures, 640x360, baseline, each decodes and looks like its source."""
    made = made_of(SmallPictures(), units(BIG, 40))
    assert len(made) == 20
    assert {unit.config.codec for unit in made} == {Codec.H264}
    assert made[0].config.sps[1] == 66
    frames = decoded(made)
    assert [(frame.width, frame.height) for frame in frames] == [(640, 360)] * 20
    source = av.CodecContext.create("hevc", "r")
    assert isinstance(source, av.VideoCodecContext)
    sets = (BIG.config.vps, BIG.config.sps, BIG.config.pps)
    first = source.decode(av.Packet(b"".join(b"\0\0\0\1" + nal for nal in (*sets, *BIG.pictures[0][0]))))
    wanted = (first + source.decode(None))[0]
    assert np.abs(luma(frames[0]) - luma(wanted)).mean() < 6


def test_times_are_the_sources() -> None:
    """Media time and time of receipt of a small picture are those of the unit it was made of."""
    given = {unit.pts_90k: unit.received_mono_ns for unit in units(BIG, 20)}
    made = made_of(SmallPictures(), units(BIG, 20))
    assert [unit.pts_90k for unit in made] == [number * STEP_90K for number in range(10)]
    assert all(given[unit.pts_90k] == unit.received_mono_ns for unit in made)


def test_key_frames_come_at_the_start_every_two_seconds_and_when_asked() -> None:
    """The first one, one each two seconds of media time, and the next one after `ask_key`."""
    pictures = SmallPictures()
    made = made_of(pictures, units(BIG, 100))
    assert [unit.pts_90k for unit in made if unit.is_key] == [0, KEY_EVERY_90K, 2 * KEY_EVERY_90K]
    pictures.ask_key()
    more = made_of(pictures, units(BIG, 10, 100))
    assert [unit.is_key for unit in more] == [True] + [False] * 4
    assert len(decoded(more)) == 5, "a viewer that begins here sees all"


def test_quiet_units_are_decoded_but_not_shown() -> None:
    """What follows them decodes as if they had been shown."""
    pictures = SmallPictures()
    given = units(BIG, 20)
    assert [made for unit in given[:11] for made in pictures.take(unit, quiet=True)] == []
    made = made_of(pictures, given[11:])
    assert made[0].is_key
    assert made[0].pts_90k == given[11].pts_90k
    assert pictures.bad == 0
    assert len(decoded(made)) == len(made) == 5


def test_pictures_before_the_first_key_frame_are_left_out() -> None:
    """Nothing is shown that has no reference."""
    made = made_of(SmallPictures(), units(BIG, 25, 10))
    assert made[0].pts_90k == 20 * 4500


def test_a_stream_with_b_frames_is_shown_in_order() -> None:
    """The decoder puts them in order, and what is sent has none."""
    what = as_clip(
        Codec.H265,
        encode(Codec.H265, 320, 240, 40, gop=20, params="bframes=2:b-adapt=0", options=(("tune", "fastdecode"),)),
        320,
        240,
    )
    # Times of display, as a camera writes them: x265's order of coding is I P b b.
    times = [0, *(base + step for base in range(0, 60, 3) for step in (3, 1, 2))]
    given = [dataclasses.replace(unit, pts_90k=times[n] * 4500) for n, unit in enumerate(units(what, 20))]
    made = made_of(SmallPictures(), given)
    assert len(made) >= 6
    assert [unit.pts_90k for unit in made] == sorted(unit.pts_90k for unit in made)


def test_a_new_run_or_new_parameter_sets_start_anew() -> None:
    """Time going back or another configuration: new decoder, key frame, and the size of the new stream."""
    pictures = SmallPictures()
    first = made_of(pictures, units(BIG, 40))
    again = made_of(pictures, units(BIG, 10))
    assert (again[0].is_key, again[0].pts_90k) == (True, 0)
    other = h265_clip(640, 480)
    config = dataclasses.replace(other.config, epoch=2)
    small = made_of(pictures, [dataclasses.replace(unit, config=config) for unit in units(other, 10, 40)])
    assert small[0].is_key
    assert (small[0].config.width, small[0].config.height) == (480, 360)
    assert small[0].config.epoch > first[0].config.epoch


def test_h264_of_a_camera_without_a_sub_stream_works_too() -> None:
    """The main stream of any codec we record can be made small."""
    made = made_of(SmallPictures(), units(clip(1280, 720), 20))
    assert len(decoded(made)) == 10


def test_ten_bits_and_full_range_become_what_browsers_play() -> None:
    """H.265 cameras may send Main 10."""
    what = as_clip(Codec.H265, encode(Codec.H265, 320, 240, 4, pixels="yuv420p10le"), 320, 240)
    frames = decoded(made_of(SmallPictures(), units(what, 4)))
    assert {frame.format.name for frame in frames} == {"yuv420p"}


def test_what_does_not_decode_costs_the_pictures_up_to_the_next_key_frame() -> None:
    """It is counted, nothing is raised, and the next key frame is shown."""
    pictures = SmallPictures()
    given = units(BIG, 41)
    given[0] = dataclasses.replace(given[0], nals=(b"\x26\x01" + b"\xff" * 400,), config=given[0].config)
    made = made_of(pictures, given)
    assert made[0].pts_90k == 20 * 4500
    assert made[0].is_key


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_malformed_h265_raises_nothing(data: st.DataObject) -> None:
    """Whatever bytes a camera sends as slices or parameter sets; a good key frame with its sets is shown after it."""
    pictures = SmallPictures()
    good = units(BIG, 3)
    for unit in good:
        nals = list(unit.nals)
        at = data.draw(st.integers(0, len(nals[0]) - 1))
        junk = data.draw(st.binary(max_size=60))
        nals[0] = nals[0][:at] + junk + nals[0][at + data.draw(st.integers(0, 60)) :]
        sets = unit.config
        if data.draw(st.booleans()):
            sets = dataclasses.replace(sets, sps=sets.sps[: data.draw(st.integers(0, 20))] + junk, epoch=7)
        pictures.take(dataclasses.replace(unit, nals=tuple(nals), config=sets))
    after = dataclasses.replace(BIG.config, epoch=9)
    made = made_of(pictures, [dataclasses.replace(unit, config=after) for unit in units(BIG, 1, 40)])
    assert [unit.is_key for unit in made] == [True]


@pytest.mark.parametrize("sets", [(b"", b"", b""), (b"\x42", b"\x44", b"\x40")])
def test_a_stream_without_usable_parameter_sets_shows_nothing(sets: tuple[bytes, bytes, bytes]) -> None:
    """It is no reason to end."""
    sps, pps, vps = sets
    config = CodecConfig(Codec.H265, sps, pps, vps, epoch=3)
    pictures = SmallPictures()
    assert made_of(pictures, [dataclasses.replace(unit, config=config) for unit in units(BIG, 25)]) == []
