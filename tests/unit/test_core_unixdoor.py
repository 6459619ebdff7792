"""The door of a daemon: its file, who comes in, and that nobody stays behind."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import AddressTaken
from gateway.core.unixdoor import Peer, UnixDoor, claim_socket, peer_of

pytestmark = pytest.mark.anyio
HANG_S = 60
OURSELVES = Peer(os.getpid(), os.getuid(), os.getgid())
STRANGERS = frozenset({os.getuid() + 1})


class Gone(Exception):
    """A peer that is gone, as the servers here mean it."""


class Talk:
    """Answers each line with itself, and remembers who came and who was let go."""

    def __init__(self) -> None:
        self.came: list[Peer] = []
        self.ended = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer) -> None:
        self.came.append(peer)
        try:
            while line := await reader.readline():
                if line == b"gone\n":
                    raise Gone
                if line == b"bug\n":
                    raise ZeroDivisionError("a bug")
                writer.write(line)
                await writer.drain()
        finally:
            self.ended += 1


def door(path: Path, talk: Talk, **options: Any) -> UnixDoor:
    return UnixDoor(path, "test", talk, hangups=(Gone,), **options)


@asynccontextmanager
async def visitor(path: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Somebody at the door."""
    async with asyncio.timeout(HANG_S):
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            yield reader, writer
        finally:
            writer.close()


async def hung_up(reader: asyncio.StreamReader) -> bool:
    """Wait for the end of a connection; say whether nothing came before it."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    """SO_PEERCRED of a socket pair is ourselves."""
    left, right = socket.socketpair(socket.AF_UNIX)
    with left, right:
        assert peer_of(left) == OURSELVES


async def test_whoever_may_come_in_is_served_under_the_name_the_kernel_gives(tmp_path: Path) -> None:
    """Two at once, each with its own answers; the door counts them."""
    talk = Talk()
    async with (
        door(tmp_path / "s", talk) as opened,
        visitor(tmp_path / "s") as (first, writer),
        visitor(tmp_path / "s") as (second, other),
    ):
        for reader, out, line in ((first, writer, b"one\n"), (second, other, b"two\n")):
            out.write(line)
            assert await reader.readline() == line
        assert len(opened) == 2
    assert talk.came == [OURSELVES, OURSELVES]
    assert talk.ended == 2


async def test_another_user_is_hung_up_on_unheard(tmp_path: Path) -> None:
    """What a uid that may not come in says is not read, and it gets no answer."""
    talk = Talk()
    async with (
        door(tmp_path / "s", talk, allowed_uids=STRANGERS),
        visitor(tmp_path / "s") as (reader, writer),
    ):
        writer.write(b"let me in\n")
        assert await hung_up(reader)
    assert talk.came == []


async def test_one_more_than_may_be_served_is_hung_up_on(tmp_path: Path) -> None:
    """The first goes on as if nothing had happened."""
    talk = Talk()
    async with door(tmp_path / "s", talk, most=1), visitor(tmp_path / "s") as (reader, writer):
        writer.write(b"one\n")
        assert await reader.readline() == b"one\n"
        async with visitor(tmp_path / "s") as (second, _):
            assert await hung_up(second)
        writer.write(b"still here\n")
        assert await reader.readline() == b"still here\n"
    assert talk.came == [OURSELVES]


@pytest.mark.parametrize(("line", "told"), [(b"gone\n", 0), (b"bug\n", 1)])
async def test_a_peer_that_is_gone_is_no_failure_and_a_bug_is_one(tmp_path: Path, line: bytes, told: int) -> None:
    """The end that a server expects is nobody's news; any other reaches the loop, and the next visitor is served."""
    talk, heard = Talk(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context["exception"]))
    async with door(tmp_path / "s", talk):
        async with visitor(tmp_path / "s") as (reader, writer):
            writer.write(line)
            assert await hung_up(reader)
        async with visitor(tmp_path / "s") as (reader, writer):
            writer.write(b"two\n")
            assert await reader.readline() == b"two\n"
    assert [type(error) for error in heard] == [ZeroDivisionError] * told


async def test_its_file_is_private_and_gone_when_it_is_shut(tmp_path: Path) -> None:
    """Mode 0660 in a folder that others cannot look into; afterwards the name is free, also if it was taken away."""
    path = tmp_path / "run" / "s"
    async with door(path, Talk()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert stat.S_IMODE(path.parent.stat().st_mode) & 0o007 == 0
    assert not path.exists()
    async with door(path, Talk()):
        path.unlink()


async def test_a_door_that_answers_is_not_taken_over(tmp_path: Path) -> None:
    """The second one is refused by name, and whoever is inside the first notices nothing."""
    path, talk = tmp_path / "s", Talk()
    async with door(path, talk), visitor(path) as (reader, writer):
        with pytest.raises(AddressTaken) as caught:
            await door(path, Talk()).__aenter__()
        assert caught.value.fields["path"] == str(path)
        writer.write(b"one\n")
        assert await reader.readline() == b"one\n"
        assert path.exists()


async def test_a_file_that_a_dead_process_left_is_not_in_the_way(tmp_path: Path) -> None:
    """It is taken away, and the door opens in its place; where there is none, nothing is to be done."""
    path, talk = tmp_path / "s", Talk()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    claim_socket(path)
    assert not path.exists()
    claim_socket(path)
    async with door(path, talk), visitor(path) as (reader, writer):
        writer.write(b"one\n")
        assert await reader.readline() == b"one\n"


async def test_nobody_is_left_behind_by_a_door_that_shuts(tmp_path: Path) -> None:
    """Whoever is inside is let go before the door is left, also who has said nothing yet."""
    talk = Talk()
    async with door(tmp_path / "s", talk) as opened:
        talking, silent = [await asyncio.open_unix_connection(tmp_path / "s") for _ in range(2)]
        talking[1].write(b"one\n")
        assert await talking[0].readline() == b"one\n"
    assert talk.ended == len(talk.came)
    assert len(opened) == 0
    async with asyncio.timeout(HANG_S):
        for reader, writer in (talking, silent):
            assert await hung_up(reader)
            writer.close()
