"""The pages of consent over a running school: rights and consent are real, cameras and logins are the fake box's."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from gateway.access.audit import Actor
from gateway.core.errors import DaemonUnavailable
from gateway.core.model import Action, Decision, ObjectRef
from gateway.roofs.web_lists import ListedRights
from tests.browser.conftest import Site, serve
from tests.fakes.clock import FakeClock
from tests.fakes.consent_world import ConsentWorld, consent_school
from tests.fakes.school import NOW
from tests.fakes.web_services import FakeBox
from web.app import create_app
from web.caller import Caller
from web.services import ClassDay, KnownCamera, Services

PHONE, DESK = (390, 844), (1440, 900)


class LateDoor:
    """`ConsentDoor` of a school that runs only once the server does."""

    def __init__(self, box: SchoolBox) -> None:
        self._box = box

    def __getattr__(self, name: str) -> Any:
        return getattr(self._box.c.door, name)


class SchoolBox(FakeBox):
    """A fake box whose rights and consent are a running school's."""

    c: ConsentWorld
    rights: ListedRights
    people: dict[str, Caller]

    def services(self, **changes: Any) -> Services:
        door: Any = LateDoor(self)
        return dataclasses.replace(super().services(**changes), consents=door)

    def knows(self, caller: Caller, obj: ObjectRef) -> bool:
        return self.rights.knows(caller, obj)

    def decide(self, caller: Caller, action: Action, obj: ObjectRef) -> Decision:
        return self.rights.decide(caller, action, obj)

    def cameras(self, caller: Caller) -> Sequence[KnownCamera]:
        return self.rights.cameras(caller)

    def classes(self, caller: Caller) -> Sequence[ClassDay]:
        return self.rights.classes(caller)

    @asynccontextmanager
    async def run(self, folder: Path, *, agreed: bool) -> AsyncIterator[None]:
        async with consent_school(folder, agreed=agreed) as c:
            self.c = c
            self.rights = ListedRights(c.w.access.store, c.w.access.grants, c.names)
            actors: dict[str, Actor] = {
                "principal": c.w.actor, "teacher": c.teacher, "mother": c.mother, "father": c.father,
            }  # fmt: skip
            self.people = {name: await c.caller(actor) for name, actor in actors.items()}
            for caller in self.people.values():
                self.sessions[f"token-{caller.person}"] = caller
            self.status_of[c.w.camera] = {"id": c.w.camera, "name": "Lớp Mầm 1", "state": "up", "recording": True}
            self.stills[c.w.camera] = next(iter(self.stills.values()))
            yield


@contextmanager
def school_site(chromium: Browser, folder: Path, pictures: dict[str, bytes], *, agreed: bool) -> Iterator[Site]:
    """Serve a running school."""
    box = SchoolBox(FakeClock(NOW))
    box.stills.update(pictures)  # type: ignore[arg-type]  # public ids are strings
    box.live_error = DaemonUnavailable("live is away", service="live")
    app = create_app(box.services(secure=False, hosts=frozenset()))
    with serve(app, box.run(folder, agreed=agreed)) as served:
        site = Site(served.url, box, chromium)
        yield site
        for context in site.contexts:
            context.close()
    assert site.errors == []


def people(site: Site) -> dict[str, Caller]:
    """Who can sign in."""
    assert isinstance(site.box, SchoolBox)
    return site.box.people


def phone(site: Site, who: str, path: str, size: tuple[int, int] = PHONE) -> Page:
    """Open a page on somebody's phone."""
    return site.visit(path, people(site)[who], size=size, device_scale_factor=2, has_touch=True, is_mobile=True)


def wide(page: Page) -> bool:
    """Whether the page scrolls sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def small_targets(page: Page, least: int) -> list[str]:
    """What can be pressed and is lower than so many pixels (labels stand for their ticks)."""
    script = """least => [...document.querySelectorAll('button, .bt, .ln, summary, label.tick, label.opt, .later, .btn')]
      .filter(item => item.checkVisibility() && item.getBoundingClientRect().height < least - 0.5)
      .map(item => item.className + ' ' + item.textContent.trim().slice(0, 30))"""
    found: list[str] = page.evaluate(script, least)
    return found
