"""The switches: accepting the box, stopping all sharing, hiding a class, hiding a camera.

Owns `access_state`, `pause`, `privacy`. Invariants: each acts at one call and at once; hiding a class
touches guardians only, recording goes on; a pause has an end when a teacher sets it (15 minutes) and may
have none when the principal does; the reason is asked afterwards.
"""

from __future__ import annotations

import sqlite3

from gateway.access.audit import Actor
from gateway.access.policy import BOX
from gateway.access.store import FactStore, Need, clean_name, require
from gateway.core.errors import NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role

PAUSE_MINUTES = 15


class Sharing:
    """What is shared with guardians at all."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def accept_box(self, actor: Actor) -> None:
        """Sign the acceptance sheet: guardians may be let in, the installer may no longer aim."""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            conn.execute(
                "UPDATE access_state SET accepted_ms = ?, accepted_by = ? WHERE accepted_ms IS NULL",
                (now_ms, actor.person or "console"),
            )

        await self._store.change(actor, "box.accept", Need(Action.APPROVE, BOX), run)

    async def stop_all(self, actor: Actor, *, stopped: bool = True) -> None:
        """Stop (or open again) all sharing with guardians."""

        def run(conn: sqlite3.Connection, _now_ms: int) -> None:
            conn.execute("UPDATE access_state SET sharing_stopped = ?", (stopped,))

        state = "on" if stopped else "off"
        event: tuple[str, dict[str, str | int | bool]] = ("sharing.stopped", {"state": state})
        await self._store.change(
            actor, "sharing.stop", Need(Action.STOP_ALL, BOX), run, detail={"state": state}, event=event
        )

    async def pause(self, actor: Actor, class_id: PublicId, *, minutes: int | None = PAUSE_MINUTES) -> int:
        """Hide a class from guardians for some minutes (None = until opened again); returns the pause's number."""

        def run(conn: sqlite3.Connection, now_ms: int) -> int:
            require(conn, "class", class_id)
            until_ms = None if minutes is None else now_ms + minutes * 60_000
            _end_pauses(conn, class_id, now_ms)
            cursor = conn.execute(
                "INSERT INTO pause (class, by, since_ms, until_ms) VALUES (?, ?, ?, ?)",
                (class_id, actor.person or "console", now_ms, until_ms),
            )
            return int(cursor.lastrowid or 0)

        return await self._store.change(actor, "class.pause", _pause(class_id), run, detail={"minutes": minutes or 0})

    async def resume(self, actor: Actor, class_id: PublicId) -> None:
        """Show a class again: a teacher ends her own pauses only, the principal all."""
        own = self._own(actor)

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "class", class_id)
            _end_pauses(conn, class_id, now_ms, by=actor.person if own else None)

        await self._store.change(actor, "class.resume", own or _pause(class_id), run, detail={"class": class_id})

    async def explain_pause(self, actor: Actor, class_id: PublicId, pause: int, reason: str) -> None:
        """Keep why a class was hidden, in the words of whoever hid it (sealed); NotFound for others' pauses."""
        text = clean_name(reason)

        def run(conn: sqlite3.Connection, _now_ms: int) -> None:
            sealed = self._store.seal("pause.reason", str(pause), text)
            done = conn.execute(
                "UPDATE pause SET reason_sealed = ? WHERE id = ? AND class = ? AND by = ?",
                (sealed, pause, class_id, actor.person or "console"),
            )
            if done.rowcount == 0:
                raise NotFound("there is no such pause")

        need = _myself(actor)
        await self._store.change(actor, "pause.explain", need, run, detail={"class": class_id, "pause": pause})

    async def hide_camera(self, actor: Actor, camera: PublicId, *, minutes: int | None = None) -> None:
        """Let nobody see a camera live for some minutes (None = until shown again)."""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "access_camera", camera)
            until_ms = None if minutes is None else now_ms + minutes * 60_000
            _end_privacy(conn, camera, now_ms)
            conn.execute(
                "INSERT INTO privacy (camera, by, since_ms, until_ms) VALUES (?, ?, ?, ?)",
                (camera, actor.person or "console", now_ms, until_ms),
            )

        await self._store.change(actor, "camera.hide", _camera(camera), run, detail={"minutes": minutes or 0})

    async def show_camera(self, actor: Actor, camera: PublicId) -> None:
        """Show a hidden camera again."""
        await self._store.change(
            actor, "camera.show", _camera(camera), lambda conn, now_ms: _end_privacy(conn, camera, now_ms)
        )

    def _own(self, actor: Actor) -> Need | None:
        """Return the right to one's own doings for a teacher, None for everybody else."""
        person = self._store.current.index.persons.get(actor.person) if actor.person else None
        return _myself(actor) if person is not None and person.role is Role.TEACHER else None


def _myself(actor: Actor) -> Need:
    return Need(Action.PEOPLE, ObjectRef(ObjectKind.PERSON, actor.person or BOX.id))


def _pause(class_id: PublicId) -> Need:
    return Need(Action.PAUSE, ObjectRef(ObjectKind.CLASS, class_id))


def _camera(camera: PublicId) -> Need:
    return Need(Action.CONFIGURE, ObjectRef(ObjectKind.CAMERA, camera))


def _end_pauses(conn: sqlite3.Connection, class_id: PublicId, now_ms: int, by: PublicId | None = None) -> None:
    conn.execute(
        "UPDATE pause SET until_ms = :now WHERE class = :class AND (until_ms IS NULL OR until_ms > :now) "
        "AND (:by IS NULL OR by = :by)",
        {"now": now_ms, "class": class_id, "by": by},
    )


def _end_privacy(conn: sqlite3.Connection, camera: PublicId, now_ms: int) -> None:
    conn.execute(
        "UPDATE privacy SET until_ms = ? WHERE camera = ? AND (until_ms IS NULL OR until_ms > ?)",
        (now_ms, camera, now_ms),
    )
