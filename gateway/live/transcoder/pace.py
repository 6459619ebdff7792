"""Which pictures of a stream are shown, and how large: the rules of the small picture.

Owns them, pure: no decoder, no clock; time is the source's own media time. Invariants: no more than `FPS` pictures a
second of media time on average, evenly taken whatever the source's rate; a key frame at least every
`KEY_EVERY_90K`; a picture is never enlarged, its sides keep their ratio and are even.
"""

from __future__ import annotations

from gateway.core.media import TICKS_PER_S

FPS = 10
STEP_90K = TICKS_PER_S // FPS
KEY_EVERY_90K = 2 * TICKS_PER_S
WIDTH, HEIGHT = 640, 360
LEAST_SIDE, MOST_SIDE = 16, 8192
_EARLY_90K = TICKS_PER_S // 200
"""Times that jitter by less than 5 ms are on time."""


class Thinner:
    """Takes pictures by their media time; one for each run of the source."""

    def __init__(self) -> None:
        self._due_90k: int | None = None
        self._newest_90k = 0

    def takes(self, pts_90k: int) -> bool:
        """Say whether a picture is shown."""
        due = self._due_90k
        if due is None or pts_90k - due > STEP_90K:
            self._due_90k, self._newest_90k = pts_90k + STEP_90K, pts_90k
            return True
        if pts_90k + _EARLY_90K < due or pts_90k <= self._newest_90k:
            return False
        self._due_90k, self._newest_90k = due + STEP_90K, pts_90k
        return True


def fitted(width: int, height: int) -> tuple[int, int]:
    """Return the size that a picture is shown in: inside 640x360, or 360x640 if it stands upright."""
    room = (WIDTH, HEIGHT) if width >= height else (HEIGHT, WIDTH)
    scale = min(1.0, room[0] / width, room[1] / height)
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
