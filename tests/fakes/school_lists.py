"""Lists of a school as other programs export them: a letterhead, their headings, their habits; built with openpyxl."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from openpyxl import Workbook

FAMILY_NAMES = ("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Vũ", "Đặng", "Bùi", "Đỗ", "Hồ")
MIDDLE_NAMES = ("Minh", "Gia", "Bảo", "Khánh", "Thảo", "Nhật", "Tuệ", "Đức", "An", "Hà")
GIVEN_NAMES = (
    "An",
    "Bình",
    "Chi",
    "Dũng",
    "Giang",
    "Huy",
    "Khoa",
    "Lâm",
    "My",
    "Nhi",
    "Phúc",
    "Quân",
    "Sơn",
    "Trang",
    "Vy",
)
CLASSES = ("Nhà trẻ 1", "Nhà trẻ 2", "Mầm 1", "Mầm 2", "Chồi 1", "Chồi 2", "Lá 1", "Lá 2", "Lá 3", "Lá 4")
EMPTY = ""


@dataclass
class Pupil:
    """A child as somebody typed it; tests spoil the fields."""

    code: str
    name: str
    birth: Any
    class_name: str
    mother: str
    mother_phone: Any
    father: str = EMPTY
    father_phone: Any = EMPTY
    status: str = "Đang học"


def pupils(count: int = 300) -> list[Pupil]:
    """So many children, all different, thirty to a class; the first two are brother and sister."""
    found = []
    for n in range(count):
        family = FAMILY_NAMES[n % 10]
        name = f"{family} {MIDDLE_NAMES[n // 10 % 10]} {GIVEN_NAMES[n // 15 % 15]} {GIVEN_NAMES[n % 15]}"
        birth = dt.date(2021, 1, 1) + dt.timedelta(days=n)
        mother, phone = f"{FAMILY_NAMES[(n + 3) % 10]} Thị {GIVEN_NAMES[n % 15]}", f"0912{n:06d}"
        father = f"{family} Văn {GIVEN_NAMES[(n + 5) % 15]}"
        found.append(
            Pupil(f"01{n:08d}", name, birth, CLASSES[n * 10 // max(count, 10)], mother, phone, father, f"0987{n:06d}")
        )
    if count > 1:
        found[1].mother, found[1].mother_phone = found[0].mother, found[0].mother_phone
    return found


def saved(book: Workbook) -> bytes:
    """The bytes of a workbook."""
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def smas(children: Sequence[Pupil]) -> bytes:
    """One sheet: letterhead, one row of headings, dates as text, phone numbers as numbers without their 0."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "DSHS"
    sheet.append(["PHÒNG GD&ĐT QUẬN LÊ CHÂN"])
    sheet.append(["TRƯỜNG MẦM NON HOA SEN"])
    sheet.append([])
    sheet.append([None, None, "DANH SÁCH TRẺ NĂM HỌC 2026 - 2027"])
    sheet.merge_cells("C4:F4")
    sheet.append([
        "STT", "Mã trẻ", "Họ và tên", "Ngày sinh", "Giới tính", "Lớp", "Trạng thái", "Họ tên cha", "Năm sinh cha",
        "SĐT cha", "Họ tên mẹ", "Nghề nghiệp mẹ", "SĐT mẹ",
    ])  # fmt: skip
    for number, child in enumerate(children, 1):
        sheet.append([
            number, child.code, child.name, _text(child.birth), "Nam", child.class_name, child.status, child.father, 1990,
            _number(child.father_phone), child.mother, "Giáo viên", _number(child.mother_phone),
        ])  # fmt: skip
    sheet.append([None, None, f"Tổng số: {len(children)} trẻ"])
    return saved(book)


def vnedu(children: Sequence[Pupil]) -> bytes:
    """A sheet for each class that is named above its list, family and given name apart, real dates, +84 numbers."""
    book = Workbook()
    book.remove(book.worksheets[0])
    for name in dict.fromkeys(child.class_name for child in children):
        sheet = book.create_sheet(name.replace(" ", "_")[:31])
        sheet.append(["Trường Mầm non Hoa Sen"])
        sheet.append(["Lớp:", name])
        sheet.append(["TT", "Mã học sinh", "Họ và tên đệm", "Tên", "Ngày sinh", "Họ tên bố", "Điện thoại bố", "Họ tên mẹ",
                      "Điện thoại mẹ", "Địa chỉ"])  # fmt: skip
        rows = [child for child in children if child.class_name == name]
        for number, child in enumerate(rows, 1):
            family, _, given = child.name.rpartition(" ")
            sheet.append([
                number, child.code, family, given, child.birth, child.father, _abroad(child.father_phone), child.mother,
                _abroad(child.mother_phone), "Hải Phòng",
            ])  # fmt: skip
    return saved(book)


def sector(children: Sequence[Pupil]) -> bytes:
    """Two rows of merged headings, numbered columns, Excel serial dates, and a sheet of codes beside the list."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Hồ sơ trẻ"
    sheet.append(["SỞ GIÁO DỤC VÀ ĐÀO TẠO"])
    sheet.append(
        ["STT", "Mã định danh Bộ GD&ĐT", "Họ tên trẻ", "Ngày sinh", "Tên lớp", "Cha", None, None, "Mẹ", None, None]
    )
    sheet.append([None, None, None, None, None, "Họ tên", "Năm sinh", "Điện thoại", "Họ tên", "Năm sinh", "Điện thoại"])
    for area in ("A2:A3", "B2:B3", "C2:C3", "D2:D3", "E2:E3", "F2:H2", "I2:K2"):
        sheet.merge_cells(area)
    sheet.append([f"({n})" for n in range(1, 12)])
    for number, child in enumerate(children, 1):
        sheet.append([
            number, child.code, child.name, _serial(child.birth), f"Lớp {child.class_name}", child.father, 1990,
            child.father_phone, child.mother, 1992, child.mother_phone,
        ])  # fmt: skip
    codes = book.create_sheet("GIOI_TINH")
    codes.append(["Mã", "Tên trường dữ liệu"])
    codes.append([1, "Nam"])
    return saved(book)


EXPORTERS: dict[str, Callable[[Sequence[Pupil]], bytes]] = {"smas": smas, "vnedu": vnedu, "sector": sector}


def _text(value: Any) -> Any:
    return f"{value:%d/%m/%Y}" if isinstance(value, dt.date) else value


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _abroad(value: Any) -> Any:
    return f"+84 {value[1:4]} {value[4:]}" if isinstance(value, str) and value.isdigit() else value


def _serial(value: Any) -> Any:
    return (value - dt.date(1899, 12, 30)).days if isinstance(value, dt.date) else value
