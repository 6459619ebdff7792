"""The teacher's phone on the running demo: one tap hides the class from a guardian who watches, the reason comes after."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from gateway.core.model import new_public_id
from tests.browser.demo_fixtures import PHONE, Street, away, enter_code
from tests.fakes.box_door import add_guardian

pytestmark = [pytest.mark.browser, pytest.mark.system]
CLASS, TEACHER = "Lớp Mầm 1", "Cô Phạm Thị Hạnh"


def test_one_tap_hides_the_class_and_the_wall_does_so_without_a_login(
    street: Street, save: Callable[[str], str]
) -> None:
    """A guardian's moving picture is gone with the reason; she is shown as watching before, and sees again after."""
    parent = street.guardian(away(add_guardian(street.box, f"Phụ huynh {new_public_id()}", CLASS)))
    parent.live()
    teacher = street.visitor(PHONE)
    teacher.goto("/vao")
    enter_code(teacher.page, str(street.box.json("ma", TEACHER)["code"]))
    teacher.goto("/co/")
    expect(teacher.page.locator("#lookers li")).not_to_have_count(0)
    teacher.shot(save, "teacher-390x844")
    teacher.page.locator("#hide").click()
    expect(parent.page.locator(".msg h1")).to_have_text("Lớp đang tạm dừng chia sẻ hình")
    assert parent.page.evaluate("JSON.parse(sessionStorage.getItem('peers'))") == ["closed"]
    expect(teacher.page.locator("#why")).to_be_visible()
    teacher.page.locator("#why button").first.click()
    expect(teacher.page.locator("#why")).to_have_count(0)
    teacher.shot(save, "hidden-390x844")
    teacher.page.get_by_role("button", name="Hiện lại").click()
    parent.live()
    wall = street.visitor(PHONE)
    wall.page.goto(str(street.box.json("dan-tuong", CLASS)["url"]))
    wall.page.locator("#hide").click()
    expect(parent.page.locator(".msg h1")).to_be_visible()
    expect(wall.page.locator(".big")).to_be_visible()
    wall.page.get_by_role("button", name="Hiện lại").click()
    parent.live()
