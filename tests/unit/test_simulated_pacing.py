"""Paced bytes: the same bytes in the same order, in segments."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from drivers.simulated.farm import QUICK, Farm
from drivers.simulated.pacing import Pace, PacedSender, PacedSink
from tests.fakes.simulated import PASSWORD, RtspClient

pytestmark = pytest.mark.anyio


def pair(sender: PacedSender) -> tuple[PacedSink, socket.socket]:
    near, far = socket.socketpair()
    near.setblocking(False)
    far.settimeout(20)
    return PacedSink(sender, near), far


def read_all(far: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        piece = far.recv(65_536)
        assert piece
        got += piece
    return got


def test_bytes_arrive_whole_and_in_order() -> None:
    """What is written in pieces of any size arrives byte for byte, cut into segments."""
    with PacedSender(Pace(segment_bytes=100, gap_ns=10_000)) as sender:
        sink, far = pair(sender)
        with far:
            pieces = [bytes([n]) * (n * 37 % 251) for n in range(60)]
            for piece in pieces:
                sink.write(piece)
            whole = b"".join(pieces)
            assert read_all(far, len(whole)) == whole
            assert sender.segments >= len(whole) // 100
            sink.close()


def test_two_connections_share_the_thread() -> None:
    """A connection that nobody reads does not hold up another."""
    with PacedSender(Pace(gap_ns=1000)) as sender:
        stuck, unread = pair(sender)
        sink, far = pair(sender)
        with unread, far:
            stuck.write(b"x" * 5_000_000)
            sink.write(b"y" * 50_000)
            assert read_all(far, 50_000) == b"y" * 50_000
            assert stuck.waiting_bytes() > 0
            stuck.close()
            sink.close()
            assert stuck.waiting_bytes() == 0


def test_closed_sinks_take_nothing() -> None:
    """Writing after the end, or to a peer that is gone, is dropped without an error."""
    with PacedSender(Pace(gap_ns=1000)) as sender:
        sink, far = pair(sender)
        far.close()
        sink.write(b"x" * 100_000)
        sink.close()
        sink.close()
        sink.write(b"more")
        assert sink.waiting_bytes() == 0
        assert sink.send_next() is None


def test_sender_ends_with_work_left() -> None:
    """Leaving the sender ends its thread, whatever still waits."""
    with PacedSender(Pace(gap_ns=10_000_000)) as sender:
        sink, far = pair(sender)
        sink.write(b"x" * 100_000)
    assert not sender._thread.is_alive()
    sink.close()
    far.close()


async def test_paced_camera_plays() -> None:
    """Requests and media of a paced camera go over the same connection without mixing."""
    options = replace(QUICK, discovery=False, pace=Pace())
    async with Farm(1, password=PASSWORD, options=options) as f:

        def body() -> None:
            with RtspClient(f.cameras[0]) as client:
                client.setup()
                client.play()
                packets = client.take(60)
                numbers = [packet.seq for packet in packets]
                assert numbers == [(numbers[0] + n) & 0xFFFF for n in range(60)]
                assert client.ask("GET_PARAMETER", client.url, f"Session: {client.session}").status == 200
                assert client.teardown().status == 200

        await asyncio.to_thread(body)
        assert f.cameras[0].sessions == 0
