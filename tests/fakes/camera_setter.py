"""A `recorder.settings.CameraSetter` conducted by the test: no driver, no camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.core.errors import CameraError
from gateway.core.model import Login
from recorder.registry import Camera, StreamSpec
from recorder.settings import Keeper, SettingChange, SettingOutcome, SettingsWish, Settled


@dataclass
class FakeSetter:
    """Plans what it is told, and takes every change but those it `reads` back as something else."""

    plans: Sequence[SettingChange] = ()
    reads: dict[str, str] = field(default_factory=dict)
    streams: tuple[StreamSpec, ...] = ()
    makes: Login | None = None
    """Given to the keeper when the own user is changed."""
    shows: Login | None = None
    breaks: CameraError | None = None
    wishes: list[SettingsWish] = field(default_factory=list)
    formers: list[Login] = field(default_factory=list)
    """The logins of before that the keeper knew when the own user was changed."""

    async def plan(self, camera: Camera, gate: Any, wish: SettingsWish) -> Sequence[SettingChange]:
        self.wishes.append(wish)
        return self.plans

    async def apply(self, camera: Camera, gate: Any, changes: Sequence[SettingChange], keeper: Keeper) -> Settled:
        if self.breaks is not None:
            raise self.breaks
        if any(item.setting == "user.own" for item in changes):
            if (former := await keeper.former()) is not None:
                self.formers.append(former)
            if self.makes is not None:
                await keeper.keep(self.makes)
                await keeper.let_go()
        if self.shows is not None:
            await keeper.show(self.shows)
        return Settled(tuple(map(self._outcome, changes)), self.streams)

    def _outcome(self, change: SettingChange) -> SettingOutcome:
        if change.blocked:
            return SettingOutcome(change, applied=False, now=change.before, why="blocked")
        now = self.reads.get(change.setting, change.after)
        return SettingOutcome(change, now == change.after, now, "" if now == change.after else "ignored")
