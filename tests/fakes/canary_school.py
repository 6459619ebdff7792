"""A running box with canaries: secrets and names that may be found only where somebody is allowed to see them."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi.routing import APIRoute

from gateway.core.errors import VuonError
from gateway.core.wire import ControlClient
from tests.fakes.box_door import BoxDoor, ask, until
from tests.fakes.clock import FakeClock
from tests.fakes.demo_box import DemoBox
from tests.fakes.web_services import FakeBox
from web.app import create_app

MARK = "7QX"
"""In every planted name: no other text of the product has it."""
STREAMS = frozenset({"/api/events"})
"""They never end; what they carry are ids and codes."""
CREDENTIALS = re.compile(rb"(rtsps?|https?)://[^/\s\"'<>]{1,60}:[^/\s\"'<>]{1,60}@")
TURN_SECRET, PASSPHRASE = "hoangyen-turn-7QX-0123456789abcdef", "chim hoàng yến mở hình 7QX"


@dataclass
class Family:
    """One guardian and one child."""

    guardian: str
    child: str
    room: str
    slip: str = ""
    """What stands behind the `#` of the slip's address."""


@dataclass
class CanarySchool:
    """What was planted, and who is signed in."""

    box: DemoBox
    families: dict[str, Family]
    staff: dict[str, str]
    """Name by role."""
    doors: dict[str, BoxDoor] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    """Nobody may read these anywhere, whatever the role."""
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> dict[str, str]:
        """Every planted name by its key."""
        found = {f"guardian {key}": family.guardian for key, family in self.families.items()}
        found |= {f"child {key}": family.child for key, family in self.families.items()}
        return found | {f"staff {role}": name for role, name in self.staff.items()} | self.reasons


FAMILIES = {
    "one": Family(f"Mẹ Hoàng Yến {MARK}", f"Bé Vàng Anh {MARK}", "Lớp Mầm 1"),
    "mate": Family(f"Bố Chích Chòe {MARK}", f"Bé Sáo Sậu {MARK}", "Lớp Mầm 1"),
    "other": Family(f"Mẹ Họa Mi {MARK}", f"Bé Sơn Ca {MARK}", "Lớp Mầm 2"),
}
STAFF = {
    "principal": f"Cô Bồ Câu {MARK}",
    "teacher": f"Cô Chim Sâu {MARK}",
    "installer": f"Thợ Gõ Kiến {MARK}",
    "authority_it": f"Anh Bói Cá {MARK}",
}


@contextlib.asynccontextmanager
async def canaries(box: DemoBox) -> AsyncIterator[CanarySchool]:
    """Plant everything and sign everybody in."""
    school = CanarySchool(box, {key: Family(**vars(item)) for key, item in FAMILIES.items()}, dict(STAFF))
    async with contextlib.AsyncExitStack() as stack:
        school.secrets["the cameras' password"] = (box.data / "state" / "demo-camera.key").read_bytes().hex()
        for role, name in STAFF.items():
            await ask(box, "gateway", "person.add", {"name": name, "role": role})
            code = str((await ask(box, "gateway", "code.new", {"person": name}))["code"])
            school.doors[role] = door = await stack.enter_async_context(BoxDoor(box.ready["web"]))
            await door.sign_in(code)
            school.secrets[f"code of {role}"] = code
        for key, family in school.families.items():
            await ask(box, "gateway", "guardian.add", {
                "name": family.guardian, "kind": "mẹ", "child": family.child, "class": family.room, "consent": True,
            })  # fmt: skip
            url = str((await ask(box, "gateway", "slip.new", {"guardian": family.guardian, "checked": True}))["url"])
            family.slip = url.partition("#")[2]
            school.secrets[f"slip of {key}"] = family.slip
            school.doors[key] = door = await stack.enter_async_context(BoxDoor(box.ready["web"]))
            assert (await door.redeem(url)).status_code == 200
        for who, door in school.doors.items():
            for cookie in door.cookies.jar:
                if "lang" not in cookie.name:
                    school.secrets[f"session of {who}"] = str(cookie.value)
        school.doors["nobody"] = await stack.enter_async_context(BoxDoor(box.ready["web"]))
        await _secrets(school)
        yield school


async def _secrets(school: CanarySchool) -> None:
    """Bring a player's token, a TURN secret, a passphrase, and reasons in people's words."""
    box = school.box
    params = {"person": STAFF["principal"], "label": f"TV Sảnh {MARK}", "days": 3}
    school.secrets["player's token"] = str((await ask(box, "gateway", "player.new", params))["token"])
    school.secrets["TURN secret"], school.secrets["passphrase"] = TURN_SECRET, PASSPHRASE
    async with ControlClient(box.data / "run" / "gateway.sock", "gateway") as client:
        await client.call("turn.secret", {}, TURN_SECRET.encode())
        with contextlib.suppress(VuonError):  # it opens nothing: what counts is where it is written down
            await client.call("key.unlock", {}, json.dumps({"passphrase": PASSPHRASE}).encode(), timeout_s=60)
    camera = (await ask(box, "recorder", "camera.list"))["cameras"][0]["id"]
    now_ms = int((await ask(box, "recorder", "status"))["cameras"][0].get("last_segment_ms") or 1_700_000_000_000)
    school.reasons["reason of a hold"] = f"bé bị ngã {MARK}"
    span = {"from_ms": now_ms - 5_000, "to_ms": now_ms, "why": school.reasons["reason of a hold"]}
    placed = await school.doors["principal"].post(f"/api/cameras/{camera}/holds", json=span)
    assert placed.status_code in {201, 202}, placed.text


async def copied(school: CanarySchool) -> bytes:
    """Order a copy with a reason, have it approved by a second person, and fetch it: film, manifest, player page."""
    first = school.doors["principal"]
    camera = (await ask(school.box, "recorder", "camera.list"))["cameras"][0]["id"]
    hold = (await first.get("/api/holds")).json()["holds"][0]
    span = {"from_ms": hold["from_ms"], "to_ms": hold["to_ms"], "why": school.reasons["reason of a hold"]}
    order = (await first.post(f"/api/cameras/{camera}/exports", json=span)).json()["order"]
    async with BoxDoor(school.box.ready["web"]) as second:
        await second.sign_in(school.box.ready["deputy_code"])
        approved = await second.post(f"/api/exports/{order}/approve", json={})
        assert approved.status_code == 200, approved.text

        async def ready() -> bool:
            listed = (await second.get("/api/exports")).json()["exports"]
            return any(item["order"] == order and item["state"] == "ready" for item in listed)

        await until(ready, seconds=90, what="the copy is ready")
        return (await second.get(f"/api/exports/{order}/file")).content


def read_routes() -> list[str]:
    """Every address that can be read, from the app itself."""
    routes = [route for route in create_app(FakeBox(FakeClock()).services()).routes if isinstance(route, APIRoute)]
    return sorted({route.path for route in routes if "GET" in (route.methods or ()) and route.path not in STREAMS})


def filled(path: str, cameras: Iterable[str]) -> list[str]:
    """Return a route's addresses: for each camera, and with ids that name nothing for all other parts."""
    if "{camera}" not in path:
        return [re.sub(r"\{[^}]*\}", "aaaaaaaaaaaaaaaa", path)]
    return [re.sub(r"\{[^}]*\}", "aaaaaaaaaaaaaaaa", path.replace("{camera}", camera)) for camera in cameras]


async def answers(door: BoxDoor, cameras: Iterable[str]) -> AsyncIterator[tuple[str, bytes]]:
    """Ask for everything and yield each answer whole, headers too, in both languages."""
    listed = list(cameras)
    for path in read_routes():
        for address in filled(path, listed):
            for language in ("vi", "en") if address.startswith(("/p/", "/nhat", "/xoa")) else ("vi",):
                reply = await door.get(address, params={"lang": language})
                head = "\n".join(f"{key}: {value}" for key, value in reply.headers.multi_items() if key != "set-cookie")
                yield address, head.encode() + b"\n" + reply.content


def spelled(text: str, data: bytes) -> bool:
    """Look for a text in every spelling that a page, log or database would use."""
    forms = {text, json.dumps(text)[1:-1], text.encode("unicode_escape").decode("ascii"), text.encode().hex()}
    return any(form.encode() in data for form in forms) or text.encode("utf-16-le") in data


def found(texts: Mapping[str, str], data: bytes) -> list[str]:
    """Return the keys of the texts that occur."""
    return sorted(key for key, text in texts.items() if spelled(text, data))


def files(root: Path, *patterns: str) -> Iterable[tuple[str, bytes]]:
    """Yield files by pattern, whole."""
    for pattern in patterns:
        for path in sorted(root.rglob(pattern)):
            if path.is_file():
                yield str(path.relative_to(root)), path.read_bytes()


async def own_words(school: CanarySchool) -> dict[str, Any]:
    """What each daemon says of itself to whoever holds its socket."""
    return {daemon: await ask(school.box, daemon, "status") for daemon in ("recorder", "live", "gateway")}
