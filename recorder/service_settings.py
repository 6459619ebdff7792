"""Control calls about settings on cameras: plan, apply, undo, history.

Owns the translation between the control socket, the setter and the book. Invariants: what is applied is
planned anew a moment before; nothing is sent before the order is in the book; one order at a time on a
camera; a password leaves only as the factory account's new one, once, in the answer to the call that
asked for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import anyio

from gateway.core.errors import BadInput, NotFound
from gateway.core.model import Login, PublicId
from gateway.core.wire import Handler, Reply, Request
from recorder.camera import CameraTask
from recorder.cameras import Cameras
from recorder.host import Gate
from recorder.params import camera_param, known_camera, text_param
from recorder.registry import Registry
from recorder.settingbook import SettingBook
from recorder.settings import CameraSetter, SettingChange, SettingOutcome, SettingsWish, Settled

FINAL = "user.factory"
"""The one setting that cannot be taken back: nobody kept the password of before."""
OWN = "user.own"
NOT_KEPT = "no_former_login"
LET_GO_S = 15.0
"""How long the streams get to come back by a new login before the old one's user may be deleted."""
MOST_KEYS, MOST_MASKS, MOST_CORNERS = 64, 32, 64


class SettingsService:
    """Handlers of the settings calls."""

    def __init__(self, cameras: Cameras, registry: Registry, book: SettingBook, setter: CameraSetter) -> None:
        self._cameras, self._registry, self._book, self._setter = cameras, registry, book, setter
        self._busy: dict[PublicId, asyncio.Lock] = {}

    def handlers(self) -> Mapping[str, Handler]:
        """Return the calls by name."""
        return {
            "camera.plan": self.plan,
            "camera.apply": self.apply,
            "camera.undo": self.undo,
            "camera.settings": self.history,
        }

    async def plan(self, request: Request) -> Reply:
        """Say what would change on a camera, and what cannot be changed from here; changes nothing.

        `settings` chooses keys of `drivers.settings.ORDER` (all but the factory password when missing: that is
        changed only by name); `masks` are polygons of [x, y] from -1 to 1.
        """
        task, wish = self._task(request), _wish(request)
        async with self._turn(task):
            changes = await self._setter.plan(task.camera, task.gate, wish)
        return Reply({"changes": [_shown(item) for item in changes]})

    async def apply(self, request: Request) -> Reply:
        """Set a camera right, all or only `settings`; returns each outcome as read back."""
        task, wish, who = self._task(request), _wish(request), _who(request)
        keeper = _Keeper(task, self._cameras, self._book)
        async with self._turn(task):
            changes = await self._setter.plan(task.camera, task.gate, wish)
            order = await self._book.begin(task.camera, who, [item for item in changes if not item.blocked])
            settled = await self._setter.apply(task.camera, task.gate, changes, keeper)
            tried = [item for item in settled.outcomes if not item.change.blocked]
            await self._book.complete(task.camera, order, tried)
            await self._note_streams(task, settled)
        answer: dict[str, Any] = {"outcomes": [_told(item) for item in settled.outcomes]}
        if keeper.shown is not None:
            login = keeper.shown
            answer["factory_login"] = {"username": login.username, "password": login.password.reveal()}
        return Reply(answer)

    async def undo(self, request: Request) -> Reply:
        """Take the camera's last order back, each setting read back; NotFound when there is none."""
        task = self._task(request)
        keeper = _Keeper(task, self._cameras, self._book)
        async with self._turn(task):
            done = await self._book.last(task.camera)
            if done is None:
                raise NotFound("nothing was set on this camera", case="undo_none", key="camera")
            final = [item for item in done.changes if await self._is_final(task, item)]
            back = [SettingChange(c.setting, c.after, c.before) for c in done.changes if c not in final]
            settled = await self._setter.apply(task.camera, task.gate, back, keeper)
            given_up = [item.setting for item in final]
            await self._book.undone(task.camera, done.order, settled.outcomes, given_up)
            await self._note_streams(task, settled)
        lost = [
            SettingOutcome(SettingChange(c.setting, c.after, c.before), applied=False, now=c.after, why=NOT_KEPT)
            for c in final
        ]
        return Reply({"outcomes": [_told(item) for item in (*settled.outcomes, *lost)]})

    async def _is_final(self, task: CameraTask, change: SettingChange) -> bool:
        """Say whether a change cannot be taken back, so that it does not stand in the way of the others."""
        if change.setting != OWN:
            return change.setting == FINAL
        login = task.camera.about.login
        left = login is not None and login.username != change.before
        return left and await self._book.former(task.camera) is None

    async def history(self, request: Request) -> Reply:
        """List what was changed on a camera, newest first."""
        camera = await known_camera(self._registry, camera_param(request))
        return Reply({"changes": await self._book.history(camera)})

    def _task(self, request: Request) -> CameraTask:
        return self._cameras.get(camera_param(request))

    def _turn(self, task: CameraTask) -> asyncio.Lock:
        return self._busy.setdefault(task.camera.public_id, asyncio.Lock())

    async def _note_streams(self, task: CameraTask, settled: Settled) -> None:
        if settled.streams:
            task.camera = await self._registry.restate(task.camera.public_id, settled.streams)


class _Keeper:
    """Stores the login a camera was given, and holds the one to show."""

    def __init__(self, task: CameraTask, cameras: Cameras, book: SettingBook) -> None:
        self._task, self._cameras, self._book = task, cameras, book
        self._left: list[Gate] = []
        self.shown: Login | None = None

    async def keep(self, login: Login) -> None:
        """Store the login and use it; the one of before is kept for an undo, until it is back in use."""
        camera = self._task.camera
        old, former = camera.about.login, await self._book.former(camera)
        if old is not None and login != former:
            await self._book.keep_former(camera, old)
        self._left.append(self._task.gate)
        await self._cameras.relogin(camera.public_id, login, by_hand=False)
        if login == former:
            await self._book.forget_former(camera)

    async def let_go(self) -> None:
        """Wait for the streams to come back by the new login, then see that nobody sends the one of before.

        A session's goodbye by a user that is gone would be a bad login, and so would a question of whoever was
        asking the camera meanwhile (events, the doctor).
        """
        with anyio.move_on_after(LET_GO_S):
            for stream in self._task.streams:
                await stream.tried.wait()
        for gate in self._left:
            self._task.host.retire(gate)

    async def show(self, login: Login) -> None:
        """Hold the factory account's new login for the answer; the stored one of before is worthless now."""
        self.shown = login
        former = await self._book.former(self._task.camera)
        if former is not None and former.username == login.username:
            await self._book.forget_former(self._task.camera)

    async def former(self) -> Login | None:
        """Return the login before our own user."""
        return await self._book.former(self._task.camera)

    async def forget_former(self) -> None:
        """Drop the login before our own user."""
        await self._book.forget_former(self._task.camera)


def _who(request: Request) -> str:
    """Return who asks: what the caller says of the person, and the account the call came from."""
    said = " ".join(text_param(request, "who").split())
    return f"{said} (uid {request.peer.uid})" if said else f"uid {request.peer.uid}"


def _wish(request: Request) -> SettingsWish:
    keys = request.params.get("settings", [])
    if not isinstance(keys, list) or len(keys) > MOST_KEYS or not all(isinstance(key, str) for key in keys):
        raise BadInput(f"{request.method}: settings must be a list of keys", key="settings")
    return SettingsWish(frozenset(keys), _masks(request))


def _masks(request: Request) -> tuple[tuple[tuple[float, float], ...], ...] | None:
    given = request.params.get("masks")
    if given is None:
        return None
    if not isinstance(given, list) or len(given) > MOST_MASKS or not all(map(_is_polygon, given)):
        raise BadInput(f"{request.method}: masks are polygons of [x, y] from -1 to 1", key="masks")
    return tuple(tuple((float(x), float(y)) for x, y in polygon) for polygon in given)


def _is_polygon(given: object) -> bool:
    return isinstance(given, list) and 3 <= len(given) <= MOST_CORNERS and all(map(_is_point, given))


def _is_point(given: object) -> bool:
    return (
        isinstance(given, list)
        and len(given) == 2
        and all(isinstance(v, int | float) and not isinstance(v, bool) and -1 <= v <= 1 for v in given)
    )


def _shown(change: SettingChange) -> dict[str, Any]:
    return {
        "setting": change.setting,
        "before": change.before,
        "after": change.after,
        "blocked": change.blocked,
    }


def _told(outcome: SettingOutcome) -> dict[str, Any]:
    return {**_shown(outcome.change), "applied": outcome.applied, "now": outcome.now, "why": outcome.why}
