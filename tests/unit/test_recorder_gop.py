"""Cutting access units into fragments: exact durations, bounded memory, time that never runs backwards."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.media import AccessUnit
from recorder.fmp4 import fragment_start_90k
from recorder.gop import LONGEST_90K, MAX_FRAGMENT_BYTES, MAX_UNITS, Assembler, Fragment
from recorder.rows import TICKS_PER_MS
from tests.fakes.footage import PLAIN, START_MS, plain_unit, run_of

BASE = START_MS * TICKS_PER_MS


def unit(pts_90k: int, *, is_key: bool = False, size: int = 10) -> AccessUnit:
    """Return a unit at a media time."""
    return AccessUnit((bytes(size),), pts_90k, is_key, 0, PLAIN)


def assemble(units: list[AccessUnit]) -> tuple[list[Fragment], Assembler]:
    """Feed units, flush, return all fragments."""
    assembler = Assembler(run_of())
    done = [assembler.add(item, BASE + item.pts_90k) for item in units]
    return [item for item in [*done, assembler.flush()] if item is not None], assembler


def test_a_gop_is_a_fragment_with_exact_durations() -> None:
    """The next key frame gives the last picture its length."""
    fragments, _ = assemble([unit(0, is_key=True), unit(6001), unit(12000), unit(18050, is_key=True), unit(24000)])
    assert [(item.start_90k - BASE, item.duration_90k, item.is_key) for item in fragments] == [
        (0, 18050, True),
        (18050, 2 * 5950, True),
    ]
    assert [sample.duration_90k for sample in fragments[0].samples()] == [6001, 5999, 6050]
    assert fragment_start_90k(fragments[1].encode(2)) == BASE + 18050
    assert [item.number for item in fragments] == [0, 1]


def test_a_long_gop_is_cut_every_two_seconds() -> None:
    """A 10 s GOP never waits in memory for 10 s: the later parts are no key fragments."""
    units = [unit(number * 6000, is_key=number == 0) for number in range(150)]
    fragments, _ = assemble(units)
    assert [item.is_key for item in fragments] == [True, False, False, False, False]
    assert {item.duration_90k for item in fragments} == {LONGEST_90K}
    assert sum(len(item.units) for item in fragments) == 150


def test_nothing_is_kept_before_the_first_key_frame() -> None:
    """What no decoder can show is counted, not stored."""
    fragments, assembler = assemble([unit(0), unit(6000), unit(12000, is_key=True)])
    assert [item.start_90k - BASE for item in fragments] == [12000]
    assert assembler.unstarted == 2


def test_a_change_of_parameter_sets_waits_for_its_key_frame() -> None:
    """Units of a new configuration before its key frame are not mixed into the old one."""
    other = replace(PLAIN, epoch=2, sps=b"\x67new")
    units = [unit(0, is_key=True), unit(6000), replace(unit(12000), config=other), unit(18000)]
    units[3] = replace(units[3], config=other, is_key=True)
    fragments, assembler = assemble(units)
    assert [(item.config.epoch, len(item.units)) for item in fragments] == [(1, 2), (2, 1)]
    assert fragments[0].duration_90k == 12000
    assert assembler.unstarted == 1


def test_an_equal_configuration_is_no_change() -> None:
    """A config object that was made anew for each unit does not cut anything."""
    fragments, _ = assemble([replace(plain_unit(number, gop=9), config=replace(PLAIN)) for number in range(4)])
    assert len(fragments) == 1


def test_a_clock_that_jumps_back_is_bent_forward() -> None:
    """Fragments of a run follow each other, whatever the camera's clock does."""
    times = [0, 6000, 12000, 3000, 9000, 15000]
    fragments, assembler = assemble([unit(time, is_key=place in {0, 3, 5}) for place, time in enumerate(times)])
    spans = [(item.start_90k - BASE, item.end_90k - BASE) for item in fragments]
    assert spans == [(0, 18000), (18000, 30000), (30000, 36000)]
    assert assembler.bent == 1


def test_a_clock_that_leaps_leaves_a_hole() -> None:
    """After a jump of hours the last picture is not stretched over them."""
    fragments, assembler = assemble([unit(0, is_key=True), unit(6000), unit(90_000_000, is_key=True)])
    assert [(item.start_90k - BASE, item.duration_90k) for item in fragments] == [(0, 12000), (90_000_000, 6000)]
    assert assembler.bent == 1


def test_a_clock_that_stands_still_does_not_fill_memory() -> None:
    """Units with one and the same time are cut by count, huge ones by size."""
    fragments, _ = assemble([unit(0, is_key=place == 0) for place in range(MAX_UNITS + 5)])
    assert [len(item.units) for item in fragments] == [MAX_UNITS, 5]
    big = [unit(place, is_key=place == 0, size=MAX_FRAGMENT_BYTES // 4) for place in range(6)]
    assert [len(item.units) for item in assemble(big)[0]] == [4, 2]


def test_reordered_pictures_keep_their_times() -> None:
    """With B-frames decode times are spread evenly and each presentation time stays exact."""
    times = [0, 18000, 6000, 12000]
    fragments, _ = assemble([*(unit(time, is_key=time == 0) for time in times), unit(24000, is_key=True)])
    first = fragments[0]
    assert not first.in_order
    decode, shown = 0, []
    for sample in first.samples():
        shown.append(decode + sample.shift_90k)
        decode += sample.duration_90k
    assert (shown, decode) == (times, 24000)


@given(st.lists(st.tuples(st.integers(-(10**7), 10**7), st.booleans()), min_size=1, max_size=60))
def test_time_never_runs_backwards(steps: list[tuple[int, bool]]) -> None:
    """For any clock: fragments do not overlap, durations fit 32 bits, every unit is in exactly one."""
    units, at = [unit(0, is_key=True)], 0
    for step, is_key in steps:
        at += step
        units.append(unit(at, is_key=is_key))
    fragments, _ = assemble(units)
    assert sum(len(item.units) for item in fragments) == len(units)
    for one, two in itertools.pairwise(fragments):
        assert one.end_90k <= two.start_90k
    for item in fragments:
        samples = item.samples()
        assert all(0 <= sample.duration_90k < 1 << 32 for sample in samples)
        assert sum(sample.duration_90k for sample in samples) == item.duration_90k
        assert all(-(1 << 31) <= sample.shift_90k < 1 << 31 for sample in samples)
        item.encode(1)
