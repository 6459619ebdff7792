"""The process that hashes passwords: who waits, what a death costs, what it cannot do."""

from __future__ import annotations

import asyncio
import io
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.access.hashing import child, client, pipe
from gateway.access.hashing.client import ROOM, STRANGERS, Hasher, command
from gateway.core import feedwire
from gateway.core.clock import SystemClock
from gateway.core.errors import ConfigError, DaemonUnavailable, LoginBusy, WireError
from gateway.core.supervise import Backoff, supervise

pytestmark = pytest.mark.anyio
QUICK = Backoff(first_s=0.01, most_s=0.02)
HANG_S = 60


@asynccontextmanager
async def running(hasher: Hasher, faults: list[BaseException] | None = None) -> AsyncIterator[Hasher]:
    """Keep it running as the gateway does."""
    heard = faults if faults is not None else []
    task = asyncio.create_task(
        supervise("hashing", hasher.run, clock=SystemClock(), on_fault=lambda _n, e: heard.append(e), backoff=QUICK)
    )
    try:
        async with asyncio.timeout(HANG_S):
            yield hasher
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_up(hasher: Hasher, not_pid: int | None = None) -> int:
    while hasher.pid is None or hasher.pid == not_pid:  # noqa: ASYNC110 - the process says so by being there
        await asyncio.sleep(0.01)
    return hasher.pid


async def test_one_hash_each_in_a_niced_process_that_sees_nothing() -> None:
    """A password fits its own hash alone; the process has no file of ours, no socket, and stands behind everybody."""
    async with running(Hasher(command())) as hasher:
        kept = await hasher.hash("con mèo ngủ trên mái")
        assert await hasher.verify(kept, "con mèo ngủ trên mái") == (True, True)
        assert await hasher.verify(kept, "con chó") == (False, True)
        assert hasher.done == 3
        assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        pid = await until_up(hasher)
        assert os.getpriority(os.PRIO_PROCESS, pid) >= 10
        links = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()]
        assert not [link for link in links if link.startswith("socket:") or link.endswith(".db")]
        seccomp = next(
            line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Seccomp:")
        )
        assert seccomp.split()[1] == "2"


async def test_killed_in_the_middle_of_a_hash_it_is_done_again() -> None:
    """The one who waits gets the answer from the next process; the fault is reported; it is there again."""
    faults: list[BaseException] = []
    async with running(Hasher(command()), faults) as hasher:
        kept = await hasher.hash("mật khẩu dài dài")
        first = await until_up(hasher)
        os.kill(first, signal.SIGSTOP)
        asking = asyncio.create_task(hasher.verify(kept, "mật khẩu dài dài"))
        for _ in range(10):  # until the stopped process has been given the request
            await asyncio.sleep(0)
        os.kill(first, signal.SIGKILL)
        assert await asking == (True, True)
        assert await until_up(hasher, first) != first
    assert [type(fault) for fault in faults] == [WireError]


async def test_a_process_that_dies_unasked_comes_back_unasked() -> None:
    """Nobody has to sign in for it to be noticed."""
    async with running(Hasher(command())) as hasher:
        first = await until_up(hasher)
        os.kill(first, signal.SIGKILL)
        assert await until_up(hasher, first) != first


async def test_a_request_that_kills_is_tried_twice_not_for_ever() -> None:
    """A process that ends at each request: the asker hears that it is away."""
    dying = ("/bin/sh", "-c", r"printf '\001\000\000\000\000'; read -r x; head -c 5 >/dev/null; exit 1")
    faults: list[BaseException] = []
    async with running(Hasher(dying), faults) as hasher:
        asking = asyncio.create_task(hasher.hash("con mèo\n ngủ trên mái"))
        with pytest.raises(DaemonUnavailable):
            await asking
        while len(faults) < 2:  # noqa: ASYNC110 - the second death is reported a turn after the answer
            await asyncio.sleep(0.01)
    assert all(isinstance(fault, WireError) for fault in faults)


async def test_places_are_few_and_strangers_have_half_of_them() -> None:
    """Eight wait; four of them strangers, one a network; those who are known go first; who left frees the place."""
    hasher = Hasher(command())
    strangers = [asyncio.create_task(hasher.hash("x", lane=f"net{n}")) for n in range(STRANGERS)]
    await asyncio.sleep(0)
    for lane in ("net0", "net9"):
        with pytest.raises(LoginBusy) as busy:
            await hasher.hash("x", lane=lane)
        assert busy.value.fields["retry_after_s"] == client.RETRY_AFTER_S
    known = [asyncio.create_task(hasher.hash("x")) for _ in range(ROOM - STRANGERS)]
    await asyncio.sleep(0)
    with pytest.raises(LoginBusy):
        await hasher.hash("x")
    assert hasher.turned_away == 3
    order = hasher._queue
    assert [bool(job.lane) for job in (*order.first, *order.strangers)] == [False] * 4 + [True] * 4
    strangers[0].cancel()
    known[0].cancel()
    await asyncio.gather(strangers[0], known[0], return_exceptions=True)
    again = asyncio.create_task(hasher.hash("x", lane="net9"))
    await asyncio.sleep(0)
    assert len(order.strangers) == STRANGERS
    async with running(hasher):
        hashes = await asyncio.gather(*strangers[1:], *known[1:], again)
    assert len(set(hashes)) == len(hashes) == 7


async def test_whoever_tries_seldom_takes_the_place_of_who_tries_often() -> None:
    """Networks that hammer fill the strangers' places; one that comes for the first time gets in, they are sent away."""
    hasher = Hasher(command())
    for _ in range(3):  # each of these networks has tried three times when the last ones wait
        waiting = [asyncio.create_task(hasher.hash("x", lane=f"net{n}")) for n in range(STRANGERS)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    waiting = [asyncio.create_task(hasher.hash("x", lane=f"net{n}")) for n in range(STRANGERS)]
    await asyncio.sleep(0)
    rare = asyncio.create_task(hasher.hash("x", lane="rare"))
    await asyncio.sleep(0)
    async with running(hasher):
        done = await asyncio.gather(*waiting, rare, return_exceptions=True)
    assert [isinstance(item, LoginBusy) for item in done].count(True) == 1
    assert isinstance(done[-1], str)


def test_what_is_remembered_of_networks_stays_small() -> None:
    """Counts are halved, and those of one try forgotten, after each few thousand tries."""
    recent = client._Recent()
    for n in range(10 * client.REMEMBERED):
        recent.count(f"net{n}")
    assert len(recent.counts) <= client.REMEMBERED
    assert [recent.count("often") for _ in range(3)] == [0, 1, 2]


async def test_without_a_cage_nothing_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that cannot be caged is refused with its remedy, and whoever waits hears that it is away."""
    monkeypatch.setattr(client, "WAIT_S", 0.3)
    refusing = ("/bin/sh", "-c", r"printf '\002\000\000\000\002no'")
    faults: list[BaseException] = []
    async with running(Hasher(refusing), faults) as hasher:
        with pytest.raises(DaemonUnavailable):
            await hasher.hash("x")
    assert isinstance(faults[0], ConfigError)
    assert "libseccomp2" in str(faults[0].fields["remedy"])


# the child's own rules


def answers(*frames: bytes) -> list[tuple[int, bytes]]:
    """What the child says to these bytes."""
    replies = io.BytesIO()
    child.answer(io.BytesIO(b"".join(frames)), replies)
    raw, found = replies.getvalue(), []
    while raw:
        kind, length = feedwire.HEAD.unpack_from(raw)
        found.append((kind, raw[feedwire.HEAD.size : feedwire.HEAD.size + length]))
        raw = raw[feedwire.HEAD.size + length :]
    return found


def test_a_forged_hash_cannot_hold_the_process() -> None:
    """A cost beyond the bound, garbage and bytes that are no text are refused, and the next request is answered."""
    dear = "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"
    frames = [
        pipe.encode_verify(dear, "x"),
        pipe.encode_verify("rubbish", "x"),
        feedwire.frame(pipe.VERIFY, b"\xff\x00\xff"),
    ]
    kinds = [kind for kind, _ in answers(*frames, feedwire.frame(pipe.HASH, b"con meo ngu"))]
    assert kinds == [pipe.FAILED] * 3 + [pipe.HASHED]


def test_a_request_that_is_too_long_or_unknown_ends_it() -> None:
    """The child answers nothing to what is not of the protocol."""
    assert answers(feedwire.HEAD.pack(pipe.HASH, pipe.MOST_BYTES + 1)) == []
    assert answers(feedwire.frame(99, b"")) == []
    assert answers(feedwire.frame(pipe.HASH, b"abc")[:-1]) == []


def test_a_hash_of_a_smaller_cost_is_told_as_such() -> None:
    """The parameters are read from the kept hash: it still fits, but is not of today's cost."""
    from argon2 import PasswordHasher

    kept = PasswordHasher(1, 8 * 1024, 1).hash("con mèo")
    ((kind, body),) = answers(pipe.encode_verify(kept, "con mèo"))
    assert (kind, tuple(body)) == (pipe.ANSWER, (1, 0))
