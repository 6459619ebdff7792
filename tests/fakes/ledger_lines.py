"""A morning of the audit, as pages show it."""

from __future__ import annotations

from dataclasses import replace

from tests.fakes.web_ledger import FakeLedger
from tests.fakes.web_services import CLASS_CHOI, CLASS_MAM, FATHER, MAM, MOTHER, PRINCIPAL, TEACHER, YARD, FakeBox, pid
from web.ledger_services import LedgerLine, Named

T0 = 1_790_219_732_000
"""2026-09-24 10:15:32 in Việt Nam."""
CHILD = pid("annhien")


def a_morning() -> list[LedgerLine]:
    """A copy, a recording, two looks, a refusal, a slip, a console and a blanked row."""
    hang, mai = (PRINCIPAL.name, "principal"), (MOTHER.name, "guardian")
    mam = ("Lớp Mầm 1",)
    still = LedgerLine(1478, T0 - 91_000, "granted.snapshot", "look", *mai, mam, MAM, device="iPhone 11")
    live = LedgerLine(1480, T0 - 90_000, "granted.live", "look", *mai, mam, MAM, seconds=493, device="iPhone 11")
    return [
        LedgerLine(
            1482, T0, "granted.export", "copy", *hang, mam, MAM, (T0 - 900_000, T0 - 500_000), device="Máy tính VP"
        ),
        LedgerLine(
            1481, T0 - 60_000, "granted.playback", "look", *hang, mam, MAM, (T0 - 3_600_000, T0), device="Máy tính VP"
        ),
        replace(live, at_ms=T0 - 91_000, parts=(still, live)),
        LedgerLine(1479, T0 - 95_000, "granted.live", "look", *mai, mam, MAM, seconds=4, reason="class.paused"),
        LedgerLine(1477, T0 - 200_000, "denied", "denied", FATHER.name, "guardian", camera=YARD, reason="not_found"),
        LedgerLine(
            1470, T0 - 260_000, "denied.repeats", "denied", FATHER.name, "guardian", times=12, reason="not_found"
        ),
        LedgerLine(1476, T0 - 300_000, "slip.create", "people", TEACHER.name, "teacher", (MOTHER.name,)),
        LedgerLine(1475, T0 - 400_000, "key.unlock.refused", "denied", *hang, reason="wrong"),
        LedgerLine(1474, T0 - 500_000, "class.plan", "config", "", "console", mam),
        LedgerLine(1473, T0 - 600_000, "act.of.tomorrow", "config", "", "box"),
        LedgerLine(1472, None, "erased", "config", "", "", erased_by=1480),
    ]


def looks() -> list[LedgerLine]:
    """What a family reads of its class."""
    still = LedgerLine(0, T0 - 61_000, "granted.snapshot", "look", "", "self", ("Lớp Mầm 1",), MAM)
    live = LedgerLine(0, T0 - 60_000, "granted.live", "look", "", "self", ("Lớp Mầm 1",), MAM, seconds=493)
    return [
        LedgerLine(
            0, T0, "granted.playback", "look", PRINCIPAL.name, "principal", ("Lớp Mầm 1",), MAM, (T0 - 3_600_000, T0)
        ),
        replace(live, at_ms=T0 - 61_000, parts=(still, live)),
        LedgerLine(0, T0 - 90_000, "granted.live", "look", "", "family", ("Lớp Mầm 1",), MAM, seconds=61),
        LedgerLine(0, T0 - 95_000, "granted.aim", "look", "", "console", ("Lớp Mầm 1",), MAM),
    ]


def told(box: FakeBox) -> FakeLedger:
    """Fill a box's audit."""
    mam, choi = Named(CLASS_MAM, "Lớp Mầm 1"), Named(CLASS_CHOI, "Lớp Chồi 1")
    ledger = box.ledger
    ledger.lines, ledger.older = a_morning(), 1472
    ledger.known = {PRINCIPAL.person: [choi, mam], TEACHER.person: [mam], MOTHER.person: [mam], FATHER.person: [choi]}
    everybody = (PRINCIPAL, TEACHER, MOTHER, FATHER)
    ledger.everybody = [Named(who.person, who.name, who.role) for who in everybody]
    ledger.pupils = [Named(CHILD, "Bé An Nhiên")]
    return ledger
