"""Turns at a full uplink with real connections: who sees video, who is told to wait, and that their turn comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import pytest

from gateway.core.model import Role, StreamRole
from gateway.live.admission import UPLINK_SHARE
from gateway.live.turns import TURN_S
from gateway.live.uplink import Uplink
from tests.fakes.clock import JumpClock
from tests.fakes.live_box import CAMERA, LiveBox, make_grant
from tests.fakes.viewer import Viewer

HANG_S = 60.0
SUB = frozenset({StreamRole.SUB})
AN_HOUR_MS = 3_600_000


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(HANG_S):
        while not holds():  # noqa: ASYNC110 - filled by aiortc's own tasks
            await asyncio.sleep(0.02)


def news(viewer: Viewer) -> dict[str, Any]:
    """The last thing the page was told of its place."""
    turns = [item["turn"] for item in map(json.loads, viewer.told) if "turn" in item]
    return turns[-1] if turns else {}


class School:
    """A live daemon behind an uplink, everybody outside, and a clock that can be moved."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.uplink = JumpClock(), Uplink(50_000_000, outside=lambda _address: True)
        self.box = LiveBox(folder, clock=self.clock, uplink=self.uplink)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.box)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def come(self, role: Role = Role.GUARDIAN) -> Viewer:
        viewer = await self._stack.enter_async_context(Viewer())
        grant = make_grant(self.clock, role=role, streams=SUB, lease_ms=AN_HOUR_MS)
        await viewer.watch(self.box.client, self.box.ticket(grant))
        await viewer.can_hear(HANG_S)
        return viewer

    async def carries(self, viewers: int) -> None:
        """Make the uplink so big that it carries so many of these streams; needs a viewer that watches."""
        rates = self.box.sessions.places._rates
        await until(lambda: rates.is_measured(CAMERA, StreamRole.SUB))
        self.uplink.bps = (viewers + 0.5) * rates.at(CAMERA, StreamRole.SUB) / UPLINK_SHARE

    async def silent(self, viewer: Viewer) -> None:
        """Check that no packet of video comes while another viewer's do."""
        await viewer.caught_up(HANG_S)
        count = len(viewer.rtp)
        sent = self.box.sessions.totals.of(self.box.sessions.facts())["packets"]
        await until(lambda: self.box.sessions.totals.of(self.box.sessions.facts())["packets"] > sent + 30)
        await viewer.caught_up(HANG_S)
        assert len(viewer.rtp) == count


def play(folder: Path, scenario: Callable[[School], Any]) -> None:
    async def body() -> None:
        async with School(folder) as school:
            await scenario(school)
            assert school.box.faults == []

    asyncio.run(body())


def test_four_guardians_on_an_uplink_for_two_take_turns_and_the_principal_gets_in(tmp_path: Path) -> None:
    """Two watch, two are told how long; after two minutes they change, twice; the principal never waits."""

    async def scenario(school: School) -> None:
        first = [await school.come()]
        await first[0].seen(3, HANG_S)
        await school.carries(2)
        first.append(await school.come())
        await first[1].seen(3, HANG_S)
        second = [await school.come(), await school.come()]
        await until(lambda: all(news(viewer).get("place") == "turn" for viewer in second))
        assert 0 < news(second[0])["next_s"] <= news(second[1])["next_s"] <= TURN_S
        assert all(news(viewer)["why"] == "uplink" for viewer in second)
        for viewer in second:
            await school.silent(viewer)
            assert viewer.pictures == []
        for seated, waiting in ((second, first), (first, second)):
            before = [len(viewer.pictures) for viewer in seated]
            school.clock.jump(TURN_S)
            for viewer, count in zip(seated, before, strict=True):
                await viewer.seen(count + 5, HANG_S)
            await until(lambda: all(news(viewer)["place"] == "turn" for viewer in waiting))  # noqa: B023 - at once
            assert all(news(viewer)["place"] == "video" for viewer in seated)
            for viewer in waiting:
                await school.silent(viewer)
        principal = await school.come(Role.PRINCIPAL)
        await principal.seen(5, HANG_S)
        assert news(principal).get("place", "video") == "video"
        await until(lambda: [news(viewer)["place"] for viewer in first].count("turn") == 1)
        assert school.box.sessions.places.facts()["waiting"] == 3

    play(tmp_path, scenario)


def test_who_closes_the_page_gives_the_place_to_the_next(tmp_path: Path) -> None:
    """No time passes on the clock of turns; the one that waited sees video."""

    async def scenario(school: School) -> None:
        leaves = await school.come()
        await leaves.seen(3, HANG_S)
        await school.carries(1)
        waits = await school.come()
        await until(lambda: news(waits).get("place") == "turn")
        assert waits.rtp == []
        await leaves.close()
        await waits.seen(5, HANG_S)
        await until(lambda: news(waits)["place"] == "video")

    play(tmp_path, scenario)


def test_a_right_that_ends_while_waiting_ends_the_session(tmp_path: Path) -> None:
    """Waiting is no way around the cutters: the page is told, the place in the line is gone, nothing is sent."""

    async def scenario(school: School) -> None:
        watches = await school.come()
        await watches.seen(3, HANG_S)
        await school.carries(1)
        waits = await school.come()
        await until(lambda: news(waits).get("place") == "turn")
        (session,) = [item for item in school.box.sessions.facts() if item["session"] == waits.session]
        assert await school.box.client.close_grants([session["grant"]], "consent.withdrawn") == 1
        await until(lambda: json.loads(waits.told[-1]).get("end") == "consent.withdrawn")
        await until(lambda: school.box.sessions.places.facts()["waiting"] == 0)
        assert waits.rtp == []
        school.clock.jump(2 * TURN_S)
        await watches.seen(len(watches.pictures) + 5, HANG_S)

    play(tmp_path, scenario)


@pytest.mark.parametrize("role", [Role.TEACHER, Role.PRINCIPAL])
def test_the_rows_of_sessions_say_path_place_and_age(tmp_path: Path, role: Role) -> None:
    """Status and metrics get what they show from the sessions themselves."""

    async def scenario(school: School) -> None:
        viewer = await school.come(role)
        await viewer.seen(3, HANG_S)
        status = await school.box.client.status()
        (row,) = status["open"]
        assert (row["path"], row["outside"], row["place"], row["stream"]) == ("host", True, "video", "sub")
        assert row["age_s"] >= 0
        assert status["totals"]["frames"] >= 3
        assert status["places"]["outside"] == 1
        assert "person" not in row
        await viewer.close()
        await school.box.until("gone")
        status = await school.box.client.status()
        assert status["totals"]["frames"] >= row["frames"]
        assert status["paths"] in ({"host": 1}, {"none": 1})

    play(tmp_path, scenario)
