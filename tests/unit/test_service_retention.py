"""Retention over the recorder's socket: what would go, pins, classes, and what the status tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import BadInput, NotFound
from gateway.core.model import new_public_id
from recorder.cleaner import Sources
from recorder.retention import DAY_MS, Rule
from recorder.rules import Keep, NamedRule, RuleBook
from tests.fakes.recorder_box import RecorderBox, adopt, recorded, recorder_box

pytestmark = pytest.mark.anyio
WHO = new_public_id()


async def test_a_trial_run_says_what_would_go_and_how_many_days_there_are(tmp_path: Path) -> None:
    """By camera, stream and reason; held and pinned bytes; unknown rates stay unknown; nothing is deleted."""
    async with recorder_box(tmp_path) as box:
        camera, from_ms, to_ms = await recorded(box, 12)
        box.recorder.keeping.rules._book = RuleBook(Keep(30, 0, 90, 1))
        found = await box.call("retention", dry_run=True)
        (row,) = found["would_go"]
        assert (row["camera"], row["stream"], row["reason"], row["count"]) == (camera, "main", "quota", found["count"])
        assert row["bytes"] == found["bytes"] == sum(item["bytes"] for item in found["plan"])
        assert (row["from_ms"], row["to_ms"]) == (from_ms, to_ms)
        assert found["complete"]
        (days,) = found["days"]["streams"]
        assert (days["rule_days"], days["real_days"], days["bytes_a_day"]) == (30, None, None)
        assert (found["days"]["disk_days"], found["days"]["enough"]) == (None, False)
        assert found["kept"] == found["unknown"] == []

        ends_ms = box.clock.now_ms() + DAY_MS
        await box.call("hold.place", camera=camera, from_ms=0, to_ms=from_ms + 1, until_ms=ends_ms, who=WHO, why="x")
        await box.call("pin.add", camera=camera, from_ms=to_ms - 1, to_ms=to_ms, who=WHO)
        (kept,) = (await box.call("retention", dry_run=True))["kept"]
        assert kept["held_bytes"] == found["plan"][0]["bytes"]
        assert kept["pinned_bytes"] == found["plan"][-1]["bytes"]
        did = await box.call("retention", dry_run=False)
        assert did["count"] == 0  # the newest hour stays while protected footage fills the stream's bytes
        assert "days" not in did


async def test_the_last_cameras_removal_leaves_the_configurations_days(tmp_path: Path) -> None:
    """What retention goes by then is what `[retention]` says."""
    async with recorder_box(tmp_path) as box:
        await box.call("camera.remove", camera=await adopt(box))
        assert await box.recorder.keeping.rules.rules() == {}
        assert box.recorder.cleaner._sources.usual() == Rule(30, 0, 90)


async def test_events_are_marked_listed_and_removed(tmp_path: Path) -> None:
    """Of one camera or all; nonsense is refused."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box)
        now_ms = box.clock.now_ms()
        span = {"camera": camera, "from_ms": now_ms - 1_000, "to_ms": now_ms, "who": WHO}
        pin = (await box.call("pin.add", **span))["pin"]
        assert (pin["kind"], pin["who"], pin["camera"]) == ("marked", WHO, camera)
        assert (await box.call("pin.list"))["pins"] == (await box.call("pin.list", camera=camera))["pins"] == [pin]
        assert (await box.call("pin.list", camera=new_public_id()))["pins"] == []
        for wrong in ({"to_ms": now_ms - 1_000}, {"to_ms": now_ms + DAY_MS}, {"who": "me"}):
            with pytest.raises(BadInput):
                await box.call("pin.add", **(span | wrong))
        await box.call("pin.remove", pin=pin["pin"])
        with pytest.raises(NotFound):
            await box.call("pin.remove", pin=pin["pin"])


async def test_rules_name_classes_that_the_gateway_tells(tmp_path: Path) -> None:
    """Before that they count as unknown, and the status and the trial run say so."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box)
        box.recorder.keeping.rules._book = RuleBook(Keep(30, 0, 90, 0), (NamedRule(Keep(days=7), classes=("Mầm 1",)),))

        async def days() -> tuple[set[int], list[Any]]:
            found = await box.call("retention", dry_run=True)
            return {row["rule_days"] for row in found["days"]["streams"]}, found["unknown"]

        unknown = [{"kind": "class", "name": "Mầm 1"}]
        assert await days() == ({30}, unknown)
        assert (await box.call("status"))["retention"]["unknown"] == unknown
        groups = [{"id": new_public_id(), "name": "Mầm 1", "cameras": [camera]}]
        assert (await box.call("groups.set", groups=groups))["changed"]
        assert not (await box.call("groups.set", groups=groups))["changed"]
        assert await days() == ({7}, [])
        assert (await box.call("status"))["retention"]["unknown"] == []


@pytest.mark.parametrize(
    "groups",
    [None, "x", [1], [{}], [{"id": "x", "name": "A", "cameras": []}], [{"id": "a" * 16, "name": "", "cameras": []}],
     [{"id": "a" * 16, "name": "A", "cameras": ["x"]}], [{"id": "a" * 16, "name": "A" * 81, "cameras": []}]],
)  # fmt: skip
async def test_what_are_no_groups_is_refused(tmp_path: Path, groups: object) -> None:
    """Nothing is stored of it."""
    async with recorder_box(tmp_path) as box:
        with pytest.raises(BadInput):
            await box.call("groups.set", groups=groups)
        assert await box.recorder._parts.groups.all() == []


async def test_a_full_disk_of_held_footage_is_told_and_costs_the_sub_streams_first(tmp_path: Path) -> None:
    """The volume says it; the sub stream rests while the camera still counts as recording; then it begins anew."""
    async with recorder_box(tmp_path) as box:
        await adopt(box)
        main = await box.player.wait_for(1)
        await box.show(main, 8)
        sub = await box.player.wait_for(2)  # it logs in once the main stream has
        await box.show(sub, 8)
        await box.until(lambda: recording(box))
        cleaner, slot = box.recorder.cleaner, box.recorder._parts.store.slots[0]
        cleaner._tight_from[slot] = 1 << 60
        await cleaner._take_in([])
        assert box.recorder.keeping.relief.resting
        status = await box.call("status")
        assert status["volumes"][0]["full_by_hold"]
        assert status["totals"]["full_by_hold"]
        await box.show(main, 8)
        (camera,) = status["cameras"]
        assert [stream["resting"] for stream in camera["streams"]] == [False, True]

        async def only_main() -> bool:
            (seen,) = (await box.call("status"))["cameras"]
            return bool(seen["recording"]) and [item["recording"] for item in seen["streams"]] == [True, False]

        await box.until(only_main)
        before = (await box.camera())["streams"][1]["run"]
        cleaner._tight_from.clear()
        await cleaner._take_in([])
        await box.show(sub, 8)
        await box.show(main, 8)

        async def anew() -> bool:
            streams = (await box.camera())["streams"]
            return streams[1]["run"] not in {before, None} and not streams[1]["resting"]

        await box.until(anew)


async def recording(box: RecorderBox) -> bool:
    (seen,) = (await box.call("status"))["cameras"]
    return all(item["recording"] for item in seen["streams"])


def test_a_pass_without_pins_or_doubts_is_a_pass() -> None:
    """What a small caller leaves out protects nothing and doubts nothing."""
    sources = Sources(rules=None, holds=None)  # type: ignore[arg-type]  # not asked here
    assert sources.vouches_for(None)  # type: ignore[arg-type]  # whatever disk
