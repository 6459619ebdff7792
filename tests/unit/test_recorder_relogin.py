"""A login that is changed while the old one is still under way: what that one met concerns the new one never."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import CameraLoginRefused
from gateway.core.media import AccessUnit
from gateway.core.model import Login, Secret
from recorder.camera import CameraTask, State
from recorder.identity import Identity
from recorder.registry import Camera, LoginState
from tests.fakes.clock import FakeClock
from tests.fakes.recording import books, new_camera
from tests.unit.test_recorder_camera import CONFIG, World

pytestmark = pytest.mark.anyio
OTHER = Login("admin", Secret("Mat-khau 2"))


class Changing(World):
    """A camera task whose login somebody changes."""

    async def change(self) -> Camera:
        """Store another login; the task is not told."""
        return await self.own.registry.set_login(self.task.camera.public_id, OTHER)

    async def stored(self) -> LoginState:
        (camera,) = await self.own.registry.cameras()
        return camera.about.login_state


class Asked:
    """A witness that knows a camera by its serial only, and waits before the login for it is refused, once."""

    def __init__(self) -> None:
        self.asking, self.go_on = asyncio.Event(), asyncio.Event()
        self.serials = 0

    async def look(self, camera: Camera) -> Identity:
        del camera
        return Identity()

    async def serial(self, camera: Camera, gate: Any) -> str:
        del gate
        self.serials += 1
        if self.serials > 1:
            return camera.about.identity.serial
        self.asking.set()
        await self.go_on.wait()
        raise CameraLoginRefused("x")


@asynccontextmanager
async def changing(tmp_path: Path, witness: Asked | None = None) -> AsyncIterator[Changing]:
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        made = Changing(own, clock)
        made.task = CameraTask(await own.registry.add(new_camera(streams=1)), replace(made.tools(), witness=witness))
        running = asyncio.create_task(made.task.run())
        try:
            yield made
        finally:
            running.cancel()
            await asyncio.wait([running])
        assert made.faults == []


async def test_a_login_changed_while_a_refusal_is_written_down_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What changes between the end of a session and the wait after it ends that wait, which else has no end."""
    async with changing(tmp_path) as made:
        session = await made.player.wait_for(1)
        changed, note = await made.change(), made.task.note_state

        async def changed_meanwhile() -> None:
            await note()
            if made.main.state is State.LOGIN_REFUSED:
                made.task.relogin(changed)

        monkeypatch.setattr(made.task, "note_state", changed_meanwhile)
        session.fail(CameraLoginRefused("x"))
        assert (await made.player.wait_for(2)).gate.login == OTHER


async def test_a_picture_of_the_old_login_does_not_prove_the_new_one(tmp_path: Path) -> None:
    """It came just before the change: a new password that is wrong must not count as one that worked."""
    async with changing(tmp_path) as made:
        session = await made.player.wait_for(1)
        changed = await made.change()
        session.sink.unit(AccessUnit((b"\x65",), 0, True, made.clock.mono_ns(), CONFIG))
        made.task.relogin(changed)
        assert (await made.player.wait_for(2)).gate.login == OTHER
        assert len(made.footage.runs) == 1
        assert await made.stored() is LoginState.UNTRIED


async def test_a_refusal_met_while_asking_who_answers_does_not_touch_the_new_login(tmp_path: Path) -> None:
    """The serial was asked for with the old one: the new one is tried at once and not marked refused."""
    witness = Asked()
    async with changing(tmp_path, witness) as made:
        await witness.asking.wait()
        made.task.relogin(await made.change())
        witness.go_on.set()
        assert (await made.player.wait_for(1)).gate.login == OTHER
        assert await made.stored() is LoginState.UNTRIED
        assert made.retries == []


async def test_the_same_login_entered_again_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was right all along and the camera lied: the refusal of the try before, judged late, marks nothing refused."""
    async with changing(tmp_path) as made:
        session = await made.player.wait_for(1)
        judge, same = made.task.login_refused, made.task.camera.about.login
        assert same is not None

        async def entered_meanwhile(gate: Any) -> None:
            made.task.host.renew(same.username)
            made.task.relogin(await made.own.registry.set_login(made.task.camera.public_id, same))
            await judge(gate)

        monkeypatch.setattr(made.task, "login_refused", entered_meanwhile)
        session.fail(CameraLoginRefused("x"))
        again = await made.player.wait_for(2)
        assert again.gate.login == same
        assert [gate.state for gate in made.gates] == [LoginState.UNTRIED, LoginState.UNTRIED]
        assert await made.stored() is LoginState.UNTRIED


async def test_a_refusal_being_written_down_does_not_outlive_the_login(tmp_path: Path) -> None:
    """While what a login met is judged nobody can enter another one: the later of the two is what stands."""
    async with changing(tmp_path) as made:
        await made.player.wait_for(1)
        async with made.task.judging:
            judged = asyncio.create_task(made.task.login_refused(made.task.gate))
            await asyncio.sleep(0)
            assert await made.stored() is LoginState.UNTRIED
            made.task.host.renew("admin")
            made.task.relogin(await made.change())
        await judged
        assert await made.stored() is LoginState.UNTRIED
