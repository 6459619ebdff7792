"""From packets to access units: whole ones come out unchanged, broken ones do not come out."""

from __future__ import annotations

import itertools
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.rtsp.depacketize import MOST_FRAGMENTS, MOST_NALS, MOST_UNIT_BYTES, Depacketizer
from drivers.rtsp.parametersets import ParameterSets
from drivers.rtsp.payload import make_depacketizer
from gateway.core.media import AccessUnit, Codec
from tests.fakes.encoded import SETS, encode, is_key, kind_of, sets_of
from tests.fakes.rtp import Packetizer, aggregate, fragments, framed, rtp

BOTH = pytest.mark.parametrize("codec", list(Codec))
SPS, PPS = sets_of(Codec.H264, encode(Codec.H264)).values()


def maker(codec: Codec = Codec.H264, *, known: bool = True) -> tuple[Depacketizer, list[AccessUnit]]:
    """Return a depacketizer and the list its units go to."""
    units: list[AccessUnit] = []
    sets = sets_of(codec, encode(codec)).values() if known else ()
    return make_depacketizer(0, 96, ParameterSets(codec, sets), units.append), units


def slice_nal(
    size: int = 100, *, key: bool = False, first: bool = True, codec: Codec = Codec.H264, fill: int = 0x55
) -> bytes:
    """Return a slice as far as the depacketizer looks at it."""
    begin = 0x88 if first else 0x08
    if codec is Codec.H264:
        return bytes([0x65 if key else 0x41, begin]) + bytes([fill]) * (size - 2)
    return bytes([(19 if key else 1) << 1, 1, begin]) + bytes([fill]) * (size - 3)


def feed(depacketizer: Depacketizer, *frames: bytes, now_ns: int = 1) -> None:
    """Feed frames in one read, and what the hot loop leaves as the framer does."""
    data, at = b"".join(frames), 0
    while at < len(data):
        at = depacketizer.feed(data, at, now_ns)
        if at < len(data):
            stop = at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
            depacketizer.packet(data, at + 4, stop, now_ns)
            at = stop


def kept(codec: Codec, nals: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return tuple(nal for nal in nals if kind_of(codec, nal) not in SETS[codec])


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


def test_padding_extension_and_csrc_are_taken_off() -> None:
    """RFC 3550 §5.1: the payload is what remains."""
    nal = slice_nal()
    head = struct.Struct(">BBHII")
    extension = struct.pack(">HH8x", 0xBEDE, 2)
    packets = [
        head.pack(0xA0, 96 | 0x80, 0, 0, 7) + nal + b"\0\0\0\4",
        head.pack(0x90, 96 | 0x80, 1, 6000, 7) + extension + nal,
        head.pack(0xB2, 96 | 0x80, 2, 12_000, 7) + bytes(8) + extension + nal + b"\1",
    ]
    depacketizer, units = maker()
    feed(depacketizer, *map(framed, packets))
    assert [unit.nals for unit in units] == [(nal,)] * 3


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x80\x60" + bytes(9),
        b"\x40\x60" + bytes(20),
        b"\x8f\x60" + bytes(20),
        b"\x90\x60" + bytes(11),
        b"\x90\x60" + bytes(10) + b"\0\0\xff\xff" + bytes(8),
        b"\xa0\x60" + bytes(10) + b"\x41\x88\xff",
    ],
)
def test_packets_that_do_not_add_up_are_counted(packet: bytes) -> None:
    """Too short, another version, lists or padding longer than the packet."""
    depacketizer, units = maker()
    feed(depacketizer, framed(packet))
    assert (depacketizer.malformed, depacketizer.packets, units) == (1, 0, [])


def test_another_payload_type_is_left_alone() -> None:
    """Sound on our channel, or the camera's metadata, is counted and skipped."""
    depacketizer, units = maker()
    feed(depacketizer, framed(rtp(0, 0, slice_nal(), marker=True, kind=8)))
    assert (depacketizer.foreign, units) == (1, [])


def test_empty_payloads_are_harmless() -> None:
    """Some cameras keep the line warm with them."""
    depacketizer, units = maker()
    feed(depacketizer, framed(rtp(0, 0, b"")), framed(rtp(1, 0, slice_nal(), marker=True)))
    assert [unit.nals for unit in units] == [(slice_nal(),)]


@BOTH
def test_only_what_decoders_need_is_kept(codec: Codec) -> None:
    """Delimiters, fillers, ends of sequence and higher layers go; SEI stays."""
    key = slice_nal(key=True, codec=codec)
    if codec is Codec.H264:
        sei, gone = (
            b"\x06\x05\x01\x00\x80",
            [b"\x09\xf0", b"\x0c\xff\x80", b"\x0a", b"\x0b", b"\x74\x88\x80", b"\x1f\x80\x80"],
        )
    else:
        sei = b"\x4e\x01\x05\x01\x00\x80"
        gone = [
            b"\x46\x01\x50",
            b"\x4c\x01\xff",
            b"\x48\x01\x80",
            b"\x02\x09\x80\x80",
            b"\x03\x01\x88",
            b"\x54\x01\x80",
        ]
    depacketizer, units = maker(codec)
    feed(depacketizer, *(framed(rtp(number, 0, nal)) for number, nal in enumerate([*gone, sei])))
    feed(depacketizer, framed(rtp(len(gone) + 1, 0, key, marker=True)))
    assert [unit.nals for unit in units] == [(sei, key)]


@pytest.mark.parametrize("kind", [0, 25, 26, 27, 29, 30, 31])
def test_payload_forms_no_camera_should_send(kind: int) -> None:
    """MTAP, FU-B and reserved types spoil their unit and nothing else."""
    depacketizer, units = maker()
    feed(depacketizer, framed(rtp(0, 0, slice_nal())), framed(rtp(1, 0, bytes([kind, 1, 2, 3]), marker=True)))
    feed(depacketizer, framed(rtp(2, 6000, slice_nal(), marker=True)))
    assert units[-1].nals == (slice_nal(),)
    assert len(units) == (2 if kind == 0 else 1)


@BOTH
@pytest.mark.parametrize("cut", [1, 3, 40])
def test_an_aggregate_that_is_cut_short_spoils_its_unit(codec: Codec, cut: int) -> None:
    """A length beyond the packet is not read."""
    payload = aggregate([slice_nal(30, codec=codec), slice_nal(40, first=False, codec=codec)], codec)[:-cut]
    depacketizer, units = maker(codec)
    feed(depacketizer, framed(rtp(0, 0, payload, marker=True)), framed(rtp(1, 9, slice_nal(codec=codec), marker=True)))
    assert [unit.pts_90k for unit in units] == [0]
    assert (depacketizer.malformed, depacketizer.damaged) == (1, 1)


@BOTH
def test_a_fragment_that_begins_and_ends_at_once_is_a_whole(codec: Codec) -> None:
    """The RFCs forbid it, cameras do it."""
    nal = slice_nal(50, codec=codec)
    (payload,) = fragments(nal, codec, 1000)
    depacketizer, units = maker(codec)
    feed(depacketizer, framed(rtp(0, 0, payload, marker=True)))
    assert [unit.nals for unit in units] == [(nal,)]


def test_a_new_fragment_chain_before_the_old_one_ended_spoils_the_unit() -> None:
    """Two beginnings without an end: the unit has a hole."""
    nal = slice_nal(500)
    first = fragments(nal, Codec.H264, 200)
    depacketizer, units = maker()
    feed(depacketizer, *(framed(rtp(number, 0, payload)) for number, payload in enumerate([first[0], *first])))
    feed(depacketizer, framed(rtp(4, 6000, nal, marker=True)))
    assert [unit.pts_90k for unit in units] == [0]
    assert depacketizer.damaged == 1


def test_start_codes_inside_a_packet_are_split() -> None:
    """Some cameras send SPS, PPS and picture as one byte stream in one NAL unit."""
    key = slice_nal(key=True)
    for joined in (SPS + b"\0\0\0\1" + PPS + b"\0\0\1" + key, b"\0\0\0\1" + SPS + b"\0\0\1" + PPS + b"\0\0\0\1" + key):
        depacketizer, units = maker(known=False)
        feed(depacketizer, framed(rtp(0, 0, joined, marker=True)))
        assert [(unit.is_key, unit.nals) for unit in units] == [(True, (key,))]
        assert units[0].config.sps == SPS


def test_before_parameter_sets_nothing_comes_out() -> None:
    """Without SPS and PPS a unit means nothing; the first with them is delivered."""
    depacketizer, units = maker(known=False)
    feed(depacketizer, framed(rtp(0, 0, slice_nal(), marker=True)))
    feed(depacketizer, *Packetizer(sequence=1).packets((SPS, PPS, slice_nal(key=True)), 6000))
    assert depacketizer.unconfigured == 1
    assert [unit.is_key for unit in units] == [True]


def test_a_unit_may_not_grow_for_ever() -> None:
    """A chain of fragments without end is let go at 8 MiB, one read more at most."""
    depacketizer, units = maker()
    begin, middle, _ = fragments(slice_nal(3 * 60_000), Codec.H264, 60_000)
    feed(depacketizer, framed(rtp(0, 0, begin)))
    most = 0
    for number in range(1, 400):
        feed(depacketizer, framed(rtp(number, 0, middle)))
        most = max(most, sum(map(len, depacketizer._parts)))
    assert MOST_UNIT_BYTES - 70_000 < most <= MOST_UNIT_BYTES + 70_000
    assert depacketizer._parts == []
    feed(depacketizer, framed(rtp(400, 6000, slice_nal(), marker=True)))
    assert len(units) == 1


def test_fragments_of_one_byte_are_bounded_too() -> None:
    """Small fragments cost more memory than they carry: their number is bounded as well."""
    depacketizer, _ = maker()
    feed(depacketizer, framed(rtp(0, 0, b"\x7c\x81\x88")))
    for begin in range(1, MOST_FRAGMENTS + 3000, 1000):
        feed(depacketizer, *(framed(rtp(number, 0, b"\x7c\x01\x00")) for number in range(begin, begin + 1000)))
        assert len(depacketizer._parts) <= MOST_FRAGMENTS + 1000
    assert depacketizer._parts == []


def test_a_unit_of_too_many_nal_units_is_dropped() -> None:
    """513 slices are no picture of a camera."""
    depacketizer, units = maker()
    frames = [framed(rtp(number, 0, slice_nal(20, first=number == 0))) for number in range(MOST_NALS + 1)]
    feed(depacketizer, *frames, framed(rtp(MOST_NALS + 1, 6000, slice_nal(), marker=True)))
    assert [unit.pts_90k for unit in units] == [0]
    assert depacketizer.damaged == 1


def test_frames_of_other_channels_stop_the_loop() -> None:
    """The hot loop hands RTCP and replies back to the framer."""
    depacketizer, _ = maker()
    frame = framed(rtp(0, 0, slice_nal(), marker=True))
    assert depacketizer.feed(frame + framed(b"x" * 40, 1), 0, 1) == len(frame)
    assert depacketizer.feed(b"RTSP/1.0 200 OK\r\n\r\n", 0, 1) == 0


@BOTH
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_garbage_never_raises(codec: Codec, data: st.DataObject) -> None:
    """Any packets, well formed to any degree: no error, and only units that are configured and whole."""
    depacketizer, units = maker(codec, known=data.draw(st.booleans()))
    heads = st.sampled_from(
        [
            b"\x7c",
            b"\x18",
            b"\x65\x88",
            b"\x41\x88",
            b"\x62\x01",
            b"\x60\x01",
            b"\x26\x01\x88",
            b"\x67",
            b"\x68",
            b"\0\0\1",
            b"",
        ]
    )
    for _ in range(data.draw(st.integers(1, 25))):
        payload = data.draw(heads) + data.draw(st.binary(max_size=40))
        packet = rtp(
            data.draw(st.integers(0, 6)),
            data.draw(st.sampled_from([0, 6000])),
            payload,
            marker=data.draw(st.booleans()),
        )
        if data.draw(st.integers(0, 4)) == 0:
            packet = data.draw(st.binary(max_size=30))
        feed(depacketizer, framed(packet))
    for unit in units:
        assert unit.nals
        assert all(unit.nals)


def test_flipped_bytes_never_raise() -> None:
    """A real stream with random bytes changed: units go missing, nothing breaks, the end is clean again."""
    dice = random.Random(7)
    pictures = encode(Codec.H264, 320, 240, 8)
    for _ in range(50):
        depacketizer, units = maker()
        packetizer = Packetizer(size=300)
        for number, nals in enumerate(pictures):
            for packet in packetizer.packets(nals, number * 6000):
                raw = bytearray(packet)
                if dice.random() < 0.3:
                    raw[dice.randrange(4, len(raw))] ^= 1 << dice.randrange(8)
                feed(depacketizer, bytes(raw))
        assert len(units) <= 2 * len(pictures)
