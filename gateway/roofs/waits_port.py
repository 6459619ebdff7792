"""What waits, by the place of the pages where it is decided: the adapter of `web.services.WaitDoor`.

Owns the translation; decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.access.store import FactStore
from gateway.access.waiting import waits_of
from gateway.roofs.actors import actor_of
from web.caller import Caller


class WaitsPort:
    """`web.services.WaitDoor` over access."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def counts(self, caller: Caller) -> Mapping[str, int]:
        """Return the numbers by the name of their place; a place where nothing waits is not there."""
        waits = await waits_of(self._store, actor_of(caller))
        by_place = {
            "people": waits.devices, "rooms": waits.wishes, "consent": waits.consent, "exports": waits.orders,
        }  # fmt: skip
        return {place: count for place, count in by_place.items() if count}
