"""TLS without a socket: a handshake in memory, and everything a hostile camera may say instead."""

from __future__ import annotations

import contextlib
import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.rtsp.tls import MOST_HANDSHAKE_BYTES, TlsClient
from drivers.simulated.certificate import SelfSigned
from gateway.core.clock import SystemClock
from gateway.core.errors import CameraBadReply

SERVER = SelfSigned(SystemClock())


class Server:
    """The camera's end."""

    def __init__(self, context: ssl.SSLContext = SERVER.context) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def answer(self, data: bytes) -> bytes:
        """Take the client's bytes, go on with the handshake; return ours."""
        self.incoming.write(data)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()


def joined() -> tuple[TlsClient, Server]:
    """Return both ends after the handshake."""
    client, server = TlsClient(), Server()
    plain = client.receive(b"")
    while not client.established:
        plain += client.receive(server.answer(client.take_output()))
    plain += client.receive(server.answer(client.take_output()))
    assert plain == b""
    return client, server


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("chunk", [1, 7, 100_000])
def test_bytes_go_both_ways_whatever_the_pieces(newest: ssl.TLSVersion, chunk: int) -> None:
    """TLS 1.2 and 1.3, one byte at a time or all at once."""
    SERVER.context.maximum_version = newest
    client, server = TlsClient(), Server()
    client.receive(b"")
    while not client.established:
        data = server.answer(client.take_output())
        for at in range(0, len(data), chunk):
            client.receive(data[at : at + chunk])
    client.receive(server.answer(client.take_output()))
    SERVER.context.maximum_version = ssl.TLSVersion.TLSv1_3
    assert client.fingerprint == SERVER.fingerprint
    client.write(b"OPTIONS * RTSP/1.0\r\n\r\n")
    client.write(b"")
    server.incoming.write(client.take_output())
    assert server.tls.read(100) == b"OPTIONS * RTSP/1.0\r\n\r\n"
    server.tls.write(b"$" * 300_000)
    data, got = server.outgoing.read(), b""
    for at in range(0, len(data), max(chunk, 1000)):
        got += client.receive(data[at : at + max(chunk, 1000)])
    assert got == b"$" * 300_000
    assert not client.ended


def test_a_goodbye_is_an_end_with_what_came_before() -> None:
    """close_notify: the last bytes are delivered, then it has ended."""
    client, server = joined()
    server.tls.write(b"last")
    with pytest.raises(ssl.SSLWantReadError):
        server.tls.unwrap()
    assert client.receive(server.outgoing.read()) == b"last"
    assert client.ended


@pytest.mark.parametrize(
    "answer",
    [
        b"RTSP/1.0 400 Bad Request\r\n\r\n",
        b"HTTP/1.1 400\r\n\r\n",
        bytes(100),
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"\xff" * 40,
    ],
)
def test_what_is_no_tls_is_a_bad_reply(answer: bytes) -> None:
    """A plain port, zeros, an alert, garbage."""
    client = TlsClient()
    client.receive(b"")
    with pytest.raises(CameraBadReply):
        client.receive(answer)
    assert not client.established


def test_a_handshake_without_end_is_cut_off() -> None:
    """A chain of certificates of any length: 128 KiB and no more, however slowly it comes."""
    client = TlsClient()
    client.receive(b"")
    with pytest.raises(CameraBadReply) as caught:
        client.receive(bytes(MOST_HANDSHAKE_BYTES + 1))
    assert caught.value.fields["limit_bytes"] == MOST_HANDSHAKE_BYTES
    client = TlsClient()
    client.receive(b"\x16\x03\x03\x40\x00")
    with pytest.raises(CameraBadReply):
        for _ in range(MOST_HANDSHAKE_BYTES):
            client.receive(b"\x0b")
    assert not client.established


def test_old_protocols_are_not_spoken() -> None:
    """TLS 1.1 and older ask for nothing."""
    old = SelfSigned(SystemClock())
    old.context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLS"):
        old.context.maximum_version = ssl.TLSVersion.TLSv1_1
    client, server = TlsClient(), Server(old.context)
    client.receive(b"")
    with pytest.raises((ssl.SSLError, CameraBadReply)):
        client.receive(server.answer(client.take_output()))


def test_renegotiation_is_refused() -> None:
    """Our end answers no request to shake hands again."""
    from drivers.rtsp import tls

    assert tls._context().options & ssl.OP_NO_RENEGOTIATION


@given(st.integers(0, 4_000), st.integers(1, 255), st.integers(1, 500))
@settings(max_examples=60, deadline=None)
def test_any_flipped_byte_ends_in_our_error_or_nothing(place: int, mask: int, chunk: int) -> None:
    """In the handshake or behind it: `CameraBadReply`, or the bytes as they were sent, never others."""
    client, server = TlsClient(), Server()
    client.receive(b"")
    count, plain = 0, b""
    try:
        for _ in range(4):
            data = bytearray(server.answer(client.take_output()))
            if client.established:
                server.tls.write(b"media" * 200)
                data += server.outgoing.read()
            if count <= place < count + len(data):
                data[place - count] ^= mask
            count += len(data)
            for at in range(0, len(data), chunk):
                plain += client.receive(bytes(data[at : at + chunk]))
    except (CameraBadReply, ssl.SSLError) as error:
        assert isinstance(error, CameraBadReply) or "server" not in str(error)
    assert (b"media" * 600).startswith(plain)
