"""Guessing the path of a camera without ONVIF: one password, one refusal, nothing more."""

from __future__ import annotations

import asyncio
from functools import partial

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.discovery.paths import PAUSE_S, TABLE, candidates, guess
from drivers.gate import GateState, LoginGate
from drivers.rtsp.describe import describe
from drivers.rtsp.source import RtspSource
from gateway.core.errors import (
    CameraBadReply,
    CameraClosed,
    CameraError,
    CameraLoginRefused,
    CameraOverloaded,
    CameraSilent,
    CameraUnreachable,
    CameraUnsupported,
)
from gateway.core.model import Login, Secret
from tests.fakes.clock import FakeClock
from tests.fakes.rtsp_paths import PathCamera
from tests.fakes.rtsp_server import closed_port, reply, serve

pytestmark = pytest.mark.anyio
PASSWORD = "Mầm-non/2026@#:"
FIRST = TABLE[0]


def gate(password: str = PASSWORD) -> LoginGate:
    return LoginGate(Login("admin", Secret(password)))


class Naps:
    """A sleep that only counts."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.mark.parametrize("path_first", [True, False])
@pytest.mark.parametrize("missing", ["404 Not Found", "454 Session Not Found"])
async def test_the_path_is_found_with_one_password(path_first: bool, missing: str) -> None:
    """Paths that do not exist are passed over, a second apart; the password was never wrong."""
    wanted = TABLE[3]
    camera = PathCamera(
        password=PASSWORD, paths=(wanted.main, wanted.sub), missing=missing, path_first=path_first, qop="auth"
    )
    own, naps = gate(), Naps()
    async with serve(camera) as served:
        main, sub = await guess("127.0.0.1", served.port, own, sleep=naps)
    assert (main.path, sub and sub.path) == (wanted.main, wanted.sub)
    assert own.state is GateState.PROVEN
    assert naps.slept == [PAUSE_S] * 4
    assert set(camera.methods) == {"DESCRIBE"}
    if path_first:
        assert [camera.path(request) for request in camera.logins] == [wanted.main, wanted.sub]


@pytest.mark.parametrize("path_first", [True, False])
async def test_a_wrong_password_is_sent_once_whatever_is_left(path_first: bool) -> None:
    """The first 401 to a login ends it: no other path is asked for, with or without it."""
    camera = PathCamera(password=PASSWORD, paths=(TABLE[1].main,), path_first=path_first)
    own = gate("wrong")
    async with serve(camera) as served:
        with pytest.raises(CameraLoginRefused):
            await guess("127.0.0.1", served.port, own, sleep=Naps())
        before = len(camera.requests)
        with pytest.raises(CameraLoginRefused):
            await guess("127.0.0.1", served.port, own, sleep=Naps())
    assert len(camera.logins) == 1
    assert own.state is GateState.REFUSED
    assert camera.asked[-1] == (TABLE[1].main if path_first else FIRST.main)
    assert not any("authorization" in request.headers for request in camera.requests[before:])


async def test_a_login_that_worked_and_then_not_ends_it_too() -> None:
    """401 on a later path means no room: nothing more is tried."""
    camera = PathCamera(password=PASSWORD)
    own = gate()

    async def ask(source: RtspSource, through: LoginGate) -> bool:
        if source.path == TABLE[1].main:
            camera.nonce, camera.password = "n1", "changed"
        return await describe(source, through)

    async with serve(camera) as served:
        with pytest.raises(CameraOverloaded):
            await guess("127.0.0.1", served.port, own, sleep=Naps(), ask=ask)
    assert camera.asked == [TABLE[0].main, TABLE[1].main]
    assert len(camera.logins) == 2


async def test_an_open_camera_is_never_sent_a_password() -> None:
    """What answers without a login gets none."""
    camera = PathCamera(paths=(FIRST.main,))
    own = gate()
    async with serve(camera) as served:
        main, sub = await guess("127.0.0.1", served.port, own, sleep=Naps())
    assert (main.path, sub) == (FIRST.main, None)
    assert camera.logins == []
    assert own.state is GateState.UNPROVEN


async def test_no_path_of_the_table() -> None:
    """All were asked for, one by one and without a password; then the installer is asked."""
    camera = PathCamera(path_first=True, password=PASSWORD)
    naps = Naps()
    async with serve(camera) as served:
        with pytest.raises(CameraUnsupported) as refusal:
            await guess("127.0.0.1", served.port, gate(), sleep=naps)
    assert refusal.value.fields["case"] == "path_unknown"
    assert camera.asked == [paths.main for paths in TABLE]
    assert camera.logins == []
    assert len(naps.slept) == len(TABLE) - 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("453 Not Enough Bandwidth", CameraOverloaded),
        ("503 Service Unavailable", CameraOverloaded),
        ("400 Bad Request", CameraBadReply),
        ("302 Moved", CameraBadReply),
        ("500 Internal", CameraBadReply),
    ],
)
async def test_any_other_answer_ends_the_guessing(status: str, error: type[CameraError]) -> None:
    """Only "no such path" lets the next one be tried."""
    camera = PathCamera(scripts={"DESCRIBE": lambda request: reply(request, status)})
    async with serve(camera) as served:
        with pytest.raises(error):
            await guess("127.0.0.1", served.port, gate(), sleep=Naps())
    assert len(camera.requests) == 1


async def test_the_pause_is_by_the_clock() -> None:
    """Nothing is asked for until a second of the clock has passed."""
    clock, asked = FakeClock(), list[str]()

    async def ask(source: RtspSource, _: LoginGate) -> bool:
        asked.append(source.path)
        return False

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: guess("10.0.0.1", 554, gate(), sleep=clock.sleep, ask=ask, tries=TABLE[:4]))
        await clock.advance(0.9)
        assert len(asked) == 1
        await clock.advance(0.2)
        assert len(asked) == 2
        group.cancel_scope.cancel()


async def test_a_refused_connection() -> None:
    """Nobody there is unreachable; the password stays untried."""
    own = gate()
    with pytest.raises(CameraUnreachable):
        await describe(RtspSource("127.0.0.1", closed_port(), "/x"), own)
    assert own.state is GateState.UNPROVEN


async def test_silence_and_hanging_up() -> None:
    """A camera that does not answer is silent, one that hangs up has closed, one that floods is garbage."""

    async def odd(answer: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(answer)
        if answer != b"":
            await writer.drain()
            writer.close()
        else:
            await reader.read(1)
            writer.close()

    for answer, error in ((b"", CameraSilent), (b"RTSP/1.0 ", CameraClosed), (b"x\r\n\r\n", CameraBadReply)):
        server = await asyncio.start_server(partial(odd, answer), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(error):
                await describe(RtspSource("127.0.0.1", port, "/x"), gate(), answer_s=0.3)


async def test_an_unanswered_login_is_not_repeated_at_once() -> None:
    """Hanging up after the password may have counted it: overloaded, and still unproven."""
    camera = PathCamera(password=PASSWORD)
    camera.scripts["DESCRIBE"] = lambda request: (
        b"" if "authorization" in request.headers else reply(request, "401 No", WWW_Authenticate=camera.challenge())
    )
    own = gate()
    async with serve(camera) as served:
        with pytest.raises(CameraOverloaded):
            await describe(RtspSource("127.0.0.1", served.port, "/x"), own, answer_s=0.3)
    assert own.state is GateState.UNPROVEN
    assert len(camera.logins) == 1


async def test_the_password_is_in_no_path() -> None:
    """No request line names it; it is answered by Digest only."""
    camera = PathCamera(password=PASSWORD, paths=(FIRST.main,))
    async with serve(camera) as served:
        await guess("127.0.0.1", served.port, gate(), sleep=Naps())
    for request in camera.requests:
        assert PASSWORD not in request.url + str(request.headers)
    for paths in TABLE:
        assert "password" not in paths.main + paths.sub


@given(st.sampled_from(["", "Hikvision", "Dahua", "TP-Link", "Uniview", "nobody"]))
def test_the_makers_own_paths_come_first(maker: str) -> None:
    """A hint changes the order only: every path is tried once."""
    order = candidates(maker)
    assert sorted(paths.main for paths in order) == sorted({paths.main for paths in TABLE})
    own = [maker in paths.vendors for paths in order]
    assert own == sorted(own, reverse=True)
