"""From packets to access units: odd, broken and endless packets, none of which raises."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.rtsp.depacketize import MOST_FRAGMENTS, MOST_NALS, MOST_UNIT_BYTES
from gateway.core.media import Codec
from tests.fakes.encoded import encode
from tests.fakes.rtp import Packetizer, aggregate, fragments, framed, rtp
from tests.fakes.rtp_units import BOTH, PPS, SPS, feed, maker, slice_nal


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


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("join", [False, True])
def test_the_other_codecs_stream_is_noticed_and_not_delivered(codec: Codec, *, join: bool) -> None:
    """After its first parameter sets, one by one or joined, nothing comes out any more."""
    other = Codec.H265 if codec is Codec.H264 else Codec.H264
    depacketizer, units = maker(codec)
    packetizer = Packetizer(other, size=200, join=join)
    for number, nals in enumerate(encode(other) * 3):
        feed(depacketizer, *packetizer.packets(nals, number * 6000))
    assert depacketizer.contradicted
    assert units == []


@BOTH
def test_its_own_stream_never_contradicts(codec: Codec) -> None:
    """A whole clip, in single packets, fragments and aggregates."""
    depacketizer, units = maker(codec)
    for join in (False, True):
        packetizer = Packetizer(codec, size=150, join=join, ssrc=7 + join)
        for number, nals in enumerate(encode(codec)):
            feed(depacketizer, *packetizer.packets(nals, number * 6000))
    assert len(units) == 2 * len(encode(codec))
    assert not depacketizer.contradicted
