"""A film as a camera: for training, demonstrations and tests.

Owns `FileDriver`. Invariants: `NAME.mp4` in the configured folder is the main stream, `NAME.sub.mp4` beside it
the sub stream; no login, no network; what the film is comes from reading its first pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import anyio.to_thread

from drivers.base import (
    Capability,
    Health,
    LoginMode,
    Probe,
    StreamInfo,
)
from drivers.film import FilmReader, film_path
from drivers.filmplayer import film_source
from drivers.gate import LoginGate
from drivers.registry import Kit, Place
from drivers.streamonly import StreamOnly
from gateway.core.clock import Clock
from gateway.core.errors import CameraUnreachable, CameraUnsupported
from gateway.core.model import StreamRole


class FileDriver(StreamOnly):
    """One film, and perhaps a smaller one of the same beside it."""

    name: ClassVar[str] = "file"
    capabilities = frozenset({Capability.HEALTH})

    def __init__(self, film: str, folder: Path | None, clock: Clock) -> None:
        self._film, self._folder, self._clock = film, folder, clock
        film_source(film)  # a name that cannot be stored is refused now

    async def probe(self) -> Probe:
        """Read the film's beginning."""
        await self._stream(StreamRole.MAIN, self._film)
        return Probe(
            driver=self.name, login_mode=LoginMode.OPEN, serial=f"file:{self._film}", name=Path(self._film).stem
        )

    async def streams(self) -> tuple[StreamInfo, ...]:
        """Return main, and sub if there is one."""
        found = [await self._stream(StreamRole.MAIN, self._film)]
        film = Path(self._film)
        try:
            found.append(await self._stream(StreamRole.SUB, f"{film.stem}.sub{film.suffix}"))
        except CameraUnreachable:
            return tuple(found)
        return tuple(found)

    async def _stream(self, role: StreamRole, film: str) -> StreamInfo:
        return await anyio.to_thread.run_sync(self._look, role, film)

    def _look(self, role: StreamRole, film: str) -> StreamInfo:
        with FilmReader(film_path(self._folder, film)) as reader:
            batch = reader.batch(2)  # the second tells whether there are B-frames, mostly
            if not batch:
                raise CameraUnsupported("the film has no picture", address=film)
            config = batch[0].config
            return StreamInfo(
                role, film_source(film), config.codec, width=config.width, height=config.height, fps=reader.fps
            )

    async def snapshot(self) -> bytes:
        """Refuse: stills are decoded from the stream."""
        raise CameraUnsupported("a film makes no pictures")

    async def health(self) -> Health:
        """Look whether the file is still there."""
        started_ns = self._clock.mono_ns()
        await anyio.to_thread.run_sync(film_path, self._folder, self._film)
        return Health((self._clock.mono_ns() - started_ns) // 1_000_000, None, self._clock.now_ms())


def open_file(place: Place, gate: LoginGate, kit: Kit) -> FileDriver:
    """Play a film of the configured folder: `place` is its name."""
    del gate
    return FileDriver(place.text, kit.files, kit.clock)
