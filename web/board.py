"""The recorder's status, asked for at most once a second whoever looks.

Owns one cached reply. Invariants: a hundred open pages cost the recorder one question a second; a
recorder that does not answer is a state that pages show, not an error that hides them; an old reply is
never shown as a new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.core.clock import Clock
from gateway.core.errors import DaemonUnavailable, WireError
from web.services import RecorderPort

FRESH_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Status:
    """What the recorder last said."""

    reachable: bool
    cameras: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By public id, as the recorder's `status` words them."""
    volumes: tuple[Mapping[str, Any], ...] = ()


class StatusBoard:
    """Cache in front of `RecorderPort.status`."""

    def __init__(self, recorder: RecorderPort, clock: Clock) -> None:
        self._recorder, self._clock = recorder, clock
        self._status, self._asked_ns = Status(reachable=False), -FRESH_NS
        self._lock = asyncio.Lock()

    async def now(self) -> Status:
        """Return a status at most a second old; concurrent callers share one question."""
        async with self._lock:
            if self._clock.mono_ns() - self._asked_ns >= FRESH_NS:
                self._status = await self._ask()
                self._asked_ns = self._clock.mono_ns()
            return self._status

    async def _ask(self) -> Status:
        try:
            reply = await self._recorder.status()
        except (DaemonUnavailable, WireError):
            return Status(reachable=False)
        return Status(True, {str(cam["id"]): cam for cam in reply["cameras"]}, tuple(reply.get("volumes", ())))
