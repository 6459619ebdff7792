"""What an answer to a question of consent brings with it: pure rules beside the rows that keep them.

Owns which answers agree, when a withdrawal closes the class, when a case is due, and what becomes of paper. Pure.
Invariants: no answer is never consent; of several guardians the strictest counts; nothing here depends on which
family it is; what closes a class is opened by the principal's settlement or a new yes only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol, TypeAlias

from gateway.access.facts import SCHOOL_WEEK, Facts, Purpose
from gateway.access.localtime import DAY, MS_PER_DAY, midnight, moment
from gateway.core.model import PublicId

OnWithdrawal: TypeAlias = Literal["pause_class", "ask_principal"]
DUE_SCHOOL_DAYS = 2
REPEAT_MS = 365 * MS_PER_DAY
"""A family that withdrew within this time does not close the class by withdrawing again."""
FAR_DAYS = 120
"""How far a school day is searched: longer than any summer; later than that is due then."""


class CaseKind(StrEnum):
    """Why the principal has something to settle with a family."""

    WITHDRAWAL = "withdrawal"
    REPEAT = "repeat"
    REFUSAL = "refusal"
    DISAGREE = "disagree"


class Remedy(StrEnum):
    """How a case ended: the principal's ways to keep the child out of the picture, or talk, or the family's new yes."""

    ANGLE = "angle"
    MASK = "mask"
    ROOM = "room"
    TALKED = "talked"
    AGREED = "agreed"


HIDES_CHILD = frozenset({Remedy.ANGLE, Remedy.MASK, Remedy.ROOM})
"""After one of these the class goes on without the child's consent: the child is not in the picture."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An answer that stands now."""

    person: PublicId | None
    """The guardian who gave it; None = the family, on paper or told at the school."""
    given: bool
    answered_ms: int
    """When it was given: for paper, the start of the sheet's day."""
    scope: int = 1
    version: str = "1"
    via: str = "school"
    withdrawal: bool = False
    """A no that ended the family's consent, whoever gave that."""
    took_back: bool = False
    """A no of somebody who had said yes: to them it is a withdrawal."""


class Consequence(NamedTuple):
    """What has to happen after an answer."""

    case: CaseKind | None
    waits: bool = False
    """The class waits for the principal; False with a case: it goes on until the principal decides."""


NOTHING = Consequence(None)


class Said(NamedTuple):
    """An answer as far as it counts: whose (None = the family's), and yes or no."""

    person: PublicId | None
    given: bool


class Answer(Protocol):
    """Any of the forms in which an answer is read."""

    @property
    def given(self) -> bool:
        """Yes or no."""


def agreed(answers: Iterable[Answer]) -> bool:
    """Say whether answers of one child and purpose are consent: there is one, and none is a no."""
    given = [item.given for item in answers]
    return bool(given) and all(given)


def counting(answers: Iterable[Said], guardians: Container[PublicId]) -> list[Said]:
    """Return the answers that count while these people stand for the child: of somebody else a yes stays, a no not."""
    return [item for item in answers if item.given or item.person is None or item.person in guardians]


def consequence(
    purpose: Purpose,
    before: Iterable[Standing],
    after: Iterable[Standing],
    *,
    given: bool,
    on_withdrawal: OnWithdrawal,
    withdrew_before: bool,
) -> Consequence:
    """Say what follows from an answer (`given`: yes) that turned the answers `before` into those `after`."""
    was, standing = agreed(before), list(after)
    if purpose is Purpose.OBSERVE or agreed(standing):
        return NOTHING
    if purpose is Purpose.RECORD:  # never stops recording by itself: what it is based on is the school's to settle
        return NOTHING if given else Consequence(CaseKind.WITHDRAWAL if was else CaseKind.REFUSAL)
    divided = any(item.given for item in standing)
    if not was:
        return Consequence(CaseKind.DISAGREE if divided else CaseKind.REFUSAL, waits=True)
    if withdrew_before:
        return Consequence(CaseKind.REPEAT)
    return Consequence(CaseKind.DISAGREE if divided else CaseKind.WITHDRAWAL, waits=on_withdrawal == "pause_class")


def school_day(facts: Facts, date: dt.date) -> bool:
    """Say whether the school runs on a date: Monday to Friday, unless the calendar says otherwise."""
    special = facts.index.days.get(date)
    return special.open if special is not None else date.weekday() in SCHOOL_WEEK


def due_ms(facts: Facts, opened_ms: int, school_days: int = DUE_SCHOOL_DAYS) -> int:
    """Return the end (UTC ms) of the n-th school day after the day of `opened_ms`."""
    date = moment(facts.zone, opened_ms).date
    for _ in range(FAR_DAYS):
        date += DAY
        school_days -= school_day(facts, date)
        if not school_days:
            break
    return midnight(facts.zone, date + DAY)


class Fate(StrEnum):
    """What becomes of a line of a paper sheet."""

    COUNTS = "counts"
    NEWER = "newer"
    """The family answered later."""
    SIGNER = "signer"
    """A yes of which nobody knows who gave it, beside a guardian's no: it takes back no no of somebody's."""
    OTHER = "other"
    """Of a sheet from before causes were kept: another answer of the family stood."""


def paper_fate(given: bool, signer: PublicId | None, day: tuple[int, int], standing: Iterable[Standing]) -> Fate:
    """Say whether a line of a paper sheet still says something new, was overtaken, or lacks the one who signed.

    `day` is the sheet's local day as UTC ms. What was answered after that day stays; of the same day, the no.
    An unknown signer is compared with everybody's answers, a known one with their own and the family's.
    """
    (start_ms, end_ms), found = day, list(standing)
    for item in found:
        if signer is not None and item.person not in {signer, None}:
            continue
        if item.answered_ms >= end_ms or (item.answered_ms > start_ms and given and not item.given):
            return Fate.NEWER
    if given and signer is None and any(item.person is not None and not item.given for item in found):
        return Fate.SIGNER
    return Fate.COUNTS


def on_paper(given: bool, signer: PublicId | None, standing: Iterable[Standing]) -> bool:
    """Say whether the family agrees once a line that counts is written: it ends the signer's and the family's only."""
    return given and all(item.given for item in standing if item.person not in {signer, None})
