"""Which passwords are refused, which sign-in names are drawn, how second factors are counted."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access import secondfactor
from gateway.access.codes import normalise
from gateway.access.freshness import needs_fresh
from gateway.access.passwords import (
    LEAST,
    MOST,
    clean_password,
    clean_sign_in_name,
    common,
    plain,
    suggest,
    typed_name,
    typed_password,
    weakness,
)
from gateway.core.errors import BadInput
from gateway.core.model import Action, ObjectKind

NAMES = ("Trường Mầm non Hoa Sen", "Cô Trần Thu Hà", "hatt")


@pytest.mark.parametrize(
    "password",
    [
        "12345678", "password", "P@ssw0rd1", "matkhau@2025", "mậtkhẩu12", "anhyeuem1", "aaaaaaaa", "!!!!!!!!", "abcabcabc",
        "qwertyuiop", "0987654321", "28/04/1985", "19850428", "0912345678", "iloveyou!!", "Vi3tnam!!",
    ],
)  # fmt: skip
def test_what_many_choose_is_refused(password: str) -> None:
    """Known passwords, rows, repeats, dates and phone numbers are common, with signs, digits and accents too."""
    assert weakness(password) == "password_common"


@pytest.mark.parametrize("password", ["mamnonhoasen", "Trần Thu Hà 85", "hatt1985", "TranThuHa@1", "truonghoasenhatt"])
def test_what_is_made_of_names_is_refused(password: str) -> None:
    """The school, the person and the sign-in name give no password, joined or with a year."""
    assert weakness(password, NAMES) == "password_name"


@pytest.mark.parametrize(
    "password",
    ["con mèo ngủ trên mái", "tôi yêu biển xanh 7", "日本語のパスワード", "кот спит дома", "k7x!qe9zz", "19283746501", "hà mã ăn cỏ non"],
)  # fmt: skip
def test_any_characters_will_do(password: str) -> None:
    """No rule about kinds of characters: a sentence, another script, digits that are no date."""
    assert clean_password(password, names=NAMES) == password


def test_length_counts_characters_after_composition() -> None:
    """Eight to 128 characters; both forms of an accent are the same password."""
    decomposed = "cu\u0309 chuo\u0302\u0301i ngon"
    assert clean_password(decomposed) == clean_password("củ chuối ngon") == typed_password(decomposed)
    for text, case in (("tám chữ", "password_short"), ("ký tự " * 22, "password_long")):
        with pytest.raises(BadInput) as refused:
            clean_password(text)
        assert refused.value.fields["case"] == case


@given(st.text(max_size=200))
def test_every_text_is_taken_or_refused_by_a_case(text: str) -> None:
    """No text breaks the rule, lone surrogates included, and what is taken can be hashed and compares with itself."""
    try:
        taken = clean_password(text + "\ud800")
    except BadInput as error:
        assert str(error.fields["case"]).startswith("password_")
    else:
        assert LEAST <= len(taken) <= MOST
        assert typed_password(taken) == taken
        taken.encode()


@given(st.sampled_from(sorted(word for word in common() if word.isalpha())), st.integers(0, 9999))
def test_a_listed_word_with_digits_is_still_that_word(word: str, tail: int) -> None:
    """Up to four digits behind a listed word make no other."""
    assert weakness(f"{word}{tail}") == "password_common"


@given(st.text(max_size=60), st.sets(st.from_regex(r"[a-z]{2,6}[0-9]?", fullmatch=True), max_size=5))
def test_a_drawn_name_is_free_and_can_be_typed(full_name: str, taken: set[str]) -> None:
    """Whatever a person is called, there is a sign-in name for them."""
    name = suggest(full_name, taken)
    assert name not in taken
    assert clean_sign_in_name(name) == name


def test_names_are_drawn_as_people_expect() -> None:
    """Given name, then initials; the title is no part; a second one gets a number."""
    assert suggest("Cô Trần Thu Hà", ()) == "hatt"
    assert suggest("Đỗ Văn Đức", ()) == "ducdv"
    assert suggest("Cô Trần Thu Hà", {"hatt", "hatt2"}) == "hatt3"
    assert typed_name("  HàTT ") == "hatt"
    assert plain("ĐẶNG") == "dang"
    for bad in ("", "a", "1abc", "hà nội", "a" * 25, "a b"):
        with pytest.raises(BadInput):
            clean_sign_in_name(bad)


# the second factor

SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(("at_s", "digits"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")])
def test_vectors_of_the_standard(at_s: int, digits: str) -> None:
    """RFC 6238 appendix B, cut to six digits."""
    assert secondfactor.step_of(SECRET, digits, at_s * 1000, 0) == at_s // 30


@given(st.integers(1_000, 2**33), st.integers(-4, 4), st.integers(-3, 3))
def test_a_step_opens_near_its_time_and_after_the_last_used(at_s: int, off: int, used: int) -> None:
    """One step early or late, newer than the last: anything else is refused."""
    here = at_s // 30
    shown = secondfactor._totp(SECRET).generate((here + off) * 30).decode()
    near = [secondfactor._totp(SECRET).generate((here + n) * 30).decode() for n in (-1, 0, 1)]
    found = secondfactor.step_of(SECRET, shown, at_s * 1000, here + used)
    if abs(off) <= 1 and off > used:
        assert found is not None
        assert found > here + used
    elif shown not in near:
        assert found is None
    else:
        assert found is None or found > here + used


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "\uff11\uff12\uff13\uff14\uff15\uff16", "-12345"])
def test_other_things_than_six_digits_fit_nothing(typed: str) -> None:
    """What is no code is no error either."""
    assert secondfactor.step_of(SECRET, typed, 59_000, 0) is None
    assert secondfactor.step_of("—", "287082", 59_000, 0) is None


def test_recovery_codes_differ_and_are_typed_with_forgiveness() -> None:
    """Ten of 80 bits; dashes and case do not matter to what is kept."""
    import os

    codes = secondfactor.new_recovery_codes(os.urandom)
    assert len({secondfactor.recovery_hash(normalise(code)) for code in codes}) == 10
    assert secondfactor.recovery_hash(normalise(codes[0].upper())) == secondfactor.recovery_hash(normalise(codes[0]))
    assert secondfactor.address(SECRET, "hatt", "Hoa Sen").startswith("otpauth://totp/Hoa%20Sen:hatt?")


def test_what_protects_children_is_never_held_up() -> None:
    """Pausing, stopping and hiding a camera need no fresh login; people, settings and keys do."""
    assert not any(needs_fresh(action, kind) for action in (Action.PAUSE, Action.STOP_ALL) for kind in ObjectKind)
    assert not needs_fresh(Action.CONFIGURE, ObjectKind.CAMERA)
    assert not needs_fresh(Action.PEOPLE, ObjectKind.PERSON)
    for action, kind in (
        (Action.PEOPLE, ObjectKind.BOX),
        (Action.CONFIGURE, ObjectKind.BOX),
        (Action.APPROVE, ObjectKind.BOX),
    ):
        assert needs_fresh(action, kind)
    assert needs_fresh(Action.HOLD, ObjectKind.CAMERA, wished=True)
