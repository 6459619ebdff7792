"""Files of every habit and malice: read as a person reads them, or refused whole in a sentence with a remedy."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.styles import Border, Side
from openpyxl.worksheet.formula import ArrayFormula

from gateway.access.roster.cells import class_key, date_of, name_key, phone_of
from gateway.access.roster.columns import heading_of
from gateway.access.roster.entries import Entry, Problem, entries_of
from gateway.access.roster.reading import read_file
from gateway.access.roster.tables import read
from gateway.core.errors import BadInput
from gateway.core.i18n import LANGUAGES, catalogue
from tests.fakes.school_lists import saved
from tests.fakes.spoiled_files import SPOILED, windows_1258

TODAY = dt.date(2026, 11, 19)
ROSTER = Path(__file__).parents[2] / "gateway" / "access" / "roster"
HEAD = ["STT", "Họ và tên", "Ngày sinh", "Lớp", "Họ tên mẹ", "SĐT mẹ"]
ROWS = [
    ["1", "Nguyễn Thị  Ánh Ngọc", "04/05/2021", "Mầm 1", "Lê Thị Hoa", "912345678"],
    ["2", "Trần Văn Đức", "5/12/2021", "LỚP MẦM  1", "Đỗ Thị Mỹ", "+84 912.345.679"],
]


def found(data: bytes) -> tuple[tuple[Entry, ...], tuple[Problem, ...]]:
    """What the rows of a file are."""
    entries: list[Entry] = []
    problems: list[Problem] = []
    for number, sheet in enumerate(read(data)):
        heading = heading_of(sheet.rows)
        assert heading is not None
        some, bad = entries_of(number, sheet, heading, TODAY)
        entries += some
        problems += bad
    return tuple(entries), tuple(problems)


def table(rows: Sequence[Sequence[str]], mark: str) -> str:
    return "\r\n".join(mark.join(row) for row in rows) + "\r\n"


@pytest.mark.parametrize("mark", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "windows-1258", "utf-8 decomposed"]
)
def test_a_text_file_is_read_in_every_encoding_that_offices_write(encoding: str, mark: str) -> None:
    """The same two children, each letter and number, whatever parts the columns."""
    text = table([HEAD, *ROWS], mark)
    if encoding == "windows-1258":
        data = windows_1258(text)
    elif encoding == "utf-8 decomposed":
        data = unicodedata.normalize("NFD", text).encode()
    else:
        data = text.encode(encoding)
    entries, problems = found(data)
    assert problems == ()
    assert [(item.name, item.birth, class_key(item.class_name)) for item in entries] == [
        ("Nguyễn Thị Ánh Ngọc", dt.date(2021, 5, 4), class_key("Mầm 1")),
        ("Trần Văn Đức", dt.date(2021, 12, 5), class_key("Mầm 1")),
    ]
    assert [item.kin[0].phone for item in entries] == ["0912345678", "0912345679"]


@pytest.mark.parametrize("what", SPOILED)
def test_a_spoiled_file_is_refused_whole_with_a_remedy(what: str) -> None:
    """Its case is named, in both languages there is a sentence and what to do; nothing of it is taken."""
    build, case = SPOILED[what]
    with pytest.raises(BadInput) as caught:
        read(build())
    assert caught.value.fields["case"] == f"import_{case}"
    for language in LANGUAGES:
        texts = catalogue(language).texts
        told = texts[f"case.import_{case}"].format(**caught.value.fields)
        assert told
        assert "{" not in told
        assert texts[f"case.import_{case}.hint"]


@pytest.mark.anyio
@pytest.mark.parametrize("what", ["entities in entities", "a size that lies", "50 megabytes"])
async def test_the_caged_reader_says_the_same(what: str) -> None:
    """In the process of its own a bomb ends as a refusal too, not as a broken pipe."""
    build, case = SPOILED[what]
    with pytest.raises(BadInput) as caught:
        await read_file(build())
    assert caught.value.fields["case"] == f"import_{case}"


def test_every_refusal_and_every_bad_cell_of_the_code_has_words() -> None:
    """No case is raised that a person would read as a code."""
    code = "".join(path.read_text(encoding="utf-8") for path in ROSTER.glob("*.py"))
    refusals = set(re.findall(r'refused\("(\w+)"', code)) | {"kind", "broken"}
    cells = set(re.findall(r'\.bad\(\s*[\w.]+, "(\w+)"', code)) | {"double", "class_column"}
    assert len(refusals) > 10
    assert len(cells) > 8
    for language in LANGUAGES:
        texts = catalogue(language).texts
        wanted = {f"case.import_{case}" for case in refusals} | {f"list.bad.{what}" for what in cells}
        assert {key for name in wanted for key in (name, f"{name}.hint")} <= texts.keys()


def test_a_formula_and_its_error_are_named_by_their_cell() -> None:
    """Nothing is worked out, and "#N/A" is no child and "#REF!" no class; in a column nobody reads they are no harm."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["STT", "Họ tên", "Lớp", "Ngày sinh"])
    for number, row in enumerate(
        [("Lê A", "=VLOOKUP(B2,Z1:Z9,1)", "04/05/2021"), ("Lê B", "#REF!", "04/05/2021"), ("#N/A", "Mầm 1", ""),
         ("Lê D", "Mầm 1", "=TODAY()"), ("Lê E", "Mầm 1", "04/05/2021")], 2,
    ):  # fmt: skip
        sheet.append([f"=A{number - 1}+1", *row])
    sheet["C6"] = ArrayFormula("C6:C7", "=Z1:Z2")
    entries, problems = found(saved(book))
    assert entries == ()
    assert {(item.row, item.column, item.what) for item in problems} == {
        (2, "C", "formula"), (3, "C", "formula"), (4, "B", "formula"), (5, "D", "formula"), (6, "C", "formula"),
    }  # fmt: skip
    assert [(item.value) for item in problems if item.row == 6] == ["=Z1:Z2"]
    text = "Họ tên,Lớp\n=HYPERLINK(1),Mầm 1\nLê B,#N/A\n"
    assert [(item.row, item.column, item.what) for item in found(text.encode())[1]] == [
        (2, "A", "formula"), (3, "B", "formula"),
    ]  # fmt: skip


def test_rows_that_only_have_a_border_are_no_rows() -> None:
    """A table that was drawn down to row 9,000 holds one child, and rows keep the numbers that Excel shows."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Họ tên", "Lớp"])
    sheet["A5"], sheet["B5"] = "4", "Mầm 1"
    for row in range(2, 9_000):
        sheet.cell(row, 3).border = Border(left=Side("thin"))
    entries, problems = found(saved(book))
    assert (entries, [(item.row, item.what) for item in problems]) == ((), [(5, "name")])


def test_a_list_of_several_classes_is_parted_by_its_titles_and_loses_nobody() -> None:
    """Sums, repeated headings and page heads are passed over; beneath the last child stand only those who sign."""
    head = "STT,Họ tên,Ngày sinh,Họ tên mẹ,SĐT mẹ\n"
    text = (
        f"Lớp: Mầm 1,,,,\n{head}1,Lê Văn A,4/5/2021,Mẹ A,912345678\n2,Lê Văn B,,,\nTổng số: 2,,,,\n"
        f"Lớp: Mầm 2,,,,\n{head}1,Lê Văn C,4 / 5 / 2021,Mẹ C,'0912345679\nTổng cộng,,,,\n"
        "Lớp Mầm 3,,,,\n1,Lê Văn D,04/05/2021 00:00,Mẹ D,\nNgười lập biểu,,,Hải Phòng ngày 5 tháng 9,\n"
        ",Trần Thị Ký,,HIỆU TRƯỞNG,\n,,,Nguyễn Thị Ký,\n"
    )
    entries, problems = found(text.encode())
    assert problems == ()
    assert [(item.name, item.class_name) for item in entries] == [
        ("Lê Văn A", "Mầm 1"), ("Lê Văn B", "Mầm 1"), ("Lê Văn C", "Mầm 2"), ("Lê Văn D", "Mầm 3"),
    ]  # fmt: skip
    assert [item.birth for item in entries] == [dt.date(2021, 5, 4), None, dt.date(2021, 5, 4), dt.date(2021, 5, 4)]


NOISE = (
    "Tổng số: 30 trẻ,,,\n", ",,,\n", "STT,Họ tên,Ngày sinh,Lớp\n", ",Tổng cộng: 7,,\n", "Trang 2,,,\n",
)  # fmt: skip


@given(st.lists(st.one_of(st.integers(0, 99), st.sampled_from(NOISE)), max_size=40), st.booleans())
@settings(deadline=None, max_examples=150)
def test_no_child_is_lost_between_sums_and_page_heads(rows: list[int | str], signed: bool) -> None:
    """Whatever stands between them, each numbered child of the list is an entry, in its order."""
    lines, names = ["STT,Họ tên,Ngày sinh,Lớp\n"], list[str]()
    letters = "abcdefghij"
    for item in rows:
        if isinstance(item, str):
            lines.append(item)
            continue
        names.append(f"Bé {letters[item // 10]} {letters[item % 10]} số {letters[len(names) % 10]}")
        lines.append(f"{len(names)},{names[-1]},04/05/2021,Mầm 1\n")
    lines += [",Người lập biểu,,\n", ",Trần Thị Ký,,\n"] if signed else []
    entries, problems = found("".join(lines).encode())
    assert [item.name for item in entries] == names
    assert problems == ()


def test_a_row_that_lacks_its_name_is_named_also_at_the_end() -> None:
    """A row with a number, a phone or a birth date lacks its name and is no signature; a number alone is an empty line."""
    text = (
        "Lớp: Mầm 1,,,,\nSTT,Họ tên,Ngày sinh,Họ tên mẹ,SĐT mẹ\n1,Lê A,,,\n2,,,Mẹ B,\n,,04/05/2021,,\n,,,,0912345678\n"
        "6,,,,\n7,,,,\n"
    )
    assert [(item.row, item.what) for item in found(text.encode())[1] if item.what == "name"] == [
        (4, "name"), (5, "name"), (6, "name"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Mầm 1", "LỚP MẦM  1", True), ("Mầm 1", "Mầm1", True), ("Mầm 1", "mầm-1", True), ("5 tuổi A", "5 TUỔI A", True),
        ("Hoà Bình 1", "Hòa Bình 1", True), ("Lá 1A", "Lá 1 A", True), ("Mầm 1", "Mâm 1", False),
        ("Lá 1", "Lá 11", False), ("Lá 1", "Lạ 1", False),
    ],
)  # fmt: skip
def test_a_class_is_one_however_it_is_typed(one: str, other: str, same: bool) -> None:
    """Case, spaces, hyphens and where the tone stands do not part a class; another tone or number does."""
    assert (class_key(one) == class_key(other)) is same


def test_a_name_is_one_wherever_the_tone_stands() -> None:
    """Programs type "Hoà" and "Hòa"; another tone or letter is another name."""
    assert (
        name_key("Nguyễn  Thị HOÀ")
        == name_key("Nguyễn Thị Hòa")
        == name_key(unicodedata.normalize("NFD", "nguyễn thị hoà"))
    )
    assert len({name_key(name) for name in ("Hoa", "Hóa", "Hỏa", "Hòa", "Họa", "Hỡa", "Đoà", "Doà")}) == 8


@pytest.mark.parametrize(
    ("cell", "phone"),
    [
        (912345678.0, "0912345678"), ("'0912345678", "0912345678"), ("0912.345.678", "0912345678"),
        ("(+84) 912 345 678", "0912345678"), ("+84 912 345 678", "0912345678"), ("84912345678", "0912345678"),
        ("0084912345678", "0912345678"), ("0912345678 / 0987654321", None), ("02253123456", "02253123456"),
        ("091234567", None), ("12345678", None), ("0912\u200b345678", "0912345678"),
    ],
)  # fmt: skip
def test_a_phone_number_is_read_or_named_never_guessed(cell: str | float, phone: str | None) -> None:
    """What Excel took the 0 from is put right; two numbers in one cell, or a digit too few, are no number."""
    assert phone_of(cell) == phone


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("05/09/2021", dt.date(2021, 9, 5)), ("5-9-2021", dt.date(2021, 9, 5)), ("5 . 9 . 2021", dt.date(2021, 9, 5)),
        (44_444.0, dt.date(2021, 9, 5)), ("44444", dt.date(2021, 9, 5)), ("2021-09-05 00:00:00", dt.date(2021, 9, 5)),
        ("'05/09/2021", dt.date(2021, 9, 5)), ("05/09/2021 00:00", dt.date(2021, 9, 5)), ("05/09/21", None),
        ("31/02/2021", None), ("09/13/2021", None), ("tháng 9", None), (2021.0, None), ("5/9-2021", None),
    ],
)  # fmt: skip
def test_a_date_is_day_month_year_or_named(cell: str | float, day: dt.date | None) -> None:
    """Text, serial number and what databases write are one day; a year of two digits or a month 13 are none."""
    assert date_of(cell) == day
