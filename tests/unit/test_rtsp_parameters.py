"""Picture sizes and ids, against real encoders, hand-written sets and any bytes at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.rtsp.bits import BitReader, OutOfBits
from drivers.rtsp.parameters import picture_size, pps_ids, slice_pps_id, sps_id
from gateway.core.media import Codec
from tests.fakes.bits import BitWriter
from tests.fakes.encoded import encode, sets_of


@pytest.mark.parametrize(
    "size", [(1920, 1080), (1280, 720), (640, 360), (352, 288), (322, 242), (16, 16), (2560, 1440)]
)
@pytest.mark.parametrize("profile", ["baseline", "main", "high"])
def test_sizes_of_real_h264(size: tuple[int, int], profile: str) -> None:
    """Whatever x264 encodes, the size after cropping is the picture's."""
    units = encode(Codec.H264, *size, options=(("profile", profile),))
    assert picture_size(Codec.H264, sets_of(Codec.H264, units)[7]) == size


@pytest.mark.parametrize(
    ("pixels", "size"),
    [("yuv422p", (322, 242)), ("yuv444p", (321, 241)), ("yuv420p10le", (322, 242)), ("gray", (322, 242))],
)
def test_sizes_of_odd_h264(pixels: str, size: tuple[int, int]) -> None:
    """Other chroma formats crop in other units."""
    units = encode(Codec.H264, *size, pixels=pixels)
    assert picture_size(Codec.H264, sets_of(Codec.H264, units)[7]) == size


def test_size_of_interlaced_h264() -> None:
    """Fields double the rows and the cropping units."""
    units = encode(Codec.H264, 720, 572, options=(("profile", "main"),), params="tff=1")
    assert picture_size(Codec.H264, sets_of(Codec.H264, units)[7]) == (720, 572)


@pytest.mark.parametrize("size", [(1920, 1080), (640, 360), (322, 242)])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p"])
def test_sizes_of_real_h265(size: tuple[int, int], pixels: str) -> None:
    """The conformance window of x265 is taken off."""
    units = encode(Codec.H265, *size, pixels=pixels)
    assert picture_size(Codec.H265, sets_of(Codec.H265, units)[33]) == size


def h264_high(*, lists: bool, order: int = 2) -> bytes:
    """Write a High SPS of 1920x1080, with scaling lists of several shapes if asked."""
    bits = BitWriter().u(100, 8).u(0, 8).u(40, 8).ue(0).ue(1).ue(0, 0).u(0, 1).u(int(lists), 1)
    if lists:
        bits.u(1, 1).se(*([0] * 16))  # flat
        bits.u(1, 1).se(-8)  # use the default
        bits.u(0, 1)
        bits.u(1, 1).se(*([1, -1] * 8))
        bits.u(0, 2)
        bits.u(1, 1).se(*([2] * 63), -128)  # ends wrapping round
        bits.u(0, 1)
    bits.ue(0).ue(order)
    if order == 0:
        bits.ue(4)
    elif order == 1:
        bits.u(0, 1).se(-2, 3).ue(3).se(1, -1, 0)
    return bits.ue(4).u(0, 1).ue(119, 67).u(1, 1).u(1, 1).u(1, 1).ue(0, 0, 0, 4).u(0, 1).nal(b"\x67")


@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_scaling_lists_and_all_picture_orders(order: int, *, lists: bool) -> None:
    """The optional fields before the size are skipped exactly."""
    assert picture_size(Codec.H264, h264_high(lists=lists, order=order)) == (1920, 1080)


def test_h265_with_sub_layers() -> None:
    """Three temporal layers with and without their own profile and level."""
    bits = BitWriter().u(0, 4).u(2, 3).u(1, 1).u(1, 96)
    bits.u(0b11, 2).u(0b01, 2).u(0, 12).u(5, 88).u(9, 8).u(7, 8)
    bits.ue(3).ue(1).ue(1920, 1088).u(1, 1).ue(0, 0, 0, 4).ue(0)
    sps = bits.nal(b"\x42\x01")
    assert picture_size(Codec.H265, sps) == (1920, 1080)
    assert sps_id(Codec.H265, sps) == 3


def test_ids_of_real_streams() -> None:
    """The key frame's slice names the PPS, and the PPS names the SPS."""
    for codec, kinds in ((Codec.H264, (7, 8)), (Codec.H265, (33, 34))):
        (unit,) = encode(codec)
        sets = sets_of(codec, (unit,))
        assert sps_id(codec, sets[kinds[0]]) == 0
        assert pps_ids(codec, sets[kinds[1]]) == (0, 0)
        assert slice_pps_id(codec, unit[-1]) == 0


def test_ids_other_than_zero() -> None:
    """x264 can number its sets; we follow."""
    (unit,) = encode(Codec.H264, params="sps-id=3")
    sets = sets_of(Codec.H264, (unit,))
    assert sps_id(Codec.H264, sets[7]) == 3
    assert pps_ids(Codec.H264, sets[8]) == (3, 3)
    assert slice_pps_id(Codec.H264, unit[-1]) == 3


@pytest.mark.parametrize("sps", [b"\x67", b"\x67\x42\x00\x1f", b"\x67" + b"\0" * 40])
def test_unreadable_sets_have_no_size(sps: bytes) -> None:
    """A set that is cut short or absurd is (0, 0), never an error."""
    assert picture_size(Codec.H264, sps) == (0, 0)
    assert picture_size(Codec.H265, b"\x42\x01" + sps) == (0, 0)


def test_a_giant_size_is_unreadable() -> None:
    """65,536 pixels a side are a lie."""
    sps = BitWriter().u(66, 8).u(0, 8).u(40, 8).ue(0).ue(0).ue(2).ue(1).u(0, 1).ue(4095, 4095).u(1, 1).u(1, 1).u(0, 2)
    assert picture_size(Codec.H264, sps.nal(b"\x67")) == (0, 0)


@given(st.binary(max_size=200), st.sampled_from(list(Codec)))
def test_any_bytes_give_a_size_and_ids(data: bytes, codec: Codec) -> None:
    """No bytes raise; sizes stay within 16,384."""
    width, height = picture_size(codec, data)
    assert 0 <= width <= 16_384
    assert 0 <= height <= 16_384
    sps_id(codec, data)
    pps_ids(codec, data)
    slice_pps_id(codec, data)


@given(st.lists(st.integers(0, 2**20), max_size=30), st.lists(st.integers(-(2**20), 2**20), max_size=30))
def test_numbers_come_back(unsigned: list[int], signed: list[int]) -> None:
    """Exp-Golomb numbers written are the numbers read, through emulation prevention."""
    nal = BitWriter().ue(*unsigned).se(*signed).nal(b"\x67")
    reader = BitReader(nal, skip_bytes=1)
    assert [reader.unsigned() for _ in unsigned] == unsigned
    assert [reader.signed() for _ in signed] == signed


def test_an_endless_number_is_cut() -> None:
    """Forty zero bits are no number."""
    with pytest.raises(OutOfBits):
        BitReader(b"\x67" + bytes(40), skip_bytes=1).unsigned()


@pytest.mark.parametrize("codec", list(Codec))
def test_separate_colour_planes_are_cropped_like_grey(codec: Codec) -> None:
    """4:4:4 with three planes: cropping counts single pixels."""
    if codec is Codec.H264:
        bits = BitWriter().u(244, 8).u(0, 8).u(40, 8).ue(0).ue(3).u(1, 1).ue(0, 0).u(0, 2).ue(0, 2, 4).u(0, 1)
        bits.ue(19, 14).u(1, 1).u(1, 1).u(1, 1).ue(0, 3, 0, 5).u(0, 1)
        nal = bits.nal(b"\x67")
    else:
        bits = BitWriter().u(0, 4).u(0, 3).u(1, 1).u(1, 96).ue(0).ue(3).u(1, 1).ue(320, 240).u(1, 1).ue(0, 3, 0, 5)
        nal = bits.ue(0).nal(b"\x42\x01")
    assert picture_size(codec, nal) == (317, 235)
