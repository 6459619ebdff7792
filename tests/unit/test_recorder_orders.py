"""Orders of copies over the recorder's real socket: hold first, grant, progress, signature, download, kill."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import signal
import sys
import threading
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import BadInput, GrantRefused, NotFound
from gateway.core.model import Action, PublicId, RunId, new_public_id
from recorder.exportjob import KEEP_DAYS, MAX_SPAN_MS
from recorder.exportverify import verify
from recorder.manifest import sign_manifest
from tests.fakes.copies import KEY
from tests.fakes.recorder_box import RecorderBox, recorded, recorder_box

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
ORDER, HOLD = PublicId("o" * 16), PublicId("h" * 16)
FACTS = {
    "site": {"name": "Hoa Sen", "zone": "Asia/Ho_Chi_Minh"},
    "who": {"requester": "r" * 16},
    "audit": {"request": 2},
}


@asynccontextmanager
async def box_with_footage(root: Path) -> AsyncIterator[tuple[RecorderBox, dict[str, Any]]]:
    """A recorder with 12 s of footage, and the span of it."""
    async with recorder_box(root) as box:
        box.key = KEY
        camera, start_ms, end_ms = await recorded(box)
        yield box, {"camera": camera, "from_ms": start_ms, "to_ms": end_ms}


async def hold(box: RecorderBox, span: dict[str, Any], **changes: Any) -> dict[str, Any]:
    until_ms = box.clock.now_ms() + 86_400_000
    return await box.call("hold.place", **span | {"until_ms": until_ms, "who": "p" * 16, "hold": HOLD} | changes)


def ticket(box: RecorderBox, span: dict[str, Any], **changes: Any) -> dict[str, str]:
    return box.ticket(span["camera"], Action.EXPORT, from_ms=span["from_ms"], to_ms=span["to_ms"], **changes)


async def start(box: RecorderBox, span: dict[str, Any], **changes: Any) -> dict[str, Any]:
    params = {"ticket": ticket(box, span), "order": ORDER, "hold": HOLD, "facts": FACTS} | changes
    return dict((await box.call("export.start", **params))["order"])


@asynccontextmanager
async def releasing(go: threading.Event) -> AsyncIterator[None]:
    """Let a waiting thread go on, however the block ends."""
    try:
        yield
    finally:
        go.set()


async def order_in(box: RecorderBox, *states: str) -> dict[str, Any]:
    """Wait until the order is in one of the states."""

    async def there() -> dict[str, Any] | None:
        (order,) = (await box.call("export.list"))["orders"]
        return order if order["state"] in states else None

    return dict(await box.until(there))


async def sign(box: RecorderBox) -> dict[str, Any]:
    manifest = (await box.client.call("export.manifest", {"order": ORDER})).blob
    reply = await box.client.call("export.sign", {"order": ORDER}, sign_manifest(manifest, KEY))
    return dict(reply.result["order"])


async def fetch(box: RecorderBox, span: dict[str, Any], **part: int) -> bytes:
    params = {"ticket": ticket(box, span), "order": ORDER, **part}
    return b"".join([chunk async for chunk in box.client.stream("export.file", params)])


async def test_an_order_is_held_measured_signed_and_fetched(tmp_path: Path) -> None:
    """The whole way: nothing can be fetched before the signature; what is fetched verifies; ranges fit together."""
    async with box_with_footage(tmp_path) as (box, span):
        await hold(box, span)
        assert (await start(box, span))["state"] == "queued"
        assert (await order_in(box, "measured"))["ready_ms"] is None
        with pytest.raises(NotFound):
            await box.call("export.size", ticket=ticket(box, span), order=ORDER)
        ready = await sign(box)
        assert ready["state"] == "ready"
        assert ready["expires_ms"] - ready["ready_ms"] == KEEP_DAYS * 86_400_000
        whole = await fetch(box, span)
        assert len(whole) == (await box.call("export.size", ticket=ticket(box, span), order=ORDER))["bytes"]
        middle = len(whole) // 2
        halves = (
            await fetch(box, span, offset=0, length=middle),
            await fetch(box, span, offset=middle, length=len(whole) - middle),
        )
        assert b"".join(halves) == whole
        with zipfile.ZipFile(io.BytesIO(whole)) as opened:
            opened.extractall(tmp_path / "out")
        verdict = verify(tmp_path / "out" / f"trich-xuat-{ORDER}")
        assert verdict.good, verdict.problems
        assert verdict.manifest["hold"] == HOLD
        assert verdict.manifest["audit"] == {"request": 2, "grant": 1}
        assert verdict.manifest["camera"] == {"id": span["camera"], "name": "Lớp 1"}
        assert list((tmp_path / "footage").rglob("*.mp4")) == []


async def test_a_copy_says_of_each_run_what_its_time_is_worth(tmp_path: Path) -> None:
    """A camera whose clock lies is not called trusted: the manifest says what `segments` says."""
    async with box_with_footage(tmp_path) as (box, span):
        await box.books.db.write(lambda db: db.execute("UPDATE run SET by_arrival = 1"))
        await hold(box, span)
        await start(box, span)
        await order_in(box, "measured")
        manifest = json.loads((await box.client.call("export.manifest", {"order": ORDER})).blob)
        assert {item["time_quality"] for item in manifest["segments"]} == {"arrival"}


async def test_nothing_begins_without_grant_and_hold(tmp_path: Path) -> None:
    """No ticket, another action, no hold, a hold of less, a span too long, a time to come: each is refused."""
    async with box_with_footage(tmp_path) as (box, span):
        with pytest.raises(BadInput):
            await start(box, span)  # no hold
        less = new_public_id()
        await hold(box, span | {"from_ms": span["from_ms"] + 1}, hold=less)
        with pytest.raises(BadInput):
            await start(box, span, hold=less)
        await box.call("hold.lift", hold=less)
        with pytest.raises(BadInput):  # what was lifted does not come back
            await hold(box, span, hold=less)
        await hold(box, span | {"to_ms": span["to_ms"] + MAX_SPAN_MS + 1})
        for wrong in ({"ticket": None}, {"ticket": box.ticket(span["camera"], Action.PLAYBACK, from_ms=1, to_ms=2)}):
            with pytest.raises(GrantRefused):
                await start(box, span, **wrong)
        with pytest.raises(GrantRefused):
            await start(box, span, ticket=box.ticket(span["camera"], Action.EXPORT))
        for beyond in (MAX_SPAN_MS + 1, 3_600_000):
            late = span | {"to_ms": span["from_ms"] + beyond}
            with pytest.raises(BadInput):
                await start(box, span, ticket=ticket(box, late))
        for facts in (None, {"x": "y" * 20_000}):
            with pytest.raises(BadInput):
                await start(box, span, facts=facts)
        assert (await box.call("export.list"))["orders"] == []


async def test_the_bytes_need_a_grant_for_this_copy(tmp_path: Path) -> None:
    """Another span, another camera, no ticket, or a place outside the file: not a byte."""
    async with box_with_footage(tmp_path) as (box, span):
        await hold(box, span)
        await start(box, span)
        await order_in(box, "measured")
        with pytest.raises(BadInput):
            await box.client.call("export.sign", {"order": ORDER}, b"{}")
        await sign(box)
        for other in (span | {"to_ms": span["to_ms"] - 1}, span | {"camera": new_public_id()}):
            with pytest.raises(GrantRefused):
                await box.call("export.size", ticket=ticket(box, other), order=ORDER)
        with pytest.raises(GrantRefused):
            await box.call("export.size", order=ORDER)
        with pytest.raises(NotFound):
            await box.call("export.size", ticket=ticket(box, span), order=new_public_id())
        for part in ({"offset": -1}, {"offset": 0, "length": 0}, {"offset": 1 << 40, "length": 1}):
            with pytest.raises(BadInput):
                await fetch(box, span, **part)


async def test_orders_can_be_repeated_and_cancelled(tmp_path: Path) -> None:
    """The same again changes nothing; in work or finished, a cancelled one is over and its hold free."""
    reached, go = threading.Event(), threading.Event()

    def wait(_count: int) -> None:
        reached.set()
        go.wait(20)

    async with box_with_footage(tmp_path) as (box, span), releasing(go):
        box.pace = wait
        first = await hold(box, span)
        assert await hold(box, span) == first
        assert {(await start(box, span))["queued_ms"] for _ in range(2)} == {(await start(box, span))["queued_ms"]}
        assert len((await box.call("export.list"))["orders"]) == 1
        await asyncio.to_thread(reached.wait, 20)
        working = await order_in(box, "working")
        assert working["done_bytes"] > 0
        assert working["done_bytes"] < working["total_bytes"]
        with pytest.raises(BadInput):
            await box.call("hold.lift", hold=HOLD)
        assert (await box.call("export.cancel", order=ORDER)) == {"cancelled": True}
        go.set()
        await order_in(box, "cancelled")
        assert (await box.call("export.cancel", order=ORDER)) == {"cancelled": False}
        with pytest.raises(NotFound):
            await box.call("export.manifest", order=ORDER)
        await box.call("hold.lift", hold=HOLD)


async def test_a_hold_can_be_renewed(tmp_path: Path) -> None:
    """Its end moves; one that is over, or a hold that is none, is refused."""
    async with box_with_footage(tmp_path) as (box, span):
        await hold(box, span)
        until_ms = box.clock.now_ms() + 5 * 86_400_000
        assert (await box.call("hold.renew", hold=HOLD, until_ms=until_ms))["hold"]["until_ms"] == until_ms
        assert (await box.call("hold.list"))["holds"][0]["until_ms"] == until_ms
        with pytest.raises(BadInput):
            await box.call("hold.renew", hold=HOLD, until_ms=1)
        with pytest.raises(NotFound):
            await box.call("hold.renew", hold=new_public_id(), until_ms=until_ms)


async def test_a_span_without_footage_fails_and_says_so(tmp_path: Path) -> None:
    """Nothing there: the order is failed with its reason, and is no copy."""
    async with box_with_footage(tmp_path) as (box, span):
        empty = span | {"from_ms": span["from_ms"] - 20_000, "to_ms": span["from_ms"] - 10_000}
        await hold(box, empty)
        await start(box, empty)
        assert (await order_in(box, "failed"))["why"] == "not_found"


async def test_a_finished_copy_ends_and_its_hold_goes_on(tmp_path: Path) -> None:
    """After its days nobody can fetch it, its sealed parts are gone, and the footage stays held by its own term."""
    async with box_with_footage(tmp_path) as (box, span):
        await hold(box, span)
        await start(box, span)
        await order_in(box, "measured")
        await sign(box)
        db = box.books.db
        await db.write(lambda conn: conn.execute("UPDATE export_job SET expires_ms = 1"))
        assert box.recorder.exports is not None
        await box.recorder.exports.round()
        assert (await order_in(box, "expired"))["expires_ms"] == 1
        with pytest.raises(NotFound):
            await box.call("export.size", ticket=ticket(box, span), order=ORDER)
        rows = await db.read(lambda conn: conn.execute("SELECT plan, manifest, facts FROM export_job").fetchall())
        assert [tuple(row) for row in rows] == [(None, None, b"")]
        assert (await db.read(lambda conn: conn.execute("SELECT count(*) FROM export_film").fetchone()))[0] == 0
        assert [item["hold"] for item in (await box.call("hold.list"))["holds"]] == [HOLD]


async def test_an_order_waits_for_a_disk_that_is_away(tmp_path: Path) -> None:
    """Its plan is made, then the disk goes: the order says why it waits, and is done when the disk is back."""
    async with box_with_footage(tmp_path) as (box, span):
        await hold(box, span)
        slot = box.recorder._parts.store.slots[0]
        opened = slot.opened

        def unplug(_count: int) -> None:
            slot.opened = None
            box.pace = lambda _: None

        box.pace = unplug
        await start(box, span)

        async def waits() -> bool:
            (order,) = (await box.call("export.list"))["orders"]
            return bool(order["state"] == "queued" and order["why"] == "volume_missing")

        await box.until(waits)
        slot.opened = opened
        assert box.recorder.exports is not None
        await box.recorder.exports.round()
        assert (await order_in(box, "measured"))["why"] == ""


async def undisturbed(root: Path, span: dict[str, Any]) -> bytes:
    """The copy as it is when nothing happens."""
    async with recorder_box(root) as box:
        box.key = KEY
        await hold(box, span)
        await start(box, span)
        await order_in(box, "measured")
        await sign(box)
        return await fetch(box, span)


@dataclass
class Child:
    """A recorder process that waits after each record it read for a copy."""

    process: asyncio.subprocess.Process
    box: RecorderBox
    records: int = 0

    async def read(self, until: bytes = b"") -> None:
        """Read a line, or until this one; counts the records told."""
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.records += line != b"ready\n"
            if until in {b"", line}:
                return

    async def reach(self, records: int) -> None:
        """Let it go on until it has read so many, and waits with the last of them."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n" * (records - 1))
        while self.records < records:
            await self.read()


@asynccontextmanager
async def child(root: Path, *, waits: bool) -> AsyncIterator[Child]:
    """A recorder process over a folder, and somebody who calls it; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.copy_child", str(root), cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    made = Child(process, RecorderBox(root))
    made.box.key = KEY
    try:
        assert process.stdin is not None
        if not waits:
            process.stdin.close()
        async with asyncio.timeout(60), made.box.client:
            await made.read(until=b"ready\n")
            yield made
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_killed_midway_the_hold_stands_and_the_copy_is_the_same(tmp_path: Path) -> None:
    """SIGKILL in the middle of measuring: the hold is there, no half copy is offered, the order is done anew and
    gives byte for byte what an undisturbed recorder gives.
    """
    async with box_with_footage(tmp_path / "one") as (_, span):
        pass
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    wanted = await undisturbed(tmp_path / "two", span)
    before = {path.relative_to(tmp_path) for path in (tmp_path / "one" / "footage").rglob("*")}
    for records in (2, 9):  # while it looks at the records, and while it sums the files
        async with child(tmp_path / "one", waits=True) as made:
            await hold(made.box, span)
            await start(made.box, span)
            await made.reach(records)
            assert (await order_in(made.box, "working"))["done_bytes"] > 0
            made.process.send_signal(signal.SIGKILL)
            await made.process.wait()
    async with child(tmp_path / "one", waits=False) as made:
        box = made.box
        with pytest.raises(NotFound):
            await box.call("export.size", ticket=ticket(box, span), order=ORDER)
        assert [item["hold"] for item in (await box.call("hold.list"))["holds"]] == [HOLD]
        await order_in(box, "measured")
        await sign(box)
        assert await fetch(box, span) == wanted
    after = {path.relative_to(tmp_path) for path in (tmp_path / "one" / "footage").rglob("*")}
    assert {path.name for path in after - before} <= {"holds.json", "index.db-wal", "index.db-shm"}


async def test_the_manifest_says_what_the_time_of_each_run_is_worth(tmp_path: Path) -> None:
    """A camera whose clock lied is not passed off as a trusted time, in words of the same table as everywhere."""
    async with box_with_footage(tmp_path) as (box, span):
        for row in (await box.call("segments", camera=span["camera"]))["segments"]:
            await box.books.runs.lies(RunId(row["run"]))
        await hold(box, span)
        await start(box, span)
        await order_in(box, "measured")
        manifest = json.loads((await box.client.call("export.manifest", {"order": ORDER})).blob)
        assert {item["time_quality"] for item in manifest["segments"]} == {"arrival"}


async def test_a_copy_keeps_the_page_it_was_signed_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer program brings another page: a copy that is offered already is the same bytes and still verifies."""
    async with box_with_footage(tmp_path) as (box, span):
        await hold(box, span)
        await start(box, span)
        await order_in(box, "measured")
        await sign(box)
        before = await fetch(box, span)
        monkeypatch.setattr("recorder.exportjob.page", lambda: b"<!doctype html><title>newer</title>")
        after = await fetch(box, span)
        assert after == before
        with zipfile.ZipFile(io.BytesIO(after)) as opened:
            opened.extractall(tmp_path / "out")
        verdict = verify(tmp_path / "out" / f"trich-xuat-{ORDER}")
        assert verdict.good, verdict.problems
