"""Who announced itself lately: Hello and Bye, heard all the time.

Owns the table of devices heard that call themselves cameras. Invariants: it sends nothing; a Bye, an hour
without a word and the limit take a device out; what does not fit pushes out the oldest and is counted; an
announcement alone proves nothing, whoever acts on it asks first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from drivers.base import Found
from drivers.discovery import wsd
from drivers.discovery.interfaces import Address
from drivers.discovery.merging import same_device, true_endpoint
from drivers.discovery.multicast import Heard

MOST_HEARD = 256
KEEP_S = 3600.0
"""An installer plugs cameras in and searches within the hour; older news may be of a device long gone."""


class Presence:
    """The devices heard of lately; a discovery step that costs nothing. Used in the event loop."""

    name = "passive"

    def __init__(self, mono_ns: Callable[[], int]) -> None:
        self._mono_ns = mono_ns
        self._heard: list[tuple[int, Found]] = []
        self.pushed_out = 0

    def note(self, heard: Heard) -> bool:
        """Take an announcement; say whether it tells of a device that is new or has changed."""
        new, fresh = heard.found, self._fresh()
        known = any(found == new for _, found in fresh)
        self._heard = [(at, found) for at, found in fresh if not _replaces(heard, found)]
        if heard.kind is wsd.Kind.BYE:
            return False
        if not heard.is_camera:  # not shown by this alone, but it may be one of ours
            return True
        if len(self._heard) >= MOST_HEARD:
            self._heard.pop(0)
            self.pushed_out += 1
        self._heard.append((self._mono_ns(), new))
        return not known

    def devices(self) -> tuple[Found, ...]:
        """Return who was heard within the last hour and did not say goodbye, oldest news first."""
        return tuple(found for _, found in self._fresh())

    def _fresh(self) -> list[tuple[int, Found]]:
        oldest_ns = self._mono_ns() - int(KEEP_S * 1e9)
        return [(at, found) for at, found in self._heard if at >= oldest_ns]

    async def run(self, addresses: Sequence[Address]) -> AsyncIterator[Found]:
        """Yield the devices heard through the interfaces of these addresses."""
        interfaces = {ours.interface for ours in addresses}
        for found in self.devices():
            if found.interface in interfaces:
                yield found


def _replaces(heard: Heard, known: Found) -> bool:
    """Say whether an announcement makes an older one void: the same device, or a goodbye by name alone."""
    if heard.kind is wsd.Kind.BYE and true_endpoint(heard.found):
        return true_endpoint(heard.found) == true_endpoint(known)
    return same_device(heard.found, known)
