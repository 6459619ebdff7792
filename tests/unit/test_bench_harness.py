"""The arithmetic of the benches: medians, ratios, order, tables."""

from __future__ import annotations

import pytest

from bench.harness import (
    Options,
    Reading,
    Table,
    Variant,
    compare,
    figure,
    machine,
    markdown,
    order_of,
    run_rounds,
    spread,
    summarise,
)


def taken(*cpu: float) -> list[Reading]:
    return [Reading({"CPU": value}) for value in cpu]


def variant(name: str, *, control: bool = False) -> Variant:
    return Variant(name, lambda: Reading({"CPU": 1.0}), control)


OURS, CONTROL = variant("ours"), variant("control", control=True)


def test_the_median_is_the_figure_and_the_extremes_stand_beside_it() -> None:
    """One slow round of three moves neither the median nor the ratio."""
    found = spread([3.0, 100.0, 1.0])
    assert (found.median, found.least, found.most) == (3.0, 1.0, 100.0)


def test_no_valid_round_is_no_figure() -> None:
    """Nothing is made up from nothing."""
    with pytest.raises(ValueError, match="no valid round"):
        spread([])


def test_the_ratio_is_of_medians_of_the_same_run() -> None:
    """Ours 4 of the control's 8 is 0.5, the control itself 1."""
    ours, control = summarise([OURS, CONTROL], {"ours": taken(4, 4, 40), "control": taken(8, 2, 9)})
    assert ours.ratio == 0.5
    assert control.ratio == 1.0


def test_the_first_column_is_the_one_compared() -> None:
    """Other columns may say the opposite; they have no ratio."""
    readings = {
        "ours": [Reading({"CPU": 1.0, "memory": 90.0})],
        "control": [Reading({"CPU": 2.0, "memory": 30.0})],
    }
    assert summarise([OURS, CONTROL], readings)[0].ratio == 0.5


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_round_that_lost_something_is_left_out_and_named(bad: int) -> None:
    """Its figures, however good, touch neither median nor extremes; the row says how many and why."""
    readings = taken(5, 5, 5)
    readings[bad] = Reading({"CPU": 0.1}, "3 packets lost")
    row, _ = summarise([OURS, CONTROL], {"ours": readings, "control": taken(10)})
    assert (row.spreads["CPU"].median, row.spreads["CPU"].least) == (5, 5)
    assert (row.rounds, row.reasons, row.ratio) == (2, ("3 packets lost",), 0.5)


def test_a_variant_without_a_valid_round_has_neither_figures_nor_ratio() -> None:
    """It stays in the table, with its reasons."""
    readings = {"ours": [Reading({"CPU": 1.0}, "2 pictures lost")], "control": taken(10)}
    row = summarise([OURS, CONTROL], readings)[0]
    assert (row.spreads, row.ratio, row.rounds) == ({}, None, 0)
    assert "0; left out: 2 pictures lost" in markdown(Table("t", "c", [row]))


def test_without_a_valid_control_there_is_no_ratio() -> None:
    """A control that failed, cost nothing, or is not there gives None, not a division by zero."""
    failed = {"ours": taken(1), "control": [Reading({"CPU": 9.0}, "lost")]}
    assert summarise([OURS, CONTROL], failed)[0].ratio is None
    assert summarise([OURS, CONTROL], {"ours": taken(1), "control": taken(0)})[0].ratio is None
    assert summarise([OURS], {"ours": taken(1)})[0].ratio is None


def test_each_variant_begins_a_round_in_turn() -> None:
    """Three variants in three rounds stand in each place once."""
    orders = [order_of(3, number) for number in range(3)]
    assert orders == [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
    assert all(sorted(column) == [0, 1, 2] for column in zip(*orders, strict=True))


def test_variants_are_interleaved_not_measured_in_blocks() -> None:
    """With two variants and two rounds the order is a b, b a; everything is told as it comes."""
    calls: list[str] = []
    said: list[str] = []

    def measure(name: str) -> Reading:
        calls.append(name)
        return Reading({"CPU": 2.0}, "1 packets lost" if name == "b" else "")

    variants = [Variant("a", lambda: measure("a")), Variant("b", lambda: measure("b"))]
    readings = run_rounds(variants, 2, said.append)
    assert calls == ["a", "b", "b", "a"]
    assert [len(found) for found in readings.values()] == [2, 2]
    assert said == [
        "round 1/2 a: CPU 2.00",
        "round 1/2 b: 1 packets lost",
        "round 2/2 b: 1 packets lost",
        "round 2/2 a: CPU 2.00",
    ]


def test_the_table_carries_ratio_spread_and_command() -> None:
    """Ratio first, median with its extremes, the number of rounds, and the command to repeat it."""
    numbers = iter([4.0, 5.0, 6.0])
    ours = Variant("ours", lambda: Reading({"CPU, %": next(numbers)}))
    control = Variant("control", lambda: Reading({"CPU, %": 10.0}), control=True)
    options = Options(rounds=3, command='make bench ARGS="x"', say=lambda line: None)
    lines = markdown(compare("a title", [ours, control], options, ["a note"])).splitlines()
    assert lines[0] == "### a title"
    assert '    make bench ARGS="x"' in lines
    assert "| ours | **0.50×** | 5.00 (4.00–6.00) | 3 |" in lines
    assert "| control | **1.00×** | 10.0 | 3 |" in lines
    assert lines[-1] == "* a note"


def test_a_single_round_is_called_a_single_run() -> None:
    """One measurement is not sold as a median."""
    rows = summarise([OURS], {"ours": taken(1)})
    assert "1 (single run)" in markdown(Table("t", "c", rows))


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "0"), (0.1234, "0.12"), (5.055, "5.05"), (43.21, "43.2"), (1707.4, "1,707")]
)
def test_figures_have_three_digits_that_count(value: float, shown: str) -> None:
    """No number claims more than it knows."""
    assert figure(value) == shown


def test_the_machine_is_described_but_not_named() -> None:
    """Cores, memory, AES; no host name and no processor's serial."""
    cpu = "processor\t: 0\nflags\t: fpu aes avx\nprocessor\t: 1\nflags\t: fpu aes avx\n"
    words = machine(cpu, "MemTotal:       25165824 kB\nMemFree: 1 kB\n")
    assert words.startswith("2 vCPU ")
    assert "AES" in words
    assert "24 GiB" in words
    assert "AES" not in machine("processor\t: 0\nflags\t: fpu\n", "")
