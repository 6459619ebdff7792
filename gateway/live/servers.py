"""Asking the configured STUN and TURN servers for candidates (RFC 8489, RFC 8656).

Owns the questions. Invariants: without configured servers nobody is asked; a server that refuses or is silent costs
its candidate, never the session, and is counted; a relay is a filtered socket like the others, for strangers
can send to it; our own address does not stand beside a relay's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

import aioice.ice
import aioice.stun
from aioice.candidate import Candidate

from gateway.live.icesocket import Agent, HardStun


class Asker(Agent, Protocol):
    """What `ask` needs of `ice.HardConnection`."""

    stun_server: tuple[str, int] | None
    turn_server: tuple[str, int] | None
    turn_username: str | None
    turn_password: str | None
    turn_ssl: bool
    turn_transport: str


async def ask(agent: Asker, hosts: Iterable[HardStun], timeout_s: float) -> tuple[list[Candidate], list[HardStun]]:
    """Return the candidates the servers gave within the time, and the relays among them as sockets."""
    asked: list[asyncio.Task[tuple[Candidate, HardStun | None]]] = []
    if agent.turn_server is not None:
        asked.append(asyncio.create_task(_relay(agent, agent.turn_server)))
    if agent.stun_server is not None:
        own = [item for item in hosts if ":" not in item.local_candidate.host]  # aioice asks over IPv4 only
        asked += [asyncio.create_task(_reflexive(item, agent.stun_server)) for item in own]
    candidates, relays = list[Candidate](), list[HardStun]()
    if not asked:
        return candidates, relays
    try:
        done, silent = await asyncio.wait(asked, timeout=timeout_s)
    finally:
        for task in asked:
            task.cancel()
    agent.dropped["server_silent"] += len(silent)
    for task in done:
        error = task.exception()
        if isinstance(error, (OSError, aioice.stun.TransactionError, ValueError, KeyError)):
            agent.dropped["server_refused"] += 1
            continue
        candidate, relay = task.result()
        candidates.append(candidate)
        relays += [relay] if relay is not None else []
    return candidates, relays


async def _relay(agent: Asker, server: tuple[str, int]) -> tuple[Candidate, HardStun]:
    candidate, relay = await aioice.ice.relayed_candidate(
        component=1,
        hide_related_address=True,
        protocol_factory=lambda: HardStun(agent),
        turn_server=server,
        turn_username=agent.turn_username,
        turn_password=agent.turn_password,
        turn_ssl=agent.turn_ssl,
        turn_transport=agent.turn_transport,
    )
    assert isinstance(relay, HardStun)
    return candidate, relay


async def _reflexive(host: HardStun, server: tuple[str, int]) -> tuple[Candidate, None]:
    return await aioice.ice.server_reflexive_candidate(host, server)
