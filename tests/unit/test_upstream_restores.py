"""Box and hub in any order of putting, sending, losing, pruning and restoring: once, and in order."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.core.events import Lane, uuid7
from gateway.upstream import keeping, outbox
from gateway.upstream.protocol import Announced
from tests.fakes.clock import NOON_MS
from tests.fakes.events import numbered
from tests.fakes.hub_link import FakeHub
from tests.fakes.upstream_db import dump, memory


class Conversation(RuleBasedStateMachine):
    """Any order of putting, sending, losing, pruning, and restoring either side from old copies."""

    def __init__(self) -> None:
        super().__init__()
        self.box, self.hub = memory(), FakeHub()
        self.count = 0
        self.images = [dump(self.box)]
        self.backups = [self.hub.backup()]

    @initialize()
    def begin(self) -> None:
        outbox.ensure_lanes(self.box, NOON_MS)

    @rule(lane=st.sampled_from(list(Lane)), count=st.integers(1, 5))
    def put(self, lane: Lane, count: int) -> None:
        self.put_into(lane, count)

    def put_into(self, lane: Lane, count: int) -> None:
        for _ in range(count):
            self.count += 1
            outbox.put(self.box, numbered(lane, self.count, now_ms=NOON_MS + self.count))

    def agree(self) -> None:
        for _ in range(4):
            states = outbox.lanes(self.box)
            cursors = self.hub.answer_hello([Announced(s.lane.value, s.stream, s.base, s.last) for s in states])
            renewed = [
                outbox.settle(self.box, s.lane, s.stream, cursors[s.stream].acked, cursors[s.stream].id, uuid7(NOON_MS))
                for s in states
            ]
            if not any(renewed):
                return
        raise AssertionError("no agreement")

    def send(self, size: int, *, answer_lost: bool = False) -> bool:
        found = outbox.next_batch(self.box, size)
        if found is None:
            return False
        lane, documents = found
        ack = self.hub.take(lane.stream, documents[0].seq, [item.body for item in documents])
        if answer_lost:
            return True
        if ack.gap or not lane.acked < ack.acked <= documents[-1].seq:
            self.agree()
        else:
            outbox.acknowledge(self.box, lane.lane, lane.stream, ack.acked)
        return True

    @rule(size=st.integers(1, 7), lost=st.booleans())
    def one_batch(self, size: int, lost: bool) -> None:
        self.send(size, answer_lost=lost)

    @rule()
    def restart(self) -> None:
        self.agree()

    def work(self, count: int) -> None:
        """Put into one lane and send everything."""
        self.put_into(Lane.ALARM, count)
        self.drain()

    def drain(self) -> None:
        self.agree()
        for _ in range(10_000):
            if not self.send(50):
                return
        raise AssertionError("the outbox does not empty")

    @rule(count=st.integers(1, 9))
    def a_quiet_day(self, count: int) -> None:
        self.work(count)

    @rule(before=st.integers(1, 9), after=st.integers(0, 12), offline=st.booleans())
    def yesterdays_image_is_put_back(self, before: int, after: int, offline: bool) -> None:
        image = dump(self.box)
        self.work(before)
        self.box.close()
        self.box = image
        self.put_into(Lane.ALARM, after)
        if not offline:
            self.agree()

    @rule(count=st.integers(1, 9), lost=st.booleans())
    def yesterdays_backup_of_the_hub_is_put_back(self, count: int, lost: bool) -> None:
        backup = self.hub.backup()
        self.work(count)
        self.put_into(Lane.ALARM, 2)
        self.send(9, answer_lost=lost)
        self.hub.restore(backup)

    @rule()
    def image_of_the_box(self) -> None:
        self.images.append(dump(self.box))

    @rule()
    def backup_of_the_hub(self) -> None:
        self.backups.append(self.hub.backup())

    @rule(data=st.data())
    def box_is_restored(self, data: st.DataObject) -> None:
        self.box = dump(data.draw(st.sampled_from(self.images)))
        outbox.ensure_lanes(self.box, NOON_MS)

    @rule(data=st.data())
    def hub_is_restored(self, data: st.DataObject) -> None:
        self.hub.restore(data.draw(st.sampled_from(self.backups)))

    @rule()
    def hub_loses_everything(self) -> None:
        self.hub.restore(self.backups[0])

    @rule(before=st.integers(0, 60))
    def prune(self, before: int) -> None:
        keeping.prune(self.box, NOON_MS + before)

    @invariant()
    def nothing_twice(self) -> None:
        ids = [name for _, name in self.hub.kept.events]
        assert len(ids) == len(set(ids))

    def teardown(self) -> None:
        """At last both are well: every event the box still has is at the hub, once, in its order."""
        self.drain()
        for lane in Lane:
            mine = [row["id"] for row in self.box.execute("SELECT id FROM outbox WHERE lane = ? ORDER BY seq", (lane,))]
            at_hub = self.hub.ids(lane.value)
            assert [name for name in at_hub if name in set(mine)] == mine
        for connection in (self.box, *self.images):
            connection.close()


Conversation.TestCase.settings = settings(
    max_examples=80, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestConversation = Conversation.TestCase


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(Lane)), st.booleans()), max_size=60), st.integers(1, 9))
def test_lost_answers_never_double_and_never_lose(steps: list[tuple[Lane, bool]], size: int) -> None:
    """Each event arrives once and in order, whichever answers are lost."""
    db, hub = memory(), FakeHub()
    outbox.ensure_lanes(db, NOON_MS)
    hub.answer_hello([Announced(s.lane.value, s.stream, s.base, s.last) for s in outbox.lanes(db)])
    ids: dict[Lane, list[str]] = {lane: [] for lane in Lane}
    for number, (lane, lost) in enumerate([*steps, *[(Lane.ALARM, False)] * 20], start=1):
        event = numbered(lane, number)
        outbox.put(db, event)
        ids[lane].append(event.id)
        found = outbox.next_batch(db, size)
        assert found is not None
        ack = hub.take(found[0].stream, found[1][0].seq, [item.body for item in found[1]])
        if not lost:
            outbox.acknowledge(db, found[0].lane, found[0].stream, ack.acked)
    while (found := outbox.next_batch(db, size)) is not None:
        ack = hub.take(found[0].stream, found[1][0].seq, [item.body for item in found[1]])
        outbox.acknowledge(db, found[0].lane, found[0].stream, ack.acked)
    assert {lane: hub.ids(lane.value) for lane in Lane} == ids
    db.close()
