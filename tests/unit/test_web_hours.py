"""The pages of hours and of the school's calendar: what is typed is tried, kept, or comes back with each wrong row."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.fakes.web_client import browser, new_box, post
from tests.fakes.web_services import (
    CLASS_CHOI,
    CLASS_MAM,
    PRINCIPAL,
    pid,
)
from web.hours_form import minute_of, read_day, read_table
from web.room_services import MarkedDay, PlanRow

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("text", "minute"),
    [("07:30", 450), ("7:05", 425), ("24:00", 1440), ("24:01", None), ("7", None), ("07:3", None), ("07:60", None),
     ("²7:30", None), ("", None), ("-1:00", None), ("7h30", 450), ("7H30", 450), ("16.30", 990), ("0730", 450),
     ("730", 450), ("2460", None), ("07h", None), ("h30", None), ("07:30:00", None), ("73", None), ("12345", None)],
)  # fmt: skip
def test_times_of_the_day(text: str, minute: int | None) -> None:
    """Hours and two digits of minutes, 24:00 at most."""
    assert minute_of(text) == minute


def test_a_form_names_each_wrong_row_and_loses_nothing() -> None:
    """Row, value and what is wrong; the rows come back as typed; nap is hidden whatever was ticked."""
    form = {
        "g0_tu": ["bảy"], "g0_den": ["11:00"], "g0_thu": ["0"],
        "g1_tu": ["11:00"], "g1_den": ["09:00"], "g1_thu": ["0"],
        "g2_tu": ["08:00"], "g2_den": ["09:00"],
        "k0_tu": ["11:30"], "k0_den": ["14:00"], "k0_thu": ["0", "9", "x"], "k0_loai": ["nap"], "k0_xem": ["on"],
        "k1_tu": ["08:00"], "k1_den": ["09:00"], "k1_thu": ["1"], "k1_loai": ["party"],
    }  # fmt: skip
    table = read_table(form)
    assert [(item.what, item.part, item.row, item.value) for item in table.troubles] == [
        ("time", "hours", 1, "bảy"), ("order", "hours", 2, "11:00 – 09:00"), ("days", "hours", 3, ""),
        ("kind", "plan", 2, "party"),
    ]  # fmt: skip
    assert [row.start for row in table.hours] == ["bảy", "11:00", "08:00"]
    assert table.plan_rows == [PlanRow(690, 840, frozenset({0}), "nap", visible=False)]
    assert not read_table({"g0_tu": [" "], "g0_den": [""]}).hours


async def test_hours_are_tried_then_kept_and_bad_ones_come_back() -> None:
    """A preview keeps nothing; a wrong row is named with a remedy and the typed value; good ones are kept."""
    box, good = new_box(), {"g0_tu": "08:00", "g0_den": "10:00", "g0_thu": ["0", "1"]}
    path = f"/lop-hoc/{CLASS_MAM}"
    async with browser(box, PRINCIPAL) as client:
        tried = await post(client, path, viec="thu", **good)
        assert "chưa lưu" in tried.text
        assert "08:00–10:00" in tried.text
        assert CLASS_MAM not in box.school.hours.hours
        bad = await post(client, path, viec="luu", g0_tu="25:00", g0_den="<b>", g0_thu="0")
        assert bad.status_code == 400
        assert "Giờ xem, dòng 1: “25:00” không phải giờ" in bad.text
        assert 'value="&lt;b&gt;"' in bad.text
        kept = await post(client, path, viec="luu", **good)
        assert kept.headers["location"] == f"{path}?luu=1"
        assert "Đã lưu" in (await client.get(f"{path}?luu=1")).text
        copied = await client.get(f"/lop-hoc/{CLASS_CHOI}?tu={CLASS_MAM}")
        assert "Đã điền giờ và thời gian biểu của Lớp Mầm 1" in copied.text
        assert CLASS_CHOI not in box.school.hours.hours
        assert (await client.get(f"/lop-hoc/{CLASS_CHOI}?tu={pid('nobody')}")).status_code == 404


async def test_the_calendar_takes_holidays_and_make_up_days() -> None:
    """A day is marked and taken back; what is no date, or too long a name, is named."""
    box = new_box()
    async with browser(box, PRINCIPAL) as client:
        await post(client, "/lop-hoc/lich", ngay="2026-12-31", kieu="nghi", ten="Tết")
        await post(client, "/lop-hoc/lich", ngay="2026-12-26", kieu="3")
        page = (await client.get("/lop-hoc/lich")).text
        assert "31/12/2026" in page
        assert "Học bù như Thứ Năm" in page
        bad = await post(client, "/lop-hoc/lich", ngay="31/12", kieu="nghi")
        assert (bad.status_code, "“31/12” không phải ngày" in bad.text) == (400, True)
        assert (await post(client, "/lop-hoc/lich", ngay="2026-12-31", kieu="nghi", ten="x" * 61)).status_code == 400
        assert (await post(client, "/lop-hoc/lich", ngay="2026-12-31", kieu="bay")).status_code == 400
        assert (await post(client, "/lop-hoc/lich/xoa", ngay="2026-12-31")).status_code == 303
        assert (await post(client, "/lop-hoc/lich/xoa", ngay="2026-12-31")).status_code == 404
        assert (await post(client, "/lop-hoc/lich/xoa", ngay="hôm nay")).status_code == 400
        for day, shown in (("1900-01-01", "01/01/1900"), ("2100-06-01", "01/06/2100"), ("2026-09-20", "20/09/2026")):
            bad = await post(client, "/lop-hoc/lich", ngay=day, kieu="hoc", ten="Học bù")
            assert bad.status_code == 400
            assert f"không đánh dấu được ngày {shown}. Chọn một ngày từ 21/09/2026 đến 23/09/2028" in bad.text
            assert all(f'value="{kept}"' in bad.text for kept in (day, "Học bù"))
            assert 'min="2026-09-21" max="2028-09-23"' in bad.text
    assert [day.date for day in box.school.hours.marked] == [dt.date(2026, 12, 26)]
    assert isinstance(read_day({"ngay": ["2026-12-26"], "kieu": ["hoc"]}), MarkedDay)
