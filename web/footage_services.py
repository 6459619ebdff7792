"""What the pages need of the recorder, as narrow protocols: stills, recorded footage, the footage key.

Owns the values that cross, and `RecorderPort`, `KeyDoor`, `PlaybackDoor`. Invariant: what shows a picture takes a grant
or an opened playback, which is decided again at each use. All times are UTC milliseconds.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.core.model import Grant, PublicId, Secret, StreamRole
from web.caller import Caller


@dataclass(frozen=True, slots=True)
class Still:
    """A JPEG with the instant it shows."""

    captured_ms: int
    width: int
    height: int
    jpeg: bytes


class RecorderPort(Protocol):
    """The recorder's control socket, as far as pages need it."""

    async def status(self) -> Mapping[str, Any]:
        """Return the recorder's `status`; DaemonUnavailable if it does not answer."""

    async def still(self, grant: Grant, width: int) -> Still:
        """Return the newest still; CameraUnreachable and its kin if there is none."""


class KeyDoor(Protocol):
    """The footage key: how it is, and opening and closing it."""

    async def status(self) -> Mapping[str, Any]:
        """Return mode, place, unlocked, passphrase_set, holders; DaemonUnavailable if the recorder does not answer."""

    async def act(self, caller: Caller, act: str, secrets: Mapping[str, Secret]) -> Mapping[str, Any]:
        """Unlock, lock, or change the passphrase, with an audit row; Denied, PassphraseRefused, BadInput."""


@dataclass(frozen=True, slots=True)
class OpenedPlayback:
    """Recorded time that a session may look at, UTC ms, half open."""

    playback: str
    from_ms: int
    to_ms: int
    streams: tuple[StreamRole, ...]
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SegmentSize:
    """Plaintext bytes of a segment; one that is not closed grows."""

    bytes: int
    closed: bool


@dataclass(frozen=True, slots=True)
class HourIndex:
    """The segments of an hour, as the recorder's `playback.index` tells them."""

    segments: Sequence[Mapping[str, Any]]
    over: bool
    """Nothing will be added any more."""


class PlaybackDoor(Protocol):
    """Recorded footage; what shows a picture goes through an opened playback, decided again at each use.

    Raises NotFound for a playback that is not the caller's own or footage that is gone, Denied, KeyLocked,
    SegmentCorrupt, DaemonUnavailable.
    """

    async def days(
        self, camera: PublicId, from_ms: int | None, to_ms: int | None, stream: StreamRole | None
    ) -> Mapping[str, Any]:
        """Return which days have footage."""

    async def timeline(
        self, camera: PublicId, from_ms: int, to_ms: int, stream: StreamRole | None
    ) -> Mapping[str, Any]:
        """Return spans, gaps with causes and motion."""

    async def open(self, caller: Caller, camera: PublicId, from_ms: int, to_ms: int) -> OpenedPlayback:
        """Decide, write the audit row with the span, open."""

    async def close(self, caller: Caller, camera: PublicId, playback: str) -> None:
        """End a playback."""

    async def index(
        self,
        caller: Caller,
        camera: PublicId,
        playback: str,
        stream: StreamRole,
        span: tuple[int | None, int | None] = (None, None),
    ) -> Mapping[str, Any]:
        """Return segments with their GOPs, and configurations."""

    async def hour(
        self, caller: Caller, camera: PublicId, playback: str, stream: StreamRole, start_ms: int
    ) -> HourIndex:
        """Return the part of an hour that the playback covers."""

    async def init(
        self, caller: Caller, camera: PublicId, playback: str, stream: StreamRole, config: str
    ) -> tuple[str, bytes]:
        """Return media type and bytes of an init segment."""

    async def segment(
        self, caller: Caller, camera: PublicId, playback: str, stream: StreamRole, segment: str
    ) -> SegmentSize:
        """Return how long a segment is."""

    def media(
        self, caller: Caller, camera: PublicId, playback: str, stream: StreamRole, segment: str, offset: int, size: int
    ) -> AsyncGenerator[bytes, None]:
        """Yield bytes of a segment; raises before the first chunk, or midway."""

    async def thumb(self, caller: Caller, camera: PublicId, playback: str, at_ms: int, width: int) -> Still:
        """Return the key frame at or before an instant."""
