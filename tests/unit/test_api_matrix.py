"""Every route, as everybody, about everything, on the real access module: nobody gets what is not theirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.access.grants import Grants
from gateway.core.model import Role
from gateway.roofs.web_lists import ListedRights
from gateway.roofs.web_ports import RightsPort
from tests.fakes.route_driver import Answer, Driver, filled, is_page, pictures, routes_of
from tests.fakes.route_table import HOW, LISTED, OWN, PARAMETER, PRINCIPALS, ROUTES, STAFF, TECHNICAL, Row
from tests.fakes.school_box import Actor, SchoolBox, school_box

pytestmark = pytest.mark.anyio


def may_be_named(box: SchoolBox, actor: Actor) -> set[str]:
    """Return what of the school's names and ids may stand in an answer to somebody at all."""
    if actor.role is None or actor.label in {"disabled", "signed_out"}:
        return set()
    if actor.role in PRINCIPALS:
        return set(box.marks)
    mine = {f"person {actor.label}", f"name of {actor.label}"}
    if (own := OWN.get(actor.label)) is not None:
        mine |= {f"camera {own}", f"class {own}", f"name of class {own}"}
        if actor.role is Role.OBSERVER:
            return mine  # a guest reads no name but the class's and their own
        if not actor.player and own == OWN["observer"]:
            mine.add("name of observer")  # who looked, who looks, and who asks to
        if actor.role is Role.GUARDIAN:
            mine |= {f"child {own}", f"name of child {own}"}
            looks = {label for label, item in box.actors.items() if item.role in STAFF and OWN.get(label, own) == own}
            mine |= {f"name of {label}" for label in looks}  # families read who looked at the class
        else:
            mine |= {f"name of camera {own}"}
            mine |= {f"name of {item.label}" for item in box.actors.values() if item.role in STAFF}  # who watches now
            if not actor.player:  # slips, answers and who watches: a teacher knows the families of the own class
                mine |= {f"child {own}", f"name of child {own}"}
                kin = [label for label, item in box.actors.items() if item.role is Role.GUARDIAN and OWN[label] == own]
                mine |= {f"{what} {label}" for label in kin for what in ("person", "name of")}
    if actor.role in TECHNICAL:
        mine |= {mark for mark in box.marks if mark.startswith("camera ")}
    return mine


def leaks(box: SchoolBox, actor: Actor, answer: Answer, url: str) -> list[str]:
    """Return what is in an answer and is not for this person; an id that was asked for may be said again."""
    allowed = may_be_named(box, actor)
    told = [mark for mark, text in box.marks.items() if mark not in allowed and text in answer.text]
    said = [mark for mark in told if not (box.marks[mark] in url and answer.status < 300)]
    reach = {box.cameras[name] for name in box.cameras if f"camera {name}" in allowed and actor.role not in TECHNICAL}
    asked = {camera for camera in reach if camera in url or "/api/exports/" in url}
    return said + [f"a picture of {camera}" for camera in pictures(answer) - asked]


async def judged(
    driver: Driver, actor: Actor, method: str, path: str, row: Row, camera: str, ids: dict[str, str]
) -> list[str]:
    """Ask once and return what is wrong with the answer."""
    box, second = driver.box, ids.pop("which", "")
    url = filled(path, ids, row.query)
    before = Counter(box.recorder.asked) + Counter(box.live.asked)
    answer = await driver.ask(actor, method, url, row)
    asked = set((Counter(box.recorder.asked) + Counter(box.live.asked)) - before)
    verdict = driver.verdict(row, actor, camera, second)
    wrong = [f"has {leak}" for leak in leaks(box, actor, answer, url)]
    if verdict not in {"ok", "public", "strangers"} and asked - {"status"}:
        wrong.append(f"reached {asked}")
    if not as_expected(verdict, row, actor, method, path, answer):
        wrong.append(f"got {answer.status} {answer.body[:90]!r}")
    if verdict == "absent" or (verdict == "strangers" and row.strangers == 404):
        nothing = await driver.nothing(actor, method, path, row)
        if answer != nothing:
            wrong.append("differs from an address at which there is nothing")
    return [f"{actor.label}: {method} {path} [{camera} {second}] is {verdict}, but {item}" for item in wrong]


def as_expected(verdict: str, row: Row, actor: Actor, method: str, path: str, answer: Answer) -> bool:
    """Compare a status with what the table says."""
    match verdict:
        case "ok" | "public":
            return answer.status in row.ok
        case "absent":
            return answer.status == 404
        case "strangers":
            return answer.status == row.strangers
        case "refused":
            return answer.status == 403
        case _ if actor.player and answer.status == 403:
            return b"origin" in answer.body  # a change without a page's proof of origin, before anybody is asked
        case _ if not is_page(path) or path.startswith("/p/"):
            return answer.status == 401
        case _:
            lost = method == "POST" and path != "/ra"  # a form was sent, and nothing of it can be kept
            wanted = "/vao?mat=1" if lost else "/vao"
            return (answer.status, dict(answer.headers).get("location")) == (303, wanted)


def prepared(path: str, driver: Driver, row: Row) -> Iterator[tuple[str, str]]:
    """Yield what stands for the object; one round for a path without."""
    yield from driver.objects(row.over) if row.over else [("", driver.box.cameras["mam"])]


async def everything(driver: Driver, actor: Actor, only: str = "") -> list[str]:
    """Ask all routes as one person (or one path)."""
    wrong: list[str] = []
    for method, path in routes_of(driver.box):
        row = ROUTES.get((method, path))
        if row is None or only not in {"", path}:
            continue
        for camera, camera_id in prepared(path, driver, row):
            async for which, second in driver.seconds(row, actor, camera_id):
                ids = {PARAMETER.get(row.over, "camera"): camera_id, "which": which}
                if row.other:
                    ids[row.other.removeprefix("ready ")] = second
                if row.other in {"hold", "order", "ready order"} and which == "others":
                    ids["which"] = "own"
                wrong += await judged(driver, actor, method, path, row, camera, ids)
        if path == "/ra" and actor.role is not None and not actor.player and actor.label not in LISTED:
            await driver.box.sign_in(actor.label)
        if path == "/api/sharing/stop":
            await driver.ask(driver.box.actors["principal"], "POST", "/api/sharing/resume")
    return wrong


def undeclared(box: SchoolBox) -> list[str]:
    """Return what is served and is not in the table, with how to put it there."""
    return [f"{method} {path} {HOW}" for method, path in routes_of(box) if (method, path) not in ROUTES]


async def test_every_route_is_in_the_table_and_nothing_else_is(tmp_path: Path) -> None:
    """A route that nobody declared fails here and says how; so does one that is gone, and one that is added later."""
    async with school_box(tmp_path) as box:
        assert undeclared(box) == []
        assert set(ROUTES) - set(routes_of(box)) == set(), "rows of routes that are not served"

        @box.app.get("/forgotten/{camera}")
        async def forgotten(camera: str) -> str:
            return camera

        assert [line.split(" is served")[0] for line in undeclared(box)] == ["GET /forgotten/{camera}"]


async def test_the_matrix_sees_a_door_that_was_left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard that forgets whose camera it is, and a list that is not filtered, are named as what they are."""
    async with school_box(tmp_path) as box, box.client() as client:
        driver, mother, teacher = Driver(box, client), box.actors["mother"], box.actors["teacher"]
        monkeypatch.setattr(RightsPort, "knows", lambda *_: True)
        found = await everything(driver, mother, "/api/cameras/{camera}/still.jpg")
        assert found == [], "the grant still refuses, and writes it down"
        real, head = Grants.issue, box.actors["principal"]
        session = box.parts.logins.sessions(head.person)[0].id

        async def as_the_head(self: Grants, _person: object, _device: object, *rest: Any, **more: Any) -> Any:
            return await real(self, head.person, session, *rest, **more)

        monkeypatch.setattr(Grants, "issue", as_the_head)
        found = await everything(driver, mother, "/api/cameras/{camera}/still.jpg")
        assert any("a picture of " + box.cameras["choi"] in line for line in found)
        monkeypatch.setattr(ListedRights, "_visible", lambda *_: True)
        found = await everything(driver, teacher, "/api/cameras")
        assert any("has name of class choi" in line for line in found)


async def test_nobody_gets_what_is_not_theirs(tmp_path: Path) -> None:
    """Every route x role x object answers as ACCESS says: 0 leaks, and what is refused reaches no daemon."""
    wrong: list[str] = []
    async with school_box(tmp_path) as box, box.client() as client:
        driver = Driver(box, client)
        for actor in box.actors.values():
            wrong += await everything(driver, actor)
        missing = set(Role) - {actor.role for actor in box.actors.values()}
    assert missing == set(), "a role that nobody has in tests/fakes/school_box.py"
    assert wrong == [], f"{len(wrong)} answers:\n" + "\n".join(wrong[:200])
