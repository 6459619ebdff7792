"""Every way in which facts are changed through a door, as a table: the code in the audit, and the call."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.access.audit import CONSOLE, Actor
from gateway.access.classes import Hours, at, usual_plan
from gateway.access.facts import ClassRules, Purpose
from gateway.access.observing import Visit
from gateway.access.pauserules import A_DAY, used_today, wall_device
from gateway.core.model import PublicId, Role
from tests.fakes.access_world import World
from tests.fakes.school import HOUR, NOW

Act = Callable[[World, Actor], Awaitable[object]]


THE_TEACHERS = {"observation.assent", "observation.decline", "observation.withdraw"}
"""Nobody else of the school agrees in her place."""


@dataclass
class Staff:
    """People of the other roles, each signed in nowhere: actors need no session to change facts."""

    teacher: Actor
    installer: Actor
    authority: Actor
    observer: Actor
    guardian: Actor
    deputy: Actor
    vice: Actor


async def hire(w: World) -> Staff:
    """Add one person of each role; the teacher has the class, the deputy is a second principal."""
    people = w.access.people
    roles = (Role.TEACHER, Role.INSTALLER, Role.AUTHORITY_IT, Role.OBSERVER, Role.PRINCIPAL, Role.VICE_PRINCIPAL)
    teacher, installer, authority, observer, deputy, vice = [
        await people.add(CONSOLE, role, str(role)) for role in roles
    ]
    await people.teach(CONSOLE, teacher, w.class_id)
    await w.access.notices.sign(Actor(teacher, "t"))
    return Staff(
        Actor(teacher, "t"), Actor(installer, "i"), Actor(authority, "a"), Actor(observer, "o"),
        Actor(w.mother, w.phone), Actor(deputy, "d"), Actor(vice, "v"),
    )  # fmt: skip


async def _approve(w: World, actor: Actor) -> None:
    await w.access.exports.approve(actor, await _theirs(w, actor))


async def _theirs(w: World, actor: Actor) -> PublicId:
    sql = "SELECT id FROM export_order WHERE requester IS NOT ? AND ended_ms IS NULL ORDER BY approver IS NOT NULL"
    return PublicId(w.rows(sql, actor.person)[0]["id"])


async def _refuse(w: World, actor: Actor) -> None:
    await w.access.exports.refuse(actor, await _theirs(w, actor), "không đủ lý do")


async def _cancel(w: World, actor: Actor) -> None:
    await w.access.exports.cancel(actor, await _theirs(w, actor))


async def held(w: World, _actor: Actor) -> None:
    """Prepare: something is held."""
    await w.access.holds.place(CONSOLE, w.camera, NOW - HOUR, NOW, "xem lại")


def _held(w: World) -> PublicId:
    sql = "SELECT id FROM footage_hold WHERE placed_by = 'console' AND lifted_ms IS NULL"
    return PublicId(w.rows(sql)[0]["id"])


async def _renew(w: World, actor: Actor) -> None:
    await w.access.holds.renew(actor, _held(w), days=60)


async def _lift(w: World, actor: Actor) -> None:
    await w.access.holds.lift(actor, _held(w), "xong việc")


async def _explain(w: World, actor: Actor) -> None:
    pause = w.rows("SELECT id FROM pause WHERE by = ?", actor.person)[0]["id"]
    await w.access.sharing.explain_pause(actor, w.class_id, pause, "bé ngã")


async def nothing(_w: World, _actor: Actor) -> None:
    """Need no preparation."""


async def order(w: World, _actor: Actor) -> None:
    """Prepare: somebody else wished for a copy."""
    deputy = await w.access.people.add(CONSOLE, Role.PRINCIPAL, "Cô Phó")
    await w.access.exports.request(Actor(deputy, "d"), w.camera, NOW - HOUR, NOW, "xem lại")


async def paused(w: World, actor: Actor) -> None:
    """Prepare: the actor hid the class."""
    await w.access.sharing.pause(actor, w.class_id)


async def tired(w: World, _actor: Actor) -> None:
    """Prepare: the class was hidden five times today, from its wall."""
    while used_today(w.access.store.current, w.class_id, w.clock.now_ms()) < A_DAY:
        await w.access.sharing.pause(_wall(w), w.class_id)
        w.clock.tick(10)


async def wished(w: World, actor: Actor) -> None:
    """Prepare: the wall asks for a sixth time."""
    await tired(w, actor)
    await w.access.sharing.pauses.ask(_wall(w), w.class_id)


def _wall(w: World) -> Actor:
    return Actor(None, wall_device(w.class_id))


async def _answer(w: World, actor: Actor) -> None:
    wish = w.rows("SELECT max(id) AS id FROM pause_request")[0]["id"] or 0
    await w.access.sharing.pauses.answer(actor, w.class_id, wish, granted=True)


async def _paper(w: World, actor: Actor) -> None:
    hoa = w.rows("SELECT id FROM person WHERE role = 'teacher'")[0]["id"]
    await w.access.notices.sign_on_paper(actor, PublicId(hoa), dt.date(2026, 11, 2), "12/2026")


async def hidden(w: World, _actor: Actor) -> None:
    """Prepare: the camera is hidden."""
    await w.access.sharing.hide_camera(CONSOLE, w.camera)


async def camera_shown(w: World, _actor: Actor) -> None:
    """Prepare: the camera shows the class."""
    await w.access.classes.assign(CONSOLE, w.camera, w.class_id)


async def resolved(w: World, _actor: Actor) -> None:
    """Prepare: a child without consent is settled."""
    await w.access.children.resolve(CONSOLE, w.mate, w.class_id)


async def _observe(w: World, actor: Actor) -> None:
    thanh = w.rows("SELECT id FROM person WHERE role = 'observer'")[0]["id"]
    now_ms = w.clock.now_ms()
    await w.access.observing.make(actor, Visit(w.class_id, now_ms, now_ms + HOUR, PublicId(thanh)))


def _session(w: World) -> PublicId:
    return PublicId(w.rows("SELECT id FROM observation ORDER BY until_ms DESC, id")[0]["id"])


async def guest(w: World, _actor: Actor) -> None:
    """Prepare: there is a guest."""
    if not w.rows("SELECT id FROM person WHERE role = 'observer'"):
        await w.access.people.add(CONSOLE, Role.OBSERVER, "Cô Thanh")


async def observed(w: World, actor: Actor) -> None:
    """Prepare: a guest's session is made."""
    await guest(w, actor)
    await _observe(w, CONSOLE)


async def agreed(w: World, actor: Actor) -> None:
    """Prepare: its teacher agrees."""
    await observed(w, actor)
    await w.access.observing.assent(CONSOLE, _session(w))


async def _teach(w: World, actor: Actor) -> None:
    hoa = w.rows("SELECT id FROM person WHERE role = 'teacher'")[0]["id"]
    await w.access.people.teach(actor, PublicId(hoa), w.class_id)


async def holiday(w: World, _actor: Actor) -> None:
    """Prepare: a day is marked."""
    await w.access.classes.set_day(CONSOLE, dt.date(2026, 11, 20), is_open=False)


async def teacher(w: World, _actor: Actor) -> None:
    """Prepare: there is a teacher."""
    await w.access.people.add(CONSOLE, Role.TEACHER, "Cô Hoa")


async def _unteach(w: World, actor: Actor) -> None:
    hoa = w.rows("SELECT person FROM teaching WHERE until_ms IS NULL")[0]["person"]
    await w.access.people.stop_teaching(actor, PublicId(hoa), w.class_id)


async def taught(w: World, _actor: Actor) -> None:
    """Prepare: somebody teaches the class."""
    hoa = await w.access.people.add(CONSOLE, Role.TEACHER, "Cô Hoa")
    await w.access.people.teach(CONSOLE, hoa, w.class_id)


async def _end_class(w: World, actor: Actor) -> None:
    await w.access.classes.end(actor, PublicId(w.rows("SELECT id FROM class WHERE name = 'Chồi 9'")[0]["id"]))


async def empty_class(w: World, _actor: Actor) -> None:
    """Prepare: there is a class without children."""
    await w.access.classes.add(CONSOLE, "Chồi 9")


@dataclass(frozen=True)
class Mutation:
    """One change: what it is called in the audit, what must be so before, and the call."""

    code: str
    act: Act
    before: Act = nothing


MUTATIONS: tuple[Mutation, ...] = (
    Mutation("person.add", lambda w, a: w.access.people.add(a, Role.TEACHER, "Cô Lan")),
    Mutation("person.disable", lambda w, a: w.access.people.disable(a, w.father_of_mate)),
    Mutation("person.enable", lambda w, a: w.access.people.disable(a, w.father_of_mate, disabled=False)),
    Mutation("person.rename", lambda w, a: w.access.people.rename(a, w.father_of_mate, "Bố Bình Hai")),
    Mutation("teacher.add", _teach, teacher),
    Mutation("teacher.end", _unteach, taught),
    Mutation("child.rename", lambda w, a: w.access.children.rename(a, w.child, "Bé An Nhiên")),
    Mutation("child.add", lambda w, a: w.access.children.add(a, "Bé Chi", w.class_id)),
    Mutation("child.enrol", lambda w, a: w.access.children.enrol(a, w.child, w.class_id)),
    Mutation("child.leave", lambda w, a: w.access.children.leave(a, w.mate)),
    Mutation("guardian.add", lambda w, a: w.access.children.add_guardian(a, w.mother, w.mate)),
    Mutation("guardian.revoke", lambda w, a: w.access.children.revoke_guardian(a, w.father_of_mate)),
    Mutation("consent.give", lambda w, a: w.access.children.consent(a, w.child, Purpose.RECORD)),
    Mutation("consent.withdraw", lambda w, a: w.access.children.withdraw(a, w.child)),
    Mutation("consent.resolve", lambda w, a: w.access.children.resolve(a, w.mate, w.class_id)),
    Mutation("consent.unresolve", lambda w, a: w.access.children.unresolve(a, w.mate, w.class_id), resolved),
    Mutation("class.add", lambda w, a: w.access.classes.add(a, "Chồi 1")),
    Mutation("class.rename", lambda w, a: w.access.classes.rename(a, w.class_id, "Mầm 1A")),
    Mutation("class.end", _end_class, empty_class),
    Mutation("cameras.sync", lambda w, a: w.access.classes.sync_cameras(a, [w.camera, PublicId("b" * 16)])),
    Mutation("camera.assign", lambda w, a: w.access.classes.assign(a, w.camera, None)),
    Mutation("camera.release", lambda w, a: w.access.classes.release(a, w.camera, w.class_id), camera_shown),
    Mutation(
        "class.windows", lambda w, a: w.access.classes.set_windows(a, w.class_id, [Hours(at("08:00"), at("09:00"))])
    ),
    Mutation("class.plan", lambda w, a: w.access.classes.set_plan(a, w.class_id, usual_plan())),
    Mutation("class.rules", lambda w, a: w.access.narrowing.set(a, ClassRules(w.class_id, daily_minutes=60))),
    Mutation("observation.make", _observe, guest),
    Mutation("observation.end", lambda w, a: w.access.observing.end(a, _session(w)), observed),
    Mutation("observation.decline", lambda w, a: w.access.observing.assent(a, _session(w), given=False), observed),
    Mutation("observation.withdraw", lambda w, a: w.access.observing.assent(a, _session(w), given=False), agreed),
    Mutation("observation.assent", lambda w, a: w.access.observing.assent(a, _session(w)), observed),
    Mutation("calendar.set", lambda w, a: w.access.classes.set_day(a, dt.date(2026, 11, 20), is_open=False)),
    Mutation("box.accept", lambda w, a: w.access.sharing.accept_box(a)),
    Mutation("sharing.stop", lambda w, a: w.access.sharing.stop_all(a)),
    Mutation("class.pause", lambda w, a: w.access.sharing.pause(a, w.class_id)),
    Mutation("class.resume", lambda w, a: w.access.sharing.resume(a, w.class_id), paused),
    Mutation("pause.explain", _explain, paused),
    Mutation("pause.ask", lambda w, a: w.access.sharing.pauses.ask(a, w.class_id), tired),
    Mutation("pause.answer", _answer, wished),
    Mutation("wall.replace", lambda w, a: w.access.walls.replace(a, w.class_id)),
    Mutation("wall.end", lambda w, a: w.access.walls.end(a, w.class_id)),
    Mutation("notice.paper", _paper, teacher),
    Mutation("calendar.clear", lambda w, a: w.access.days.clear(a, dt.date(2026, 11, 20)), holiday),
    Mutation("camera.hide", lambda w, a: w.access.sharing.hide_camera(a, w.camera, minutes=5)),
    Mutation("camera.show", lambda w, a: w.access.sharing.show_camera(a, w.camera), hidden),
    Mutation(
        "export.request",
        lambda w, a: w.access.exports.request(a, w.camera, NOW - HOUR, NOW, "xem lại"),
    ),
    Mutation("export.approve", _approve, order),
    Mutation("export.refuse", _refuse, order),
    Mutation("export.cancel", _cancel, order),
    Mutation("hold.place", lambda w, a: w.access.holds.place(a, w.camera, NOW - HOUR, NOW, "bé ngã")),
    Mutation("hold.renew", _renew, held),
    Mutation("hold.lift", _lift, held),
)


def dump(w: World) -> list[str]:
    """Everything in the database, as SQL."""
    return w.db.read_sync(lambda conn: list(conn.iterdump()))
