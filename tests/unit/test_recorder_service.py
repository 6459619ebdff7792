"""The recorder's control calls, over its real socket."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import pytest

from gateway.core.clock import SystemClock
from gateway.core.errors import (
    BadInput,
    CameraClosed,
    CameraLoginRefused,
    CameraUnreachable,
    CameraUnsupported,
    NotFound,
)
from recorder.discovery import FoundCamera
from recorder.service_status import day_start_ms
from recorder.slot import Slot
from tests.fakes.h264 import clip
from tests.fakes.recorder_box import adopt, recorded, recorder_box
from tests.fakes.recording import books, new_camera

pytestmark = pytest.mark.anyio


async def test_adoption_takes_what_the_driver_learned(tmp_path: Path) -> None:
    """The order carries login, port and what the search said; the answer carries no login."""
    async with recorder_box(tmp_path) as box:
        box.found = [FoundCamera("urn:uuid:1", "10.0.0.1", 80, "", "", mac="02:00:00:00:00:01")]
        await box.call("discover")
        box.learnable["10.0.0.1"] = new_camera()
        answer = await box.client.call(
            "adopt", {"address": "10.0.0.1", "port": 80, "username": "admin", "password": "x-secret", "name": "Sân"}
        )
        (order,) = box.orders
        assert (order.address, order.port, order.endpoint) == ("10.0.0.1", 80, "urn:uuid:1")
        assert order.login is not None
        assert order.login.password.reveal() == "x-secret"
        assert answer.result["camera"]["name"] == "Sân"
        assert [item["stream"] for item in answer.result["camera"]["streams"]] == ["main", "sub"]
        assert "x-secret" not in str(answer.result)
        await box.player.wait_for(1)


@pytest.mark.parametrize("error", [CameraLoginRefused("no"), CameraUnreachable("no"), CameraUnsupported("no")])
async def test_a_failed_adoption_is_told_and_leaves_nothing(tmp_path: Path, error: Exception) -> None:
    """The caller gets the driver's error."""
    async with recorder_box(tmp_path) as box:
        box.learnable["10.0.0.1"] = error  # type: ignore[assignment]  # one of the CameraErrors above
        with pytest.raises(type(error)):
            await box.call("adopt", address="10.0.0.1")
        assert (await box.call("camera.list"))["cameras"] == []
        assert box.player.sessions == []


async def test_a_known_camera_is_not_asked_again(tmp_path: Path) -> None:
    """Adopting what the search showed as ours sends no login."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box)
        box.found = [FoundCamera("urn:uuid:1", "10.0.0.1", 80, "", "")]
        await box.call("discover")
        with pytest.raises(BadInput) as refusal:
            await adopt(box)
        assert refusal.value.fields["camera"] == camera
        assert len(box.orders) == 1


async def test_rename_remove_and_login_go_through(tmp_path: Path) -> None:
    """Each shows in the list; unknown and malformed ids are refused."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box, streams=1)
        session = await box.player.wait_for(1)
        assert (await box.call("camera.rename", camera=camera, name="Bếp"))["camera"]["name"] == "Bếp"
        session.fail(CameraLoginRefused("no"))

        async def refused() -> bool:
            return bool((await box.camera())["state"] == "login_refused")

        await box.until(refused)
        await box.call("camera.login", camera=camera, username="admin", password="neu")
        again = await box.player.wait_for(2)
        assert again.gate.login.password.reveal() == "neu"
        await box.call("camera.remove", camera=camera)
        assert box.player.left == 2
        assert (await box.call("camera.list"))["cameras"] == []
        (gone,) = (await box.call("camera.list", removed=True))["cameras"]
        assert gone["name"] == "Bếp"
        assert gone["removed_ms"] is not None
        for method in ("camera.rename", "camera.remove", "camera.login"):
            with pytest.raises(NotFound):
                await box.call(method, camera=camera, name="x", username="x", password="x")
            with pytest.raises(BadInput):
                await box.call(method, camera="../../etc", name="x", username="x")


async def test_an_empty_user_is_no_login(tmp_path: Path) -> None:
    """A changed login needs a name; texts have a bound."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box)
        with pytest.raises(BadInput):
            await box.call("camera.login", camera=camera, username="", password="x")
        with pytest.raises(BadInput):
            await box.call("camera.login", camera=camera, username="x" * 300, password="x")


async def test_status_shows_a_recording_camera(tmp_path: Path) -> None:
    """Up, connected, recording, with the figures of the contract."""
    async with recorder_box(tmp_path) as box:
        await adopt(box, streams=1)
        session = await box.player.wait_for(1)
        session.sink.playing(None)
        await box.show(session, 6)

        async def recording() -> bool:
            camera = await box.camera()
            return bool(camera["recording"] and camera["state"] == "up")  # the books follow the pictures

        await box.until(recording)
        status = await box.call("status")
        (camera,) = status["cameras"]
        assert (camera["state"], camera["why"], camera["connected"]) == ("up", "", True)
        assert camera["gaps_today"] == 0
        (stream,) = camera["streams"]
        assert (stream["stream"], stream["codec"], stream["width"], stream["height"]) == ("main", "h264", 320, 240)
        assert stream["run"] == 1
        assert stream["last_segment_ms"] is not None
        (volume,) = status["volumes"]
        assert volume["state"] == "ok"
        assert 0 < volume["free_bytes"] <= volume["total_bytes"]
        assert status["totals"]["recording"] == 1
        assert status["daemon"]["name"] == "vuon-recorder"


async def test_status_counts_the_gaps_of_today(tmp_path: Path) -> None:
    """A camera that is down has one, which grows."""
    async with recorder_box(tmp_path) as box:
        await adopt(box, streams=1)
        (await box.player.wait_for(1)).fail(CameraUnreachable("no"))

        async def down() -> bool:
            return bool((await box.camera())["state"] == "down")

        await box.until(down)
        camera = await box.camera()
        assert camera["why"] == "camera_unreachable"
        assert camera["gaps_today"] == 1
        assert camera["recording"] is False


def test_the_day_begins_at_the_sites_midnight() -> None:
    """Not at UTC's."""
    zone = ZoneInfo("Asia/Ho_Chi_Minh")
    at = dt.datetime(2026, 11, 22, 3, 30, tzinfo=zone)
    start = dt.datetime.fromtimestamp(day_start_ms(int(at.timestamp() * 1000), zone) / 1000, zone)
    assert start == dt.datetime(2026, 11, 22, tzinfo=zone)


async def test_the_journal_is_read_by_cursor(tmp_path: Path) -> None:
    """With the journal's id, after a sequence number, up to a limit."""
    async with recorder_box(tmp_path) as box:
        await adopt(box, 1)
        await adopt(box, 2)
        first = await box.call("journal", after=0, limit=1)
        rest = await box.call("journal", after=first["events"][0]["seq"])
        assert first["stream"] == rest["stream"] == box.books.journal.id
        assert [event["type"] for event in first["events"]] == ["camera.adopted.v1"]
        assert rest["events"][0]["seq"] == first["events"][0]["seq"] + 1
        with pytest.raises(BadInput):
            await box.call("journal", after="x")


async def test_leaving_closes_every_segment_and_says_why(tmp_path: Path) -> None:
    """A camera that records when the recorder stops has a gap `recorder_stopped` at the next start."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box, streams=1)
        await box.show(await box.player.wait_for(1), 3)
        await anyio.sleep(0.1)
    assert not list((tmp_path / "footage").rglob("*.part"))
    assert len(list((tmp_path / "footage").rglob("*.seg"))) == 1
    async with recorder_box(tmp_path) as box:
        (gap,) = (await box.call("gaps", camera=camera))["gaps"]
    assert gap["cause"] == "recorder_stopped"


@pytest.mark.parametrize("waits", [False, True], ids=["nothing_waits", "pictures_wait"])
async def test_a_disk_that_comes_late_tells_what_the_power_cut_cost(tmp_path: Path, *, waits: bool) -> None:
    """Missing from the last footage to the start with cause power, then for want of a disk; nothing twice.

    Also when what the camera showed meanwhile is written the moment the disk is there.
    """
    footage, away = tmp_path / "footage", tmp_path / "away"
    async with recorder_box(tmp_path) as box:
        camera, _, end_ms = await recorded(box, 6)
        await box.books.db.write(lambda db: db.execute("DELETE FROM gap"))
        await box.books.db.write(lambda db: db.execute("UPDATE run SET ended_ms = NULL, boot_id = 'another'"))
        await box.books.db.write(lambda db: db.execute("UPDATE fact SET value = 'another' WHERE name = 'boot_id'"))
    async with books(tmp_path, SystemClock()) as own:
        await own.db.write(lambda db: db.execute("DELETE FROM gap"))
    footage.rename(away)
    footage.touch()
    async with recorder_box(tmp_path) as box:
        session = await box.player.wait_for(1)
        if waits:
            await anyio.sleep(1.2)
            await box.show(session, 1)
            session.fail(CameraClosed("over"))
            slot = box.recorder._parts.store.slots[0]
            await box.until(lambda: waiting_bytes(slot))

            async def came() -> None:
                await box.until(lambda: written(slot))
                await box.recorder.accounts.disk_came()

            footage.unlink()
            away.rename(footage)
            await box.recorder._parts.store.look(came)
        else:
            footage.unlink()
            away.rename(footage)

        async def told() -> list[dict[str, Any]]:
            rows = (await box.call("gaps", camera=camera))["gaps"]
            return list(rows) if rows and rows[0]["start_ms"] == end_ms else []

        first, second, *_ = await box.until(told)
        assert (first["cause"], second["cause"], second["open"]) == ("power", "power", not waits)
        assert first["end_ms"] == second["start_ms"]
        if not waits:
            session.fail(CameraClosed("over"))


async def waiting_bytes(slot: Slot) -> int:
    return slot.backlog.waiting_bytes


async def written(slot: Slot) -> int:
    return slot.require().writer.statistics().written_bytes


async def test_after_a_kill_footage_of_an_hour_that_is_yet_to_come_hides_no_hole(tmp_path: Path) -> None:
    """The clock was ahead for a while: the gap begins at the last footage before now, not now."""
    async with recorder_box(tmp_path) as box:
        camera, _, end_ms = await recorded(box, 6)
    async with recorder_box(tmp_path) as box:
        ahead = replace(clip(count=40).unit(0, time.monotonic_ns() + 3_600_000_000_000), is_key=True)
        session = await box.player.wait_for(1)
        session.sink.unit(ahead)
        await anyio.sleep(0.1)
    async with books(tmp_path, SystemClock()) as own:
        await own.db.write(lambda db: db.execute("DELETE FROM gap"))
    async with recorder_box(tmp_path) as box:
        rows = (await box.call("segments", camera=camera))["segments"]
        assert rows[-1]["start_ms"] > end_ms + 3_000_000
        (gap,) = (await box.call("gaps", camera=camera))["gaps"]
    assert (gap["start_ms"], gap["cause"]) == (end_ms, "recorder_restart")


async def test_disks_are_listed_and_accepted_over_the_socket(tmp_path: Path) -> None:
    """What lies at each place, what it says and what waits for it; accepting what works is no error, another number is."""
    async with recorder_box(tmp_path) as box:
        (volume,) = (await box.call("volumes"))["volumes"]
        assert (volume["path"], volume["state"], volume["why"]) == (str(tmp_path / "footage"), "ok", "")
        assert len(volume["id"]) == 16
        assert (await box.call("status"))["volumes"][0]["id"] == volume["id"]
        assert (await box.call("volume.accept", volume=1))["volume"]["id"] == volume["id"]
        with pytest.raises(NotFound):
            await box.call("volume.accept", volume=2)
