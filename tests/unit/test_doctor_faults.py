"""The registry of faults: each fires on exactly its fact, says what and why, and names a command that exists."""

from __future__ import annotations

import shlex
import string
from dataclasses import fields, replace

import pytest
import typer.main
from hypothesis import given
from hypothesis import strategies as st

from drivers import settings
from drivers.doctor.facts import BoxFacts, CameraFacts, Forward, StreamFacts
from drivers.doctor.faults import BOX_FAULTS, CAMERA_FAULTS, Fault, Severity, exposed
from drivers.doctor.report import as_row, examine
from gateway.cli.app import COMMANDS, app
from gateway.core.i18n import catalogue
from gateway.health.livefaults import LIVE_FAULTS
from tests.fakes.doctor_facts import BOX_BREAKS, BREAKS, HEALTHY_BOX, healthy

PLACE = {"camera": "Bếp", "address": "10.0.0.9"}
ALL: dict[str, Fault[CameraFacts] | Fault[BoxFacts]] = {**CAMERA_FAULTS, **BOX_FAULTS}


def codes(facts: CameraFacts) -> list[str]:
    return [found.code for found in examine(CAMERA_FAULTS.values(), facts, PLACE).findings]


@given(healthy())
def test_a_healthy_camera_has_no_fault(facts: CameraFacts) -> None:
    """And nothing is unknown but the view nobody approved."""
    report = examine(CAMERA_FAULTS.values(), facts, PLACE)
    assert report.findings == ()
    assert facts.picture is not None
    assert set(report.unknown) <= ({"moved"} if facts.picture.likeness is None else set())


@pytest.mark.parametrize("code", CAMERA_FAULTS)
@given(facts=healthy(), n=st.integers(0, 1000))
def test_breaking_one_leg_gives_exactly_that_fault(code: str, facts: CameraFacts, n: int) -> None:
    """Each fault is found by its own fact alone, however badly it is broken."""
    assert codes(BREAKS[code](facts, n)) == [code]


@pytest.mark.parametrize("code", BOX_FAULTS)
def test_breaking_one_leg_of_the_box_gives_exactly_that_fault(code: str) -> None:
    """The same for the box and its network; a healthy box has none."""
    assert examine(BOX_FAULTS.values(), HEALTHY_BOX, {}).findings == ()
    assert [found.code for found in examine(BOX_FAULTS.values(), BOX_BREAKS[code], {}).findings] == [code]


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    """Of a camera and a box that nothing is known of, no fault is found and nothing is fine."""
    camera = examine(CAMERA_FAULTS.values(), CameraFacts(), PLACE)
    assert camera.findings == ()
    assert camera.fine == ("no_sub",)  # that there is a sub stream is known by its being there
    assert len(camera.unknown) == len(CAMERA_FAULTS) - 1
    box = examine(BOX_FAULTS.values(), BoxFacts(), {})
    assert (box.findings, box.fine) == ((), ())


@given(healthy(), st.sampled_from([item.name for item in fields(CameraFacts)]))
def test_forgetting_a_fact_finds_nothing(facts: CameraFacts, name: str) -> None:
    """Whatever is not known of a healthy camera, it never becomes a fault; but a missing sub stream is one."""
    forgotten: object = StreamFacts() if name in ("main", "sub") else None
    assert codes(replace(facts, **{name: forgotten})) == []  # type: ignore[arg-type]  # None means unknown everywhere


@given(healthy(), st.sets(st.sampled_from(sorted(set(BREAKS) - {"no_sub"})), max_size=6), st.integers(0, 50))
def test_every_fault_is_in_exactly_one_heap(facts: CameraFacts, broken: set[str], n: int) -> None:
    """Found, unknown and fine are the whole registry, each code once; grave ones come first."""
    for code in sorted(broken):
        facts = BREAKS[code](facts, n)
    report = examine(CAMERA_FAULTS.values(), facts, PLACE)
    heaps = [*(found.code for found in report.findings), *report.unknown, *report.fine]
    assert sorted(heaps) == sorted(CAMERA_FAULTS)
    loud = [found.severity is Severity.RED for found in report.findings]
    assert loud == sorted(loud, reverse=True)


@given(healthy(), st.sampled_from(["frozen", "covered", "dark", "bright"]), st.floats(0, 1))
def test_a_bad_picture_is_one_fault(facts: CameraFacts, code: str, blur: float) -> None:
    """What is frozen, covered, dark or overexposed is not also called blurred or moved."""
    broken = BREAKS[code](facts, 3)
    assert broken.picture is not None
    worse = replace(broken, picture=replace(broken.picture, detail=blur / 10, likeness=-blur))
    assert codes(worse) == [code]


@given(healthy(), st.floats(0.011, 0.5))
def test_a_bad_cable_is_one_fault(facts: CameraFacts, loss: float) -> None:
    """Where packets are lost, missing pictures and key frames are not blamed on the camera."""
    main = replace(facts.main, loss=loss, fps=0.5, key_gap_s=60.0)
    assert codes(replace(facts, main=main)) == ["packet_loss"]


@pytest.mark.parametrize(
    ("forward", "open_"),
    [
        (Forward(80, "TCP", "192.168.1.20", 80), True),
        (Forward(9554, "TCP", "192.168.1.77", 554), True),
        (Forward(34567, "TCP", "192.168.1.77", 34567), True),
        (Forward(443, "TCP", "192.168.1.2", 443), False),
        (Forward(51820, "UDP", "192.168.1.3", 51820), False),
    ],
)
def test_only_doors_to_cameras_and_recorders_are_named(forward: Forward, open_: bool) -> None:
    """Ours by their address, others by a port that only cameras use."""
    assert bool(exposed(replace(HEALTHY_BOX, forwards=(forward,)))) is open_


# words and remedies


def test_doors_that_were_not_all_told_are_no_good_news() -> None:
    """An open one is named all the same."""
    partly = replace(HEALTHY_BOX, forwards_whole=False)
    assert "exposed" in examine(BOX_FAULTS.values(), partly, {}).unknown
    found = examine(BOX_FAULTS.values(), replace(BOX_BREAKS["exposed"], forwards_whole=False), {}).findings
    assert [item.code for item in found] == ["exposed"]


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_fault_has_its_words_and_none_is_left_over(language: str) -> None:
    """What, why, what to do, and a short name, in both languages."""
    texts = catalogue(language).texts
    wanted = {f"fault.{code}{part}" for code in (*ALL, *LIVE_FAULTS) for part in ("", ".why", ".do", ".topic")}
    assert {key for key in texts if key.startswith("fault.")} == wanted
    assert all(texts[key].strip() for key in wanted)


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("code", ALL)
def test_a_faults_figures_fill_its_text(code: str, language: str) -> None:
    """Every placeholder of the text has a figure, and every figure is said."""
    box = BOX_BREAKS.get(code)
    figures = CAMERA_FAULTS[code].figures(CameraFacts()) if box is None else BOX_FAULTS[code].figures(box)
    text = catalogue(language).texts[f"fault.{code}"]
    places = {name for _, name, _, _ in string.Formatter().parse(text) if name}
    assert set(figures) == places


@pytest.mark.parametrize("code", ALL)
def test_a_remedy_is_a_command_of_ours(code: str) -> None:
    """Its verb is in the list of commands, and the command understands the arguments."""
    program, verb, *arguments = shlex.split(ALL[code].command.format(camera='"Lớp Lá 1"', address="10.0.0.9"))
    assert program == "vuon"
    assert verb in {name for name, _, _ in COMMANDS}
    group = typer.main.get_command(app)
    command = group.commands[verb]  # type: ignore[attr-defined]  # a group of commands
    command.make_context(verb, arguments).close()


@pytest.mark.parametrize("code", ALL)
def test_a_fix_names_settings_that_exist(code: str) -> None:
    """The keys of a fix are keys of camera settings; what can be fixed says so in its command."""
    fault = ALL[code]
    assert set(fault.keys) <= set(settings.ORDER)
    assert fault.fixable is bool(fault.keys) is ("--sua-loi" in fault.command)


def test_there_are_enough_faults_to_be_useful() -> None:
    """More than twenty, a dozen of them without a person."""
    assert len(ALL) >= 20
    assert sum(fault.fixable for fault in ALL.values()) >= 12


@given(healthy(), st.integers(0, 100))
def test_a_row_is_json_and_carries_the_figures(facts: CameraFacts, n: int) -> None:
    """What goes over the socket names code, severity, keys, command and rounded figures."""
    row = as_row(examine(CAMERA_FAULTS.values(), BREAKS["sub_size"](facts, n), PLACE))
    (fault,) = row["faults"]
    assert fault["code"] == "sub_size"
    assert fault["keys"] == ["sub.size"]
    assert fault["figures"]["height"] == 721 + n
    assert fault["command"] == "vuon kiem-tra Bếp --sua-loi"
