"""The RTSP paths of a simulated camera or recorder, as they are at the moment of asking.

Owns the way from a path to the stream behind it. Invariants: a camera can lose its sub stream, and a recorder a
channel, while it runs; the channels of a recorder share the streams of their roles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivers.simulated.live import LiveStream
from drivers.simulated.state import CameraState
from gateway.core.model import StreamRole


class ChannelPaths(dict[str, LiveStream]):
    """Streams by path; always looked up, never stored."""

    def __init__(self, state: CameraState, streams: Mapping[StreamRole, LiveStream]) -> None:
        super().__init__()
        self._state, self._streams = state, streams

    def get(self, path: str, default: Any = None) -> Any:
        """Return the stream at `path`; tolerant of other query strings, as cameras are."""
        for profile in self._state.shown_profiles():
            if str(profile.channel) in self._state.quirks.channels_off:
                continue
            if path == profile.path or (path == profile.path.partition("?")[0] and profile.channel == 1):
                return self._streams[profile.role]
        return default
