"""The rules as they hold now: the configuration against today's cameras and classes.

Owns the latest resolution, so that the status can tell which names mean nothing. Invariant: asked again for
every pass, so that a renamed camera or another class counts at once.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.core.model import StreamId
from recorder.groups import GroupBook
from recorder.registry import Registry
from recorder.retention import Rule
from recorder.rules import Resolved, RuleBook, Unknown, resolve


class RuleSource:
    """Resolves the rules; event loop only."""

    def __init__(self, book: RuleBook, registry: Registry, groups: GroupBook) -> None:
        self._book, self._registry, self._groups = book, registry, groups
        self.unknown: tuple[Unknown, ...] = ()
        """What the last resolution did not understand."""

    async def resolve(self) -> Resolved:
        """Return the rules of all streams."""
        every = await self._registry.cameras(removed=True)
        ours = [camera for camera in every if camera.removed_ms is None]
        gone = [camera for camera in every if camera.removed_ms is not None]
        resolved = resolve(self._book, ours, await self._groups.all(), removed=gone)
        self.unknown = resolved.unknown
        return resolved

    async def rules(self) -> Mapping[StreamId, Rule]:
        """Return the rules alone."""
        return (await self.resolve()).rules
