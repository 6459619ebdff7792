"""One connection driven by hand: every way in which a socket can end it."""

from __future__ import annotations

import selectors
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from drivers.gate import GateState, LoginGate
from drivers.rtsp.link import MOST_BYTES_PER_S, Address, Link
from drivers.rtsp.protocol import Timeouts
from drivers.rtsp.source import RtspSource
from gateway.core.errors import CameraBadReply, CameraClosed, CameraSilent, CameraUnreachable
from gateway.core.model import Login, Secret
from tests.fakes.rtsp_pipe import SECOND, Collected
from tests.fakes.rtsp_server import FakeCamera

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


@dataclass
class Line:
    """A link and the camera's end of its connection."""

    link: Link
    peer: socket.socket
    gate: LoginGate


def make_link(address: Address, port: int, login: LoginGate) -> Link:
    source = RtspSource("127.0.0.1", port, "/live")
    return Link(source, address, login, Collected(), timeouts=Timeouts(), on_end=lambda: None)


@pytest.fixture
def line() -> Iterator[Line]:
    """Connect a link to a listening socket; it has sent its first request."""
    login = LoginGate(Login("admin", Secret("pw")))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        link = make_link(Address(socket.AF_INET, ("127.0.0.1", port)), port, login)
        assert link.open(0).getblocking() is False
        assert link.wanted() == WRITE
        peer, _ = listener.accept()
        link.ready(WRITE, 0)
        with peer:
            assert peer.recv(65536).startswith(b"OPTIONS rtsp://127.0.0.1")
            yield Line(link, peer, login)
        link.close()
        link.close()


def wait_readable(link: Link) -> None:
    assert link.socket is not None
    with selectors.DefaultSelector() as selector:
        selector.register(link.socket, READ)
        assert selector.select(10)


def test_a_wake_up_without_bytes_is_nothing(line: Line) -> None:
    """The socket may be called readable and have nothing."""
    line.link.ready(READ, 1)
    assert line.link.statistics().reads == 0
    assert line.link.wanted() == READ


def test_the_camera_closes(line: Line) -> None:
    """An orderly end is CameraClosed without a reason."""
    line.peer.close()
    wait_readable(line.link)
    with pytest.raises(CameraClosed) as caught:
        line.link.ready(READ, 1)
    assert caught.value.fields["reason"] == ""


def test_the_camera_resets(line: Line) -> None:
    """A reset names itself."""
    line.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.peer.close()
    wait_readable(line.link)
    with pytest.raises(CameraClosed) as caught:
        line.link.ready(READ, 1)
    assert caught.value.fields["reason"] == "ECONNRESET"


def test_sending_into_a_dead_connection(line: Line) -> None:
    """A goodbye that cannot be sent is an end like any other."""
    answers = FakeCamera(b"v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n")
    line.peer.sendall(answers.receive(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"))
    wait_readable(line.link)
    line.link.ready(READ, 1)
    while not answers.playing:
        line.peer.sendall(answers.receive(line.peer.recv(65536)))
        wait_readable(line.link)
        line.link.ready(READ, 1)
    assert line.link.statistics().phase == "playing"
    assert line.link.socket is not None
    line.link.socket.shutdown(socket.SHUT_WR)
    with pytest.raises(CameraClosed) as caught:
        line.link.leave()
    assert caught.value.fields["reason"] == "EPIPE"


def test_a_camera_that_does_not_read_blocks_nobody(line: Line) -> None:
    """What cannot be sent waits for the socket; the clock decides."""
    assert line.link.socket is not None
    line.link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    line.link._unsent = b"x" * 1_000_000
    line.link.ready(READ, 1)
    line.link.ready(WRITE, 1)
    assert line.link.wanted() == READ | WRITE
    line.link.tick(9 * SECOND)
    with pytest.raises(CameraSilent):
        line.link.tick(11 * SECOND)


def test_a_flood_of_bytes_is_cut_off(line: Line) -> None:
    """More than 16 MB within a second ends the stream at the next tick; as much in two seconds does not."""
    line.link.tick(SECOND)
    for second in (2, 3):
        line.link._bytes += MOST_BYTES_PER_S - 1
        line.link.tick(second * SECOND)
    line.link._bytes += MOST_BYTES_PER_S + 1
    with pytest.raises(CameraBadReply):
        line.link.tick(3 * SECOND + 1)


def test_closing_gives_the_login_back(line: Line) -> None:
    """A link that ends in the middle of a try leaves the gate open for the next."""
    refusal = 'RTSP/1.0 401 X\r\nCSeq: {}\r\nWWW-Authenticate: Digest realm="a", nonce="b"\r\n\r\n'
    for number in (1, 2):
        line.peer.sendall(refusal.format(number).encode())
        wait_readable(line.link)
        line.link.ready(READ, 1)
    assert line.peer.recv(65536).count(b"Authorization: Digest") == 1
    states = [line.gate.state]
    line.link.close()
    states.append(line.gate.state)
    assert states == [GateState.TRYING, GateState.UNPROVEN]


@pytest.mark.parametrize(
    "address",
    [Address(9999, ("127.0.0.1", 1)), Address(socket.AF_INET, ("255.255.255.255", 1))],
)
def test_what_cannot_even_begin_to_connect(address: Address) -> None:
    """No such family, no such route: CameraUnreachable at once, and nothing is left open."""
    link = make_link(address, 1, LoginGate(None))
    with pytest.raises(CameraUnreachable):
        link.open(0)
    link.close()
    assert link.statistics().phase == "new"


def test_a_refused_connection_names_its_reason() -> None:
    """The asynchronous connect tells by SO_ERROR."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    link = make_link(Address(socket.AF_INET, ("127.0.0.1", port)), port, LoginGate(None))
    link.open(0)
    with pytest.raises(CameraUnreachable) as caught:
        link.ready(WRITE, 1)
    assert caught.value.fields["reason"] == "ECONNREFUSED"
    link.close()


def test_a_connection_that_never_stands_is_given_up() -> None:
    """After five seconds without a connection."""
    link = make_link(Address(socket.AF_INET, ("127.0.0.1", 9)), 9, LoginGate(None))
    link.open(0)
    link.tick(5 * SECOND)
    with pytest.raises(CameraUnreachable):
        link.tick(5 * SECOND + 1)
    link.close()
