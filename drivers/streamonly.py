"""What a driver answers whose source gives pictures and nothing else.

Owns `StreamOnly`, a base of drivers without discovery, settings and events. Invariant: what cannot be done raises
`CameraUnsupported`, in the same words for every such driver.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from drivers.base import CameraEvent, CameraSettings, Change, Found, Outcome
from gateway.core.errors import CameraUnsupported


class StreamOnly:
    """Finds nothing, refuses settings and events; holds nothing open between calls."""

    @classmethod
    async def discover(cls, interfaces: Sequence[str], seconds: float) -> AsyncIterator[Found]:
        """Find nothing: such sources do not announce themselves."""
        del interfaces, seconds
        for found in tuple[Found, ...]():
            yield found

    async def plan(self, want: CameraSettings) -> tuple[Change, ...]:
        """Refuse: there are no settings."""
        raise CameraUnsupported("this driver changes no settings", want=str(want))

    async def apply(self, changes: Sequence[Change]) -> tuple[Outcome, ...]:
        """Refuse: see `plan`."""
        raise CameraUnsupported("this driver changes no settings", changes=len(changes))

    def events(self) -> AsyncIterator[CameraEvent]:
        """Refuse: nothing is reported."""
        raise CameraUnsupported("this driver takes no events")

    async def close(self) -> None:
        """Nothing is held open between calls."""
