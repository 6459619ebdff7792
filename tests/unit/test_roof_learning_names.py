"""What a camera is called when it becomes ours: as somebody called it, else by maker and model."""

from __future__ import annotations

import pytest

from drivers.adopt import Learned
from drivers.base import LoginMode
from gateway.roofs.learning import Told, name_of

ABOUT = Learned(
    driver="onvif", endpoint="", port=80, serial="DS-2CD2143G2-I20200101AAWRE1", mac=None, manufacturer="HIKVISION",
    model="DS-2CD2143G2-I", firmware="V5.7.3", name="HIKVISION DS-2CD2143G2-I", streams=(), clock_skew_ms=None,
    login_mode=LoginMode.WSSE,
)  # fmt: skip


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (Told("Lớp Lá 1", "DS-2CD2143G2-I"), "Lớp Lá 1"),
        (Told("HIKVISION DS-2CD2143G2-I", "DS-2CD2143G2-I"), "HIKVISION DS-2CD2143G2-I"),
        (Told("10.0.0.9"), "HIKVISION DS-2CD2143G2-I"),
        (Told("Safire SF-1", "SF-1", "Safire"), "HIKVISION DS-2CD2143G2-I"),
        (Told(), "HIKVISION DS-2CD2143G2-I"),
    ],
)
def test_a_given_name_goes_before_maker_and_model(told: Told, name: str) -> None:
    """A seller's own maker and model, as discovery tells them, are no given name either."""
    assert name_of(ABOUT, "10.0.0.9", told) == name
