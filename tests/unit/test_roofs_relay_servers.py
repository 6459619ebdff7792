"""Servers of a session and tokens of players, over the gateway's control socket and a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.core.config import parse_config
from gateway.core.errors import BadInput, ConfigError, KeyLocked
from gateway.core.iceservers import LIFETIME_S, short_lived
from gateway.core.model import Secret
from gateway.core.secrets import SealKey
from gateway.core.wire import ControlClient, ControlServer
from gateway.roofs.control_players import PlayerCalls
from gateway.roofs.relay_servers import FILE, RelayServers
from gateway.roofs.web_ports import LoginPort
from tests.fakes.access_world import World, school
from tests.fakes.gateway_console import Box, desk

pytestmark = pytest.mark.anyio
SETTINGS = parse_config('[live]\nstun = ["stun:s"]\nturn = ["turn:t", "turn:t?transport=tcp"]\n').live
SHARED = "north-of-the-river-1"


@asynccontextmanager
async def called(box: Box, folder: Path) -> AsyncIterator[tuple[ControlClient, RelayServers]]:
    """The calls of servers and players behind a socket of their own."""
    acts = box.ground.relays._acts
    relays = RelayServers(SETTINGS, folder / "keys", SealKey(bytes(32)), acts, box.ground.clock)
    players = PlayerCalls(box.parts.players, box.parts.people, "https://box")
    methods = {**relays.handlers(), **players.handlers()}
    async with (
        ControlServer(folder / "more.sock", "gateway", methods, on_fault=lambda _name, error: None),
        ControlClient(folder / "more.sock", "gateway") as client,
    ):
        yield client, relays


async def test_the_shared_secret_is_sealed_and_makes_a_password_for_each_session(tmp_path: Path) -> None:
    """Without it no TURN server is named; with it every session has another user name, good for minutes."""
    async with desk(tmp_path) as box, called(box, tmp_path) as (client, relays):
        assert [item.url for item in relays.for_viewer()] == ["stun:s"]
        assert (await client.call("turn.status")).result["secret_set"] is False
        await client.call("turn.secret", {}, f" {SHARED}\n".encode())
        kept = tmp_path / "keys" / FILE
        assert SHARED.encode() not in kept.read_bytes()
        assert kept.stat().st_mode & 0o777 == 0o600
        first, second = relays.for_viewer(), relays.for_viewer()
        assert [item.url for item in first] == ["stun:s", "turn:t", "turn:t?transport=tcp"]
        expiry, _, label = first[1].username.partition(":")
        assert int(expiry) == box.ground.clock.now_ms() // 1000 + LIFETIME_S
        assert first[1].username == first[2].username != second[1].username
        made = short_lived("turn:t", Secret(SHARED), now_ms=box.ground.clock.now_ms(), label=label)
        assert first[1] == made
        status = (await client.call("turn.status")).result
        assert status == {
            "stun": ["stun:s"],
            "turn": ["turn:t", "turn:t?transport=tcp"],
            "relay": False,
            "secret_set": True,
        }
        assert [row["what"] for row in box.rows()][-1:] == ["turn.secret"]
        assert SHARED not in str(box.rows())


async def test_the_secret_lives_over_a_restart_until_it_is_forgotten(tmp_path: Path) -> None:
    """It opens with this box's key only, from a file nobody else may read."""
    async with desk(tmp_path) as box, called(box, tmp_path) as (client, relays):
        await client.call("turn.secret", {}, SHARED.encode())
        acts, clock = relays._acts, box.ground.clock
        again = RelayServers(SETTINGS, tmp_path / "keys", SealKey(bytes(32)), acts, clock)
        assert len(again.for_viewer()) == 3
        with pytest.raises(KeyLocked):
            RelayServers(SETTINGS, tmp_path / "keys", SealKey(b"x" * 32), acts, clock)
        (tmp_path / "keys" / FILE).chmod(0o644)
        with pytest.raises(ConfigError):
            RelayServers(SETTINGS, tmp_path / "keys", SealKey(bytes(32)), acts, clock)
        assert (await client.call("turn.forget")).result == {"was_set": True}
        assert len(relays.for_viewer()) == 1
        assert not (tmp_path / "keys" / FILE).exists()
        rows = len(box.rows())
        assert (await client.call("turn.forget")).result == {"was_set": False}
        assert len(box.rows()) == rows, "nothing was done"


@pytest.mark.parametrize(
    "secret", ["", "too short", "x" * 257, "a secret with spaces", "mật-khẩu-chung-dài", "a" * 16 + "\0"]
)
async def test_a_poor_secret_is_refused(tmp_path: Path, secret: str) -> None:
    """Too short, too long, or with what a TURN server's file would not keep."""
    async with desk(tmp_path) as box, called(box, tmp_path) as (client, relays):
        with pytest.raises(BadInput) as caught:
            await client.call("turn.secret", {}, secret.encode())
        assert caught.value.fields["case"] == "turn_secret"
        assert len(relays.for_viewer()) == 1


async def test_the_box_asks_only_if_it_is_told_to(tmp_path: Path) -> None:
    """`live.relay`; the viewer's servers do not depend on it."""
    async with desk(tmp_path) as box, called(box, tmp_path) as (_, relays):
        assert relays.for_box() == ()
        relays._settings = SETTINGS.model_copy(update={"relay": True})
        assert [item.url for item in relays.for_box()] == ["stun:s"]


# players


async def test_a_player_is_made_listed_and_ended_by_name(tmp_path: Path) -> None:
    """The token is in the first answer alone; what is listed has the person's name and the date."""
    async with desk(tmp_path) as box, called(box, tmp_path) as (client, _):
        await box.school()
        params = {"person": "cô hà", "label": "TV sảnh", "days": 3}
        made = (await client.call("player.new", params)).result
        assert made["url"] == "https://box/whep/"
        listed = (await client.call("player.list")).result
        assert made["token"] not in str(listed)
        (row,) = listed["players"]
        assert (row["label"], row["person"], row["id"], row["until_ms"]) == (
            "TV sảnh",
            "Cô Hà",
            made["id"],
            made["until_ms"],
        )
        assert box.parts.players.who(made["token"]) is not None
        assert (await client.call("player.end", {"player": "tv sảnh"})).result == {"id": made["id"], "label": "TV sảnh"}
        assert box.parts.players.who(made["token"]) is None
        assert (await client.call("player.list")).result == {"players": []}


@pytest.mark.parametrize(
    ("method", "params", "case"),
    [
        ("player.new", {"person": "Lan", "label": "TV"}, "person"),
        ("player.new", {"person": "Cô Hà", "label": "TV", "days": 0}, "player_days"),
        ("player.end", {"player": "TV"}, "player"),
    ],
)
async def test_what_cannot_be_says_so(tmp_path: Path, method: str, params: dict[str, object], case: str) -> None:
    """A guardian's player, no days, a token that is not there."""
    async with desk(tmp_path) as box, called(box, tmp_path) as (client, _):
        await box.school()
        with pytest.raises(BadInput) as caught:
            await client.call(method, params)
        assert caught.value.fields["case"] == case


async def test_a_token_is_its_person_on_a_device_of_its_own(tmp_path: Path) -> None:
    """The web's caller has the person's role and the token's id; a login's token is no player's, and the other way."""

    async def look(w: World) -> None:
        access = w.access
        port = LoginPort(access.logins, access.invitations, access.players, Named())  # type: ignore[arg-type]  # one method is enough
        token, player = await access.players.create(w.actor, w.principal, "TV", days=1)
        caller = await port.player(token)
        assert caller is not None
        assert (caller.person, caller.device, caller.mark) == (w.principal, player.id, "")
        assert await port.session(token, active=True) is None
        assert await port.player(Secret("nobody")) is None

    async with school(tmp_path) as w:
        await look(w)


class Named:
    """Everybody is called the same."""

    def person(self, _person: str) -> str:
        return "Cô Hà"
