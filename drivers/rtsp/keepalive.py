"""Keeping a session alive in the way this camera understands (RFC 2326 §10.1, §10.8, §12.37).

Owns `KeepAlive`. Pure. Invariants: asked at half the session's time-out, at most every 30 s; a method
that is refused is exchanged for the other one, the session is never given up for it; one that
the camera is known to hang up on is avoided.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

DEFAULT_TIMEOUT_S = 60
LEAST_S = 1.0
MOST_S = 30.0

_OTHER = {"OPTIONS": "GET_PARAMETER", "GET_PARAMETER": "OPTIONS"}
_TIMEOUT = re.compile(r"timeout *= *(\d{1,6})", re.IGNORECASE)


class KeepAlive:
    """Chooses the method and the moment."""

    def __init__(self, *, avoid: str = "") -> None:
        """Begin; `avoid` is the method after which this camera hung up before."""
        self._avoid = avoid
        self.method = _OTHER.get(avoid, "OPTIONS")
        self.interval_s = DEFAULT_TIMEOUT_S / 2
        self._sent_ns = 0
        self._waiting = False

    def offered(self, public: str) -> None:
        """Take a `Public:` header; an empty one says nothing."""
        if "GET_PARAMETER" in public.upper() and self._avoid != "GET_PARAMETER":
            self.method = "GET_PARAMETER"

    def timeout(self, parameters: Iterable[str]) -> None:
        """Take the parameters of a `Session:` header."""
        for parameter in parameters:
            if (found := _TIMEOUT.fullmatch(parameter)) and int(found[1]) > 0:
                self.interval_s = min(MOST_S, max(LEAST_S, int(found[1]) / 2))

    def due(self, now_ns: int) -> bool:
        """Say whether it is time to ask."""
        return now_ns - self._sent_ns >= self.interval_s * 1e9

    def began(self, now_ns: int) -> None:
        """Note that the session began."""
        self._sent_ns = now_ns

    def ask(self, now_ns: int) -> str:
        """Return the method to ask with now."""
        self._sent_ns, self._waiting = now_ns, True
        return self.method

    def unanswered(self, now_ns: int, seconds: float) -> bool:
        """Say whether the camera was asked within the last `seconds` and has not answered."""
        return self._waiting and now_ns - self._sent_ns <= seconds * 1e9

    def answered(self, status: int) -> None:
        """Take the status of the answer: a refusal exchanges the method."""
        self._waiting = False
        if status >= 400 and _OTHER[self.method] != self._avoid:
            self.method = _OTHER[self.method]
