"""A guest's whole visit over the real access module: made, agreed to, watched, taken back, over; who reads of it."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import httpx
import pytest

from gateway.access.audit import CONSOLE
from gateway.access.facts import Purpose
from gateway.access.observing import ObservationRow, Visit
from gateway.core.errors import NotFound
from gateway.core.model import PublicId, Role
from gateway.core.unixdoor import Peer
from gateway.core.wire import Request
from gateway.roofs.control_observing import ObservingCalls
from gateway.roofs.observe_port import phase_of, said_of
from tests.fakes.school_box import Actor, SchoolBox, school_box
from web.session import cookie_name

pytestmark = pytest.mark.anyio
GUEST = "Cô Thanh Tra-z3"
HOUR_MS = 3_600_000


async def post(client: httpx.AsyncClient, actor: Actor, path: str, **fields: str) -> httpx.Response:
    """Send a form as somebody."""
    form = {"content-type": "application/x-www-form-urlencoded"}
    return await client.post(path, content=urlencode(fields), headers=actor.headers() | form)


async def get(client: httpx.AsyncClient, actor: Actor, path: str) -> httpx.Response:
    return await client.get(path, headers=actor.headers())


async def come_in(client: httpx.AsyncClient, code: str) -> Actor:
    """Type a code on a browser of its own."""
    answer = await post(client, Actor("guest"), "/vao", code=code)
    client.cookies.clear()
    assert (answer.status_code, answer.headers["location"]) == (303, "/khach/"), answer.text
    cookie = next(item for item in answer.headers.get_list("set-cookie") if item.startswith(cookie_name(secure=True)))
    return Actor("guest", Role.OBSERVER, token=cookie.partition("=")[2].partition(";")[0])


def times(box: SchoolBox) -> dict[str, str]:
    """The next hour, as the leaders' form has it."""
    now = dt.datetime.fromtimestamp(box.clock.now_ms() / 1000, box.ground.store.current.zone)
    end = now + dt.timedelta(hours=1)
    return {"ngay": f"{now:%Y-%m-%d}", "tu": f"{now:%H:%M}", "den": f"{end:%H:%M}"}


async def test_a_visit_from_the_form_to_the_end(tmp_path: Path) -> None:
    """Nobody but the guest gets in, nothing is shown before the teacher's yes, everything ends with her no."""
    async with school_box(tmp_path) as box, box.client() as client:
        head, teacher, mother = (box.actors[name] for name in ("principal", "teacher", "mother"))
        mam, camera = box.classes["mam"], box.cameras["mam"]
        wanted = {"ten": GUEST, "lop": mam, "ly_do": "Thao giảng-r1", "moi": "Phòng GD-r2", "khach": ""} | times(box)
        made = await post(client, head, "/du-gio", **wanted)
        assert made.status_code == 303, made.text
        visit = made.headers["location"].partition("#")[2]
        slip = await post(client, head, f"/du-gio/{visit}/ma")
        code = re.findall(r'class="code">([a-z2-7-]+)<', slip.text)[0]
        assert GUEST in slip.text
        guest = await come_in(client, code)
        screen = (await get(client, guest, "/api/observation")).json()
        assert (screen["screen"], screen["camera"]) == ("waiting", camera)
        still = f"/api/cameras/{camera}/still.jpg"
        assert (await get(client, guest, still)).status_code == 403
        asked = (await get(client, teacher, "/co/")).text
        assert all(text in asked for text in (GUEST, "Thao giảng-r1", "Phòng GD-r2", "Có khách xin dự giờ lớp"))
        page = (await get(client, head, "/du-gio")).text
        assert "Khách đã đăng nhập" in page
        other = box.actors["teacher_choi"]
        for path, buoi in ((mam, visit), (box.classes["choi"], visit)):
            assert (await post(client, other, f"/co/{path}/du-gio", y="co", buoi=buoi)).status_code == 404
        assert (await post(client, teacher, f"/co/{mam}/du-gio", y="co", buoi=visit)).status_code == 303
        assert (await get(client, guest, "/api/observation")).json()["screen"] == "live"
        box.clock.tick(30)  # pictures from before the visit are not the guest's
        box.recorder.now_ms = box.clock.now_ms()
        assert (await get(client, guest, still)).status_code == 200
        assert (await get(client, guest, f"/api/cameras/{box.cameras['choi']}/still.jpg")).status_code == 404
        read = (await get(client, mother, "/p/nhat-ky")).text
        assert GUEST in read
        assert "Người dự giờ" in read
        assert "Thao giảng-r1" not in read
        whole = (await get(client, head, "/nhat-ky")).text
        assert GUEST in whole
        assert "Lớp đồng ý buổi dự giờ" in whole
        assert (await post(client, teacher, f"/co/{mam}/du-gio", y="khong", buoi=visit)).status_code == 303
        assert (await get(client, guest, "/api/observation")).json()["screen"] == "declined"
        assert (await get(client, guest, still)).status_code == 403
        assert (await post(client, head, f"/du-gio/{visit}/ket-thuc")).status_code == 303
        assert (await get(client, guest, "/khach/")).headers["location"] == "/vao"
        assert (await get(client, guest, "/api/observation")).status_code == 401
        assert (await post(client, Actor("guest"), "/vao", code=code)).status_code == 403
        rights = (await get(client, head, f"/quyen?camera={camera}")).text
        assert GUEST in rights
        sent = await box.ground.db.read(lambda conn: conn.execute("SELECT * FROM outbox").fetchall())
        told = "".join(str(tuple(row)) for row in sent)
        assert not any(text in told for text in (GUEST, "Thao", "Phòng GD", visit))


async def test_a_new_code_takes_the_browser_of_the_old_one_out(tmp_path: Path) -> None:
    """A guest who lost the slip gets another; whoever has the first is out at once."""
    async with school_box(tmp_path) as box, box.client() as client:
        parts, now_ms = box.parts, box.clock.now_ms()
        visit = await parts.observing.make(CONSOLE, Visit(box.classes["mam"], now_ms, now_ms + HOUR_MS, name=GUEST))
        await parts.names.load()
        first = await come_in(client, (await parts.passes.create(CONSOLE, visit)).text.reveal())
        again = await come_in(client, (await parts.passes.create(CONSOLE, visit)).text.reveal())
        assert (await get(client, first, "/api/observation")).status_code == 401
        assert (await get(client, again, "/api/observation")).status_code == 200


async def test_the_guests_page_is_of_the_visit_of_the_code(tmp_path: Path) -> None:
    """Not of another one of the same person, also if that comes first."""
    async with school_box(tmp_path) as box, box.client() as client:
        parts, now_ms = box.parts, box.clock.now_ms()
        guest = await parts.people.add(CONSOLE, Role.OBSERVER, GUEST)
        soon = Visit(box.classes["mam"], now_ms, now_ms + HOUR_MS, guest)
        later = Visit(box.classes["choi"], now_ms + HOUR_MS, now_ms + 2 * HOUR_MS, guest)
        await parts.observing.make(CONSOLE, soon)
        visit = await parts.observing.make(CONSOLE, later)
        await parts.names.load()
        actor = await come_in(client, (await parts.passes.create(CONSOLE, visit)).text.reveal())
        told = (await get(client, actor, "/api/observation")).json()
        assert (told["id"], told["screen"], told["name"]) == (visit, "before", "Lớp Chồi-c9")
        page = (await get(client, actor, "/khach/")).text
        assert "Bé Bình" not in page
        assert "Cô Lớp Chồi" not in page


async def test_leaders_read_how_many_families_keep_it_shut(tmp_path: Path) -> None:
    """A number and the way to the list; it is gone once all agree."""
    async with school_box(tmp_path) as box, box.client() as client:
        head, now_ms = box.actors["principal"], box.clock.now_ms()
        await box.parts.observing.make(CONSOLE, Visit(box.classes["choi"], now_ms, now_ms + HOUR_MS, name=GUEST))
        assert f"/dong-y/lop/{box.classes['choi']}" in (await get(client, head, "/du-gio")).text
        await box.parts.children.consent(CONSOLE, box.children["choi"], Purpose.OBSERVE)
        assert f"/dong-y/lop/{box.classes['choi']}" not in (await get(client, head, "/du-gio")).text


async def test_the_console_makes_lists_codes_and_ends(tmp_path: Path) -> None:
    """The calls of `vuon du-gio`, with a new guest and one who is known."""
    async with school_box(tmp_path) as box:
        parts, now_ms = box.parts, box.clock.now_ms()
        calls = ObservingCalls(parts.observing, parts.passes, parts.names, "https://vuon.test").handlers()

        async def call(name: str, **params: object) -> dict[str, Any]:
            reply = await cast(Any, calls[name])(Request(name, params, b"", Peer(0, 0, 0)))
            return dict(reply.result)

        span = {"from_ms": now_ms, "to_ms": now_ms + HOUR_MS, "class": "Lớp Mầm-m9"}
        made = await call("observation.make", person=GUEST, new=True, reason="thao giảng", **span)
        known = await call("observation.make", person=box.actors["observer"].name, **span)
        coded = await call("observation.code", session=made["session"])
        assert coded["url"] == "https://vuon.test/vao"
        assert coded["until_ms"] == now_ms + HOUR_MS
        await call("observation.assent", session=made["session"])
        await call("observation.assent", session=known["session"], given=False)
        await call("observation.end", session=made["session"])
        await parts.names.load()
        rows = {row["id"]: row for row in (await call("observation.list"))["sessions"]}
        assert (rows[made["session"]]["person"], rows[made["session"]]["ended"]) == (GUEST, True)
        assert (rows[known["session"]]["said"], rows[known["session"]]["class"]) == ("no", "Lớp Mầm-m9")
        with pytest.raises(NotFound):
            await call("observation.code", session="z" * 16)


def test_how_far_a_visit_is() -> None:
    """By its times; one that was ended, or whose guest may not come any more, has ended; who is past stays past."""
    row = ObservationRow(PublicId("v" * 16), PublicId("p" * 16), PublicId("k" * 16), 10, 20, assented=False)
    assert [phase_of(row, at_ms, disabled=False) for at_ms in (9, 10, 19, 20)] == [
        "coming",
        "running",
        "running",
        "past",
    ]
    assert [phase_of(row, at_ms, disabled=True) for at_ms in (9, 19, 20)] == ["ended", "ended", "past"]
    assert said_of(row) == "waits"
