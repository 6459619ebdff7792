"""Which passwords are too easy to guess, and which sign-in names can be.

Owns both rules. Pure but for the list that is read once. Invariants: at least 8 and at most 128 characters of any
kind after NFC, no rule about which kinds (NIST SP 800-63B 5.1.1.2); refused is what many people choose, what repeats
or counts, and what is made of the school's, the person's or the sign-in name: with digits behind, with signs for
letters and without accents it is still the same word. The text of a password is in no error.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from functools import lru_cache
from importlib.resources import files

from gateway.core.errors import BadInput

LEAST, MOST = 8, 128
TAIL = 4
"""So many other characters around a known word do not make it a new one: a year, 123!"""
NAME_MOST = 24
_AROUND = "0123456789!@#$%^&*()_-+=.,;:?/ "
_LEET = str.maketrans("@4301!5$7", "aaeoiisst")
_SIGNS = re.compile(r"[^a-z0-9]+")
_DATE_OR_PHONE = re.compile(r"[0-3]\d[01]\d(?:19|20)\d\d|(?:19|20)\d\d[01]\d[0-3]\d|(?:84|0)\d{9}")
_NAME = re.compile(r"[a-z][a-z0-9.]{1,23}")
_ROWS = ("0123456789012", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qazwsxedcrfvtgbyhnujm")
_TITLES = frozenset({"co", "thay", "ong", "ba", "anh", "chi"})
GENERIC = frozenset({"truong", "mam", "non", "mau", "giao", "nha", "tre", "lop", "hoc", "camera", "vuon", "co", "thay"})


def plain(text: str) -> str:
    """Return a text in lower case without accents."""
    bare = unicodedata.normalize("NFKD", text.casefold().replace("đ", "d"))
    return "".join(c for c in bare if not unicodedata.combining(c))


@lru_cache(maxsize=1)
def common() -> frozenset[str]:
    """Return the built-in list."""
    text = (files("gateway.access") / "common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(word for line in text.splitlines() if not line.startswith("#") for word in line.split())


def clean_password(text: str, *, names: Iterable[str] = ()) -> str:
    """Return a password in the form that is hashed; BadInput says what is wrong with it.

    `names` are those of the school, the person and the sign-in name.
    """
    password = typed_password(text)
    if not LEAST <= len(password) <= MOST:
        case = "password_short" if len(password) < LEAST else "password_long"
        raise BadInput(
            f"a password has {LEAST} to {MOST} characters", key="password", case=case, least=LEAST, most=MOST
        )
    if case := weakness(password, names):
        raise BadInput("this password is too easy to guess", key="password", case=case)
    return password


def typed_password(text: str) -> str:
    """Return what somebody typed in the one form in which it is compared: NFC, and nothing that is no character."""
    return unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())


def weakness(password: str, names: Iterable[str] = ()) -> str:
    """Return why a password is easy to guess (`password_common`, `password_name`), empty if it is not."""
    low = plain(password)
    if _DATE_OR_PHONE.fullmatch(_SIGNS.sub("", low)):
        return "password_common"
    words = {word for name in names for word in _SIGNS.split(plain(name)) if word}
    for spelt in (low, low.translate(_LEET)):
        signless = _SIGNS.sub("", spelt)
        inner = re.sub(r"[^a-z]", "", low.strip(_AROUND).translate(_LEET))
        for core in (spelt, signless, inner, re.sub(r"[^a-z]", "", spelt)):
            if not core or len(signless) - len(core) > TAIL or (core != spelt and _has_other_letters(spelt)):
                continue
            if core in common() or _is_row(core):
                return "password_common"
            if _made_of(core, words | GENERIC):
                return "password_name"
    return ""


def _has_other_letters(text: str) -> bool:
    """Say whether a text has letters that are none of a to z: what is left without them says little."""
    return any(c.isalpha() and not c.isascii() for c in text)


def _is_row(text: str) -> bool:
    """Say whether a text repeats a short piece, or runs along the digits, the alphabet or the keyboard."""
    if any(text == (text[:size] * len(text))[: len(text)] for size in range(1, 1 + len(text) // 2)):
        return True
    rows = [row * 2 for row in _ROWS] + [row[::-1] * 2 for row in _ROWS]
    return any(text in row for row in rows)


def _made_of(letters: str, words: Collection[str]) -> bool:
    """Say whether a text is nothing but such words, one after another."""
    reached = {0}
    for at in range(len(letters)):
        if at in reached:
            reached |= {at + len(word) for word in words if letters.startswith(word, at)}
    return len(letters) in reached


def suggest(name: str, taken: Collection[str]) -> str:
    """Return a free sign-in name for a person: the given name and initials, "Cô Trần Thu Hà" -> "hatt"."""
    words = [word for word in _SIGNS.split(re.sub(r"[0-9]", "", plain(name))) if word]
    words = words[1:] if len(words) > 1 and words[0] in _TITLES else words
    base = (words[-1] + "".join(word[0] for word in words[:-1]) if words else "")[: NAME_MOST - 4]
    base = base if len(base) > 1 else f"{base or 'nv'}01"
    return next(found for n in range(1, len(taken) + 3) if (found := base if n == 1 else f"{base}{n}") not in taken)


def clean_sign_in_name(text: str) -> str:
    """Return a sign-in name as it is kept; BadInput unless it is 2 to 24 unaccented letters, digits and dots."""
    name = typed_name(text)
    if not _NAME.fullmatch(name):
        raise BadInput("a sign-in name has 2 to 24 unaccented letters and digits", key="name", case="sign_in_name")
    return name


def typed_name(text: str) -> str:
    """Return what somebody typed as a sign-in name: case, accents and spaces around it do not matter."""
    return plain(text.strip())
