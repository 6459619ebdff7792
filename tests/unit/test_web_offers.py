"""What the pages offer is what their reader may: on the real access module, as each role that has a rail."""

from __future__ import annotations

import html
import re
from pathlib import Path

import httpx
import pytest

from gateway.core.model import STAFF_ROLES, Role
from tests.fakes.school_box import SchoolBox, school_box
from web.staff_places import MOST_TABS, PLACES, bar_of, places_of

pytestmark = pytest.mark.anyio
LABELS = {Role.PRINCIPAL: "principal", Role.VICE_PRINCIPAL: "vice_principal", Role.TEACHER: "teacher"}
_ID = re.compile(r"[a-z2-7]{16}")
_FILES = ("/static/", "/nhat-ky/tep")


def links_of(page: str) -> list[str]:
    """Return the addresses of the box's own pages that a page links to."""
    found = [html.unescape(link).partition("#")[0] for link in re.findall(r'<a [^>]*href="(/[^"]*)"', page)]
    return [link for link in found if not link.startswith(_FILES)]


async def walk(box: SchoolBox, client: httpx.AsyncClient, label: str) -> dict[str, httpx.Response]:
    """Follow every link from the start, one page of each kind; returns the answers by address."""
    headers, seen, todo = box.actors[label].headers(), dict[str, httpx.Response](), ["/"]
    kinds: set[str] = set()
    while todo:
        link = todo.pop(0)
        kind = _ID.sub("*", link.partition("?")[0])
        if kind in kinds:
            continue
        kinds.add(kind)
        seen[link] = await client.get(link, headers=headers)
        todo += links_of(seen[link].text)
    return seen


@pytest.mark.parametrize("role", LABELS)
async def test_no_link_leads_to_a_refusal(role: Role, tmp_path: Path) -> None:
    """Every page that the pages of a role lead to opens, and the rail's places are among them."""
    async with school_box(tmp_path) as box, box.client() as client:
        seen = await walk(box, client, LABELS[role])
    assert {link: answer.status_code for link, answer in seen.items() if answer.status_code not in {200, 303}} == {}
    assert {place.href for place in places_of(role)} <= seen.keys()


async def test_a_vice_principal_is_offered_no_act_that_is_refused(tmp_path: Path) -> None:
    """No form changes the leadership, the authority or the installer; the new school year is the principal's."""
    async with school_box(tmp_path) as box, box.client() as client:
        headers = box.actors["vice_principal"].headers()
        theirs = {box.actors[label].person for label in ("principal", "deputy", "authority", "installer", "disabled")}
        for path in ("/nhan-su", "/tai-khoan/nhan-vien"):
            page = (await client.get(path, headers=headers)).text
            named = set(re.findall(r'name="person" value="([a-z2-7]{16})"', page))
            assert box.actors["teacher"].person in named, path
            assert named & theirs == set(), path
        assert 'href="/nam-hoc"' not in (await client.get("/phu-huynh", headers=headers)).text
        mine = box.actors["principal"].headers()
        assert 'href="/nam-hoc"' in (await client.get("/phu-huynh", headers=mine)).text


@pytest.mark.parametrize("role", sorted(STAFF_ROLES))
def test_a_phones_bar_holds_few_places_and_the_sheet_the_rest(role: Role) -> None:
    """Nothing is lost or doubled between bar and sheet, and both keep the order of the rail."""
    bar, places = bar_of(role), places_of(role)
    assert len(bar.tabs) <= MOST_TABS
    assert sorted(bar.tabs + bar.rest) == sorted(places)
    for part in bar:
        assert [place for place in PLACES if place in part] == list(part)
    assert all(place in bar.tabs for place in places if place.tab)
