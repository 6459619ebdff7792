"""The second engine's child: its cage, its words, its ends."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.error
import pytest

from drivers.pyav import child, pipe
from drivers.pyav.pipe import Order
from gateway.core import cage

ROOT = Path(__file__).parents[2]
ORDER = Order(1, "word", 5.0)
PROGRAM = """
import os, threading
from drivers.pyav import child
from gateway.core import cage
{before}
said = []
def lock():
    said.append(cage.enter(lambda: cage.lock(child.NEEDED, all_threads=True)))
beside = threading.Thread(target=lock)
beside.start()
beside.join()
{after}
os.write(1, repr(said).encode())
os._exit(0)
"""


def locked_up(before: str = "", after: str = "") -> str:
    """Run a program whose second thread locks it up; returns what it found."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(before=before, after=after)],
        capture_output=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    return done.stdout.decode() or done.stderr.decode()


def messages(data: bytes) -> list[tuple[int, bytes]]:
    found, stream = [], io.BytesIO(data)
    while head := stream.read(pipe.HEAD.size):
        kind, length = pipe.HEAD.unpack(head)
        found.append((kind, stream.read(length)))
    return found


@pytest.mark.parametrize("name", sorted(cage.TRIES))
def test_the_thread_that_was_there_before_is_locked_up_too(name: str) -> None:
    """FFmpeg runs in the first thread; the second loads the filter for both."""
    assert locked_up(after=f"said += cage.escapes({{{name!r}: cage.TRIES[{name!r}]}})") == "['']"


def test_an_open_connection_works_and_no_other_can_be_made() -> None:
    """It can read and write what it has; a packet to anybody else is refused."""
    before = (
        "import socket\n"
        "listener = socket.create_server(('127.0.0.1', 0))\n"
        "ours = socket.create_connection(listener.getsockname())\n"
        "theirs, _ = listener.accept()\n"
        "idle = socket.socket(); loose = socket.socket(type=socket.SOCK_DGRAM)\n"
        "def tried(call):\n"
        "    try:\n"
        "        call(); said.append('yes')\n"
        "    except OSError as error:\n"
        "        said.append(type(error).__name__)\n"
    )
    after = (
        "ours.sendall(b'hello'); said.append(theirs.recv(9))\n"
        "tried(lambda: idle.connect(listener.getsockname()))\n"
        "tried(lambda: loose.sendto(b'x', ('127.0.0.1', 9)))\n"
        "tried(lambda: idle.bind(('127.0.0.1', 0)))\n"
        "tried(listener.accept)\n"
    )
    refused = ", ".join(["'PermissionError'"] * 4)
    assert locked_up(before, after) == f"['', b'hello', {refused}]"


def test_it_says_that_it_is_locked_up() -> None:
    """Only once it was told to."""
    replies = io.BytesIO()
    child.lock_up(io.BytesIO(pipe.frame(pipe.LOCK)), replies, sandbox=True, enter=lambda: "")
    assert messages(replies.getvalue()) == [(pipe.CAGED, b"")]


def test_without_the_cage_it_goes_on_only_when_told() -> None:
    """`vision.sandbox = false` is for machines without libseccomp."""
    replies, entered = io.BytesIO(), list[str]()

    def enter() -> str:
        entered.append("in")
        return ""

    child.lock_up(io.BytesIO(pipe.frame(pipe.LOCK)), replies, sandbox=False, enter=enter)
    assert messages(replies.getvalue()) == [(pipe.CAGED, b"")]
    assert entered == []


def test_a_cage_that_cannot_be_locked_ends_it() -> None:
    """With the reason, before a byte of a camera came."""
    replies, left = io.BytesIO(), list[int]()
    child.lock_up(
        io.BytesIO(pipe.frame(pipe.LOCK)), replies, sandbox=True, enter=lambda: "no libseccomp", leave=left.append
    )
    assert messages(replies.getvalue()) == [(pipe.REFUSED, b"no libseccomp")]
    assert left == [cage.EXIT_REFUSED]


@pytest.mark.parametrize("requests", [b"", b"\2", pipe.frame(pipe.ORDER), pipe.HEAD.pack(pipe.LOCK, 1 << 30)])
def test_a_recorder_that_is_gone_ends_it(requests: bytes) -> None:
    """So does one that says something else; nothing is allocated for it."""
    replies, left = io.BytesIO(), list[int]()
    child.lock_up(io.BytesIO(requests), replies, sandbox=True, leave=left.append)
    assert (replies.getvalue(), left) == (b"", [0])


@pytest.mark.parametrize(
    ("error", "ended"),
    [
        (None, b"closed"),
        (av.error.ExitError(0, "x"), b"silent"),
        (av.error.TimeoutError(0, "x"), b"silent"),
        (av.error.EOFError(0, "x"), b"closed"),
        (av.error.ConnectionResetError(0, "x"), b"closed"),
        (av.error.InvalidDataError(0, "x"), b"bad"),
        (av.error.PermissionError(0, "x"), b"bad"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_why_it_ended_is_said(error: Exception | None, ended: bytes) -> None:
    """After the pictures that came."""

    def source(order: Order) -> Iterator[tuple[int | None, bytes]]:
        assert order is ORDER
        yield 3000, b"picture"
        if error is not None:
            raise error

    replies = io.BytesIO()
    child.stream(ORDER, replies, source)
    assert messages(replies.getvalue()) == [(pipe.UNIT, pipe.encode_unit(3000, b"picture")[5:]), (pipe.END, ended)]


def test_a_picture_above_the_cap_is_left_out() -> None:
    """As in the native engine."""
    replies = io.BytesIO()
    child.stream(ORDER, replies, lambda _: iter([(0, bytes(pipe.MOST_UNIT_BYTES)), (1, b"x")]))
    assert [kind for kind, _ in messages(replies.getvalue())] == [pipe.UNIT, pipe.END]


def test_times_are_ticks_of_90_khz() -> None:
    """Whatever FFmpeg counts in."""
    packet: av.Packet[av.stream.Stream] = av.Packet(b"x")
    assert child.ticks(packet) is None
    packet.pts = 5
    packet.time_base = Fraction(1, 15)
    assert child.ticks(packet) == 30_000


def test_ffmpeg_is_held_short() -> None:
    """TCP only, no other protocol, little probing; the word greets the relay, no login stands anywhere."""
    options = child.options(ORDER)
    assert options["protocol_whitelist"] == options["rtsp_transport"] == "tcp"
    assert options["user_agent"] == "word"
    assert (options["analyzeduration"], options["probesize"], options["timeout"]) == ("100000", "32", "5000000")
