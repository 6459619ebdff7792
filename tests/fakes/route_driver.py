"""Asks every route as everybody about everything, and says what is not as `route_table` has it."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx
from fastapi.routing import APIRoute

from gateway.access.audit import CONSOLE
from gateway.access.observing import Visit
from gateway.core.model import PublicId, new_public_id
from tests.fakes.route_table import FORM, OFFER, PRINCIPALS, REACH, ROUTES, SDP, SPAN, Row
from tests.fakes.school_box import Actor, SchoolBox
from web.api_live import entity_tag

MALFORMED = ("x", "A" * 16)
HOUR_MS = SPAN["from_ms"] // 3_600_000 * 3_600_000
FILLED = {
    "slot": "0", "stream": "main", "config": "0123abcd", "hour_ms": str(HOUR_MS), "version": "v", "path": "nothing.js", "secret": "b" * 26,
    "start_ms": str(SPAN["from_ms"]), "run": "7",
}  # fmt: skip
"""Parts of paths that name nothing of anybody."""
LIST = (
    b'--b\r\ncontent-disposition: form-data; name="file"; filename="lop.csv"\r\n\r\n'
    + "Họ và tên,Ngày sinh,Lớp\r\nBé Mới,01/02/2022,Lớp Mầm-m9\r\n".encode()
    + b"\r\n--b--\r\n"
)
"""A list of children as a form sends it."""
_PICTURE = re.compile(r"picture-of-([a-z2-7]{16})")


@dataclass(frozen=True)
class Answer:
    """What came back, as far as a stranger can compare it."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def text(self) -> str:
        """Everything in it that can tell something."""
        return self.body.decode("utf-8", "replace") + "\n" + "\n".join(f"{key}: {value}" for key, value in self.headers)


def answer_of(response: httpx.Response) -> Answer:
    """Keep what can be compared: all but the date."""
    headers = tuple(sorted((key, value) for key, value in response.headers.items() if key != "date"))
    return Answer(response.status_code, headers, response.content)


def routes_of(box: SchoolBox) -> Iterator[tuple[str, str]]:
    """Yield method and path of everything the app serves."""
    for route in box.app.routes:
        if not isinstance(route, APIRoute):
            raise TypeError(f"{route} has no guard: serve it as a route")
        for method in sorted(route.methods or ()):
            yield method, route.path


class _Ids(dict[str, str]):
    """What a path's names stand for; a name that nobody gave a value is an id that is none."""

    def __missing__(self, name: str) -> str:
        return "z" * 16


def filled(path: str, ids: Mapping[str, str], query: str = "") -> str:
    """Return an address of a route."""
    url = path.replace("{path:path}", FILLED["path"]).format_map(_Ids(FILLED | dict(ids)))
    return f"{url}?{query}" if query else url


def is_page(path: str) -> bool:
    """Say whether a person looks at the answer, rather than a script."""
    return not path.startswith(("/api/", "/whep/", "/wall/"))


class Driver:
    """Sends requests and remembers what the expected things are."""

    def __init__(self, box: SchoolBox, client: httpx.AsyncClient) -> None:
        self.box, self.client = box, client
        self._nothing: dict[tuple[str, str, str], Answer] = {}
        self._once: dict[str, str] = {}

    async def ask(self, actor: Actor, method: str, url: str, row: Row | None = None, **more: Any) -> Answer:
        """Send one request as somebody."""
        headers = actor.headers() | dict(row.headers if row is not None else {}) | more.pop("headers", {})
        if method == "PATCH":
            headers["if-match"] = entity_tag(url.rpartition("/")[2], OFFER)
        body = row.body if row is not None else None
        content: bytes | None = None
        if isinstance(body, str):
            content = body.encode()
        elif isinstance(body, bytes):
            content = body
        elif body is not None:
            content, headers = json.dumps(body).encode(), headers | {"content-type": "application/json"}
        if url.partition("?")[0] == "/api/events" and method == "GET":
            return await self._first_event(headers)
        return answer_of(await self.client.request(method, url, content=content, headers=headers, **more))

    async def _first_event(self, headers: dict[str, str]) -> Answer:
        """Listen until the first message that says something, or the first beat, then go away."""
        gone, got = asyncio.Event(), asyncio.Event()
        status, lines, body = 0, tuple[tuple[str, str], ...](), b""

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status, lines, body
            if message["type"] == "http.response.start":
                status = message["status"]
                lines = tuple(sorted((k.decode(), v.decode()) for k, v in message["headers"]))
            body += message.get("body", b"")
            if b"event:" in body or not message.get("more_body", message["type"] == "http.response.start"):
                got.set()

        scope = {
            "type": "http", "method": "GET", "path": "/api/events", "raw_path": b"/api/events", "query_string": b"",
            "headers": [(b"host", b"vuon.test"), *((k.lower().encode(), v.encode()) for k, v in headers.items())],
            "scheme": "https", "server": ("vuon.test", 443), "client": ("192.0.2.7", 1), "http_version": "1.1",
        }  # fmt: skip

        async def run() -> None:
            await self.box.app(scope, receive, send)  # type: ignore[arg-type]  # plain dicts

        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            tasks.create_task(run())
            await got.wait()
            gone.set()
        return Answer(status, lines, body)

    # what paths are filled with

    def things(self, over: str) -> Mapping[str, str]:
        """Return the school's things of a kind, by the table's names for them."""
        people = {label: actor.person for label, actor in self.box.actors.items() if actor.person}
        by_kind = {"class": self.box.classes, "child": self.box.children, "person": people}
        return by_kind.get(over, self.box.cameras)

    def objects(self, over: str) -> Iterator[tuple[str, str]]:
        """Yield what may stand for the object: each of the school's, one that is none, what cannot be one."""
        yield from self.things(over).items()
        yield "unknown", new_public_id()
        yield from (("malformed", text) for text in MALFORMED)

    async def seconds(self, row: Row, actor: Actor, camera: str) -> AsyncIterator[tuple[str, str]]:
        """Yield what may stand for the second id: the actor's own, another's, one that is none, what cannot be one."""
        if not row.other:
            yield "", ""
            return
        own, others = await self.made(row.other, actor, camera)
        if own is not None:
            yield "own", own
        if others is not None:
            yield "others", others
        yield "unknown", new_public_id()
        yield "malformed", "x"

    async def made(self, kind: str, actor: Actor, camera: str) -> tuple[str | None, str | None]:
        """Make a thing of the actor's (None if it may not) and one of somebody else's (None if all may use it)."""
        principal = self.box.actors["deputy" if actor.label == "principal" else "principal"]
        match kind:
            case "session":
                return await self.session(actor, camera), await self.session(principal, self._some(camera))
            case "playback":
                return await self.playback(actor, camera), await self.playback(principal, self._some(camera))
            case "wall":
                return await self.wall(actor, camera), await self.wall(principal, self._some(camera))
            case "hold" | "order" | "ready order":
                if actor.role in PRINCIPALS or kind not in self._once:  # to others one is as good as the next
                    self._once[kind] = await self._kept(kind, principal)
                return self._once[kind], None
            case "child" | "sheet":
                return await self.of_class(kind, camera)
            case "person":  # of the notice to staff: a teacher's, and not a family's
                return self.box.actors["teacher"].person, self.box.actors["mother"].person
            case "visit":
                return await self.visit(), None  # to all leaders one is as good as the next
            case "draft":
                return await self.draft(actor), await self.draft(principal)
        raise AssertionError(f"how is a {kind} made? say it in tests/fakes/route_driver.py")

    async def of_class(self, kind: str, class_id: str) -> tuple[str, str | None]:
        """Return a child or a sheet of a class, and one of the other class; None where the path has no class."""
        classes = self.box.classes
        mine = next((key for key, item in classes.items() if item == class_id), "mam")
        other = next(key for key in classes if key != mine)
        if kind == "child":
            return self.box.children[mine], self.box.children[other] if class_id in classes.values() else None
        return await self.sheet(mine), await self.sheet(other)

    async def visit(self) -> str:
        """Let a guest of their own come to the first class in an hour."""
        start_ms = self.box.clock.now_ms() + 3_600_000
        visit = Visit(self.box.classes["mam"], start_ms, start_ms + 3_600_000, name="Khách Thứ Hai")
        return await self.box.parts.observing.make(CONSOLE, visit)

    async def sheet(self, key: str) -> str:
        """Put in a paper sheet for a class, unless one waits."""
        sql = "SELECT id FROM consent_sheet WHERE class = ? AND signed_ms IS NULL AND dropped_ms IS NULL"
        class_id, form = self.box.classes[key], Row(headers=FORM, body=f"ngay={self.day}&so-scan=A1".encode())
        form = replace(form, body=form.body + f"&view-{self.box.children[key]}=co".encode())

        async def waits() -> str | None:
            row = await self.box.ground.db.read(lambda conn: conn.execute(sql, (class_id,)).fetchone())
            return str(row["id"]) if row is not None else None

        if await waits() is None:
            answer = await self.ask(self.box.actors["principal"], "POST", f"/dong-y/lop/{class_id}/nhap", form)
            assert answer.status == 303, answer
        return await waits() or ""

    @property
    def day(self) -> str:
        """Today, as a form has it."""
        return dt.datetime.fromtimestamp(self.box.clock.now_ms() / 1000, dt.UTC).date().isoformat()

    async def draft(self, actor: Actor) -> str | None:
        """Let somebody read a list of children that changes nothing yet; None if that is not for this actor."""
        key = f"draft of {actor.label}"
        if key not in self._once:
            type_of = {"content-type": "multipart/form-data; boundary=b"}
            row = Row(body=LIST, headers=type_of)
            answer = await self.ask(actor, "POST", "/nhap", row)
            self._once[key] = (
                dict(answer.headers).get("location", "").rpartition("/")[2] if answer.status == 303 else ""
            )
        return self._once[key] if self._once[key].isalnum() and len(self._once[key]) == 16 else None

    async def _kept(self, kind: str, principal: Actor) -> str:
        """Make a hold, an order that waits for its second person, or one that is done."""
        match kind:
            case "hold":
                return await self._named(principal, "POST", "/api/cameras/{camera}/holds", "hold")
            case "order":
                return await self._named(principal, "POST", "/api/cameras/{camera}/exports", "order")
        return await self.ready_order()

    def _some(self, camera: str) -> str:
        return camera if camera in self.box.cameras.values() else self.box.cameras["mam"]

    async def session(self, actor: Actor, camera: str) -> str | None:
        """Open a live session; None if that is not for this actor."""
        row = Row(body=OFFER, headers=SDP)
        answer = await self.ask(actor, "POST", f"/whep/{camera}", row)
        return dict(answer.headers)["location"].rpartition("/")[2] if answer.status == 201 else None

    async def playback(self, actor: Actor, camera: str) -> str | None:
        """Open recorded time."""
        answer = await self.ask(actor, "POST", f"/api/cameras/{camera}/playback", Row(body=SPAN))
        return str(json.loads(answer.body)["playback"]) if answer.status == 201 else None

    async def wall(self, actor: Actor, camera: str) -> str | None:
        """Open a connection for tiles."""
        answer = await self.ask(actor, "POST", f"/wall/{camera}", Row(body={"offer": OFFER}))
        return str(json.loads(answer.body)["wall"]) if answer.status == 201 else None

    async def _named(self, actor: Actor, method: str, path: str, key: str) -> str:
        answer = await self.ask(actor, method, path.format(**self.box_mam), ROUTES[method, path])
        assert answer.status == 201, answer
        return str(json.loads(answer.body)[key])

    @property
    def box_mam(self) -> dict[str, PublicId]:
        """The first camera, for paths."""
        return {"camera": self.box.cameras["mam"]}

    async def ready_order(self) -> str:
        """Order, approve and make a copy."""
        actors = self.box.actors
        order = await self._named(actors["principal"], "POST", "/api/cameras/{camera}/exports", "order")
        approved = await self.ask(actors["deputy"], "POST", f"/api/exports/{order}/approve")
        assert approved.status == 200, approved
        await self.box.parts.copying.round()
        await self.box.parts.copying.round()
        return order

    # what is expected

    def verdict(self, row: Row, actor: Actor, camera: str, second: str) -> str:
        """Return public, login, absent, refused, strangers or ok."""
        if row.public:
            return "public"
        if actor.role is None or actor.label in {"disabled", "signed_out"} or (actor.player and not row.players):
            return "absent" if row.hidden else "login"
        if actor.role not in row.finds:
            return "absent"
        if row.over:
            known = self.things(row.over).keys()
            reach = REACH[row.over](actor.label if actor.label != "player_all" else "", actor.role)
            if camera not in (known if reach is None else known & reach):
                return "refused" if actor.role in row.refuses and camera in known else "absent"
        elif actor.role in row.refuses:
            return "refused"
        return "strangers" if second not in {"", "own"} else "ok"

    async def nothing(self, actor: Actor, method: str, path: str, row: Row) -> Answer:
        """Return the answer to an address at which there is nothing, of the same kind."""
        root = "/nowhere" if is_page(path) else path[: path.index("/", 1)] + "/nowhere/at/all/of/it"
        key = (actor.label, method, root)
        if key not in self._nothing:
            self._nothing[key] = await self.ask(actor, method, root, Row(body=row.body, headers=row.headers))
        return self._nothing[key]


def pictures(answer: Answer) -> set[str]:
    """Return the cameras whose picture is in an answer."""
    return set(_PICTURE.findall(answer.text))
