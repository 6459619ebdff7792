"""The switches: accepting the box, stopping all sharing, hiding a class, hiding a camera.

Owns `access_state` and `privacy`; hiding a class is `pauses`'. Invariants: each acts at one call and at once;
what is hidden is recorded all the same.
"""

from __future__ import annotations

import sqlite3

from gateway.access.audit import Actor
from gateway.access.pauserules import PAUSE_MINUTES
from gateway.access.pauses import Pauses
from gateway.access.policy import BOX
from gateway.access.store import FactStore, Need, require
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId


class Sharing:
    """What is shared with guardians at all."""

    def __init__(self, store: FactStore) -> None:
        self._store = store
        self.pauses = Pauses(store)

    async def accept_box(self, actor: Actor) -> None:
        """Sign the acceptance sheet: guardians may be let in, the installer may no longer aim."""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            conn.execute(
                "UPDATE access_state SET accepted_ms = ?, accepted_by = ? WHERE accepted_ms IS NULL",
                (now_ms, actor.person or "console"),
            )

        await self._store.change(actor, "box.accept", Need(Action.APPROVE, BOX), run)

    async def stop_all(self, actor: Actor, *, stopped: bool = True) -> None:
        """Stop all sharing with guardians at once, or open it again with a fresh login."""

        def run(conn: sqlite3.Connection, _now_ms: int) -> None:
            conn.execute("UPDATE access_state SET sharing_stopped = ?", (stopped,))

        state = "on" if stopped else "off"
        event: tuple[str, dict[str, str | int | bool]] = ("sharing.stopped", {"state": state})
        await self._store.change(
            actor,
            "sharing.stop",
            Need(Action.STOP_ALL, BOX, fresh=not stopped),
            run,
            detail={"state": state},
            event=event,
        )

    async def pause(self, actor: Actor, class_id: PublicId, *, minutes: int | None = PAUSE_MINUTES) -> int:
        """Hide a class from guardians for some minutes; see `Pauses.pause`."""
        return await self.pauses.pause(actor, class_id, minutes=minutes)

    async def resume(self, actor: Actor, class_id: PublicId) -> None:
        """Show a class again; see `Pauses.resume`."""
        await self.pauses.resume(actor, class_id)

    async def explain_pause(self, actor: Actor, class_id: PublicId, pause: int, reason: str) -> None:
        """Keep why a class was hidden; see `Pauses.explain`."""
        await self.pauses.explain(actor, class_id, pause, reason)

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


def _camera(camera: PublicId) -> Need:
    return Need(Action.CONFIGURE, ObjectRef(ObjectKind.CAMERA, camera))


def _end_privacy(conn: sqlite3.Connection, camera: PublicId, now_ms: int) -> None:
    conn.execute(
        "UPDATE privacy SET until_ms = ? WHERE camera = ? AND (until_ms IS NULL OR until_ms > ?)",
        (now_ms, camera, now_ms),
    )
