"""The control methods of the live daemon, over its real socket and client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core import ticket
from gateway.core.errors import (
    BadInput,
    ConfigError,
    DaemonUnavailable,
    GrantRefused,
    LiveFull,
    NotFound,
    OfferRefused,
    WallGone,
)
from gateway.core.iceservers import IceServer
from gateway.core.model import PublicId, Role, Secret, StreamRole, new_public_id
from gateway.core.wire import ControlClient, ControlServer
from gateway.live.client import LiveClient, Opened
from gateway.live.feedclient import Feeds
from gateway.live.service import SERVICE, LiveService
from gateway.live.sessions import Sessions
from tests.fakes.clock import FakeClock
from tests.fakes.connection import Connections
from tests.fakes.live_box import CAMERA, make_grant

WALL_OFFER = (Path(__file__).parent.parent / "fakes" / "chromium_wall.sdp").read_text()
OFFER = (Path(__file__).parent.parent / "fakes" / "chromium_offer.sdp").read_text()


class Scene:
    """A service on its socket, with connections that have no network."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.key = FakeClock(), Ed25519PrivateKey.generate()
        self.connections = Connections()
        self.faults: list[BaseException] = []
        sink = lambda _name, error: self.faults.append(error)
        self.feeds = Feeds(folder / "none.sock", clock=self.clock, on_fault=lambda *_: None)
        self.sessions = Sessions(self.feeds, self.connections, max_viewers=3, clock=self.clock, on_fault=sink)
        self.service = LiveService(self.sessions, self.key.public_key, self.clock, lambda: {"name": "vuon-live"})
        self.server = ControlServer(folder / "live.sock", SERVICE, self.service.handlers(), on_fault=sink)
        self.client = LiveClient(folder / "live.sock")
        self.raw = ControlClient(folder / "live.sock", SERVICE)

    def ticket(self, **grant: Any) -> dict[str, str]:
        return ticket.sign(make_grant(self.clock, **grant), self.key)


def play(folder: Path, scenario: Callable[[Scene], Awaitable[None]]) -> None:
    """Run a scenario with everything entered; no handler may have failed with an untyped error."""

    async def body() -> None:
        scene = Scene(folder)
        async with scene.feeds, scene.sessions, scene.server, scene.client, scene.raw:
            await scenario(scene)
        assert scene.faults == []

    asyncio.run(body())


def test_a_ticket_opens_a_session_and_shows_it(tmp_path: Path) -> None:
    """Open, list, status and close agree about the one session."""

    async def scenario(scene: Scene) -> None:
        grant = make_grant(scene.clock)
        opened = await scene.client.open(ticket.sign(grant, scene.key), OFFER, StreamRole.MAIN)
        assert opened == Opened(opened.session, "answer")
        (state,) = await scene.client.sessions()
        assert (state.session, state.grant, state.camera, state.stream) == (
            opened.session,
            grant.id,
            CAMERA,
            StreamRole.MAIN,
        )
        status = await scene.client.status()
        assert (status["daemon"], status["viewers"], status["sessions"]) == ({"name": "vuon-live"}, {CAMERA: 1}, 1)
        await scene.client.close(opened.session, "bye")
        assert await scene.client.sessions() == []
        assert (await scene.client.status())["ended"] == {"bye": 1}

    play(tmp_path, scenario)


def test_a_forged_ticket_opens_nothing(tmp_path: Path) -> None:
    """Another key's signature, a changed grant or an expired one is GrantRefused at the caller."""

    async def scenario(scene: Scene) -> None:
        foreign = ticket.sign(make_grant(scene.clock), Ed25519PrivateKey.generate())
        changed = scene.ticket() | {"grant": foreign["grant"]}
        expired = scene.ticket(until_ms=scene.clock.now_ms())
        for bad in (foreign, changed, expired, {}):
            with pytest.raises(GrantRefused):
                await scene.client.open(bad, OFFER)
        assert scene.connections.made == []

    play(tmp_path, scenario)


def test_errors_cross_as_their_class(tmp_path: Path) -> None:
    """A bad offer, a full house and an unknown session reach the gateway as what they are."""

    async def scenario(scene: Scene) -> None:
        with pytest.raises(OfferRefused):
            await scene.client.open(scene.ticket(), "nonsense")
        guardian = {"role": Role.GUARDIAN, "streams": frozenset({StreamRole.SUB})}
        for _ in range(2):
            await scene.client.open(scene.ticket(**guardian), OFFER)
        with pytest.raises(LiveFull):
            await scene.client.open(scene.ticket(**guardian), OFFER)
        with pytest.raises(GrantRefused):
            await scene.client.open(scene.ticket(**guardian), OFFER, StreamRole.MAIN)
        with pytest.raises(NotFound):
            await scene.client.candidate(new_public_id(), "")

    play(tmp_path, scenario)


def test_a_renewal_extends_what_it_can_and_reports_all(tmp_path: Path) -> None:
    """One bad ticket among good ones stops none of them; sessions nobody renewed are in the answer too."""

    async def scenario(scene: Scene) -> None:
        kept, left = make_grant(scene.clock, lease_ms=5000), make_grant(scene.clock, lease_ms=5000)
        for grant in (kept, left):
            await scene.client.open(ticket.sign(grant, scene.key), OFFER)
        forged = ticket.sign(left, Ed25519PrivateKey.generate())
        scene.clock.tick(4)
        states = await scene.client.renew([forged, ticket.sign(kept, scene.key), scene.ticket()])
        assert {state.grant for state in states} == {kept.id, left.id}
        await scene.clock.advance(1.5)
        assert [state.grant for state in await scene.client.sessions()] == [kept.id]

    play(tmp_path, scenario)


def test_grants_are_closed_by_id(tmp_path: Path) -> None:
    """The count tells the gateway whether anything was open."""

    async def scenario(scene: Scene) -> None:
        grant = make_grant(scene.clock)
        await scene.client.open(ticket.sign(grant, scene.key), OFFER)
        assert await scene.client.close_grants([grant.id, new_public_id()], "revoked") == 1
        assert await scene.client.close_grants([grant.id], "revoked") == 0

    play(tmp_path, scenario)


def test_candidates_are_handed_on(tmp_path: Path) -> None:
    """A trickled candidate reaches the session's connection."""

    async def scenario(scene: Scene) -> None:
        opened = await scene.client.open(scene.ticket(), OFFER)
        await scene.client.candidate(opened.session, "candidate:1 1 udp 1 192.0.2.7 9 typ host")
        assert [item.address for item in scene.connections.made[0].candidates] == ["192.0.2.7"]

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("open", {"offer": "x"}),
        ("open", {"ticket": "x", "offer": "x"}),
        ("renew", {"tickets": "x"}),
        ("renew", {"tickets": ["x"]}),
        ("close", {"session": "../../etc", "reason": "x"}),
        ("close", {"session": "a" * 16}),
        ("close", {"session": "a" * 16, "reason": "x" * 65}),
        ("close_grants", {"grants": [1], "reason": "x"}),
        ("close_grants", {"grants": ["a"], "reason": "ổ"}),
        ("candidate", {"session": "a" * 16}),
        ("open_wall", {"offer": "x", "slot": 0}),
        ("join_wall", {"wall": "a" * 16, "slot": 0}),
        ("nonsense", {}),
    ],
)
def test_malformed_calls_are_the_callers_error(tmp_path: Path, method: str, params: dict[str, object]) -> None:
    """Missing, mistyped or overlong parameters are BadInput and leave the daemon as it was."""

    async def scenario(scene: Scene) -> None:
        with pytest.raises(BadInput):
            await scene.raw.call(method, params)
        assert len(scene.sessions) == 0

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    "params",
    [{"wall": "a" * 16}, {"wall": "a" * 16, "slot": "0"}, {"wall": "a" * 16, "slot": True}, {"wall": "x", "slot": 0}],
)
def test_a_place_on_a_wall_is_an_id_and_a_number(tmp_path: Path, params: dict[str, object]) -> None:
    """Anything else is BadInput, also with a ticket that is good."""

    async def scenario(scene: Scene) -> None:
        with pytest.raises(BadInput):
            await scene.raw.call("join_wall", {"ticket": scene.ticket()} | params)

    play(tmp_path, scenario)


def test_a_wall_is_opened_and_joined_over_the_socket(tmp_path: Path) -> None:
    """Each line needs its own ticket; a wall that is gone crosses as its class."""

    async def scenario(scene: Scene) -> None:
        first = make_grant(scene.clock)

        def ticket_of(camera: PublicId) -> dict[str, str]:
            return ticket.sign(replace(first, id=new_public_id(), camera=camera), scene.key)

        opened, wall = await scene.client.open_wall(ticket_of(CAMERA), WALL_OFFER, 3)
        assert opened.answer == "answer"
        second = await scene.client.join_wall(ticket_of(PublicId("roombaaaaaaaaaaa")), wall, 0, StreamRole.SUB)
        assert [item.session for item in await scene.client.sessions()] == [opened.session, second]
        for session in (opened.session, second):
            await scene.client.close(session, "viewer.left")
        with pytest.raises(WallGone):
            await scene.client.join_wall(ticket_of(CAMERA), wall, 0)

    play(tmp_path, scenario)


def test_an_unknown_stream_is_the_callers_error(tmp_path: Path) -> None:
    """`stream` is main or sub."""

    async def scenario(scene: Scene) -> None:
        with pytest.raises(BadInput):
            await scene.raw.call("open", {"ticket": scene.ticket(), "offer": OFFER, "stream": "both"})

    play(tmp_path, scenario)


def test_before_the_gateway_made_its_key_nothing_opens(tmp_path: Path) -> None:
    """The daemon may start first: until the key is there, a call says what is missing."""

    async def scenario(scene: Scene) -> None:
        def missing() -> Any:
            raise ConfigError("no key yet")

        scene.service._key = missing
        with pytest.raises(ConfigError):
            await scene.client.open(scene.ticket(), OFFER)
        scene.service._key = scene.key.public_key
        assert (await scene.client.open(scene.ticket(), OFFER)).answer == "answer"

    play(tmp_path, scenario)


def test_a_daemon_that_is_not_there_is_a_typed_error(tmp_path: Path) -> None:
    """The gateway sees DaemonUnavailable, whatever it asked."""

    async def body() -> None:
        async with LiveClient(tmp_path / "live.sock") as client:
            with pytest.raises(DaemonUnavailable):
                await client.sessions()
            with pytest.raises(DaemonUnavailable):
                await client.close(PublicId("a" * 16), "bye")

    asyncio.run(body())


def test_a_session_may_ask_the_servers_it_was_given(tmp_path: Path) -> None:
    """They reach the connection with their passwords; a malformed one is the caller's mistake and is not repeated."""

    async def scenario(scene: Scene) -> None:
        servers = (IceServer("stun:s"), IceServer("turn:t:443?transport=tcp", "1:a", Secret("north")))
        await scene.client.open(scene.ticket(), OFFER, None, servers)
        assert scene.connections.made[-1].servers == servers
        await scene.client.open(scene.ticket(), OFFER)
        assert not any(item.servers for item in scene.connections.made[1:])
        for wrong in ("turn:t", [{"url": "http://t", "credential": "north"}], [{"url": "stun:s"}] * 9):
            with pytest.raises(BadInput) as caught:
                await scene.raw.call("open", {"ticket": scene.ticket(), "offer": OFFER, "servers": wrong})
            assert caught.value.fields["key"] == "servers"
            assert "north" not in str(caught.value)

    play(tmp_path, scenario)
