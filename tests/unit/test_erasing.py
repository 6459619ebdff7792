"""Erasing for good: keys first, nothing left, nothing else touched, finished after a kill, never what is held."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.core.clock import SystemClock
from gateway.core.errors import BadInput, CameraClosed, NotFound
from gateway.core.model import PublicId, StreamId, new_public_id
from recorder.eraser import count, erase_keys
from recorder.erasures import ErasureBook
from recorder.files import VolumeFiles
from recorder.holdscopy import Copied, encode_holds
from recorder.keystore import KeyStore
from recorder.passphrase import Kdf
from recorder.retention import Hold
from tests.fakes import canary
from tests.fakes.recorder_box import RecorderBox, adopt, recorder_box
from tests.fakes.recording import books

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def school(root: Path) -> AsyncIterator[RecorderBox]:
    """A recorder whose footage is encrypted."""
    (root / "keys").mkdir(exist_ok=True)
    async with recorder_box(root, keys=KeyStore(root / "keys", "box", SystemClock(), kdf=Kdf(64, 1, 1))) as box:
        yield box


async def film(box: RecorderBox, number: int) -> str:
    """Adopt a camera and record the canary from it until its segments are closed."""
    camera = await adopt(box, number, streams=1)
    session = await box.player.wait_for(number)
    await canary.show(session)
    session.fail(CameraClosed("over"))

    async def closed() -> bool:
        rows = (await box.call("segments", camera=camera, closed_only=True))["segments"]
        return bool(sum(row["duration_ms"] for row in rows) >= 11_900)

    await box.until(closed)
    return camera


async def finished(box: RecorderBox, erasure: str) -> dict[str, Any]:
    """Wait for an order's end; return its facts."""

    async def done() -> dict[str, Any] | None:
        status = await box.call("erase.status", erasure=erasure)
        return dict(status["facts"]) if status["state"] == "done" else None

    return dict(await box.until(done))


async def hold(box: RecorderBox, camera: str) -> None:
    """Keep the camera's footage for a while."""
    until_ms = box.clock.now_ms() + 10**9
    await box.call(
        "hold.place", camera=camera, from_ms=0, to_ms=until_ms, until_ms=until_ms, who=new_public_id(), why="ngã"
    )


async def rows(box: RecorderBox, table: str) -> int:
    """Return how many rows a table has."""
    query = f"SELECT count(*) FROM {table}"
    return int((await box.books.db.read(lambda db: db.execute(query).fetchone()))[0])


async def test_one_camera_goes_and_the_other_stays(tmp_path: Path) -> None:
    """Plan, typed name, keys, files, rows and name; the facts say what lay there; the other camera still plays."""
    async with school(tmp_path) as box:
        gone, kept = await film(box, 1), await film(box, 2)
        for name in ("index.db.damaged", "holds.json.damaged"):  # an earlier fault of the disk put them aside
            (tmp_path / "footage" / name).write_bytes(b"rows of both")
        plan = await box.call("erase.plan", camera=gone)
        assert plan["confirm"] == "Lớp 1"
        assert (plan["keys"] >= 1, plan["files"] >= 2, plan["bytes"] > 10_000, plan["holds"]) == (True, True, True, 0)
        order = await box.call("erase.start", camera=gone, typed=" Lớp  1 ", who="console")
        facts = await finished(box, order["erasure"])
        assert [(row["keys"], row["files"], row["bytes"]) for row in facts["volumes"]] == [
            (plan["keys"], plan["files"], plan["bytes"])
        ]
        assert (facts["scope"], facts["camera"], facts["who"]) == ("camera", gone, "console")
        assert not (tmp_path / "footage" / "1").exists()
        assert (tmp_path / "footage" / "2").exists()
        assert [path.name for path in (tmp_path / "footage").glob("*.damaged")] == []
        assert [item["id"] for item in (await box.call("camera.list"))["cameras"]] == [kept]
        assert len((await box.call("segments", camera=kept))["segments"]) >= 2
        with pytest.raises(NotFound):
            await box.call("segments", camera=gone)
        told = (await box.call("journal", after=0, limit=500, wait_ms=0))["events"]
        types = [item["type"] for item in told if item["subject"] == gone]
        assert types[-2:] == ["camera.removed.v1", "footage.erased.v1"]
    left = canary.every_byte(tmp_path)
    assert "Lớp 1".encode() not in left
    assert "Lớp 2".encode() in left


async def test_a_wrong_name_erases_nothing(tmp_path: Path) -> None:
    """Another camera's name, part of it, nothing at all: refused before anything is written."""
    async with school(tmp_path) as box:
        camera = await film(box, 1)
        for typed in ("Lớp 2", "Lớp", "", "lớp 1"):
            with pytest.raises(BadInput):
                await box.call("erase.start", camera=camera, typed=typed, who="console")
        with pytest.raises(BadInput):
            await box.call("erase.start", box=True, typed="Lớp 1", who="console")
        assert await rows(box, "erasure") == 0
        assert len((await box.call("segments", camera=camera))["segments"]) >= 2


async def test_held_footage_goes_only_knowingly(tmp_path: Path) -> None:
    """A hold refuses; lifting it with the order erases, counts it, and the disk's copy of the holds is empty."""
    async with school(tmp_path) as box:
        camera = await film(box, 1)
        await hold(box, camera)
        with pytest.raises(BadInput) as error:
            await box.call("erase.start", camera=camera, typed="Lớp 1", who="console")
        assert error.value.fields["case"] == "erase_held"
        order = await box.call("erase.start", camera=camera, typed="Lớp 1", who="console", lift_holds=True)
        assert (await finished(box, order["erasure"]))["holds_lifted"] == 1
        assert await rows(box, "hold") == 0
    assert '"holds": []' in (tmp_path / "footage" / "holds.json").read_text()


async def test_a_hold_that_a_disk_brought_is_lifted_only_knowingly_and_does_not_come_back(tmp_path: Path) -> None:
    """The database was lost, the disk's copy holds on: the plan counts it, the order refuses, then lifts it for good."""
    async with school(tmp_path) as box:
        camera = await film(box, 1)
        await hold(box, camera)
        await box.recorder.holds.copy()
        carried = (tmp_path / "footage" / "holds.json").read_bytes()
        await box.books.db.write(lambda db: db.execute("DELETE FROM hold"))
        assert json.loads(carried)["holds"]
    (tmp_path / "footage" / "holds.json").write_bytes(carried)
    async with school(tmp_path) as box:
        await box.recorder.holds.copy()
        assert len((await box.call("hold.list"))["found"]) == 1
        assert (await box.call("erase.plan", camera=camera))["holds"] == 1
        with pytest.raises(BadInput) as error:
            await box.call("erase.start", camera=camera, typed="Lớp 1", who="console")
        assert error.value.fields["case"] == "erase_held"
        order = await box.call("erase.start", camera=camera, typed="Lớp 1", who="console", lift_holds=True)
        assert (await finished(box, order["erasure"]))["holds_lifted"] == 1
        assert await rows(box, "found_hold") == 0
    (tmp_path / "footage" / "holds.json").write_bytes(carried)  # a disk that was away still has it
    async with school(tmp_path) as box:
        await box.recorder.holds.copy()
        assert (await box.call("hold.list"))["found"] == []


async def test_the_whole_box_is_also_what_no_database_knows(tmp_path: Path) -> None:
    """Footage of a database that was lost, and the hold on it, which still has to be lifted knowingly."""
    async with school(tmp_path) as box:
        await film(box, 1)
        await box.recorder.eraser.work()
    (tmp_path / "footage" / "1").rename(tmp_path / "footage" / "77")
    held = Copied(new_public_id(), Hold(StreamId(77), 1, 2, 1 << 50))
    (tmp_path / "footage" / "holds.json").write_bytes(encode_holds([held]))
    async with school(tmp_path) as box:
        await box.recorder.holds.copy()
        plan = await box.call("erase.plan", box=True)
        assert (plan["files"] >= 2, plan["holds"]) == (True, 1)
        with pytest.raises(BadInput):
            await box.call("erase.start", box=True, typed=plan["confirm"], who="console")
        order = await box.call("erase.start", box=True, typed=plan["confirm"], who="console", lift_holds=True)
        (volume,) = (await finished(box, order["erasure"]))["volumes"]
        assert volume["files"] == plan["files"]
        assert [path.name for path in (tmp_path / "footage").iterdir() if path.name.isdigit()] == []


async def test_a_camera_adopted_while_the_box_waits_to_be_erased_is_not_part_of_it(tmp_path: Path) -> None:
    """The order is about what there was: the new camera plays on and keeps its footage. Nothing erased can be held."""
    async with school(tmp_path) as box:
        old = await film(box, 1)
        (tmp_path / "footage").rename(tmp_path / "unplugged")
        store, eraser = box.recorder._parts.store, box.recorder.eraser
        await store.look(_nothing)
        plan = await box.call("erase.plan", box=True)
        order = await box.call("erase.start", box=True, typed=plan["confirm"], who="console")
        await eraser.work()
        with pytest.raises(BadInput) as refused:
            await hold(box, old)
        assert refused.value.fields["key"] == "camera"
        camera = await adopt(box, 2, streams=1)
        await box.player.wait_for(2)
        await eraser.work()
        (tmp_path / "unplugged").rename(tmp_path / "footage")
        await store.look(_nothing)
        await finished(box, order["erasure"])
        assert [item["id"] for item in (await box.call("camera.list"))["cameras"]] == [camera]
        assert box.recorder.cameras.get(PublicId(camera)) is not None
        with pytest.raises(NotFound):
            await box.call("erase.plan", camera=old)


async def test_the_whole_box(tmp_path: Path) -> None:
    """Every camera, also a removed one, and the school's keys; the box records on as a new one with a new key."""
    async with school(tmp_path) as box:
        await film(box, 1)
        await box.call("camera.remove", camera=await film(box, 2))
        before = (tmp_path / "keys" / "footage.key").read_bytes()
        plan = await box.call("erase.plan", box=True)
        assert len(plan["confirm"]) == 16
        order = await box.call("erase.start", box=True, typed=plan["confirm"], who="console")
        assert (await finished(box, order["erasure"]))["scope"] == "box"
        for table in ("camera", "stream", "run", "gap", "hold"):
            assert await rows(box, table) == 0, table
        assert [path.name for path in (tmp_path / "footage").iterdir() if path.name.isdigit()] == []
        assert (await box.call("key.status"))["unlocked"] is True
    assert before not in canary.every_byte(tmp_path / "keys")


async def test_a_key_is_overwritten_before_it_is_unlinked(tmp_path: Path) -> None:
    """Whoever keeps the file open sees zeros: the wrapped key is not left in the blocks by the unlinking alone."""
    async with school(tmp_path) as box:
        await film(box, 1)
        (key,) = (tmp_path / "footage" / "1").rglob("key")
        with key.open("rb", buffering=0) as still_open:
            assert still_open.read(4) == b"VKEY"
            slot = box.recorder._parts.store.slots[0]
            erase_keys(slot.require(), [StreamId(1)])
            still_open.seek(0)
            assert not any(still_open.read())
        assert not key.exists()


async def test_a_kill_in_the_middle_is_finished_at_the_next_start(tmp_path: Path) -> None:
    """Killed when the keys were gone and the files not: the next start ends it and tells what lay there at first;
    what is left in between opens for nobody, because the keys go first.
    """
    async with school(tmp_path) as box:
        camera = await film(box, 1)
        plan = await box.call("erase.plan", camera=camera)
    async with recorder_box_dead(tmp_path) as (book, files):
        erasure = await book.order(PublicId(camera), "console", 1, lift_holds=False)
        await book.counted(erasure, PublicId(await _marker(tmp_path)), count(files, [StreamId(1)]))
    for key in (tmp_path / "footage" / "1").rglob("key"):
        key.unlink()
    async with school(tmp_path) as box:
        facts = await finished(box, erasure.id)
        assert [(row["keys"], row["files"]) for row in facts["volumes"]] == [(plan["keys"], plan["files"])]
        assert not (tmp_path / "footage" / "1").exists()
        assert await rows(box, "camera") == 0
        assert await rows(box, "stream") == 0


@asynccontextmanager
async def recorder_box_dead(root: Path) -> AsyncIterator[tuple[ErasureBook, VolumeFiles]]:
    """The book and the disk of a recorder that does not run."""
    async with books(root, SystemClock()) as own:
        files = VolumeFiles(root / "footage")
        try:
            yield ErasureBook(own.db, own.journal), files
        finally:
            files.close_root()


async def _marker(root: Path) -> str:
    return str(json.loads((root / "footage" / ".vuon-volume.json").read_text())["volume"])


async def test_a_disk_that_is_away_keeps_the_order_waiting(tmp_path: Path) -> None:
    """An order is not done while a configured disk is not there; it is when that comes back."""
    async with school(tmp_path) as box:
        camera = await film(box, 1)
        (tmp_path / "footage").rename(tmp_path / "unplugged")
        store, eraser = box.recorder._parts.store, box.recorder.eraser
        await store.look(_nothing)
        order = await box.call("erase.start", camera=camera, typed="Lớp 1", who="console")
        await eraser.work()
        status = await box.call("erase.status", erasure=order["erasure"])
        assert (status["state"], status["facts"]["done_ms"]) == ("ordered", None)
        (tmp_path / "unplugged").rename(tmp_path / "footage")
        await store.look(_nothing)
        facts = await finished(box, order["erasure"])
        assert (facts["done_ms"] is not None, facts["not_there"]) == (True, [])
        assert not (tmp_path / "footage" / "1").exists()


async def _nothing() -> None:
    """Nobody chooses a disk anew."""


async def test_a_disk_that_was_given_up_is_named(tmp_path: Path) -> None:
    """A disk that the configuration has no more does not hold the order up; the proof says that it was not erased."""
    async with school(tmp_path) as box:
        camera, gone = await film(box, 1), new_public_id()
        await box.books.registry.note_volume("/another/disk", gone)
        order = await box.call("erase.start", camera=camera, typed="Lớp 1", who="console")
        assert (await finished(box, order["erasure"]))["not_there"] == [gone]


async def test_an_unknown_order_is_not_found(tmp_path: Path) -> None:
    """An id that names nothing, and one that is no id."""
    async with school(tmp_path) as box:
        with pytest.raises(NotFound):
            await box.call("erase.status", erasure=new_public_id())
        with pytest.raises(BadInput):
            await box.call("erase.status", erasure="x")
        with pytest.raises(NotFound):
            await box.call("erase.plan", camera=new_public_id())


async def test_the_schools_key_goes_at_once_while_a_disk_is_away(tmp_path: Path) -> None:
    """A stolen disk cannot be emptied: what opens it is taken away first, once; what is adopted since stays."""
    async with school(tmp_path) as box:
        await film(box, 1)
        before = (tmp_path / "keys" / "footage.key").read_bytes()
        (tmp_path / "footage").rename(tmp_path / "stolen")
        store = box.recorder._parts.store
        await store.look(_nothing)
        plan = await box.call("erase.plan", box=True)
        order = await box.call("erase.start", box=True, typed=plan["confirm"], who="console")

        async def gone() -> bool:
            query = "SELECT keys_gone FROM erasure"
            return bool((await box.books.db.read(lambda db: db.execute(query).fetchone()))[0])

        await box.until(gone)
        assert (await box.call("erase.status", erasure=order["erasure"]))["state"] == "ordered"
        fresh = (tmp_path / "keys" / "footage.key").read_bytes()
        assert before not in canary.every_byte(tmp_path / "keys")
        new = await adopt(box, 2, streams=1)
        (erasure,) = await box.recorder.erasures.pending()
        assert await box.recorder.eraser._disks(erasure) is False
        assert [task.camera.public_id for task in box.recorder.cameras.all()] == [new]
        (tmp_path / "stolen").rename(tmp_path / "footage")
        await store.look(_nothing)
        await finished(box, order["erasure"])
        assert (tmp_path / "keys" / "footage.key").read_bytes() == fresh
        assert [item["id"] for item in (await box.call("camera.list"))["cameras"]] == [new]
