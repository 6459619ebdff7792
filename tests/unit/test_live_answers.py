"""What an answer says of our addresses."""

from __future__ import annotations

import pytest

from gateway.live.answers import complete, is_own, told
from gateway.live.offers import Unserved

ANSWER = """\
v=0
m=video 40001 UDP/TLS/RTP/SAVPF 99
c=IN IP4 192.168.1.5
a=candidate:1 1 udp 2130706431 192.168.1.5 40001 typ host
a=candidate:2 1 udp 2130706431 2606:4700::5 40002 typ host
a=candidate:3 1 udp 1694498815 8.8.4.5 40001 typ srflx raddr 192.168.1.5 rport 40001
a=candidate:4 1 udp 16777215 9.9.9.10 50001 typ relay raddr 8.8.4.5 rport 40003
a=candidate:5 1 udp 2130706431 fd00::5 40004 typ host
a=candidate:7 1 udp 2130706431 100.101.102.103 40005 typ host
a=candidate:6 1 udp 16777215 2606:4700::9 50001 typ relay raddr fd00::5 rport 40003
""".replace("\n", "\r\n")


def test_inside_all_addresses_are_told_but_not_where_they_come_from() -> None:
    """Related addresses are blanked in their own family; the rest is as it was."""
    answer = told(ANSWER, outside=False)
    assert answer.count("a=candidate") == 7
    assert "raddr 192" not in answer
    assert "raddr fd00" not in answer
    assert "typ srflx raddr 0.0.0.0 rport 9\r\n" in answer
    assert "2606:4700::9 50001 typ relay raddr :: rport 9\r\n" in answer
    assert "c=IN IP4 192.168.1.5\r\n" in answer


def test_outside_no_private_address_is_told() -> None:
    """Only global, reflexive and relayed ones are left, and no other line says what they hid."""
    answer = told(ANSWER, outside=True)
    assert [line.split(" ")[4] for line in answer.splitlines() if line.startswith("a=candidate")] == [
        "2606:4700::5", "8.8.4.5", "9.9.9.10", "2606:4700::9",
    ]  # fmt: skip
    assert "192.168.1.5" not in answer
    assert "fd00" not in answer
    assert "100.101" not in answer
    assert "m=video 9 UDP/TLS/RTP/SAVPF 99\r\nc=IN IP4 0.0.0.0\r\n" in answer
    assert told(told(ANSWER, outside=True), outside=True) == answer


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("10.1.2.3", True), ("172.31.0.1", True), ("172.32.0.1", False), ("192.168.0.1", True), ("169.254.1.1", True),
        ("127.0.0.1", True), ("fd12::1", True), ("fe80::1", True), ("::1", True), ("8.8.8.8", False),
        ("2400::1", False), ("100.63.255.255", False), ("100.64.0.1", True), ("100.127.255.255", True), ("100.128.0.1", False),
        ("198.18.0.1", True), ("198.19.255.255", True), ("192.0.0.2", True), ("192.0.2.1", True),
        ("198.51.100.1", True), ("203.0.113.1", True), ("2001:db8::1", True), ("240.0.0.1", True), ("0.0.0.0", True),
        ("fd7a:115c:a1e0::1", True), ("::ffff:10.0.0.1", True),
    ],
)  # fmt: skip
def test_what_is_our_own(address: str, own: bool) -> None:
    """Whatever is not global: private, shared (also Tailscale's), unique-local, link-local, loopback, for tests."""
    assert is_own(address) is own


PLAIN = """\
v=0
a=group:BUNDLE 0 1
m=video 40001 UDP/TLS/RTP/SAVPF 99
c=IN IP4 192.168.1.5
a=mid:0
a=sendonly
a=candidate:1 1 udp 2130706431 192.168.1.5 40001 typ host
a=end-of-candidates
a=ice-ufrag:abcd
a=ice-pwd:0123456789abcdef
a=fingerprint:sha-256 AB
a=setup:passive
m=application 40001 UDP/DTLS/SCTP webrtc-datachannel
a=mid:1
""".replace("\n", "\r\n")


def heads(answer: str) -> list[str]:
    return [line.split(" UDP")[0] for line in answer.splitlines() if line.startswith("m=")]


def test_without_sound_an_answer_is_left_as_it_is() -> None:
    """Our own page offers none."""
    assert complete(PLAIN, ()) == PLAIN


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_sound_line_is_answered_where_it_stood(index: int) -> None:
    """Inactive, with the path of all in the bundle's order; the others are untouched."""
    answer = complete(PLAIN, (Unserved(index, "a", 111, "opus/48000/2", off=False),))
    kinds = ["m=video 40001", "m=application 40001"]
    kinds.insert(index, "m=audio 40001")
    assert heads(answer) == kinds
    mids = ["0", "1"]
    mids.insert(index, "a")
    assert f"a=group:BUNDLE {' '.join(mids)}\r\n" in answer
    section = next(part for part in answer.split("m=") if part.startswith("audio"))
    for line in ("a=inactive", "a=rtpmap:111 opus/48000/2", "a=ice-ufrag:abcd", "a=setup:passive", "a=candidate:1"):
        assert line in section
    assert "sendonly" not in section
    assert answer.endswith("\r\n")


def test_what_the_viewer_switched_off_stays_off_and_outside_the_bundle() -> None:
    """Port 0, no path, no word in the group; beside another line that is on."""
    both = (Unserved(0, "a", 0, "", off=True), Unserved(2, "b", 8, "", off=False))
    answer = complete(PLAIN, both)
    assert heads(answer) == ["m=audio 0", "m=video 40001", "m=audio 40001", "m=application 40001"]
    assert "a=group:BUNDLE 0 b 1\r\n" in answer
    assert "rtpmap" not in answer
    assert answer.split("m=")[1].count("a=") == 3


def test_outside_a_sound_line_tells_no_more_than_the_video_line() -> None:
    """Its copy of the path is judged by the same rule."""
    answer = told(complete(PLAIN, (Unserved(0, "a", 111, "", off=False),)), outside=True)
    assert "192.168.1.5" not in answer
    assert "40001" not in answer
