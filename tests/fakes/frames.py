"""Whether a recording holds exactly the pictures a simulated camera showed, one after the other."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import av

from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.live import Due
from gateway.core.model import Action, StreamRole
from tests.fakes.recorderd import Recorderd

Picture: TypeAlias = tuple[bytes, ...]
"""The H.264 slices of one picture: what a camera showed, without what wraps it."""

ENOUGH = 20
MOST_LOOKS = 50


def slices(nals: Iterable[bytes]) -> Picture:
    """Return the slices among NAL units (types 1 to 5)."""
    return tuple(nal for nal in nals if 1 <= nal[0] & 31 <= 5)


def split_lengths(sample: bytes) -> Iterator[bytes]:
    """Yield the NAL units of a sample with 4-byte length prefixes (ISO 14496-15)."""
    at = 0
    while at < len(sample):
        size = int.from_bytes(sample[at : at + 4], "big")
        yield sample[at + 4 : at + 4 + size]
        at += 4 + size


class Shown:
    """A viewer that writes down what a stream showed, in order, also what it skipped when its process stalled."""

    def __init__(self, camera: SimulatedCamera, role: StreamRole = StreamRole.MAIN) -> None:
        self.role = role
        self.pictures: list[Picture] = []
        self.enough = asyncio.Event()
        self._stream = camera.streams[role]
        self._stream.add(self)

    def deliver(self, due: Due) -> None:
        self.pictures.append(slices(due.unit.nals))
        if len(self.pictures) == ENOUGH:
            self.enough.set()

    def leave(self) -> None:
        self._stream.remove(self)


def contains_run(whole: list[Picture], part: list[Picture]) -> bool:
    """Say whether `part` is a piece of `whole` without anything left out."""
    return any(whole[at : at + len(part)] == part for at in range(len(whole) - len(part) + 1))


async def recorded(daemon: Recorderd, camera: str, role: StreamRole = StreamRole.MAIN) -> list[Picture]:
    """Export every closed segment of a stream; return its pictures in order."""
    pictures: list[Picture] = []
    rows = (await daemon.call("segments", camera=camera, stream=role.value, closed_only=True))["segments"]
    for row in rows:
        end_ms = row["start_ms"] + row["duration_ms"]
        ticket = daemon.ticket(camera, Action.EXPORT, from_ms=row["start_ms"], to_ms=end_ms)
        parts = [part async for part in daemon.client.stream("export", {"ticket": ticket, "segment": row["path"]})]
        with av.open(io.BytesIO(b"".join(parts)), "r") as container:
            pictures += [slices(split_lengths(bytes(packet))) for packet in container.demux(video=0) if packet.size]
    return pictures


def plain_text_of(folder: Path, secrets: list[bytes]) -> list[str]:
    """Return the files under `folder` in which one of the secrets stands as it is.

    A recorder at work renames files: where one went away while it was its turn, all are looked at again, so that none
    is missed under its new name.
    """
    for _ in range(MOST_LOOKS):
        try:
            return [
                str(path.relative_to(folder))
                for path in sorted(folder.rglob("*"))
                if path.is_file() and any(secret in path.read_bytes() for secret in secrets)
            ]
        except FileNotFoundError:
            continue
    raise AssertionError(f"files in {folder} never stand still")


def taken_ms(data: bytes) -> list[int]:
    """Decode an init segment and what follows it; returns when each picture was taken, UTC ms."""
    with av.open(io.BytesIO(data), "r") as container:
        base = container.streams.video[0].time_base
        assert base is not None
        return [round(float((picture.pts or 0) * base) * 1000) for picture in container.decode(video=0)]
