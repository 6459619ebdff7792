"""Finding a person, class or child by what somebody typed."""

from __future__ import annotations

import pytest

from gateway.core.errors import BadInput
from gateway.core.i18n import catalogue
from gateway.core.model import PublicId, new_public_id
from gateway.roofs.lookup import MOST_NAMES, only

AN, BINH = PublicId("a" * 16), PublicId("b" * 16)


def test_a_name_is_found_however_it_is_written() -> None:
    """Case and spaces do not matter, an id always does."""
    rows = [(AN, "Bé An"), (BINH, "Bé Bình")]
    assert only("  bé   an ", rows, "child") == AN
    assert only(BINH, rows, "child") == BINH


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("what", ["child", "class", "person", "camera"])
def test_what_is_not_there_is_said_in_the_readers_words(language: str, what: str) -> None:
    """Both languages name what was typed and what there is, with a remedy."""
    with pytest.raises(BadInput) as caught:
        only("Nobody", [(AN, "Bé An")], what)
    words = catalogue(language)
    case = f"case.{caught.value.fields['case']}"
    told = words.text(case, **{name: value for name, value in caught.value.fields.items() if name != "key"})
    assert "Nobody" in told
    assert "Bé An" in told
    assert words.text(f"{case}.hint") != f"{case}.hint"


def test_of_a_long_list_only_what_looks_alike_is_told() -> None:
    """Three hundred children are no answer; the three that were nearly typed are."""
    rows = [(new_public_id(), f"Học sinh số {n}") for n in range(300)] + [(AN, "Trần Bảo An"), (BINH, "Trần Bảo Ân")]
    with pytest.raises(BadInput) as caught:
        only("Tran Bảo An", rows, "child")
    known = str(caught.value.fields["known"]).split(", ")
    assert {"Trần Bảo An", "Trần Bảo Ân"} <= set(known)
    assert len(known) <= MOST_NAMES + 1
