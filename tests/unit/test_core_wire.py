"""Control sockets: calls, errors, streams, and who may speak."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import AddressTaken, BadInput, CameraLoginRefused, DaemonUnavailable, VuonError
from gateway.core.wire import MAX_BLOB_BYTES, MOST_IDLE, ControlClient, ControlServer, Handler, Reply, Request

pytestmark = pytest.mark.anyio


async def echo(request: Request) -> Reply:
    return Reply(
        {"method": request.method, "params": dict(request.params), "uid": request.peer.uid}, request.blob[::-1]
    )


async def refuse(request: Request) -> Reply:
    raise CameraLoginRefused("wrong password", camera="abc", tries=1)


async def broken(request: Request) -> Reply:
    raise ZeroDivisionError("a bug")


async def count(request: Request) -> AsyncIterator[bytes]:
    async def chunks() -> AsyncIterator[bytes]:
        for number in range(request.number("to")):
            yield b"%d" % number
            if number == request.number("fail_at", -1):
                raise BadInput("stop here", key="fail_at")

    return chunks()


HANDLERS: Mapping[str, Handler] = {"echo": echo, "refuse": refuse, "broken": broken, "count": count}


class Faults(list[tuple[str, BaseException]]):
    def __call__(self, name: str, error: BaseException) -> None:
        self.append((name, error))


def server(path: Path, faults: Faults | None = None, **options: Any) -> ControlServer:
    return ControlServer(path, "test", HANDLERS, on_fault=faults if faults is not None else Faults(), **options)


async def test_a_call_carries_parameters_bytes_and_the_callers_identity(tmp_path: Path) -> None:
    """A handler sees method, parameters, bytes and uid; its answer and bytes come back."""
    async with server(tmp_path / "s"), ControlClient(tmp_path / "s", "test") as client:
        reply = await client.call("echo", {"tên": "Lớp Mầm"}, b"abc")
    assert reply.result == {"method": "echo", "params": {"tên": "Lớp Mầm"}, "uid": os.getuid()}
    assert reply.blob == b"cba"


async def test_parallel_calls_do_not_mix(tmp_path: Path) -> None:
    """Fifty calls at once each get their own answer."""
    async with server(tmp_path / "s"), ControlClient(tmp_path / "s", "test") as client:
        replies = await asyncio.gather(*(client.call("echo", {"n": n}) for n in range(50)))
    assert [reply.result["params"]["n"] for reply in replies] == list(range(50))


async def test_a_typed_error_keeps_its_class_message_and_fields(tmp_path: Path) -> None:
    """An error of the tree crosses the socket whole, and the connection lives on."""
    async with server(tmp_path / "s"), ControlClient(tmp_path / "s", "test") as client:
        with pytest.raises(CameraLoginRefused) as caught:
            await client.call("refuse")
        assert (await client.call("echo")).result["method"] == "echo"
    assert caught.value.fields == {"camera": "abc", "tries": 1}


async def test_a_bug_in_a_handler_is_reported_and_ends_only_that_connection(tmp_path: Path) -> None:
    """An error that is not ours reaches the fault sink; the caller sees the daemon as unavailable."""
    faults = Faults()
    async with server(tmp_path / "s", faults), ControlClient(tmp_path / "s", "test") as client:
        with pytest.raises(DaemonUnavailable):
            await client.call("broken")
        assert (await client.call("echo")).result["method"] == "echo"
    assert [type(error) for _, error in faults] == [ZeroDivisionError]


async def test_an_unknown_method_is_bad_input(tmp_path: Path) -> None:
    """Calling what does not exist names it."""
    async with server(tmp_path / "s"), ControlClient(tmp_path / "s", "test") as client:
        with pytest.raises(BadInput, match="nothing"):
            await client.call("nothing")


async def test_a_parameter_of_the_wrong_kind_is_named(tmp_path: Path) -> None:
    """A handler's typed access refuses text for a number, with the key."""
    async with server(tmp_path / "s"), ControlClient(tmp_path / "s", "test") as client:
        with pytest.raises(BadInput) as caught:
            await client.call("count", {"to": "many"})
    assert caught.value.fields["key"] == "to"


async def test_a_stream_yields_its_chunks_in_order(tmp_path: Path) -> None:
    """A streaming method delivers every chunk and then ends."""
    async with server(tmp_path / "s"), ControlClient(tmp_path / "s", "test") as client:
        chunks = [chunk async for chunk in client.stream("count", {"to": 5})]
        assert chunks == [b"0", b"1", b"2", b"3", b"4"]
        assert (await client.call("echo")).result["method"] == "echo"


async def test_an_error_midway_ends_the_stream_with_that_error(tmp_path: Path) -> None:
    """What was streamed so far stands, then the error is raised."""
    seen: list[bytes] = []
    async with server(tmp_path / "s"), ControlClient(tmp_path / "s", "test") as client:
        with pytest.raises(BadInput, match="stop here"):
            async for chunk in client.stream("count", {"to": 5, "fail_at": 1}):
                seen.append(chunk)  # noqa: PERF401 - what came before the error must stay in the list
    assert seen == [b"0", b"1"]


async def test_no_daemon_is_said_as_such(tmp_path: Path) -> None:
    """A socket that is not there is DaemonUnavailable with the service's name."""
    async with ControlClient(tmp_path / "none", "recorder") as client:
        with pytest.raises(DaemonUnavailable) as caught:
            await client.call("status")
    assert caught.value.fields["service"] == "recorder"


async def test_a_client_finds_a_restarted_daemon(tmp_path: Path) -> None:
    """After the daemon came back, the next call works again."""
    async with ControlClient(tmp_path / "s", "test") as client:
        async with server(tmp_path / "s"):
            await client.call("echo")
        with pytest.raises(DaemonUnavailable):
            await client.call("echo")
        async with server(tmp_path / "s"):
            assert (await client.call("echo")).result["method"] == "echo"


async def test_two_servers_cannot_share_a_socket(tmp_path: Path) -> None:
    """A second daemon on the same socket is refused; a dead socket file is not in the way."""
    async with server(tmp_path / "s"):
        with pytest.raises(AddressTaken):
            async with server(tmp_path / "s"):
                pytest.fail("two servers on one socket")
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "s"))
    dead.close()
    async with server(tmp_path / "s"), ControlClient(tmp_path / "s", "test") as client:
        assert (await client.call("echo")).result["uid"] == os.getuid()


async def test_another_user_gets_no_answer(tmp_path: Path) -> None:
    """A peer whose uid is not allowed is hung up on before the first call."""
    strangers = frozenset({os.getuid() + 1})
    async with server(tmp_path / "s", allowed_uids=strangers), ControlClient(tmp_path / "s", "test") as client:
        with pytest.raises(DaemonUnavailable):
            await client.call("echo")


async def test_another_service_or_protocol_is_refused(tmp_path: Path) -> None:
    """A client that expects another daemon does not get to call."""
    async with server(tmp_path / "s"), ControlClient(tmp_path / "s", "other") as client:
        with pytest.raises(VuonError):
            await client.call("echo", timeout_s=5)


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x02\xff\xff\xff\xff", struct.pack(">BI", 5, MAX_BLOB_BYTES + 1), b"\0" * 64],
)
async def test_garbage_ends_only_its_own_connection(tmp_path: Path, garbage: bytes) -> None:
    """Bytes of another protocol or an oversized frame do no harm to others."""
    faults = Faults()
    async with server(tmp_path / "s", faults):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        writer.write(garbage)
        writer.write_eof()
        while await reader.read(4096):
            pass
        writer.close()
        async with ControlClient(tmp_path / "s", "test") as client:
            assert (await client.call("echo")).result["method"] == "echo"
    assert faults == []


async def test_the_socket_is_private_and_gone_after_the_server(tmp_path: Path) -> None:
    """The socket's mode shuts others out, and leaving the server removes it."""
    async with server(tmp_path / "s"):
        assert (tmp_path / "s").stat().st_mode & 0o007 == 0
    assert not (tmp_path / "s").exists()


async def test_a_restarted_daemon_is_reached_by_the_next_call(tmp_path: Path) -> None:
    """Connections kept from before a restart are dead: they cost no call."""
    async with ControlClient(tmp_path / "s", "test") as client:
        async with server(tmp_path / "s"):
            await asyncio.gather(*(client.call("echo", {"n": n}) for n in range(4)))
        async with server(tmp_path / "s"):
            reply = await client.call("echo", {"n": 5})
    assert reply.result["params"] == {"n": 5}


async def test_a_burst_of_calls_keeps_few_connections(tmp_path: Path) -> None:
    """After fifty calls at once the client holds no more than it may keep."""
    async with server(tmp_path / "s") as served, ControlClient(tmp_path / "s", "test") as client:
        await asyncio.gather(*(client.call("echo", {"n": n}) for n in range(50)))
        async with asyncio.timeout(20):
            while served.connections > MOST_IDLE:  # noqa: ASYNC110 - the server tells nobody when a peer hangs up
                await asyncio.sleep(0.01)
        assert len(client._idle) <= MOST_IDLE


async def test_parameters_that_are_no_object_are_bad_input(tmp_path: Path) -> None:
    """A list instead of parameters is answered, and is no fault of the daemon's."""
    faults = Faults()
    async with server(tmp_path / "s", faults), ControlClient(tmp_path / "s", "test") as client:
        with pytest.raises(BadInput):
            await client.call("echo", [1, 2])  # type: ignore[arg-type]  # what a wrong client sends
    assert faults == []
