"""What a camera task needs of whoever plays a stream.

Owns these protocols; the roof gives the objects (of `drivers`). Invariants: a player ends by a `CameraError` or by
being cancelled, and delivers nothing afterwards; a sink never waits.
"""

from __future__ import annotations

from typing import Any, Protocol

from gateway.core.media import AccessUnit, CodecConfig


class StreamSink(Protocol):
    """What a player delivers to; called in the network thread, must not wait."""

    def playing(self, config: CodecConfig | None) -> None:
        """PLAY was accepted."""

    def unit(self, unit: AccessUnit) -> None:
        """One picture."""


class StreamPlayer(Protocol):
    """Opens one stream and delivers until it ends; always ends by CameraError or cancellation."""

    async def play(self, source: Any, gate: Any, sink: StreamSink) -> None:
        """Play; when it returns, nothing is delivered any more."""


class Wait(Protocol):
    """What to do after a failure: `kind` is knock, pause or stop."""

    @property
    def kind(self) -> str:
        """How to wait."""

    @property
    def seconds(self) -> float:
        """How long, or how often to knock."""
