"""The audit as the pages see it, in memory: `web.ledger_services` over a list of lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from gateway.core.clock import Clock
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import PublicId, Role
from web.caller import Caller
from web.ledger_services import ChainFacts, Erasable, LedgerLine, LedgerPage, LedgerWish, Named


@dataclass
class FakeLedger:
    """Implements `LedgerDoor`; tests set the fields."""

    clock: Clock
    say: Callable[[str], None]
    facts: ChainFacts = field(default_factory=lambda: ChainFacts(True, 48_213, 902, 0, 1_790_219_400_000))
    lines: list[LedgerLine] = field(default_factory=list)
    older: int | None = None
    known: dict[PublicId, list[Named]] = field(default_factory=dict)
    """Classes whose looks a person may read."""
    everybody: list[Named] = field(default_factory=list)
    pupils: list[Named] = field(default_factory=list)
    wishes: list[LedgerWish] = field(default_factory=list)
    erased: dict[PublicId, int] = field(default_factory=dict)
    refuse: Exception | None = None

    def chain(self) -> ChainFacts:
        return self.facts

    async def check(self) -> None:
        self.say("check the audit")
        self.facts = replace(self.facts, checked_ms=self.clock.now_ms())

    def classes(self, caller: Caller) -> Sequence[Named]:
        return self.known.get(caller.person, [])

    def people(self) -> Sequence[Named]:
        return self.everybody

    def children(self) -> Sequence[Named]:
        return self.pupils

    def _page(self, wish: LedgerWish) -> LedgerPage:
        self.wishes.append(wish)
        return LedgerPage(tuple(self.lines), self.older)

    async def everything(self, caller: Caller, wish: LedgerWish) -> LedgerPage:
        if caller.role is not Role.PRINCIPAL:
            raise Denied("not this role", reason="role.action")
        self.say(f"everything for {caller.person}")
        return self._page(wish)

    async def class_looks(self, caller: Caller, class_id: PublicId, wish: LedgerWish) -> LedgerPage:
        if class_id not in {row.id for row in self.classes(caller)}:
            raise NotFound("no such class")
        self.say(f"looks at {class_id} for {caller.person}")
        return self._page(wish)

    async def own(self, caller: Caller, wish: LedgerWish) -> LedgerPage:
        self.say(f"own rows of {caller.person}")
        return self._page(wish)

    async def export(self, caller: Caller, wish: LedgerWish) -> LedgerPage:
        self.say(f"audit file for {caller.person}")
        return self._page(wish)

    async def erasable(self, caller: Caller, kind: str, subject: PublicId) -> Erasable:
        for row in self.pupils if kind == "child" else self.everybody:
            if row.id == subject:
                name = "—" if subject in self.erased else row.name
                return Erasable(subject, kind, name, 12, 30, self.erased.get(subject))
        raise NotFound("nobody")

    async def erase(
        self, caller: Caller, kind: str, subject: PublicId, *, typed: str, why: str, asked: str
    ) -> tuple[int, int]:
        if self.refuse is not None:
            raise self.refuse
        plan = await self.erasable(caller, kind, subject)
        if not why or not asked:
            raise BadInput("why", case="erase_why")
        if typed != plan.name:
            raise BadInput("name", case="erase_name")
        self.say(f"erase {kind} {subject} by {caller.person}: {why}, {asked}")
        self.erased[subject] = self.clock.now_ms()
        return 99, 12
