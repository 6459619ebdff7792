"""Renders docs/ref/faults.md from the doctor's registry; `python -m tests.docs.faults` writes it."""

from __future__ import annotations

from drivers.doctor.facts import BoxFacts, CameraFacts
from drivers.doctor.faults import BOX_FAULTS, CAMERA_FAULTS, Fault
from gateway.core.i18n import catalogue
from gateway.health.livefaults import LIVE_FAULTS, LiveFault
from tests.docs.reference import REF

HEAD = """# Faults

What `vuon kiem-tra` (`doctor`) looks for, in the words of `drivers/doctor/faults.py`
and `gateway/health/livefaults.py`. Of each fault it says: it is
so, it is not, or it cannot be known from here; what cannot be known is listed and never counted as well. *Fixed by*
names the camera settings that `--sua-loi` changes (`vuon cai-dat-camera --hoan-tac` takes them back); the others need
a person, and the command tells afterwards whether it helped.

The exit status is 0 without faults, 1 with some, 2 when it could not run to its end.
"""
TABLE = """
| code | severity | fixed by | command | tiếng Việt | vì sao | làm gì | English | why | what to do |
|---|---|---|---|---|---|---|---|---|---|
"""


def faults() -> str:
    """Render every fault with severity, fix, command and texts."""
    camera = "".join(_row(fault) for fault in CAMERA_FAULTS.values())
    box = "".join(_row(fault) for fault in BOX_FAULTS.values())
    live = "".join(_row(fault) for fault in LIVE_FAULTS.values())
    return (
        f"{HEAD}\n## Of a camera\n{TABLE}{camera}\n## Of the box and its network\n{TABLE}{box}"
        f"\n## Of live video\n{TABLE}{live}"
    )


def _row(fault: Fault[CameraFacts] | Fault[BoxFacts] | LiveFault) -> str:
    keys = ", ".join(f"`{key}`" for key in getattr(fault, "keys", ())) or "–"
    words = (catalogue("vi"), catalogue("en"))
    texts = " | ".join(item.texts[f"fault.{fault.code}{part}"] for item in words for part in ("", ".why", ".do"))
    return f"| `{fault.code}` | {fault.severity} | {keys} | `{fault.command}` | {texts} |\n"


PAGES = {"faults.md": faults}

if __name__ == "__main__":
    for name, render in PAGES.items():
        (REF / name).write_text(render(), encoding="utf-8")
