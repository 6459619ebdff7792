"""Parameter sets: a new epoch only at a key frame, and only for a real change."""

from __future__ import annotations

import pytest

from drivers.rtsp.parametersets import MOST_SET_BYTES, MOST_SETS, ParameterSets
from gateway.core.media import Codec, CodecConfig
from tests.fakes.bits import BitWriter
from tests.fakes.encoded import encode, sets_of


def unit(codec: Codec = Codec.H264, width: int = 320, params: str = "") -> tuple[list[bytes], bytes]:
    """Return the parameter sets and the first slice of an encoder's key frame."""
    (nals,) = encode(codec, width, 240, params=params)
    return list(sets_of(codec, (nals,)).values()), nals[-1]


def config_of(sets: ParameterSets) -> CodecConfig:
    assert sets.config is not None
    return sets.config


@pytest.mark.parametrize("codec", list(Codec))
def test_the_description_gives_the_first_configuration(codec: Codec) -> None:
    """Sets of the SDP, in any order, are epoch 0 with the picture's size."""
    known, _ = unit(codec)
    config = config_of(ParameterSets(codec, reversed(known)))
    assert (config.width, config.height, config.epoch) == (320, 240, 0)
    assert bool(config.vps) == (codec is Codec.H265)


@pytest.mark.parametrize("codec", list(Codec))
def test_half_a_description_is_none(codec: Codec) -> None:
    """With any set missing there is no configuration until it comes in band."""
    known, first = unit(codec)
    for missing in range(len(known)):
        sets = ParameterSets(codec, known[:missing] + known[missing + 1 :])
        assert sets.config is None
        sets.take(known[missing])
        sets.begin_key(first)
        assert config_of(sets).epoch == 0


def test_repeated_sets_keep_the_epoch() -> None:
    """Cameras repeat SPS and PPS before each key frame: the configuration object stays the same."""
    known, first = unit()
    sets = ParameterSets(Codec.H264, known)
    before = config_of(sets)
    for nal in known * 3:
        sets.take(nal + b"\0\0")
        sets.begin_key(first)
    assert sets.config is before


@pytest.mark.parametrize("codec", list(Codec))
def test_a_change_counts_from_the_key_frame_on(codec: Codec) -> None:
    """New sets change nothing until a key frame uses them; back again is another epoch."""
    small, first = unit(codec)
    wide, _ = unit(codec, 640)
    sets = ParameterSets(codec, small)
    for epoch, (known, width) in enumerate([(wide, 640), (small, 320), (wide, 640)], 1):
        for nal in known:
            sets.take(nal)
        assert config_of(sets).epoch == epoch - 1
        sets.begin_key(first)
        assert (config_of(sets).epoch, config_of(sets).width) == (epoch, width)


def test_a_key_frame_chooses_among_sets_of_several_ids() -> None:
    """The slice's PPS and that one's SPS make the configuration; other PPS go in band."""
    zero, first_zero = unit()
    three, first_three = unit(width=640, params="sps-id=3")
    sets = ParameterSets(Codec.H264, [*zero, *three])
    sets.begin_key(first_three)
    assert (config_of(sets).width, sets.extras()) == (640, (zero[1],))
    sets.begin_key(first_zero)
    assert (config_of(sets).width, sets.extras()) == (320, (three[1],))
    assert config_of(sets).epoch == 2


def test_a_slice_that_names_no_known_set_keeps_to_what_there_is() -> None:
    """A dangling id does not leave us without a configuration."""
    known, _ = unit()
    sets = ParameterSets(Codec.H264, known)
    _, first_three = unit(params="sps-id=3")
    sets.begin_key(first_three)
    assert config_of(sets).sps == known[0]


def test_memory_is_bounded() -> None:
    """Giant sets, empty ones and the ninth id are left out."""
    known, _ = unit()
    sets = ParameterSets(Codec.H264, known)
    before = config_of(sets)
    for nal in (b"\x67" + b"\xff" * MOST_SET_BYTES, b"\x67", b"\x68", b"\x67\x42\x00\x1f", b"\x68\0\0"):
        sets.take(nal)
    pps = [BitWriter().ue(number, 0).nal(b"\x68") for number in range(200)]
    for nal in pps:
        sets.take(nal)
    sets.begin_key(b"")
    assert len(sets.extras()) < MOST_SETS
    assert config_of(sets).sps == before.sps
