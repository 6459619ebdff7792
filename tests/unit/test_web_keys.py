"""The page of the footage key: plain words for each state, a passphrase that goes nowhere but to the box."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import BadInput, PassphraseRefused
from tests.fakes.clock import FakeClock
from tests.fakes.web_client import browser
from tests.fakes.web_services import INSTALLER, MOTHER, OFFICER, PRINCIPAL, TEACHER, FakeBox
from web.caller import Caller

pytestmark = pytest.mark.anyio
LOCKED: dict[str, Any] = {"mode": "passphrase", "place": "passphrase", "passphrase_set": True, "unlocked": False}
STATES: dict[str, dict[str, Any]] = {
    "box": {},
    "unset": {"mode": "passphrase"},
    "locked": LOCKED,
    "open": LOCKED | {"unlocked": True, "holders": [{"place": 1, "since_ms": 1_790_000_000_000}]},
    "lost": {"place": "nowhere", "unlocked": False},
    "off": {"encrypted": False},
}


@pytest.fixture
def box() -> FakeBox:
    """A school whose box keeps the key."""
    return FakeBox(FakeClock())


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("state", STATES)
async def test_every_state_says_what_thieves_could_do(box: FakeBox, state: str, language: str) -> None:
    """Title, thieves of the disk and of the box, and only the forms that make sense."""
    box.key |= STATES[state]
    async with browser(box, PRINCIPAL, language=language) as page:
        answer = await page.get("/khoa")
    assert answer.status_code == 200
    assert answer.text.count("<dt>") == 3
    assert ('value="unlock"' in answer.text) is (state == "locked")
    assert ('value="sheet"' in answer.text) is (state in {"locked", "lost"})
    assert ('value="lock"' in answer.text) is ('value="passphrase"' in answer.text) is (state == "open")
    assert answer.headers["cache-control"] == "no-store"


async def test_where_the_key_lies_is_said(box: FakeBox) -> None:
    """Each place has its own words about the stolen box."""
    seen = set()
    async with browser(box, PRINCIPAL) as page:
        for place in ("tpm", "host", "file", "passphrase", "nowhere"):
            box.key["place"] = place
            seen.add((await page.get("/khoa")).text.split("<dd>")[2].split("</dd>")[0])
    assert len(seen) == 5


async def test_unlocking_and_locking(box: FakeBox) -> None:
    """The right passphrase opens, the button closes; each leads back to the page."""
    box.key |= STATES["locked"]
    async with browser(box, PRINCIPAL) as page:
        answer = await page.post("/khoa", data={"act": "unlock", "passphrase": box.passphrase})
        assert (answer.status_code, answer.headers["location"]) == (303, "/khoa")
        assert "Khóa lại ngay" in (await page.get("/khoa")).text
        await page.post("/khoa", data={"act": "lock"})
        assert 'value="unlock"' in (await page.get("/khoa")).text
    assert [call for call in box.calls if call.startswith("key")] == [
        f"key unlock by {PRINCIPAL.person} with passphrase",
        f"key lock by {PRINCIPAL.person} with ",
    ]


async def test_what_was_typed_comes_back_nowhere(box: FakeBox) -> None:
    """A wrong passphrase shows the empty form with its reason; neither it nor a sheet is in the answer."""
    box.key |= STATES["locked"]
    async with browser(box, PRINCIPAL) as page:
        for act, field in (("unlock", "passphrase"), ("sheet", "sheet")):
            answer = await page.post("/khoa", data={"act": act, field: "con chim xanh 42"})
            assert answer.status_code == 403
            assert "con chim xanh" not in answer.text + str(answer.headers)
            assert "Không mở được" in answer.text
    assert "con chim" not in " ".join(box.calls)


REFUSALS = [
    (PassphraseRefused("slow", reason="wait", retry_after_s=29), 403, "Đợi 29 giây"),
    (BadInput("line", case="sheet_line", line=3), 400, "Dòng 3"),
    (BadInput("lines", case="sheet", line=0), 400, "không cùng một tờ"),
    (BadInput("short", case="passphrase", least=12), 400, "từ 12"),
    (BadInput("other"), 400, "Chưa nhập đủ"),
]


@pytest.mark.parametrize(("error", "status", "words"), REFUSALS, ids=[item[2] for item in REFUSALS])
async def test_refusals_say_what_to_do(box: FakeBox, error: Exception, status: int, words: str) -> None:
    """A pause says how long, a mistyped sheet names its line."""
    box.key |= STATES["locked"]
    box.key_error = error
    async with browser(box, PRINCIPAL) as page:
        answer = await page.post("/khoa", data={"act": "sheet", "sheet": "0000"})
    assert answer.status_code == status
    assert words in answer.text


async def test_empty_unknown_and_huge_forms_reach_nobody(box: FakeBox) -> None:
    """An unknown act is bad input; a missing or enormous field is not sent on."""
    async with browser(box, PRINCIPAL) as page:
        for data in ({}, {"act": "rotate"}, {"act": "unlock"}, {"act": "unlock", "passphrase": "x" * 600},
                     {"act": "passphrase", "passphrase": "x"}):  # fmt: skip
            assert (await page.post("/khoa", data=data)).status_code == 400
    assert not any(call.startswith("key") for call in box.calls)


@pytest.mark.parametrize("caller", [TEACHER, MOTHER, OFFICER, INSTALLER, None], ids=str)
async def test_nobody_but_the_principal(box: FakeBox, caller: Caller | None) -> None:
    """Others neither see the page nor act; their navigation does not name it."""
    async with browser(box, caller) as page:
        for answer in (await page.get("/khoa"), await page.post("/khoa", data={"act": "lock"})):
            assert answer.status_code in {303, 403}
            assert "thief" not in answer.text
        assert 'href="/khoa"' not in (await page.get("/", follow_redirects=True)).text
    assert not any(call.startswith("key") for call in box.calls)


async def test_a_recorder_that_is_away_is_said(box: FakeBox) -> None:
    """The page answers 503 in the box's words."""
    box.recorder_down = True
    async with browser(box, PRINCIPAL) as page:
        assert (await page.get("/khoa")).status_code == 503
