"""Every act that takes a right away ends a running stream: the real policy, audit and daemon, over real DTLS and SRTP.

Time is the media's own: how far its clock went on, in all that ever arrived, after what the daemon had sent when the
act returned. (What a viewer had read by then says nothing: on a busy machine it reads seconds late.)
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.access.migrations import MIGRATIONS
from gateway.access.reasons import Reason, told
from gateway.core.bus import Bus
from gateway.core.db import Database
from gateway.core.errors import Denied, NotFound
from gateway.core.model import PublicId, StreamRole
from gateway.live.sender import Viewer as SendingTo
from gateway.roofs.live_port import MediaDoor
from tests.fakes.access_world import KEY, World, access_on, set_up
from tests.fakes.box_door import media_90k
from tests.fakes.clock import RunningClock
from tests.fakes.h264 import clip
from tests.fakes.live_box import LiveBox
from tests.fakes.memory_disk import in_memory
from tests.fakes.school import NOW
from tests.fakes.viewer import Viewer
from tests.unit.test_access_guests import ACTS as GUEST_ACTS
from tests.unit.test_access_guests import Lesson, arrange
from tests.unit.test_access_revoking import ACTS

pytestmark = pytest.mark.system

LAST_90K = 90_000
"""One second of the media clock."""
CLIP = clip()
AT_ONCE = 2
"""Schools with their daemon and their viewer, all in this one process: more would wait for each other's decoders."""
FAMILY = [
    "guardian removed", "guardian ended by its date", "enrolment moved", "child left", "own consent withdrawn",
    "another family withdraws", "a child joins without an answer", "person disabled",
]  # fmt: skip
DEVICES = ["session ended", "device ended"]
SCHOOL = [
    "pause",
    "privacy",
    "stop all",
    "camera reassigned",
    "camera removed",
    "holiday declared",
    "windows taken away",
    "class seen at the school only",
    "no minutes left",
]
GUESTS = [
    "the teacher takes her word back",
    "the principal ends the visit",
    "its time is up",
    "a family withdraws",
]
TIME = ["window ends", "day-plan block starts", "clock not trusted"]
BY_TIME = {"window ends", "day-plan block starts", "guardian ended by its date"}
"""Acts that end a grant at an instant it has named itself."""


@dataclass
class Stage:
    """A school whose live daemon is real."""

    world: World
    box: LiveBox

    async def watch(self, viewer: Viewer, guest: Lesson | None = None) -> PublicId:
        """Let the mother (or a guest) watch; returns the grant's id."""
        w = self.world
        person, device = (w.mother, w.phone) if guest is None else (guest.guest, guest.device)
        grant, opened = await w.access.open.open(person, device, w.camera, await viewer.offer(), stream=StreamRole.SUB)
        await viewer.answered(opened.answer)
        await viewer.seen(3)
        await viewer.can_hear()
        return grant.id

    def sender(self, grant: PublicId) -> SendingTo:
        """Return the daemon's own account of what it sends under a grant."""
        (session,) = [item for item in self.box.sessions._by_id.values() if item.lease.grant.id == grant]
        assert session.viewer is not None
        return session.viewer

    def ended_rows(self, grant: PublicId) -> list[dict[str, Any]]:
        """Return the rows of the audit that say that this stream ended."""
        found = self.world.rows("SELECT body FROM audit_body WHERE json_extract(body, '$.grant') = ?", grant)
        bodies = [json.loads(row["body"]) for row in found]
        return [body for body in bodies if "ended" in body.values()]

    async def more_pictures(self, count: int) -> None:
        """Wait until the camera has shown so many more."""
        target = self.box.feed.number + count
        async with asyncio.timeout(30):
            while self.box.feed.number < target:  # noqa: ASYNC110 - the clip plays on
                await asyncio.sleep(0.02)


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """Set the school up, in front of a live daemon on the same clock."""
    folder.mkdir()
    clock = RunningClock(NOW)
    faults: list[tuple[str, BaseException]] = []
    async with (
        LiveBox(folder, CLIP, clock=clock, key=KEY) as box,
        Database(in_memory(folder) / "gateway.db", [MIGRATIONS]) as db,
    ):
        media: Any = MediaDoor(box.client, Bus())
        access = access_on(db, clock, media, faults, [])
        async with access:
            world = World(db, clock, media, access, faults, [])
            await set_up(world)
            yield Stage(world, box)
        assert faults == []


async def act_on_a_stream(
    folder: Path, act: Callable[[World], Awaitable[object]], reason: Reason, *, by_time: bool
) -> None:
    """Run an act while the mother watches; everything the promise says is looked at."""
    async with stage(folder) as here, Viewer() as viewer:
        grant = await here.watch(viewer)
        await ends(here, viewer, grant, partial(act, here.world), here.world.look, reason, by_time=by_time)


async def act_on_a_guest(folder: Path, act: Callable[[Lesson], Awaitable[object]], reason: Reason) -> None:
    """Run an act while a guest of the class watches."""
    async with stage(folder) as here, Viewer() as viewer:
        guest = await arrange(here.world)
        grant = await here.watch(viewer, guest)
        by_time = reason is Reason.OBSERVATION_OVER
        await ends(here, viewer, grant, partial(act, guest), guest.watch, reason, by_time=by_time)


def later_90k(one: int, other: int) -> int:
    """Return by how much one RTP time is later than another; both wrap (RFC 3550 5.1)."""
    return (one - other + (1 << 31)) % (1 << 32) - (1 << 31)


async def ends(
    here: Stage,
    viewer: Viewer,
    grant: PublicId,
    act: Callable[[], Awaitable[object]],
    again: Callable[[], Awaitable[object]],
    reason: Reason,
    *,
    by_time: bool,
) -> None:
    """Run an act and look at everything the promise says."""
    sender = here.sender(grant)
    await act()
    returned_90k = sender.last_rtp_90k
    async with asyncio.timeout(30):
        while not viewer.told:  # noqa: ASYNC110 - arrives on the data channel
            await asyncio.sleep(0.005)
    await here.world.until(lambda: len(here.ended_rows(grant)) > 0)
    await viewer.caught_up()
    count = len(viewer.rtp)
    assert later_90k(media_90k(viewer.rtp[-1]), returned_90k) <= LAST_90K
    await here.more_pictures(8)
    await viewer.caught_up()
    assert len(viewer.rtp) == count
    said = [(told["end"], told["code"]) for told in map(json.loads, viewer.told)]
    # At the grant's own end the daemon may be first: it says "ask again", and the answer has the reason.
    assert said == [(told(reason), told(reason))] or (by_time and said == [("", "live.until")])
    with pytest.raises((Denied, NotFound)) as refused:
        await again()
    assert refused.value.fields.get("reason", Reason.NOT_FOUND) == reason
    assert [row["reason"] for row in here.ended_rows(grant)] == [reason]
    assert here.world.access.open.watches() == ()
    assert len(here.box.sessions) == 0


@pytest.mark.parametrize("acts", [FAMILY, DEVICES, SCHOOL, TIME], ids=["family", "devices", "school", "time"])
def test_a_revoking_act_ends_a_running_stream(acts: list[str], tmp_path: Path) -> None:
    """Last RTP within a second of media, the page is told the reason first, one audit row, nothing is left open."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(place: int, name: str) -> None:
        act, reason = ACTS[name]
        try:
            async with turn:
                await act_on_a_stream(tmp_path / str(place), act, reason, by_time=name in BY_TIME)
        except BaseException as error:
            error.add_note(f"while: {name}")
            raise

    async def body() -> None:
        async with asyncio.TaskGroup() as together:
            for place, name in enumerate(acts):
                together.create_task(one(place, name))

    asyncio.run(body())


def test_an_act_ends_a_guests_running_stream(tmp_path: Path) -> None:
    """The same for an observer: the teacher's word, the principal, the time, a family."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(place: int, name: str) -> None:
        async with turn:
            await act_on_a_guest(tmp_path / str(place), *GUEST_ACTS[name])

    async def body() -> None:
        async with asyncio.TaskGroup() as together:
            for place, name in enumerate(GUESTS):
                together.create_task(one(place, name))

    asyncio.run(body())


def test_the_nap_ends_the_mothers_track_and_not_the_principals(tmp_path: Path) -> None:
    """At 11:30 the mother's page is told of the nap and gets no packet more; the principal's pictures go on."""

    async def body() -> None:
        async with stage(tmp_path / "a") as here, Viewer() as mother, Viewer() as principal:
            w = here.world
            await here.watch(mother)
            offer = await principal.offer()
            grant, opened = await w.access.open.open(
                w.principal, w.actor.device, w.camera, offer, stream=StreamRole.SUB
            )
            await principal.answered(opened.answer)
            await principal.seen(3)
            await ACTS["day-plan block starts"][0](w)
            async with asyncio.timeout(30):
                while not mother.told:  # noqa: ASYNC110 - arrives on the data channel
                    await asyncio.sleep(0.005)
            await mother.caught_up()
            count = len(mother.rtp)
            await principal.seen(len(principal.pictures) + 8)
            assert len(mother.rtp) == count
            assert json.loads(mother.told[0])["end"] in {Reason.PLAN_NAP, ""}
            assert principal.told == []
            assert [watch.grant.id for watch in w.access.open.watches()] == [grant.id]

    asyncio.run(body())


def test_a_second_device_ends_the_first_ones_stream(tmp_path: Path) -> None:
    """A guardian has one stream: the older device is told, its media ends before the new one's answer is there."""

    async def body() -> None:
        async with stage(tmp_path / "a") as here, Viewer() as old, Viewer() as new:
            first = await here.watch(old)
            w = here.world
            other = await w.join(w.mother, "iPad")
            w.phone = other.session.id
            await here.watch(new)
            await old.caught_up()
            count = len(old.rtp)
            await new.seen(len(new.pictures) + 8)
            assert len(old.rtp) == count
            assert [json.loads(item)["end"] for item in old.told] == [Reason.DEVICE_OTHER]
            assert [row["reason"] for row in here.ended_rows(first)] == [Reason.DEVICE_OTHER]
            assert new.told == []

    asyncio.run(body())


def test_a_second_window_of_a_device_ends_the_first(tmp_path: Path) -> None:
    """The same device opens the class again: the first window is told, only the second gets pictures."""

    async def body() -> None:
        async with stage(tmp_path / "a") as here, Viewer() as old, Viewer() as new:
            first = await here.watch(old)
            await here.watch(new)
            await old.caught_up()
            count = len(old.rtp)
            await new.seen(len(new.pictures) + 8)
            assert len(old.rtp) == count
            assert [json.loads(item)["end"] for item in old.told] == [Reason.STREAM_REPLACED]
            assert [row["reason"] for row in here.ended_rows(first)] == [Reason.STREAM_REPLACED]

    asyncio.run(body())


def test_the_fourteen_acts_are_there() -> None:
    """No act of the unit's table is left out but doubles, and there are at least fourteen."""
    tried = {*FAMILY, *DEVICES, *SCHOOL, *TIME}
    assert len(tried) + 2 >= 14
    assert set(ACTS) - tried == {"guardian removed from all", "day plan hides"}
