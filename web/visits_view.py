"""What scripts are told of guests' visits: what the leaders' page shows of each, by number, without a name.

Owns the state behind the event `visits`. Invariants: only whoever may open the page of visits is told, and only if the
page asks for it (`?trang=du-gio`); it is enough to see that the page is not what it was, not to draw it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from gateway.core.model import LEADER_ROLES, Action, ObjectKind, ObjectRef
from web.caller import Caller
from web.observe_services import Visit
from web.session import services_of

ASKED = ("trang", "du-gio")
"""Query parameter by which a page asks for visits in its events."""


def visits_view(visits: Sequence[Visit]) -> list[list[Any]]:
    """Return visits as scripts see them: id, how far, the teacher's word, missing answers, guest here, teachers."""
    return [[visit.id, visit.phase, visit.said, visit.missing, visit.came, visit.teachers] for visit in visits]


async def visits_state(request: Request, caller: Caller) -> dict[str, Any] | None:
    """Return the visits for a leader's page that asks for them; None for any other."""
    services = services_of(request)
    if request.query_params.get(ASKED[0]) != ASKED[1] or caller.role not in LEADER_ROLES:
        return None
    box = ObjectRef(ObjectKind.BOX, services.site.box)
    if not services.rights.decide(caller, Action.OBSERVE, box).allowed:
        return None
    return {"visits": visits_view(await services.observe.visits(caller))}
