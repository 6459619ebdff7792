"""Names, lists and answers that pages get: over a real database, with the clock standing still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.access.audit import CONSOLE
from gateway.access.classes import Hours, usual_plan
from gateway.core.bus import Bus
from gateway.core.errors import Denied, NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role, Secret, StreamRole, new_public_id
from gateway.live.client import LiveClient
from gateway.roofs.names import Names
from gateway.roofs.web_lists import ListedRights
from gateway.roofs.web_ports import ENDED_TOPIC, FACTS_TOPIC, ChangesPort, LivePort, LoginPort, SharingPort, shown_as
from tests.fakes.access_world import World, add_class, add_family, school
from tests.fakes.school import local
from web.caller import Caller, Peer
from web.services import Change, KnownCamera

pytestmark = pytest.mark.anyio
PEER = Peer("192.0.2.9", "Firefox")


@dataclass
class Rooms:
    """The school of `access_world` with a second class, and what the roof builds on it."""

    world: World
    names: Names
    rights: ListedRights
    other_class: PublicId
    other_camera: PublicId
    gate: PublicId

    def caller(self, person: PublicId | None = None, role: Role = Role.GUARDIAN) -> Caller:
        who = person or self.world.mother
        return Caller(who, role, self.names.person(who), self.world.phone if who == self.world.mother else "desk")

    @property
    def principal(self) -> Caller:
        return Caller(self.world.principal, Role.PRINCIPAL, "", self.world.actor.device)

    def listed(self, camera: PublicId) -> KnownCamera:
        return next(row for row in self.rights.cameras(self.principal) if row.id == camera)


@asynccontextmanager
async def rooms(folder: Path, *, now_ms: int = local(19, 9)) -> AsyncIterator[Rooms]:
    async with school(folder, now_ms=now_ms) as world:
        access = world.access
        other, gate = new_public_id(), new_public_id()
        await access.classes.sync_cameras(CONSOLE, [world.camera, other, gate])
        second = await add_class(access, world.actor, "Chồi 2", [other])
        await add_family(access, world.actor, second, "Bé Cúc", "Mẹ Cúc")
        names = Names(access.store, access.people, access.children, access.classes)
        await names.load()
        yield Rooms(world, names, ListedRights(access.store, access.grants, names), second, other, gate)


# names


async def test_names_are_there_and_follow_changes(tmp_path: Path) -> None:
    """A new person's name shows once the loop has read again; nobody is an empty name."""
    async with rooms(tmp_path) as r:
        reading = asyncio.create_task(r.names.run())
        assert r.names.person(r.world.mother) == "Mẹ An"
        assert r.names.person(new_public_id()) == ""
        teacher = await r.world.access.people.add(CONSOLE, Role.TEACHER, "Cô Mới")
        await r.world.until(lambda: r.names.person(teacher) == "Cô Mới")
        row = r.names.class_of_camera(r.other_camera)
        assert row is not None
        assert row.name == "Chồi 2"
        assert r.names.class_of_camera(r.gate) is None
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def test_names_that_could_not_be_read_stay_due(tmp_path: Path) -> None:
    """A database that fails once delays a name, it does not lose it."""
    async with rooms(tmp_path) as r:
        people = r.world.access.people

        class Failing:
            broken = True

            async def rows(self) -> object:
                if self.broken:
                    raise OSError(5, "Input/output error")
                return await people.rows()

        failing = Failing()
        names = Names(r.world.access.store, failing, r.world.access.children, r.world.access.classes)  # type: ignore[arg-type]  # fails on purpose
        with pytest.raises(OSError, match="Input"):
            await names.load()
        with pytest.raises(OSError, match="Input"):
            await names.run()
        failing.broken = False
        reading = asyncio.create_task(names.run())
        await r.world.until(lambda: names.person(r.world.mother) == "Mẹ An")
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


# cameras


async def test_staff_see_all_cameras_by_class_common_areas_last(tmp_path: Path) -> None:
    """Class name, age group, and a common area without either at the end."""
    async with rooms(tmp_path) as r:
        rows = r.rights.cameras(r.principal)
        assert [row.place for row in rows] == ["Chồi 2", "Mầm 1", ""]
        assert [row.group for row in rows] == ["Chồi", "Mầm", ""]
        assert rows[2] == KnownCamera(r.gate)
        assert rows[2].sharing == "staff"


async def test_a_guardian_knows_only_the_cameras_of_the_own_childs_class(tmp_path: Path) -> None:
    """Neither the other class nor the gate is in the list, and nothing at all for a stranger."""
    async with rooms(tmp_path) as r:
        assert [row.id for row in r.rights.cameras(r.caller())] == [r.world.camera]
        assert r.rights.cameras(r.caller(new_public_id())) == []
        assert not r.rights.knows(r.caller(), ObjectRef(ObjectKind.CAMERA, r.other_camera))
        assert not r.rights.knows(r.caller(), ObjectRef(ObjectKind.CAMERA, r.gate))


@pytest.mark.parametrize(
    ("now_ms", "state"),
    [(local(19, 9), "open"), (local(19, 6), "closed"), (local(19, 12), "closed"), (local(21, 9), "closed")],
)
async def test_staff_are_told_what_guardians_see_now(tmp_path: Path, now_ms: int, state: str) -> None:
    """Open in hours; closed before them, during the nap and on a Saturday."""
    async with rooms(tmp_path, now_ms=now_ms) as r:
        assert r.listed(r.world.camera).sharing == state


async def test_a_holiday_is_closed(tmp_path: Path) -> None:
    """A closed date closes the class for the grid too, although its window would run."""
    import datetime as dt

    async with rooms(tmp_path) as r:
        await r.world.access.classes.set_day(CONSOLE, dt.date(2026, 11, 19), is_open=False)
        assert r.listed(r.world.camera).sharing == "closed"
        assert r.rights.classes(r.caller())[0].windows == ()


async def test_what_somebody_hid_is_paused(tmp_path: Path) -> None:
    """The school-wide switch, a missing consent, a private camera, a clock without trust: paused, not closed."""
    async with rooms(tmp_path) as r:
        access, camera = r.world.access, r.world.camera
        await access.sharing.stop_all(CONSOLE, stopped=True)
        assert r.listed(camera).sharing == "paused"
        await access.sharing.stop_all(CONSOLE, stopped=False)
        assert r.listed(camera).sharing == "open"
        await access.children.withdraw(CONSOLE, r.world.mate)
        assert r.listed(camera).sharing == "paused"
        await access.children.consent(CONSOLE, r.world.mate)
        assert r.listed(camera).sharing == "open"
        r.world.clock.distrust()
        assert r.listed(camera).sharing == "paused"


async def test_the_grid_says_open_exactly_when_a_guardian_may_look(tmp_path: Path) -> None:
    """For each half hour of a day the staff's word and a consenting guardian's decision agree."""
    async with rooms(tmp_path, now_ms=local(19, 0)) as r:
        live = ObjectRef(ObjectKind.CAMERA, r.world.camera)
        for _ in range(48):
            allowed = r.rights.decide(r.caller(), Action.LIVE, live).allowed if r.world.phone else False
            decided = r.world.access.store.current
            assert decided.accepted
            from gateway.access.policy import decide

            answer = decide(decided, r.world.mother, Action.LIVE, live, r.world.clock.now_ms())
            assert (r.listed(r.world.camera).sharing == "open") == answer.allowed == allowed
            r.world.clock.step_wall(30 * 60_000)


# a guardian's classes


async def test_a_guardians_day_is_the_own_class_with_its_hours(tmp_path: Path) -> None:
    """Class, child, camera, the decision of now, windows and blocks of today in UTC ms."""
    async with rooms(tmp_path) as r:
        (day,) = r.rights.classes(r.caller())
        assert (day.id, day.name, day.child) == (r.world.class_id, "Mầm 1", "Bé An")
        assert day.cameras == (r.world.camera,)
        assert day.decision.allowed
        assert day.windows == ((local(19, 7, 30), local(19, 16, 30)),)
        assert [block.kind for block in day.blocks][:2] == ["arrival", "lesson"]
        nap = next(block for block in day.blocks if block.kind == "nap")
        assert (nap.start_ms, nap.open) == (local(19, 11, 30), False)


async def test_staff_and_strangers_have_no_classes_of_their_own(tmp_path: Path) -> None:
    """The list is a guardian's."""
    async with rooms(tmp_path) as r:
        assert r.rights.classes(r.principal) == []
        assert r.rights.classes(r.caller(new_public_id())) == []


async def test_siblings_in_one_class_are_one_entry_and_other_classes_their_own(tmp_path: Path) -> None:
    """Two children in a class are named together; a third elsewhere adds its class, and only that."""
    async with rooms(tmp_path) as r:
        children, mother = r.world.access.children, r.world.mother
        for name, class_id in (("Bé Em", r.world.class_id), ("Bé Xa", r.other_class)):
            child = await children.add(CONSOLE, name, class_id)
            await children.add_guardian(CONSOLE, mother, child)
            await children.consent(CONSOLE, child)
        await r.names.load()
        days = r.rights.classes(r.caller())
        assert {day.name: day.child for day in days} == {"Mầm 1": "Bé An, Bé Em", "Chồi 2": "Bé Xa"}
        assert [day.cameras for day in days] == [(r.world.camera,), (r.other_camera,)]


async def test_a_tie_or_an_enrolment_that_ended_takes_the_class_away(tmp_path: Path) -> None:
    """After leaving the class, and after a revocation, the list is empty at once."""
    async with rooms(tmp_path) as r:
        await r.world.access.children.leave(CONSOLE, r.world.child, at_once=True)
        assert r.rights.classes(r.caller()) == []
        await r.world.access.children.enrol(CONSOLE, r.world.child, r.other_class)
        assert r.rights.classes(r.caller()) == []  # its guardians' ties ended when it left
        await r.world.access.children.add_guardian(CONSOLE, r.world.mother, r.world.child)
        assert [day.name for day in r.rights.classes(r.caller())] == ["Chồi 2"]
        await r.world.access.children.revoke_guardian(CONSOLE, r.world.mother)
        assert r.rights.classes(r.caller()) == []


async def test_one_hidden_camera_does_not_hide_the_class(tmp_path: Path) -> None:
    """With two cameras of which one is private the class is still open on the page."""
    async with rooms(tmp_path) as r:
        access = r.world.access
        await access.classes.assign(CONSOLE, r.gate, r.world.class_id)
        for camera in (r.world.camera, r.gate):
            await access.sharing.hide_camera(CONSOLE, camera, minutes=10)
            (day,) = r.rights.classes(r.caller())
            assert day.decision.allowed == (camera == r.world.camera)


async def test_a_class_without_a_camera_says_there_are_no_hours(tmp_path: Path) -> None:
    """No camera is no crash: a closed class with its plan."""
    async with rooms(tmp_path) as r:
        access = r.world.access
        empty = await access.classes.add(CONSOLE, "Lá 3")
        await access.classes.set_windows(CONSOLE, empty, [Hours(0, 600)])
        await access.classes.set_plan(CONSOLE, empty, usual_plan())
        await access.children.enrol(CONSOLE, r.world.child, empty)
        await r.names.load()
        (day,) = r.rights.classes(r.caller())
        assert (day.cameras, day.decision.allowed, day.decision.reason) == ((), False, "window.none")


# grants, logins, switches, changes


async def test_a_grant_is_a_decision_or_an_error_that_says_when(tmp_path: Path) -> None:
    """Allowed gives a grant; out of hours is Denied with the next instant; another class is not there."""
    async with rooms(tmp_path, now_ms=local(19, 6)) as r:
        with pytest.raises(Denied) as denied:
            await r.rights.grant(r.caller(), Action.SNAPSHOT, r.world.camera)
        assert denied.value.fields["next_ms"] == local(19, 7, 30)
        with pytest.raises(NotFound):
            await r.rights.grant(r.caller(), Action.SNAPSHOT, r.other_camera)
        grant = await r.rights.grant(r.principal, Action.SNAPSHOT, r.world.camera)
        assert grant.person == r.world.principal


async def test_a_session_is_its_persons_until_it_is_left(tmp_path: Path) -> None:
    """The session is the person's, staff carry no mark over the picture."""
    async with rooms(tmp_path) as r:
        access = r.world.access
        port = LoginPort(access.logins, access.devices, access.players, r.names)
        code = (await access.codes.create(CONSOLE, r.world.principal)).text.reveal()
        signed_in = await access.codes.sign_in(code, address=PEER.address, label="x")
        caller = await port.session(signed_in.token, active=True)
        assert caller is not None
        assert (caller.person, caller.mark) == (r.world.principal, "")
        await port.sign_out(signed_in.token)
        assert await port.session(signed_in.token, active=False) is None
        assert await port.session(Secret("nobody"), active=True) is None


async def test_a_guardians_picture_carries_the_guardians_name(tmp_path: Path) -> None:
    """A slip binds a phone whose caller is marked."""
    async with rooms(tmp_path) as r:
        access = r.world.access
        port = LoginPort(access.logins, access.devices, access.players, r.names)
        fresh = port.signed_in(await r.world.join(r.world.father_of_mate))
        caller = fresh.caller
        assert (caller.role, caller.mark) == (Role.GUARDIAN, "PH Bố Bình")
        await access.phones.set(CONSOLE, r.world.father_of_mate, "0912 345 678")
        await r.names.load()
        again = await port.session(fresh.token, active=False)
        assert again is not None
        assert again.mark == "PH Bố Bình · •••678"


async def test_the_switch_shows_where_it_stands(tmp_path: Path) -> None:
    """Stop and resume by somebody who may; a guardian may not."""
    async with rooms(tmp_path) as r:
        switch = SharingPort(r.world.access.store, r.world.access.sharing)
        await switch.stop(r.principal)
        assert switch.state().stopped
        await switch.resume(r.principal)
        assert not switch.state().stopped
        with pytest.raises((Denied, NotFound)):
            await switch.stop(r.caller())
        assert not switch.state().stopped


async def test_an_ended_session_is_told_to_its_device_only() -> None:
    """Facts concern everybody; the end of a stream concerns the device that watched."""
    bus = Bus()
    port = ChangesPort(bus)
    callers = [Caller(new_public_id(), Role.GUARDIAN, "", device) for device in ("phone", "desk")]
    with port.of(callers[0]) as mine, port.of(callers[1]) as theirs:
        bus.publish(ENDED_TOPIC, ("phone", "s1", "class.paused"))
        bus.publish(FACTS_TOPIC)
        assert await anext(mine) == Change("ended", session="s1", reason="class.paused")
        assert await anext(mine) == Change("facts")
        assert await anext(theirs) == Change("facts")


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({}, ("", "")),
        ({"path": "host", "outside": False, "place": "video", "link_weak": False}, ("", "")),
        ({"path": "srflx", "outside": True, "place": "turn", "link_weak": True}, ("outside", "turn")),
        ({"path": "relay", "outside": True, "place": "stills"}, ("relay", "stills")),
        ({"path": "relay", "outside": False, "place": "video", "link_weak": True}, ("relay", "weak")),
        ({"path": "host", "outside": False, "place": "smaller"}, ("", "smaller")),
    ],
)
async def test_how_somebody_watches_in_two_words(state: dict[str, object], told: tuple[str, str]) -> None:
    """The way only where it is not the school's own network; of the quality the gravest."""
    assert shown_as(state) == told


async def test_a_session_is_its_devices_own(tmp_path: Path) -> None:
    """Closing or feeding somebody else's session, or one of another camera, is NotFound and ends nothing."""
    async with rooms(tmp_path) as r:
        client = LiveClient(tmp_path / "none.sock")
        port = LivePort(r.world.access.open, client, r.names, lambda _grant: {"outside": True, "place": "turn"})
        opened = await port.open(r.caller(), r.world.camera, "offer", StreamRole.SUB)
        assert [(view.camera, view.name) for view in port.watching()] == [(r.world.camera, "Mẹ An")]
        assert [(view.way, view.quality) for view in port.watching()] == [("outside", "turn")]
        for caller, camera in ((r.principal, r.world.camera), (r.caller(), r.other_camera)):
            with pytest.raises(NotFound):
                await port.close(caller, camera, opened.session)
            with pytest.raises(NotFound):
                await port.candidate(caller, camera, opened.session, "candidate:1")
        assert len(port.watching()) == 1
        await port.close(r.caller(), r.world.camera, opened.session)
        assert port.watching() == []
