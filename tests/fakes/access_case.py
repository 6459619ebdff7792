"""One line of the decision's table, and short ways to write one."""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.access.ask import ANYHOW, Asking
from gateway.access.facts import Facts
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId
from tests.fakes.school import (
    MOTHER,
    NOW,
    camera,
    facts,
    local,
    pid,
)

LIVE = Action.LIVE
BOX = ObjectRef(ObjectKind.BOX, PublicId("box"))
ORDER = pid("order")
EXPORT = ObjectRef(ObjectKind.EXPORT, ORDER)
TEN, HALF_PAST_TEN, NAP, AFTERNOON = local(19, 10), local(19, 10, 30), local(19, 11, 30), local(19, 14, 30)


class Case(NamedTuple):
    """One line of the table."""

    name: str
    facts: Facts
    person: PublicId
    action: Action
    obj: ObjectRef
    now_ms: int
    expected: tuple[bool, str, int | None, int | None]
    asking: Asking = ANYHOW


def at(
    case: str,
    expected: tuple[bool, str, int | None, int | None],
    now_ms: int = NOW,
    asking: Asking = ANYHOW,
    **changes: Any,
) -> Case:
    """A case of the mother asking for her class's camera."""
    return Case(case, facts(**changes), MOTHER, LIVE, camera(), now_ms, expected, asking)


def case(
    name: str,
    who: PublicId,
    action: Action,
    obj: ObjectRef,
    reason: str,
    *,
    until_ms: int | None = None,
    next_ms: int | None = None,
    now_ms: int = NOW,
    asking: Asking = ANYHOW,
    **changes: Any,
) -> Case:
    allowed = reason in {
        "role.principal",
        "role.vice_principal",
        "role.teacher",
        "role.guardian",
        "role.health",
        "role.installer",
        "role.observer",
        "self",
        "own_child",
    }
    return Case(name, facts(**changes), who, action, obj, now_ms, (allowed, reason, until_ms, next_ms), asking)
