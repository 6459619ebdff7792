"""The live daemon as access has it: orders passed on, and whose session it was told to the pages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from gateway.core import ticket
from gateway.core.bus import Bus, Subscription
from gateway.core.errors import DaemonUnavailable, LiveFull
from gateway.core.iceservers import IceServer
from gateway.core.model import Action, Grant, PublicId, Role, StreamRole, WallPlace, new_public_id
from gateway.live.client import Opened, SessionState
from gateway.roofs.live_port import MediaDoor
from gateway.roofs.web_ports import ENDED_TOPIC
from tests.fakes.access_world import KEY

pytestmark = pytest.mark.anyio


WALL = PublicId("w" * 16)


def grant(device: str = "phone") -> Grant:
    return Grant(
        id=new_public_id(),
        person=new_public_id(),
        role=Role.GUARDIAN,
        device=device,
        action=Action.LIVE,
        camera=new_public_id(),
        streams=frozenset({StreamRole.SUB}),
        issued_ms=0,
        until_ms=None,
        lease_ms=5000,
        facts_version=1,
        audit_seq=1,
        from_ms=None,
        to_ms=None,
    )


class Live:
    """A live daemon: sessions by grant; `slow` holds its answer to a renewal."""

    def __init__(self) -> None:
        self.sessions: dict[PublicId, PublicId] = {}
        self.closed: list[tuple[list[PublicId], str]] = []
        self.slow: asyncio.Event | None = None
        self.asked = asyncio.Event()
        self.error: Exception | None = None
        self.servers: Sequence[IceServer] = ()
        self.slots: list[int] = []

    async def open(
        self, form: Any, offer: str, stream: StreamRole | None = None, servers: Sequence[IceServer] = ()
    ) -> Opened:
        del stream
        self.servers = servers
        if self.error is not None:
            raise self.error
        session = new_public_id()
        self.sessions[ticket_id(form)] = session
        return Opened(session, f"answer to {offer}")

    async def open_wall(
        self, form: Any, offer: str, slot: int, stream: StreamRole | None = None, servers: Sequence[IceServer] = ()
    ) -> tuple[Opened, PublicId]:
        self.slots.append(slot)
        return await self.open(form, offer, stream, servers), WALL

    async def join_wall(self, form: Any, wall: PublicId, slot: int, stream: StreamRole | None = None) -> PublicId:
        assert wall == WALL
        self.slots.append(slot)
        return (await self.open(form, "", stream)).session

    async def renew(self, tickets: Sequence[Any]) -> list[SessionState]:
        del tickets
        states = [
            SessionState(session, item, PublicId("c" * 16), StreamRole.SUB, "up", 0, 0, 0, 0, None)
            for item, session in self.sessions.items()
        ]
        self.asked.set()
        if self.slow is not None:
            await self.slow.wait()
        return states

    async def close_grants(self, ids: Iterable[PublicId], reason: str) -> int:
        if self.error is not None:
            raise self.error
        self.closed.append((list(ids), reason))
        return len(self.closed)


def ticket_id(form: Any) -> PublicId:
    import base64
    import json

    return PublicId(json.loads(base64.urlsafe_b64decode(form["grant"]))["id"])


def door() -> tuple[MediaDoor, Live, Bus]:
    live, bus = Live(), Bus()
    return MediaDoor(live, bus), live, bus  # type: ignore[arg-type]  # the three calls it makes


def told(subscription: Subscription) -> list[tuple[str, str, str]]:
    found = list(subscription._items)
    subscription._items.clear()
    return found


async def test_who_is_cut_is_told_with_session_and_reason() -> None:
    """One message for the device of the grant; the daemon hears the same order."""
    media, live, bus = door()
    mine, other = grant("phone"), grant("tablet")
    with bus.subscribe(ENDED_TOPIC) as news:
        opened = await media.open(ticket.sign(mine, KEY), "offer", None)
        await media.open(ticket.sign(other, KEY), "offer", StreamRole.SUB)
        await media.close_grants([mine.id], "class.paused")
        assert told(news) == [("phone", opened.session, "class.paused")]
    assert opened.answer == "answer to offer"
    assert live.closed == [([mine.id], "class.paused")]


async def test_a_grant_is_told_of_once_and_unknown_ones_not_at_all() -> None:
    """Orders are repeated until the daemon confirms; the page hears it the first time."""
    media, live, bus = door()
    mine = grant()
    with bus.subscribe(ENDED_TOPIC) as news:
        await media.open(ticket.sign(mine, KEY), "offer", None)
        for _ in range(3):
            await media.close_grants([mine.id, new_public_id()], "x")
        assert len(told(news)) == 1
    assert len(live.closed) == 3


async def test_a_tile_is_told_of_as_any_session_is() -> None:
    """The first opens the wall, the next takes a line; each is cut and told by its own grant."""
    media, live, bus = door()
    first, second = grant("desk"), grant("desk")
    with bus.subscribe(ENDED_TOPIC) as news:
        opened = await media.take_place(ticket.sign(first, KEY), "offer", None, WallPlace(None, 4))
        joined = await media.take_place(ticket.sign(second, KEY), "", StreamRole.SUB, WallPlace(WALL, 5))
        assert (opened.wall, opened.answer, joined.wall, joined.answer) == (WALL, "answer to offer", WALL, "")
        assert live.slots == [4, 5]
        await media.close_grants([second.id], "class.paused")
        assert told(news) == [("desk", joined.session, "class.paused")]


async def test_a_dead_live_daemon_does_not_keep_the_news_back() -> None:
    """The page is told although the order failed, and the failure is the caller's to repeat."""
    media, live, bus = door()
    mine = grant()
    with bus.subscribe(ENDED_TOPIC) as news:
        await media.open(ticket.sign(mine, KEY), "offer", None)
        live.error = DaemonUnavailable("away", service="live")
        with pytest.raises(DaemonUnavailable):
            await media.close_grants([mine.id], "sharing.stopped")
        assert [reason for _, _, reason in told(news)] == ["sharing.stopped"]


async def test_what_is_opened_during_a_renewal_is_not_forgotten() -> None:
    """The answer was made before the session stood: its device must still hear of its end."""
    media, live, bus = door()
    late = grant()
    live.slow = asyncio.Event()
    with bus.subscribe(ENDED_TOPIC) as news:
        renewing = asyncio.create_task(media.renew([]))
        await live.asked.wait()
        opened = await media.open(ticket.sign(late, KEY), "offer", None)
        live.slow.set()
        assert await renewing == []
        await media.close_grants([late.id], "window.closed")
        assert told(news) == [("phone", opened.session, "window.closed")]


async def test_what_ended_by_itself_is_forgotten_at_the_next_renewal() -> None:
    """A viewer who left is not told of later orders; nothing piles up."""
    media, live, bus = door()
    with bus.subscribe(ENDED_TOPIC) as news:
        for _ in range(50):
            gone = grant()
            await media.open(ticket.sign(gone, KEY), "offer", None)
            del live.sessions[gone.id]
            await media.renew([ticket.sign(gone, KEY)])
            await media.close_grants([gone.id], "x")
        assert told(news) == []
    assert media._devices == {}


async def test_what_was_cut_during_a_renewal_does_not_come_back() -> None:
    """The stale answer names the session, but its page was told already."""
    media, live, bus = door()
    mine = grant()
    with bus.subscribe(ENDED_TOPIC) as news:
        await media.open(ticket.sign(mine, KEY), "offer", None)
        live.slow = asyncio.Event()
        renewing = asyncio.create_task(media.renew([ticket.sign(mine, KEY)]))
        await live.asked.wait()
        await media.close_grants([mine.id], "first")
        live.slow.set()
        await renewing
        await media.close_grants([mine.id], "second")
        assert [reason for _, _, reason in told(news)] == ["first"]


async def test_sessions_of_an_earlier_gateway_are_learned() -> None:
    """After a restart the adopted stream's device hears of its end too."""
    media, live, bus = door()
    old = grant("tablet")
    live.sessions[old.id] = PublicId("s" * 16)
    with bus.subscribe(ENDED_TOPIC) as news:
        (state,) = await media.renew([ticket.sign(old, KEY)])
        assert (state["grant"], state["session"]) == (old.id, "s" * 16)
        await media.close_grants([old.id], "person.disabled")
        assert told(news) == [("tablet", "s" * 16, "person.disabled")]


async def test_a_refused_offer_leaves_no_trace() -> None:
    """The daemon is full: its error passes, nobody is remembered."""
    media, live, bus = door()
    live.error = LiveFull("no room")
    with bus.subscribe(ENDED_TOPIC) as news:
        mine = grant()
        with pytest.raises(LiveFull):
            await media.open(ticket.sign(mine, KEY), "offer", None)
        live.error = None
        await media.close_grants([mine.id], "x")
        assert told(news) == []


async def test_the_daemon_is_told_the_servers_of_this_session() -> None:
    """Asked for anew each time, since their passwords are one session's own."""
    live, made = Live(), list[IceServer]()

    def servers() -> list[IceServer]:
        made.append(IceServer(f"stun:s{len(made)}"))
        return made[-1:]

    media = MediaDoor(live, Bus(), servers)  # type: ignore[arg-type]  # the three calls it makes
    for url in ("stun:s0", "stun:s1"):
        await media.open(ticket.sign(grant(), KEY), "offer", None)
        assert [item.url for item in live.servers] == [url]
