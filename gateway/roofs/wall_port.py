"""The sheet on the wall as its page sees it: `web.room_services.WallDoor` over access and the box's own networks.

Owns the order of the questions: from where, then which sheet, then how often. Invariants: an address that is not on the
school's own network never reaches the list of sheets; what a wall may do is to hide its own class, to end that, and to
ask for more.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.access import pauserules
from gateway.access.audit import Actor
from gateway.access.pauses import Pauses
from gateway.access.reasons import Reason
from gateway.access.store import FactStore
from gateway.access.walls import Walls
from gateway.core.errors import Denied, NotFound
from gateway.core.model import PublicId, Secret
from gateway.core.onlink import OnLink
from gateway.roofs.actors import actor_of
from gateway.roofs.names import Names
from web.caller import Caller
from web.room_services import Hidden, WallRoom


class WallPort:
    """`web.room_services.WallDoor`."""

    def __init__(
        self,
        store: FactStore,
        pauses: Pauses,
        walls: Walls,
        names: Names,
        networks: OnLink,
        web_url: Callable[[], str],
    ) -> None:
        self._store, self._pauses, self._walls, self._names = store, pauses, walls, names
        self._networks, self._web_url = networks, web_url

    def near(self, address: str) -> bool:
        """Say whether a connection comes from the school's own network."""
        return self._networks.covers(address)

    async def room(self, secret: Secret) -> WallRoom:
        """Return the class of a sheet."""
        class_id, facts, now_ms = self._class(secret), self._store.current, self._store.clock.now_ms()
        runs = pauserules.running(facts, class_id, now_ms)
        hidden = None
        if runs is not None:
            mine = runs.by == pauserules.WALL
            hidden = Hidden(0, runs.since_ms, runs.until_ms, "", mine, explain=False, reason="")
        wishes = await self._pauses.wishes()
        row = self._names.classes.get(class_id)
        return WallRoom(
            row.name if row else "",
            hidden,
            pauserules.used_today(facts, class_id, now_ms),
            pauserules.A_DAY,
            any(wish.class_id == class_id for wish in wishes),
            (await self._pauses.granted_today()).get(class_id, 0),
        )

    async def hide(self, secret: Secret, minutes: int) -> None:
        """Hide the class of a sheet."""
        class_id = self._class(secret)
        await self._pauses.pause(self._actor(class_id), class_id, minutes=minutes)

    async def show(self, secret: Secret) -> None:
        """End what this wall hid."""
        class_id = self._class(secret)
        await self._pauses.resume(self._actor(class_id), class_id)

    async def ask(self, secret: Secret, minutes: int) -> None:
        """Ask the principal for one more pause."""
        class_id = self._class(secret)
        await self._pauses.ask(self._actor(class_id), class_id, minutes=minutes)

    async def sheet(self, caller: Caller, class_id: PublicId) -> tuple[str, str]:
        """Make a sheet, ending the one before."""
        secret = await self._walls.replace(actor_of(caller), class_id)
        row = self._names.classes.get(class_id)
        return row.name if row else "", address_of_sheet(self._web_url(), secret)

    async def end(self, caller: Caller, class_id: PublicId) -> None:
        """Let the sheet open nothing any more."""
        await self._walls.end(actor_of(caller), class_id)

    def _class(self, secret: Secret) -> PublicId:
        class_id = self._walls.class_of(secret.reveal())
        if class_id is None or class_id not in self._store.current.classes:
            raise NotFound("there is no such sheet")
        return class_id

    def _actor(self, class_id: PublicId) -> Actor:
        actor = self._walls.actor(class_id)
        if actor is None:
            raise Denied("this sheet was used too often in a short time", reason=str(Reason.RATE))
        return actor


def address_of_sheet(web_url: str, secret: Secret) -> str:
    """Return what the QR on the wall says."""
    return f"{web_url}/tuong/{secret.reveal()}"
