"""Guests' visits as their pages see them, in memory: `web.observe_services` over a list that tests set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from gateway.core.clock import Clock
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import Decision, PublicId, Secret
from web.caller import Caller
from web.observe_services import NO, WAITS, YES, MyVisit, Named, Visit, Wanted, WayIn

CODE = "abcd-efgh-jklm-npqr"


@dataclass
class FakeObserve:
    """Implements `ObserveDoor`."""

    clock: Clock
    say: Callable[[str], None]
    of: Sequence[Named]
    """Classes."""
    all: list[Visit] = field(default_factory=list)
    known: list[Named] = field(default_factory=list)
    my: MyVisit | None = None
    refuse: BadInput | None = None

    async def visits(self, caller: Caller) -> Sequence[Visit]:
        return self.all

    def classes(self, caller: Caller) -> Sequence[Named]:
        return self.of

    def guests(self, caller: Caller) -> Sequence[Named]:
        return self.known

    async def make(self, caller: Caller, wanted: Wanted) -> PublicId:
        if self.refuse is not None:
            raise self.refuse
        visit = PublicId("v" * 15 + "abcdefgh"[len(self.all)])
        room = next(item for item in self.of if item.id == wanted.class_id)
        name = wanted.name or next(item.name for item in self.known if item.id == wanted.guest)
        now_ms = self.clock.now_ms()
        phase = "past" if wanted.until_ms <= now_ms else "running" if wanted.since_ms <= now_ms else "coming"
        self.all.append(
            Visit(
                visit, name, room.id, room.name, wanted.since_ms, wanted.until_ms, phase, WAITS,
                made_by=caller.name, reason=wanted.reason, invited=wanted.invited, teachers=1,
            )
        )  # fmt: skip
        self.say(f"visit of {name} by {caller.person}")
        return visit

    async def way_in(self, caller: Caller, visit: PublicId) -> WayIn:
        self.say(f"code of {visit} by {caller.person}")
        return WayIn(self.get(visit), Secret(CODE), "https://vuon.test/vao")

    async def end(self, caller: Caller, visit: PublicId) -> None:
        self.say(f"end {visit} by {caller.person}")
        self.put(visit, phase="ended")

    async def answer(self, caller: Caller, class_id: PublicId, visit: PublicId, *, given: bool) -> None:
        if self.get(visit).class_id != class_id:
            raise NotFound("no such visit")
        self.say(f"{'yes' if given else 'no'} to {visit} by {caller.person}")
        self.put(visit, said=YES if given else NO, said_by=caller.name)

    async def mine(self, caller: Caller) -> MyVisit | None:
        return self.my

    def get(self, visit: PublicId) -> Visit:
        found = next((item for item in self.all if item.id == visit), None)
        if found is None:
            raise NotFound("no such visit")
        return found

    def put(self, visit: PublicId, **changes: object) -> None:
        """Change a visit."""
        new = replace(self.get(visit), **changes)  # type: ignore[arg-type]  # a test's own fields
        self.all = [new if item.id == visit else item for item in self.all]

    def here(self, decision: Decision, *, camera: PublicId, said: str = YES, begins_in_ms: int = -600_000) -> None:
        """Give the guest a visit of an hour."""
        since_ms = self.clock.now_ms() + begins_in_ms
        self.my = MyVisit(
            PublicId("v" * 16), self.of[0].name, (camera,), since_ms, since_ms + 3_600_000, said, decision
        )
