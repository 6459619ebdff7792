"""The RTSP paths of one simulated camera, as they are at the moment of asking.

Owns `Paths`. Invariant: it holds nothing of its own: a camera can lose its sub stream while it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivers.simulated.live import LiveStream
from drivers.simulated.state import CameraState
from gateway.core.model import StreamRole


class Paths(dict[str, LiveStream]):
    """A live view of the camera's streams by path."""

    def __init__(self, state: CameraState, streams: Mapping[StreamRole, LiveStream]) -> None:
        super().__init__()
        self._state, self._streams = state, streams

    def get(self, path: str, default: Any = None) -> Any:
        """Return the stream at `path`; tolerant of other query strings, as cameras are."""
        for profile in self._state.shown_profiles():
            if path in (profile.path, profile.path.partition("?")[0]):
                return self._streams[profile.role]
        return default
