"""Ids inside forms: another family's, another class's, of another kind, none at all: refused alike, nothing changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi.routing import APIRoute

from gateway.core.model import Role, new_public_id
from tests.fakes.form_table import FILTERS, FORMS, ONLY_BACK
from tests.fakes.route_driver import Answer, Driver, filled
from tests.fakes.route_table import FORM, PRINCIPALS, ROUTES
from tests.fakes.school_box import Actor, SchoolBox, school_box
from web.bodies import FORM_TYPE, ID_FORMAT, bodies_of

pytestmark = pytest.mark.anyio
_KIND = re.compile(r"\{(\w+)\}")
KEPT = (
    "person", "child", "class", "guardian", "enrolment", "teaching", "consent", "resolution", "device", "device_key",
    "slip", "guardian_phone", "account", "consent_sheet", "consent_sheet_line", "consent_case", "login_code", "erasure",
    "roster_act", "responsible", "access_state",
)  # fmt: skip


def kept(box: SchoolBox) -> list[list[tuple[Any, ...]]]:
    """Everything that such a form could change."""
    sql = [f"SELECT * FROM {table}" for table in KEPT] + ["SELECT id, ended_ms FROM login_session"]
    return box.ground.db.read_sync(lambda conn: [[tuple(row) for row in conn.execute(line)] for line in sql])


def with_ids(box: SchoolBox) -> Iterator[tuple[str, set[str]]]:
    """Yield the routes whose form names things, with the fields that do."""
    for route in box.app.routes:
        assert isinstance(route, APIRoute)
        for body in bodies_of(route):
            if body.media == FORM_TYPE:
                made = body.schema()
                fields = [*made.get("properties", {}).items(), *made.get("patternProperties", {}).items()]
                named = {
                    name for name, said in fields
                    if said.get("items", said).get("format") == ID_FORMAT or "[a-z2-7]{16}" in name
                }  # fmt: skip
                if named:
                    yield route.path, named


async def things(box: SchoolBox) -> dict[str, dict[str, str]]:
    """Return what is whose: by kind, of the class Mầm and of the class Chồi."""
    people = {label: str(actor.person) for label, actor in box.actors.items()}
    devices = {"mam": new_public_id(), "choi": new_public_id()}

    def put(conn: Any) -> None:
        for key, label in (("mam", "mother"), ("choi", "father_choi")):
            sql = "INSERT INTO device (id, person, label, created_ms) VALUES (?, ?, 'máy', 1)"
            conn.execute(sql, (devices[key], people[label]))

    await box.ground.db.write(put)
    sessions = {
        key: str(box.parts.logins.sessions(box.actors[label].person)[0].id)
        for key, label in (("mam", "teacher"), ("choi", "teacher_choi"))
    }
    return {
        "child": {key: str(item) for key, item in box.children.items()},
        "class": {key: str(item) for key, item in box.classes.items()},
        "camera": {key: str(item) for key, item in box.cameras.items()},
        "guardian": {"mam": people["mother"], "choi": people["father_choi"]},
        "teacher": {"mam": people["teacher"], "choi": people["teacher_choi"]},
        "device": {key: str(item) for key, item in devices.items()},
        "session": sessions,
        "act": {"mam": new_public_id(), "choi": new_public_id()},
    }  # fmt: skip


def strange(kind: str, actor: Actor, known: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return what is tried in place of a thing: none, one of another kind, and for all but leaders the other class's.

    Leaders look after every family; that a tie of another child is none of this child is another test's.
    """
    other = known["class" if kind != "class" else "child"]["mam"]
    return [new_public_id(), other] + ([] if actor.role in PRINCIPALS else [known[kind]["choi"]])


def body_of(form: Mapping[str, str], ids: Mapping[str, str]) -> bytes:
    return urlencode([(name.format(**ids), value.format(**ids)) for name, value in form.items()]).encode()


def plain(answer: Answer, value: str) -> tuple[int, str]:
    """What can be told apart of answers, but for the id that was sent."""
    return answer.status, answer.text.replace(value, "ID")


async def tried(
    driver: Driver, actor: Actor, path: str, form: Mapping[str, str], kind: str, known: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Send one form with each strange id in one place; returns what is wrong."""
    box, wrong, answers = driver.box, [], []
    own = {name: by_class["mam"] for name, by_class in known.items()}
    url = filled(path, {"class_id": own["class"], "child": own["child"]})
    for value in strange(kind, actor, known):
        before = kept(box)
        row = replace(ROUTES["POST", path], body=body_of(form, own | {kind: value}), headers=FORM)
        answer = await driver.ask(actor, "POST", url, row)
        answers.append(plain(answer, value))
        said = f"{actor.label}: POST {path} {form} with {kind}={value}"
        if kept(box) != before:
            wrong.append(f"{said} changed something")
        if not 400 <= answer.status < 500 and path not in FILTERS:
            wrong.append(f"{said} was answered {answer.status}")
    if len(set(answers)) > 1:
        wrong.append(f"{actor.label}: POST {path} {form}: {kind} is told apart: {[item[0] for item in answers]}")
    return wrong


async def test_every_form_with_an_id_is_in_the_table(tmp_path: Path) -> None:
    """A field that names something, of a page that is not in tests/fakes/form_table.py, fails here."""
    async with school_box(tmp_path) as box:
        missing = []
        for path, named in with_ids(box):
            sent = {
                name for form in FORMS.get(path, ()) for name in form if _KIND.search(name) or _KIND.search(form[name])
            }
            for name in named:
                found = re.compile(name) if name.startswith("^") else None
                if not any(found.fullmatch(_KIND.sub("a" * 16, item)) if found else item == name for item in sent):
                    missing.append(f"{path}: {name}")
        assert missing == []


async def test_what_is_anothers_in_a_form_is_like_what_is_not_there(tmp_path: Path) -> None:
    """Every form x role x id: no answer tells a strange id from one that names nothing, and nothing was changed."""
    wrong: list[str] = []
    async with school_box(tmp_path) as box, box.client() as client:
        driver, known = Driver(box, client), await things(box)
        for path, forms in FORMS.items():
            row = ROUTES["POST", path]
            for label in ("principal", "teacher", "mother"):
                actor = box.actors[label]
                if actor.role not in row.finds - row.refuses:
                    continue
                for form in forms:
                    kinds = {kind for item in form.items() for text in item for kind in _KIND.findall(text)}
                    for kind in sorted(kinds):
                        if (path, kind) not in ONLY_BACK:
                            wrong += await tried(driver, actor, path, form, kind, known)
        assert {Role.PRINCIPAL, Role.TEACHER, Role.GUARDIAN} <= {actor.role for actor in box.actors.values()}
    assert wrong == [], f"{len(wrong)}:\n" + "\n".join(wrong)
