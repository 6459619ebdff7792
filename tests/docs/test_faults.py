"""The page of faults says what the registry says."""

from __future__ import annotations

import pytest

from drivers.doctor.faults import BOX_FAULTS, CAMERA_FAULTS
from gateway.health.livefaults import LIVE_FAULTS
from tests.docs.faults import PAGES
from tests.docs.reference import REF


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_registry_says(name: str) -> None:
    """It equals what is rendered from the code (`python -m tests.docs.faults` writes it)."""
    assert (REF / name).read_text(encoding="utf-8") == PAGES[name]()


def test_every_fault_has_a_whole_row() -> None:
    """Ten cells each, none of them empty."""
    rows = [line for line in (REF / "faults.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert len(rows) == len(CAMERA_FAULTS) + len(BOX_FAULTS) + len(LIVE_FAULTS)
    for row in rows:
        cells = row.strip("|").split("|")
        assert len(cells) == 10
        assert all(cell.strip() for cell in cells)
