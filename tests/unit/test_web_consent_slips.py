"""What is printed for a parents' meeting: a slip a child, the texts, the school's own pages."""

from __future__ import annotations

import re

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.web_client import browser
from tests.fakes.web_services import CLASS_MAM, MOTHER, PRINCIPAL, TEACHER, FakeBox, pid
from web.consent_services import ChildAnswers, ClassTally, RecordingBasis

pytestmark = pytest.mark.anyio
PAPER = f"/dong-y/lop/{CLASS_MAM}/phieu"
OVERVIEW = f"/dong-y/lop/{CLASS_MAM}/tong-hop"
NONE = dict.fromkeys(("view", "record", "observe"))
SAID = (
    NONE,
    {"view": True, "record": None, "observe": True},
    {"view": False, "record": None, "observe": True},
    {"view": True, "record": None, "observe": None},
)
KIDS = [
    ChildAnswers(pid(f"child{n}"), f"Bé Số{n} <b>", said, [(MOTHER.person, MOTHER.name, "mother")], waits=not said["view"])
    for n, said in enumerate(SAID, 1)
]  # fmt: skip


@pytest.fixture
def box() -> FakeBox:
    made = FakeBox(FakeClock())
    made.consents.tallies = [ClassTally(CLASS_MAM, "Lớp Mầm 1", len(KIDS), 2, 1, 1, 2, 0)]
    made.consents.kids[CLASS_MAM] = KIDS
    return made


def slips(page: str) -> list[str]:
    return re.findall(r'<article class="slip">.*?</article>', page, re.DOTALL)


def names(text: str) -> set[str]:
    return set(re.findall(r"Bé Số\d", text))


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_a_slip_tells_of_one_child_and_of_no_answer(box: FakeBox, language: str) -> None:
    """Every child has a slip of its own: no other child's name, no guardian's, no box that is ticked, no answer."""
    async with browser(box, TEACHER, language=language) as client:
        page = (await client.get(PAPER)).text
    made = slips(page)
    assert [names(slip) for slip in made] == [{f"Bé Số{n}"} for n in range(1, len(KIDS) + 1)]
    assert len({re.sub(r"Bé Số\d|\d+</b>", "", slip) for slip in made}) == 1, "an answer changes nothing of a slip"
    for slip in made:
        assert MOTHER.name not in slip
        assert slip.count("☐") == 5, "a yes and a no for two questions, and the objection to recording"
        assert not re.search("checked|✓|✗|☑", slip)
    assert "&lt;b&gt;" in made[0]


async def test_the_texts_name_no_child_and_the_cover_is_the_schools(box: FakeBox) -> None:
    """What is handed out with the slips tells of nobody; the page with all names says who keeps it, without answers."""
    async with browser(box, TEACHER) as client:
        page = (await client.get(PAPER)).text
    texts, cover = page.partition('<section class="texts">')[2].split('<section class="cover">')
    assert names(texts) == set()
    assert "Không chuyền tay" in cover
    assert names(cover) == {f"Bé Số{n}" for n in range(1, len(KIDS) + 1)}
    assert cover.count("☐") == len(KIDS)
    assert not any(word in cover for word in ("Đồng ý", "Đã rút", "Chưa trả lời"))


async def test_only_missing_slips_keep_their_numbers(box: FakeBox) -> None:
    """Who has answered everything gets no paper; the others' numbers are those of the form they are put in by."""
    async with browser(box, TEACHER) as client:
        form = (await client.get(f"/dong-y/lop/{CLASS_MAM}/nhap")).text
        made = slips((await client.get(f"{PAPER}?ai=thieu")).text)
        assert [names(slip) for slip in made] == [{"Bé Số1"}, {"Bé Số4"}]
        for slip, number in zip(made, (1, 4), strict=True):
            assert f"Số {number}<" in slip
            assert re.search(rf"Bé Số{number} &lt;b&gt; <span[^>]*>phiếu số {number}<", form)
        assert "In 2 phiếu còn thiếu" in (await client.get(f"/dong-y/lop/{CLASS_MAM}")).text
        box.consents.stated = RecordingBasis("consent", "", True)
        assert len(slips((await client.get(f"{PAPER}?ai=thieu")).text)) == len(KIDS), "recording is a question too now"
        box.consents.stated = RecordingBasis()
        box.consents.kids[CLASS_MAM] = [KIDS[1]]
        assert "Không còn bé nào thiếu" in (await client.get(f"{PAPER}?ai=thieu")).text


async def test_the_overview_is_the_leaders_and_says_so(box: FakeBox) -> None:
    """Answers on paper are for the leaders' file: a teacher, and anybody else, has no such page and no way to it."""
    async with browser(box, PRINCIPAL) as client:
        page = (await client.get(OVERVIEW)).text
        assert "Chỉ dành cho lãnh đạo" in page
        assert [page.count(word) for word in ("✓ Đồng ý", "✗ Không", "– Chưa trả lời")] == [4, 1, 3]
        assert OVERVIEW in (await client.get(f"/dong-y/lop/{CLASS_MAM}")).text
    for other in (TEACHER, MOTHER):
        async with browser(box, other) as client:
            assert (await client.get(OVERVIEW)).status_code == 404
    async with browser(box, TEACHER) as client:
        assert OVERVIEW not in (await client.get(f"/dong-y/lop/{CLASS_MAM}")).text
