"""Opened playbacks: one audit row each, whose they are, and what ends them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.access import audit, playbacks
from gateway.access.audit import CONSOLE
from gateway.access.grants import MAX_PLAYBACK_MS
from gateway.access.playbacks import IDLE_S, MOST_A_DEVICE, Playbacks
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import Action, Grant, PublicId, Role, StreamRole, new_public_id
from gateway.core.ticket import open_ticket
from tests.fakes.access_world import KEY, World, add_family, school
from tests.fakes.school import NOW

pytestmark = pytest.mark.anyio

FROM_MS, TO_MS = NOW - 3_600_000, NOW


def made(w: World) -> Playbacks:
    return Playbacks(w.access.store, w.access.grants, KEY)


def granted(w: World) -> list[dict[str, Any]]:
    bodies = [json.loads(row["body"]) for row in w.rows("SELECT body FROM audit_body ORDER BY seq")]
    return [body for body in bodies if body["what"] == "granted"]


async def opened(w: World, book: Playbacks, device: str = "") -> tuple[PublicId, Grant]:
    return await book.open(w.principal, device or w.actor.device, w.camera, FROM_MS, TO_MS)


async def test_a_playback_is_one_row_that_names_the_span_and_families_read_it(tmp_path: Path) -> None:
    """However often it is used; it stands among the looks at the class that the camera shows."""
    async with school(tmp_path) as w:
        book = made(w)
        name, grant = await opened(w, book)
        for _ in range(5):
            assert book.use(w.principal, w.actor.device, w.camera, name).id == grant.id
        (row,) = [body for body in granted(w) if body["action"] == Action.PLAYBACK]
        assert (row["from_ms"], row["to_ms"], row["camera"], row["role"]) == (FROM_MS, TO_MS, w.camera, Role.PRINCIPAL)
        looks = w.db.read_sync(lambda conn: audit.looks(conn, w.class_id))
        assert [(look.body["action"], look.body["from_ms"]) for look in looks][:1] == [("playback", FROM_MS)]
        assert w.events[-1].type == "access.granted.v1"
        assert name != grant.id


async def test_the_ticket_carries_what_was_decided(tmp_path: Path) -> None:
    """Action, camera, both streams and the span, signed for the recorder."""
    async with school(tmp_path) as w:
        book = made(w)
        name, _ = await opened(w, book)
        ticket = book.ticket(book.use(w.principal, w.actor.device, w.camera, name))
        grant = open_ticket(ticket, KEY.public_key(), now_ms=w.clock.now_ms())
        assert (grant.action, grant.camera, grant.streams) == (Action.PLAYBACK, w.camera, frozenset(StreamRole))
        assert (grant.from_ms, grant.to_ms) == (FROM_MS, TO_MS)


@pytest.mark.parametrize("span", [(5, 5), (5, 4), (0, MAX_PLAYBACK_MS + 1)])
async def test_a_span_runs_forward_and_is_a_day_at_most(tmp_path: Path, span: tuple[int, int]) -> None:
    """26 hours; more or none is bad input and writes nothing."""
    async with school(tmp_path) as w:
        book = made(w)
        with pytest.raises(BadInput):
            await book.open(w.principal, w.actor.device, w.camera, *span)
        assert granted(w) == []
        await book.open(w.principal, w.actor.device, w.camera, 0, MAX_PLAYBACK_MS)


async def test_nobody_but_the_principal_looks_back(tmp_path: Path) -> None:
    """A guardian in the middle of the hours, a teacher of the class, an installer: refused, and nothing is kept."""
    async with school(tmp_path) as w:
        book, access = made(w), w.access
        family = await add_family(access, w.actor, w.class_id, "Bé Chi", "Bà Chi")
        persons = [w.mother, family.guardian]
        persons += [await access.people.add(w.actor, role, f"Người {role}") for role in Role if role not in {
            Role.PRINCIPAL, Role.GUARDIAN, Role.OBSERVER}]  # fmt: skip
        for person in persons:
            with pytest.raises((Denied, NotFound)):
                await book.open(person, w.phone, w.camera, FROM_MS, TO_MS)
        assert len(book) == 0
        assert granted(w) == []


async def test_it_answers_only_to_its_own_session_person_and_camera(tmp_path: Path) -> None:
    """Everybody else gets what an invented name gets."""
    async with school(tmp_path) as w:
        book = made(w)
        name, _ = await opened(w, book)
        right = (w.principal, w.actor.device, w.camera, name)
        said = set()
        for number, other in enumerate((w.mother, "another", new_public_id(), new_public_id())):
            wrong = (*right[:number], other, *right[number + 1 :])
            for act in (book.use, book.close):
                with pytest.raises(NotFound) as refused:
                    act(*wrong)  # type: ignore[arg-type] # each place in turn
                said.add((refused.value.message, str(refused.value.fields)))
        assert len(said) == 1
        assert book.use(*right).camera == w.camera


async def disable(w: World) -> None:
    await w.access.people.disable(CONSOLE, w.principal)


async def sign_out(w: World) -> None:
    await w.access.logins.end_person(CONSOLE, w.principal)


async def remove(w: World) -> None:
    await w.access.classes.sync_cameras(CONSOLE, [])


@pytest.mark.parametrize("act", [disable, sign_out, remove])
async def test_whatever_takes_the_right_away_ends_it_at_once(
    tmp_path: Path, act: Callable[[World], Awaitable[None]]
) -> None:
    """A disabled person, an ended session, a removed camera: the next use is refused, the right gone for good."""
    async with school(tmp_path) as w:
        book = made(w)
        name, _ = await opened(w, book)
        await act(w)
        for _ in range(2):
            with pytest.raises((Denied, NotFound)):
                book.use(w.principal, w.actor.device, w.camera, name)
            assert len(book) == 0


async def test_the_stop_switch_does_not_concern_the_principal(tmp_path: Path) -> None:
    """Sharing with families stops; looking for what happened goes on."""
    async with school(tmp_path) as w:
        book = made(w)
        name, _ = await opened(w, book)
        await w.access.sharing.stop_all(w.actor, stopped=True)
        assert book.use(w.principal, w.actor.device, w.camera, name).facts_version == w.access.store.current.version


async def test_one_that_nobody_uses_ends(tmp_path: Path) -> None:
    """Half an hour after the last use; each use begins the half hour anew."""
    async with school(tmp_path) as w:
        book = made(w)
        name, _ = await opened(w, book)
        right = (w.principal, w.actor.device, w.camera, name)
        w.clock.tick(IDLE_S - 1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(w.access.grants, "_alive", lambda *_: None)
            book.use(*right)
            w.clock.tick(IDLE_S - 1)
            book.use(*right)
            w.clock.tick(IDLE_S)
            with pytest.raises(NotFound):
                book.use(*right)
        assert len(book) == 0


async def test_what_is_kept_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session's longest unused goes for its new one, and so does everybody's."""
    async with school(tmp_path) as w:
        book, device = made(w), w.actor.device
        names = [(await opened(w, book))[0] for _ in range(MOST_A_DEVICE)]
        book.use(w.principal, device, w.camera, names[0])
        names.append((await opened(w, book))[0])
        assert len(book) == MOST_A_DEVICE
        book.use(w.principal, device, w.camera, names[0])
        with pytest.raises(NotFound):
            book.use(w.principal, device, w.camera, names[1])
        monkeypatch.setattr(playbacks, "MOST", MOST_A_DEVICE)
        monkeypatch.setattr(w.access.grants, "_alive", lambda *_: None)
        await opened(w, book, "another-desk")
        assert len(book) == MOST_A_DEVICE
        with pytest.raises(NotFound):
            book.use(w.principal, device, w.camera, names[2])


async def test_families_of_then_read_of_a_look_at_then(tmp_path: Path) -> None:
    """The row of recorded time and of a copy names the class that the camera showed then, however long ago."""
    async with school(tmp_path) as w:
        other = await w.access.classes.add(w.actor, "Lớp Chồi 2")
        w.clock.tick(3_600)
        moved_ms = w.clock.now_ms()
        await w.access.classes.assign(w.actor, w.camera, other)
        w.clock.tick(10 * 86_400)
        code = await w.access.codes.create(CONSOLE, w.principal)
        device = (await w.access.codes.sign_in(code.text.reveal(), address="192.0.2.9", label="desk")).session.id
        book, now_ms = made(w), w.clock.now_ms()
        for span, classes in (
            ((moved_ms - 1_800_000, moved_ms - 1), [w.class_id]),
            ((moved_ms - 1, moved_ms + 1), sorted([w.class_id, other])),
            ((now_ms - 3_600_000, now_ms), [other]),
        ):
            await book.open(w.principal, device, w.camera, *span)
            assert granted(w)[-1]["classes"] == classes
        await w.access.grants.issue_console(w.camera, from_ms=moved_ms - 1_000, to_ms=moved_ms)
        assert granted(w)[-1]["classes"] == [w.class_id]
