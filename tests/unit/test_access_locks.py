"""Which acts ask again who one is, and whom the store takes at its word without a person."""

from __future__ import annotations

import ast
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from gateway.access.audit import BY_BOX, CONSOLE, NEEDS_NO_RIGHT, Actor
from gateway.access.login import FRESH_S
from gateway.access.observing import Visit
from gateway.access.pauserules import wall_device
from gateway.access.people import MANAGE
from gateway.access.policy import BOX
from gateway.access.store import Need
from gateway.core.errors import Denied
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role, new_public_id
from tests.fakes.access_world import World, add_teacher, school
from tests.fakes.device import Browser
from tests.fakes.school import NOW

pytestmark = pytest.mark.anyio
HOUR_MS = 3_600_000
GATEWAY = Path(__file__).parents[2] / "gateway"


async def reason_of(act: Awaitable[object]) -> str:
    """Why an act was refused; empty if it was done."""
    try:
        await act
    except Denied as error:
        return str(error.fields["reason"])
    return ""


async def waiting(w: World, person: PublicId) -> PublicId:
    """A device of a guardian that waits for the school."""
    slip = await w.access.invitations.create(CONSOLE, person)
    return (await Browser("Android").redeem(w.access, slip.secret.reveal())).device


async def grown_old(w: World) -> None:
    """Let the login be older than what counts as fresh; the school asks its logins from here on."""
    w.access.store.stale = w.access.logins.stale
    await w.clock.advance(FRESH_S + 1)


async def test_what_lets_somebody_in_asks_again_who_one_is(tmp_path: Path) -> None:
    """Slips (checked or not), approving a device, sharing again, an observer's session: refused as stale, nothing done."""
    async with school(tmp_path) as w:
        access, father = w.access, w.father_of_mate
        device = await waiting(w, father)
        guest = await access.people.add(CONSOLE, Role.OBSERVER, "Cô Khách")
        await access.sharing.stop_all(CONSOLE)
        await grown_old(w)
        rows, version = len(w.rows("SELECT * FROM audit")), access.store.current.version
        acts: list[Callable[[], Awaitable[object]]] = [
            lambda: access.invitations.create(w.actor, father),
            lambda: access.invitations.create(w.actor, father, checked=True),
            lambda: access.approvals.approve(w.actor, device),
            lambda: access.sharing.stop_all(w.actor, stopped=False),
            lambda: access.observing.make(w.actor, Visit(w.class_id, NOW + HOUR_MS, NOW + 2 * HOUR_MS, guest)),
        ]
        assert [await reason_of(act()) for act in acts] == ["login.stale"] * len(acts)
        assert (len(w.rows("SELECT * FROM audit")), access.store.current.version) == (rows, version)
        await access.logins.refresh(PublicId(w.actor.device))
        assert [await reason_of(act()) for act in acts] == [""] * len(acts)


async def test_what_takes_something_away_never_asks(tmp_path: Path) -> None:
    """Stop all, turn a device away, end one, end an observer's session, disable somebody: at once, however old the login."""
    async with school(tmp_path) as w:
        access = w.access
        device, phone = await waiting(w, w.father_of_mate), access.logins.sessions(w.mother)[0].device
        assert phone is not None
        guest = await access.people.add(CONSOLE, Role.OBSERVER, "Cô Khách")
        session = await access.observing.make(CONSOLE, Visit(w.class_id, NOW + HOUR_MS, NOW + 2 * HOUR_MS, guest))
        await grown_old(w)
        await access.sharing.stop_all(w.actor)
        await access.approvals.refuse(w.actor, device)
        await access.devices.end(w.actor, phone)
        await access.observing.end(w.actor, session)
        await access.people.disable(w.actor, guest)
        assert access.store.current.sharing_stopped


async def test_a_teacher_proves_herself_once_for_a_whole_meeting_of_slips(tmp_path: Path) -> None:
    """Within the window slip after slip is made without a question; after it the next one asks."""
    async with school(tmp_path) as w:
        teacher = await add_teacher(w.access, w.class_id)
        code = await w.access.codes.create(CONSOLE, PublicId(str(teacher.person)))
        entered = await w.access.codes.sign_in(code.text.reveal(), address="192.0.2.1", label="phone")
        actor = Actor(teacher.person, entered.session.id)
        w.access.store.stale = w.access.logins.stale
        for _ in range(9):
            await w.access.invitations.create(actor, w.mother)
            await w.clock.advance(60)
        await w.clock.advance(60)
        assert await reason_of(w.access.invitations.create(actor, w.mother)) == "login.stale"


async def test_only_the_console_and_the_box_need_no_right(tmp_path: Path) -> None:
    """Any other actor without a person is refused every act there is, and the refusal is written without a role."""
    async with school(tmp_path) as w:
        store, walls = w.access.store, [Actor(None, wall_device(w.class_id)), Actor(None, ""), Actor(None, "slip")]
        things = [BOX, *(ObjectRef(kind, w.class_id) for kind in ObjectKind if kind is not ObjectKind.BOX)]
        for actor in walls:
            for action in Action:
                answers = {store.answer(store.current, actor, Need(action, thing), NOW).allowed for thing in things}
                assert answers == {False}
        for actor in NEEDS_NO_RIGHT:
            assert store.answer(store.current, actor, MANAGE, NOW).allowed
        assert {CONSOLE, BY_BOX} == NEEDS_NO_RIGHT
        assert await reason_of(w.access.people.add(walls[0], Role.TEACHER, "Cô Tường")) == "person.unknown"
        (event,) = [event for event in w.events if event.type == "access.denied.v1"]
        assert event.data["role"] == "unknown"


async def test_a_wall_may_what_names_it_and_that_of_its_own_class(tmp_path: Path) -> None:
    """It hides its class; another class, and a thing that is no class, are refused though the act names walls."""
    async with school(tmp_path) as w:
        store, wall = w.access.store, Actor(None, wall_device(w.class_id))
        await w.access.sharing.pause(wall, w.class_id)
        other = new_public_id()
        for thing in (ObjectRef(ObjectKind.CLASS, other), ObjectRef(ObjectKind.CHILD, w.class_id)):
            assert not store.answer(store.current, wall, Need(Action.PAUSE, thing, by_wall=True), NOW).allowed
        assert await reason_of(w.access.sharing.pause(Actor(None, wall_device(other)), w.class_id)) == "person.unknown"


def nameless_actors() -> Iterator[str]:
    """Where the code makes an actor without a person."""
    for path in sorted(GATEWAY.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node).startswith("Actor(None"):
                yield path.name


def test_actors_without_a_person_are_made_in_few_places() -> None:
    """The console and the box in one place; a sheet on the wall, and a slip that nobody holds any more, in theirs."""
    assert sorted(nameless_actors()) == ["audit.py", "audit.py", "invitations.py", "store.py", "walls.py"]
