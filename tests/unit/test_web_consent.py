"""The pages of consent over a fake door: what is refused, by whom, and how a form comes back."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from gateway.core.errors import BadInput
from gateway.core.model import Decision
from tests.fakes.clock import FakeClock
from tests.fakes.web_client import browser
from tests.fakes.web_consent import TEXTS
from tests.fakes.web_services import CLASS_CHOI, CLASS_MAM, FATHER, MOTHER, OFFICER, PRINCIPAL, TEACHER, FakeBox, pid
from web.consent_services import CaseView, ChildAnswers, ClassTally, Question, RecordingBasis

pytestmark = pytest.mark.anyio
CHILD, MATE = pid("childan"), pid("childbinh")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NONE = dict.fromkeys(("view", "record", "observe"))


@pytest.fixture
def box() -> FakeBox:
    made = FakeBox(FakeClock())
    made.consents.mine[MOTHER.person] = [
        Question(CHILD, "Bé An Nhiên", CLASS_MAM, TEXTS[0]),
        Question(CHILD, "Bé An Nhiên", CLASS_MAM, TEXTS[1], due=False, notice=True, reference="12/QC-MN"),
        Question(CHILD, "Bé An Nhiên", CLASS_MAM, TEXTS[2]),
    ]
    made.consents.tallies = [
        ClassTally(CLASS_MAM, "Lớp Mầm 1", 2, 1, 0, 1, 1, 0),
        ClassTally(CLASS_CHOI, "Lớp Chồi 1", 0, 0, 0, 0, 0, 0),
    ]
    made.consents.kids[CLASS_MAM] = [
        ChildAnswers(CHILD, "Bé An <b>", NONE, [(MOTHER.person, MOTHER.name, "mother")], waits=True),
        ChildAnswers(MATE, "Bé Bình", NONE | {"view": True}, []),
    ]
    return made


def body(**fields: str) -> str:
    return urlencode({name.replace("_", "-"): value for name, value in fields.items()})


def acts(box: FakeBox) -> list[str]:
    return [call for call in box.calls if call != "active"]


async def test_a_class_without_children_is_not_done(box: FakeBox) -> None:
    """Nobody has agreed where nobody is: it says so in words, with no count and no tick."""
    async with browser(box, PRINCIPAL) as client:
        card = (await client.get("/dong-y")).text.partition(f'href="/dong-y/lop/{CLASS_CHOI}"')[2].partition("</a>")[0]
        page = (await client.get(f"/dong-y/lop/{CLASS_CHOI}")).text.partition("<main")[2]
        for told in (card, page):
            assert "Chưa có trẻ" in told
            assert ("0/0" in told, "#check-circle" in told.partition("</section>")[0]) == (False, False)
        people = (await client.get("/phu-huynh")).text
        assert ("Chưa có trẻ" in people, "0 trẻ" in people) == (True, False)


async def test_the_question_comes_first_and_needs_the_guardians_tick(box: FakeBox) -> None:
    """The class page asks; an answer without the tick, of another child or to no question changes nothing."""
    async with browser(box, MOTHER) as client:
        assert (await client.get("/p/")).headers["location"] == "/p/dong-y"
        page = (await client.get("/p/dong-y")).text
        assert "checked" not in page
        assert 'value="' + "a" * 64 in page
        fields = {"be": CHILD, "muc": "view", "van_ban": "a" * 64}
        refused = await client.post("/p/dong-y", content=body(**fields, tra_loi="co"), headers=FORM)
        assert (refused.status_code, "người giám hộ của bé" in refused.text) == (400, True)
        for wrong in ({"muc": "everything"}, {"tra_loi": "maybe"}):
            posted = body(**(fields | {"tra_loi": "co", "giam_ho": "1"} | wrong))
            assert (await client.post("/p/dong-y", content=posted, headers=FORM)).status_code == 400
        posted = body(**(fields | {"tra_loi": "co", "giam_ho": "1", "be": MATE}))
        assert (await client.post("/p/dong-y", content=posted, headers=FORM)).status_code == 404
        assert not [call for call in acts(box) if call.startswith("answer")]
        done = await client.post("/p/dong-y", content=body(**fields, tra_loi="khong", giam_ho="1"), headers=FORM)
        assert (done.status_code, acts(box)[-1]) == (303, "answer view False aaaa")
        assert "Hỏi về observe" in (await client.get("/p/dong-y")).text
        assert (await client.get("/p/?sau=1")).status_code == 200


async def test_a_text_that_changed_meanwhile_is_read_again(box: FakeBox) -> None:
    """The stale answer is not taken; the page says so and shows the question again."""
    async with browser(box, MOTHER) as client:
        box.consents.error = BadInput("changed", case="text_changed")
        posted = body(be=CHILD, muc="view", van_ban="a" * 64, tra_loi="co", giam_ho="1")
        page = await client.post("/p/dong-y", content=posted, headers=FORM)
        assert (page.status_code, "vừa đổi văn bản" in page.text) == (400, True)
        box.consents.error = BadInput("something else")
        assert (await client.post("/p/dong-y", content=posted, headers=FORM)).status_code == 400
        assert not [call for call in acts(box) if call.startswith("answer")]


async def test_withdrawing_is_one_post(box: FakeBox) -> None:
    """From the account page at once, for an own child and a known purpose only; a notice can be objected to."""
    async with browser(box, MOTHER) as client:
        account = (await client.get("/p/tai-khoan")).text
        assert "Tôi không đồng ý ghi hình" in account
        assert "12/QC-MN" in account
        assert "12/QC-MN" in (await client.get(f"/p/dong-y?be={CHILD}&muc=record")).text
        done = await client.post("/p/dong-y/rut", content=body(be=CHILD, muc="record"), headers=FORM)
        assert (done.headers["location"], acts(box)[-1]) == ("/p/tai-khoan#dong-y", "withdraw record")
        assert (await client.post("/p/dong-y/rut", content=body(be=CHILD, muc="x"), headers=FORM)).status_code == 400
        assert (await client.post("/p/dong-y/rut", content=body(be=MATE, muc="view"), headers=FORM)).status_code == 404
        assert (await client.get(f"/p/dong-y?be={MATE}&muc=view")).status_code == 404
        assert (await client.get("/p/dong-y/phieu")).status_code == 200
    async with browser(box, FATHER) as client:
        assert (await client.get("/p/dong-y")).headers["location"] == "/p/"
        assert "dong-y/rut" not in (await client.get("/p/tai-khoan")).text


PRINCIPALS = {
    f"/dong-y/be/{CHILD}": "",
    "/dong-y/co-so": body(co_so="consent", so_hieu=""),
    "/dong-y/van-ban": body(muc="view", vi="a\nb", en="a\nb", rong="0"),
}


async def test_each_role_has_its_own_pages(box: FakeBox) -> None:
    """Guardians and officers have none of the school's; a teacher has her class, and nothing that binds the school."""
    everything = [
        "/dong-y",
        f"/dong-y/lop/{CLASS_MAM}",
        f"/dong-y/lop/{CLASS_MAM}/phieu",
        f"/dong-y/lop/{CLASS_MAM}/nhap",
    ]
    for caller in (MOTHER, OFFICER):
        async with browser(box, caller) as client:
            assert {(await client.get(path)).status_code for path in [*everything, f"/dong-y/be/{CHILD}"]} == {404}
    async with browser(box, TEACHER) as client:
        assert {(await client.get(path)).status_code for path in everything} == {200}
        assert (await client.get(f"/dong-y/lop/{CLASS_CHOI}")).status_code == 404
        page = (await client.get("/dong-y")).text
        assert "/dong-y/co-so" not in page
        for path, posted in PRINCIPALS.items():
            answer = await (client.post(path, content=posted, headers=FORM) if posted else client.get(path))
            assert answer.status_code == 404
    async with browser(box, PRINCIPAL) as client:
        page = (await client.get(f"/dong-y/lop/{CLASS_MAM}")).text
        assert "Bé An &lt;b&gt;" in page, "a name is text"
        assert "checked" not in page
        for path, posted in PRINCIPALS.items():
            answer = await (client.post(path, content=posted, headers=FORM) if posted else client.get(path))
            assert answer.status_code in {200, 303}
        assert (await client.get(f"/dong-y/be/{pid('nobody')}")).status_code == 404


async def test_a_refused_sheet_comes_back_as_it_was_typed(box: FakeBox) -> None:
    """A bad date or number keeps every tick and says that nothing was saved; no tick is no answer."""
    path = f"/dong-y/lop/{CLASS_MAM}/nhap"
    ticks = {f"view-{CHILD}": "co", f"observe-{MATE}": "khong", f"ky-{CHILD}": MOTHER.person}
    async with browser(box, TEACHER) as client:
        for day, error in (("soon", None), ("2026-09-01", BadInput("no", case="scan"))):
            box.consents.error = error
            page = await client.post(path, content=urlencode({"ngay": day, "so-scan": "PH 7", **ticks}), headers=FORM)
            assert page.status_code == 400
            assert page.text.count(" checked") == 2
            assert 'value="PH 7"' in page.text
            assert "selected" in page.text
            assert "Chưa có gì được lưu" in page.text
        for odd in (
            {f"record-{MATE}": "maybe"},
            {f"view-{pid('nobody')}": "co"},
            {f"ky-{pid('nobody')}": MOTHER.person},
        ):
            posted = urlencode({"ngay": "2026-09-01", "so-scan": "7", **ticks, **odd})
            assert (await client.post(path, content=posted, headers=FORM)).status_code in {400, 404}
        done = await client.post(path, content=urlencode({"ngay": "2026-09-01", "so-scan": "7", **ticks}), headers=FORM)
        assert (done.status_code, acts(box)[-1]) == (303, "enter 2026-09-01 7 2")
        sheet = f"/dong-y/lop/{CLASS_MAM}/giay/{'s' * 16}"
        for act in ("xoa", ""):
            assert (await client.post(sheet, content=body(viec=act), headers=FORM)).status_code == 400
        assert acts(box)[-1] == "enter 2026-09-01 7 2"
        assert (await client.post(sheet, content=body(viec="bo"), headers=FORM)).status_code == 303
    async with browser(box, PRINCIPAL) as client:
        assert (await client.post(sheet, content=body(viec="ky"), headers=FORM)).status_code == 303
        assert "Đã xác nhận" in (await client.get(f"/dong-y/lop/{CLASS_MAM}")).text
        many = urlencode({f"x{n}": "co" for n in range(1100)})
        assert (await client.post(path, content=many, headers=FORM)).status_code == 400


async def test_cases_texts_and_basis_are_told_in_words(box: FakeBox) -> None:
    """Both languages say what a case is and when it is due; a refused form says why on the page it came from."""
    now_ms, day_ms = box.clock.now_ms(), 86_400_000
    rows = [
        CaseView(CHILD, "Bé An", CLASS_MAM, "Lớp Mầm 1", purpose, kind, waits, now_ms - day_ms, now_ms + due)
        for purpose, kind, waits, due in (
            ("view", "withdrawal", True, day_ms), ("view", "repeat", False, -1), ("view", "refusal", True, day_ms),
            ("view", "disagree", True, 1), ("record", "refusal", False, 1), ("record", "withdrawal", False, 1),
        )
    ]  # fmt: skip
    box.consents.open_cases, box.consents.stated = rows, RecordingBasis("consent", "", False)
    for language, late in (("vi", "Quá hạn"), ("en", "Overdue")):
        async with browser(box, PRINCIPAL, language=language) as client:
            assert (await client.get("/dong-y")).text.count(late) == 1
    settle = f"/dong-y/lop/{CLASS_MAM}/be/{CHILD}"
    async with browser(box, PRINCIPAL) as client:
        for home, case, says in (("dong-y", "agreed", "thống nhất"), ("lop", "remedy", "một cách xử lý")):
            box.consents.error = BadInput("no", case=case)
            page = await client.post(settle, content=body(tu=home, muc="view", cach="", thoa_thuan=""), headers=FORM)
            assert (page.status_code, says in page.text) == (400, True)
        done = await client.post(settle, content=body(muc="view", cach="mask", thoa_thuan="Che"), headers=FORM)
        assert (done.headers["location"], acts(box)[-1]) == (f"/dong-y/lop/{CLASS_MAM}", "settle view mask Che")
        assert (await client.post(settle, content=body(viec="dung"), headers=FORM)).status_code == 303
        assert (await client.post(settle, content=body(muc="x"), headers=FORM)).status_code == 400
        for path, fields, case in (
            ("/dong-y/co-so", {"co_so": "regulation"}, "reference"),
            ("/dong-y/van-ban", {"muc": "view", "rong": "1"}, "text"),
        ):
            box.consents.error = BadInput("no", case=case)
            page = await client.post(path, content=body(**fields), headers=FORM)
            assert (page.status_code, 'role="alert"' in page.text) == (400, True)
        assert (await client.post("/dong-y/van-ban", content=body(muc="view"), headers=FORM)).status_code == 400


async def test_a_sheet_is_put_in_as_it_was_printed(box: FakeBox) -> None:
    """The form asks what the sheet asks, in its order and by its numbers; what is only told is no open question."""
    path, objects = f"/dong-y/lop/{CLASS_MAM}", f'type="checkbox" name="record-{CHILD}" value="khong"'
    for basis, asked in (("regulation", ["view", "observe"]), ("consent", ["view", "record", "observe"])):
        box.consents.stated = RecordingBasis(basis, "12/QC", True)
        async with browser(box, TEACHER) as client:
            form = (await client.get(f"{path}/nhap")).text
            sheet = (await client.get(f"{path}/phieu")).text
            page = (await client.get(path)).text
        radios = re.findall(rf'type="radio" name="(\w+)-{CHILD}" value="co"', form)
        assert radios == asked
        legends = re.findall(r"<legend>(\d)\. [^<]+</legend>", form)[: len(asked)]
        titles = {text.purpose: text.title("vi") for text in TEXTS}
        slip = sheet.partition('<article class="slip">')[2].partition("</article>")[0]
        assert re.findall(r"<span>(\d)\. ([^<]+?) <", slip) == [
            (number, titles[purpose]) for number, purpose in zip(legends, asked, strict=True)
        ]
        assert ("không đồng ý ghi hình" in slip) is (basis == "regulation")
        assert (objects in form) is (basis == "regulation")
        assert ("Theo quy chế" in page) is (basis == "regulation")
    box.consents.stated = RecordingBasis()
    ticked = {"ngay": "2026-09-01", "so-scan": "P 1", f"record-{CHILD}": "khong"}
    async with browser(box, TEACHER) as client:
        box.consents.error = BadInput("no", case="scan")
        back = await client.post(f"{path}/nhap", content=urlencode(ticked), headers=FORM)
        assert f"{objects} checked" in back.text
        done = await client.post(f"{path}/nhap", content=urlencode(ticked), headers=FORM)
    assert (done.status_code, acts(box)[-1]) == (303, "enter 2026-09-01 P 1 1")


async def test_a_refused_text_is_not_lost(box: FakeBox) -> None:
    """What the principal wrote stands in the form again, opened, with what was wrong."""
    async with browser(box, PRINCIPAL) as client:
        box.consents.error = BadInput("no", case="same_text")
        posted = body(muc="observe", rong="0", vi="Tiêu đề của trường", en="The school's title")
        page = await client.post("/dong-y/van-ban", content=posted, headers=FORM)
    assert page.status_code == 400
    assert "Tiêu đề của trường</textarea>" in page.text
    assert page.text.count("<details open>") == 2


async def test_what_was_settled_stays_readable_to_the_principal(box: FakeBox) -> None:
    """The remedy, the days and the words that were agreed; a teacher's page has none of it."""
    now_ms, case = box.clock.now_ms(), ("view", "withdrawal", False)
    box.consents.closed_cases = [
        CaseView(CHILD, "Bé An", CLASS_MAM, "Lớp Mầm 1", *case, 0, 0, now_ms, "angle", "Xoay về <phía> bảng")
    ]
    async with browser(box, PRINCIPAL) as client:
        page = (await client.get("/dong-y")).text
    assert "Đã xử lý (1)" in page
    assert "Xoay về &lt;phía&gt; bảng" in page
    async with browser(box, TEACHER) as client:
        assert "phía" not in (await client.get("/dong-y")).text


async def test_the_words_beside_a_case_say_what_others_see(box: FakeBox) -> None:
    """Only a class that waits is a paused class to other families."""
    now_ms = box.clock.now_ms()
    for waits, says in ((True, "Lớp đang tạm dừng chia sẻ hình"), (False, "vẫn xem lớp như thường")):
        box.consents.open_cases = [CaseView(CHILD, "An", CLASS_MAM, "Mầm", "view", "repeat", waits, now_ms, now_ms)]
        async with browser(box, PRINCIPAL) as client:
            page = (await client.get("/dong-y")).text
        assert [text in page for text in ("chỉ thấy “Lớp đang tạm dừng", "vẫn xem lớp như thường")] == [
            waits,
            not waits,
        ]
        assert says in page


@pytest.mark.parametrize(
    ("given", "withdrawn", "says"),
    [
        (None, False, "cần câu trả lời"),
        (True, False, "không cần ký thêm"),
        (False, True, "đã rút đồng ý từ ngày 24/09/2026"),
        (False, False, "Đã trả lời không đồng ý"),
    ],
)
async def test_a_guardian_without_the_familys_consent_reads_what_is_left_to_do(
    box: FakeBox, given: bool | None, withdrawn: bool, says: str
) -> None:
    """Whoever has said yes is not sent to sign once more; nothing tells what another guardian said."""
    box.class_decision = Decision(False, "consent.missing")
    question = box.consents.mine[MOTHER.person][0]
    box.consents.mine[MOTHER.person] = [
        replace(question, given=given, withdrawn=withdrawn, due=given is None, answered_ms=1_790_219_732_000)
    ]
    async with browser(box, MOTHER) as client:
        page = (await client.get("/p/?sau=1")).text
    assert says in page
    assert ("muc=view" in page) is not bool(given)


async def test_an_objection_to_recording_says_what_follows(box: FakeBox) -> None:
    """Two school days for the school's answer, and that recording does not stop by itself."""
    question = box.consents.mine[MOTHER.person][1]
    box.consents.mine[MOTHER.person] = [replace(question, given=False, answered_ms=1_790_219_732_000)]
    async with browser(box, MOTHER) as client:
        assert "Việc ghi hình không tự dừng" in (await client.get("/p/tai-khoan")).text


async def test_yes_and_no_look_alike(box: FakeBox) -> None:
    """Neither button of a question is made more tempting than the other."""
    async with browser(box, MOTHER) as client:
        page = (await client.get("/p/dong-y")).text
    assert len(set(re.findall(r'<button class="([^"]*)" name="tra-loi"', page))) == 1


@pytest.mark.parametrize(
    ("purpose", "remedies"), [("view", ("angle", "mask", "room")), ("record", ("angle", "mask", "room", "talked"))]
)
async def test_every_remedy_that_is_offered_is_taken(box: FakeBox, purpose: str, remedies: tuple[str, ...]) -> None:
    """The choices of a case's form are what its act accepts: talking settles recording, never viewing."""
    now_ms = box.clock.now_ms()
    box.consents.open_cases = [CaseView(CHILD, "An", CLASS_MAM, "Mầm", purpose, "refusal", False, now_ms, now_ms)]
    async with browser(box, PRINCIPAL) as client:
        page = (await client.get("/dong-y")).text
        assert re.findall(r'name="cach" value="(\w+)"', page) == list(remedies)
        for remedy in remedies:
            posted = body(tu="dong-y", muc=purpose, cach=remedy, thoa_thuan="Đã gặp gia đình")
            done = await client.post(f"/dong-y/lop/{CLASS_MAM}/be/{CHILD}", content=posted, headers=FORM)
            assert (done.status_code, acts(box)[-1]) == (303, f"settle {purpose} {remedy} Đã gặp gia đình")
