"""RTCP: reports out, feedback in."""

from __future__ import annotations

import struct

from aiortc.rtp import (
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSdesPacket,
    RtcpSrPacket,
    pack_remb_fci,
)
from hypothesis import given
from hypothesis import strategies as st

from gateway.live.rtcp import (
    MOST_ITEMS,
    MOST_LOST,
    Estimate,
    Nack,
    PictureLost,
    ReceiverReport,
    ntp_time,
    parse,
    sender_report,
)


def receiver_report(ssrc: int = 7, lost: int = 3) -> bytes:
    info = RtcpReceiverInfo(
        ssrc=ssrc, fraction_lost=64, packets_lost=lost, highest_sequence=9, jitter=90, lsr=0x1234, dlsr=655
    )
    return bytes(RtcpRrPacket(ssrc=1, reports=[info]))


def test_a_receiver_report_is_read() -> None:
    """Loss, jitter and the round-trip fields of a report block arrive as they were written."""
    assert parse(receiver_report()) == [ReceiverReport(7, 64, 3, 9, 90, 0x1234, 655)]


def test_negative_loss_is_kept() -> None:
    """Duplicates can make the cumulative loss negative: it is a signed 24-bit number."""
    (report,) = parse(receiver_report(lost=-2))
    assert isinstance(report, ReceiverReport)
    assert report.lost == -2


def test_a_nack_names_every_packet_of_its_mask() -> None:
    """First number and bit mask become the full list, across the 16-bit wrap."""
    packet = struct.pack("!BBHIIHHHH", 0x81, 205, 4, 1, 7, 65534, 0b1000011, 400, 0)
    assert parse(packet) == [Nack(7, (65534, 65535, 0, 5, 400))]


def test_a_nack_storm_is_cut() -> None:
    """A compound that names thousands of packets costs at most MOST_LOST of them."""
    packet = struct.pack("!BBHII", 0x81, 205, 2 + 300, 1, 7) + b"\x00\x01\xff\xff" * 300
    (nack,) = parse(packet)
    assert isinstance(nack, Nack)
    assert len(nack.lost) == MOST_LOST


def test_a_compound_of_many_nacks_is_cut_too() -> None:
    """The bound is one for the whole compound, however many packets the requests are spread over."""
    packet = struct.pack("!BBHII", 0x81, 205, 2 + 31, 1, 7) + b"\x00\x01\xff\xff" * 31
    lost = [len(nack.lost) for nack in parse(packet * 10) if isinstance(nack, Nack)]
    assert sum(lost) == MOST_LOST


def test_a_compound_of_many_estimates_is_one() -> None:
    """Only the last says what the path carries now; a hundred of them cost no more than one."""
    packets = [bytes(RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=pack_remb_fci(n, [7]))) for n in range(1, 101)]
    assert parse(b"".join(packets)) == [Estimate(100)]


def test_a_compound_of_many_requests_and_reports_is_cut() -> None:
    """However small the parts are, a datagram brings a bounded number of them."""
    pli = bytes(RtcpPsfbPacket(fmt=1, ssrc=1, media_ssrc=7))
    assert parse(pli * 150) == [PictureLost(7)] * MOST_ITEMS
    nothing = struct.pack("!BBHII", 0x81, 205, 2, 1, 7)
    assert len(parse(nothing * 150)) == MOST_ITEMS
    assert len(parse(receiver_report() * 60)) <= MOST_ITEMS
    assert parse(pli * 60 + bytes(RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=pack_remb_fci(9, [7]))))[
        -1
    ] == Estimate(9)


def test_picture_loss_and_intra_requests_name_their_source() -> None:
    """PLI names it in the header, FIR in its own entry."""
    full = struct.pack("!BBHII", 0x84, 206, 4, 1, 0) + struct.pack("!IB3x", 7, 1)
    assert parse(bytes(RtcpPsfbPacket(fmt=1, ssrc=1, media_ssrc=7)) + full) == [PictureLost(7), PictureLost(7)]


def test_the_receivers_estimate_is_read() -> None:
    """REMB's mantissa and exponent give back bits a second, to its precision."""
    packet = bytes(RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=pack_remb_fci(2_500_000, [7])))
    (estimate,) = parse(packet)
    assert isinstance(estimate, Estimate)
    assert abs(estimate.bps - 2_500_000) < 2_500_000 / 1000


def test_a_compound_is_read_to_its_end() -> None:
    """Reports, feedback and unknown parts in one packet: the known ones come out in order."""
    unknown = struct.pack("!BBHI", 0x80, 204, 2, 1) + b"name"
    pli = bytes(RtcpPsfbPacket(fmt=1, ssrc=1, media_ssrc=7))
    kinds = [type(item) for item in parse(receiver_report() + unknown + pli)]
    assert kinds == [ReceiverReport, PictureLost]


@given(st.binary(max_size=400))
def test_no_bytes_can_make_it_raise(data: bytes) -> None:
    """Whatever a viewer encrypts for us, parsing ends with a list."""
    assert isinstance(parse(data), list)


@given(st.integers(0, 31), st.sampled_from([200, 201, 205, 206]), st.integers(0, 40), st.binary(max_size=160))
def test_lengths_and_counts_that_lie_are_harmless(count: int, kind: int, words: int, body: bytes) -> None:
    """A header that promises more than there is yields what is readable."""
    assert isinstance(parse(struct.pack("!BBH", 0x80 | count, kind, words) + body), list)


def test_our_report_is_what_receivers_read() -> None:
    """The parser of aiortc finds the same numbers, and the cname, in what we send."""
    report, names = RtcpPacket.parse(
        sender_report(7, ntp=ntp_time(1_795_237_200_123), rtp_90k=(1 << 32) + 5, packets=(1 << 32) + 6, octets=8)
    )
    assert isinstance(report, RtcpSrPacket)
    assert isinstance(names, RtcpSdesPacket)
    assert (report.ssrc, report.sender_info.rtp_timestamp, report.sender_info.packet_count) == (7, 5, 6)
    assert report.sender_info.ntp_timestamp >> 32 == 1_795_237_200 + 2_208_988_800
    assert names.chunks[0].items == [(1, b"vuon")]
