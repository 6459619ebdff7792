"""Places: what connected viewers are given, and what their pages are told."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gateway.core.model import Role, StreamRole
from gateway.live.admission import UPLINK_SHARE
from gateway.live.loadmeter import LEAST_WINDOW_S, WINDOW_S
from gateway.live.places import FORETOLD_WRONG_S
from gateway.live.rates import GUESS_BPS
from gateway.live.turns import TURN_S
from tests.fakes.seatable import School

ONE = GUESS_BPS[StreamRole.SUB]
MAIN = GUESS_BPS[StreamRole.MAIN]


def room_for(streams: float) -> float:
    """The configured uplink that carries so many sub streams."""
    return streams * ONE / UPLINK_SHARE


def play(scenario: Callable[[School], Coroutine[Any, Any, None]], uplink_bps: float | None = None) -> None:
    asyncio.run(scenario(School(uplink_bps)))


def test_on_the_lan_everybody_watches() -> None:
    """A full uplink is no matter inside the school."""

    async def scenario(school: School) -> None:
        for name in "abcdef":
            school.come(name, outside=False)
        assert school.watching == "abcdef"
        await school.wait(TURN_S + 5)
        assert [item.told for item in school.here.values()] == [[]] * 6

    play(scenario, room_for(1))


def test_without_a_budget_nobody_takes_turns() -> None:
    """Where `live.uplink_bps` is not set, outside counts for nothing."""

    async def scenario(school: School) -> None:
        for name in "abcdef":
            school.come(name)
        assert school.watching == "abcdef"
        assert school.places.facts()["waiting"] == 0

    play(scenario, None)


def test_four_outside_on_a_budget_for_two_change_after_two_minutes() -> None:
    """Two watch, two are told when; then it is the other way round, and the pages know."""

    async def scenario(school: School) -> None:
        a, b, c, d = (school.come(name) for name in "abcd")
        await school.wait(1)
        assert school.watching == "ab"
        assert [item.told[-1]["place"] for item in (a, b, c, d)] == ["video", "video", "turn", "turn"]
        assert c.told == [{"place": "turn", "why": "uplink", "next_s": TURN_S, "left_s": None}]
        assert a.told == [{"place": "video", "why": "", "next_s": None, "left_s": TURN_S}]
        await school.wait(TURN_S)
        assert school.watching == "cd"
        assert [item.told[-1]["place"] for item in (a, b, c, d)] == ["turn", "turn", "video", "video"]
        assert c.told[1:] == [{"place": "video", "why": "", "next_s": None, "left_s": TURN_S}]
        assert school.places.facts()["turns_given"] == 4

    play(scenario, room_for(2))


def test_who_leaves_frees_the_place_at_once() -> None:
    """The next one watches before any time has passed."""

    async def scenario(school: School) -> None:
        for name in "abc":
            school.come(name)
        school.leave("a")
        assert school.watching == "bc"

    play(scenario, room_for(2))


def test_the_principal_gets_in_and_a_guardian_stands_up_for_it() -> None:
    """With an uplink full of guardians; the seat is theirs again when the principal leaves."""

    async def scenario(school: School) -> None:
        for name in "abc":
            school.come(name)
        principal = school.come("p", Role.PRINCIPAL)
        assert (school.watching, principal.most) == ("bcp", StreamRole.SUB)
        await school.wait(1)
        assert principal.told[-1]["place"] == "smaller"
        school.leave("p")
        assert school.watching == "abc"

    play(scenario, room_for(3))


def test_the_principal_gets_in_on_an_uplink_that_carries_nothing() -> None:
    """Rather a full uplink than a principal without a picture."""

    async def scenario(school: School) -> None:
        school.come("a")
        school.come("p", Role.PRINCIPAL)
        assert school.watching == "p"

    play(scenario, 1000)


def test_staff_come_before_guardians_and_get_less_when_it_is_tight() -> None:
    """Main fits for the first, sub for the second, nothing for the third; it gets in when there is room."""

    async def scenario(school: School) -> None:
        school.come("a")
        first, second = school.come("x", Role.TEACHER), school.come("y", Role.TEACHER)
        third = school.come("z", Role.AUTHORITY_IT)
        assert school.watching == "xy"
        assert (first.most, second.most) == (StreamRole.MAIN, StreamRole.SUB)
        await school.wait(1)
        assert third.told == [{"place": "stills", "why": "uplink", "next_s": None, "left_s": None}]
        school.leave("x")
        await school.wait(1)
        assert (school.watching, second.most, third.most) == ("yz", StreamRole.MAIN, StreamRole.SUB)
        assert third.told[-1] == {"place": "smaller", "why": "uplink", "next_s": None, "left_s": None}

    play(scenario, (MAIN + 1.5 * ONE) / UPLINK_SHARE)


def test_a_smaller_picture_becomes_the_one_asked_for_when_there_is_room() -> None:
    """The trial is the link's matter; here it is allowed."""

    async def scenario(school: School) -> None:
        school.come("x", Role.TEACHER)
        second = school.come("y", Role.TEACHER)
        before = second.most
        school.leave("x")
        await school.wait(1)
        assert (before, second.most, second.flows) == (StreamRole.SUB, StreamRole.MAIN, True)

    play(scenario, (MAIN + ONE) / UPLINK_SHARE)


def test_at_the_limit_of_the_processor_who_watches_goes_on_and_who_comes_sees_stills() -> None:
    """With its reason; the principal gets in; when it has calmed down, one more a second."""

    async def scenario(school: School) -> None:
        school.come("a", outside=False)
        school.busy = 0.95
        await school.wait(LEAST_WINDOW_S + 1)
        assert school.places.full
        late = [school.come(name, outside=False) for name in "bcd"]
        school.come("p", Role.PRINCIPAL, outside=False)
        staff = school.come("t", Role.TEACHER, outside=False)
        assert school.watching == "apt"
        assert staff.most is StreamRole.SUB
        await school.wait(1)
        assert late[0].told == [{"place": "stills", "why": "cpu", "next_s": None, "left_s": None}]
        school.busy = 0.1
        counts = []
        for _ in range(int(WINDOW_S) + 8):
            await school.wait(1)
            counts.append(len(school.watching))
        assert school.watching == "abcdpt"
        assert max(after - before for before, after in itertools.pairwise(counts)) == 1

    play(scenario, None)


def test_after_the_limit_of_the_processor_one_more_a_second_gets_the_large_picture() -> None:
    """Eight at once would bring the box to its limit again."""

    async def scenario(school: School) -> None:
        school.busy = 0.95
        school.come("a", outside=False)
        await school.wait(LEAST_WINDOW_S + 1)
        staff = [school.come(name, Role.TEACHER, outside=False) for name in "rstuvwxy"]
        assert [item.most for item in staff] == [StreamRole.SUB] * 8
        school.busy = 0.1
        counts = []
        for _ in range(int(WINDOW_S) + 12):
            await school.wait(1)
            counts.append(sum(item.most is StreamRole.MAIN for item in staff))
        assert (counts[0], counts[-1]) == (0, 8)
        assert max(after - before for before, after in itertools.pairwise(counts)) == 1

    play(scenario, None)


def test_at_the_limit_turns_go_on_but_no_seat_is_added() -> None:
    """A second place on the uplink stays empty until the processor has room."""

    async def scenario(school: School) -> None:
        school.come("a")
        school.busy = 0.95
        await school.wait(LEAST_WINDOW_S + 1)
        b = school.come("b")
        await school.wait(1)
        assert school.watching == "a"
        assert (b.told[-1]["place"], b.told[-1]["why"]) == ("turn", "cpu")
        await school.wait(TURN_S)
        assert school.watching == "b"
        school.busy = 0.0
        await school.wait(WINDOW_S + 1)
        assert school.watching == "ab"

    play(scenario, room_for(5))


def test_at_the_limit_a_seat_that_becomes_free_is_given_again() -> None:
    """Who leaves takes no seat along: as many watch as when the processor came to its limit."""

    async def scenario(school: School) -> None:
        for name in "abc":
            school.come(name)
        school.busy = 0.95
        await school.wait(LEAST_WINDOW_S + 1)
        for name in "defg":
            school.come(name)
        assert (school.places.full, school.watching) == (True, "abc")
        for gone, watching in (("a", "bcd"), ("b", "cde"), ("c", "def")):
            school.leave(gone)
            assert school.watching == watching
        await school.wait(5)
        assert (school.places.full, school.watching) == (True, "def")

    play(scenario, room_for(5))


def test_a_late_box_is_at_its_limit_too() -> None:
    """Pictures that leave late for seconds: another process has the processor."""

    async def scenario(school: School) -> None:
        a = school.come("a", outside=False)
        for _ in range(8):
            for _ in range(5):
                a.stream.counters.late_ms = 900.0
                await school.wait(0.2)
        assert school.places.full
        assert school.places.facts()["late"] == 1.0
        assert a.stream.counters.late_ms == 0

    play(scenario, None)


def test_a_page_that_cannot_hear_yet_is_told_when_it_can() -> None:
    """The data channel opens after the connection; nothing is lost by that."""

    async def scenario(school: School) -> None:
        school.come("a")
        b = school.come("b", hears=False)
        await school.wait(2)
        b.hears = True
        await school.wait(1)
        assert [item["place"] for item in b.told] == ["turn"]

    play(scenario, room_for(1))


def test_a_page_is_told_anew_only_when_the_time_was_foretold_wrongly() -> None:
    """It counts down by itself; when somebody before it leaves, its turn is sooner."""

    async def scenario(school: School) -> None:
        for name in "abcd":
            school.come(name)
        last = school.here["d"]
        await school.wait(60)
        assert [item["next_s"] for item in last.told] == [3 * TURN_S]
        school.leave("b")
        await school.wait(1)
        assert len(last.told) == 2
        assert last.told[-1]["next_s"] == pytest.approx(2 * TURN_S - 61, abs=FORETOLD_WRONG_S)

    play(scenario, room_for(1))


def test_a_stream_too_big_for_the_uplink_is_stills_and_says_so() -> None:
    """Its turn can never come, so none is promised."""

    async def scenario(school: School) -> None:
        a = school.come("a")
        await school.wait(1)
        assert a.told == [{"place": "stills", "why": "uplink", "next_s": None, "left_s": None}]

    play(scenario, room_for(0.5))


def test_a_phone_that_goes_from_the_wifi_to_the_road_stands_in_the_line() -> None:
    """And one that comes into the school watches at once."""

    async def scenario(school: School) -> None:
        school.come("a")
        b = school.come("b", outside=False)
        assert school.watching == "ab"
        b.outside = True
        await school.wait(1)
        assert school.watching == "a"
        b.outside = False
        await school.wait(1)
        assert school.watching == "ab"
        assert school.places.facts_of(b.id) == {"place": "video", "why": "", "outside": False}

    play(scenario, room_for(1))


def test_the_figures_of_the_whole_and_of_each() -> None:
    """Status and metrics see the same as the pages."""

    async def scenario(school: School) -> None:
        a, b = school.come("a"), school.come("b")
        school.come("c", outside=False)
        facts = school.places.facts()
        assert facts["places"] == {"video": 2, "turn": 1}
        assert (facts["outside"], facts["waiting"], facts["wanted_bps"]) == (2, 1, 2 * ONE)
        assert facts["uplink_bps"] == room_for(1)
        assert school.places.facts_of(a.id) == {"place": "video", "why": "", "outside": True}
        assert school.places.facts_of(b.id) == {"place": "turn", "why": "uplink", "outside": True}
        school.leave("b")
        assert school.places.facts_of(b.id) == {"place": "", "why": "", "outside": False}

    play(scenario, room_for(1))


@pytest.mark.parametrize("seed", range(5))
def test_guardians_outside_never_draw_more_than_what_is_left(seed: int) -> None:
    """However people come and go, staff and principal among them; and every guardian has had video in the end."""

    async def scenario(school: School) -> None:
        dice = random.Random(seed)
        roles = [Role.GUARDIAN] * 6 + [Role.TEACHER, Role.PRINCIPAL]
        had: set[str] = set()
        for number in range(150):
            if dice.random() < 0.6 and len(school.here) < 12:
                school.come(f"{number}.", dice.choice(roles), outside=dice.random() < 0.8)
            elif school.here:
                school.leave(dice.choice(list(school.here)))
            await school.wait(dice.choice([0.2, 1, 30]))
            flowing = [item for item in school.here.values() if item.flows and item.outside]
            others = sum(GUESS_BPS[item.most] for item in flowing if item.grant.role is not Role.GUARDIAN)
            seats = sum(ONE for item in flowing if item.grant.role is Role.GUARDIAN)
            assert seats == 0 or seats + others <= room_for(4) * UPLINK_SHARE
            for item in school.here.values():
                assert item.flows or item.grant.role is not Role.PRINCIPAL
        for name in [name for name, item in school.here.items() if item.grant.role is not Role.GUARDIAN]:
            school.leave(name)
        for _ in range(int(TURN_S) * 5):
            await school.wait(1)
            had |= {name for name, item in school.here.items() if item.flows}
        assert had == set(school.here)

    play(scenario, room_for(4))
