"""The vendors' side of finding and activating cameras, in the recorder's words.

Owns the translation between `drivers.vendors`, the vendors' discovery and the recorder. Invariants: a
device that only its vendor's discovery found is asked by ONVIF before it is said to speak none, and only
where the answer came from the address it named (nobody can make us ask a third host); how many are asked,
and for how long, is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import anyio

from drivers.base import DeviceState, Found
from drivers.discovery.nextstep import settle
from drivers.discovery.vendordevice import WEB_PORT
from drivers.gate import LoginGate
from drivers.onvif.pace import CallPool
from drivers.vendors import activation
from drivers.vendors.password import new_password
from gateway.core.clock import Clock
from gateway.core.errors import CameraUnreachable
from gateway.core.model import Login
from recorder.service_activate import Needs

MOST_DOUBTED = 64
"""Devices asked by ONVIF after one search; a liar can invent any number."""
DOUBT_S = 10.0
"""How long that may take in all: what did not answer by then is told as silent."""


class Activation:
    """The recorder's `Activator`."""

    def __init__(self, clock: Clock, pool: CallPool, found_at: Callable[[str], Found | None]) -> None:
        self._means, self._found_at = activation.Means(clock, pool), found_at

    async def look(self, address: str, port: int | None) -> Needs:
        """Find out what a device lacks; changes nothing and sends no login."""
        found = self._found_at(address)
        seen = await activation.look(address, port or (found.port if found else 0) or WEB_PORT, self._means)
        return Needs(seen.vendor, seen.address, seen.port, seen.active, seen.onvif)

    def new_login(self) -> Login:
        """Return a fresh password for the first account."""
        return Login(activation.USERNAME, new_password())

    async def give_password(self, needs: Needs, login: Login) -> tuple[str, ...]:
        """Give a device its first password."""
        return await activation.give_password(_seen(needs), login, self._means)

    async def switch_onvif_on(self, needs: Needs, login: Login) -> tuple[str, ...]:
        """Switch ONVIF on, with one login."""
        return await activation.switch_onvif_on(_seen(needs), LoginGate(login), self._means)


def _seen(needs: Needs) -> activation.Look:
    return activation.Look(needs.vendor, needs.address, needs.port, needs.active, needs.onvif)


async def doubted(found: Sequence[Found], clock: Clock, pool: CallPool) -> tuple[Found, ...]:
    """Return each device once, with ONVIF asked of those that seem to speak none: a probe may have been lost."""
    found = settle(found)
    answers, means = list(found), activation.Means(clock, pool)

    async def ask(number: int) -> None:
        item = answers[number]
        try:
            speaks = await activation.onvif_answers(item.address, item.port, means)
        except CameraUnreachable:
            speaks = False
        if speaks:
            answers[number] = replace(item, state=DeviceState.READY)

    silent = [
        number
        for number, item in enumerate(found)
        if item.state is DeviceState.NO_ONVIF and item.source == item.address
    ]
    with anyio.move_on_after(DOUBT_S):
        async with anyio.create_task_group() as tasks:
            for number in silent[:MOST_DOUBTED]:
                tasks.start_soon(ask, number)
    return tuple(answers)
