"""Sixteen rooms for tests of a page of tiles: a feed that gives each camera a picture with a mark of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from gateway.core import feedwire
from gateway.core.media import AccessUnit
from gateway.core.model import PublicId
from tests.fakes.feed import FakeFeed
from tests.fakes.h264 import Clip, clip


def room_clip(number: int, width: int = 320, height: int = 180) -> Clip:
    """Return the moving picture of a room; its mark says which."""
    return clip(width, height, fps=10, gop=20, mark=number + 1)


class RoomsFeed(FakeFeed):
    """Plays each camera's own clip, all picture for picture at the same time; `dead` ones send nothing."""

    def __init__(self, path: Path, rooms: Mapping[PublicId, Clip]) -> None:
        super().__init__(path, next(iter(rooms.values())))
        self.rooms = rooms
        self.dead: set[PublicId] = set()
        self._of: dict[asyncio.StreamWriter, PublicId] = {}

    def send(self, unit: AccessUnit, *, skipped: bool = False) -> None:
        """Send this picture of each room to who watches the room."""
        self._gop = [unit] if unit.is_key else [*self._gop, unit]
        for writer, camera in self._of.items():
            if camera not in self.dead:
                theirs = self.rooms[camera].unit(self.number - 1, unit.received_mono_ns)
                writer.write(feedwire.encode_unit(theirs, skipped=skipped))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            _, length = feedwire.HEAD.unpack(await reader.readexactly(feedwire.HEAD.size))
            wanted = feedwire.decode_subscribe(await reader.readexactly(length))
            self.subscribed.append(wanted)
            room = self.rooms[wanted.camera]
            writer.write(feedwire.encode_config(room.config))
            first = self.number - len(self._gop)
            for place, unit in enumerate(self._gop):
                if wanted.camera not in self.dead:
                    writer.write(feedwire.encode_unit(room.unit(first + place, unit.received_mono_ns)))
            self._of[writer] = wanted.camera
            self._writers.add(writer)
            await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self._writers.discard(writer)
            self._of.pop(writer, None)
