"""What the demo does to become a school: discover, adopt, people, classes, codes.

Owns that sequence, spoken over the control sockets as an installer's tool would. Invariants: cameras are
found by discovery and adopted by ONVIF, nothing is written behind the daemons' backs; each step is safe
to repeat; it is done only when every camera records.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.cli.context import Context
from gateway.core.errors import CameraUnreachable, DaemonUnavailable

CAMERA_USER = "admin"
ROOMS = (
    *("Lớp Mầm 1", "Lớp Mầm 2", "Lớp Chồi 1", "Lớp Chồi 2", "Lớp Lá 1", "Lớp Lá 2", "Sân chơi", "Cổng trường"),
    *("Bếp ăn", "Nhà trẻ 1", "Nhà trẻ 2", "Hành lang 1"),
)
GUARDIAN, CHILD, GUARDIAN_CLASS = "Nguyễn Thị Lan", "Bé Minh An", "Lớp Mầm 1"
TEACHER = "Cô Phạm Thị Hạnh"
PRINCIPAL, DEPUTY = "Cô Trần Thu Hà", "Cô Lê Thị Mai"
"""Two people, so that an export can be tried: one asks, the other approves."""
START_S, RECORD_S = 180.0, 180.0
"""Hang limits: two idle cores start 32 cameras in about 20 s, two busy ones need minutes; who ends is told at once."""


def camera_names(count: int) -> list[str]:
    """Return the names of the demo's cameras: rooms first, then numbers."""
    return [ROOMS[n] if n < len(ROOMS) else f"Phòng {n + 1}" for n in range(count)]


@dataclass(frozen=True, slots=True)
class SchoolFacts:
    """What is printed at the end."""

    principal_code: str
    guardian_slip: str
    hub_code: str
    deputy_code: str
    teacher_code: str = ""


class Teller(Protocol):
    """Says a progress line by its catalogue key."""

    def __call__(self, key: str, **values: object) -> None:
        """Print it."""


async def _eventually(what: Callable[[], Any], check: Callable[[], None], limit_s: float) -> Any:
    """Repeat a call until its daemon answers; DaemonUnavailable after `limit_s`, or when `check` says so."""
    last = DaemonUnavailable("nothing was asked")
    try:
        async with asyncio.timeout(limit_s):
            while True:
                try:
                    return await what()
                except DaemonUnavailable as error:
                    last = error
                check()
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise last from None


async def hub_claim(context: Context, site: str, check: Callable[[], None], *, limit_s: float = START_S) -> str:
    """Return a claim code from the hub once it is up."""
    async with context.client("hub") as hub:
        reply = await _eventually(lambda: hub.call("claim.new", {"site": site}), check, limit_s)
        return str(reply.result["claim"])


class Setup:
    """Sets the school up through the control sockets."""

    def __init__(
        self,
        context: Context,
        cameras: int,
        network: str,
        password: str,
        check: Callable[[], None],
        *,
        record_s: float = RECORD_S,
    ) -> None:
        """`network` is the first three bytes of our cameras' addresses: other demos may run beside us."""
        self._context, self._count, self._network = context, cameras, network
        self._password, self._check, self._record_s = password, check, record_s

    async def run(self, tell: Teller) -> SchoolFacts:
        """Do all steps; raises the VuonError of the step that failed."""
        async with self._context.client("recorder") as recorder, self._context.client("gateway") as gateway:
            await _eventually(lambda: recorder.call("status"), self._check, START_S)
            await _eventually(lambda: gateway.call("status"), self._check, START_S)
            cameras = await self._adopt_all(recorder, tell)
            facts = await self._people(gateway, cameras)
            tell("cli.demo.waiting")
            await self._all_recording(recorder)
        async with self._context.client("hub") as hub:
            hub_code = str((await hub.call("code.new")).result["code"])
        return SchoolFacts(facts["code"], facts["slip"], hub_code, facts["deputy"], facts["teacher"])

    async def _adopt_all(self, recorder: Any, tell: Teller) -> dict[str, str]:
        names = camera_names(self._count)
        known = {row["name"]: row["id"] for row in (await recorder.call("camera.list")).result["cameras"]}
        for _ in range(4):
            missing = [name for name in names if name not in known]
            if not missing:
                break
            found = (await recorder.call("discover", {}, timeout_s=90)).result["found"]
            near = [item for item in found if item["address"].startswith(f"{self._network}.")]
            ours = [item for item in near if item.get("name") in missing and not item.get("adopted_as")]
            tell("cli.demo.found", count=len(ours))
            for item in sorted(ours, key=lambda row: names.index(row["name"])):
                params = {
                    "address": item["address"],
                    "port": item["port"],
                    "username": CAMERA_USER,
                    "password": self._password,
                    "name": item["name"],
                }
                camera = (await recorder.call("adopt", params, timeout_s=60)).result["camera"]
                known[item["name"]] = camera["id"]
        lost = [name for name in names if name not in known]
        if lost:
            raise CameraUnreachable(f"discovery did not find {', '.join(lost)}", case="lost", names=", ".join(lost))
        return {name: known[name] for name in names}

    async def _people(self, gateway: Any, cameras: dict[str, str]) -> dict[str, str]:
        have = (await gateway.call("people.list")).result
        classes = {row["name"] for row in have["classes"]}
        for name, camera in cameras.items():
            if name not in classes:
                # Open all day, so that the demo shows something whenever it is tried.
                await gateway.call("class.add", {"name": name, "cameras": [camera], "plan": "open"})
                hours = {"class": name, "start": "00:00", "end": "24:00", "days": "2,3,4,5,6,7,8"}
                await gateway.call("hours.set", hours)
        if not have["people"]:
            await gateway.call("person.add", {"name": PRINCIPAL, "role": "principal"})
            child = {"name": GUARDIAN, "kind": "mẹ", "child": CHILD, "class": GUARDIAN_CLASS, "consent": True}
            await gateway.call("guardian.add", child)
            await gateway.call("accept", {})
        if DEPUTY not in {row["name"] for row in have["people"]}:
            await gateway.call("person.add", {"name": DEPUTY, "role": "vice_principal"})
        if TEACHER not in {row["name"] for row in have["people"]}:
            await gateway.call("person.add", {"name": TEACHER, "role": "teacher"})
            # Signed first: a class is closed to guardians while one of its teachers has not.
            await gateway.call("notice.paper", {"teacher": TEACHER, "date": "2026-01-05", "scan": "01/2026"})
            await gateway.call("teacher.assign", {"teacher": TEACHER, "class": GUARDIAN_CLASS})
        code = (await gateway.call("code.new")).result["code"]
        teacher = (await gateway.call("code.new", {"person": TEACHER})).result["code"]
        deputy = (await gateway.call("code.new", {"person": DEPUTY})).result["code"]
        slip = (await gateway.call("slip.new", {"guardian": GUARDIAN, "checked": True})).result["url"]
        return {"code": str(code), "slip": str(slip), "deputy": str(deputy), "teacher": str(teacher)}

    async def _all_recording(self, recorder: Any) -> None:
        waiting: list[str] = []
        try:
            async with asyncio.timeout(self._record_s):
                while True:
                    rows = (await recorder.call("status")).result["cameras"]
                    waiting = [row["name"] for row in rows if not (row["connected"] and row["recording"])]
                    if rows and not waiting:
                        return
                    await asyncio.sleep(0.3)
        except TimeoutError as error:
            names = ", ".join(waiting) or "-"
            raise CameraUnreachable(f"not recording: {names}", case="recording", names=names) from error
