"""Time as an argument: the only place of the product that asks the operating system for it.

Owns the `Clock` protocol and the system's clock. Invariants: wall time is UTC milliseconds since
1970, used for naming and showing; durations, leases and time-outs use monotonic time only.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from typing import Protocol

import anyio

TRUSTED_AFTER_MS = 1_767_225_600_000
"""2026-01-01 UTC: a wall clock before the product existed is certainly wrong (boot in 1970)."""


MOST_DRIFT_MS = 5 * 60_000
"""What a clock that was once set may drift in a month without internet (100 ppm); more is a step."""


MOST_CARRIED_MS = 250
"""Over a restart in the same boot the clock may differ by so much (a step, as the recorder counts it)."""


class Clock(Protocol):
    """What every part that needs time takes as an argument."""

    def now_ms(self) -> int:
        """Return wall time, UTC milliseconds."""

    def mono_ns(self) -> int:
        """Return monotonic nanoseconds."""

    def trusted(self) -> bool:
        """Say whether wall time may decide about deletion and viewing windows."""

    async def sleep(self, seconds: float) -> None:
        """Wait; a fake clock advances instead."""


class Trust(Protocol):
    """Remembers over a restart how the clock stood against monotonic time when it was synchronised."""

    def load(self) -> int | None:
        """Return wall minus monotonic ms of this boot's trusted clock; None if there was none."""

    def save(self, wall_minus_mono_ms: int) -> bool:
        """Remember it; says whether that went well."""


class _Timex(ctypes.Structure):
    """`struct timex` up to `status` plus room for the rest (adjtimex(2))."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 160),
    )


_TIME_ERROR = 5
"""adjtimex(2) returns TIME_ERROR while the kernel clock is not synchronised."""
_LIBC = ctypes.CDLL(None, use_errno=True)


def kernel_says_synchronised() -> bool:
    """Ask adjtimex(2) whether an NTP client disciplines the clock."""
    state = int(_LIBC.adjtimex(ctypes.byref(_Timex())))
    return 0 <= state < _TIME_ERROR


def kernel_unsure_s() -> float:
    """Ask adjtimex(2) how far the clock may be off: grows by 0.5 ms a second since it was corrected, to 16 s."""
    state = _Timex()
    _LIBC.adjtimex(ctypes.byref(state))
    return float(state.maxerror) / 1e6


class SystemClock:
    """The machine's own clock; any thread.

    `require_ntp` demands a synchronised kernel clock for trust. The kernel forgets it some nine hours after
    the last answer of a server, but the school works without internet: a clock that was synchronised stays
    trusted until wall time steps away from monotonic time, and also over a restart of the daemon (`trust`).
    """

    def __init__(
        self,
        *,
        require_ntp: bool = False,
        synchronised: Callable[[], bool] = kernel_says_synchronised,
        wall_ns: Callable[[], int] = time.time_ns,
        mono_ns: Callable[[], int] = time.monotonic_ns,
        trust: Trust | None = None,
    ) -> None:
        self._require_ntp, self._synchronised = require_ntp, synchronised
        self._wall_ns, self._mono_ns = wall_ns, mono_ns
        self._offset_ms: int | None = None
        """Wall minus monotonic time when the kernel last called it synchronised."""
        self._trust, self._saved_ms = trust, trust.load() if trust is not None else None
        if self._saved_ms is not None and abs(self._stands_ms() - self._saved_ms) <= MOST_CARRIED_MS:
            self._offset_ms = self._saved_ms

    def _stands_ms(self) -> int:
        return self.now_ms() - self.mono_ns() // 1_000_000

    def now_ms(self) -> int:
        """Return wall time, UTC milliseconds."""
        return self._wall_ns() // 1_000_000

    def mono_ns(self) -> int:
        """Return monotonic nanoseconds."""
        return self._mono_ns()

    def trusted(self) -> bool:
        """Say no before 2026, and where NTP is demanded until it has set the clock, or after a step without it."""
        if self.now_ms() < TRUSTED_AFTER_MS:
            return False
        if not self._require_ntp:
            return True
        offset_ms, known_ms = self._stands_ms(), self._offset_ms
        if self._synchronised():
            self._offset_ms = offset_ms
            self._remember(offset_ms)
            return True
        return known_ms is not None and abs(offset_ms - known_ms) <= MOST_DRIFT_MS

    def _remember(self, offset_ms: int) -> None:
        """Write it down when it is news: at the start, and after a step that NTP made."""
        known_ms = self._saved_ms
        if self._trust is not None and (known_ms is None or abs(offset_ms - known_ms) > MOST_CARRIED_MS // 5):
            self._saved_ms = offset_ms if self._trust.save(offset_ms) else known_ms

    async def sleep(self, seconds: float) -> None:
        """Wait in the event loop."""
        await anyio.sleep(seconds)
