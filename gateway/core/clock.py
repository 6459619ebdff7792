"""Time as an argument: the only place of the product that asks the operating system for it.

Owns the `Clock` protocol and the system's clock. Invariants: wall time is UTC milliseconds since
1970, used for naming and showing; durations, leases and time-outs use monotonic time only.
"""

from __future__ import annotations

import ctypes
import time
from typing import Protocol

import anyio

TRUSTED_AFTER_MS = 1_767_225_600_000
"""2026-01-01 UTC: a wall clock before the product existed is certainly wrong (boot in 1970)."""


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


def kernel_says_synchronised() -> bool:
    """Ask adjtimex(2) whether an NTP client disciplines the clock."""
    state = int(ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(_Timex())))
    return 0 <= state < _TIME_ERROR


class SystemClock:
    """The machine's own clock; `require_ntp` demands a synchronised kernel clock for trust."""

    def __init__(self, *, require_ntp: bool = False) -> None:
        self._require_ntp = require_ntp

    def now_ms(self) -> int:
        """Return wall time, UTC milliseconds."""
        return time.time_ns() // 1_000_000

    def mono_ns(self) -> int:
        """Return monotonic nanoseconds."""
        return time.monotonic_ns()

    def trusted(self) -> bool:
        """Say no before 2026, and while NTP is demanded and absent."""
        if self.now_ms() < TRUSTED_AFTER_MS:
            return False
        return kernel_says_synchronised() if self._require_ntp else True

    async def sleep(self, seconds: float) -> None:
        """Wait in the event loop."""
        await anyio.sleep(seconds)
