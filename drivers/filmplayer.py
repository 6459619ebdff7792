"""Playing films as cameras: the pictures of a file, at their pace, round and round.

Owns `FilmPlayer`, which plays the sources that name a film and leaves all others to the network. Invariants:
no film touches the network, no network source touches a file; FFmpeg is loaded with the first film; a
picture is delivered when it is due, or later, never before; after a stall the film goes on from where it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from drivers.gate import LoginGate
from drivers.rtsp.protocol import StreamSink
from drivers.rtsp.source import RtspSource
from drivers.rtsponly import StreamPlayer
from gateway.core.clock import Clock
from gateway.core.errors import BadInput, CameraClosed, CameraUnreachable, CameraUnsupported
from gateway.core.media import TICKS_PER_S, AccessUnit

if TYPE_CHECKING:
    from drivers.film import FilmReader, Picture
    from drivers.rtsp.parametersets import ParameterSets

FILM_HOST = "film.invalid"
"""Host of the sources that are files: a name that no name server knows (RFC 6761 §6.4)."""
BATCH = 32
STALL_NS = 1_000_000_000
LEAST_ROUND_90K = TICKS_PER_S
"""A film of two pictures in a millisecond would otherwise be opened a thousand times a second."""


def film_source(name: str) -> RtspSource:
    """Return the source that stands for a film; raises BadInput for a name with blanks or other letters."""
    return RtspSource(FILM_HOST, 1, f"/{name}")


class FilmPlayer:
    """A `StreamPlayer` for films and, through another one, for everything else."""

    def __init__(self, network: StreamPlayer, folder: Path | None, clock: Clock) -> None:
        self._network, self._folder, self._clock = network, folder, clock

    async def play(self, source: RtspSource, gate: LoginGate, sink: StreamSink) -> None:
        """Play until cancelled or failed with a `CameraError`; a film ends only by being taken away or damaged."""
        if source.host != FILM_HOST:
            await self._network.play(source, gate, sink)
            return
        from drivers.film import film_path  # noqa: PLC0415 - FFmpeg's 30 MB only where films are played

        try:
            path = await anyio.to_thread.run_sync(film_path, self._folder, source.path.removeprefix("/"))
            await self._rounds(path, sink)
        except CameraUnreachable as error:  # knocking at a file helps nobody: it is looked for again, later
            raise CameraClosed("the film is not there", address=source.path) from error
        except BadInput as error:
            raise CameraUnsupported("this film may not be played", address=source.path) from error

    async def _rounds(self, path: Path, sink: StreamSink) -> None:
        from drivers.film import FilmReader  # noqa: PLC0415 - see play

        sets: ParameterSets | None = None
        start_ns, offset_90k, told = self._clock.mono_ns(), 0, False
        while True:
            reader = await anyio.to_thread.run_sync(FilmReader(path, sets).__enter__)
            try:
                last_90k, step_90k = -1, TICKS_PER_S
                while batch := await anyio.to_thread.run_sync(reader.batch, BATCH):
                    if not told:
                        sink.playing(batch[0].config)
                        told = True
                    for picture in batch:
                        step_90k = picture.pts_90k - last_90k if last_90k >= 0 else step_90k
                        last_90k = picture.pts_90k
                        start_ns = await self._show(picture, offset_90k, start_ns, sink)
            finally:
                await self._close(reader)
            if last_90k < 0:
                raise CameraClosed("the film has no picture", address=path.name)
            offset_90k, sets = offset_90k + max(last_90k + step_90k, LEAST_ROUND_90K), reader.sets

    async def _show(self, picture: Picture, offset_90k: int, start_ns: int, sink: StreamSink) -> int:
        """Deliver a picture when it is due; returns the film's start, moved if we are late by a stall."""
        pts_90k = offset_90k + picture.pts_90k
        due_ns = start_ns + pts_90k * 100_000 // 9
        wait_ns = due_ns - self._clock.mono_ns()
        if wait_ns > 0:
            await self._clock.sleep(wait_ns / 1e9)
        elif wait_ns < -STALL_NS:
            start_ns -= wait_ns
        sink.unit(AccessUnit(picture.nals, pts_90k, picture.is_key, self._clock.mono_ns(), picture.config))
        return start_ns

    @staticmethod
    async def _close(reader: FilmReader) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(reader.__exit__, None, None, None)
