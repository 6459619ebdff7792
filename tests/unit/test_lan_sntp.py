"""What the box's time server answers, packet by packet."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.lan import sntp
from drivers.lan.sntp import ClockFacts, answer, is_request, timestamp
from tests.fakes.clock import NOON_MS

ERA_S = 1 << 32
TRUSTED = ClockFacts(NOON_MS + 250, trusted=True, unsure_s=0.03)
UNSET = ClockFacts(NOON_MS, trusted=False, unsure_s=0.03)


def request(
    *, version: int = 4, mode: int = 3, sent: bytes = b"\x01\x02\x03\x04\x05\x06\x07\x08", rest: bytes = b""
) -> bytes:
    return bytes([version << 3 | mode, 0, 6, 0xEC]) + bytes(36) + sent + rest


def fields(packet: bytes) -> dict[str, object]:
    first, stratum, poll, precision, delay, unsure = struct.unpack_from("!BBbbII", packet)
    return {
        "leap": first >> 6, "version": first >> 3 & 7, "mode": first & 7, "stratum": stratum, "poll": poll,
        "precision": precision, "delay": delay, "unsure_s": unsure / 65536, "id": packet[12:16],
        "reference": packet[16:24], "originate": packet[24:32], "receive": packet[32:40], "transmit": packet[40:48],
    }  # fmt: skip


def unix_ms(stamp: bytes) -> float:
    """Read a timestamp as a client of this era does."""
    seconds, part = struct.unpack("!II", stamp)
    return float((seconds * 1000) - sntp.ERA_MS + part * 1000 / ERA_S)


def test_a_set_clock_answers_as_rfc_4330_says() -> None:
    """Mode 4, the client's version and transmit time given back, no leap warning, a stratum no real server has."""
    packet = answer(request(), TRUSTED)
    assert packet is not None
    told = fields(packet)
    now, second = timestamp(NOON_MS + 250), timestamp(NOON_MS)
    assert told == {
        "leap": 0, "version": 4, "mode": 4, "stratum": 10, "poll": 6, "precision": -9, "delay": 0,
        "unsure_s": pytest.approx(0.03, abs=1e-4), "id": b"LOCL", "reference": second,
        "originate": b"\x01\x02\x03\x04\x05\x06\x07\x08", "receive": now, "transmit": now,
    }  # fmt: skip


def test_a_clock_that_is_not_set_says_so() -> None:
    """Leap 3 and stratum 16: no client that reads the RFC takes this time."""
    packet = answer(request(), UNSET)
    assert packet is not None
    told = fields(packet)
    assert (told["leap"], told["stratum"], told["id"], told["reference"]) == (3, 16, bytes(4), bytes(8))
    assert told["unsure_s"] == sntp.MOST_UNSURE_S


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_old_clients_are_answered_in_their_version(version: int) -> None:
    """Cameras with SNTP of 1996 get version 3 back."""
    packet = answer(request(version=version), TRUSTED)
    assert packet is not None
    assert fields(packet)["version"] == version


@pytest.mark.parametrize("mode", [0, 1, 2, 4, 5, 6, 7])
def test_nothing_but_clients_is_answered(mode: int) -> None:
    """Not other servers, not peers, not the control and private modes that amplify."""
    assert answer(request(mode=mode), TRUSTED) is None


@pytest.mark.parametrize("version", [0, 5, 6, 7])
def test_unknown_versions_are_not_answered(version: int) -> None:
    """Nothing is promised in a version nobody has written."""
    assert answer(request(version=version), TRUSTED) is None


@given(st.binary(max_size=600), st.builds(ClockFacts, st.integers(0, 1 << 42), st.booleans(), st.floats(0, 1e9)))
def test_no_answer_is_larger_than_its_request(packet: bytes, clock: ClockFacts) -> None:
    """Whatever comes, nothing longer goes back, and nothing at all to what is no request."""
    told = answer(packet, clock)
    assert (told is not None) == is_request(packet)
    if told is not None:
        assert len(told) == sntp.PACKET_BYTES <= len(packet)
        assert fields(told)["originate"] == packet[40:48]


@given(st.binary(min_size=1, max_size=464))
def test_extensions_and_macs_are_passed_over(rest: bytes) -> None:
    """A request with more behind the header gets the plain answer."""
    assert answer(request(rest=rest), TRUSTED) == answer(request(), TRUSTED)


@given(st.integers(0, ERA_S * 1000 - sntp.ERA_MS - 1))
def test_a_timestamp_is_read_back_to_the_millisecond(wall_ms: int) -> None:
    """Any time of this era comes back as it was."""
    assert abs(unix_ms(timestamp(wall_ms)) - wall_ms) < 0.01


def test_the_era_turns_in_2036() -> None:
    """The seconds begin again at 0, as RFC 4330 §3 has it."""
    last_ms = ERA_S * 1000 - sntp.ERA_MS
    assert timestamp(last_ms - 1)[:4] == b"\xff\xff\xff\xff"
    assert timestamp(last_ms) == bytes(8)
