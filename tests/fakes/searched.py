"""A multicast search to its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID, uuid4

from drivers.base import Found
from drivers.discovery.merging import Collection
from drivers.discovery.multicast import discover


async def discover_all(
    interfaces: Sequence[str], seconds: float, *, message_id: Callable[[], UUID] = uuid4
) -> tuple[Found, ...]:
    """Return each device once, as last told, in order of address."""
    collection = Collection()
    async for found in discover(interfaces, seconds, message_id=message_id):
        collection.add(found)
    return collection.in_order()
