"""`why` on the control socket: who sees which camera, and on what that rests.

Owns this call and that of class rules. Whoever may make them acts as the console.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.access.audit import CONSOLE
from gateway.access.facts import ClassRules
from gateway.access.narrowing import Narrowing
from gateway.core.errors import BadInput
from gateway.core.model import PublicId, Role
from gateway.core.wire import ControlClient, Handler, Reply, Request
from gateway.roofs.lookup import only
from gateway.roofs.names import Names
from gateway.roofs.why_desk import WhyDesk


class WhyCalls:
    """The calls."""

    def __init__(self, desk: WhyDesk, names: Names, recorder: ControlClient, narrowing: Narrowing) -> None:
        self._desk, self._names, self._recorder = desk, names, recorder
        self._narrowing = narrowing

    def handlers(self) -> Mapping[str, Handler]:
        """Return the methods by name."""
        return {
            "why": self._why,
            "class.rules": self._rules,
        }

    async def _why(self, request: Request) -> Reply:
        at = request.params.get("at_ms")
        at_ms = int(at) if isinstance(at, int) and not isinstance(at, bool) else None
        on_site = request.params.get("on_site") is True
        names = await self._cameras()
        wanted_person, wanted_camera = request.params.get("person"), request.params.get("camera")
        person = self._person(str(wanted_person), None) if wanted_person else None
        camera = only(str(wanted_camera), list(names.items()), "camera") if wanted_camera else None
        if person is not None and camera is not None:
            told = self._desk.why(person, camera, at_ms, on_site=on_site)
            return Reply(told | {"camera_name": names.get(camera) or camera})
        if camera is not None:
            return Reply({"people": self._desk.who(camera, at_ms, on_site=on_site)})
        if person is None:
            raise BadInput("why needs a person, a camera, or both", case="why_nobody", key="person")
        rows = self._desk.what(person, at_ms, on_site=on_site)
        return Reply({"cameras": [row | {"name": names.get(row["camera"]) or row["camera"]} for row in rows]})

    async def _rules(self, request: Request) -> Reply:
        rules = ClassRules(
            self._class(request.text("class")),
            request.params.get("on_site_only") is True,
            _maybe(request, "daily_minutes"),
            _maybe(request, "adaptation_days"),
        )
        await self._narrowing.set(CONSOLE, rules)
        return Reply({"class": rules.class_id})

    async def _cameras(self) -> dict[PublicId, str]:
        rows = (await self._recorder.call("camera.list")).result["cameras"]
        return {PublicId(row["id"]): str(row.get("name") or row["id"]) for row in rows}

    def _person(self, name: str, role: Role | None) -> PublicId:
        rows = [row for row in self._names.persons.values() if role is None or row.role is role]
        return only(name, [(row.id, row.name) for row in rows], "person")

    def _class(self, name: str) -> PublicId:
        return only(name, [(row.id, row.name) for row in self._names.classes.values()], "class")


def _maybe(request: Request, key: str) -> int | None:
    return None if request.params.get(key) is None else request.number(key)
