"""Settings of cameras over the recorder's socket: plan, apply, book, undo."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from gateway.core.clock import SystemClock
from gateway.core.errors import BadInput, CameraUnreachable, NotFound
from gateway.core.model import Login, PublicId, Secret
from gateway.core.secrets import SealKey
from recorder.registry import StreamSpec
from recorder.settingbook import KEEP_ORDERS, SettingBook
from recorder.settings import SettingChange, SettingOutcome
from tests.fakes.recorder_box import RecorderBox, adopt, recorder_box
from tests.fakes.recording import Books, books, new_camera

pytestmark = pytest.mark.anyio
GOP = SettingChange("main.gop", "100", "30")
AUDIO = SettingChange("audio", "main=a0", "off")
SMART = SettingChange("codec.smart", "", "off", "not_offered")
OWN = SettingChange("user.own", "admin", "vuon")
FACTORY = SettingChange("user.factory", "", "random")
OURS = Login("vuon", Secret("Abcdefgh12345678"))


def brief(answer: dict[str, Any]) -> list[tuple[str, str, bool]]:
    return [(item["setting"], item["now"], item["applied"]) for item in answer["outcomes"]]


async def events(box: RecorderBox) -> list[dict[str, Any]]:
    rows = await box.books.journal.read(0, 1000)
    return [row["data"] for row in rows if row["type"] == "camera.settings.v1"]


async def test_a_plan_changes_nothing(tmp_path: Path) -> None:
    """It says before, after and what is blocked; neither book nor journal know of it."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box)
        box.setter.plans = [SMART, GOP]
        answer = await box.call("camera.plan", camera=camera)
        assert answer["changes"] == [
            {"setting": "codec.smart", "before": "", "after": "off", "blocked": "not_offered"},
            {"setting": "main.gop", "before": "100", "after": "30", "blocked": ""},
        ]
        assert (await box.call("camera.settings", camera=camera))["changes"] == []
        assert await events(box) == []


async def test_an_order_is_made_booked_and_told(tmp_path: Path) -> None:
    """Each outcome as read back, who asked, one event; the streams are restated."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box)
        spec = new_camera().streams[0]
        box.setter.plans = [SMART, GOP, AUDIO]
        box.setter.reads = {"audio": "main=a0"}
        box.setter.streams = (StreamSpec(spec.role, spec.host, spec.port, spec.path, "h265", 640, 360, 12.5, 9_000),)
        answer = await box.call("camera.apply", camera=camera, who="principal")
        assert brief(answer) == [("codec.smart", "", False), ("main.gop", "30", True), ("audio", "main=a0", False)]
        newest, older = (await box.call("camera.settings", camera=camera))["changes"]
        assert (older["setting"], older["before"], older["after"], older["read_back"]) == (
            "main.gop",
            "100",
            "30",
            "30",
        )
        assert (older["applied"], newest["applied"], newest["why"]) == (True, False, "ignored")
        assert older["who"].startswith("principal (uid ")
        assert await events(box) == [{"camera": camera, "action": "apply", "applied": 1, "failed": 1}]
        (row,) = (await box.call("camera.list"))["cameras"]
        assert (row["streams"][0]["codec"], row["streams"][0]["fps"]) == ("h265", 12.5)
        assert row["streams"][1]["codec"] == "h264"


async def test_chosen_settings_and_masks_go_through(tmp_path: Path) -> None:
    """What is asked for is what the setter hears."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box)
        await box.call("camera.apply", camera=camera, settings=["main.gop"], masks=[[[-1, -1], [0, 0], [0.5, 1]]])
        (wish,) = box.setter.wishes
        assert wish.keys == {"main.gop"}
        assert wish.masks == (((-1.0, -1.0), (0.0, 0.0), (0.5, 1.0)),)


@pytest.mark.parametrize(
    "params",
    [
        {"settings": "main.gop"},
        {"settings": [1]},
        {"settings": ["x"] * 65},
        {"masks": [[[0, 0], [1, 1]]]},
        {"masks": [[[0, 0], [1, 1], [2, 0]]]},
        {"masks": [[[0, 0], [1, 1], ["a", 0]]]},
        {"masks": [[[0, 0], [1, 1], [True, 0]]]},
        {"masks": {"a": 1}},
        {"who": 5},
        {"camera": "nobody"},
    ],
)
async def test_a_wish_that_is_none_is_refused(tmp_path: Path, params: dict[str, object]) -> None:
    """Before any camera hears of it."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box)
        with pytest.raises(BadInput):
            await box.client.call("camera.apply", {"camera": camera, **params})
        assert box.setter.wishes == []


async def test_undo_takes_the_newest_order_back_then_the_one_before(tmp_path: Path) -> None:
    """Only what was applied, to what it was before; then there is nothing left."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box)
        box.setter.plans = [GOP]
        await box.call("camera.apply", camera=camera)
        box.setter.plans, box.setter.reads = [SettingChange("main.gop", "30", "20"), AUDIO], {"audio": "main=a0"}
        await box.call("camera.apply", camera=camera)
        box.setter.reads = {}
        assert brief(await box.call("camera.undo", camera=camera)) == [("main.gop", "30", True)]
        assert brief(await box.call("camera.undo", camera=camera)) == [("main.gop", "100", True)]
        with pytest.raises(NotFound):
            await box.client.call("camera.undo", {"camera": camera})
        assert [item["action"] for item in await events(box)] == ["apply", "apply", "undo", "undo"]
        assert all(
            row["undone_ms"] for row in (await box.call("camera.settings", camera=camera))["changes"] if row["applied"]
        )


async def test_what_an_undo_could_not_take_back_stays_open(tmp_path: Path) -> None:
    """It can be tried again."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box)
        box.setter.plans = [GOP, AUDIO]
        await box.call("camera.apply", camera=camera)
        box.setter.reads = {"main.gop": "30"}
        assert brief(await box.call("camera.undo", camera=camera)) == [
            ("main.gop", "30", False),
            ("audio", "main=a0", True),
        ]
        box.setter.reads = {}
        assert brief(await box.call("camera.undo", camera=camera)) == [("main.gop", "100", True)]


async def test_an_order_that_was_cut_off_can_be_taken_back(tmp_path: Path) -> None:
    """It is in the book before the camera is asked, as unknown."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box)
        box.setter.plans, box.setter.breaks = [GOP], CameraUnreachable("gone")
        with pytest.raises(CameraUnreachable):
            await box.client.call("camera.apply", {"camera": camera})
        (row,) = (await box.call("camera.settings", camera=camera))["changes"]
        assert (row["applied"], row["read_back"]) == (None, None)
        box.setter.breaks = None
        assert brief(await box.call("camera.undo", camera=camera)) == [("main.gop", "100", True)]


async def test_our_own_login_is_stored_used_and_given_back(tmp_path: Path) -> None:
    """The streams open with the new login at once; undo has the old one, and then nothing of it is left."""
    async with recorder_box(tmp_path) as box:
        box.player.plays_at_once = True
        camera = await adopt(box, streams=1)
        await box.player.wait_for(1)
        box.setter.plans, box.setter.makes = [OWN], OURS
        await box.call("camera.apply", camera=camera)
        assert (await box.player.wait_for(2)).gate.login == OURS
        (known,) = await box.books.registry.cameras()
        assert known.about.login == OURS
        box.setter.makes = None
        assert brief(await box.call("camera.undo", camera=camera)) == [("user.own", "admin", True)]
        back = Login("admin", Secret("Mat-khau 1"))
        assert box.setter.formers == [back]
        box.setter.plans, box.setter.makes = [OWN], OURS
        (known,) = await box.books.registry.cameras()
        assert await own_book(box.books).former(known) == back, "the fake gave no login back"
        await box.call("camera.remove", camera=camera)
        assert await own_book(box.books).former(known) is None


async def test_the_login_of_before_is_sent_no_more(tmp_path: Path) -> None:
    """Whoever was asking the camera by it (events, the doctor) would cost bad logins once its user is gone."""
    async with recorder_box(tmp_path) as box:
        box.player.plays_at_once = True
        camera = await adopt(box, streams=1)
        old = (await box.player.wait_for(1)).gate
        old.pin = (await box.books.registry.note_pin(PublicId(camera), "a" * 64)).about.tls_pin
        box.setter.plans, box.setter.makes = [OWN], OURS
        await box.call("camera.apply", camera=camera)
        new = (await box.player.wait_for(2)).gate
        assert (old.retired, new.retired) == (True, False)
        assert new.pin == "a" * 64, "no person vouched for another camera"


async def test_a_lost_login_does_not_stand_in_the_way_of_an_undo(tmp_path: Path) -> None:
    """Nobody knows the login of before: that is told once, and everything else is taken back."""
    async with recorder_box(tmp_path) as box:
        box.player.plays_at_once = True
        camera = await adopt(box)
        (known,) = await box.books.registry.cameras()
        box.setter.plans, box.setter.makes = [OWN, GOP], OURS
        await box.call("camera.apply", camera=camera)
        await own_book(box.books).forget_former(known)
        undone = await box.call("camera.undo", camera=camera)
        assert [(o["setting"], o["before"], o["after"], o["why"]) for o in undone["outcomes"]] == [
            ("main.gop", "30", "100", ""),
            ("user.own", "vuon", "admin", "no_former_login"),
        ]
        with pytest.raises(NotFound):
            await box.client.call("camera.undo", {"camera": camera})


def own_book(own: Books) -> SettingBook:
    return SettingBook(own.db, SealKey(b"k" * 32), own.journal, SystemClock())


async def test_a_login_given_back_is_not_kept_twice(tmp_path: Path) -> None:
    """When the former login is in use again, it is the former one no more."""
    async with recorder_box(tmp_path) as box:
        box.player.plays_at_once = True
        camera = await adopt(box)
        (known,) = await box.books.registry.cameras()
        box.setter.plans, box.setter.makes = [OWN], OURS
        await box.call("camera.apply", camera=camera)
        box.setter.makes = Login("admin", Secret("Mat-khau 1"))
        await box.call("camera.undo", camera=camera)
        assert await own_book(box.books).former(known) is None
        (known,) = await box.books.registry.cameras()
        assert known.about.login == box.setter.makes


async def test_the_factory_password_is_in_one_answer_only(tmp_path: Path) -> None:
    """Not in the book, not in the journal, not in the database; and it cannot be taken back."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box)
        (known,) = await box.books.registry.cameras()
        await own_book(box.books).keep_former(known, Login("admin", Secret("factory")))
        box.setter.plans, box.setter.shows = [GOP, FACTORY], Login("admin", Secret("Shown-once-123456"))
        answer = await box.client.call("camera.apply", {"camera": camera})
        assert answer.result["factory_login"] == {"username": "admin", "password": "Shown-once-123456"}
        assert await own_book(box.books).former(known) is None, "the password of before is worthless now"
        box.setter.shows = None
        undone = await box.call("camera.undo", camera=camera)
        assert brief(undone) == [("main.gop", "100", True), ("user.factory", "random", False)]
        assert undone["outcomes"][1]["why"] == "no_former_login"
        with pytest.raises(NotFound):
            await box.client.call("camera.undo", {"camera": camera})
        assert "Shown-once" not in str(await box.call("camera.settings", camera=camera))
    assert b"Shown-once" not in b"".join(path.read_bytes() for path in tmp_path.glob("cameras.db*"))


async def test_the_book_stays_small(tmp_path: Path) -> None:
    """The oldest orders of a camera go; those of another camera stay."""
    async with books(tmp_path, SystemClock()) as own:
        one, other = await own.registry.add(new_camera(1)), await own.registry.add(new_camera(2))
        book = own_book(own)
        await book.begin(other, "x", [GOP])
        order = 0
        for _ in range(KEEP_ORDERS + 5):
            order = await book.begin(one, "x", [GOP])
        await book.complete(one, order, [SettingOutcome(GOP, applied=True, now="30")])
        count = await own.db.read(
            lambda c: c.execute(
                "SELECT count(DISTINCT order_id) FROM setting_change WHERE camera_id = ?", (one.id,)
            ).fetchone()[0]
        )
        assert count == KEEP_ORDERS
        assert await book.last(other) is not None


async def test_sealed_logins_belong_to_their_camera(tmp_path: Path) -> None:
    """The former login is no clear text on disk, and the older one is the camera's own."""
    async with books(tmp_path, SystemClock()) as own:
        camera = await own.registry.add(new_camera(1))
        book = own_book(own)
        await book.keep_former(camera, Login("admin", Secret("Sealed-away-1")))
        await book.keep_former(camera, OURS)
        assert await book.former(camera) == Login("admin", Secret("Sealed-away-1"))
    assert b"Sealed-away" not in b"".join(path.read_bytes() for path in tmp_path.glob("cameras.db*"))


async def test_an_older_database_gets_the_book(tmp_path: Path) -> None:
    """Whichever of the younger migrations came first: what was there stays, what is missing is made."""
    async with books(tmp_path, SystemClock()) as own:
        camera = await own.registry.add(new_camera(1))
        await own.db.write(_without_the_book)
    async with books(tmp_path, SystemClock()) as own:
        assert [known.public_id for known in await own.registry.cameras()] == [camera.public_id]
        book = own_book(own)
        await book.begin(camera, "x", [GOP])
        assert await book.last(camera) is not None


def _without_the_book(connection: sqlite3.Connection) -> None:
    for what in ("TRIGGER former_login_forgotten", "TABLE setting_change", "TABLE former_login"):
        connection.execute(f"DROP {what}")
    connection.execute("DELETE FROM _sqlite_migrations WHERE name = 'm0003'")
