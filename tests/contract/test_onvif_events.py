"""A camera's events through the real driver, under every quirk that event services have in the field."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from drivers.base import CameraEvent, EventKind
from drivers.gate import LoginGate
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.memory import PullFile
from drivers.onvif.pace import CallPool
from drivers.onvif.pullpoint import PULL_LEAST_S, PULL_MOST_S, REFUSED_LEAST_S, Subscription
from drivers.onvif.transport import Limits
from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.farm import QUICK, Farm, FarmWorld
from drivers.simulated.faults import Quirks
from gateway.core.clock import SystemClock
from gateway.core.errors import CameraLoginRefused, CameraOverloaded
from gateway.core.model import Login, Secret
from gateway.roofs.listening import Ears
from gateway.roofs.onvifvisits import OnvifVisits
from tests.fakes.clock import HastyClock
from tests.fakes.recording import books, new_camera
from tests.fakes.waiting import until

pytestmark = pytest.mark.anyio
HANG_S = 60
PASSWORD = "Mầm-non-2026"
INPUT = "tns1:Device/Trigger/DigitalInput"


@contextlib.asynccontextmanager
async def one_camera(quirks: Quirks | None = None) -> AsyncIterator[SimulatedCamera]:
    """A simulated camera that behaves like this."""
    adjust = lambda options: replace(options, quirks=quirks or Quirks())
    options = replace(QUICK, seed=uuid4().hex, discovery=False)
    async with Farm(1, password=PASSWORD, base="127.0.1.161", options=options, world=FarmWorld(adjust=adjust)) as farm:
        yield farm.cameras[0]


def gate(password: str = PASSWORD) -> LoginGate:
    return LoginGate(Login("admin", Secret(password)))


class Memory:
    """Remembers over "crashes" of a test."""

    def __init__(self) -> None:
        self.kept: Subscription | None = None

    def recall(self) -> Subscription | None:
        return self.kept

    def remember(self, subscription: Subscription) -> None:
        self.kept = subscription


def driver_of(camera: SimulatedCamera, clock: HastyClock, key: LoginGate | None = None) -> OnvifDriver:
    return OnvifDriver(
        camera.address, camera.onvif_port, key or gate(), pool=CallPool(), clock=clock, limits=Limits(total_s=20)
    )


@contextlib.asynccontextmanager
async def subscribed(
    camera: SimulatedCamera, clock: HastyClock, memory: Memory | None = None
) -> AsyncIterator[AsyncGenerator[CameraEvent, None]]:
    """Events of a camera, with a motion told as soon as somebody listens."""
    driver = driver_of(camera, clock)
    events = driver.events(memory or Memory())

    async def move() -> None:
        await until(lambda: bool(camera.calls.get("onvif.PullMessages")))
        camera.events.emit()
        camera.events.emit(INPUT, "LogicalState", value="false")

    with anyio.fail_after(HANG_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(move)
            yield events
            tasks.cancel_scope.cancel()
    await events.aclose()
    await driver.close()


async def first(events: AsyncIterator[CameraEvent], count: int) -> list[CameraEvent]:
    found: list[CameraEvent] = []
    async for event in events:
        found.append(event)
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(),
        Quirks(needs_termination_time=True),
        Quirks(absolute_time_only=True),
        Quirks(absolute_time_only=True, z_only=True, clock_skew_s=86_400, onvif_auth=("wsse",), wsse_window_s=60),
        Quirks(event_flags_lie=True),
        Quirks(wrong_host="10.66.66.66"),
        Quirks(echoed_subscription=True, wrong_host="0.0.0.0"),
        Quirks(no_renew=True, pull_at_once=True),
        Quirks(no_get_services=True, onvif_auth=("digest",), onvif_digest=("SHA-256",)),
        Quirks(max_pull_points=1, subscriptions_leak=True),
    ],
    ids=[
        "good", "needs an end", "absolute only", "absolute with Z, a day ahead", "flags lie", "wrong host",
        "echoed parameter", "no renew, at once", "no GetServices, digest", "one slot that leaks",
    ],
)  # fmt: skip
async def test_events_come_through(quirks: Quirks) -> None:
    """Whatever the event service does wrong, a motion and an input arrive, with topic, state and our time."""
    async with one_camera(quirks) as camera, subscribed(camera, HastyClock()) as events:
        motion, contact = await first(events, 2)
        assert (motion.topic, motion.state, motion.kind) == ("tns1:VideoSource/MotionAlarm", True, EventKind.MOTION)
        assert (contact.topic, contact.state, contact.kind) == (INPUT, False, EventKind.INPUT)
        assert abs(motion.camera_ms - motion.received_ms) < 30_000
        assert camera.bad_logins == 0
        assert "onvif.Unsubscribe" not in camera.calls
        assert camera.events.subscriptions == 1


async def test_a_crash_costs_no_slot() -> None:
    """After a crash the remembered pull point is given back before a new one is taken, on a camera with one slot."""
    memory = Memory()
    async with one_camera(Quirks(max_pull_points=1, subscriptions_leak=True)) as camera:
        for life in range(3):
            async with subscribed(camera, HastyClock(), memory) as events:
                assert (await first(events, 1))[0].kind is EventKind.MOTION
            camera.counters.totals["onvif.PullMessages"] = 0
            assert camera.events.subscriptions == 1
            assert ("onvif.Unsubscribe" in camera.calls) is (life > 0)


async def test_somebody_else_has_the_only_slot() -> None:
    """A refused subscription is tried again in minutes, and taken when the slot is free; nothing else suffers."""
    async with one_camera(Quirks(max_pull_points=1)) as camera:
        clock, other = HastyClock(), HastyClock()
        async with subscribed(camera, other) as theirs:
            await first(theirs, 1)
            driver = driver_of(camera, clock)
            ours = driver.events()
            created = camera.calls["onvif.CreatePullPointSubscription"]

            async def leave() -> None:
                await until(lambda: camera.calls["onvif.CreatePullPointSubscription"] >= created + 4)
                camera.events.forget()
                await until(lambda: camera.events.subscriptions > 0)
                camera.events.emit()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(leave)
                assert (await first(ours, 1))[0].kind is EventKind.MOTION
            assert max(clock.slept) >= REFUSED_LEAST_S / 2
            await ours.aclose()
            await driver.close()


async def test_no_tight_loop_on_a_camera_that_answers_empty_pulls_at_once() -> None:
    """Pauses between empty pulls grow from one second to ten, and there are no calls between them."""
    async with one_camera(Quirks(pull_at_once=True)) as camera:
        clock = HastyClock()
        driver = driver_of(camera, clock)

        async def listen() -> None:
            async for _ in driver.events():
                pass

        with anyio.fail_after(HANG_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen)
                await until(lambda: camera.calls.get("onvif.PullMessages", 0) >= 12)
                tasks.cancel_scope.cancel()
        await driver.close()
        pauses = [seconds for seconds in clock.slept if seconds > PULL_LEAST_S]
        assert max(pauses) <= PULL_MOST_S
        assert sum(clock.slept) >= 12 * PULL_LEAST_S
        assert len([seconds for seconds in pauses if seconds > PULL_MOST_S / 2]) >= 6


async def test_a_restarted_camera_is_subscribed_to_again() -> None:
    """A camera that forgot its subscriptions answers with a fault; a new one is made."""
    async with one_camera() as camera, subscribed(camera, HastyClock()) as events:
        await first(events, 2)
        camera.events.forget()

        async def move() -> None:
            await until(lambda: camera.events.subscriptions > 0)
            camera.events.emit(value="false")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(move)
            (event,) = await first(events, 1)
        assert event.state is False
        assert camera.calls["onvif.CreatePullPointSubscription"] == 2


async def test_a_refused_login_ends_it_with_one_try() -> None:
    """A wrong password ends the iteration at once; a proven one that is refused now does, too, before it costs video."""
    async with one_camera() as camera:
        driver = driver_of(camera, HastyClock(), gate("wrong"))
        with pytest.raises(CameraLoginRefused):
            await first(driver.events(), 1)
        await driver.close()
        assert camera.bad_logins == 1
        key = gate()
        driver = driver_of(camera, HastyClock(), key)
        await driver.probe()
        await camera.switch("password", "another-one")
        with pytest.raises(CameraOverloaded) as caught:
            await first(driver.events(), 1)
        assert caught.value.fields.get("doubted")
        await driver.close()
        assert camera.bad_logins <= 3


async def test_the_recorders_ear(tmp_path: Path) -> None:
    """A recorded ONVIF camera is heard through the shared gate, its pull point is on disk; others have no events."""
    async with one_camera() as camera, books(tmp_path, SystemClock()) as own:
        ears = Ears(tmp_path / "pullpoints", OnvifVisits(HastyClock()))
        new = replace(new_camera(), driver="onvif", address=camera.address, port=camera.onvif_port)
        ours = await own.registry.add(new)
        heard = ears.listen(ours, gate())
        assert heard is not None

        async def move() -> None:
            await until(lambda: bool(camera.calls.get("onvif.PullMessages")))
            camera.events.emit()

        with anyio.fail_after(HANG_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(move)
                report = await anext(heard)
        await heard.aclose()
        assert (report.kind, report.state) == ("motion", True)
        kept = PullFile(tmp_path / "pullpoints" / ours.public_id).recall()
        assert kept is not None
        assert camera.address in kept.url
        other = await own.registry.add(replace(new_camera(2), driver="rtsp"))
        assert ears.listen(other, gate()) is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"url": 1, "parameters": ""}', b'{"url": "x", "parameters": "<a>"}', b"\xff"]
)
def test_a_broken_memory_is_no_memory(tmp_path: Path, content: bytes) -> None:
    """What is no subscription of ours is forgotten, and a disk that takes nothing is no error."""
    (tmp_path / "kept").write_bytes(content)
    assert PullFile(tmp_path / "kept").recall() is None
    PullFile(tmp_path / "kept" / "below-a-file").remember(Subscription("http://x/"))
    PullFile(tmp_path / "new" / "one").remember(Subscription("http://x/", "<a/>"))
    assert PullFile(tmp_path / "new" / "one").recall() == Subscription("http://x/", "<a/>")
