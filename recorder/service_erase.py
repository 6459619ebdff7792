"""Control calls about erasing for good: say what would go, order it, say how far it is.

Owns the translation between the control socket and the eraser. Invariants: an order names what is erased twice:
by id, and by the name that a person typed; footage that is held is erased only when its holds are lifted
knowingly in the same order. Who may do it, and the signed proof, are the gateway's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.core.errors import BadInput
from gateway.core.model import PublicId
from gateway.core.wire import Handler, Reply, Request
from recorder.eraser import Eraser
from recorder.erasures import ALL, ErasureBook
from recorder.params import camera_param, id_param, known_camera, text_param
from recorder.registry import Registry


class EraseService:
    """Handlers of the erase calls."""

    def __init__(self, registry: Registry, book: ErasureBook, eraser: Eraser) -> None:
        self._registry, self._book, self._eraser = registry, book, eraser

    def handlers(self) -> Mapping[str, Handler]:
        """Return the calls by name."""
        return {"erase.plan": self.plan, "erase.start": self.start, "erase.status": self.status}

    async def plan(self, request: Request) -> Reply:
        """Say what an order would erase, and what has to be typed for it."""
        camera, confirm = await self._scope(request)
        found, holds = await self._eraser.count(camera), await self._book.held(camera)
        shown = {"keys": found.keys, "files": found.files, "bytes": found.size_bytes, "holds": holds}
        return Reply({"camera": camera, "confirm": confirm, **shown})

    async def start(self, request: Request) -> Reply:
        """Order it; the answer comes when the order is on the medium."""
        camera, confirm = await self._scope(request)
        if " ".join(text_param(request, "typed").split()) != confirm:
            raise BadInput("what was typed is not its name", case="erase_typed", key="typed", name=confirm)
        lift = request.params.get("lift_holds") is True
        erasure = await self._eraser.order(camera, text_param(request, "who"), lift_holds=lift)
        return Reply({"erasure": erasure.id})

    async def status(self, request: Request) -> Reply:
        """Say how far an order is: the facts a proof is made of once `state` is done."""
        erasure, volumes = await self._book.find(id_param(request, "erasure"))
        emptied = {row["volume"] for row in volumes}
        elsewhere = sorted(set((await self._registry.volumes()).values()) - emptied)
        facts: dict[str, Any] = {
            "erasure": erasure.id,
            "scope": "box" if erasure.camera == ALL else "camera",
            "camera": erasure.camera,
            "who": erasure.who,
            "holds_lifted": erasure.holds,
            "ordered_ms": erasure.ordered_ms,
            "done_ms": erasure.done_ms,
            "not_there": elsewhere,
            "volumes": [{key: row[key] for key in ("volume", "keys", "files", "bytes", "done_ms")} for row in volumes],
        }
        return Reply({"state": erasure.state, "facts": facts})

    async def _scope(self, request: Request) -> tuple[PublicId, str]:
        """Return what is meant (empty: the box) and the words that confirm it."""
        if request.params.get("box") is True:
            return ALL, str(await self._registry.box_id())
        camera = await known_camera(self._registry, camera_param(request))
        return camera.public_id, camera.name
