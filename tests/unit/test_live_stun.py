"""Looking at STUN before a parser does."""

from __future__ import annotations

import struct

import aioice.stun
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.live.stun import COOKIE, looks_like_stun, well_formed

BINDING = 0x0001


def message(*attributes: tuple[int, bytes], kind: int = BINDING) -> bytes:
    body = b"".join(struct.pack("!HH", name, len(value)) + value + bytes(-len(value) % 4) for name, value in attributes)
    return struct.pack("!HH", kind, len(body)) + COOKIE + b"t" * 12 + body


def check() -> bytes:
    """A browser's connectivity check."""
    request = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.REQUEST)
    request.attributes["USERNAME"] = "abcd:efgh"
    request.attributes["PRIORITY"] = 1
    request.attributes["ICE-CONTROLLING"] = 1
    request.attributes["USE-CANDIDATE"] = None
    request.add_message_integrity(b"key")
    return bytes(request)


def test_a_connectivity_check_passes() -> None:
    """What browsers and aioice send is well-formed, with and without attributes we do not know."""
    assert well_formed(check())
    assert well_formed(message((0xC057, b"\x00\x01\x00\x0a"), (0x0006, b"abcd:efgh")))


def test_a_response_passes() -> None:
    """XOR-MAPPED-ADDRESS of both families and error codes are allowed."""
    for value in (b"\x00\x01" + bytes(6), b"\x00\x02" + bytes(18)):
        assert well_formed(message((0x0020, value), kind=0x0101))
    assert well_formed(message((0x0009, b"\x00\x00\x04\x01Unauthenticated"), kind=0x0111))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (message((0x0024, b"\x00\x00")), "a PRIORITY of two bytes"),
        (message((0x8029, b"1234")), "a role of four bytes"),
        (message((0x0008, bytes(19))), "a short integrity"),
        (message((0x0025, b"1234")), "USE-CANDIDATE with a value"),
        (message((0x0006, b"\xff" * 8)), "a user name that is no ASCII"),
        (message((0x0006, b"a" * 600)), "a user name that is too long"),
        (message((0x0020, b"\x00\x02" + bytes(6))), "an IPv6 address of four bytes"),
        (message((0x0009, b"\x00"))[:-4] + bytes(4), "an error code of one byte"),
        (message((0x0012, bytes(8))), "a TURN attribute"),
        (message(*[(0x7000 + n, b"") for n in range(30)]), "thirty attributes"),
        (message(kind=0x0003), "a TURN method"),
        (check()[:-1], "a cut message"),
        (check() + b"\0\0\0\0", "a message with a tail"),
        (struct.pack("!HH", 1, 4) + COOKIE + bytes(12) + b"\x00\x24\x00\x08", "a value past the end"),
        (struct.pack("!HH", 1, 2) + COOKIE + bytes(12) + b"\x00\x24", "half an attribute"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_malformed_messages_are_refused(data: bytes, why: str) -> None:
    """Lengths that lie and messages that do not belong on a media port do not pass."""
    assert looks_like_stun(data), why
    assert not well_formed(data), why


def test_other_traffic_is_no_stun() -> None:
    """DTLS, RTP and short packets are told apart by their first byte, length and cookie."""
    assert not looks_like_stun(b"\x16\xfe\xfd" + bytes(40))
    assert not looks_like_stun(b"\x80" + bytes(40))
    assert not looks_like_stun(b"\x00\x01\x00\x00" + bytes(16))
    assert not looks_like_stun(COOKIE)


attributes = st.lists(
    st.tuples(st.sampled_from([*sorted(aioice.stun.ATTRIBUTES_BY_TYPE), 0x7777, 0xC057]), st.binary(max_size=40)),
    max_size=6,
)


@given(attributes, st.sampled_from([0x0001, 0x0011, 0x0101, 0x0111]), st.integers(0, 60))
def test_what_passes_cannot_trip_the_parser(parts: list[tuple[int, bytes]], kind: int, cut: int) -> None:
    """The parser behind takes everything that passed; only a wrong fingerprint may still be refused, by ValueError."""
    data = message(*parts, kind=kind)
    data = data[: max(20, len(data) - cut)]
    if well_formed(data):
        try:
            aioice.stun.parse_message(data)
        except ValueError as error:
            assert "fingerprint" in str(error)
