"""Paper from a meeting: a slip a child, the school's own pages, what is put in, and what was done already."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from gateway.core.errors import BadInput
from tests.fakes.clock import FakeClock
from tests.fakes.web_client import browser
from tests.fakes.web_services import CLASS_MAM, MOTHER, PRINCIPAL, TEACHER, FakeBox, pid
from web.consent_services import CaseView, ChildAnswers, ClassTally, RecordingBasis, Sheet, SheetLine

pytestmark = pytest.mark.anyio
PAPER = f"/dong-y/lop/{CLASS_MAM}/phieu"
OVERVIEW = f"/dong-y/lop/{CLASS_MAM}/tong-hop"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
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


# putting it in, and what was done already


@pytest.mark.parametrize(("language", "says"), [("vi", "Hãy chọn ai ký đồng ý"), ("en", "Choose who signed this yes")])
async def test_a_yes_without_a_name_comes_back_with_its_child_marked(box: FakeBox, language: str, says: str) -> None:
    """The form stands as it was typed; the one child whose signer is missing is marked, and can be left blank."""
    child = KIDS[2].child
    fields = {"ngay": "2026-09-01", "so-scan": "7", f"view-{child}": "co", f"view-{KIDS[0].child}": "co"}
    box.consents.error = BadInput("say who", case="sheet_signer", children=(child,))
    async with browser(box, TEACHER, language=language) as client:
        page = await client.post(f"/dong-y/lop/{CLASS_MAM}/nhap", content=urlencode(fields), headers=FORM)
        assert (page.status_code, page.text.count(says), page.text.count(" checked>")) == (400, 1, 2)
        assert f'name="ky-{child}" aria-invalid="true"' in page.text
        blank = urlencode(fields | {f"view-{child}": ""})
        done = await client.post(f"/dong-y/lop/{CLASS_MAM}/nhap", content=blank, headers=FORM)
    assert (done.status_code, box.calls[-1]) == (303, "enter 2026-09-01 7 1")


@pytest.mark.parametrize("home", ["dong-y", "lop"])
async def test_a_case_that_is_settled_already_is_told_and_what_was_typed_is_not_lost(box: FakeBox, home: str) -> None:
    """The page says how and when it was settled; other words than those stand there to be kept elsewhere."""
    now_ms = box.clock.now_ms()
    case = CaseView(KIDS[0].child, "Bé Số1", CLASS_MAM, "Lớp Mầm 1", "view", "refusal", False, now_ms, now_ms, now_ms)
    box.consents.closed_cases = [replace(case, remedy="mask", agreed="Che góc phải")]
    path = f"/dong-y/lop/{CLASS_MAM}/be/{KIDS[0].child}"
    async with browser(box, PRINCIPAL) as client:
        for words, kept in (("Che  góc phải", True), ("Xoay <máy>", False)):
            box.consents.error = BadInput("done", case="settled")
            fields = {"muc": "view", "cach": "angle", "thoa-thuan": words, "tu": home}
            page = await client.post(path, content=urlencode(fields), headers=FORM)
            assert (page.status_code, "xong rồi" in page.text, "chưa được ghi" in page.text) == (400, True, not kept)
            told = page.text.partition('role="alert"')[2].partition("</div>")[0]
            assert "Che góc phải" in told
            assert ("Xoay &lt;máy&gt;" in told) is not kept
        box.consents.error = BadInput("done", case="settled")
        held = await client.post(path, content=urlencode({"viec": "dung", "tu": home}), headers=FORM)
        assert (held.status_code, "xong rồi" in held.text) == (400, True)


@pytest.mark.parametrize(
    ("case", "says"), [("sheet_signed", "đã được hiệu trưởng xác nhận rồi"), ("sheet_dropped", "đã được bỏ rồi")]
)
async def test_a_second_tap_on_a_sheet_says_what_became_of_it(box: FakeBox, case: str, says: str) -> None:
    """Not a page that does not exist: the class's page, with the sheet's fate."""
    async with browser(box, PRINCIPAL) as client:
        for act in ("ky", "bo"):
            box.consents.error = BadInput("done", case=case)
            page = await client.post(f"/dong-y/lop/{CLASS_MAM}/giay/{'s' * 16}", content=f"viec={act}", headers=FORM)
            assert (page.status_code, says in page.text, "Bé Số1" in page.text) == (400, True, True)


async def test_each_line_of_a_sheet_says_what_stands(box: FakeBox) -> None:
    """Before the countersignature what would stand, after it what stands now and why a line did not count.

    Never a yes where the class waits; of sheets from before causes were kept it is said that another answer stood.
    """
    rows = [
        SheetLine("Bé Số1", "view", True, False, False, "signer"),
        SheetLine("Bé Số2", "view", True, False, False),
        SheetLine("Bé Số3", "view", True, None, True, signer="Mẹ Ba"),
    ]
    sheet = Sheet(pid("sheet"), "2026-09-01", "7", "Cô Hoa", box.clock.now_ms(), "waits", rows)
    async with browser(box, PRINCIPAL) as client:
        for state, fate, says in (
            ("waits", "signer", ["không ghi ai ký đồng ý", "Vẫn là Không", "Chưa trả lời"]),
            ("counts", "signer", ["không ghi ai ký đồng ý", "Hiện giờ:", "Hiện giờ:"]),
            ("counts", "newer", ["đã trả lời sau phiếu này", "Hiện giờ:", "Hiện giờ:"]),
            ("counts", "other", ["câu trả lời khác", "Hiện giờ:", "Hiện giờ:"]),
        ):
            lines_now = [replace(rows[0], fate=fate), *rows[1:]]
            box.consents.papers[CLASS_MAM] = [replace(sheet, state=state, lines=lines_now)]
            page = (await client.get(f"/dong-y/lop/{CLASS_MAM}")).text
            lines = page.partition('<ul class="diff">')[2].partition("</ul>")[0].split("<li>")[1:]
            assert [word in line for word, line in zip(says, lines, strict=True)] == [True, True, True]
            assert ["không ghi rõ ai ký" in line for line in lines] == [True, True, False]
