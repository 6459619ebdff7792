"""The list of guardians to invite, as the page and the printer get it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.access.classes import Classes
from gateway.core.model import PublicId, Role
from gateway.roofs.names import Names, list_order
from gateway.roofs.slip_port import InvitePort
from tests.fakes.access_world import school
from web.caller import Caller

pytestmark = pytest.mark.anyio


async def test_a_family_stands_together_in_the_order_of_the_class_list(tmp_path: Path) -> None:
    """However the guardians were put in: the child's given name decides, and its second guardian comes beside the first."""
    async with school(tmp_path) as w:
        access = w.access
        for name in ("Bố Bình hai", "Mẹ An hai"):
            person = await access.people.add(w.actor, Role.GUARDIAN, name)
            await access.children.add_guardian(w.actor, person, w.mate if "Bình" in name else w.child)
        names = Names(access.store, access.people, access.children, Classes(access.store))
        await names.load()
        port = InvitePort(access.store, access.invitations, access.devices, access.logins, names, "https://vuon.test")
        caller = Caller(w.principal, Role.PRINCIPAL, "", PublicId(w.actor.device))
        rows = await port.rows(caller, w.class_id)
        assert [row.child for row in rows] == ["Bé An", "Bé An", "Bé Bình", "Bé Bình"]


def test_a_class_list_goes_by_given_names() -> None:
    """As a Vietnamese class list does: the last word first, then the whole name; no name is no fault."""
    names = ["Nguyễn Văn Bình", "Trần An", "", "Lê Bình", "An"]
    assert sorted(names, key=list_order) == ["", "An", "Trần An", "Lê Bình", "Nguyễn Văn Bình"]
