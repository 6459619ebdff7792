"""Access units to RTP payloads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.live.packetizer import BUDGET_BYTES, packetize, payloads
from tests.fakes.depacketizer import depacketize
from tests.fakes.h264 import clip

CONFIG = CodecConfig(Codec.H264, b"\x67sps", b"\x68pps")


def nal(kind: int, size: int, importance: int = 3) -> bytes:
    return bytes([importance << 5 | kind]) + bytes(i % 251 for i in range(size - 1))


def unit(*nals: bytes, key: bool = False, config: CodecConfig = CONFIG) -> AccessUnit:
    return AccessUnit(nals, 0, key, 1, config)


nal_units = st.lists(
    st.builds(nal, st.integers(1, 23), st.one_of(st.integers(1, 60), st.integers(1150, 9000)), st.integers(0, 3)),
    min_size=1,
    max_size=12,
)


@given(nal_units, st.integers(64, 1400))
def test_every_nal_unit_arrives_bit_by_bit(nals: list[bytes], budget: int) -> None:
    """Whatever the sizes and the budget, the depacketised NAL units equal the source, in order."""
    assert depacketize(payloads(nals, budget)) == nals


@given(nal_units, st.integers(64, 1400))
def test_no_payload_is_over_budget(nals: list[bytes], budget: int) -> None:
    """The budget holds for single, aggregated and fragmented NAL units alike."""
    assert max(map(len, payloads(nals, budget))) <= budget


def test_fragments_are_cut_evenly() -> None:
    """All fragments of a NAL unit but the last have one size, so that one system call can send them."""
    sizes = [len(item) for item in payloads([nal(5, 5000)])]
    assert len(set(sizes[:-1])) == 1
    assert 0 <= sizes[0] - sizes[-1] < len(sizes)
    assert len(sizes) == 5


def test_parameter_sets_go_before_each_key_frame_in_one_packet() -> None:
    """A key frame begins with SPS and PPS of its own configuration, aggregated with the SEI."""
    cut = packetize(unit(nal(6, 20), nal(5, 3000), key=True))
    assert cut[0][0] & 0x1F == 24
    assert depacketize(cut[:1]) == [CONFIG.sps, CONFIG.pps, nal(6, 20)]
    assert cut[1][0] & 0x1F == 28


def test_other_frames_carry_no_parameter_sets() -> None:
    """A small picture between key frames is one packet, the NAL unit itself."""
    assert packetize(unit(nal(1, 100))) == (nal(1, 100),)


def test_missing_parameter_sets_are_left_out() -> None:
    """A camera that puts no PPS into its description does not get an empty NAL unit sent."""
    cut = packetize(unit(nal(5, 10), key=True, config=CodecConfig(Codec.H264, b"", b"")))
    assert depacketize(cut) == [nal(5, 10)]


def test_the_aggregate_has_the_highest_importance_of_its_parts() -> None:
    """NRI of a STAP-A is the maximum of the NAL units in it (RFC 6184 §5.7.1)."""
    (packet,) = payloads([nal(6, 9, importance=0), nal(1, 9, importance=2)])
    assert packet[0] == 2 << 5 | 24


def test_fragment_headers_keep_type_and_importance() -> None:
    """The FU indicator carries NRI, the FU header the type; start and end are marked once."""
    cut = payloads([nal(5, 4000, importance=1)])
    assert {item[0] for item in cut} == {1 << 5 | 28}
    assert [item[1] & 0xC0 for item in cut] == [0x80, *[0] * (len(cut) - 2), 0x40]
    assert {item[1] & 0x3F for item in cut} == {5}


@pytest.mark.parametrize("slices", [1, 4])
def test_a_real_encoders_pictures_survive(slices: int) -> None:
    """Pictures of a real encoder, one slice or four, come back equal; two parameter sets a key frame."""
    movie = clip(slices=slices, noise=40)
    for number in range(len(movie.pictures)):
        source = movie.unit(number, number + 1)
        found = depacketize(packetize(source))
        expected = [movie.config.sps, movie.config.pps, *source.nals] if source.is_key else list(source.nals)
        assert found == expected


def test_the_budget_leaves_room_for_headers_below_1280_bytes() -> None:
    """1200 B + RTP and extension 20 + tag 16 + UDP 8 + IPv6 40 + TURN channel data 4 fit everywhere."""
    assert BUDGET_BYTES + 20 + 16 + 8 + 40 + 4 <= 1280 + 8
