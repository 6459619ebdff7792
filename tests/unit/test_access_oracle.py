"""The policy against an independent judge: by chance, and over a whole small world."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.access.ask import ANYHOW, Asking
from gateway.access.facts import (
    ClassRules,
    Consent,
    Facts,
    Observation,
    Pause,
    Person,
    Privacy,
    Purpose,
    Resolution,
    Span,
)
from gateway.access.instants import HORIZON_DAYS
from gateway.access.policy import decide
from gateway.core.model import Action, Decision, PublicId, Role
from tests.fakes.access_oracle import CAMERAS, Chance, sees
from tests.fakes.school import CAM, CHILD, DAY, HOUR, MAM, MATE, MINUTE, MOTHER, NOW, TEACHER, camera, facts, local

ROLES = (*Role, Role.GUARDIAN, Role.GUARDIAN, Role.GUARDIAN, Role.OBSERVER)
"""Those whose rules are long are asked about more often."""


def ask(f: Facts, cam: PublicId, t: int, how: Asking) -> Decision:
    return decide(f, MOTHER, Action.LIVE, camera(cam), t, how)


def judged(seed: int) -> tuple[Role, bool]:
    """Compare one case made up from a seed, and what the answer says of the time after it."""
    source = random.Random(seed)
    chance, role = Chance(source), source.choice(ROLES)
    f, how = chance.facts(role), chance.asking()
    cam, t = source.choice((CAM, *CAMERAS)), NOW + source.choice((0, 0, 0, HOUR, 3 * HOUR, 12 * HOUR, DAY))
    answer = ask(f, cam, t, how)
    assert answer.allowed is sees(f, MOTHER, cam, t, how), (seed, answer)
    if answer.until_ms is not None:
        assert answer.until_ms > t, seed
        for share in range(5):
            between = t + (answer.until_ms - 1 - t) * share // 4
            assert sees(f, MOTHER, cam, between, how) is answer.allowed, (seed, answer, between)
        if answer.allowed and answer.until_ms != t + HORIZON_DAYS * DAY:
            assert not sees(f, MOTHER, cam, answer.until_ms, how), (seed, answer)
    if answer.next_ms is not None:
        assert sees(f, MOTHER, cam, answer.next_ms, how), (seed, answer)
        assert not sees(f, MOTHER, cam, answer.next_ms - 1, how), (seed, answer)
    return role, answer.allowed


def compare(seeds: range) -> Counter[tuple[Role, bool]]:
    return Counter(judged(seed) for seed in seeds)


@pytest.mark.parametrize("part", range(4))
def test_an_independent_judge_agrees_by_chance(part: int) -> None:
    """Ten thousand made-up schools, a quarter each: the same answer, safe and tight in time; both answers are common."""
    found = compare(range(part * 2500, (part + 1) * 2500))
    for role in (Role.GUARDIAN, Role.OBSERVER, Role.TEACHER, Role.PRINCIPAL, Role.VICE_PRINCIPAL):
        assert found[role, True] >= 15, found
        assert found[role, False] >= 15, found


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(10))
def test_an_independent_judge_agrees_a_million_times(part: int) -> None:
    """The same, a million times in ten parts."""
    compare(range(10_000 + part * 100_000, 10_000 + (part + 1) * 100_000))


SWITCHES: dict[str, tuple[dict[str, Any], ...]] = {
    "role": tuple(
        {"persons": (Person(MOTHER, role), Person(TEACHER, Role.TEACHER))} for role in (Role.GUARDIAN, Role.OBSERVER)
    ),
    "box": (
        {},
        {"accepted": False},
        {"sharing_stopped": True},
        {"clock_trusted": False},
        {"privacies": (Privacy(camera=CAM),)},
    ),
    "consents": tuple(
        {"consents": tuple(Consent(child=child, purpose=purpose) for child, purpose in said)}
        for said in (
            tuple(itertools.product((CHILD, MATE), Purpose)),
            ((CHILD, Purpose.VIEW), (CHILD, Purpose.OBSERVE)),
            ((MATE, Purpose.VIEW), (MATE, Purpose.OBSERVE)),
            ((CHILD, Purpose.RECORD), (MATE, Purpose.RECORD)),
            (),
        )
    ),
    "resolved": ({}, {"resolutions": (Resolution(child=MATE, class_id=MAM),)}),
    "notice": ({}, {"staff_notices": ()}),
    "pause": ({}, {"pauses": (Pause(class_id=MAM, until_ms=NOW + HOUR),)}),
    "rules": (
        {},
        {"rules": (ClassRules(MAM, on_site_only=True),)},
        {"rules": (ClassRules(MAM, daily_minutes=30),)},
        {"rules": (ClassRules(MAM, adaptation_days=2),)},
    ),
    "session": (
        {},
        *(
            {"observations": (Observation(person=MOTHER, class_id=MAM, assented=yes, until_ms=NOW + HOUR),)}
            for yes in (True, False)
        ),
    ),
}
"""Every leg on and off; each part of the world is put together with every other."""
TIMES = (local(19, 9), local(19, 12), local(21, 9))
HOWS = (ANYHOW, Asking(on_site=True), Asking(viewed=(Span(since_ms=NOW - 40 * MINUTE, until_ms=NOW),)))


def worlds() -> Iterator[Facts]:
    base = facts()
    for parts in itertools.product(*SWITCHES.values()):
        changes: dict[str, Any] = {}
        for part in parts:
            changes |= part
        yield dataclasses.replace(base, **changes)


def test_a_whole_small_world_is_judged_alike() -> None:
    """Every combination of the legs, at lesson, nap and weekend, at the school and elsewhere."""
    count = 0
    for f in worlds():
        for t, how in itertools.product(TIMES, HOWS):
            assert ask(f, CAM, t, how).allowed is sees(f, MOTHER, CAM, t, how), (f, t, how)
            count += 1
    assert count == len(TIMES) * len(HOWS) * 2 * 5 * 5 * 2 * 2 * 2 * 4 * 3
