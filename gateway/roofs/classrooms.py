"""The class rooms' part of the gateway, wired: pauses, walls, the notice to staff, hours; its loop and its calls.

Owns the building of these parts, so that the gateway's roof names them once. Invariant: `load` is called before
anything else, as for the rest of access.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.access.classes import Classes
from gateway.access.observing import Observing
from gateway.access.pauses import Pauses
from gateway.access.people import People
from gateway.access.schooldays import SchoolDays
from gateway.access.sharing import Sharing
from gateway.access.staffnotices import StaffNotices
from gateway.access.store import FactStore
from gateway.access.walls import Walls
from gateway.core.config import Config
from gateway.core.onlink import OnLink
from gateway.core.wire import Handler
from gateway.roofs.control_rooms import RoomCalls
from gateway.roofs.hours_port import HoursPort, NoticePort
from gateway.roofs.names import Names
from gateway.roofs.observe_port import VisitList
from gateway.roofs.room_port import RoomPort
from gateway.roofs.wall_port import WallPort
from web.room_services import Rooms
from web.services import OpenView


class ClassRooms:
    """Everything of class rooms over one store."""

    def __init__(
        self,
        store: FactStore,
        people: People,
        classes: Classes,
        sharing: Sharing,
        names: Names,
        observing: Observing,
        *,
        loopback: bool,
    ) -> None:
        """`loopback`: the box serves programs on itself only, so that is the school's network (a trial)."""
        self._store, self._people, self._classes, self._names = store, people, classes, names
        self.pauses: Pauses = sharing.pauses
        self._visits = VisitList(store, observing, names)
        self.notices, self.walls, self.days = StaffNotices(store), Walls(store), SchoolDays(store)
        self.networks = OnLink(store.clock.mono_ns, loopback=loopback)
        self.web_url = ""
        """Set before the first page is asked for."""

    async def load(self) -> None:
        """Read what is kept in memory."""
        await self.walls.load()

    def services(self, watching: Callable[[], Sequence[OpenView]]) -> Rooms:
        """Return what the pages may use."""
        store, names = self._store, self._names
        return Rooms(
            RoomPort(store, self.pauses, self.walls, names, watching, self._visits),
            WallPort(store, self.pauses, self.walls, names, self.networks, lambda: self.web_url),
            HoursPort(store, self._classes, self.days, names),
            NoticePort(store, self.notices, names),
        )

    def handlers(self) -> dict[str, Handler]:
        """Return the calls of the control socket."""
        calls = RoomCalls(
            self._store, self._people, self._classes, self.pauses, self.notices, self.walls, lambda: self.web_url
        )
        return calls.handlers()


async def class_rooms(
    store: FactStore,
    people: People,
    classes: Classes,
    sharing: Sharing,
    names: Names,
    observing: Observing,
    config: Config,
) -> ClassRooms:
    """Build and load them."""
    rooms = ClassRooms(store, people, classes, sharing, names, observing, loopback=config.web.insecure_loopback)
    await rooms.load()
    store.circumstances.on_site = rooms.networks.covers  # what "on site only" of a class means
    return rooms
