"""Canaries in a running box: every secret stays inside, and each role reads exactly the names it may read."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.fakes.box_door import until
from tests.fakes.canary_school import (
    CREDENTIALS,
    MARK,
    CanarySchool,
    answers,
    canaries,
    copied,
    files,
    found,
    own_words,
    read_routes,
    spelled,
)
from tests.fakes.demo_box import DemoBox, demo_box

pytestmark = [pytest.mark.system, pytest.mark.anyio]

MAY_READ = {
    "nobody": set[str](),
    "authority_it": {"staff authority_it"},
    "installer": {"staff installer"},
    "teacher": {"staff teacher"},
    "one": {"guardian one", "child one"},
    "mate": {"guardian mate", "child mate"},
    "other": {"guardian other", "child other"},
}
"""Names by reader; the principal reads all. Families also read the principal's, as who looked at their class."""
LOOKED = {"staff principal"}


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoBox]:
    with demo_box(tmp_path_factory.mktemp("canaries"), cameras=2) as running:
        running.well()
        yield running


@pytest.fixture
async def school(box: DemoBox) -> AsyncIterator[CanarySchool]:
    async with canaries(box) as planted:
        yield planted


async def test_canaries_are_found_only_where_they_may_be(school: CanarySchool) -> None:
    """Pages, answers, errors, metrics, status, the file for Excel, a copy, logs, events, messages upstream, databases."""
    cameras = [str(row["id"]) for row in school.box.status()["cameras"]]
    await _look(school, cameras)
    await _pages(school, cameras)
    await _copy(school)
    await _figures(school)
    await _upstream_has_it(school)
    _on_disk(school)


async def _look(school: CanarySchool, cameras: list[str]) -> None:
    """Let the principal look at every class, so that the families' ledgers name somebody."""
    for camera in cameras:
        reply = await school.doors["principal"].get(f"/api/cameras/{camera}/still.jpg")
        assert reply.status_code == 200


async def _pages(school: CanarySchool, cameras: list[str]) -> None:
    assert len(read_routes()) > 20
    readers = await asyncio.gather(*(_reads(school, who, cameras) for who in school.doors))
    read = dict(zip(school.doors, readers, strict=True))
    table = await school.doors["principal"].post("/nhat-ky/tep", data={"ngay": "tat-ca"})
    assert table.status_code == 200
    assert found(school.secrets, table.content) == []
    read["principal"] |= set(found(school.names, table.content))
    for who, allowed in MAY_READ.items():
        family = who in school.families
        assert read[who] - (LOOKED if family else set()) <= allowed, who
        assert read[who] >= (allowed | LOOKED if family else set()), who  # the search is not blind
    assert read["principal"] >= {f"{kind} {key}" for kind in ("guardian", "child") for key in school.families}
    assert "reason of a hold" in read["principal"]


async def _reads(school: CanarySchool, who: str, cameras: list[str]) -> set[str]:
    """Return the names that somebody reads in all answers; no secret may be in any."""
    read: set[str] = set()
    async for address, answer in answers(school.doors[who], cameras):
        assert found(school.secrets, answer) == [], (who, address)
        assert not CREDENTIALS.search(answer), (who, address)
        assert b"Traceback" not in answer, (who, address)
        read |= set(found(school.names, answer))
    return read


async def _copy(school: CanarySchool) -> None:
    """What leaves the box for others holds ids: no name of whoever asked, no reason, no secret."""
    with zipfile.ZipFile(io.BytesIO(await copied(school))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert any(name.endswith(".mp4") for name in parts)
    assert any(b"audit" in content for content in parts.values())
    for name, content in parts.items():
        assert found(school.secrets | school.names, content + name.encode()) == [], name


async def _figures(school: CanarySchool) -> None:
    """No daemon's status, no figure and no list for a technician names anybody or holds a secret."""
    told = json.dumps(await own_words(school), ensure_ascii=False).encode()
    told += school.box.vuon("status").encode() + school.box.vuon("audit", "points").encode()
    told += school.box.vuon("audit", "verify").encode()
    assert found(school.secrets | school.names, told) == []
    assert not CREDENTIALS.search(told)


async def _upstream_has_it(school: CanarySchool) -> None:
    """Wait until the hub has what happened: only then is its database worth searching."""

    def sent() -> bool:
        told = school.box.json("status")["daemons"]["gateway"]
        waiting = (told.get("upstream") or {}).get("waiting", {})
        return not any(waiting.values()) if waiting else True

    await until(sent, what="the hub has everything")


def _on_disk(school: CanarySchool) -> None:
    """Logs, databases with their logs (events, outbox, the hub's messages): no name, no secret, not even sealed badly."""
    data = school.box.data
    logs = list(files(data / "log", "*"))
    assert {name.partition(".")[0] for name, _ in logs} >= {"gateway", "recorder", "live", "hub"}
    kept = [*logs, *files(data, "*.db", "*.db-wal")]
    assert {name.rpartition("/")[2] for name, _ in kept} >= {"gateway.db", "cameras.db"}
    hidden = school.secrets | school.names | {"any planted name": MARK}
    for name, content in kept:
        assert found(hidden, content) == [], name
        assert not CREDENTIALS.search(content), name
    assert not any(b"Traceback" in content for _, content in logs)
    assert any(spelled("access.granted", content) for _, content in kept)  # the search is not blind
