"""The recovery sheet: what is printed is read back, whatever way it is typed, and typing errors are named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import BadInput
from gateway.core.keysheet import ALPHABET, LINES, RecoveryKey, decode_sheet, encode_sheet, qr_text

KEYS = st.builds(RecoveryKey, st.sampled_from([1, 2]), st.binary(min_size=32, max_size=32))


@given(KEYS)
def test_what_is_printed_is_read_back(key: RecoveryKey) -> None:
    """As printed, as the QR code says it, in lower case with hyphens, and with the letters that look like digits."""
    lines = encode_sheet(key)
    assert len(lines) == LINES
    assert all(len(line) == 12 for line in lines)
    text = "\n".join(lines)
    looks = text.replace("0", "o").replace("1", "l")
    for typed in (text, qr_text(lines), text.lower().replace(" ", "-"), looks, text.replace("\n", " \r\n ")):
        assert decode_sheet(typed) == key


@given(KEYS, st.data())
def test_one_wrong_character_is_named_by_its_line(key: RecoveryKey, data: st.DataObject) -> None:
    """Any single character that is mistyped is found, and the error says which line, never what it holds."""
    lines = encode_sheet(key)
    number = data.draw(st.integers(0, LINES - 1))
    plain = lines[number].replace(" ", "")
    at = data.draw(st.integers(0, len(plain) - 1))
    other = data.draw(st.sampled_from([item for item in ALPHABET if item != plain[at]]))
    lines[number] = plain[:at] + other + plain[at + 1 :]
    try:
        read = decode_sheet("\n".join(lines))
    except BadInput as error:
        assert error.fields["line"] in {number + 1, 0}
        assert plain not in error.message
    else:
        # Two check characters let one in 1024 pass; the sum over the whole sheet then has to.
        assert read != key


def test_most_typing_errors_are_found() -> None:
    """Of every single-character error in a sheet fewer than 1 in 300 pass unseen."""
    key = RecoveryKey(1, bytes(range(32)))
    lines = encode_sheet(key)
    tried = passed = 0
    for number, line in enumerate(lines):
        plain = line.replace(" ", "")
        for at, right in enumerate(plain):
            for other in ALPHABET:
                if other != right:
                    tried += 1
                    wrong = [*lines[:number], plain[:at] + other + plain[at + 1 :], *lines[number + 1 :]]
                    try:
                        decode_sheet("\n".join(wrong))
                    except BadInput:
                        continue
                    passed += 1
    assert tried == 70 * 31
    assert passed / tried < 1 / 300


def test_lines_of_two_sheets_are_not_mixed() -> None:
    """Each line is right by itself, the whole is not."""
    one, two = (encode_sheet(RecoveryKey(place, bytes([place]) * 32)) for place in (1, 2))
    with pytest.raises(BadInput) as error:
        decode_sheet("\n".join([*one[:3], *two[3:]]))
    assert error.value.fields["line"] in {0, 7}
    with pytest.raises(BadInput):
        decode_sheet("\n".join(one[:6]))
    with pytest.raises(BadInput):
        decode_sheet("\n".join([*one, one[0]]))
    with pytest.raises(BadInput):
        decode_sheet("\n".join([one[1], one[0], *one[2:]]))


@pytest.mark.parametrize("text", ["", "abc", "U" * 70, "0" * 70, "chữ có dấu " * 8, "VUON-KHOA-1:"])
def test_other_texts_are_no_sheet(text: str) -> None:
    """Anything else is bad input, never a crash."""
    with pytest.raises(BadInput):
        decode_sheet(text)
