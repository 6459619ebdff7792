"""Losses gathered into gaps."""

from __future__ import annotations

import itertools

from gateway.core.model import StreamId
from recorder.gaps import GapCause
from recorder.losses import JOIN_MS, LONGEST_S, QUIET_S, Loss, Losses
from tests.fakes.clock import FakeClock

A, B = StreamId(1), StreamId(2)


def test_pictures_lost_in_a_row_are_one_loss() -> None:
    """Handed out once nothing was lost for a while, and only once."""
    clock = FakeClock()
    losses = Losses(clock)
    for number in range(50):
        losses.note(A, 1_000 + number * 100, 1_100 + number * 100, GapCause.DISK)
        clock.tick(0.1)
    assert losses.take() == []
    assert losses.losing() == {A}
    clock.tick(QUIET_S)
    assert losses.take() == [Loss(A, 1_000, 6_000, GapCause.DISK)]
    assert losses.take() == []
    assert losses.losing() == frozenset()


def test_streams_and_causes_are_kept_apart() -> None:
    """Each has its own span."""
    clock = FakeClock()
    losses = Losses(clock)
    losses.note(A, 0, 100, GapCause.DISK)
    losses.note(B, 0, 200, GapCause.DISK)
    losses.note(A, 50, 300, GapCause.OVERLOAD)
    assert set(losses.take(everything=True)) == {
        Loss(A, 0, 100, GapCause.DISK),
        Loss(B, 0, 200, GapCause.DISK),
        Loss(A, 50, 300, GapCause.OVERLOAD),
    }


def test_losses_far_apart_are_two() -> None:
    """What lies between them was stored."""
    losses = Losses(FakeClock())
    losses.note(A, 0, 100, GapCause.DISK)
    losses.note(A, 100 + JOIN_MS + 1, 9_000, GapCause.DISK)
    assert losses.take(everything=True) == [
        Loss(A, 0, 100, GapCause.DISK),
        Loss(A, 100 + JOIN_MS + 1, 9_000, GapCause.DISK),
    ]


def test_a_loss_told_out_of_order_makes_the_span_longer() -> None:
    """The queue drops the oldest first, the disk fails on the newest."""
    losses = Losses(FakeClock())
    losses.note(A, 5_000, 6_000, GapCause.OVERLOAD)
    losses.note(A, 3_000, 4_000, GapCause.OVERLOAD)
    assert losses.take(everything=True) == [Loss(A, 3_000, 6_000, GapCause.OVERLOAD)]


def test_a_loss_that_goes_on_is_told_in_parts() -> None:
    """A kill in an hour without a disk forgets a minute, not the hour."""
    clock = FakeClock()
    losses, told = Losses(clock), list[Loss]()
    for second in range(300):
        losses.note(A, second * 1000, second * 1000 + 1000, GapCause.DISK)
        clock.tick(1)
        told += losses.take()
    assert len(told) == 300 // int(LONGEST_S)
    assert told[0].start_ms == 0
    assert all(one.end_ms == two.start_ms for one, two in itertools.pairwise(told))
