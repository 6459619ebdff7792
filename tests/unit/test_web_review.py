"""The review pages' routes: who finds them, what they carry, what they leave out."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest

from gateway.core.model import Decision
from tests.fakes.clock import FakeClock
from tests.fakes.web_client import browser
from tests.fakes.web_services import CHOI, LA, MAM, MOTHER, PRINCIPAL, TEACHER, YARD, FakeBox
from web.headers import CONTENT_POLICY
from web.pages_review import LATEST_MS, instant_of

pytestmark = pytest.mark.anyio
AT_MS = 1_790_219_732_000


@pytest.fixture
def box() -> FakeBox:
    return FakeBox(FakeClock(AT_MS))


def carried(page: str, name: str = "review-data") -> Any:
    """The JSON that a page carries for its scripts."""
    found = re.search(rf'<template id="{name}">(.*?)</template>', page, re.DOTALL)
    assert found is not None
    return json.loads(unescape(found[1]))


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        (str(AT_MS), AT_MS),
        ("1", 1),
        ("", None),
        ("0", None),
        ("-5", None),
        ("1e9", None),
        ("\uff11\uff12", None),
        ("12 ", None),
        ("9" * 13, None),
        ("9" * 400, None),
        (str(LATEST_MS), None),
        ("<script>", None),
    ],
)
def test_only_an_instant_counts_as_one(text: str, at_ms: int | None) -> None:
    """Whatever else stands in the address is left out."""
    assert instant_of(text) == at_ms


async def test_the_page_carries_the_instant_and_no_other_camera(box: FakeBox) -> None:
    """One camera's page names one camera; nonsense in the address is no error."""
    async with browser(box, PRINCIPAL) as client:
        page = await client.get(f"/xem-lai/{MAM}?luc={AT_MS}")
        odd = await client.get(f"/xem-lai/{MAM}?luc=%3Cscript%3E")
    assert page.status_code == odd.status_code == 200
    assert carried(page.text) == {"camera": MAM, "name": "Lớp Mầm 1", "at": AT_MS, "disks_away": 0}
    assert carried(odd.text) == {"camera": MAM, "name": "Lớp Mầm 1", "at": None, "disks_away": 0}
    assert "<script>" not in odd.text.replace('<script type="module"', "")
    assert [camera for camera in (CHOI, LA, YARD) if camera in page.text] == []


async def test_the_page_writes_no_audit_row_and_holds_no_picture(box: FakeBox) -> None:
    """Opening the page grants nothing: each picture is asked for by script."""
    async with browser(box, PRINCIPAL) as client:
        for path in ("/xem-lai", f"/xem-lai/{MAM}"):
            page = await client.get(path)
            assert page.headers["cache-control"] == "no-store"
            assert re.findall(r"<(?:img|video|source)[^>]* src=", page.text) == []
    assert [call for call in box.calls if call.startswith("grant")] == []


async def test_the_list_names_every_camera_by_group_in_the_order_of_the_grid(box: FakeBox) -> None:
    """The same cameras as the live grid, none twice."""
    async with browser(box, PRINCIPAL) as client:
        page = (await client.get("/xem-lai")).text
    assert re.findall(r'data-camera="(\w+)"', page) == [MAM, CHOI, LA, YARD]
    assert re.findall(r"<h3>(.*?)</h3>", page) == ["Mầm", "Chồi", "Lá"]


async def test_the_way_to_the_page_is_shown_to_those_who_may(box: FakeBox) -> None:
    """Rail, tabs and the camera page lead there for the principal, and not for a teacher or after a refusal."""
    link = f'href="/xem-lai/{MAM}?luc={AT_MS - 120_000}"'
    async with browser(box, PRINCIPAL) as client:
        page = (await client.get(f"/camera/{MAM}")).text
        assert link in page
        assert page.count('href="/xem-lai"') == 2
        box.refusals[PRINCIPAL.person, MAM] = Decision(False, "role.action")
        assert "/xem-lai/" not in (await client.get(f"/camera/{MAM}")).text
    async with browser(box, TEACHER) as client:
        for path in (f"/camera/{MAM}", "/"):
            assert "/xem-lai" not in (await client.get(path)).text


async def test_others_do_not_learn_that_the_pages_exist(box: FakeBox) -> None:
    """A teacher and a guardian get what an unknown address gives."""
    for caller in (TEACHER, MOTHER):
        async with browser(box, caller) as client:
            answers = [await client.get(path) for path in ("/xem-lai", f"/xem-lai/{MAM}", "/no-such-page")]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1


async def test_english_has_every_word(box: FakeBox) -> None:
    """The page in English has no Vietnamese sentence of ours left."""
    async with browser(box, PRINCIPAL, language="en") as client:
        page = (await client.get(f"/xem-lai/{MAM}")).text
    assert "Choose a span" in page
    assert carried(page, "texts")["review.state.locked"] == "Recorded footage is locked"
    assert "Chọn một đoạn" not in page


def test_media_may_come_from_the_pages_own_memory_and_from_nowhere_else() -> None:
    """A media source is an object of the page; no other origin may be played."""
    rules = dict(rule.strip().split(" ", 1) for rule in CONTENT_POLICY.split(";"))
    assert rules["media-src"] == "'self' blob:"
