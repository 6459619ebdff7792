"""A hub of a few lines, written from the procedure and not from the code: what a box must agree with.

It keeps what it took in lists, can be restored to an earlier day, lose everything, and lose its answer
after it has stored (`lose_answers`) or the request before it (`lose_requests`).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.core.errors import HubBusy, HubRefused, HubUnreachable
from gateway.core.model import PublicId
from gateway.upstream.protocol import Ack, Announced, Cursor

GATEWAY = PublicId("gatewaygatewayaa")


@dataclass
class Stream:
    """One stream as the hub has it."""

    lane: str
    acked: int
    last_id: str = ""


@dataclass
class Kept:
    """Everything a backup of the hub holds."""

    streams: dict[str, Stream] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)
    """(lane, event id) in order of arrival."""


class FakeHub:
    """Implements `gateway.upstream.sync.Link`."""

    def __init__(self, claim: str = "CLAIM") -> None:
        self.kept, self.claims = Kept(), {claim}
        self.enrolled: list[str] = []
        self.hellos = self.sends = 0
        self.batches: list[tuple[str, int, int]] = []
        """(lane, first, count) of each batch that came."""
        self.lose_requests = self.lose_answers = 0
        self.down = False
        self.busy_s: int | None = None
        self.known = True
        self.lie: Ack | None = None

    async def enrol(self, claim: str) -> PublicId:
        self._reach()
        if claim not in self.claims:
            raise HubRefused("the claim is unknown", reason="claim")
        self.claims.discard(claim)
        self.enrolled.append(claim)
        self.known = True
        return GATEWAY

    async def hello(self, gateway: str, lanes: Sequence[Announced]) -> dict[str, Cursor]:
        self._reach()
        assert gateway == GATEWAY
        if not self.known:
            raise HubRefused("not enrolled here", reason="unknown")
        self.hellos += 1
        return self.answer_hello(lanes)

    def answer_hello(self, lanes: Sequence[Announced]) -> dict[str, Cursor]:
        """Open what is new and tell where all stand."""
        for lane in lanes:
            self.kept.streams.setdefault(lane.stream, Stream(lane.lane, lane.base))
        streams = self.kept.streams
        return {at.stream: Cursor(at.stream, streams[at.stream].acked, streams[at.stream].last_id) for at in lanes}

    async def send(self, gateway: str, stream: str, first: int, bodies: Sequence[str]) -> Ack:
        self._reach()
        self.sends += 1
        if self.busy_s is not None:
            raise HubBusy("busy", retry_after_s=self.busy_s)
        if self.lie is not None:
            return self.lie
        answer = self.take(stream, first, bodies)
        if self.lose_answers:
            self.lose_answers -= 1
            raise HubUnreachable("the answer got lost")
        return answer

    def take(self, stream: str, first: int, bodies: Sequence[str]) -> Ack:
        """Store what fits."""
        known = self.kept.streams.get(stream)
        if known is None:
            return Ack(0, gap=True)
        documents = [json.loads(body) for body in bodies]
        self.batches.append((known.lane, first, len(documents)))
        assert [item["sequence"] for item in documents] == list(range(first, first + len(documents)))
        if first > known.acked + 1:
            return Ack(known.acked, gap=True)
        if any(item["sequence"] == known.acked and known.last_id not in ("", item["id"]) for item in documents):
            return Ack(known.acked, gap=True)
        have = {name for _, name in self.kept.events}
        for item in documents:
            if item["sequence"] > known.acked:
                known.acked, known.last_id = item["sequence"], item["id"]
                if item["id"] not in have:
                    self.kept.events.append((known.lane, item["id"]))
        return Ack(known.acked, gap=False)

    def _reach(self) -> None:
        if self.down:
            raise HubUnreachable("nobody there")
        if self.lose_requests:
            self.lose_requests -= 1
            raise HubUnreachable("the request got lost")

    def backup(self) -> Kept:
        """Return a copy of everything."""
        return copy.deepcopy(self.kept)

    def restore(self, kept: Kept) -> None:
        """Go back to a copy."""
        self.kept = copy.deepcopy(kept)

    def ids(self, lane: str) -> list[str]:
        """Return the event ids of a lane as they arrived."""
        return [name for at, name in self.kept.events if at == lane]
