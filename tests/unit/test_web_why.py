"""The page of who sees what."""

from __future__ import annotations

import re

import pytest

from gateway.core.model import LEADER_ROLES, Role
from tests.fakes.clock import FakeClock
from tests.fakes.web_client import browser
from tests.fakes.web_services import EVERYBODY, MAM, MOTHER, PRINCIPAL, FakeBox
from web.pages_why import instant_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def box() -> FakeBox:
    return FakeBox(FakeClock())


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize(
    "question", ["", f"?camera={MAM}", f"?ai={MOTHER.person}", f"?ai={MOTHER.person}&camera={MAM}&truong=1"]
)
async def test_every_answer_is_whole_in_both_languages(box: FakeBox, question: str, language: str) -> None:
    """Question, list and chain have their words; nothing is inline, every file is of this version."""
    async with browser(box, PRINCIPAL, language=language) as client:
        page = (await client.get("/quyen" + question)).text
        assert page.count("<h1") == 1
        for address in re.findall(r'(?:href|src)="(/static/[^"#]*)', page):
            assert (await client.get(address)).status_code == 200, address
    assert "style=" not in page
    assert "{{" not in page
    assert ('id="answer"' in page) is bool(question)


async def test_who_sees_a_camera_with_reasons_and_times(box: FakeBox) -> None:
    """Who sees it, who does not, why, and when next; each name leads to its chain of facts."""
    async with browser(box, PRINCIPAL) as client:
        page = (await client.get(f"/quyen?camera={MAM}")).text
        assert "Xem được" in page
        assert "Không xem được" in page
        assert f'href="/quyen?ai={MOTHER.person}&amp;camera={MAM}"' in page
        chain = (await client.get(f"/quyen?ai={MOTHER.person}&camera={MAM}")).text
    assert "Là người giám hộ của Bé Minh An, đang học Lớp Mầm 1" in chain
    assert "Lớp Mầm 1: giờ ngủ trưa" in chain


async def test_a_chosen_time_is_the_schools(box: FakeBox) -> None:
    """11:30 on the page is 11:30 in Việt Nam, and it stays in the links of the answer."""
    async with browser(box, PRINCIPAL) as client:
        page = (await client.get(f"/quyen?camera={MAM}&luc=2026-11-19T11:30")).text
    assert "11:30, Thứ Năm, 19/11/2026" in page
    assert "luc=2026-11-19T11:30" in page
    assert instant_of("2026-11-19T11:30", "Asia/Ho_Chi_Minh") == 1_795_062_600_000


@pytest.mark.parametrize("text", ["", "x", "11:30", "2026-11-19T11:30+00:00", "0001-01-01T00:00", "9" * 40])
def test_what_is_no_time_means_now(text: str) -> None:
    """A broken address is no error."""
    assert instant_of(text, "Asia/Ho_Chi_Minh") is None


async def test_unknown_names_show_the_form(box: FakeBox) -> None:
    """An id that names nothing answers as if nothing had been asked."""
    async with browser(box, PRINCIPAL) as client:
        for question in ("?ai=nobody", "?camera=nothing", "?ai=%3Cscript%3E&camera=%27"):
            page = await client.get("/quyen" + question)
            assert page.status_code == 200
            assert 'id="answer"' not in page.text
            assert "script>'" not in page.text


@pytest.mark.parametrize("role", EVERYBODY)
async def test_only_the_leadership_reads_everybodys_rights(box: FakeBox, role: Role) -> None:
    """For everybody else the page is refused, whoever it asks about."""
    async with browser(box, EVERYBODY[role]) as client:
        status = (await client.get(f"/quyen?camera={MAM}")).status_code
    assert (status == 200) is (role in LEADER_ROLES)
