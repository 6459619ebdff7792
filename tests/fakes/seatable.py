"""Connected sessions without a connection: what `gateway.live.places` needs of them, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.core.model import Grant, PublicId, Role, StreamRole
from gateway.live.loadmeter import LoadMeter
from gateway.live.places import Places
from gateway.live.stream import LiveStream
from gateway.live.uplink import Uplink
from tests.fakes.clock import FakeClock
from tests.fakes.live_box import BOTH, make_grant

SUB = frozenset({StreamRole.SUB})


@dataclass
class FakeSession:
    """Implements `gateway.live.places.Seatable`."""

    id: PublicId
    grant: Grant
    stream: LiveStream
    asked: StreamRole
    outside: bool
    flows: bool = False
    limit: StreamRole = StreamRole.MAIN
    hears: bool = True
    told: list[dict[str, Any]] = field(default_factory=list)

    def is_outside(self, uplink: Uplink) -> bool:
        return self.outside

    def let_flow(self, limit: StreamRole) -> None:
        self.flows, self.limit = True, limit

    @property
    def most(self) -> StreamRole:
        """As the switch has it: what the page asks for at this moment, within the limit."""
        return StreamRole.SUB if self.limit is StreamRole.SUB else self.asked

    def hold_back(self) -> None:
        self.flows = False

    async def tell(self, words: Mapping[str, Any]) -> bool:
        if self.hears:
            self.told.append(words["turn"])
        return self.hears


class School:
    """Places on a fake clock, with a budget for so many sub streams of the guessed rate."""

    def __init__(self, uplink_bps: float | None) -> None:
        self.clock, self.cpu_s = FakeClock(), 0.0
        self.uplink = Uplink(uplink_bps) if uplink_bps is not None else None
        self.places = Places(self.uplink, self.clock, LoadMeter(self.clock, lambda: self.cpu_s))
        self.here: dict[str, FakeSession] = {}
        self.busy = 0.0
        """Share of a core that is used from now on."""

    def come(
        self, name: str, role: Role = Role.GUARDIAN, *, outside: bool = True, hears: bool = True, small: bool = False
    ) -> FakeSession:
        """Let a viewer connect: guardians ask for sub, staff for main, or for sub where their picture is small."""
        streams = SUB if role is Role.GUARDIAN else BOTH
        asked = StreamRole.SUB if small or role is Role.GUARDIAN else StreamRole.MAIN
        stream = LiveStream(PublicId(f"camera {name}"), asked, self.clock)
        session = FakeSession(
            PublicId(name), make_grant(self.clock, role=role, streams=streams), stream, asked, outside, hears=hears
        )
        self.here[name] = session
        self.look()
        return session

    def leave(self, name: str) -> None:
        del self.here[name]
        self.look()

    def look(self) -> None:
        self.places.round(self.here.values())

    async def wait(self, seconds: float) -> None:
        """Let time pass; five sweeps a second, as the daemon does."""
        for _ in range(round(seconds * 5)):
            self.clock.tick(0.2)
            self.cpu_s += 0.2 * self.busy
            here = list(self.here.values())
            if self.places.look(here, [item.stream for item in here]):
                for session in here:
                    await self.places.tell(session)

    @property
    def watching(self) -> str:
        return "".join(sorted(name for name, item in self.here.items() if item.flows))
