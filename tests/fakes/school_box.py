"""A whole box behind its web app: the real access module and its database; only recorder and live are answers.

Two classes with a camera each and a gate that all may pass; somebody of every role, with sessions as a browser or a
player would bring them. Everything that has a name or an id has one that is found again in whatever answer holds it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from fastapi import FastAPI

from gateway.access import audit as access_audit
from gateway.access.acts import Acts
from gateway.access.audit import CONSOLE
from gateway.access.classes import Hours, usual_plan
from gateway.access.facts import EVERY_DAY, Purpose
from gateway.access.observing import Visit
from gateway.access.opengrants import OpenGrants
from gateway.core.config import parse_config
from gateway.core.model import PublicId, Role, new_public_id
from gateway.health.tracker import Tracker
from gateway.roofs import access_parts
from gateway.roofs.access_parts import Access, Base
from gateway.roofs.footage_desk import FootageDesk
from gateway.roofs.live_port import MediaDoor
from gateway.roofs.metrics_port import metrics_of
from gateway.roofs.slip_port import InvitePort
from gateway.roofs.web_doors import web_services
from tests.fakes.clock import FakeClock
from tests.fakes.marked_daemons import MarkedLive, MarkedRecorder, marked_daemons
from tests.fakes.school import NOW
from tests.fakes.signin_world import FakeHasher
from web.app import create_app
from web.services import Services
from web.session import cookie_name

NOBODY = PublicId("")
ORIGIN = "https://vuon.test"
OWN_PAGE = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}


@dataclass
class Actor:
    """Somebody who asks: a person's browser, a player, or nobody."""

    label: str
    role: Role | None = None
    person: PublicId = NOBODY
    name: str = ""
    token: str = ""
    """Of the cookie, or of the player."""
    player: bool = False

    def headers(self) -> dict[str, str]:
        """What proves who it is: a browser brings its page's origin, a player its token."""
        if self.player:
            return {"Authorization": f"Bearer {self.token}"}
        cookie = {"Cookie": f"{cookie_name(secure=True)}={self.token}"} if self.token else {}
        return OWN_PAGE | cookie


@dataclass
class SchoolBox:
    """The app, its parts, and everything that a test names."""

    ground: Base
    parts: Access
    opened: OpenGrants
    services: Services
    app: FastAPI
    recorder: MarkedRecorder
    live: MarkedLive
    clock: FakeClock
    actors: dict[str, Actor] = field(default_factory=dict)
    cameras: dict[str, PublicId] = field(default_factory=dict)
    """mam, choi, gate."""
    classes: dict[str, PublicId] = field(default_factory=dict)
    children: dict[str, PublicId] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    """What must not be seen by the wrong people, by what it is: ids and names."""

    def client(self) -> httpx.AsyncClient:
        """A client without cookies or headers of its own: an actor brings them."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=("192.0.2.7", 5000))
        return httpx.AsyncClient(transport=transport, base_url=ORIGIN)

    async def sign_in(self, label: str) -> None:
        """Give a person a fresh session, as if they had just signed in."""
        actor = self.actors[label]
        logins = self.parts.logins
        fresh, begin = await self.ground.db.write(lambda conn: logins.start(conn, actor.person, label="test"))
        begin()
        actor.token = fresh.token.reveal()


PEOPLE = (
    ("principal", Role.PRINCIPAL, "Cô Hiệu Trưởng-q7"),
    ("deputy", Role.PRINCIPAL, "Cô Hiệu Hai-q8"),
    ("teacher", Role.TEACHER, "Cô Lớp Mầm-t1"),
    ("teacher_choi", Role.TEACHER, "Cô Lớp Chồi-t2"),
    ("mother", Role.GUARDIAN, "Mẹ Bé An-g1"),
    ("father_choi", Role.GUARDIAN, "Bố Bé Bình-g2"),
    ("observer", Role.OBSERVER, "Khách Dự Giờ-o1"),
    ("authority", Role.AUTHORITY_IT, "Kỹ Thuật Sở-a1"),
    ("installer", Role.INSTALLER, "Thợ Lắp Máy-i1"),
    ("disabled", Role.PRINCIPAL, "Cô Đã Nghỉ-d1"),
    ("signed_out", Role.PRINCIPAL, "Cô Đã Ra-d2"),
)
"""Label, role and name; roles that are added later join by themselves under their own name."""


async def found_school(box: SchoolBox) -> None:
    """Set up the school as its console does."""
    parts, recorder = box.parts, box.recorder
    for key, name in (("mam", "Máy Mầm-m1"), ("choi", "Máy Chồi-c1"), ("gate", "Máy Cổng-k1")):
        box.cameras[key] = new_public_id()
        recorder.cameras[box.cameras[key]] = name
        box.marks |= {f"camera {key}": box.cameras[key], f"name of camera {key}": name}
    await parts.classes.sync_cameras(CONSOLE, list(box.cameras.values()))
    for key, name, child in (("mam", "Lớp Mầm-m9", "Bé An-b1"), ("choi", "Lớp Chồi-c9", "Bé Bình-b2")):
        class_id = box.classes[key] = await parts.classes.add(CONSOLE, name)
        await parts.classes.assign(CONSOLE, box.cameras[key], class_id)
        await parts.classes.set_windows(CONSOLE, class_id, [Hours(0, 1440, EVERY_DAY)])
        await parts.classes.set_plan(CONSOLE, class_id, usual_plan())
        child_id = box.children[key] = await parts.children.add(CONSOLE, child, class_id)
        await parts.children.consent(CONSOLE, child_id)
        box.marks |= {f"class {key}": class_id, f"name of class {key}": name}
        box.marks |= {f"child {key}": child_id, f"name of child {key}": child}
    known = {role for _, role, _ in PEOPLE}
    more = [(role.value, role, f"Người {role.value}-x1") for role in Role if role not in known]
    for label, role, name in [*PEOPLE, *more]:
        person = await parts.people.add(CONSOLE, role, name)
        box.actors[label] = Actor(label, role, person, name)
        box.marks |= {f"person {label}": person, f"name of {label}": name}
    await parts.people.teach(CONSOLE, box.actors["teacher"].person, box.classes["mam"])
    await parts.people.teach(CONSOLE, box.actors["teacher_choi"].person, box.classes["choi"])
    for label in ("teacher", "teacher_choi"):  # a class is closed to guardians while one of its teachers has not
        await parts.rooms.notices.sign(access_audit.Actor(box.actors[label].person, "t"))
    await parts.children.add_guardian(CONSOLE, box.actors["mother"].person, box.children["mam"])
    await parts.children.add_guardian(CONSOLE, box.actors["father_choi"].person, box.children["choi"])
    await parts.sharing.accept_box(CONSOLE)


async def visit(box: SchoolBox) -> None:
    """Let the guest watch the class Mầm for an hour, by everybody's leave."""
    observing, now_ms = box.parts.observing, box.clock.now_ms()
    await box.parts.children.consent(CONSOLE, box.children["mam"], Purpose.OBSERVE)
    wanted = Visit(box.classes["mam"], now_ms, now_ms + 3_600_000, box.actors["observer"].person)
    await observing.assent(CONSOLE, await observing.make(CONSOLE, wanted))


async def let_in(box: SchoolBox) -> None:
    """Give everybody what they bring with a request; two of them have lost it again."""
    for label in list(box.actors):
        await box.sign_in(label)
        if box.parts.signin.accounts.must_set(box.actors[label].person):  # else no page is shown to them
            was = await box.parts.signin.accounts.ensure(CONSOLE, box.actors[label].person, label)
            await box.parts.signin.accounts.set_password(CONSOLE, was, "now:right")
    box.parts.signin.signins._hasher = FakeHasher()
    await box.parts.people.disable(CONSOLE, box.actors["disabled"].person)
    await box.parts.logins.sign_out(box.actors["signed_out"].token)
    for label, of in (("player", "teacher"), ("player_all", "principal")):
        person = box.actors[of].person
        token, player = await box.parts.players.create(CONSOLE, person, f"màn hình {label}", days=1)
        box.actors[label] = Actor(label, box.actors[of].role, person, box.actors[of].name, token.reveal(), player=True)
        box.marks[f"player {label}"] = player.id
    box.actors["nobody"] = Actor("nobody")
    box.actors["forger"] = Actor("forger", token="not-a-token-of-anybody")
    await box.parts.names.load()


@asynccontextmanager
async def school_box(folder: Path) -> AsyncIterator[SchoolBox]:
    """Run the box; its clock stands still on a Thursday at nine."""
    text = f'[paths]\nstate = "{folder}/state"\nrun = "{folder}/run"\n[site]\nname = "Trường Hoa Sen"\n'
    config, clock = parse_config(text), FakeClock(NOW)
    for path in (config.paths.state, config.paths.run):
        path.mkdir(parents=True)
    sockets = config.paths.socket("recorder"), config.paths.socket("live")
    faults: list[BaseException] = []
    async with AsyncExitStack() as stack:
        recorder, live = await stack.enter_async_context(marked_daemons(*sockets))
        ground = await stack.enter_async_context(access_parts.base(config, clock))
        parts = await access_parts.access(ground)
        media = MediaDoor(ground.live, ground.bus, ground.relays.for_box)
        opened = await stack.enter_async_context(
            OpenGrants(
                ground.store, parts.grants, media, ground.key, on_fault=lambda _name, error: faults.append(error)
            )
        )
        parts.logins.listeners.append(opened.recheck)
        footage = FootageDesk(Acts(ground.store), ground.recorder, ground.key)

        async def own() -> dict[str, object]:
            return {"daemon": {"name": "gateway"}}

        metrics = metrics_of(ground.recorder, ground.live, own, Tracker(clock))
        printer = InvitePort(ground.store, parts.slips, parts.devices, parts.logins, parts.names, "https://vuon.test")
        services = web_services(ground, parts, opened, frozenset({"vuon.test"}), media, footage, metrics, printer)
        box = SchoolBox(ground, parts, opened, services, create_app(services), recorder, live, clock)
        box.app.state.streams.refresh_s = 0.01
        await found_school(box)
        await visit(box)
        await let_in(box)
        clock.tick(60)  # pictures from before a right began are nobody's
        recorder.now_ms = clock.now_ms()
        yield box
        box.app.state.streams.close()
    assert faults == []
