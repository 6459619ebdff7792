"""What waits for the school's leaders, as their first page shows it: wishes for one more pause, overdue cases, phones.

Owns the JSON shape of what waits. Invariants: nothing of it reaches anybody but leaders; cases and phones are counted,
never named; a wish is answered by one form, which works without scripts.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from gateway.core.model import LEADER_ROLES, Role
from web.caller import Caller
from web.problems import words_of
from web.session import services_of


async def needs_of(request: Request, caller: Caller) -> dict[str, Any]:
    """Return what waits for this person: `{wishes, overdue, phones}`, empty for whoever answers none.

    `phones` are those of guardians whom nobody has let in yet: from here each is let in by the second tap.
    """
    if caller.role not in LEADER_ROLES:
        return {"wishes": [], "overdue": 0, "phones": 0}
    words, services = words_of(request), services_of(request)
    wishes = [
        {
            "class": wish.class_id,
            "name": wish.name,
            "wish": wish.wish.id,
            "minutes": wish.wish.minutes,
            "by": words.catalogue.text("room.by.wall") if wish.wish.by == "wall" else wish.wish.by,
            "time": words.clock(wish.wish.at_ms),
            "most": wish.most,
        }
        for wish in await services.rooms.rooms.wishes(caller)
    ]
    overdue = await services.consents.overdue() if caller.role is Role.PRINCIPAL else 0  # only she settles them
    return {"wishes": wishes, "overdue": overdue, "phones": (await services.waits.counts(caller)).get("people", 0)}
