"""The gateway's side of the process that hashes passwords.

Owns `Hasher`: the process, its pipes, and who waits for it. Invariants: one hash is under way at a time; `ROOM` wait
at most, strangers in `STRANGERS` of these places and one of them per network, everybody else is told to come back
(LoginBusy). Among strangers a network that tried less lately takes the place of the one that tried most, so that many
who guess do not keep out the one who knows. Whoever signed in with this browser before, or is signed in, goes first. A
hash that the process died over is done once more by the next one, never twice. Passwords are in no log and no error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from gateway.access.hashing import pipe
from gateway.core import cagedchild, feedwire
from gateway.core.cagedchild import CagedChild, Proof
from gateway.core.errors import DaemonUnavailable, LoginBusy, WireError

ROOM, STRANGERS = 8, 4
NAME = "the process that checks passwords"
ANSWER_TIMEOUT_S = 10.0
WAIT_S = 15.0
"""How long somebody waits for an answer, a restart of the process included."""
RETRY_AFTER_S = 2
REMEMBERED = 4_096


class Verdict(NamedTuple):
    """What a comparison says."""

    fits: bool
    current: bool
    """The kept hash has today's cost."""


class Hashing(Protocol):
    """What signing in needs of it; `lane` is the network of a stranger, "" for those who go first."""

    async def verify(self, kept: str, password: str, *, lane: str = "") -> Verdict:
        """Compare; LoginBusy, DaemonUnavailable."""

    async def hash(self, password: str, *, lane: str = "") -> str:
        """Return what is kept of a password; LoginBusy, DaemonUnavailable."""


@dataclass(slots=True, eq=False)
class _Job:
    request: bytes
    lane: str
    answer: asyncio.Future[tuple[int, bytes]]
    weight: int = 0
    """How often its network tried lately."""
    tries: int = 0


@dataclass(slots=True)
class _Queue:
    """Who waits, in the order of their turn."""

    first: list[_Job] = field(default_factory=list)
    strangers: list[_Job] = field(default_factory=list)

    def put(self, job: _Job) -> None:
        """Let somebody wait; LoginBusy without a place."""
        full = len(self.first) + len(self.strangers) >= ROOM
        if job.lane:
            if any(other.lane == job.lane for other in self.strangers):
                raise _busy()
            full = (full or len(self.strangers) >= STRANGERS) and not self._displace(job.weight)
        if full:
            raise _busy()
        (self.strangers if job.lane else self.first).append(job)

    def _displace(self, weight: int) -> bool:
        """Send the stranger away whose network tried most, if that is more often than this."""
        most = max(self.strangers, key=lambda job: job.weight, default=None)
        if most is None or most.weight <= weight:
            return False
        self.strangers.remove(most)
        if not most.answer.done():
            most.answer.set_exception(_busy())
        return True

    def take(self) -> _Job | None:
        """Return whose turn it is; those who went away meanwhile have none."""
        while self.first or self.strangers:
            job = (self.first or self.strangers).pop(0)
            if not job.answer.done():
                return job
        return None

    def drop(self, job: _Job) -> None:
        """Let somebody go who waits no longer."""
        for waiting in (self.first, self.strangers):
            if job in waiting:
                waiting.remove(job)


def _busy() -> LoginBusy:
    return LoginBusy("too many people sign in at once", retry_after_s=RETRY_AFTER_S)


@dataclass(slots=True)
class _Recent:
    """How often each network tried lately; halved after each `REMEMBERED` tries, so that it stays small and forgets."""

    counts: dict[str, int] = field(default_factory=dict)
    seen: int = 0

    def count(self, lane: str) -> int:
        """Count a try and return how many there were before it."""
        before = self.counts.get(lane, 0)
        self.counts[lane] = before + 1
        self.seen += 1
        if self.seen >= REMEMBERED:
            self.counts = {name: count // 2 for name, count in self.counts.items() if count > 1}
            self.seen = 0
        return before


def command(*, sandbox: bool = True) -> tuple[str, ...]:
    """Return how the process is started."""
    return cagedchild.command("gateway.access.hashing.child", sandbox=sandbox)


class Hasher:
    """Keep `run` running; the methods belong to the same event loop."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self._queue, self._recent = _Queue(), _Recent()
        self._work = asyncio.Event()
        self.done = 0
        """Hashes computed."""
        self.turned_away = 0
        self.pid: int | None = None
        """Of the process; None while there is none."""

    async def verify(self, kept: str, password: str, *, lane: str = "") -> Verdict:
        """Compare a password with a kept hash."""
        kind, body = await self._ask(pipe.encode_verify(kept, password), lane)
        if kind != pipe.ANSWER or len(body) != 2:
            raise WireError("a kept password hash cannot be read")
        return Verdict(bool(body[0]), bool(body[1]))

    async def hash(self, password: str, *, lane: str = "") -> str:
        """Hash a password at today's cost."""
        kind, body = await self._ask(feedwire.frame(pipe.HASH, password.encode()), lane)
        if kind != pipe.HASHED:
            raise WireError("a password could not be hashed")
        return body.decode("ascii")

    async def _ask(self, request: bytes, lane: str) -> tuple[int, bytes]:
        weight = self._recent.count(lane) if lane else 0
        job = _Job(request, lane, asyncio.get_running_loop().create_future(), weight)
        try:
            self._queue.put(job)
            self._work.set()
            async with asyncio.timeout(WAIT_S):
                return await job.answer
        except LoginBusy:
            self.turned_away += 1
            raise
        except TimeoutError as error:
            raise DaemonUnavailable("passwords cannot be checked now", service="hashing") from error
        finally:
            self._queue.drop(job)

    async def run(self) -> None:
        """Start the process and serve until it fails (raises) or this is cancelled."""
        async with CagedChild(NAME, self._command, Proof(pipe.READY, pipe.REFUSED)) as child:
            self.pid = child.pid
            try:
                await self._serve(child)
            finally:
                self.pid = None

    async def _serve(self, child: CagedChild) -> None:
        end = asyncio.ensure_future(child.ended())
        try:
            while not end.done():
                self._work.clear()
                while (job := self._queue.take()) is not None:
                    await self._one(job, child)
                wake = asyncio.ensure_future(self._work.wait())
                await asyncio.wait((wake, end), return_when=asyncio.FIRST_COMPLETED)
                wake.cancel()
        finally:
            end.cancel()
        raise WireError(f"{NAME} ended")

    async def _one(self, job: _Job, child: CagedChild) -> None:
        try:
            child.requests.write(job.request)
            async with child.in_time(ANSWER_TIMEOUT_S):
                await child.requests.drain()
                answer = await child.next(pipe.MOST_BYTES)
        except BaseException:
            job.tries += 1
            if job.tries == 1 and not job.answer.done():
                self._queue.first.insert(0, job)
            elif not job.answer.done():
                job.answer.set_exception(DaemonUnavailable("passwords cannot be checked now", service="hashing"))
            raise
        self.done += 1
        if not job.answer.done():
            job.answer.set_result(answer)
