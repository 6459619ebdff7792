"""Places of pages whose picture grows after they were let in: the large stream is judged on its own."""

from __future__ import annotations

from gateway.core.model import Role, StreamRole
from gateway.live.admission import UPLINK_SHARE
from gateway.live.loadmeter import LEAST_WINDOW_S
from tests.fakes.seatable import School
from tests.unit.test_live_places import MAIN, ONE, play, room_for


def test_a_page_that_grows_is_judged_anew() -> None:
    """Staff with a small picture have no right to the large one by that: it would take a guardian's seat."""

    async def scenario(school: School) -> None:
        guardian, staff = school.come("a"), school.come("x", Role.TEACHER, small=True)
        assert (school.watching, staff.most) == ("ax", StreamRole.SUB)
        staff.asked = StreamRole.MAIN
        assert staff.most is StreamRole.SUB
        await school.wait(3)
        assert (guardian.flows, staff.flows, staff.most) == (True, True, StreamRole.SUB)
        assert staff.told[-1] == {"place": "smaller", "why": "uplink", "next_s": None, "left_s": None}
        staff.asked = StreamRole.SUB
        await school.wait(1)
        assert staff.told[-1]["place"] == "video"

    play(scenario, room_for(2))


def test_a_page_that_grows_gets_the_large_picture_where_there_is_room() -> None:
    """And when it shrinks and grows again, it is judged again."""

    async def scenario(school: School) -> None:
        staff = school.come("x", Role.TEACHER, small=True)
        staff.asked = StreamRole.MAIN
        await school.wait(1)
        assert (staff.flows, staff.most, staff.told) == (True, StreamRole.MAIN, [])
        staff.asked, staff.stream.role = StreamRole.SUB, StreamRole.SUB
        await school.wait(1)
        for name in "pq":
            school.come(name, Role.PRINCIPAL)
        staff.asked = StreamRole.MAIN
        await school.wait(1)
        assert (staff.flows, staff.most) == (True, StreamRole.SUB)
        school.leave("p")
        await school.wait(1)
        assert staff.most is StreamRole.MAIN

    play(scenario, (2 * MAIN + ONE) / UPLINK_SHARE)


def test_a_page_that_grows_at_the_limit_of_the_processor_keeps_the_small_picture() -> None:
    """The reason is told; it goes on."""

    async def scenario(school: School) -> None:
        staff = school.come("x", Role.TEACHER, outside=False, small=True)
        school.busy = 0.95
        await school.wait(LEAST_WINDOW_S + 1)
        staff.asked = StreamRole.MAIN
        await school.wait(2)
        assert (staff.flows, staff.most) == (True, StreamRole.SUB)
        assert staff.told == [{"place": "smaller", "why": "cpu", "next_s": None, "left_s": None}]

    play(scenario, None)
