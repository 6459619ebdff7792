"""From what a camera keeps reporting to the few facts worth a row: episodes.

Owns the thinning of camera events; pure, times are monotonic nanoseconds. Invariants: an episode begins
with the first report and ends when nothing was reported for the quiet time of its kind, so a room full of
children is one episode and not a thousand rows; the number of things watched is bounded; a beginning
is told at once, an end when it is sure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

QUIET_S: Mapping[str, float] = {"motion": 900.0, "tamper": 60.0, "input": 10.0, "hardware": 60.0}
"""Kinds that are journalled, and how long nothing of the kind means that it is over. Motion of a class is
told in few rows: the journal keeps a year of a school, not two days."""
STALE_S = 4 * 3_600.0
"""Something that began and was never said to have ended is over then: many cameras forget to say."""
MOST_SOURCES = 1_024
"""Cameras times what they report about."""


@dataclass(frozen=True, slots=True)
class Told:
    """One fact for the journal."""

    camera: str
    kind: str
    state: str
    """on or off."""
    seconds: int
    """Length of the episode; 0 when it begins."""


@dataclass(slots=True)
class _Episode:
    began_ns: int
    seen_ns: int
    active: bool


@dataclass(slots=True)
class Episodes:
    """The episodes under way, by camera, kind and source."""

    unheard: int = 0
    """Reports that found no room."""
    _open: dict[tuple[str, str, str], _Episode] = field(default_factory=dict)

    def report(self, camera: str, kind: str, source: str, state: bool | None, now_ns: int) -> Told | None:
        """Take a report; `state` None is one without a state. Returns what is to be told at once."""
        if kind not in QUIET_S:
            return None
        key = (camera, kind, source)
        known = self._open.get(key)
        if known is not None:
            known.active = state is True
            known.seen_ns = now_ns
            return None
        if state is False:
            return None
        if len(self._open) >= MOST_SOURCES:
            self.unheard += 1
            return None
        self._open[key] = _Episode(now_ns, now_ns, state is True)
        return Told(camera, kind, "on", 0)

    def ended(self, now_ns: int) -> list[Told]:
        """Return the episodes that are over by now, and forget them."""
        over = []
        for key, episode in list(self._open.items()):
            camera, kind, _ = key
            quiet_s = STALE_S if episode.active else QUIET_S[kind]
            if now_ns - episode.seen_ns >= quiet_s * 1e9:
                del self._open[key]
                over.append(Told(camera, kind, "off", (episode.seen_ns - episode.began_ns) // 1_000_000_000))
        return over

    def forget(self, camera: str) -> list[Told]:
        """End what is open of a camera that is no longer listened to."""
        over = []
        for key, episode in list(self._open.items()):
            if key[0] == camera:
                del self._open[key]
                over.append(Told(camera, key[1], "off", (episode.seen_ns - episode.began_ns) // 1_000_000_000))
        return over
