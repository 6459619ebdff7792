"""A hub with many schools: enrolled boxes that send signed events, and the application that shows them."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.boxsign import sign_request
from gateway.core.db import Database
from gateway.core.events import make_event
from gateway.core.model import PublicId
from gateway.hub.store import MIGRATIONS, HubStore
from gateway.upstream.payload import document
from tests.fakes.clock import FakeClock
from web.hub_services import HubServices

STREAM = "0199aaaa-0000-7000-8000-{:012d}"
SCHOOLS = (
    *("Hoa Sen", "Sơn Ca", "Họa Mi", "Ánh Dương", "Bình Minh", "Hướng Dương", "Măng Non", "Tuổi Thơ", "Sao Mai"),
    *("Hoa Mai", "Hoa Hồng", "Vành Khuyên", "Rạng Đông", "Thủy Tiên", "Tuổi Ngọc", "Hải Âu", "Bông Sen"),
    *("Đông Hải 1", "Đông Hải 2", "Cát Bi", "Đằng Lâm", "Đằng Hải", "Nam Hải", "Tràng Cát", "Thành Tô"),
    *("Hoa Phượng", "Bạch Dương", "Ban Mai", "Sóc Nâu", "Thỏ Ngọc", "Kim Đồng", "Hoàng Anh", "Hoa Cúc"),
    *("Mai Vàng", "Nắng Hồng", "Cầu Vồng", "Bồ Câu", "Én Nhỏ", "Hoa Đào", "Ngôi Sao", "Thiên Nga", "Lan Anh"),
    *("Bé Ngoan", "20-10", "8-3", "1-6", "Hoa Ban", "Phù Đổng", "Trúc Xanh", "Mặt Trời"),
)
UNIT = "Phòng Văn hóa - Xã hội phường Hải An"


def camera_id(school: int, number: int) -> PublicId:
    """Return a public id that says where it belongs."""
    digits = f"{school:03d}{number:02d}".translate(str.maketrans("0123456789", "abcdefghij"))
    return PublicId(digits + "camera234567"[: 16 - len(digits)])


@dataclass
class FleetBox:
    """One enrolled box, as the hub hears it."""

    store: HubStore
    clock: FakeClock
    index: int
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    gateway: PublicId = field(default_factory=lambda: PublicId(""))
    sent: int = 0

    def request(self, path: str, value: Mapping[str, Any]) -> tuple[dict[str, str], bytes]:
        """Return headers and body of a signed request."""
        body = gzip.compress(json.dumps(value).encode())
        return sign_request(self.key, self.gateway, "POST", path, self.clock.now_ms(), body), body

    async def enrol(self, claim: str) -> PublicId:
        """Spend a claim and announce one stream."""
        public = self.key.public_key().public_bytes_raw().hex()
        headers, body = self.request("/v1/enrol", {"claim": claim, "public_key": public})
        self.gateway = await self.store.enrol(headers, "/v1/enrol", body)
        return self.gateway

    async def hello(self) -> list[dict[str, Any]]:
        """Announce the one stream."""
        lanes = [{"lane": "alarm", "stream": STREAM.format(self.index), "base": 0, "last": self.sent}]
        _, body = self.request("/v1/hello", {"lanes": lanes})
        return await self.store.hello(self.gateway, body)

    async def tell(self, *facts: tuple[str, dict[str, Any]], ago_s: float = 0) -> None:
        """Send events; each fact is a name and its fields, `ago_s` seconds old."""
        documents: list[dict[str, Any]] = []
        for name, data in facts:
            event = make_event(name, now_ms=self.clock.now_ms() - int(ago_s * 1000), mono_ns=5, trusted=True, **data)
            found = document(event)
            assert found is not None
            documents.append(found | {"sequence": self.sent + len(documents) + 1})
        _, body = self.request("/v1/events", {"first": self.sent + 1, "events": documents})
        ack = await self.store.events(self.gateway, STREAM.format(self.index), body)
        self.sent += len(documents)
        assert ack == (self.sent, False)

    async def well(self, cameras: int, *, ago_s: float = 36_000) -> None:
        """Say that all cameras are connected and recorded."""
        facts: list[tuple[str, dict[str, Any]]] = [("box.started", {"version": "0.1.0"})]
        for number in range(1, cameras + 1):
            camera = camera_id(self.index, number)
            facts.append(("camera.state", {"camera": camera, "state": "up", "why": ""}))
            facts.append(("recording.started", {"camera": camera, "stream": "main", "run": number}))
        await self.tell(*facts, ago_s=ago_s)

    async def camera(self, number: int, state: str, why: str = "", *, ago_s: float = 0) -> None:
        """Say that a camera changed its state."""
        data = {"camera": camera_id(self.index, number), "state": state, "why": why}
        await self.tell(("camera.state", data), ago_s=ago_s)

    async def stopped(self, number: int, why: str, *, ago_s: float = 0) -> None:
        """Say that a camera is no longer recorded."""
        data = {"camera": camera_id(self.index, number), "stream": "main", "why": why}
        await self.tell(("recording.stopped", data), ago_s=ago_s)


@asynccontextmanager
async def hub_store(folder: Path, clock: FakeClock) -> AsyncIterator[HubStore]:
    """A hub's store on a database of its own."""
    async with Database(folder / "hub.db", [MIGRATIONS]) as db:
        yield HubStore(db, clock)


async def school(store: HubStore, clock: FakeClock, index: int = 1, name: str = "MN Hoa Sen") -> FleetBox:
    """Enrol one box."""
    box = FleetBox(store, clock, index)
    await box.enrol(await store.make_claim(name))
    await box.hello()
    return box


async def district(store: HubStore, clock: FakeClock) -> list[FleetBox]:
    """Enrol fifty schools: one lost, some with cameras down, refused, not recorded, one without its disk."""
    boxes = []
    for index, name in enumerate(SCHOOLS):
        box = await school(store, clock, index, f"MN {name}")
        await box.well(8 + index * 7 % 5 * 2)
        boxes.append(box)
    by_name = dict(zip(SCHOOLS, boxes, strict=True))
    for number in (2, 3, 6, 8):
        await by_name["Thủy Tiên"].camera(number, "down", "camera_unreachable", ago_s=11_580)
    for number in (4, 7, 8):
        await by_name["Hoa Đào"].camera(number, "login_refused", "camera_login", ago_s=64_000)
    for number in (5, 6):
        await by_name["Nam Hải"].camera(number, "down", "camera_unreachable", ago_s=90_000)
    await by_name["Hoàng Anh"].camera(6, "silent", "camera_silent", ago_s=300_000)
    await by_name["Hoa Sen"].camera(4, "down", "camera_closed", ago_s=1_980)
    for number in (1, 8):
        await by_name["Hoa Sen"].stopped(number, "disk", ago_s=600)
    for number in (7, 8):
        await by_name["Đông Hải 1"].stopped(number, "overload", ago_s=1_200)
    losing = {"condition": "camera.losing_packets", "about": camera_id(by_name["Thỏ Ngọc"].index, 6)}
    await by_name["Thỏ Ngọc"].tell(("condition.raised", losing), ago_s=900)
    await by_name["8-3"].tell(("condition.raised", {"condition": "clock.untrusted", "about": "box"}), ago_s=5_000)
    clock.tick(6_240)
    for box in boxes:
        if box is not by_name["Tuổi Thơ"]:
            await box.hello()
    return boxes


def services(
    store: HubStore, clock: FakeClock, *, secure: bool = False, hosts: frozenset[str] = frozenset()
) -> HubServices:
    """Return the bundle of a hub."""
    return HubServices(store, clock, UNIT, "Asia/Ho_Chi_Minh", "vi", hosts, secure)
