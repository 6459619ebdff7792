"""The figures of `/metrics`, asked of the daemons when they are wanted.

Owns gathering. Invariants: a daemon that does not answer rightly within `ASK_S` is told as down and hides no other;
each scrape asks once; nothing here decides who may ask (the route's guard does).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import anyio

from gateway.core.errors import VuonError
from gateway.core.wire import ControlClient
from gateway.health.exposition import exposition
from gateway.health.metrics import METRICS, samples_of
from gateway.health.tracker import Tracker
from gateway.live.client import LiveClient

ASK_S = 5.0
Ask: TypeAlias = Callable[[], Awaitable[Mapping[str, Any]]]


class MetricsPort:
    """`web.services.MetricsDoor` over the daemons' statuses."""

    def __init__(self, asks: Mapping[str, Ask], tracker: Tracker) -> None:
        """`asks` returns each daemon's `status`, by its name."""
        self._asks, self._tracker = asks, tracker

    async def text(self) -> str:
        """Return the figures of this moment."""
        found: dict[str, Mapping[str, Any] | None] = dict.fromkeys(self._asks)

        async def ask(name: str) -> None:
            with anyio.move_on_after(ASK_S):
                try:
                    found[name] = await self._asks[name]()
                except VuonError:
                    return  # it stays None: down, or speaks otherwise (half of the box was upgraded)

        async with anyio.create_task_group() as tasks:
            for name in self._asks:
                tasks.start_soon(ask, name)
        conditions = [
            {"code": item.code, "subject": item.subject, "severity": item.severity} for item in self._tracker.current()
        ]
        waiting = (found.get("gateway") or {}).get("upstream", {}).get("waiting", {})
        return exposition(METRICS, samples_of(found, conditions, waiting))


def metrics_of(recorder: ControlClient, live: LiveClient, own: Ask, tracker: Tracker) -> MetricsPort:
    """Return the port over the sockets of the other daemons and the gateway's `own` status."""

    async def of_recorder() -> Mapping[str, Any]:
        return (await recorder.call("status")).result

    return MetricsPort({"recorder": of_recorder, "live": live.status, "gateway": own}, tracker)
