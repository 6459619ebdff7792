"""Keeping a session alive in the way this camera understands (RFC 2326 §10.1, §10.8, §12.37).

Owns `KeepAlive`. Pure. Invariants: asked at half the session's time-out, at most every 30 s; a method
that is refused is exchanged for the other one, the session is never given up for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

DEFAULT_TIMEOUT_S = 60
LEAST_S = 1.0
MOST_S = 30.0

_TIMEOUT = re.compile(r"timeout *= *(\d{1,6})", re.IGNORECASE)


class KeepAlive:
    """Chooses the method and the moment."""

    def __init__(self) -> None:
        self.method = "OPTIONS"
        self.interval_s = DEFAULT_TIMEOUT_S / 2
        self._sent_ns = 0

    def offered(self, public: str) -> None:
        """Take a `Public:` header; an empty one says nothing."""
        if "GET_PARAMETER" in public.upper():
            self.method = "GET_PARAMETER"

    def timeout(self, parameters: Iterable[str]) -> None:
        """Take the parameters of a `Session:` header."""
        for parameter in parameters:
            if (found := _TIMEOUT.fullmatch(parameter)) and int(found[1]) > 0:
                self.interval_s = min(MOST_S, max(LEAST_S, int(found[1]) / 2))

    def due(self, now_ns: int) -> bool:
        """Say whether it is time to ask."""
        return now_ns - self._sent_ns >= self.interval_s * 1e9

    def sent(self, now_ns: int) -> None:
        """Note that the camera was asked, or that the session began."""
        self._sent_ns = now_ns

    def answered(self, status: int) -> None:
        """Take the status of the answer: a refusal exchanges the method."""
        if status >= 400:
            self.method = "OPTIONS" if self.method == "GET_PARAMETER" else "GET_PARAMETER"
