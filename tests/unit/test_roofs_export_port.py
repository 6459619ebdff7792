"""Holds and copies from a request to the recorder and back: real access, a real recorder, its real socket."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.access.audit import CONSOLE, Actor
from gateway.core.errors import BadInput, DaemonUnavailable, Denied, NotFound
from gateway.core.model import PublicId, Role, new_public_id
from gateway.core.wire import ControlClient
from gateway.roofs.export_port import Copying, CopyPort, HoldPort
from gateway.roofs.names import Names
from recorder.exportverify import verify
from tests.fakes.access_world import KEY, World, school
from tests.fakes.recorder_box import RecorderBox, recorded, recorder_box
from web.caller import Caller

pytestmark = pytest.mark.anyio
SITE = {"name": "Trường Hoa Sen", "zone": "Asia/Ho_Chi_Minh"}


@dataclass
class Office:
    """Two principals, the doors they use, and the recorder behind them."""

    world: World
    copying: Copying
    holds: HoldPort
    copies: CopyPort
    first: Caller
    second: Caller
    camera: PublicId
    span: tuple[int, int]

    async def rounds(self, state: str, caller: Caller | None = None) -> Any:
        """Let the loop go round until the newest order is in this state."""

        async def there() -> Any:
            await self.copying.round()
            (order, *_) = await self.copies.all(caller or self.first)
            return order if order.state == state else None

        for _ in range(400):
            if found := await there():
                return found
            await anyio.sleep(0.02)
        raise AssertionError(state)

    def told(self) -> list[str]:
        return [event.type for event in self.world.events if event.type.startswith("export.")]

    def acts(self) -> list[str]:
        rows = self.world.rows("SELECT body FROM audit_body ORDER BY seq")
        bodies = [json.loads(row["body"]) for row in rows]
        return [row["what"] for row in bodies if row["what"].startswith(("export.", "hold.", "granted", "denied"))]


async def office(world: World, client: ControlClient, camera: PublicId, span: tuple[int, int]) -> Office:
    access = world.access
    await access.classes.sync_cameras(CONSOLE, [world.camera, camera])
    await access.classes.assign(world.actor, camera, world.class_id)
    person = await access.people.add(world.actor, Role.PRINCIPAL, "Cô Phó")
    code = await access.codes.create(CONSOLE, person)
    signed_in = await access.codes.sign_in(code.text.reveal(), address="192.0.2.9", label="desk 2")
    names = Names(access.store, access.people, access.children, access.classes)
    await names.load()
    copying = Copying(access.store, access.holds, access.exports, access.grants, client, KEY, SITE)
    return Office(
        world,
        copying,
        HoldPort(copying, names),
        CopyPort(copying, access.grants, client, KEY, names),
        Caller(world.principal, Role.PRINCIPAL, "Cô Hiệu Trưởng", world.actor.device),
        Caller(person, Role.PRINCIPAL, "Cô Phó", signed_in.session.id),
        camera,
        span,
    )


@asynccontextmanager
async def whole(root: Path) -> AsyncIterator[tuple[Office, RecorderBox]]:
    """Everything, with 12 s of footage."""
    async with recorder_box(root / "box") as box:
        box.key = KEY
        camera, start_ms, end_ms = await recorded(box)
        (root / "people").mkdir()
        async with school(root / "people", now_ms=time.time_ns() // 1_000_000) as world:
            yield await office(world, box.client, PublicId(camera), (start_ms, end_ms)), box


async def fetched(office: Office, caller: Caller, order: PublicId) -> bytes:
    copy = await office.copies.open(caller, order)
    data = b"".join([chunk async for chunk in copy.read(0, copy.size_bytes)])
    assert len(data) == copy.size_bytes
    return data


async def test_the_whole_way_of_two_people(tmp_path: Path) -> None:
    """Asked: held at once. Approved by the other: made, signed, fetched by both, the same bytes, and it verifies."""
    async with whole(tmp_path) as (o, box):
        order = await o.copies.request(o.first, o.camera, *o.span, "Bé ngã cạnh bàn số 3")
        (held,) = await o.holds.all()
        assert held.confirmed
        assert [item["hold"] for item in (await box.call("hold.list"))["holds"]] == [held.id]
        await o.copying.round()
        assert (await box.call("export.list"))["orders"] == []
        with pytest.raises(Denied):
            await o.copies.approve(o.first, order)
        with pytest.raises(Denied):
            await o.copies.open(o.second, order)
        await o.copies.approve(o.second, order)
        shown = await o.rounds("ready")
        assert (shown.requester, shown.approver, shown.mine) == ("Cô Hiệu Trưởng", "Cô Phó", True)
        data = await fetched(o, o.first, order)
        assert await fetched(o, o.second, order) == data
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            opened.extractall(tmp_path / "out")
        verdict = verify(tmp_path / "out" / f"trich-xuat-{order}")
        assert verdict.good, verdict.problems
        said = verdict.manifest
        assert said["site"] == SITE
        assert said["who"] == {"requester": o.first.person, "approver": o.second.person}
        rows = {name: json.loads(o.world.rows("SELECT body FROM audit_body WHERE seq = ?", seq)[0]["body"])["what"]
                for name, seq in said["audit"].items()}  # fmt: skip
        assert rows == {"request": "export.request", "approve": "export.approve", "grant": "granted"}
        assert o.told() == ["export.requested.v1", "export.approved.v1", "export.done.v1"]
        assert o.acts().count("export.done") == 1
        text = json.dumps(said, ensure_ascii=False)
        assert "Cô" not in text
        assert "bàn số 3" not in text


async def test_the_reason_never_reaches_the_recorder(tmp_path: Path) -> None:
    """It is sealed with the people; the recorder's database holds neither it nor a name of a person."""
    async with whole(tmp_path) as (o, _):
        await o.holds.place(o.first, o.camera, *o.span, "canary-reason bé Chi", 5)
        await o.copies.request(o.first, o.camera, *o.span, "canary-reason bé An")
        for path in (tmp_path / "box").rglob("cameras.db*"):
            assert b"canary-reason" not in path.read_bytes()
        shown = sorted(item.why for item in await o.holds.all())
        assert shown == ["canary-reason bé An", "canary-reason bé Chi"]


async def test_a_hold_waits_for_a_recorder_that_is_away(tmp_path: Path) -> None:
    """The wish stands unconfirmed, the page can still be read, and it is carried out when the recorder comes back."""
    (tmp_path / "people").mkdir()
    now_ms = time.time_ns() // 1_000_000
    async with school(tmp_path / "people", now_ms=now_ms) as world:
        gone = ControlClient(tmp_path / "nobody.sock", "recorder")
        o = await office(world, gone, new_public_id(), (now_ms - 60_000, now_ms - 1_000))
        held = await o.holds.place(o.first, o.camera, *o.span, "Bé ngã", None)
        assert not held.confirmed
        order = await o.copies.request(o.first, o.camera, *o.span, "Bé ngã")
        await o.copies.approve(o.second, order)
        assert [item.state for item in await o.copies.all(o.first)] == ["queued"]
        with pytest.raises(DaemonUnavailable):
            await o.copying.round()
        assert len(await world.access.holds.due()) == 2


async def test_refused_cancelled_and_lifted(tmp_path: Path) -> None:
    """What is refused or cancelled opens nothing and is gone from the recorder; a used hold is lifted only then."""
    async with whole(tmp_path) as (o, box):
        refused = await o.copies.request(o.first, o.camera, *o.span, "Bé ngã")
        with pytest.raises(BadInput):
            await o.copies.end(o.second, refused, "")
        await o.copies.end(o.second, refused, "không đủ lý do")
        (row,) = await o.copies.all(o.first)
        assert (row.state, row.ended_by, row.end_why) == ("refused", "Cô Phó", "không đủ lý do")
        with pytest.raises(NotFound):
            await o.copies.approve(o.second, refused)
        order = await o.copies.request(o.first, o.camera, *o.span, "Bé ngã")
        await o.copies.approve(o.second, order)
        shown = await o.rounds("ready")
        with pytest.raises(BadInput):
            await o.holds.lift(o.first, shown.hold, "xong việc")
        await o.copies.end(o.second, order, "")
        await o.copying.round()
        with pytest.raises(NotFound):
            await o.copies.open(o.first, order)
        assert [item["state"] for item in (await box.call("export.list"))["orders"]] == ["cancelled"]
        await o.holds.lift(o.first, shown.hold, "xong việc")
        assert len((await box.call("hold.list"))["holds"]) == 1
        with pytest.raises(NotFound):
            await o.holds.lift(o.first, shown.hold, "xong việc")
        with pytest.raises(NotFound):
            await o.copies.end(o.first, new_public_id(), "x")


async def test_an_order_nobody_can_make_is_over(tmp_path: Path) -> None:
    """A span without footage, or an approver who may not any more: the order ends with what happened."""
    async with whole(tmp_path) as (o, _):
        empty = (o.span[0] - 90_000, o.span[0] - 80_000)
        order = await o.copies.request(o.first, o.camera, *empty, "Bé ngã")
        await o.copies.approve(o.second, order)
        assert (await o.rounds("failed")).id == order
        o.world.clock.tick(1)
        order = await o.copies.request(o.first, o.camera, *o.span, "Bé ngã")
        await o.copies.approve(o.second, order)
        await o.world.access.people.disable(o.world.actor, o.second.person)
        assert (await o.rounds("cancelled")).id == order


async def test_a_renewed_hold_lasts_longer(tmp_path: Path) -> None:
    """The recorder is told of the new end; a shorter wish changes nothing."""
    async with whole(tmp_path) as (o, box):
        held = await o.holds.place(o.first, o.camera, *o.span, "Bé ngã", 10)
        actor = Actor(o.first.person, o.first.device)
        await o.world.access.holds.renew(actor, held.id, days=60)
        await o.copying.round()
        (told,) = (await box.call("hold.list"))["holds"]
        assert told["until_ms"] == held.until_ms + 50 * 86_400_000
        await o.world.access.holds.renew(actor, held.id, days=1)
        await o.copying.round()
        assert (await box.call("hold.list"))["holds"] == [told]
        for days in (0, 400):
            with pytest.raises(BadInput):
                await o.holds.place(o.first, o.camera, *o.span, "Bé ngã", days)


async def ready_copy(o: Office) -> PublicId:
    order = await o.copies.request(o.first, o.camera, *o.span, "Bé ngã")
    await o.copies.approve(o.second, order)
    await o.rounds("ready")
    return order


async def test_a_download_ends_with_the_right_to_it(tmp_path: Path) -> None:
    """Whoever is disabled, or whose order is cancelled, gets no further chunk of what is on its way."""
    async with whole(tmp_path) as (o, _):
        order = await ready_copy(o)
        going = []
        for caller in (o.first, o.second):
            copy = await o.copies.open(caller, order)
            going.append(copy.read(0, copy.size_bytes))
            assert await anext(going[-1])
        await o.world.access.people.disable(o.world.actor, o.second.person)
        with pytest.raises(Denied):
            await anext(going[1])
        await o.copies.end(o.first, order, "")
        with pytest.raises(NotFound):
            await anext(going[0])


async def test_an_old_order_can_still_be_fetched_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the page does not list it any more."""
    async with whole(tmp_path) as (o, _):
        order = await ready_copy(o)
        monkeypatch.setattr("gateway.access.exports.SHOWN", 0)
        assert await fetched(o, o.second, order)
        await o.copies.end(o.second, order, "xong việc")
        with pytest.raises(NotFound):
            await o.copies.open(o.first, order)


async def test_cancelled_and_lifted_at_once_both_reach_the_recorder(tmp_path: Path) -> None:
    """The lift waits for the cancelled copy, is no error for whoever lifts, and holds up no other hold."""
    async with whole(tmp_path) as (o, box):
        order = await ready_copy(o)
        (held,) = await o.holds.all()
        await o.copies.end(o.first, order, "")
        await o.holds.lift(o.first, held.id, "xong việc")
        other = await o.holds.place(o.second, o.camera, *o.span, "Bé ngã", 5)
        await o.copying.round()
        assert [item["hold"] for item in (await box.call("hold.list"))["holds"]] == [other.id]
        assert await o.copying.holds.due() == []


async def test_a_hold_that_the_recorder_lost_is_placed_again(tmp_path: Path) -> None:
    """Its database came from an older copy: what the page calls held is held, or the page does not say so."""
    async with whole(tmp_path) as (o, box):
        held = await o.holds.place(o.first, o.camera, *o.span, "Bé ngã", 5)
        await box.books.db.write(lambda db: db.execute("DELETE FROM hold"))
        await o.copying.round()
        assert [item["hold"] for item in (await box.call("hold.list"))["holds"]] == [held.id]


async def test_erased_footage_is_not_called_held(tmp_path: Path) -> None:
    """An erasure that lifts the holds takes them off the page, ends the copies, and holds up nothing else."""
    async with whole(tmp_path) as (o, box):
        order = await ready_copy(o)
        erasure = await box.call("erase.start", camera=o.camera, typed="Lớp 1", who="console", lift_holds=True)
        await o.copying.round()
        assert await o.holds.all() == []

        async def done() -> bool:
            return bool((await box.call("erase.status", erasure=erasure["erasure"]))["state"] == "done")

        await box.until(done)
        await o.copying.round()
        (row,) = await o.copies.all(o.first)
        assert (row.id, row.state) == (order, "expired")
        with pytest.raises(NotFound):
            await o.copies.open(o.first, order)
