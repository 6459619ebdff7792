"""What scripts are told of class rooms: pure functions, and the state behind the event `rooms`.

Owns the JSON shape of a class room. Invariants: who looks is named as the teacher's page may show it; a page hears of
class rooms only if it asks for them (`?trang=lop`).
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from gateway.core.model import STAFF_ROLES
from web.caller import Caller
from web.i18n import Words
from web.problems import words_of
from web.room_services import Hidden, Looker, Room
from web.session import services_of

ASKED = ("trang", "lop")
"""Query parameter by which a page asks for class rooms in its events."""


def looker_text(words: Words, looker: Looker) -> str:
    """Return who looks in words: "Mẹ của Bé An", "Hiệu trưởng (Cô Hà)"."""
    if looker.role != "guardian":
        key = f"room.role.{looker.role}"
        return _plain(words, key if words.has(key) else "room.role.other", name=looker.name)
    key = f"kin.{looker.tie}"
    tie = _plain(words, key if words.has(key) else "kin.parent")
    return _plain(words, "room.of_child", tie=tie[:1].upper() + tie[1:], child=looker.name)


def by_text(words: Words, hidden: Hidden) -> str:
    """Return who hid a class in words."""
    key = f"room.by.{hidden.by}"
    return _plain(words, key) if words.has(key) else hidden.by


def _plain(words: Words, key: str, **values: str) -> str:
    """Return a text as it is: templates escape it, scripts put it into text nodes."""
    return words.catalogue.text(key, **values)


def room_view(words: Words, room: Room) -> dict[str, Any]:
    """Return one class room as scripts see it."""
    hidden = room.hidden
    return {
        "id": room.id,
        "sharing": room.sharing,
        "hidden": None if hidden is None else [hidden.pause, hidden.until_ms],
        "used": room.used,
        "wish": None if room.wish is None else room.wish.id,
        "unsigned": len(room.unsigned),
        "visits": [[visit.id, visit.phase, visit.said, visit.missing] for visit in room.visits],
        "lookers": [[looker_text(words, item), words.clock(item.since_ms)] for item in room.lookers],
    }


async def rooms_state(request: Request, caller: Caller) -> dict[str, Any] | None:
    """Return the class rooms for a page that asks for them; None for any other."""
    if request.query_params.get(ASKED[0]) != ASKED[1] or caller.role not in STAFF_ROLES:
        return None
    words = words_of(request)
    return {"rooms": [room_view(words, room) for room in await services_of(request).rooms.rooms.rooms(caller)]}
