"""Which names of cameras somebody gave them, and which are maker, model and numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.discovery.givenname import MIN_PART, USUAL, given_name

HIK = ("HIKVISION", "DS-2CD2143G2-I", "DS-2CD2143G2-I20200101AAWRE12345678", "V5.7.3")
DAHUA = ("Dahua", "IPC-HDW1431S", "4J0A1B2PAZ00001", "2.800.0000000.16.R")
TAPO = ("TP-Link", "Tapo C200", "", "1.3.6", "C200")
MAKERS = (HIK, DAHUA, TAPO)


@pytest.mark.parametrize("known", MAKERS)
@pytest.mark.parametrize(
    "told",
    [
        "Lớp Lá 1",
        "Cổng",
        "Camera sân chơi",
        "HIKVISION Lớp Mầm 2",
        "Phòng A1",
        "bep",
        "IPC hành lang",
        "Chip",
        "Lớp Chip",
        "H1",
        "Mimi",
    ],
)
def test_a_name_that_somebody_gave_is_taken_whole(told: str, known: tuple[str, ...]) -> None:
    """Also with the maker's word or a number beside it, and without marks."""
    assert given_name(f"  {told} ", *known) == told


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ("HIKVISION DS-2CD2143G2-I", HIK),
        ("HIKVISION DS-2CD2143G2-I20200101AAWRE12345678", HIK),
        ("DS-2CD2143G2-I20200101AAWRE12345678", HIK),
        ("Embedded Net DVR", HIK),
        ("Camera 01", HIK),
        ("IP CAMERA", HIK),
        ("IPCamera", DAHUA),
        ("Dahua", DAHUA),
        ("IPC-HDW1431S", DAHUA),
        ("4J0A1B2PAZ00001", DAHUA),
        ("TP-Link Tapo C200", TAPO),
        ("C200", TAPO),
        ("4419b6a1c0de", TAPO),
        ("44:19:b6:a1:c0:de", TAPO),
        ("192.168.1.64", HIK),
        ("NetworkVideoTransmitter", HIK),
        ("Network_Video-Display", HIK),
        ("IPNC", HIK),
        ("H.264 DVR", HIK),
        ("Camera01", HIK),
        ("IPCamera-2", HIK),
        ("CH01", HIK),
        ("networkcameras3", HIK),
        ("camerasystem", HIK),
        ("1", HIK),
        ("", HIK),
        (" - ", HIK),
    ],
)
def test_maker_model_and_numbers_are_no_given_name(told: str, known: tuple[str, ...]) -> None:
    """As they come from the factory, whole or in part."""
    assert given_name(told, *known) == ""


@given(st.sampled_from(MAKERS), st.lists(st.sampled_from(sorted(USUAL)), max_size=3), st.integers(0, 9999))
def test_nothing_a_factory_writes_is_a_given_name(known: tuple[str, ...], usual: list[str], number: int) -> None:
    """Any mixture of maker, model, usual words and a count."""
    assert given_name(" ".join([known[0], *usual, known[1], str(number)]), *known) == ""


@given(st.lists(st.sampled_from(sorted(word for word in USUAL if len(word) >= MIN_PART)), min_size=1, max_size=5))
def test_usual_words_written_as_one_are_no_given_name(words: list[str]) -> None:
    """With capitals as programs write them, and with a count."""
    told = "".join(word.capitalize() for word in words)
    assert [given_name(name, *HIK) for name in (told, f"{told}12", told.upper())] == ["", "", ""]


@given(
    st.text(alphabet="ạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹđ", min_size=2, max_size=20), st.sampled_from(MAKERS)
)
def test_a_word_with_vietnamese_marks_is_always_one(word: str, known: tuple[str, ...]) -> None:
    """No factory writes them."""
    assert given_name(word, *known) == word
