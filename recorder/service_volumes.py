"""Control calls about the disks: list them, accept one that is not the one that was there before.

Owns the translation between the control socket and the store. Invariant: accepting never writes on a disk that
holds anything but footage of this box.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.core.wire import Handler, Reply, Request
from recorder.slot import Slot
from recorder.store import Changed, Store


class VolumeService:
    """Handlers of the calls about disks."""

    def __init__(self, store: Store, on_change: Changed) -> None:
        self._store, self._on_change = store, on_change

    def handlers(self) -> Mapping[str, Handler]:
        """Return the calls by name."""
        return {"volumes": self.volumes, "volume.accept": self.accept}

    async def volumes(self, request: Request) -> Reply:
        """List the configured disks in order."""
        del request
        return Reply({"volumes": [volume_facts(slot) for slot in self._store.slots]})

    async def accept(self, request: Request) -> Reply:
        """Use the disk that lies at `volume` now; its state afterwards says whether that worked."""
        return Reply({"volume": volume_facts(await self._store.accept(request.number("volume"), self._on_change))})


def volume_facts(slot: Slot) -> dict[str, Any]:
    """Return what is known of a disk; `id` is empty while it is not in use."""
    opened = slot.opened
    return {
        "path": str(slot.options.path),
        "id": "" if opened is None else opened.volume.marker.volume,
        "state": slot.state,
        "why": slot.why,
        "free_bytes": slot.free_bytes,
        "total_bytes": slot.total_bytes,
        "reserve_bytes": slot.options.min_free_bytes,
        "waiting_bytes": slot.backlog.waiting_bytes,
    }
