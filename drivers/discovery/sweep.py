"""Unicast WS-Discovery: every host of a range is asked by itself, for networks that filter multicast.

Owns the sweep and the question to one host. Wi-Fi isolation and IGMP snooping swallow multicast but let
unicast through. Invariants: it only runs when somebody asked for it, over the ranges given; packets are
paced, so that the kernel's table of unanswered neighbours (1024 by default, arp(7)) never fills; every
socket is non-blocking, and an error of one host is counted, never raised; no login is sent.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from ipaddress import IPv4Interface
from uuid import UUID, uuid4

import anyio

from drivers.base import Found
from drivers.discovery import wsd
from drivers.discovery.interfaces import Address
from drivers.discovery.merging import true_endpoint
from drivers.discovery.multicast import (
    MOST_QUEUED,
    Datagram,
    Gathering,
    Statistics,
    open_address,
    sending_socket,
)
from drivers.discovery.ranges import Range

HOSTS_PER_S = 128
"""A /24 in 2 s twice over; unanswered neighbours wait about 3 s, so at most 400 wait at a time."""
BATCH = 16
LATE_S = 1.5
"""For the answers to the last packets: the slowest camera of our trials took 0.4 s."""
ROUNDS = (True, False)
"""Each host is asked twice, first for video transmitters, then for anything: Wi-Fi loses single packets."""
ASK_S = 0.5
ASK_TIMES = 3


async def sweep(
    ranges: Sequence[Range],
    *,
    on_step: Callable[[Range, int, int], None] | None = None,
    statistics: Statistics | None = None,
    late_s: float = LATE_S,
    hosts_per_s: float = HOSTS_PER_S,
    message_id: Callable[[], UUID] = uuid4,
) -> AsyncIterator[Found]:
    """Ask every host of the ranges and yield each device as it answers, again when more is known.

    Args:
        ranges: what to ask (`ranges.ranges_of`); the packets leave from each one's own address.
        on_step: called with range, packets sent and packets in all, before each batch.
        statistics: filled while it runs.
        late_s: how long answers are awaited after the last packet.
        hosts_per_s: the pace.
        message_id: source of the messages' ids.

    """
    if not ranges:
        return
    gathering = Gathering(statistics or Statistics())
    queue: asyncio.Queue[Datagram] = asyncio.Queue(MOST_QUEUED)
    async with AsyncExitStack() as stack:
        for part in ranges:
            transport = await open_address(sending_socket, part.ours, queue, gathering.statistics)
            if transport is None:
                continue
            stack.callback(transport.close)
            hosts = [(str(host), typed) for typed in ROUNDS for host in part.hosts()]
            for at in range(0, len(hosts), BATCH):
                if on_step:
                    on_step(part, at, len(hosts))
                for host, typed in hosts[at : at + BATCH]:
                    transport.sendto(wsd.probe_message(message_id(), typed=typed), (host, wsd.PORT))
                async for found in _answers(queue, gathering, BATCH / hosts_per_s):
                    yield found
            if on_step:
                on_step(part, len(hosts), len(hosts))
        async for found in _answers(queue, gathering, late_s):
            yield found


async def _answers(queue: asyncio.Queue[Datagram], gathering: Gathering, seconds: float) -> AsyncIterator[Found]:
    """Yield what arrives within `seconds`."""
    until = anyio.current_time() + seconds
    while (left := until - anyio.current_time()) > 0:
        try:
            datagram = await asyncio.wait_for(queue.get(), left)
        except TimeoutError:
            return
        for found in gathering.add(datagram):
            yield found


def _asking_socket(ours: Address) -> socket.socket:
    """Return a socket that hears only the host it asks; here `ours` holds the host's address."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.connect((str(ours.ip.ip), wsd.PORT))
    except OSError:
        sock.close()
        raise
    return sock


async def is_at(
    address: str, endpoint: str, *, ask_s: float = ASK_S, times: int = ASK_TIMES, message_id: Callable[[], UUID] = uuid4
) -> bool:
    """Ask one host up to `times` times whether it is the device with that endpoint reference."""
    queue: asyncio.Queue[Datagram] = asyncio.Queue(MOST_QUEUED)
    gathering = Gathering()
    host = Address("", IPv4Interface(f"{address}/32"))
    transport = await open_address(_asking_socket, host, queue, gathering.statistics)
    if transport is None:  # no route to it: it is not there
        return False
    try:
        for _ in range(times):
            transport.sendto(wsd.probe_message(message_id(), typed=False))
            async for found in _answers(queue, gathering, ask_s):
                if true_endpoint(found) == endpoint:
                    return True
    finally:
        transport.close()
    return False
