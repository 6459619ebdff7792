"""One UDP socket of a session, or its relay: what comes in is looked at before any library sees it.

Owns `HardStun`, aioice's socket with our filters. Invariants: a datagram is dropped and counted unless it is a
well-formed check the agent wants, or comes from a proven address; nothing that comes raises; every check and
answer leaves through the agent, which says whether the address has proven itself.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

import aioice.ice
import aioice.stun

from gateway.live.relays import Questions
from gateway.live.stun import looks_like_stun, well_formed

MOST_DATAGRAM_BYTES = 2048
"""Longer ones came in IP fragments; no browser sends them."""


class Agent(Protocol):
    """What a socket needs of `ice.HardConnection`."""

    dropped: Counter[str]
    questions: Questions
    on_media: Callable[[bytes], None] | None

    def is_consent(self, protocol: HardStun, data: bytes, source: tuple[str, int]) -> bool:
        """Deal with a consent check of the nominated pair."""

    def is_wanted(self, protocol: HardStun, data: bytes, source: tuple[str, int]) -> bool:
        """Say whether aioice shall see a message."""

    def has_proven(self, protocol: aioice.ice.StunProtocol, source: tuple[str, int]) -> bool:
        """Say whether data may come from there."""

    def request_received(
        self, message: aioice.stun.Message, addr: tuple[str, int], protocol: aioice.ice.StunProtocol
    ) -> None:
        """Take a signed check."""

    def data_received(self, data: bytes, component: int) -> None:
        """Queue a datagram for DTLS."""

    def ask(self, protocol: HardStun, data: bytes, address: tuple[str, int]) -> None:
        """Send a check."""

    def answer(self, protocol: HardStun, data: bytes, address: tuple[str, int]) -> None:
        """Send an answer."""


class HardStun(aioice.ice.StunProtocol):
    """One UDP socket of a session, or its relay."""

    def __init__(self, agent: Agent) -> None:
        connection: Any = agent
        super().__init__(connection)
        self._agent = agent

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """Let checks, answers to ours and data of proven peers through; count and drop the rest."""
        assert isinstance(data, bytes)
        source, agent = (str(addr[0]), int(addr[1])), self._agent
        if len(data) > MOST_DATAGRAM_BYTES:
            agent.dropped["oversized"] += 1
        elif not looks_like_stun(data):
            self._take_data(data, source)
        elif agent.questions.heard(data, source):
            pass  # a configured server has answered
        elif not well_formed(data):
            agent.dropped["malformed_stun"] += 1
        elif not agent.is_consent(self, data, source) and agent.is_wanted(self, data, source):
            try:
                self._hand_on(aioice.stun.parse_message(data), source)
            except (struct.error, ValueError, KeyError, TypeError, AssertionError):
                # The length check is ours, the parser is not: what it still trips over is dropped the same way.
                agent.dropped["malformed_stun"] += 1

    def _hand_on(self, message: aioice.stun.Message, source: tuple[str, int]) -> None:
        """Do as aioice does, but for its handing on to DTLS of what it cannot parse."""
        if message.message_class is aioice.stun.Class.REQUEST:
            self._agent.request_received(message, source, self)
        else:
            self.transactions[message.transaction_id].response_received(message, source)

    def _take_data(self, data: bytes, source: tuple[str, int]) -> None:
        agent = self._agent
        if not data or not agent.has_proven(self, source):
            agent.dropped["stranger"] += 1
        elif 127 < data[0] < 192 and agent.on_media is not None:
            agent.on_media(data)
        else:
            agent.data_received(data, self.local_candidate.component)

    def send_stun(self, message: aioice.stun.Message, addr: tuple[str, int]) -> None:
        """Send a check or an answer as far as the address has proven itself."""
        data = bytes(message)
        if message.message_class is aioice.stun.Class.REQUEST:
            self._agent.ask(self, data, addr)
        else:
            self._agent.answer(self, data, addr)
