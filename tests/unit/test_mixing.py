"""The order of the files of tests."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.mixing import HEAVY, mixed

FILES = st.lists(
    st.builds(str.__add__, st.sampled_from([*HEAVY, "tests/unit/", "tests/docs/"]), st.from_regex(r"[a-z]{1,6}", fullmatch=True)),
    unique=True,
)  # fmt: skip


@given(FILES)
def test_nothing_is_lost_and_each_kind_keeps_its_order(files: list[str]) -> None:
    """Heavy files among themselves, and light ones, come as they were given."""
    order = mixed(files)
    assert sorted(order) == sorted(files)
    for heavy in (True, False):
        kind = [file for file in files if file.startswith(HEAVY) is heavy]
        assert [file for file in order if file.startswith(HEAVY) is heavy] == kind


def test_heavy_files_do_not_stand_together() -> None:
    """Four among twelve are three places apart, and none is the last."""
    light = [f"tests/unit/{n:02}" for n in range(12)]
    order = mixed([*(f"tests/system/{n}" for n in range(4)), *light])
    places = [number for number, file in enumerate(order) if file.startswith(HEAVY)]
    assert all(after - before >= 3 for before, after in pairwise(places))
    assert places[-1] < len(order) - 1
