"""All cameras of the box, the clock, and what the roof hands in."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drivers.adopt import Learned
from drivers.base import LoginMode, StreamInfo
from drivers.gate import GateState
from drivers.rtsp.source import RtspSource
from gateway.core.config import Config, parse_config
from gateway.core.errors import CameraUnreachable, ConfigError, NotFound, VolumeFull
from gateway.core.events import Event
from gateway.core.feedwire import Subscription
from gateway.core.media import Codec
from gateway.core.model import Login, PublicId, RunId, Secret, StreamRole, new_public_id
from gateway.roofs.learning import new_camera
from gateway.roofs.recorder import make_gate, settings, slots, source_of
from recorder.adoption import AdoptOrder
from recorder.camera import State
from recorder.gaps import GapCause
from recorder.holds import read_copied
from recorder.identity import Identity
from recorder.losses import Losses
from recorder.registry import LoginState, StreamSpec
from recorder.retention import Hold
from recorder.rules import Keep, NamedRule, RuleBook
from recorder.runs import Anchor, Run, Step, Told, wall_minus_mono_ms
from tests.fakes.clock import FakeClock
from tests.fakes.recorder_box import RecorderBox, recorder_box
from tests.fakes.recording import books
from tests.fakes.recording import new_camera as learned_camera

pytestmark = pytest.mark.anyio


async def adopt(box: RecorderBox, number: int = 1, *, streams: int = 1) -> PublicId:
    box.learnable[f"10.0.0.{number}"] = learned_camera(number, streams=streams)
    answer = await box.call("adopt", address=f"10.0.0.{number}", port=80, username="admin", password="x")
    return PublicId(answer["camera"]["id"])


async def runs_of(box: RecorderBox) -> list[int]:
    return await box.books.db.read(lambda db: [row[0] for row in db.execute("SELECT id FROM run ORDER BY id")])


async def test_feeds_are_found_by_camera_and_stream(tmp_path: Path) -> None:
    """Whatever is not there is None, for the feed server to say so."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box)
        find = box.recorder.cameras.find_feed
        feed = find(Subscription(camera, StreamRole.MAIN))
        assert feed is not None
        assert (feed.camera, feed.role) == (camera, StreamRole.MAIN)
        assert find(Subscription(camera, StreamRole.SUB)) is None
        assert find(Subscription(new_public_id(), StreamRole.MAIN)) is None
        with pytest.raises(NotFound):
            box.recorder.cameras.get(new_public_id())


async def test_adopted_cameras_run_after_a_restart(tmp_path: Path) -> None:
    """In order of adoption."""
    async with recorder_box(tmp_path) as box:
        ids = [await adopt(box, number) for number in (1, 2, 3)]
        await box.player.wait_for(3)
    async with recorder_box(tmp_path) as box:
        await box.player.wait_for(3)
        assert [task.camera.public_id for task in box.recorder.cameras.all()] == ids
        for task, stream in itertools.product(box.recorder.cameras.all(), range(1)):
            assert box.recorder.cameras.stream(task.streams[stream].stream.id) is task.streams[stream]


@pytest.mark.parametrize(("neighbour_plays", "cause"), [(True, "camera"), (False, "network")])
async def test_a_silent_host_is_judged_by_its_neighbours(tmp_path: Path, neighbour_plays: bool, cause: str) -> None:
    """While another device plays the network is well: the camera's own plug. Nobody plays: the network."""
    async with recorder_box(tmp_path) as box:
        await adopt(box, 1)
        silent = await adopt(box, 2)
        first, second = await box.player.wait_for(1), await box.player.wait_for(2)
        if neighbour_plays:
            first.sink.playing(None)
            await box.until(_plays(box, 0))
        second.fail(CameraUnreachable("x", reason="EHOSTUNREACH"))

        async def causes() -> list[str]:
            gaps = (await box.call("gaps", camera=silent, from_ms=0, to_ms=10**14))["gaps"]
            return [gap["cause"] for gap in gaps]

        assert await box.until(causes) == [cause]


def _plays(box: RecorderBox, number: int) -> Callable[[], Awaitable[bool]]:
    async def plays() -> bool:
        return box.recorder.cameras.all()[number].host.sessions.playing > 0

    return plays


async def test_a_clock_step_cuts_every_run_and_is_journalled(tmp_path: Path) -> None:
    """The next key frame begins a new run; the session goes on."""
    async with recorder_box(tmp_path) as box:
        await adopt(box)
        session = await box.player.wait_for(1)
        await box.show(session, 3)

        async def two() -> bool:
            return len(await runs_of(box)) == 2

        async def one() -> bool:
            return len(await runs_of(box)) == 1

        await box.until(one)
        await box.recorder.cameras.clock_stepped(Step(5_000, became_trusted=False))
        await box.show(session, 3)
        await box.until(two)
        assert len(box.player.sessions) == 1
        events = (await box.call("journal", after=0))["events"]
        steps = [event["data"]["step_ms"] for event in events if event["type"] == "clock.step.v1"]
        assert steps == [5_000]


async def test_footage_of_a_wrong_clock_is_moved_once_it_is_right(tmp_path: Path) -> None:
    """The run and its rows get the step as offset, at once."""
    async with recorder_box(tmp_path) as box:
        await adopt(box)
        session = await box.player.wait_for(1)
        await box.show(session, 12)

        async def indexed() -> list[int]:
            rows = (await box.call("segments", camera=box.recorder.cameras.all()[0].camera.public_id))["segments"]
            return [row["offset_ms"] for row in rows if row["closed"]]

        await box.until(indexed)
        await box.books.db.write(lambda db: db.execute("UPDATE run SET time_trusted = 0"))
        right_ms = wall_minus_mono_ms(box.clock) + 1_000_000
        await box.recorder.cameras.clock_stepped(Step(1_000_000, became_trusted=True, wall_minus_mono_ms=right_ms))

        async def moved() -> bool:
            offsets = await indexed()
            return bool(offsets) and all(abs(found - 1_000_000) <= 2 for found in offsets)

        await box.until(moved)
        assert all(abs(found - 1_000_000) <= 2 for found in (await box.books.runs.offsets()).values())


class OneStep:
    """A watch on the clock that sees one step."""

    def __init__(self, step: Step) -> None:
        self._steps = [step]

    def look(self) -> Step | None:
        return self._steps.pop() if self._steps else None


async def test_a_clock_step_that_cannot_be_written_down_ends_no_camera_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full system disk, then a sick footage disk: cameras go on, the fault is told, the step is not forgotten."""
    async with recorder_box(tmp_path) as box:
        await adopt(box)
        session = await box.player.wait_for(1)
        await box.show(session, 3)
        await box.until(lambda: runs_of(box))
        cameras, journal = box.recorder.cameras, box.books.journal
        tries: list[str] = []

        def failing(what: str, fine: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
            async def once(*args: Any) -> None:
                tries.append(what)
                if tries.count(what) == 1:
                    raise sqlite3.OperationalError(what)
                await fine(*args)

            return once

        async def moved(run: RunId, offset_ms: int) -> None:
            assert offset_ms

        monkeypatch.setattr("recorder.cameras.CORRECT_AFTER_S", (0.0, 0.0))
        note, doomed = journal.note, failing("journal", journal.note)

        async def noted(*events: Event) -> None:  # others write into the journal meanwhile
            await (doomed if events[0].type == "clock.step.v1" else note)(*events)

        monkeypatch.setattr(journal, "note", noted)
        monkeypatch.setattr(cameras, "_set_offset", failing("index", moved))
        await box.books.db.write(lambda db: db.execute("UPDATE run SET time_trusted = 0"))
        right_ms = wall_minus_mono_ms(box.clock) + 1_000_000
        step = Step(1_000_000, became_trusted=True, wall_minus_mono_ms=right_ms)
        monkeypatch.setattr(cameras, "_watch", OneStep(step))

        async def done() -> bool:
            return tries.count("index") == 2

        await box.until(done)
        assert [str(error) for error in box.faults] == ["journal", "index"]
        box.faults.clear()
        await box.show(session, 3)
        assert cameras.all()[0].state is State.UP
        assert not session.over.done()


async def test_a_hold_of_a_camera_covers_all_its_streams(tmp_path: Path) -> None:
    """Retention sees it once per stream."""
    async with books(tmp_path, FakeClock()) as own:
        camera = await own.registry.add(learned_camera())
        row = (new_public_id(), camera.id, 1_000, 2_000, 9_000, new_public_id(), "incident", 5)
        await own.db.write(
            lambda db: db.execute(
                "INSERT INTO hold (public_id, camera_id, start_ms, end_ms, until_ms, who, why, placed_ms)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        )
        held = [item.hold for item in await own.db.read(read_copied)]
    assert held == [Hold(stream.id, 1_000, 2_000, 9_000) for stream in camera.streams]


def _config(tmp_path: Path, volumes: str) -> Config:
    return parse_config(f'[paths]\nstate = "{tmp_path}/state"\nrun = "{tmp_path}/run"\n{volumes}')


async def test_a_box_without_a_disk_does_not_start(tmp_path: Path) -> None:
    """The error names the key and the remedy."""
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        with pytest.raises(ConfigError) as error:
            await slots(_config(tmp_path, ""), own.registry, Losses(clock), clock, None)
    assert error.value.fields["key"] == "volumes"


async def test_each_configured_disk_has_a_slot_and_known_ones_are_not_made(tmp_path: Path) -> None:
    """Order as configured; `create` holds for a path that was never in use."""
    clock = FakeClock()
    volumes = "".join(f'[[volumes]]\npath = "/disk/{name}"\ncreate = true\n' for name in "ab")
    async with books(tmp_path, clock) as own:
        await own.registry.note_volume("/disk/a", new_public_id())
        made = await slots(_config(tmp_path, volumes), own.registry, Losses(clock), clock, None)
        again = await slots(_config(tmp_path, volumes), own.registry, Losses(clock), clock, None)
    assert [(str(slot.options.path), slot.options.create) for slot in made] == [("/disk/a", False), ("/disk/b", True)]
    assert {slot.options.box for slot in made} == {slot.options.box for slot in again}


def test_settings_follow_the_configuration(tmp_path: Path) -> None:
    """Sockets, zone, rule."""
    rules = '[[retention.rules]]\nclasses = ["Mầm 1"]\nsub_days = 3\n'
    found = settings(_config(tmp_path, f"[retention]\ndays = 7\nmax_bytes_per_stream = 5\n{rules}"))
    assert found.control_socket == tmp_path / "run" / "recorder.sock"
    assert found.feed_socket == tmp_path / "run" / "feed.sock"
    assert found.rules == RuleBook(Keep(7, 0, 90, 5), (NamedRule(Keep(sub_days=3), classes=("Mầm 1",)),))
    assert str(found.zone) == "Asia/Ho_Chi_Minh"


def test_what_drivers_learned_becomes_what_is_stored() -> None:
    """Field by field; what the camera did not say is empty."""
    learned = Learned(
        driver="onvif",
        endpoint="urn:uuid:1",
        port=8080,
        serial="S1",
        mac=None,
        manufacturer="Hãng",
        model="M",
        firmware="1",
        name="Lớp",
        streams=(
            StreamInfo(
                StreamRole.MAIN, RtspSource("10.0.0.1", 554, "/a?b=1"), Codec.H265, 2560, 1440, 12.5, 9, 25, "t"
            ),
            StreamInfo(StreamRole.SUB, RtspSource("10.0.0.1", 554, "/s")),
        ),
        clock_skew_ms=5,
        login_mode=LoginMode.DIGEST,
    )
    login = Login("admin", Secret("x"))
    stored = new_camera(learned, AdoptOrder("10.0.0.1", None, login, None))
    assert stored.identity == Identity("urn:uuid:1", "", "S1")
    assert (stored.address, stored.port, stored.login, stored.login_mode) == ("10.0.0.1", 8080, login, "digest")
    main, sub = stored.streams
    assert main == StreamSpec(StreamRole.MAIN, "10.0.0.1", 554, "/a?b=1", "h265", 2560, 1440, 12.5, 9, "t")
    assert sub == StreamSpec(StreamRole.SUB, "10.0.0.1", 554, "/s")
    assert source_of(main) == RtspSource("10.0.0.1", 554, "/a?b=1")
    secret = replace(learned, streams=(StreamInfo(StreamRole.MAIN, RtspSource("10.0.0.1", 322, "/a", tls=True)),))
    (main,) = new_camera(secret, AdoptOrder("10.0.0.1", None, login, None)).streams
    assert source_of(main) == RtspSource("10.0.0.1", 322, "/a", tls=True)


def test_what_is_known_of_a_login_makes_its_gate() -> None:
    """The drivers' gate knows before anything is sent."""
    login = Login("admin", Secret("x"))
    assert make_gate(login, LoginState.REFUSED).state is GateState.REFUSED
    assert make_gate(login, LoginState.ACCEPTED).state is GateState.PROVEN
    assert make_gate(login, LoginState.UNTRIED).state is GateState.UNPROVEN


async def test_a_run_without_a_row_can_be_corrected_later(tmp_path: Path) -> None:
    """Runs of an untrusted clock that ended before it was set are corrected too."""
    async with books(tmp_path, FakeClock()) as own:
        camera = await own.registry.add(learned_camera())
        run = Run(await own.runs.reserve(), camera.streams[0].id, Anchor(5, 0, trusted=False))
        await own.runs.opened(run)
        assert await own.runs.closed(run, 9, GapCause.CAMERA) == Told(0, sure=False)
        assert await own.runs.correct(105) == ((run.id, 100),)


@pytest.mark.parametrize("change", ["move", "replace", "remove"])
async def test_a_change_that_cannot_be_stored_leaves_the_camera_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """The database's disk is full: the camera was stopped for the change, and records on as it was."""

    async def full(*_: object) -> None:
        raise VolumeFull("no space left")

    async with recorder_box(tmp_path) as box:
        camera, cameras = await adopt(box), box.recorder.cameras
        await box.player.wait_for(1)
        monkeypatch.setattr(box.books.registry, change, full)
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "move": lambda: cameras.move(camera, "10.0.0.9", 80),
            "replace": lambda: cameras.replace(camera, learned_camera(2, streams=1)),
            "remove": lambda: cameras.remove(camera),
        }
        with pytest.raises(VolumeFull):
            await calls[change]()
        await box.player.wait_for(2)
        assert box.player.left == 1
        assert cameras.get(camera).camera.about.address == "10.0.0.1"
