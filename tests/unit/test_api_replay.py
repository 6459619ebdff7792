"""Ids of one family in the hands of another: each is nothing, in every place an id can stand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.access import audit, grants, login, players, store
from gateway.access.audit import CONSOLE
from gateway.core.db import Database
from gateway.core.model import new_public_id
from tests.fakes.route_driver import FILLED, Answer, Driver, filled, routes_of
from tests.fakes.route_table import OWN, PRINCIPALS, ROUTES, Row
from tests.fakes.school_box import Actor, SchoolBox, school_box

pytestmark = pytest.mark.anyio
_ID = re.compile(r"(?<![a-z2-7])[a-z2-7]{16}(?![a-z2-7])")
_PLACE = re.compile(r"\{(\w+)\}")
PLACES = (
    "camera", "session", "wall", "playback", "hold", "order", "person", "class_id", "child", "sheet", "draft", "key",
    "secret", "visit",
)  # fmt: skip


def ids_in(answer: Answer) -> set[str]:
    """Return whatever looks like an id of ours."""
    return set(_ID.findall(answer.text))


async def harvest(driver: Driver, actor: Actor) -> dict[str, str]:
    """Return every id that any answer to somebody holds, with where it was: pages, lists, events, all they may open."""
    key = OWN.get(actor.label, "mam")
    own, own_class = driver.box.cameras[key], driver.box.classes[key]
    found: dict[str, str] = {}
    for method, path in routes_of(driver.box):
        row = ROUTES[method, path]
        if path == "/ra" or row.public or (method == "DELETE") or "{path" in path:
            continue
        around = own_class if row.over == "class" else own
        theirs = row.other and actor.role in row.finds - row.refuses
        second = (await driver.made(row.other, actor, around))[0] if theirs else None
        ids = {
            "camera": own,
            "class_id": own_class,
            "child": driver.box.children[key],
            row.other.removeprefix("ready "): second or new_public_id(),
        }
        answer = await driver.ask(actor, method, filled(path, ids, row.query), row)
        found |= dict.fromkeys(ids_in(answer) - found.keys(), f"in {method} {path}")
        found |= {second: f"{row.other} of {actor.label}"} if second else {}
    return found


def everything_with_an_id(box: SchoolBox) -> list[tuple[str, str]]:
    """Return the routes whose path holds an id."""
    return [(method, path) for method, path in routes_of(box) if set(_PLACE.findall(path)) & set(PLACES)]


def kinds_of_ids(box: SchoolBox) -> dict[str, str]:
    """Return ids that no answer may hold but somebody might learn: people, devices, grants, classes, children."""
    rows = box.ground.db.read_sync(
        lambda conn: [
            *(("person", row["id"]) for row in conn.execute("SELECT id FROM person")),
            *(("login", row["id"]) for row in conn.execute("SELECT id FROM login_session")),
            *(("grant", row["id"]) for row in conn.execute("SELECT id FROM open_grant")),
            *(("class", row["id"]) for row in conn.execute("SELECT id FROM class")),
            *(("child", row["id"]) for row in conn.execute("SELECT id FROM child")),
            *(("player", row["id"]) for row in conn.execute("SELECT id FROM player_token")),
        ]
    )
    return {row_id: kind for kind, row_id in rows}


def a_few(kinds: dict[str, str]) -> set[str]:
    """Return two ids of each kind: the others of a kind are no different."""
    few: dict[str, list[str]] = {}
    for item, kind in kinds.items():
        few.setdefault(kind, []).append(item)
    return {item for items in few.values() for item in items[:2]}


async def replay(driver: Driver, thief: Actor, ids: set[str]) -> list[str]:
    """Put each id into each place of each path and compare with an id that is none; returns what differs."""
    box, key, wrong = driver.box, OWN[thief.label], []
    own = {"camera": box.cameras[key], "class_id": box.classes[key]}
    for method, path in everything_with_an_id(driver.box):
        row, names = ROUTES[method, path], [name for name in _PLACE.findall(path) if name in PLACES]
        for name in names:
            around = {other: own.get(other) or new_public_id() for other in names}
            told = {
                value: await driver.ask(thief, method, filled(path, around | {name: value}, row.query), row)
                for value in [new_public_id(), *sorted(ids)]
            }
            nothing = next(iter(told.values()))
            differ = [value for value, answer in told.items() if answer != nothing]
            wrong += [f"{thief.label}: {method} {path} knows {value} as {name}" for value in differ]
    return wrong


async def test_ids_harvested_by_one_family_are_nothing_to_another(tmp_path: Path) -> None:
    """Cameras, sessions, walls, playbacks, holds, orders, people, devices: status, headers and bytes of no such thing."""
    async with school_box(tmp_path) as box, box.client() as client:
        driver, actors = Driver(box, client), box.actors
        stolen: dict[str, str] = {}
        for label in ("principal", "mother", "teacher"):
            stolen |= await harvest(driver, actors[label])
        assert set(box.cameras.values()) <= stolen.keys()
        kinds = stolen | kinds_of_ids(box)
        for label in ("father_choi", "teacher_choi"):
            own = await harvest(driver, actors[label])
            strange = {item: kind for item, kind in kinds.items() if item not in own}
            tried = a_few(strange)
            assert {"person", "login", "grant", "class", "child", "player"} <= {strange[item] for item in tried}
            assert {"session of mother", "wall of teacher", "playback of principal"} <= {strange[i] for i in tried}
            wrong = await replay(driver, actors[label], tried)
            assert wrong == [], "\n".join(wrong[:40])
        reached = box.recorder.asked["still"] + box.recorder.asked["playback.media"]
        assert await replay(driver, actors["father_choi"], {box.cameras["mam"]}) == []
        assert box.recorder.asked["still"] + box.recorder.asked["playback.media"] == reached


@contextmanager
def counted(box: SchoolBox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Count what a request costs that a stranger could time: the database, hashes, decisions, daemons, audit rows."""
    costs: Counter[str] = Counter()

    def count(owner: Any, name: str, label: str) -> None:
        real = getattr(owner, name)

        def counting(*args: Any, **named: Any) -> Any:
            costs[label] += 1
            return real(*args, **named)

        patch.setattr(owner, name, counting)

    with monkeypatch.context() as patch:
        count(Database, "read", "reads")
        count(Database, "write", "writes")
        count(login, "token_hash", "hashes")
        count(players, "token_hash", "hashes")
        count(audit, "append", "rows")
        count(store, "decide", "decisions")
        count(grants, "decide", "decisions")
        before = Counter(box.recorder.asked) + Counter(box.live.asked)
        yield costs
        costs.update({f"asks {key}": n for key, n in (box.recorder.asked + box.live.asked - before).items()})


async def test_what_is_not_yours_costs_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same reads, writes, hashes, audit rows and calls: no clock can tell another's camera from none."""
    async with school_box(tmp_path) as box, box.client() as client:
        driver = Driver(box, client)
        foreigners = {"camera": box.cameras["mam"], "class_id": box.classes["mam"]}
        for label in ("father_choi", "teacher_choi", "player_choi"):
            actor = await stranger(box, label)
            for method, path in everything_with_an_id(box):
                row = ROUTES[method, path]
                place = next((name for name in foreigners if f"{{{name}}}" in path), None)
                if place is None or row.public or (actor.player and not row.players):
                    continue
                foreign = foreigners[place]
                if not actor.player:
                    await box.sign_in(label)
                spent: list[list[dict[str, int]]] = []
                for things in ((new_public_id(), new_public_id()), (foreign, foreign)):
                    box.clock.tick(61)  # another minute: its first refusal is written again, the next is counted
                    spent.append([])
                    for thing in things:
                        ids = dict.fromkeys(PLACES, new_public_id()) | {place: thing}
                        with counted(box, monkeypatch) as costs:
                            await driver.ask(actor, method, filled(path, ids, row.query), row)
                        spent[-1].append(dict(costs))
                assert spent[0] == spent[1], f"{label}: {method} {path}"
                assert spent[1][1]["hashes"] == 1, "who asks is looked up once"


async def stranger(box: SchoolBox, label: str) -> Actor:
    """Return one of the other class; a player of its teacher is made now."""
    if label in box.actors:
        return box.actors[label]
    teacher = box.actors["teacher_choi"]
    token, _ = await box.parts.players.create(CONSOLE, teacher.person, "TV lớp Chồi", days=1)
    return Actor(label, teacher.role, teacher.person, teacher.name, token.reveal(), player=True)


def test_the_place_names_are_those_of_the_table() -> None:
    """An id in a path that this test does not know would not be tried."""
    known = {*PLACES, *FILLED, "path:path"}
    strange = {name for _, path in ROUTES for name in re.findall(r"\{([\w:]+)\}", path)} - known
    assert strange == set(), "put ids into PLACES here, what names nothing of anybody into FILLED of route_driver"
    assert PRINCIPALS
    assert Row().other == ""
