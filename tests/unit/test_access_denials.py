"""Refusals counted: never lost, never more rows than a minute allows, never more memory than the bound."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access.audit import Actor
from gateway.access.denials import MAX_OPEN, UNSEEN, WINDOW_S, Denials
from gateway.access.limits import MAX_BUCKETS, RateLimit, network_of, place_of
from gateway.access.reasons import Reason
from gateway.core.errors import Denied, NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, Role, new_public_id
from tests.fakes.access_world import school
from tests.fakes.school import MOTHER, OTHER, pid

S = 1_000_000_000


def tell(denials: Denials, key: str, now_ns: int) -> bool:
    """Refuse once, as the store does; says whether a row was written."""
    obj = ObjectRef(ObjectKind.CAMERA, pid(key))
    made = Denials.key(MOTHER, Action.LIVE, obj, Reason.ROLE)
    if denials.covered(made, now_ns):
        return False
    denials.written(made, Reason.ROLE, now_ns)
    return True


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 30)), max_size=80))
def test_no_refusal_is_lost_or_told_twice(steps: list[tuple[str, int]]) -> None:
    """Rows written at once and counts written later add up to what was refused, per person and object."""
    denials, now_s = Denials(), 0
    told: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    rows: dict[str, list[int]] = {}
    for name, wait_s in steps:
        now_s += wait_s
        asked[name] += 1
        if tell(denials, name, now_s * S):
            told[name] += 1
            rows.setdefault(name, []).append(now_s)
    denials.expire((now_s + WINDOW_S) * S)
    for item in denials.due():
        told[item.key.object.rstrip("a") or "a"] += item.times
    assert told == asked
    assert denials.due() == []
    for times in rows.values():
        assert all(later - earlier >= WINDOW_S for earlier, later in itertools.pairwise(times))


def test_the_minute_is_half_open() -> None:
    """A refusal one nanosecond before the minute is over is counted, at its end it is a new row."""
    denials = Denials()
    assert tell(denials, "x", 0)
    assert not tell(denials, "x", WINDOW_S * S - 1)
    assert tell(denials, "x", WINDOW_S * S)
    assert [item.times for item in denials.due()] == [1]


def test_a_flood_of_objects_is_bounded() -> None:
    """Ten thousand different refusals hold a thousand counts, and those handed out early are not lost."""
    denials = Denials()
    for number in range(MAX_OPEN):
        tell(denials, f"n{number}", 0)
        tell(denials, f"n{number}", 0)
    tell(denials, "one more", 1)
    (oldest,) = denials.due()
    assert (oldest.key.object, oldest.times) == (pid("n0"), 1)
    assert len(denials._open) == MAX_OPEN
    for number in range(10 * MAX_OPEN):
        tell(denials, f"m{number}", 2)
    assert len(denials._open) == MAX_OPEN
    assert len(denials.due()) <= MAX_OPEN


def test_what_one_may_not_know_of_is_one_thing() -> None:
    """Guessed objects share one count; different actions and people do not."""
    objects = [ObjectRef(kind, new_public_id()) for kind in ObjectKind for _ in range(3)]
    keys = {Denials.key(MOTHER, Action.LIVE, obj, Reason.NOT_FOUND) for obj in objects}
    assert [key.object for key in keys] == [UNSEEN]
    assert len({Denials.key(who, act, objects[0], Reason.NOT_FOUND) for who in (MOTHER, OTHER) for act in Action}) == (
        2 * len(Action)
    )
    seen = {Denials.key(MOTHER, Action.LIVE, obj, Reason.CLASS_PAUSED) for obj in objects}
    assert len(seen) == len(objects)


@pytest.mark.anyio
async def test_repeats_come_back_as_one_row(tmp_path: Path) -> None:
    """Forty refusals in a minute are two rows: the first at once, the others as a number with their reason."""
    async with school(tmp_path) as w:
        rows, events = len(w.rows("SELECT seq FROM audit")), len(w.events)
        guest = await w.access.people.add(w.actor, Role.OBSERVER, "Khách")
        for _ in range(40):
            with pytest.raises(Denied):
                await w.access.sharing.stop_all(Actor(guest, "g"))
            w.clock.tick(1)
        assert await w.access.store.write_repeats() == 0
        w.clock.tick(20)
        assert await w.access.store.write_repeats() == 1
        found = [json.loads(row["body"]) for row in w.rows("SELECT body FROM audit_body WHERE seq > ?", rows + 1)]
        assert [(body["what"], body.get("times")) for body in found] == [("denied", None), ("denied.repeats", 39)]
        assert found[1]["reason"] == found[0]["reason"] == "role.action"
        assert sum(event.type == "access.denied.v1" for event in w.events[events:]) == 1


@pytest.mark.anyio
async def test_a_wall_clock_that_jumps_opens_no_new_minute(tmp_path: Path) -> None:
    """Minutes of refusals are monotonic: setting the clock back or on neither floods nor hides."""
    async with school(tmp_path) as w:
        rows = len(w.rows("SELECT seq FROM audit"))
        for step_ms in (0, 3_600_000, -7_200_000, 86_400_000):
            w.clock.step_wall(step_ms)
            with pytest.raises(NotFound):
                await w.access.children.consent(Actor(w.mother, w.phone), w.mate)
        assert len(w.rows("SELECT seq FROM audit")) == rows + 1


@settings(max_examples=60)
@given(st.lists(st.floats(0, 20), max_size=60), st.integers(1, 12), st.floats(0.5, 10))
def test_a_bucket_never_gives_more_than_its_rate(waits: list[float], burst: int, every_s: float) -> None:
    """In any stretch of time at most `burst` tries plus one per interval are let through, and at least the burst."""
    now = [0]
    limit = RateLimit(lambda: now[0], burst=burst, every_s=every_s)
    taken: list[float] = []
    for wait_s in waits:
        now[0] += round(wait_s * 1e9)
        if limit.take("192.0.2.1"):
            taken.append(now[0] / 1e9)
    assert len(taken) >= min(burst, len(waits))
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + (taken[last] - taken[first]) / every_s + 1e-6


@given(st.integers(0, 2**32 - 1))
def test_neighbours_of_any_address_share(number: int) -> None:
    """All addresses of one /24 are one asker, written as IPv4 or mapped into IPv6; the next /24 is another."""
    words = [number >> 24, number >> 16 & 255, number >> 8 & 255, number & 255]
    text = ".".join(map(str, words))
    near = ".".join(map(str, [*words[:3], (words[3] + 77) % 256]))
    far = ".".join(map(str, [*words[:2], (words[2] + 1) % 256, words[3]]))
    assert network_of(text) == network_of(near) == network_of(f"::ffff:{text}")
    assert network_of(text) != network_of(far)


def test_a_flood_of_networks_forgets_the_longest_unused() -> None:
    """The memory of networks is bounded, and an attacker's own bucket is not refilled by it while it is in use."""
    now = [0]
    limit = RateLimit(lambda: now[0], burst=1, every_s=1e6)
    assert limit.take("10.0.0.1")
    for number in range(MAX_BUCKETS):
        limit.take(f"11.{number >> 8 & 255}.{number & 255}.1")
        assert not limit.take("10.0.0.1")
    assert len(limit._buckets) == MAX_BUCKETS


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("::ffff:192.168.1.20", "school"),
        ("fe80::1%eth0", "school"),
        ("::ffff:127.0.0.1", "box"),
        ("::ffff:203.0.113.9", "outside"),
        ("2001:db8::1", "outside"),
        ("no address", ""),
    ],
)
def test_where_an_address_is_does_not_hang_on_how_it_is_written(address: str, place: str) -> None:
    """IPv4 mapped into IPv6 is IPv4, and a zone says nothing: as `core.onlink` has it."""
    assert place_of(address) == place
    assert network_of(address) == network_of(address.removeprefix("::ffff:").partition("%")[0])
