"""The pair of UDP sockets of one track: one host is heard, nobody is spoken to."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from drivers.rtsp.datagrams import MOST_READ, Datagrams
from gateway.core.errors import CameraUnreachable
from tests.fakes.rtp import rtp

OURS, CAMERA, OTHER = "127.0.0.1", "127.0.1.77", "127.0.1.78"


@contextmanager
def pair() -> Iterator[Datagrams]:
    made = Datagrams((OURS, 1), (CAMERA, 554))
    try:
        yield made
    finally:
        made.close()
        made.close()


@contextmanager
def sender(address: str) -> Iterator[socket.socket]:
    with socket.socket(type=socket.SOCK_DGRAM) as made:
        made.bind((address, 0))
        yield made


def port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


def test_an_even_port_and_the_next() -> None:
    """Of our own address only, as RTP wants it."""
    with pair() as made:
        first, second = (sock.getsockname() for sock in made.sockets)
        assert first == (OURS, made.port)
        assert second == (OURS, made.port + 1)
        assert made.port % 2 == 0
    assert [sock.fileno() for sock in made.sockets] == [-1, -1]


def test_only_the_ports_that_were_named() -> None:
    """Another host, and another port of the camera, reach nobody."""
    with pair() as made, sender(CAMERA) as right, sender(CAMERA) as wrong, sender(OTHER) as stranger:
        made.hear(port_of(right), 9)
        for number, sock in enumerate((stranger, wrong, right, stranger)):
            sock.sendto(rtp(number, 0, b"x"), (OURS, made.port))
        assert [packet[3] for packet in made.media()] == [2]
        assert made.media() == []


def test_what_waited_before_is_thrown_away() -> None:
    """Packets sent to the port before the camera was known are not read as its own."""
    with pair() as made, sender(CAMERA) as right, sender(OTHER) as stranger:
        for sock in (stranger, right):
            sock.sendto(rtp(1, 0, b"early"), (OURS, made.port))
        made.hear(port_of(right), 9)
        right.sendto(rtp(2, 0, b"x"), (OURS, made.port))
        assert [packet[3] for packet in made.media()] == [2]


def test_a_camera_that_named_no_ports() -> None:
    """The first port of its host is taken, strangers are counted and dropped."""
    with pair() as made, sender(CAMERA) as right, sender(CAMERA) as second, sender(OTHER) as stranger:
        made.hear(0, 0)
        for number, sock in enumerate((stranger, right, stranger, second, right)):
            sock.sendto(rtp(number, 0, b"x"), (OURS, made.port))
        assert [packet[3] for packet in made.media()] == [1, 4]
        assert made.strangers == 3
        stranger.sendto(rtp(9, 0, b"x"), (OURS, made.port))  # the kernel keeps it out now
        assert (made.media(), made.strangers) == ([], 3)


def test_reports_come_beside_the_media() -> None:
    """RTCP of the odd port."""
    with pair() as made, sender(CAMERA) as right:
        made.hear(9, port_of(right))
        right.sendto(b"\x80\xc8" + bytes(26), (OURS, made.port + 1))
        assert [len(report) for report in made.reports()] == [28]
        assert made.media() == []


def test_one_reading_is_bounded_and_short_packets_are_nothing() -> None:
    """A flood leaves the rest to the next reading (or to the kernel, which drops it)."""
    with pair() as made, sender(CAMERA) as right:
        made.hear(port_of(right), 9)
        right.sendto(b"\x80\x60abc", (OURS, made.port))
        assert made.media() == []
        for number in range(MOST_READ * 2):
            right.sendto(rtp(number, 0, b""), (OURS, made.port))
        assert 0 < len(made.media()) <= MOST_READ


def test_a_large_datagram_is_whole() -> None:
    """Cameras that let the network cut: 60 KB in one packet."""
    with pair() as made, sender(CAMERA) as right:
        made.hear(port_of(right), 9)
        right.sendto(rtp(1, 0, bytes(60_000)), (OURS, made.port))
        assert [len(packet) for packet in made.media()] == [60_012]


def test_no_ports_are_free() -> None:
    """An address that is not ours is told as what it is: nothing can be opened."""
    with pytest.raises(CameraUnreachable) as caught:
        Datagrams(("192.0.2.1", 1), (CAMERA, 554))
    assert caught.value.fields["reason"] == "ports"


def test_ipv6() -> None:
    """The scope goes with the address."""
    made = Datagrams(("::1", 1, 0, 0), ("::1", 554, 0, 0))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as right:
        right.bind(("::1", 0))
        made.hear(port_of(right), 9)
        right.sendto(rtp(7, 0, b"x"), ("::1", made.port))
        assert [packet[3] for packet in made.media()] == [7]
    made.close()


def test_a_socket_that_breaks_ends_this_camera_only() -> None:
    """What the system says of it is a `CameraError`, whenever it says it."""
    with pair() as made:
        made.hear(9, 9)
        for sock in made.sockets:
            sock.close()
        with pytest.raises(CameraUnreachable) as caught:
            made.media()
        assert caught.value.fields["reason"] == "EBADF"
        with pytest.raises(CameraUnreachable):
            made._rtp._connect(10)
