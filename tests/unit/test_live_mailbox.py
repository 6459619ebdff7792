"""Doors and the mailbox: read at once while connecting, together afterwards, never for ever."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.live import mailbox as rooms
from gateway.live.ice import AddressRules, HardConnection
from gateway.live.mailbox import MOST_AT_ONCE, MOST_BYTES, Door, Mailbox, bound

HANG_S = 20.0


class Listening(asyncio.DatagramProtocol):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.sources: list[Any] = []
        self.errors: list[Exception] = []
        self.lost = asyncio.Event()
        self.then: Callable[[bytes], None] = lambda data: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.got.append(data)
        self.sources.append(addr)
        self.then(data)

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        assert exc is None
        self.lost.set()


class Scene:
    """A mailbox, doors on loopback, and a stranger's socket to write to them."""

    def __init__(self) -> None:
        self.mailbox = Mailbox()
        self.doors: list[Door] = []
        self.behind: list[Listening] = []
        self.out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def open(self, *, settled: bool = False) -> tuple[Door, Listening]:
        listening = Listening()
        door = Door(bound("127.0.0.1"), listening, self.mailbox)
        if settled:
            door.settle()
        self.doors.append(door)
        self.behind.append(listening)
        return door, listening

    def write(self, door: Door, data: bytes) -> None:
        self.out.sendto(data, door.get_extra_info("sockname"))

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(HANG_S):
            while not true():  # noqa: ASYNC110 - counted as they are read
                await asyncio.sleep(0.002)

    async def close(self) -> None:
        for door in self.doors:
            door.close()
        for listening in self.behind:
            async with asyncio.timeout(HANG_S):
                await listening.lost.wait()
        self.out.close()


def filled(got: list[bytes], count: int) -> bool:
    """Say whether so many have come."""
    return len(got) == count


def played(body: Callable[[Scene], Awaitable[None]]) -> None:
    """Run a body with a scene; afterwards no descriptor may be left."""

    async def run() -> None:
        before = len(list(Path("/proc/self/fd").iterdir()))
        scene = Scene()
        await body(scene)
        await scene.close()
        assert len(list(Path("/proc/self/fd").iterdir())) == before

    asyncio.run(run())


def test_a_door_gives_what_comes_to_its_protocol_and_sends_for_it() -> None:
    """As asyncio's own transport does, for both kinds of reading."""

    async def body(scene: Scene) -> None:
        scene.out.bind(("127.0.0.1", 0))
        for settled in (False, True):
            door, listening = scene.open(settled=settled)
            assert listening.transport is door
            scene.write(door, b"first")
            scene.write(door, b"second")
            await scene.until(partial(filled, listening.got, 2))
            assert listening.got == [b"first", b"second"]
            assert listening.sources[0] == scene.out.getsockname()
            door.sendto(b"answer", scene.out.getsockname())
            scene.out.settimeout(HANG_S)
            assert scene.out.recvfrom(99) == (b"answer", door.get_extra_info("sockname"))

    played(body)


def test_there_is_hurry_while_somebody_lacks_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A repair asked for makes the next looks come soon, for a while; then the long pause is back."""
    monkeypatch.setattr(rooms, "PAUSE_S", 3600.0)
    monkeypatch.setattr(rooms, "HURRIED_S", 600.0)

    async def body(scene: Scene) -> None:
        door, listening = scene.open(settled=True)
        listening.then = lambda data: scene.mailbox.hurry() if data == b"nack" else None
        scene.write(door, b"nack")
        await scene.until(lambda: listening.got == [b"nack"])
        scene.mailbox._again()  # the pause that began before the hurry
        for n in range(3):
            scene.write(door, b"report")
            await scene.until(partial(filled, listening.got, 2 + n))
        scene.mailbox._hurried_until_s = 0.0
        looked = scene.mailbox.rounds
        scene.write(door, b"late")
        await scene.until(lambda: scene.mailbox.rounds > looked)
        scene.write(door, b"later")
        await asyncio.sleep(3 * rooms.HURRIED_PAUSE_S)
        assert b"later" not in listening.got

    played(body)


def test_settled_doors_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty viewers that write within one pause cost two looks, not forty turns; the first waits for nobody."""
    monkeypatch.setattr(rooms, "PAUSE_S", 3600.0)

    async def body(scene: Scene) -> None:
        made = [scene.open(settled=True) for _ in range(40)]
        scene.write(made[0][0], b"early")
        await scene.until(lambda: made[0][1].got == [b"early"])
        looked = scene.mailbox.rounds
        for door, _ in made:
            scene.write(door, b"report")
        for _ in range(10):
            await asyncio.sleep(0)
        assert [len(listening.got) for _, listening in made[1:]] == [0] * 39
        scene.mailbox._again()
        await scene.until(lambda: all(listening.got[-1:] == [b"report"] for _, listening in made))
        assert scene.mailbox.rounds == looked + 1

    played(body)


def test_when_nothing_has_come_the_next_datagram_is_read_at_once() -> None:
    """After a look that found nothing the loop wakes for the mailbox again instead of for its timer."""

    async def body(scene: Scene) -> None:
        door, listening = scene.open(settled=True)
        for count in range(1, 4):
            scene.write(door, b"x")
            await scene.until(partial(filled, listening.got, count))
            await scene.until(lambda: scene.mailbox._pause is None)

    played(body)


def test_a_flood_is_read_in_portions_and_the_others_between_them() -> None:
    """One look takes no more than `MOST_AT_ONCE`, one of each door in turn: whoever else has written is in it."""

    async def body(scene: Scene) -> None:
        loud, shouting = scene.open(settled=True)
        calm, speaking = scene.open(settled=True)
        for number in range(MOST_AT_ONCE + 9):
            scene.write(loud, bytes([number % 256]))
        scene.write(calm, b"report")
        scene.mailbox._empty()
        assert (len(shouting.got), speaking.got) == (MOST_AT_ONCE - 1, [b"report"])
        await scene.until(lambda: len(shouting.got) == MOST_AT_ONCE + 9)

    played(body)


def test_what_a_datagram_raises_leaves_the_mailbox_open() -> None:
    """The loop's own handler hears of it; everybody is read afterwards as before."""

    async def body(scene: Scene) -> None:
        raised: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: raised.append(context["exception"]))
        door, listening = scene.open(settled=True)
        _, other = scene.open(settled=True)

        def refuse(data: bytes) -> None:
            if data == b"bad":
                raise ValueError("bad")

        listening.then = refuse
        for word in (b"bad", b"bad", b"good"):
            scene.write(door, word)
            scene.write(scene.doors[1], word)
        await scene.until(lambda: listening.got[-1:] == [b"good"] and other.got[-1:] == [b"good"])
        assert [str(error) for error in raised] == ["bad", "bad"]

    played(body)


def test_the_last_door_may_close_while_it_is_read() -> None:
    """A farewell closes its own door, another one's, and with the last one the mailbox; one can open after it."""

    async def body(scene: Scene) -> None:
        for word in (b"at once", b"after a pause"):
            one, first = scene.open(settled=True)
            two, _ = scene.open(settled=True)

            def farewell(data: bytes, doors: tuple[Door, ...] = (one, two)) -> None:
                if data == b"bye":
                    for door in doors:
                        door.close()

            first.then = farewell
            if word == b"after a pause":
                scene.write(one, b"hello")
                await scene.until(partial(filled, first.got, 1))
            scene.write(one, b"bye")
            scene.write(two, b"never read")
            await scene.until(one.is_closing)
            assert scene.mailbox._epoll is None

    played(body)


def test_a_closed_door_sends_nothing_and_closes_once() -> None:
    """Late callers hit nothing; a descriptor's number is never used after it is given back."""

    async def body(scene: Scene) -> None:
        for settled in (False, True):
            door, listening = scene.open(settled=settled)
            door.close()
            door.abort()
            door.settle()
            door.sendto(b"late", ("127.0.0.1", 9))
            assert (door.is_closing(), door.fileno(), listening.errors) == (True, -1, [])

    played(body)


def test_what_cannot_be_sent_is_told_or_left() -> None:
    """A full socket loses the datagram, as the way could have; any other refusal is told to the protocol."""

    async def body(scene: Scene) -> None:
        door, listening = scene.open()
        door.sendto(b"x" * 70_000, ("127.0.0.1", 9))
        assert len(listening.errors) == 1
        scene.write(door, b"y" * (MOST_BYTES + 100))
        await scene.until(lambda: bool(listening.got))
        assert listening.got == [b"y" * MOST_BYTES]

    played(body)


def test_an_address_that_is_not_ours_leaves_no_descriptor() -> None:
    """The socket is closed before the error goes up, and the agent counts it."""

    async def body(scene: Scene) -> None:
        with pytest.raises(OSError, match="assign"):
            bound("192.0.2.1")
        connection = HardConnection(["192.0.2.1", "127.0.0.1"], AddressRules(allow_loopback=True), (), scene.mailbox)
        await connection.gather_candidates()
        assert connection.dropped["unbindable_address"] == 1
        assert [candidate.host for candidate in connection.local_candidates] == ["127.0.0.1"]
        await connection.close()

    played(body)
