"""The page of who sees what."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import LEADER_ROLES, Role
from tests.fakes.clock import FakeClock
from tests.fakes.web_client import browser
from tests.fakes.web_services import EVERYBODY, MAM, MOTHER, PRINCIPAL, FakeBox
from web.moment_form import DAYS_AHEAD, Moment, clock_of, days_around, moment_in, moment_of

pytestmark = pytest.mark.anyio
ZONE = "Asia/Ho_Chi_Minh"


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


async def test_an_answer_that_was_searched_no_further_says_at_least(box: FakeBox) -> None:
    """The end of the search is not shown as the end of the right: in the list and in the chain."""
    box.why.until_ms = 1_796_272_200_000
    async with browser(box, PRINCIPAL) as client:
        for question in (f"?camera={MAM}", f"?ai={PRINCIPAL.person}", f"?ai={PRINCIPAL.person}&camera={MAM}"):
            assert "ít nhất đến 11:30, Thứ Năm" in (await client.get("/quyen" + question)).text


async def test_a_chosen_time_is_the_schools(box: FakeBox) -> None:
    """11:30 on the page is 11:30 in Việt Nam, and it stays in the links of the answer."""
    async with browser(box, PRINCIPAL) as client:
        page = (await client.get(f"/quyen?camera={MAM}&luc=2026-11-19T11:30")).text
    assert "11:30, Thứ Năm, 19/11/2026" in page
    assert "luc=2026-11-19T11:30" in page
    assert moment_in("2026-11-19T11:30", ZONE) == Moment(1_795_062_600_000, "2026-11-19", "11:30")


async def test_a_moment_is_chosen_without_a_calendar_of_the_browsers(box: FakeBox) -> None:
    """Now unless another time is asked for; days stand in words, the time is read as people write it."""
    async with browser(box, PRINCIPAL) as client:
        page = (await client.get(f"/quyen?camera={MAM}")).text
        assert 'value="" checked' in page
        assert "datetime-local" not in page
        asked = (await client.get(f"/quyen?camera={MAM}&khi=khac&ngay=2026-11-19&gio=11h30")).text
    assert "11:30, Thứ Năm, 19/11/2026" in asked
    assert "luc=2026-11-19T11:30" in asked
    assert '<option value="2026-11-19" selected>' in asked


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("khi=khac&ngay=2026-11-19&gio=25:10", "“25:10” không phải là giờ"),
        ("khi=khac&ngay=2026-11-19&gio=<b>", "“&lt;b&gt;” không phải là giờ"),
        ("khi=khac&ngay=19/11&gio=11:30", "Không đọc được ngày"),
        ("luc=x", "Không đọc được ngày"),
    ],
)
async def test_a_moment_that_cannot_be_read_is_answered_for_no_other(box: FakeBox, question: str, says: str) -> None:
    """The form says what it could not read and keeps it; there is no answer that somebody could take for that time's."""
    async with browser(box, PRINCIPAL) as client:
        page = await client.get(f"/quyen?camera={MAM}&{question}")
    assert page.status_code == 200
    assert says in page.text
    assert 'id="answer"' not in page.text
    assert 'role="alert"' in page.text


@pytest.mark.parametrize(
    "text",
    ["x", "11:30", "2026-11-19T11:30+00:00", "0001-01-01T00:00", "9" * 40, "2026-02-30T10:00", "2026-11-19T24:00"],
)
def test_what_is_no_moment_is_none(text: str) -> None:
    """Neither a wrong day, nor a wrong time, nor another zone's."""
    assert moment_in(text, ZONE).at_ms is None
    assert moment_in(text, ZONE).wrong
    assert moment_in("", ZONE) == Moment()


@given(st.times(), st.sampled_from(["{0}:{1:02}", "{0}h{1:02}", "{0:02}{1:02}", "{0}g{1:02}", " {0}.{1:02} "]))
def test_every_way_to_write_a_time_is_read(time: dt.time, form: str) -> None:
    """As on paper, as on a keypad, as it is said."""
    time = time.replace(second=0, microsecond=0)
    assert clock_of(form.format(time.hour, time.minute)) == time


@given(st.text(max_size=12), st.text(max_size=12))
def test_no_text_breaks_the_form(day: str, clock: str) -> None:
    """Whatever comes in an address is a moment or is named, and is offered again."""
    moment = moment_of(day, clock, ZONE)
    assert (moment.at_ms is None) == bool(moment.wrong)
    assert len(days_around(dt.date(2026, 11, 19), moment.day)) >= DAYS_AHEAD


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
