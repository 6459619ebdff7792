"""Server-sent events: what a page hears, and when the stream ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.abc import TaskStatus
from fastapi import FastAPI
from starlette.exceptions import HTTPException

from gateway.core.model import Decision, Role
from tests.fakes.clock import FakeClock
from tests.fakes.web_services import CLASS_MAM, INSTALLER, MAM, MOTHER, OFFICER, PRINCIPAL, TEACHER, FakeBox, pid
from web.api_events import MAX_PER_PERSON, Streams, message
from web.app import create_app
from web.caller import Caller
from web.observe_services import WAITS, YES, Visit
from web.services import Change, OpenView

pytestmark = pytest.mark.anyio


class Ears:
    """One open event stream over bare ASGI: the in-memory client of httpx reads only finished bodies."""

    def __init__(self) -> None:
        self.status = 0
        self.text = ""
        self.over = asyncio.Event()
        self._more = asyncio.Event()
        self._gone = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.status = message.get("status", self.status)
        self.text += message.get("body", b"").decode()
        self._more.set()

    def leave(self) -> None:
        self._gone.set()

    def events(self) -> list[tuple[str, Any]]:
        found = []
        for part in self.text.split("\n\n"):
            lines = dict(line.split(": ", 1) for line in part.splitlines() if ": " in line)
            if lines.get("event", "beat") != "beat":
                found.append((lines["event"], json.loads(lines["data"])))
        return found

    async def heard(self, count: int) -> list[tuple[str, Any]]:
        """Wait until so many events came."""
        await self.until(lambda: len(self.events()) >= count)
        return self.events()

    async def has(self, text: str) -> None:
        """Wait until something was sent."""
        await self.until(lambda: text in self.text)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something holds about what was sent."""
        with anyio.fail_after(20):
            while not true():
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def listening(app: FastAPI, caller: Caller, query: str = "") -> AsyncIterator[Ears]:
    ears = Ears()
    headers = [(b"host", b"vuon.test"), (b"cookie", f"__Host-vuon-box=token-{caller.person}".encode())]
    scope = {
        "type": "http", "method": "GET", "path": "/api/events", "raw_path": b"/api/events", "query_string": query.encode(),
        "headers": headers, "scheme": "https", "server": ("vuon.test", 443), "client": ("192.0.2.7", 1), "http_version": "1.1",
    }  # fmt: skip

    async def run() -> None:
        await app(scope, ears.receive, ears.send)  # type: ignore[arg-type]  # plain dicts
        ears.over.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        yield ears
        ears.leave()
        with anyio.fail_after(20):
            await ears.over.wait()


@pytest.fixture
def box() -> FakeBox:
    return FakeBox(FakeClock())


async def test_a_page_hears_its_state_at_once_and_again_when_it_changes(box: FakeBox) -> None:
    """The first message is the whole view; a hint makes the next one come, an unchanged view none."""
    app = create_app(box.services())
    async with listening(app, PRINCIPAL) as ears:
        first = await ears.heard(1)
        box.views = [OpenView(MAM, MOTHER.person, MOTHER.name, Role.GUARDIAN, 1)]
        box.tell(PRINCIPAL, Change("facts"))
        second = await ears.heard(2)
    assert [kind for kind, _ in second] == ["cameras", "cameras"]
    assert (first[0][1]["watching"], second[1][1]["watching"]) == (0, 1)
    assert ears.text.startswith("retry: 3000\n\n")


async def test_the_leaders_page_of_visits_hears_the_teachers_word(box: FakeBox) -> None:
    """By number and code, without a name; whoever may not open that page hears of no visit, whatever is asked for."""
    when: dict[str, Any] = {"since_ms": 1, "until_ms": 2, "phase": "coming", "reason": "Thao giảng", "teachers": 1}
    box.observe.all = [Visit(pid("visit"), "Cô Thanh", CLASS_MAM, "Lớp Mầm 1", said=WAITS, **when)]
    app = create_app(box.services())
    async with listening(app, PRINCIPAL, "trang=du-gio") as ears:
        await ears.heard(1)
        box.observe.put(pid("visit"), said=YES, said_by=TEACHER.name)
        box.tell(PRINCIPAL, Change("facts"))
        heard = await ears.heard(2)
        assert not any(name in ears.text for name in ("Thanh", TEACHER.name, "Thao"))
    assert [(kind, view["visits"][0][:3]) for kind, view in heard] == [
        ("visits", [pid("visit"), "coming", said]) for said in (WAITS, YES)
    ]
    for caller in (TEACHER, MOTHER, INSTALLER):
        async with listening(app, caller, "trang=du-gio") as ears:
            await ears.has("retry")
            box.tell(caller, Change("ended", "s1", "class.paused"))
            await ears.has("ended")
            assert "visits" not in ears.text
            assert pid("visit") not in ears.text


async def test_a_guardian_hears_the_screen_and_why_a_stream_ended(box: FakeBox) -> None:
    """The reason comes with the session's name; then the screen changes."""
    app = create_app(box.services())
    async with listening(app, MOTHER) as ears:
        assert (await ears.heard(1))[0][1]["screen"] == "live"
        box.class_decision = Decision(False, "class.paused")
        box.tell(MOTHER, Change("ended", "s1", "class.paused"))
        events = await ears.heard(3)
    assert events[1] == ("ended", {"session": "s1", "reason": "class.paused"})
    assert events[2][1]["screen"] == "paused"


async def test_who_sees_no_cameras_hears_of_none(box: FakeBox) -> None:
    """Technicians and observers get signs of life and no list, whatever cameras there are."""
    app = create_app(box.services())
    app.state.streams.refresh_s = 0.01
    async with listening(app, OFFICER) as ears:
        await ears.until(lambda: "event: beat" in ears.text)
    assert ears.events() == []
    assert MAM not in ears.text


async def test_somebody_elses_hints_are_not_heard(box: FakeBox) -> None:
    """A stream that ended for another person is nobody else's business."""
    app = create_app(box.services())
    async with listening(app, MOTHER) as ears:
        await ears.heard(1)
        box.tell(PRINCIPAL, Change("ended", "s9", "device.other"))
        box.class_decision = Decision(False, "class.paused")
        box.tell(MOTHER, Change("facts"))
        events = await ears.heard(2)
    assert [kind for kind, _ in events] == ["class", "class"]


async def test_the_stream_ends_with_the_session(box: FakeBox) -> None:
    """A revoked token is noticed at the next look; the page is told to sign in."""
    app = create_app(box.services())
    async with listening(app, PRINCIPAL) as ears:
        await ears.heard(1)
        del box.sessions[f"token-{PRINCIPAL.person}"]
        box.tell(PRINCIPAL, Change("signed_out"))
        with anyio.fail_after(20):
            await ears.over.wait()
    assert ears.events()[-1] == ("signed_out", {})


async def test_closing_the_app_ends_every_stream_and_opens_none(box: FakeBox) -> None:
    """A server that stops does not wait for pages that are open."""
    app = create_app(box.services())
    async with listening(app, PRINCIPAL) as one, listening(app, MOTHER) as other:
        await one.heard(1)
        await other.heard(1)
        app.state.streams.close()
        with anyio.fail_after(20):
            await one.over.wait()
            await other.over.wait()
    async with listening(app, PRINCIPAL) as late:
        with anyio.fail_after(20):
            await late.over.wait()
    assert late.status == 429


async def test_the_number_of_streams_a_person_holds_is_bounded(box: FakeBox) -> None:
    """The seventh is refused; a place that is left can be taken again."""
    app = create_app(box.services())
    async with anyio.create_task_group() as tasks:
        stay = asyncio.Event()

        async def sit(*, task_status: TaskStatus[None]) -> None:
            async with listening(app, MOTHER) as ears:
                await ears.heard(1)
                task_status.started()
                await stay.wait()

        for _ in range(MAX_PER_PERSON):
            await tasks.start(sit)
        async with listening(app, MOTHER) as refused:
            with anyio.fail_after(20):
                await refused.over.wait()
        async with listening(app, PRINCIPAL) as another:
            await another.heard(1)
        stay.set()
    assert refused.status == 429
    assert another.status == 200
    async with listening(app, MOTHER) as again:
        await again.heard(1)


async def test_quiet_streams_beat(box: FakeBox) -> None:
    """Without news a beat is sent now and then, so that a page can tell a quiet box from a lost one."""
    app = create_app(box.services())
    app.state.streams = Streams(refresh_s=0.001)
    async with listening(app, MOTHER) as ears:
        await ears.until(lambda: "event: beat\n" in ears.text)
    assert len(ears.events()) == 1


def test_an_event_is_one_line_of_data() -> None:
    """Line breaks inside values are escaped: they cannot start another event."""
    assert (
        message("cameras", {"name": "a\n\nevent: ended"}) == 'event: cameras\ndata: {"name":"a\\n\\nevent: ended"}\n\n'
    )


def test_places_are_given_back() -> None:
    """The count returns to nothing, and a full house says 429."""
    streams = Streams()
    with streams.place(MOTHER):
        assert streams.open_by(MOTHER) == 1
    assert streams.open_by(MOTHER) == 0
    with ExitStack() as stack:
        for _ in range(MAX_PER_PERSON):
            stack.enter_context(streams.place(MOTHER))
        with pytest.raises(HTTPException):
            streams.check(MOTHER)
    streams.check(MOTHER)
