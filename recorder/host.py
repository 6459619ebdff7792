"""One device at one address: what all its cameras share.

Owns the login gates, the session budget, the knock and the question who answers there. Invariants: the cameras of
one device that log in alike do so through one gate, so that a refusal stops all of them and a wrong password is
sent once; one unproven login is tried by one stream while the others wait; after an outage nobody plays, and no
login is sent, until what can be seen without one does not contradict the camera's identity; a host that is away is
knocked at once for all its streams.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import anyio

from gateway.core.clock import Clock
from gateway.core.errors import (
    CameraClosed,
    CameraError,
    CameraLoginRefused,
    CameraOverloaded,
    CameraSessionLimit,
    CameraSilent,
    CameraSwapped,
    CameraUnreachable,
)
from gateway.core.model import Login, StreamRole
from recorder.identity import Identity, Verdict, judge
from recorder.registry import Camera, LoginState, Stream
from recorder.sessions import SessionBudget

MAIN_FIRST_S = 8.0
"""How long a stream lets those before it try the login before it goes on its own."""
GIVE_WAY_S = 3.0
"""What a sub stream gets to say goodbye to the host, so that its place is free."""
STRANGER_S = 20.0
"""How long a stranger is taken for one without looking again."""
NO_ROOM = 453
"""RTSP: Not Enough Bandwidth, what recorders answer when all their sessions are taken."""
_OUTAGES = (CameraUnreachable, CameraSilent, CameraClosed)


class Gate(Protocol):
    """The login budget of one user of a device, shared by all its connections."""

    login: Login | None
    pin: str
    """The TLS certificate it trusts; empty until one was seen."""

    def retire(self) -> None:
        """Send the login no more: another one took its place."""


class Witness(Protocol):
    """Says who answers at a camera's address; the roof gives it."""

    async def look(self, camera: Camera) -> Identity:
        """Return the marks that are told without a login; CameraUnreachable if nobody answers."""

    async def serial(self, camera: Camera, gate: Any) -> str:
        """Log in, once, and return the serial number; raises CameraError."""


class Member(Protocol):
    """One stream of the host, as far as the host sees it."""

    stream: Stream
    tried: asyncio.Event
    why: str

    def again(self) -> None:
        """Try at once."""

    def give_way(self) -> None:
        """End the session: a main stream needs its place."""


@dataclass(frozen=True, slots=True)
class HostTools:
    """What a host works with."""

    clock: Clock
    make_gate: Callable[[Login | None, LoginState], Gate]
    jitter: Callable[[], float]
    connect: Callable[[], Awaitable[None]]
    """Waits for the right to begin a connection (`StartBudget.connect`)."""
    witness: Witness | None = None
    """None: nobody can tell, so that every device is taken for the one we know."""


class Host:
    """What the cameras of one device share; event loop only."""

    def __init__(self, tools: HostTools, *, suspect: bool = True) -> None:
        """Begin; `suspect` False if the device was asked a moment ago (it was just adopted)."""
        self.sessions = SessionBudget()
        self.others_play: Callable[[], bool] = lambda: False
        """Whether any other device of the box plays now: the network between is well then (`Hosts` sets it)."""
        self._tools, self._suspect = tools, suspect
        self._gates: list[Gate] = []
        self._members: list[Member] = []
        self._room = asyncio.Event()
        self._looking, self._knocking = asyncio.Lock(), asyncio.Lock()
        self._looked: tuple[int, CameraError | None] = (0, None)
        """When the last look ended and what it raised."""
        self._knocked: tuple[int, bool] = (0, False)

    # --- who belongs to it ---

    def join(self, members: Sequence[Member]) -> None:
        """Take the streams of a camera in, main first."""
        self._members += members
        for member in members:
            self.sessions.want(member.stream.id, member.stream.role)

    def leave(self, members: Sequence[Member]) -> None:
        """Let the streams of a camera go; they have stopped."""
        for member in members:
            self._members.remove(member)
            self.sessions.forget(member.stream.id)
        self._wake_held()

    @property
    def empty(self) -> bool:
        """Say whether no camera is left."""
        return not self._members

    # --- the login ---

    def gate(self, camera: Camera) -> Gate:
        """Return the gate of a camera's login: one for all cameras of the device that log in alike."""
        login = camera.about.login
        gate = next((gate for gate in self._gates if gate.login == login), None)
        if gate is None:
            gate = self._tools.make_gate(login, camera.about.login_state)
            self._gates.append(gate)
        gate.pin = gate.pin or camera.about.tls_pin  # what one channel saw is known of all
        return gate

    def renew(self, username: str) -> None:
        """Forget what is known of a user's logins: a person changed the password."""
        self._gates = [gate for gate in self._gates if gate.login is None or gate.login.username != username]

    def retire(self, gate: Gate) -> None:
        """See that nobody sends a login that was replaced; who comes with it later, begins anew."""
        self._gates = [item for item in self._gates if item is not gate]
        gate.retire()

    async def turn(self, member: Member) -> None:
        """Let the streams before this one try the login first: the leader, then all mains, then the subs."""
        with anyio.move_on_after(MAIN_FIRST_S):
            for earlier in tuple(self._before(member)):
                await earlier.tried.wait()

    def _before(self, member: Member) -> Iterator[Member]:
        if member is self._members[0]:
            return
        yield self._members[0]
        if member.stream.role is not StreamRole.MAIN:
            yield from (item for item in self._members if item.stream.role is StreamRole.MAIN)

    # --- sessions ---

    async def open(self, member: Member) -> None:
        """Wait for nothing but a sub stream's goodbye: have a session now, or raise CameraSessionLimit."""
        stream = member.stream
        while True:
            admission = self.sessions.admit(stream.id, stream.role, self._tools.clock.mono_ns())
            if admission.allowed:
                return
            leaving = next((item for item in self._members if item.stream.id == admission.give_way), None)
            if leaving is None:
                raise CameraSessionLimit("the device has no session left", limit=self.sessions.limit)
            leaving.give_way()
            with anyio.move_on_after(GIVE_WAY_S) as late:
                while self.sessions.is_open(leaving.stream.id):
                    await self._room.wait()
            if late.cancelled_caught:
                raise CameraSessionLimit("no session was given back in time", limit=self.sessions.limit)

    def closed(self, member: Member, error: CameraError | None) -> CameraError | None:
        """Give a session back; returns what its end means for the host's streams."""
        if isinstance(error, _OUTAGES):
            self._suspect = True
        if isinstance(error, CameraOverloaded) and error.fields.get("status") == NO_ROOM:
            now_ns, jitter = self._tools.clock.mono_ns(), self._tools.jitter()
            if self.sessions.refused(member.stream.id, now_ns, jitter):
                return CameraSessionLimit("the device has no session left", limit=self.sessions.limit)
            self._wake_held()  # nothing of ours plays: no limit is known any more
        if self.sessions.is_open(member.stream.id):
            self.sessions.closed(member.stream.id)
            self._wake_held()
        return error

    def plays(self, member: Member) -> None:
        """Note that the device took the session."""
        self.sessions.plays(member.stream.id)
        self._wake_held()

    def _wake_held(self) -> None:
        self._room.set()
        self._room = asyncio.Event()

    async def room(self, member: Member) -> None:
        """Wait until a session may have become free; the pause is bounded by the next try."""
        if self.sessions.has_room(member.stream.role):
            return
        room = self._room
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._next_try, tasks.cancel_scope)
            await room.wait()
            tasks.cancel_scope.cancel()

    async def _next_try(self, scope: anyio.CancelScope) -> None:
        await self._tools.clock.sleep(self.sessions.wait_s(self._tools.clock.mono_ns()))
        scope.cancel()

    # --- the device itself ---

    async def knock(self, knock: Callable[[], Any], every_s: float) -> bool:
        """Knock once for all streams: whoever comes within half the interval is told the last answer."""
        async with self._knocking:
            at_ns, answered = self._knocked
            if at_ns and self._tools.clock.mono_ns() - at_ns < every_s * 1e9 / 2:
                return answered
            answered = bool(await knock())
            self._knocked = (self._tools.clock.mono_ns(), answered)
            return answered

    async def verify(self, camera: Camera, gate: Gate) -> None:
        """Make sure after an outage that the device is the one we know.

        Raises:
            CameraSwapped: it is another one; it was sent no login.
            CameraUnreachable: nobody answers there.
            CameraLoginRefused: its serial had to be asked for and the login was refused.

        """
        witness, asked_ns = self._tools.witness, self._tools.clock.mono_ns()
        if witness is None or not self._suspect:
            return
        async with self._looking:
            at_ns, known = self._looked
            if at_ns > asked_ns or (isinstance(known, CameraSwapped) and asked_ns - at_ns < STRANGER_S * 1e9):
                if known is not None:
                    raise known  # somebody looked while this stream waited, or a moment ago
                return
            failure: CameraError | None = None
            try:
                await self._look(witness, camera, gate)
            except CameraError as error:
                failure = error
                raise
            finally:
                self._looked = (self._tools.clock.mono_ns(), failure)
            self._suspect = False
        for member in self._members:
            if member.why == CameraSwapped.code:
                member.again()

    async def _look(self, witness: Witness, camera: Camera, gate: Gate) -> None:
        ours = camera.about.identity
        await self._tools.connect()
        seen = await witness.look(camera)
        verdict = judge(ours, seen)
        if verdict is Verdict.UNSURE and ours.serial and not seen.serial:
            seen = replace(seen, serial=await _serial(witness, camera, gate))
            verdict = judge(ours, seen)
        if verdict is Verdict.OTHER:
            raise CameraSwapped("another device answers at the camera's address", address=camera.about.address)


async def _serial(witness: Witness, camera: Camera, gate: Gate) -> str:
    try:
        return await witness.serial(camera, gate)
    except CameraLoginRefused:
        raise
    except CameraError:  # it does not tell: playing will show what else is wrong
        return ""
