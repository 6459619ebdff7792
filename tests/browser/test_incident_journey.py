"""The whole way of an incident on the real box: look back, keep, ask, approve as the second person, fetch, verify."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from recorder.exportverify import verify
from tests.browser.demo_fixtures import Street, Visit, enter_code
from tests.fakes.demo_box import DemoBox, demo_box

pytestmark = [pytest.mark.browser, pytest.mark.system]
MOST_CLICKS, MOST_APPROVAL_CLICKS = 7, 3
PLACED = "() => document.getElementById('video').readyState >= 2 && !document.getElementById('video').seeking"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoBox]:
    with demo_box(tmp_path_factory.mktemp("incident"), cameras=1) as running:
        running.well()
        yield running


class Clicks:
    """Counts what a person presses."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, what: Locator) -> None:
        self.count += 1
        what.click()


def watch_back(visit: Visit, press: Clicks) -> None:
    """From the grid to a moving picture of what was."""
    press(visit.page.locator("a[href^='/camera/']").first)
    press(visit.page.locator("#review"))
    expect(visit.page.locator("#plate")).to_be_hidden()
    visit.page.wait_for_function(PLACED)


def test_an_incident_is_kept_copied_and_verified(box: DemoBox, street: Street, tmp_path: Path) -> None:
    """Six presses keep and ask, three approve; the copy is what the box signed, and one flipped byte is named."""
    hers, press = street.principal(), Clicks()
    watch_back(hers, press)
    page = hers.page
    first = page.evaluate("document.getElementById('stage').stats().position")
    page.locator("#day-bar").focus()
    page.keyboard.press("Home")  # the first picture of the day: a seek over the whole of what there is
    page.wait_for_function("at => document.getElementById('stage').stats().position <= at + 500", arg=first)
    page.wait_for_function(PLACED)
    press(page.locator("#span-here"))
    press(page.get_by_role("button", name="Trích xuất"))
    dialog = page.get_by_role("dialog")
    press(dialog.get_by_role("button", name="Trẻ bị ngã, bị thương"))
    press(dialog.get_by_role("button", name="Giữ và gửi yêu cầu"))
    expect(page.locator("#span-actions [role=status]")).to_contain_text("Người thứ hai duyệt")
    assert press.count <= MOST_CLICKS
    assert [row["why"] for row in box.json("giu")["holds"]] == ["Trẻ bị ngã, bị thương"]

    theirs = street.visitor()
    theirs.goto("/vao")
    enter_code(theirs.page, str(box.json("ma", "Cô Lê Thị Mai")["code"]))
    approve = Clicks()
    approve(theirs.page.locator(".rail a[href='/trich-xuat']"))
    approve(theirs.page.get_by_role("button", name="Duyệt", exact=True))
    approve(theirs.page.get_by_role("button", name="Duyệt trích xuất này"))
    assert approve.count <= MOST_APPROVAL_CLICKS
    with theirs.page.expect_download() as download:
        theirs.page.get_by_role("link", name="Tải về").click()
    copy = tmp_path / "copy.zip"
    download.value.save_as(copy)

    with zipfile.ZipFile(copy) as packed:
        packed.extractall(tmp_path / "copy")
    (folder,) = (tmp_path / "copy").iterdir()
    verdict = verify(folder)
    assert verdict.good, verdict.problems
    film = folder / "phim-01.mp4"
    data = bytearray(film.read_bytes())
    data[len(data) // 2] ^= 1
    film.write_bytes(data)
    assert [problem.file for problem in verify(folder).problems] == [film.name]
