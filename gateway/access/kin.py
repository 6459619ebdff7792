"""What a guardian is to the child, read from the words that schools write.

Owns that vocabulary. Pure. Invariant: a word that means nothing here is refused, never taken for `other`.
"""

from __future__ import annotations

from gateway.core.errors import BadInput
from gateway.core.model import GuardianKind as Kind
from gateway.core.typed import tidy

_WORDS = {
    "mẹ": Kind.MOTHER, "me": Kind.MOTHER, "má": Kind.MOTHER, "mother": Kind.MOTHER, "mum": Kind.MOTHER,
    "mom": Kind.MOTHER,
    "bố": Kind.FATHER, "bo": Kind.FATHER, "cha": Kind.FATHER, "ba": Kind.FATHER, "father": Kind.FATHER,
    "dad": Kind.FATHER,
    "ông": Kind.GRANDFATHER, "ong": Kind.GRANDFATHER, "grandfather": Kind.GRANDFATHER,
    "bà": Kind.GRANDMOTHER, "grandmother": Kind.GRANDMOTHER,
    "giám hộ": Kind.LEGAL_GUARDIAN, "người giám hộ": Kind.LEGAL_GUARDIAN, "giam ho": Kind.LEGAL_GUARDIAN,
    "nguoi giam ho": Kind.LEGAL_GUARDIAN, "guardian": Kind.LEGAL_GUARDIAN, "legal guardian": Kind.LEGAL_GUARDIAN,
    "cô": Kind.RELATIVE, "dì": Kind.RELATIVE, "chú": Kind.RELATIVE, "bác": Kind.RELATIVE, "cậu": Kind.RELATIVE,
    "anh": Kind.RELATIVE, "chị": Kind.RELATIVE, "người thân": Kind.RELATIVE, "nguoi than": Kind.RELATIVE,
    "phụ huynh": Kind.PARENT, "phu huynh": Kind.PARENT,
    "khác": Kind.OTHER, "khac": Kind.OTHER,
}  # fmt: skip
"""Without marks "ba" is a father (as the South says); a grandmother needs her mark, or "ba noi", "ba ngoai"."""
_OF_SIDE = {"nội", "ngoại", "noi", "ngoai"}
"""Of the father's or the mother's side: only grandparents are called so here."""


def kind_of(text: str) -> Kind:
    """Return the kind that a code or a word names, in any case; BadInput for a word that is none."""
    word = tidy(text)
    if word in set(Kind):
        return Kind(word)
    first, _, side = word.partition(" ")
    if side in _OF_SIDE and first in {"ba", "bà"}:
        return Kind.GRANDMOTHER
    if side in _OF_SIDE or side in {"ruột", "đẻ", "ruot", "de"}:
        word = first
    if (found := _WORDS.get(word)) is None:
        raise BadInput(f"{text!r} is no kind of guardian", case="guardian_kind", key="kind", value=text)
    return found
