"""The queue between network and disk: bounded, fair, and honest about what it drops."""

from __future__ import annotations

import threading

from gateway.core.model import StreamId
from recorder.backlog import Backlog, Drop, Item
from recorder.gop import Fragment
from tests.fakes.footage import START_MS, plain_unit, run_of

ONE, TWO = StreamId(1), StreamId(2)


def fill(backlog: Backlog, stream: StreamId, gops: int, *, size: int = 100, first: int = 0) -> list[bool]:
    """Offer whole GOPs of four units; the last stays in the assembler."""
    return [backlog.offer(stream, plain_unit(number, size=size)) for number in range(first * 4, (first + gops) * 4)]


def drain(backlog: Backlog) -> list[Item]:
    """Take everything that waits."""
    out = []
    while (item := backlog.take(0)) is not None:
        out.append(item)
        if isinstance(item, Fragment):
            backlog.done(item, stored=True)
    return out


def numbers(items: list[Item], stream: StreamId) -> list[int | str]:
    """Return fragment numbers and causes of ends of one stream, in order."""
    return [item.number if isinstance(item, Fragment) else item.cause for item in items if item.run.stream == stream]


def test_what_is_offered_comes_out_in_order() -> None:
    """Fragments of each stream in order, then the end of its run."""
    backlog = Backlog(1 << 20)
    for stream in (ONE, TWO):
        backlog.begin_run(run_of(stream))
        assert all(fill(backlog, stream, 3))
    backlog.end_run(ONE, "camera")
    items = drain(backlog)
    assert numbers(items, ONE) == [0, 1, 2, "camera"]
    assert numbers(items, TWO) == [0, 1]
    assert backlog.waiting_bytes == 0


def test_without_a_run_nothing_is_taken() -> None:
    """A unit before `begin_run`, after `end_run` or after `close` is refused."""
    backlog = Backlog(1 << 20)
    assert not backlog.offer(ONE, plain_unit(0))
    backlog.begin_run(run_of())
    assert backlog.offer(ONE, plain_unit(0))
    backlog.end_run(ONE, "x")
    backlog.end_run(ONE, "twice is once")
    backlog.end_run(TWO, "never began")
    assert not backlog.offer(ONE, plain_unit(1))
    backlog.begin_run(run_of(run=2))
    backlog.close()
    assert backlog.closed
    assert not backlog.offer(ONE, plain_unit(0))
    assert numbers(drain(backlog), ONE) == [0, "x", "stopped"]


def test_a_new_run_ends_the_old_one() -> None:
    """Two runs of a stream never mix."""
    backlog = Backlog(1 << 20)
    backlog.begin_run(run_of(run=1))
    backlog.offer(ONE, plain_unit(0))
    backlog.begin_run(run_of(run=2))
    backlog.offer(ONE, plain_unit(0))
    backlog.close()
    assert [item.run.run for item in drain(backlog)] == [1, 1, 2, 2]


def test_overflow_drops_the_oldest_whole_gop_of_the_heaviest_stream() -> None:
    """The greedy camera loses its own oldest footage; the quiet one and the newest GOPs stay."""
    backlog = Backlog(6_000)
    for stream in (ONE, TWO):
        backlog.begin_run(run_of(stream))
    fill(backlog, TWO, 2, size=100)
    kept = fill(backlog, ONE, 8, size=350)
    assert not all(kept)
    assert backlog.waiting_bytes <= 6_000
    items = drain(backlog)
    assert numbers(items, TWO) == [0]
    found = numbers(items, ONE)
    assert found[-1] == 6
    assert found == list(range(7))[-len(found) :]
    dropped = 7 - len(found)
    assert backlog.drops() == [Drop(ONE, START_MS, START_MS + dropped * 2000)]
    assert backlog.drops() == []
    assert (backlog.dropped_fragments, backlog.dropped_bytes) == (dropped, dropped * 4 * 355)


def test_the_later_parts_of_a_dropped_gop_go_with_it() -> None:
    """A long GOP in several fragments is dropped whole: its tail could not be shown."""
    backlog = Backlog(600)
    backlog.begin_run(run_of())
    for number in range(17):
        backlog.offer(ONE, plain_unit(number, gop=12, size=50))
    items = drain(backlog)
    assert next(item.is_key for item in items if isinstance(item, Fragment))
    assert numbers(items, ONE)[0] == 3
    assert backlog.dropped_fragments == 3


def test_the_end_of_a_run_is_never_dropped() -> None:
    """However full: the writer hears of every end."""
    backlog = Backlog(10)
    backlog.begin_run(run_of())
    fill(backlog, ONE, 3)
    backlog.end_run(ONE, "camera")
    assert numbers(drain(backlog), ONE) == ["camera"]


def test_what_the_writer_holds_counts() -> None:
    """A fragment in the writer's hand occupies room until it is done; one it could not store is a drop."""
    backlog = Backlog(1 << 20)
    backlog.begin_run(run_of())
    fill(backlog, ONE, 2)
    item = backlog.take(0)
    assert isinstance(item, Fragment)
    assert backlog.waiting_bytes == item.size_bytes
    backlog.done(item, stored=False)
    assert (backlog.waiting_bytes, backlog.dropped_fragments) == (0, 1)


def test_drops_are_told_in_true_time() -> None:
    """The run's clock offset is applied to the span of a drop."""
    backlog = Backlog(1)
    backlog.begin_run(run_of(start_ms=1000, offset_ms=START_MS))
    fill(backlog, ONE, 2)
    assert backlog.drops() == [Drop(ONE, START_MS + 1000, START_MS + 3000)]


def test_a_camera_whose_clock_lies_can_be_stamped_by_arrival() -> None:
    """The caller may give the wall time of a unit itself."""
    backlog = Backlog(1 << 20)
    backlog.begin_run(run_of())
    for number in range(5):
        backlog.offer(ONE, plain_unit(number), START_MS * 90 + number * 90_000)
    item = backlog.take(0)
    assert isinstance(item, Fragment)
    assert item.duration_90k == 180_000
    assert [len(item.units), item.start_ms] == [2, START_MS]


def test_waiting_for_the_disk_ends_with_the_writer() -> None:
    """`pause` and `take` return at once when the backlog is closed meanwhile."""
    backlog = Backlog(1 << 20)

    def wait() -> None:
        backlog.pause(600)
        backlog.take(600)

    waiter = threading.Thread(target=wait)
    waiter.start()
    backlog.close()
    waiter.join(60)
    assert not waiter.is_alive()


def test_what_was_given_back_is_the_next_and_the_oldest() -> None:
    """The order of the stream stays; when room is wanted it is the first to go, with its span told."""
    backlog = Backlog(3_000)
    backlog.begin_run(run_of())
    fill(backlog, ONE, 3)
    first = backlog.take(0)
    assert isinstance(first, Fragment)
    backlog.put_back(first)
    assert backlog.take(0) is first
    backlog.put_back(first)
    fill(backlog, ONE, 14, first=3)
    found = [item.number for item in drain(backlog) if isinstance(item, Fragment)]
    assert found == list(range(found[0], found[0] + len(found)))
    assert found[0] > 0
    assert backlog.drops() == [Drop(ONE, START_MS, START_MS + found[0] * 2_000)]


def test_a_stream_moves_with_all_that_waits() -> None:
    """Queue, running GOP and run go on in the other backlog, in order; the first hears that the run ended there."""
    old, new = Backlog(1 << 20), Backlog(1 << 20)
    for stream in (ONE, TWO):
        old.begin_run(run_of(stream))
        fill(old, stream, 3)
    old.move(ONE, new)
    old.move(StreamId(9), new)
    fill(new, ONE, 2, first=3)
    new.close()
    assert numbers(drain(new), ONE) == [0, 1, 2, 3, 4, "stopped"]
    left = drain(old)
    assert (numbers(left, ONE), numbers(left, TWO)) == (["disk"], [0, 1])
    assert not old.offer(ONE, plain_unit(40))
    assert (old.waiting_bytes, new.waiting_bytes) == (0, 0)


def test_a_writer_that_leaves_takes_nothing_more() -> None:
    """`take` and `pause` end for it alone; what waits stays for the next."""
    backlog, leaving = Backlog(1 << 20), threading.Event()
    backlog.begin_run(run_of())
    fill(backlog, ONE, 2)
    leaving.set()
    backlog.wake()
    assert backlog.take(600, leaving) is None
    backlog.pause(600, leaving)
    assert isinstance(backlog.take(0), Fragment)


def test_what_is_erased_waits_no_longer() -> None:
    """Footage of an erased stream in memory is forgotten; its run still ends, the other streams stay."""
    backlog = Backlog(1 << 20)
    for stream in (ONE, TWO):
        backlog.begin_run(run_of(stream))
        fill(backlog, stream, 3)
    backlog.end_run(ONE, "paused")
    backlog.discard([ONE, StreamId(9)])
    items = drain(backlog)
    assert (numbers(items, ONE), numbers(items, TWO)) == (["paused"], [0, 1])
    assert (backlog.waiting_bytes, backlog.drops()) == (0, [])


def test_what_the_writer_had_in_its_hand_when_it_was_erased_is_forgotten() -> None:
    """A full disk gives it back a moment after the erasing: it must not be written once there is room."""
    backlog = Backlog(1 << 20)
    backlog.begin_run(run_of())
    fill(backlog, ONE, 3)
    held = backlog.take(0)
    assert isinstance(held, Fragment)
    backlog.end_run(ONE, "paused")
    backlog.discard([ONE])
    backlog.put_back(held)
    assert numbers(drain(backlog), ONE) == ["paused"]
    assert (backlog.waiting_bytes, backlog.drops()) == (0, [])
    backlog.begin_run(run_of())
    fill(backlog, ONE, 2)
    held = backlog.take(0)
    assert isinstance(held, Fragment)
    backlog.put_back(held)
    assert backlog.take(0) == held


def test_what_the_writer_of_a_dying_disk_has_in_its_hand_follows_its_stream() -> None:
    """A disk that dies keeps each write for seconds: that GOP is the first on the other disk, also on a third."""
    old, new, third = Backlog(1 << 20), Backlog(1 << 20), Backlog(1 << 20)
    old.begin_run(run_of())
    fill(old, ONE, 3)
    held = old.take(0)
    assert isinstance(held, Fragment)
    old.move(ONE, new)
    new.move(ONE, third)
    old.put_back(held)
    assert [old.waiting_bytes, new.waiting_bytes] == [0, 0]
    third.close()
    assert numbers(drain(third), ONE) == [0, 1, 2, "stopped"]
    assert third.waiting_bytes == 0
    assert [numbers(drain(item), ONE) for item in (old, new)] == [["disk"], ["disk"]]
