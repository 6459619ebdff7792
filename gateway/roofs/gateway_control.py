"""The gateway's control socket: what the command line and the demo ask.

Owns the methods of `<run>/gateway.sock`. Whoever may open that socket acts as the console: everything is
decided as such and written into the audit with that actor. Invariants: names are looked up, never guessed:
an unknown one is BadInput with the known ones, one that two people have is BadInput with their ids; no
method returns a stored secret, only fresh ones once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.access.audit import CONSOLE
from gateway.access.children import Children
from gateway.access.classes import Classes, Hours, PlanItem, at, usual_plan
from gateway.access.codes import Codes
from gateway.access.facts import EVERY_DAY, MINUTES_PER_DAY, BlockKind
from gateway.access.grants import Grants
from gateway.access.invitations import Invitations
from gateway.access.kin import kind_of
from gateway.access.people import People
from gateway.access.reasons import Reason
from gateway.access.sharing import Sharing
from gateway.access.store import clean_name
from gateway.core.db import Database
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import Decision, PublicId, Role, StreamRole
from gateway.core.ticket import sign
from gateway.core.wire import ControlClient, Handler, Reply, Request
from gateway.health.tracker import Tracker
from gateway.roofs.control_holds import HoldCalls
from gateway.roofs.lookup import only

E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the control methods work with."""

    people: People
    children: Children
    classes: Classes
    sharing: Sharing
    codes: Codes
    slips: Invitations
    grants: Grants
    tracker: Tracker
    db: Database
    key: Ed25519PrivateKey
    recorder: ControlClient
    web_url: str
    code_minutes: int
    slip_days: int
    holds: HoldCalls
    status: Callable[[], Awaitable[dict[str, Any]]]
    sessions_of: Callable[[PublicId], int]


def handlers(desk: Desk) -> dict[str, Handler]:
    """Return the methods by name."""
    desk_methods = _People(desk)
    footage = _Footage(desk)
    return {
        "status": _status(desk),
        "people.list": desk_methods.list_all,
        "person.add": desk_methods.add_person,
        "person.disable": desk_methods.disable_person,
        "class.add": desk_methods.add_class,
        "camera.assign": desk_methods.assign,
        "guardian.add": desk_methods.add_guardian,
        "hours.set": desk_methods.set_hours,
        "accept": desk_methods.accept,
        "sharing": desk_methods.share,
        "revoke": desk_methods.revoke,
        "code.new": desk_methods.new_code,
        "slip.new": desk_methods.new_slip,
        "export": footage.export,
        "still": footage.still,
        **desk.holds.handlers(),
    }


def _status(desk: Desk) -> Handler:
    async def status(_request: Request) -> Reply:
        conditions = [
            {"code": item.code, "subject": item.subject, "severity": item.severity, "since_ms": item.since_ms}
            for item in desk.tracker.current()
        ]
        return Reply(await desk.status() | {"conditions": conditions})

    return status


class _People:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def list_all(self, _request: Request) -> Reply:
        people = [
            {
                "id": row.id,
                "name": row.name,
                "role": row.role.value,
                "disabled": row.disabled,
                "classes": [item.name for item in await self._classes_of(row.id)],
            }
            for row in await self._desk.people.rows()
        ]
        classes = [
            {"id": row.id, "name": row.name, "cameras": list(row.cameras)} for row in await self._desk.classes.rows()
        ]
        return Reply({"people": people, "classes": classes})

    async def _classes_of(self, person: PublicId) -> list[Any]:
        mine = {row.class_id for row in await self._desk.children.rows(guardian=person)}
        return [row for row in await self._desk.classes.rows() if row.id in mine]

    async def add_person(self, request: Request) -> Reply:
        role = _choice(Role, request.text("role"), "role")
        return Reply({"person": await self._desk.people.add(CONSOLE, role, request.text("name"))})

    async def disable_person(self, request: Request) -> Reply:
        disabled = request.params.get("disabled")
        if not isinstance(disabled, bool):
            raise BadInput("person.disable: disabled must be true or false", key="disabled")
        person = await self._person(request.text("person"), None)
        await self._desk.people.disable(CONSOLE, person, disabled=disabled)
        return Reply({"person": person})

    async def add_class(self, request: Request) -> Reply:
        plan, wanted = _plan(request.text("plan", "usual")), _ids(request, "cameras")
        known = await self._cameras()
        if strange := [camera for camera in wanted if camera not in known]:
            raise BadInput(f"there is no camera {strange[0]!r}", key="cameras")
        class_id = await self._desk.classes.add(CONSOLE, request.text("name"))
        await self._desk.classes.sync_cameras(CONSOLE, known)
        for camera in wanted:
            await self._desk.classes.assign(CONSOLE, camera, class_id)
        await self._desk.classes.set_plan(CONSOLE, class_id, plan)
        return Reply({"class": class_id})

    async def assign(self, request: Request) -> Reply:
        camera, name = PublicId(request.text("camera")), request.text("class", "")
        class_id = await self._class(name) if name else None
        await self._desk.classes.sync_cameras(CONSOLE, await self._cameras())
        await self._desk.classes.assign(CONSOLE, camera, class_id)
        return Reply({"class": class_id})

    async def _cameras(self) -> set[PublicId]:
        cameras = (await self._desk.recorder.call("camera.list")).result["cameras"]
        return {PublicId(row["id"]) for row in cameras}

    async def add_guardian(self, request: Request) -> Reply:
        # Everything that can be wrong is looked at before the first row is written.
        class_id, kind = await self._class(request.text("class")), kind_of(request.text("kind"))
        name, child_name = clean_name(request.text("name")), clean_name(request.text("child"))
        person = await self._desk.people.add(CONSOLE, Role.GUARDIAN, name)
        child = await self._desk.children.add(CONSOLE, child_name, class_id)
        await self._desk.children.add_guardian(CONSOLE, person, child, kind=kind)
        if request.params.get("consent") is True:
            await self._desk.children.consent(CONSOLE, child)
        return Reply({"person": person, "child": child})

    async def set_hours(self, request: Request) -> Reply:
        class_id = await self._class(request.text("class"))
        days = frozenset(_weekday(text) for text in request.text("days").split(","))
        window = Hours(at(request.text("start")), at(request.text("end")), days)
        await self._desk.classes.set_windows(CONSOLE, class_id, [window])
        return Reply({})

    async def accept(self, _request: Request) -> Reply:
        await self._desk.sharing.accept_box(CONSOLE)
        return Reply({})

    async def share(self, request: Request) -> Reply:
        stop = request.params.get("stop")
        if not isinstance(stop, bool):
            raise BadInput("sharing: stop must be true or false", key="stop")
        await self._desk.sharing.stop_all(CONSOLE, stopped=stop)
        return Reply({})

    async def revoke(self, request: Request) -> Reply:
        person = await self._person(request.text("guardian"), Role.GUARDIAN)
        open_now = self._desk.sessions_of(person)
        await self._desk.children.revoke_guardian(CONSOLE, person)
        return Reply({"sessions": open_now})

    async def new_code(self, request: Request) -> Reply:
        name = request.params.get("person")
        person = await self._person(str(name), None) if name else await self._first(Role.PRINCIPAL)
        code = await self._desk.codes.create(CONSOLE, person)
        where = f"{self._desk.web_url}/vao"
        return Reply({"code": code.text.reveal(), "minutes": self._desk.code_minutes, "url": where})

    async def new_slip(self, request: Request) -> Reply:
        person = await self._person(request.text("guardian"), Role.GUARDIAN)
        checked = request.params.get("checked") is True
        if phone := request.text("phone", ""):
            await self._desk.slips.phones.set(CONSOLE, person, phone)
        slip = await self._desk.slips.create(CONSOLE, person, checked=checked)
        url = f"{self._desk.web_url}/p/moi#{slip.secret.reveal()}"
        return Reply({"url": url, "code": slip.code.reveal(), "days": self._desk.slip_days, "checked": checked})

    async def _first(self, role: Role) -> PublicId:
        for row in await self._desk.people.rows():
            if row.role is role and not row.disabled:
                return row.id
        raise BadInput(f"there is no {role} yet", case="nobody", key="role")

    async def _person(self, name: str, role: Role | None) -> PublicId:
        rows = [row for row in await self._desk.people.rows() if role is None or row.role is role]
        return only(name, [(row.id, row.name) for row in rows], "person")

    async def _class(self, name: str) -> PublicId:
        return only(name, [(row.id, row.name) for row in await self._desk.classes.rows()], "class")


class _Footage:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def export(self, request: Request) -> AsyncIterator[bytes]:
        """Stream footage to whoever holds this socket: decided, written into the audit and reported first."""
        if "segment" in request.params:
            span = await self._segment(request.text("segment"))
        else:
            span = {
                "camera": request.text("camera"),
                "from_ms": request.number("from_ms"),
                "to_ms": request.number("to_ms"),
                "stream": _choice(StreamRole, request.text("stream", "main"), "stream").value,
            }
        grant = await self._desk.grants.issue_console(
            PublicId(str(span["camera"])), from_ms=int(span["from_ms"]), to_ms=int(span["to_ms"])
        )
        params: dict[str, Any] = {"ticket": sign(grant, self._desk.key), "stream": span["stream"]}
        if "segment" in request.params:
            params["segment"] = request.text("segment")
        return self._desk.recorder.stream("export", params)

    async def still(self, request: Request) -> Reply:
        """Return the newest still of a camera: decided and written into the audit first."""
        knowingly = request.params.get("after_acceptance") is True
        decision, grant = await self._desk.grants.issue_console_look(
            PublicId(request.text("camera")), knowingly=knowingly
        )
        if grant is None:
            raise _no_look(decision)
        params = {"ticket": sign(grant, self._desk.key), "width": request.number("width", 320)}
        return await self._desk.recorder.call("still", params)

    async def _segment(self, path: str) -> dict[str, Any]:
        cameras = (await self._desk.recorder.call("camera.list")).result["cameras"]
        for camera in cameras:
            wanted = {"camera": camera["id"], "path": path}
            rows = (await self._desk.recorder.call("segments", wanted)).result["segments"]
            for row in rows:
                if row["path"] == path:
                    end_ms = row["start_ms"] + max(1, row["duration_ms"])
                    return dict(row) | {"from_ms": row["start_ms"], "to_ms": end_ms}
        raise BadInput(
            f"there is no segment {path!r}; `vuon doan` lists them", case="segment", key="segment", name=path
        )


def _no_look(decision: Decision) -> Denied | NotFound:
    if decision.reason == Reason.NOT_FOUND:
        return NotFound("there is no such camera")
    case = "look_private" if decision.reason == Reason.CAMERA_PRIVATE else "look_accepted"
    return Denied("the console may not see this camera now", reason=str(decision.reason), case=case)


def _plan(name: str) -> tuple[PlanItem, ...]:
    """Return the day plan a new class starts with: the usual preschool day, or open all day (trials)."""
    if name == "usual":
        return usual_plan()
    if name == "open":
        return (PlanItem(Hours(0, MINUTES_PER_DAY, EVERY_DAY), BlockKind.OTHER),)
    raise BadInput(f"{name!r} is no day plan; use usual or open", key="plan")


def _weekday(text: str) -> int:
    """Return Monday = 0 from the Vietnamese count, where Monday is 2 and Sunday 8."""
    if text.strip() not in {"2", "3", "4", "5", "6", "7", "8"}:
        raise BadInput(f"{text!r} is no weekday; 2 is Monday, 8 is Sunday", case="weekday", key="days", value=text)
    return int(text.strip()) - 2


def _choice(kind: type[E], text: str, key: str) -> E:
    try:
        return kind(text)
    except ValueError as error:
        raise BadInput(f"{key} must be one of {', '.join(kind)}", key=key) from error


def _ids(request: Request, key: str) -> list[PublicId]:
    """Return a list parameter of public ids; absent is empty."""
    value = request.params.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadInput(f"{request.method}: {key} must be a list of ids", key=key)
    return [PublicId(item) for item in value]
