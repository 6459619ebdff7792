"""Looks from the box's console: as an installer aims, until the box is accepted, and never quietly."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.access import audit
from gateway.access.policy import decide_at_console
from gateway.core.model import Action, Role, StreamRole, new_public_id
from tests.fakes.access_world import World, school
from tests.fakes.school import MINUTE, NOW

pytestmark = pytest.mark.anyio


def bodies(w: World) -> list[dict[str, Any]]:
    """The audit rows of the camera's pictures."""
    rows = [json.loads(row["body"]) for row in w.rows("SELECT body FROM audit_body ORDER BY seq")]
    return [row for row in rows if row["what"].startswith(("granted", "denied"))]


def not_accepted(w: World) -> None:
    """Go back to the day before the principal signed."""
    store = w.access.store
    store._facts = replace(store.current, accepted=False)


async def test_an_installer_looks_before_the_box_is_accepted(tmp_path: Path) -> None:
    """For a minute, the newest picture of one camera; the row says console, and families see it among the looks."""
    async with school(tmp_path) as w:
        not_accepted(w)
        decision, grant = await w.access.grants.issue_console_look(w.camera, knowingly=False)
        assert (decision.allowed, decision.reason) == (True, "console")
        assert grant is not None
        assert (grant.action, grant.camera, grant.role) == (Action.AIM, w.camera, Role.INSTALLER)
        assert (grant.until_ms, grant.from_ms, grant.streams) == (NOW + MINUTE, None, frozenset(StreamRole))
        (row,) = bodies(w)
        assert (row["what"], row["action"], row["device"], row["person"]) == ("granted", "aim", "console", None)
        assert [entry.seq for entry in w.access.store.db.read_sync(lambda c: audit.looks(c, w.class_id))] == [
            grant.audit_seq
        ]
        (event,) = [event for event in w.events if event.type == "access.granted.v1"]
        assert event.data == {"role": "console", "action": "aim", "camera": w.camera}


async def test_once_accepted_a_look_must_be_meant(tmp_path: Path) -> None:
    """Refused, written and reported as refused; knowingly it is allowed, and written as a look."""
    async with school(tmp_path) as w:
        grants = w.access.grants
        decision, grant = await grants.issue_console_look(w.camera, knowingly=False)
        assert (decision.allowed, decision.reason, grant) == (False, "box.accepted", None)
        again, _ = await grants.issue_console_look(w.camera, knowingly=False)
        assert again == decision
        assert [(row["what"], row["reason"]) for row in bodies(w)] == [
            ("denied", "box.accepted")
        ]  # the repeat is counted
        assert [event.data["role"] for event in w.events if event.type == "access.denied.v1"] == ["console"]
        _, grant = await grants.issue_console_look(w.camera, knowingly=True)
        assert grant is not None
        assert bodies(w)[-1]["what"] == "granted"


async def test_a_hidden_camera_is_hidden_from_the_console_too(tmp_path: Path) -> None:
    """Privacy beats every other answer, also when it is meant; so does a camera that is not ours."""
    async with school(tmp_path) as w:
        await w.access.sharing.hide_camera(w.actor, w.camera, minutes=5)
        decision, grant = await w.access.grants.issue_console_look(w.camera, knowingly=True)
        assert (decision.reason, grant) == ("camera.private", None)
        w.clock.tick(5 * 60)
        assert (await w.access.grants.issue_console_look(w.camera, knowingly=True))[1] is not None
        decision, grant = await w.access.grants.issue_console_look(new_public_id(), knowingly=True)
        assert (decision.reason, grant) == ("not_found", None)


@pytest.mark.parametrize(("accepted", "knowingly", "hidden", "reason"), [
    (False, False, False, "console"), (False, True, False, "console"), (True, True, False, "console"),
    (True, False, False, "box.accepted"),
    (False, False, True, "camera.private"), (True, True, True, "camera.private"), (True, False, True, "camera.private"),
])  # fmt: skip
async def test_the_rule_as_a_table(tmp_path: Path, accepted: bool, knowingly: bool, hidden: bool, reason: str) -> None:
    """What the decision rests on, and nothing else."""
    async with school(tmp_path) as w:
        if hidden:
            await w.access.sharing.hide_camera(w.actor, w.camera)
        facts = replace(w.access.store.current, accepted=accepted)
        decision = decide_at_console(facts, w.camera, NOW, knowingly=knowingly)
        assert (decision.allowed, decision.reason) == (reason == "console", reason)
