"""What an answer says of our addresses."""

from __future__ import annotations

import pytest

from gateway.live.answers import is_own, told

ANSWER = """\
v=0
m=video 40001 UDP/TLS/RTP/SAVPF 99
c=IN IP4 192.168.1.5
a=candidate:1 1 udp 2130706431 192.168.1.5 40001 typ host
a=candidate:2 1 udp 2130706431 2001:db8::5 40002 typ host
a=candidate:3 1 udp 1694498815 203.0.113.5 40001 typ srflx raddr 192.168.1.5 rport 40001
a=candidate:4 1 udp 16777215 198.51.100.9 50001 typ relay raddr 203.0.113.5 rport 40003
a=candidate:5 1 udp 2130706431 fd00::5 40004 typ host
a=candidate:6 1 udp 16777215 2001:db8::9 50001 typ relay raddr fd00::5 rport 40003
""".replace("\n", "\r\n")


def test_inside_all_addresses_are_told_but_not_where_they_come_from() -> None:
    """Related addresses are blanked in their own family; the rest is as it was."""
    answer = told(ANSWER, outside=False)
    assert answer.count("a=candidate") == 6
    assert "raddr 192" not in answer
    assert "raddr fd00" not in answer
    assert "typ srflx raddr 0.0.0.0 rport 9\r\n" in answer
    assert "2001:db8::9 50001 typ relay raddr :: rport 9\r\n" in answer
    assert "c=IN IP4 192.168.1.5\r\n" in answer


def test_outside_no_private_address_is_told() -> None:
    """Only global, reflexive and relayed ones are left, and no other line says what they hid."""
    answer = told(ANSWER, outside=True)
    assert [line.split(" ")[4] for line in answer.splitlines() if line.startswith("a=candidate")] == [
        "2001:db8::5", "203.0.113.5", "198.51.100.9", "2001:db8::9",
    ]  # fmt: skip
    assert "192.168.1.5" not in answer
    assert "fd00" not in answer
    assert "m=video 9 UDP/TLS/RTP/SAVPF 99\r\nc=IN IP4 0.0.0.0\r\n" in answer
    assert told(told(ANSWER, outside=True), outside=True) == answer


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("10.1.2.3", True), ("172.31.0.1", True), ("172.32.0.1", False), ("192.168.0.1", True), ("169.254.1.1", True),
        ("127.0.0.1", True), ("fd12::1", True), ("fe80::1", True), ("::1", True), ("8.8.8.8", False),
        ("2400::1", False), ("100.64.0.1", False),
    ],
)  # fmt: skip
def test_what_is_our_own(address: str, own: bool) -> None:
    """Private, unique-local, link-local and loopback ranges."""
    assert is_own(address) is own
