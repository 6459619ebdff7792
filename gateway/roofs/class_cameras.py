"""Telling the recorder which cameras show which class, so that its retention rules may name classes.

Owns this loop. Invariants: told whole and idempotently: at the start, soon after any change of the facts, and
every `AGAIN_S` (a recorder whose database was replaced knows nothing); while the recorder is away the loop
fails and is started again, the recorder meanwhile goes by what it was told last.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from gateway.access.classes import ClassRow
from gateway.core.clock import Clock
from gateway.core.wire import ControlClient

LOOK_S = 5.0
AGAIN_S = 60.0


class ClassCameras:
    """Tells the classes while `run` runs."""

    def __init__(
        self, recorder: ControlClient, classes: Callable[[], Awaitable[Sequence[ClassRow]]], clock: Clock
    ) -> None:
        self._recorder, self._classes, self._clock = recorder, classes, clock
        self._changed = True

    def changed(self) -> None:
        """Hear that facts changed; event loop only."""
        self._changed = True

    async def run(self) -> None:
        """Tell for ever; raises DaemonUnavailable while the recorder is away."""
        told_ns: int | None = None
        while True:
            now_ns = self._clock.mono_ns()
            if self._changed or told_ns is None or now_ns - told_ns >= AGAIN_S * 1e9:
                self._changed = False
                await self.tell()
                told_ns = now_ns
            await self._clock.sleep(LOOK_S)

    async def tell(self) -> bool:
        """Tell once; says whether the recorder knew less."""
        groups = [{"id": row.id, "name": row.name, "cameras": sorted(row.cameras)} for row in await self._classes()]
        return bool((await self._recorder.call("groups.set", {"groups": groups})).result["changed"])
