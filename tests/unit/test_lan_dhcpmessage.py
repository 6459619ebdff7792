"""DHCP messages, read and written."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.lan import dhcpmessage as dhcp
from drivers.lan.dhcpmessage import LEAST_BYTES, Kind, Message, Option

MAC = "44:19:b6:00:00:01"
DISCOVER = Message(Kind.DISCOVER, 0x01020304, MAC, dhcp.BROADCAST, options={Option.WANTED: b"\xc0\xa8\x0a\x64"})

addresses = st.integers(0, (1 << 32) - 1).map(IPv4Address)
macs = st.binary(min_size=6, max_size=6).filter(lambda raw: not raw[0] & 1 and any(raw)).map(lambda raw: raw.hex(":"))
options = st.dictionaries(
    st.integers(1, 254).filter(lambda code: code != Option.KIND), st.binary(max_size=60), max_size=8
)
messages = st.builds(
    Message, st.sampled_from(Kind), st.integers(0, (1 << 32) - 1), macs, st.sampled_from([0, dhcp.BROADCAST]),
    addresses, addresses, addresses, options,
)  # fmt: skip


@given(messages)
def test_what_is_written_is_read_back(message: Message) -> None:
    """Any message comes back field by field, and is as long as BOOTP wants it."""
    packet = dhcp.write(message)
    assert len(packet) >= 300
    assert dhcp.read(packet) == message


@given(st.binary(max_size=1600))
def test_garbage_reads_as_nothing_or_as_a_message(packet: bytes) -> None:
    """No bytes raise."""
    assert dhcp.read(packet) is None or len(packet) >= LEAST_BYTES


@given(st.binary(max_size=200), st.integers(0, 300))
def test_options_cut_off_anywhere_do_not_raise(tail: bytes, cut: int) -> None:
    """A header with any options behind it, cut anywhere, is a message or none."""
    packet = dhcp.write(DISCOVER)[:243] + tail
    told = dhcp.read(packet[:cut] if cut < len(packet) else packet)
    assert told is None or told.mac == MAC


@pytest.mark.parametrize(("at", "value"), [
    (0, 2),  # a server's op on a client's message
    (1, 6),  # IEEE 802 hardware
    (2, 16),  # a longer hardware address
    (28, 1),  # a multicast MAC
    (236, 0),  # no cookie: BOOTP
    (242, 9),  # an unknown kind
])  # fmt: skip
def test_what_is_no_dhcp_of_ethernet_is_nothing(at: int, value: int) -> None:
    """One wrong byte at these places and nobody is answered."""
    packet = bytearray(dhcp.write(DISCOVER))
    packet[at] = value
    assert dhcp.read(bytes(packet)) is None


def test_an_option_that_is_no_address_is_none() -> None:
    """Three bytes are no address; nor is nothing."""
    assert DISCOVER.address(Option.WANTED) == IPv4Address("192.168.10.100")
    assert DISCOVER.address(Option.SERVER) is None
    assert Message(Kind.DISCOVER, 1, MAC, options={Option.WANTED: b"abc"}).address(Option.WANTED) is None


def test_of_two_options_the_first_counts() -> None:
    """A second kind behind the first changes nothing; padding between them is passed over."""
    packet = bytearray(dhcp.write(DISCOVER))
    packet[249:255] = b"\x00\x00\x35\x01\x07\xff"
    told = dhcp.read(bytes(packet))
    assert told is not None
    assert told.kind is Kind.DISCOVER
