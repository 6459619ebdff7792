"""Where a simulated camera or recorder is: its loopback address, and its RTSP paths at the moment of asking.

Owns `Paths`. Invariants: it holds nothing of its own: a camera can lose its sub stream, a recorder a channel while it
runs; the channels of a recorder share the streams of their roles.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from drivers.simulated.live import LiveStream
from drivers.simulated.state import CameraState, Encoder, Profile
from gateway.core.model import StreamRole


class Paths(dict[str, LiveStream]):
    """A live view of the camera's streams by path."""

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


def channel_profiles(paths: tuple[str, str], main: Encoder, sub: Encoder, channels: int) -> list[Profile]:
    """Return main and sub of each channel; {c} in the paths is its number, from 1."""
    made: list[Profile] = []
    for channel in range(1, channels + 1):
        mark = "" if channel == 1 else str(channel)
        made.append(Profile(StreamRole.MAIN, f"main{mark}", paths[0].format(c=channel), main, channel))
        made.append(Profile(StreamRole.SUB, f"sub{mark}", paths[1].format(c=channel), sub, channel))
    return made


def is_loopback(text: str) -> bool:
    """Say whether a text is an IPv4 loopback address: the only ones simulated cameras live on."""
    try:
        return ipaddress.IPv4Address(text).is_loopback
    except ValueError:
        return False
