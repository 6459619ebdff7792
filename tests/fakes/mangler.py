"""A TCP proxy that spoils what a camera says: flipped bytes, odd pieces, a line that drips.

What the client says goes through as it is. Equal seeds spoil equal traffic in the same way.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.fakes.talking import talking

Spoil = Callable[[bytes], Iterator[bytes | float]]
"""What becomes of the next bytes: pieces to send on, and seconds to wait."""


def flips(seed: int, one_in: int) -> Callable[[], Spoil]:
    """Change one byte in so many, at random places; each connection goes on where the last one ended."""
    dice = random.Random(seed)

    def spoil(data: bytes) -> Iterator[bytes | float]:
        changed = bytearray(data)
        for at in range(len(changed)):
            if dice.randrange(one_in) == 0:
                changed[at] ^= dice.randrange(1, 256)
        yield bytes(changed)

    return lambda: spoil


def pieces(seed: int, longest: int) -> Callable[[], Spoil]:
    """Send everything unchanged in pieces of random length."""
    dice = random.Random(seed)

    def spoil(data: bytes) -> Iterator[bytes | float]:
        at = 0
        while at < len(data):
            size = dice.randrange(1, longest + 1)
            yield data[at : at + size]
            yield 0.0
            at += size

    return lambda: spoil


def drip(every_s: float) -> Callable[[], Spoil]:
    """Send byte after byte."""

    def spoil(data: bytes) -> Iterator[bytes | float]:
        for byte in data:
            yield bytes([byte])
            yield every_s

    return lambda: spoil


def cut(after: int) -> Callable[[], Spoil]:
    """Let so many bytes of each connection through, then say nothing more."""

    def make() -> Spoil:
        left = after

        def spoil(data: bytes) -> Iterator[bytes | float]:
            nonlocal left
            if left:
                yield data[:left]
            left -= min(left, len(data))

        return spoil

    return make


@dataclass
class Mangler:
    """A proxy to one port of a camera."""

    host: str
    to_port: int
    make: Callable[[], Spoil]
    port: int = 0
    connections: int = 0

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            from_camera, to_camera = await asyncio.open_connection(self.host, self.to_port)
        except OSError:
            return
        spoil = self.make()
        there = asyncio.ensure_future(_carry(reader, to_camera, lambda data: iter([data])))
        back = asyncio.ensure_future(_carry(from_camera, writer, spoil))
        try:
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
        finally:
            to_camera.close()  # before anything is waited for: the wait itself may be cancelled
            for task in (there, back):
                task.cancel()
            await asyncio.gather(there, back, return_exceptions=True)


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter, spoil: Spoil) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65_536):
            for piece in spoil(data):
                if isinstance(piece, float):
                    await asyncio.sleep(piece)
                else:
                    target.write(piece)
                    await target.drain()


@asynccontextmanager
async def mangler(host: str, port: int, make: Callable[[], Spoil]) -> AsyncIterator[Mangler]:
    """Run a proxy on the camera's own address, on a port of its own."""
    proxy = Mangler(host, port, make)
    async with talking(proxy._talk, host) as proxy.port:
        yield proxy
