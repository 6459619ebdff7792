"""Any history of slips, browsers and approvals, held against a model that knows only the promises."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import BadInput, CodeRefused, NotFound
from gateway.core.model import PublicId
from tests.fakes.access_world import World, school
from tests.fakes.device import Browser
from tests.fakes.school import DAY

BROWSERS = 4
OPS = st.one_of(
    st.tuples(st.just("print"), st.booleans()),
    st.tuples(st.just("bind"), st.integers(0, BROWSERS - 1), st.integers(0, 5), st.sampled_from(["5678", "5678", "1111", ""])),
    st.tuples(st.just("approve"), st.integers(0, 7)),
    st.tuples(st.just("refuse"), st.integers(0, 7)),
    st.tuples(st.just("end"), st.integers(0, 7)),
    st.tuples(st.just("week")),
)  # fmt: skip


@dataclass
class Paper:
    """A slip as its holder knows it."""

    secret: str
    checked: bool
    open: bool = True
    wrong: int = 0


@dataclass
class Model:
    """What was promised: which papers are good, and which devices are in, wait or are out."""

    papers: list[Paper] = field(default_factory=list)
    state: dict[PublicId, str] = field(default_factory=dict)
    replaces: dict[PublicId, PublicId] = field(default_factory=dict)

    def active(self) -> list[PublicId]:
        return [device for device, state in self.state.items() if state in {"in", "waiting"}]


class Play:
    """Does each step in the world and in the model."""

    def __init__(self, world: World) -> None:
        self.w, self.model = world, Model()
        self.keys: list[tuple[Browser, PublicId]] = []
        """Browsers that were bound at any time, with their device."""

    async def step(self, op: tuple[object, ...]) -> None:
        await getattr(self, str(op[0]))(*op[1:])
        await self.check()

    async def print(self, checked: bool) -> None:
        for paper in self.model.papers:
            paper.open = False
        slip = await self.w.access.invitations.create(self.w.actor, self.w.father_of_mate, checked=checked)
        self.model.papers.append(Paper(slip.secret.reveal(), checked))

    async def week(self) -> None:
        self.w.clock.step_wall(7 * DAY)
        for paper in self.model.papers:
            paper.open = False

    async def bind(self, which: int, paper_at: int, digits: str) -> None:
        if not self.model.papers:
            return
        model, paper = self.model, self.model.papers[paper_at % len(self.model.papers)]
        active = model.active()
        replaces = active[which % len(active)] if len(active) >= 2 and which % 2 else ""
        browser = Browser(f"máy {len(self.keys)}")
        good = paper.open and paper.wrong < 5 and digits == "5678" and (len(active) < 2 or bool(replaces))
        if paper.open and paper.wrong < 5 and digits not in {"5678", ""}:
            paper.wrong += 1
        try:
            bound = await browser.redeem(self.w.access, paper.secret, digits=digits, replaces=replaces)
        except CodeRefused:
            assert not good
            return
        assert good
        assert (bound.signed_in is not None) is paper.checked
        paper.open = False
        model.state[bound.device] = "in" if paper.checked else "waiting"
        self.keys.append((browser, bound.device))
        if replaces and (paper.checked or model.state[PublicId(replaces)] == "waiting"):
            model.state[PublicId(replaces)] = "out"
        elif replaces:
            model.replaces[bound.device] = PublicId(replaces)

    async def approve(self, at: int) -> None:
        await self._decide(at, approve=True)

    async def refuse(self, at: int) -> None:
        await self._decide(at, approve=False)

    async def _decide(self, at: int, *, approve: bool) -> None:
        if not self.keys:
            return
        model, device = self.model, self.keys[at % len(self.keys)][1]
        waits = model.state[device] == "waiting"
        try:
            if approve:
                await self.w.access.approvals.approve(self.w.actor, device)
            else:
                await self.w.access.approvals.refuse(self.w.actor, device)
        except NotFound:
            assert not waits
            return
        except BadInput:  # two others are in, and the named one is not among them any more
            assert waits
            assert approve
            assert list(model.state.values()).count("in") >= 2
            return
        if approve and model.state[device] == "in":
            return  # the same tap twice: it stays in, and nothing else changes
        assert waits
        model.state[device] = "in" if approve else "out"
        named = model.replaces.get(device)
        if approve and named is not None and model.state[named] == "in":
            model.state[named] = "out"

    async def end(self, at: int) -> None:
        if not self.keys:
            return
        device = self.keys[at % len(self.keys)][1]
        try:
            await self.w.access.devices.end(self.w.actor, device)
        except NotFound:
            assert self.model.state[device] == "out"
            return
        assert self.model.state.pop(device) != "out"
        self.model.state[device] = "out"

    async def check(self) -> None:
        """Who may be in is in, nobody else is, and there are never more than two."""
        logins, father = self.w.access.logins, self.w.father_of_mate
        inside = {device for device, state in self.model.state.items() if state == "in"}
        assert len(inside) <= 2
        assert {session.device for session in logins.sessions(father)} <= inside
        for browser, device in self.keys:
            try:
                signed_in = await browser.enter(self.w.access)
            except CodeRefused:
                assert device not in inside
            else:
                assert device in inside
                assert signed_in.session.person == father
        assert {session.device for session in logins.sessions(father)} == inside


@given(st.lists(OPS, min_size=4, max_size=16))
@settings(max_examples=40, deadline=None)
def test_only_approved_devices_of_right_slips_are_ever_in(ops: list[tuple[object, ...]]) -> None:
    """No order of printing, binding, deciding and ending lets in a device that it should not, or keeps one out."""

    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with school(Path(folder)) as world:
                await world.access.phones.set(world.actor, world.father_of_mate, "0912 345 678")
                play = Play(world)
                await play.step(("print", True))
                for op in ops:
                    await play.step(op)

    asyncio.run(run())
