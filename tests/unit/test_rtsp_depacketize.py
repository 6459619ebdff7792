"""From packets to access units: whole ones come out unchanged, broken ones do not come out."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.media import Codec
from tests.fakes.encoded import encode, is_key
from tests.fakes.rtp import Packetizer, framed, rtp
from tests.fakes.rtp_units import BOTH, PPS, SPS, feed, kept, maker, slice_nal


@BOTH
@pytest.mark.parametrize("size", [60, 300, 1400, 60_000])
@pytest.mark.parametrize("join", [False, True])
def test_what_an_encoder_makes_comes_out_unchanged(codec: Codec, size: int, *, join: bool) -> None:
    """Real pictures cut into packets of any size come back NAL unit for NAL unit, sets in `config`."""
    pictures = encode(codec, 640, 360, 9, params="slices=3" if codec is Codec.H264 else "")
    depacketizer, units = maker(codec, known=False)
    packetizer = Packetizer(codec, size, sequence=65_500, join=join)
    for number, nals in enumerate(pictures):
        feed(depacketizer, *packetizer.packets(nals, 1000 + number * 6000), now_ns=number)
    assert [unit.nals for unit in units] == [kept(codec, nals) for nals in pictures]
    assert [unit.pts_90k for unit in units] == [number * 6000 for number in range(9)]
    assert [unit.is_key for unit in units] == [is_key(codec, nals) for nals in pictures]
    assert [unit.received_mono_ns for unit in units] == list(range(9))
    assert {unit.config.epoch for unit in units} == {0}
    assert (units[0].config.width, units[0].config.height) == (640, 360)
    assert (depacketizer.lost, depacketizer.damaged, depacketizer.malformed) == (0, 0, 0)


@BOTH
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_packetise_then_depacketise_is_identity(codec: Codec, data: st.DataObject) -> None:
    """Any units of any sizes, cut at any packet size, come back as they were."""
    sizes = st.lists(st.lists(st.integers(4, 700), min_size=1, max_size=5), min_size=1, max_size=6)
    drawn, size, join = data.draw(sizes), data.draw(st.integers(16, 400)), data.draw(st.booleans())
    pictures = [
        tuple(slice_nal(length, key=number == 0, first=index == 0, codec=codec) for index, length in enumerate(lengths))
        for number, lengths in enumerate(drawn)
    ]
    depacketizer, units = maker(codec)
    packetizer = Packetizer(codec, size, sequence=data.draw(st.integers(0, 65_535)), join=join)
    begin = data.draw(st.integers(0, 2**32 - 1))
    for number, nals in enumerate(pictures):
        feed(depacketizer, *packetizer.packets(nals, begin + number * 6000))
    assert [unit.nals for unit in units] == pictures
    assert [unit.pts_90k for unit in units] == [number * 6000 for number in range(len(pictures))]
    assert depacketizer.lost == 0


@BOTH
@given(holes=st.sets(st.integers(0, 79), max_size=8))
@settings(max_examples=60, deadline=None)
def test_loss_is_counted_exactly_and_breaks_only_its_units(codec: Codec, holes: set[int]) -> None:
    """Any packets missing: `lost` is their number, and every unit that comes out is a whole one."""
    pictures = [
        tuple(slice_nal(300, key=number % 4 == 0, first=index == 0, codec=codec, fill=number + 1) for index in range(2))
        for number in range(10)
    ]
    packetizer = Packetizer(codec, 100, sequence=65_530)
    packets, owner = [], []
    for number, nals in enumerate(pictures):
        cut = packetizer.packets(nals, number * 6000)
        packets += cut
        owner += [number] * len(cut)
    assert len(packets) == 80
    depacketizer, units = maker(codec)
    feed(depacketizer, *(packet for index, packet in enumerate(packets) if index not in holes))
    broken = {owner[index] for index in holes}
    between = sorted(set(range(80)) - holes)
    assert depacketizer.lost == (between[-1] - between[0] + 1 - len(between) if between else 0)
    assert [unit.nals for unit in units] == [nals for number, nals in enumerate(pictures) if number not in broken]
    tail = sum(
        1 for index in holes if between and owner[index] > max((n for n in range(10) if n not in broken), default=-1)
    )
    head = between[0] if between else 0
    assert sum(unit.lost_before for unit in units) <= len(holes)
    if tail == 0 and head == 0:
        assert sum(unit.lost_before for unit in units) == len(holes)


def test_a_broken_key_frame_is_no_key_frame() -> None:
    """Losing any one packet of a key frame loses the key frame, never makes a shorter one."""
    key = (SPS, PPS, slice_nal(2000, key=True))
    for hole in range(2, len(Packetizer(size=200).packets(key, 0))):
        depacketizer, units = maker()
        packetizer = Packetizer(size=200)
        packets = packetizer.packets(key, 0) + packetizer.packets((slice_nal(),), 6000)
        feed(depacketizer, *packets[:hole], *packets[hole + 1 :])
        assert [unit.is_key for unit in units] == [False]
        assert units[0].lost_before == 1


def test_numbers_wrap_without_loss() -> None:
    """65,535 is followed by 0, and four billion ticks by a time that goes on."""
    depacketizer, units = maker()
    packetizer = Packetizer(sequence=65_533)
    for number in range(6):
        feed(depacketizer, *packetizer.packets((slice_nal(),), 2**32 - 12_000 + number * 6000))
    assert depacketizer.lost == 0
    assert [unit.pts_90k for unit in units] == [number * 6000 for number in range(6)]


def test_loss_across_the_wrap_is_exact() -> None:
    """From 65,534 to 3, four are missing."""
    depacketizer, units = maker()
    feed(depacketizer, framed(rtp(65_534, 0, slice_nal(), marker=True)), framed(rtp(3, 6000, slice_nal(), marker=True)))
    assert (depacketizer.lost, units[1].lost_before) == (4, 4)


def test_a_packet_that_comes_twice_is_dropped() -> None:
    """TCP does not reorder, but some cameras repeat."""
    depacketizer, units = maker()
    packets = Packetizer(size=100).packets((slice_nal(400),), 0)
    feed(depacketizer, *itertools.chain.from_iterable((packet, packet) for packet in packets))
    assert [unit.nals for unit in units] == [(slice_nal(400),)]
    assert (depacketizer.lost, depacketizer.late) == (0, len(packets) - 1 + 1)


def test_a_camera_that_counts_anew_is_followed() -> None:
    """A sequence that jumps back is taken up with the second packet and is not 60,000 lost ones."""
    depacketizer, units = maker()
    frames = [framed(rtp(number, number * 6000, slice_nal(), marker=True)) for number in (40_000, 40_001, 5, 6, 7)]
    feed(depacketizer, *frames)
    assert depacketizer.lost == 0
    assert len(units) == 4


def test_another_sender_begins_without_loss_and_time_goes_on() -> None:
    """A new SSRC is a new timeline: media time continues by the receive clock."""
    depacketizer, units = maker()
    feed(depacketizer, framed(rtp(10, 500, slice_nal(), marker=True)), now_ns=0)
    feed(depacketizer, framed(rtp(999, 4_000_000_000, slice_nal(), marker=True, ssrc=8)), now_ns=100_000_000)
    feed(depacketizer, framed(rtp(1000, 4_000_006_000, slice_nal(), marker=True, ssrc=8)), now_ns=166_000_000)
    assert [unit.pts_90k for unit in units] == [0, 9000, 15_000]
    assert depacketizer.lost == 0


def test_another_sender_in_the_middle_of_a_unit_breaks_it() -> None:
    """Half a picture of one sender is not finished by another's marker."""
    depacketizer, units = maker()
    packets = Packetizer(size=100).packets((slice_nal(400),), 0)
    other = Packetizer(size=100, sequence=2, ssrc=9).packets((slice_nal(),), 0)
    feed(depacketizer, *packets[:2], *other)
    assert [unit.nals for unit in units] == [(slice_nal(),)]


def test_without_markers_the_next_timestamp_ends_a_unit() -> None:
    """A camera that never sets the marker is read one picture late, with its own read time."""
    depacketizer, units = maker()
    packetizer = Packetizer(size=200)
    for number in range(4):
        feed(depacketizer, *packetizer.packets((slice_nal(500),), number * 6000, marker=False), now_ns=number)
    assert [unit.pts_90k for unit in units] == [0, 6000, 12_000]
    assert [unit.received_mono_ns for unit in units] == [0, 1, 2]


def test_without_markers_a_hole_at_the_edge_breaks_the_unit_before() -> None:
    """What is missing may have been its end."""
    depacketizer, units = maker()
    packetizer = Packetizer(size=200)
    packets = [packetizer.packets((slice_nal(500),), number * 6000, marker=False) for number in range(3)]
    feed(depacketizer, *packets[0][:-1], *packets[1], *packets[2])
    assert [unit.nals for unit in units] == [(slice_nal(500),)]
    assert depacketizer.damaged == 1


def test_a_marker_on_parameter_sets_ends_nothing() -> None:
    """Some cameras mark SPS and PPS packets: the key frame still carries everything."""
    depacketizer, units = maker(known=False)
    frames = [rtp(0, 0, SPS, marker=True), rtp(1, 0, PPS, marker=True), rtp(2, 0, slice_nal(key=True), marker=True)]
    feed(depacketizer, *map(framed, frames))
    assert [(unit.is_key, unit.nals) for unit in units] == [(True, (slice_nal(key=True),))]


def test_a_marker_on_every_slice_is_found_out() -> None:
    """After the first picture that was cut short, timestamps end units."""
    depacketizer, units = maker()
    slices = (slice_nal(fill=1), slice_nal(first=False, fill=2))
    for number in range(4):
        feed(
            depacketizer,
            *(framed(rtp(2 * number + index, number * 6000, nal, marker=True)) for index, nal in enumerate(slices)),
        )
    assert [unit.nals for unit in units] == [slices[:1], slices, slices]
    assert depacketizer.damaged == 1


def test_pictures_under_a_standing_clock_are_told_apart() -> None:
    """A camera whose timestamps stand still gives one unit a picture."""
    depacketizer, units = maker()
    for number in range(3):
        feed(depacketizer, framed(rtp(number, 77, slice_nal(fill=number), marker=True)))
    assert [unit.nals for unit in units] == [(slice_nal(fill=number),) for number in range(3)]
    assert {unit.pts_90k for unit in units} == {0}
    unmarked, pictures = maker()
    for number in range(3):
        feed(unmarked, framed(rtp(number, 77, slice_nal(fill=number))))
    assert len(pictures) == 2


def test_a_step_back_of_time_is_kept() -> None:
    """B-frames: media time follows the camera both ways."""
    depacketizer, units = maker()
    for number, stamp in enumerate((12_000, 24_000, 18_000, 30_000)):
        feed(depacketizer, framed(rtp(number, stamp, slice_nal(), marker=True)))
    assert [unit.pts_90k for unit in units] == [0, 12_000, 6000, 18_000]
