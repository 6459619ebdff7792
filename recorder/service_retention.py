"""Control calls about retention: carry it out or say what it would do; pins; classes.

Owns the translation between the control socket and the cleaner, the pins and the classes. Invariants: a dry run
changes nothing; figures are bounded in number whatever the disks hold; names come in and go into the sealed
table only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anyio.to_thread

from gateway.core.clock import Clock
from gateway.core.errors import BadInput
from gateway.core.model import PublicId, is_public_id
from gateway.core.wire import Handler, Reply, Request
from recorder import outlook
from recorder.agegate import AgeGate
from recorder.cleaner import Cleaned, Cleaner
from recorder.groups import GroupBook
from recorder.holds import HoldBook
from recorder.params import camera_param, id_param, known_camera
from recorder.pins import PinBook, Pinned
from recorder.registry import MAX_NAME, Registry
from recorder.retention import MAX_VICTIMS
from recorder.rules import Group
from recorder.rulesource import RuleSource
from recorder.store import Store

MAX_VICTIMS_SHOWN = 2_000
MAX_VICTIMS_PLANNED = 50_000
"""A dry run looks further than one pass: a month that is over at once is some 40,000 files of a camera."""


class RetentionService:
    """Handlers of the retention calls."""

    def __init__(
        self,
        registry: Registry,
        store: Store,
        cleaner: Cleaner,
        gate: AgeGate,
        rules: RuleSource,
        books: tuple[HoldBook, PinBook, GroupBook],
        clock: Clock,
    ) -> None:
        self._registry, self._store, self._cleaner, self._gate = registry, store, cleaner, gate
        self._rules, self._clock = rules, clock
        self._holds, self._pins, self._groups = books

    def handlers(self) -> Mapping[str, Handler]:
        """Return the calls by name."""
        return {
            "retention": self.retention,
            "pin.add": self.add_pin,
            "pin.remove": self.remove_pin,
            "pin.list": self.list_pins,
            "groups.set": self.set_groups,
        }

    async def retention(self, request: Request) -> Reply:
        """Carry out retention now, or only say what it would do and how many days there really are."""
        dry_run = request.params.get("dry_run") is True
        done = await self._cleaner.clean(dry_run=dry_run, limit=MAX_VICTIMS_PLANNED if dry_run else MAX_VICTIMS)
        victims = [victim for item in done for victim in item.plan.victims]
        owners = outlook.whose(await self._registry.cameras(removed=True))
        result = {
            "plan": [
                {"path": victim.row.path, "bytes": victim.row.size_bytes, "reason": victim.reason.value}
                for victim in victims[:MAX_VICTIMS_SHOWN]
            ],
            "count": len(victims),
            "bytes": sum(item.plan.freed_bytes for item in done),
            "complete": all(item.plan.complete for item in done),
            "would_go": outlook.would_go(victims, owners),
        }
        return Reply(result | (await self._outlook(done, owners) if dry_run else {}))

    async def _outlook(self, done: Sequence[Cleaned], owners: Mapping[Any, outlook.Whose]) -> dict[str, Any]:
        resolved = await self._rules.resolve()
        now_ms, trusted_ms = self._clock.now_ms(), self._gate.now_ms()
        holds = [hold for hold in await self._holds.active() if trusted_ms is None or hold.until_ms > trusted_ms]
        pins = await self._pins.active()

        def look() -> tuple[list[dict[str, Any]], dict[str, Any]]:
            disks = [slot.opened for slot in self._store.slots if slot.opened is not None]
            kept = outlook.kept(disks, holds, pins, owners)
            held_bytes = sum(row["held_bytes"] for row in kept)
            days = outlook.days_left(self._store.slots, done, resolved.rules, held_bytes, owners, now_ms)
            return kept, days

        kept, days = await anyio.to_thread.run_sync(look)
        return {
            "kept": kept,
            "days": days,
            "unknown": [item._asdict() for item in resolved.unknown],
            "by_age": trusted_ms is not None,
            "calm_s": self._gate.left_s,
            "disks": [{"path": str(slot.options.path)} | self._cleaner.state(slot) for slot in self._store.slots],
        }

    async def add_pin(self, request: Request) -> Reply:
        """Mark a span of a camera's footage as an event."""
        camera = await known_camera(self._registry, camera_param(request))
        pinned = await self._pins.mark(
            camera, request.number("from_ms"), request.number("to_ms"), id_param(request, "who")
        )
        return Reply({"pin": _shown(pinned)})

    async def remove_pin(self, request: Request) -> Reply:
        """Make it normal footage again."""
        await self._pins.remove(id_param(request, "pin"))
        return Reply({})

    async def list_pins(self, request: Request) -> Reply:
        """List the pins, of one camera or all."""
        camera = camera_param(request) if "camera" in request.params else None
        return Reply({"pins": [_shown(item) for item in (await self._pins.placed(camera))[-MAX_VICTIMS_SHOWN:]]})

    async def set_groups(self, request: Request) -> Reply:
        """Replace what is known of the classes and their cameras; the same again changes nothing."""
        return Reply({"changed": await self._groups.set(_groups(request.params.get("groups")))})


def _groups(told: object) -> list[Group]:
    """Read classes from a call; BadInput if they are not a list of id, name and cameras."""
    if not isinstance(told, list):
        raise BadInput("groups must be a list", key="groups")
    return [_group(item) for item in told]


def _group(item: object) -> Group:
    fields = item if isinstance(item, dict) else {}
    group_id, name, cameras = fields.get("id"), fields.get("name"), fields.get("cameras")
    if (
        not isinstance(group_id, str)
        or not is_public_id(group_id)
        or not isinstance(name, str)
        or not 1 <= len(name) <= MAX_NAME
        or not isinstance(cameras, list)
        or not all(isinstance(camera, str) and is_public_id(camera) for camera in cameras)
    ):
        raise BadInput("each group has an id, a name and cameras", key="groups")
    return Group(PublicId(group_id), name, frozenset(map(PublicId, cameras)))


def _shown(item: Pinned) -> dict[str, Any]:
    return {
        "pin": item.id,
        "camera": item.camera,
        "from_ms": item.start_ms,
        "to_ms": item.end_ms,
        "kind": item.kind.value,
        "who": item.who,
        "placed_ms": item.placed_ms,
    }
