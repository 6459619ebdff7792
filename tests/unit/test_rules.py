"""Which rule of retention holds for which stream."""

from __future__ import annotations

import dataclasses
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import BadInput
from gateway.core.model import CameraId, PublicId, StreamId
from gateway.core.secrets import SealKey
from recorder.groups import MOST_GROUPS, GroupBook
from recorder.registry import Camera, Stream
from recorder.retention import Rule
from recorder.rules import Group, Keep, NamedRule, RuleBook, Unknown, resolve, usual
from recorder.rulesource import RuleSource
from tests.fakes.clock import FakeClock
from tests.fakes.recording import books, new_camera

DEFAULT = Keep(30, 0, 90, 0)
ROOM = PublicId("r" * 16)


def camera(number: int, name: str) -> Camera:
    about = dataclasses.replace(new_camera(number), name=name)
    public_id = PublicId("abcdefgh"[number] * 16)
    streams = tuple(Stream(StreamId(number * 10 + at), public_id, spec) for at, spec in enumerate(about.streams))
    return Camera(CameraId(number), public_id, about, streams, 0)


GATE, YARD, BUD = camera(1, "Cổng"), camera(2, "Sân chơi"), camera(3, "Lớp Mầm 1")
ALL = (GATE, YARD, BUD)
CLASS = Group(ROOM, "Mầm 1", frozenset({BUD.public_id, YARD.public_id}))


def rules_of(book: RuleBook, owner: Camera) -> tuple[Rule, Rule]:
    """Return the rules of a camera's main and sub stream."""
    found = resolve(book, ALL, [CLASS]).rules
    return found[owner.streams[0].id], found[owner.streams[1].id]


def test_without_rules_the_defaults_hold_for_all() -> None:
    """Sub streams as long as main streams, unless their days are stated."""
    assert rules_of(usual(30, event_days=90), GATE) == (Rule(30, 0, 90), Rule(30, 0, 90))
    assert rules_of(RuleBook(Keep(30, 7, 90, 5)), GATE) == (Rule(30, 5, 90), Rule(7, 5, 90))


def test_a_camera_beats_a_group_a_group_beats_a_class_a_class_beats_the_defaults() -> None:
    """Whatever the order in the file, and however long each keeps."""
    one = NamedRule(Keep(days=1), cameras=("Sân chơi",))
    group = NamedRule(Keep(days=60), cameras=("Sân chơi", "Cổng"))
    room = NamedRule(Keep(days=200), classes=("Mầm 1",))
    for rules in ((one, group, room), (room, group, one)):
        book = RuleBook(DEFAULT, rules)
        assert [rules_of(book, item)[0].days for item in (YARD, GATE, BUD)] == [1, 60, 200]


def test_each_value_is_decided_by_itself() -> None:
    """A rule that states the events' days leaves the days to the next."""
    book = RuleBook(
        DEFAULT,
        (
            NamedRule(Keep(event_days=365), cameras=("Sân chơi",)),
            NamedRule(Keep(days=10, sub_days=5), classes=("Mầm 1",)),
        ),
    )
    assert rules_of(book, YARD) == (Rule(10, 0, 365), Rule(5, 0, 365))


def test_among_equals_the_one_that_keeps_longest_holds() -> None:
    """Two classes of a yard: the longer days, and no limit rather than one."""
    other = Group(PublicId("s" * 16), "Chồi 2", frozenset({YARD.public_id}))
    book = RuleBook(
        DEFAULT,
        (
            NamedRule(Keep(days=10, max_bytes=5), classes=("Mầm 1",)),
            NamedRule(Keep(days=20, max_bytes=0), classes=("Chồi 2",)),
        ),
    )
    found = resolve(book, ALL, [CLASS, other]).rules
    assert found[YARD.streams[0].id] == Rule(20, 0, 90)
    assert found[BUD.streams[0].id] == Rule(10, 5, 90)


@pytest.mark.parametrize(
    "name", ["SÂN  CHƠI", unicodedata.normalize("NFD", "Sân chơi"), "c" * 16], ids=["case", "decomposed", "id"]
)
def test_names_are_the_same_however_they_are_written(name: str) -> None:
    """Capitals, spaces and combining marks do not matter; a public id names a camera, too."""
    book = RuleBook(DEFAULT, (NamedRule(Keep(days=3), cameras=(name,)),))
    assert rules_of(book, YARD)[0].days == 3
    assert resolve(book, ALL, []).unknown == ()


def test_a_name_that_means_nothing_is_reported_and_costs_nothing() -> None:
    """Until it is put right nothing is kept for less than its rule says: the camera may have been renamed."""
    book = RuleBook(
        Keep(30, 7, 0, 100),
        (
            NamedRule(Keep(days=90, event_days=120, max_bytes=500), cameras=("Cổng cũ",)),
            NamedRule(Keep(days=1), cameras=("Cổng",)),
            NamedRule(Keep(sub_days=20), classes=("Lá",)),
        ),
    )
    found = resolve(book, ALL, [CLASS])
    assert found.unknown == (Unknown("camera", "Cổng cũ"), Unknown("class", "Lá"))
    assert rules_of(book, GATE) == (Rule(90, 500, 120), Rule(90, 500, 120))


def test_a_removed_camera_is_no_unknown_name() -> None:
    """Its rule stands there for its footage; its streams follow the longest of all rules."""
    book = RuleBook(DEFAULT, (NamedRule(Keep(days=90), cameras=("Cổng",)),))
    found = resolve(book, (YARD, BUD), [], removed=(GATE,))
    assert found.unknown == ()
    assert GATE.streams[0].id not in found.rules


@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(["Cổng", "Sân chơi", "Lớp Mầm 1", "?"]), min_size=1, max_size=3, unique=True),
            st.booleans(),
            st.one_of(st.none(), st.integers(1, 100)),
            st.one_of(st.none(), st.integers(0, 100)),
        ),
        max_size=6,
    )
)
def test_every_stream_has_a_rule_that_somebody_stated(
    rules: list[tuple[list[str], bool, int | None, int | None]],
) -> None:
    """Days are always one of those that stand in the file."""
    named = tuple(
        NamedRule(Keep(days, sub_days), () if is_class else tuple(names), tuple(names) if is_class else ())
        for names, is_class, days, sub_days in rules
    )
    found = resolve(RuleBook(DEFAULT, named), ALL, [CLASS]).rules
    stated = {30, *(days for _, _, days, _ in rules if days), *(sub for _, _, _, sub in rules if sub)}
    assert len(found) == 6
    assert {rule.days for rule in found.values()} <= stated


@pytest.mark.anyio
async def test_classes_are_kept_sealed_and_replaced_whole(tmp_path: Path) -> None:
    """The same again writes nothing; no name can be read in a copy of the database."""
    async with books(tmp_path, FakeClock()) as own:
        book = GroupBook(own.db, SealKey(b"k" * 32))
        assert await book.set([CLASS])
        assert not await book.set([CLASS])
        assert await book.all() == [CLASS]
        assert await book.set([CLASS._replace(name="Mầm canary", cameras=frozenset())])
        assert await book.all() == [CLASS._replace(name="Mầm canary", cameras=frozenset())]
        for wrong in ([CLASS, CLASS], [CLASS._replace(id=PublicId(f"{at:016}")) for at in range(MOST_GROUPS + 1)]):
            with pytest.raises(BadInput):
                await book.set(wrong)
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"canary" not in stored
    assert "Mầm".encode() not in stored


@pytest.mark.anyio
async def test_with_another_key_classes_are_unknown_until_they_are_told_again(tmp_path: Path) -> None:
    """Retention goes on, and keeps what the rules of those classes keep."""
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        added = await own.registry.add(new_camera())
        await GroupBook(own.db, SealKey(b"k" * 32)).set([CLASS._replace(cameras=frozenset({added.public_id}))])
        book = RuleBook(DEFAULT, (NamedRule(Keep(days=90), classes=("Mầm 1",)),))
        source = RuleSource(book, own.registry, GroupBook(own.db, SealKey(b"l" * 32)))
        assert {rule.days for rule in (await source.rules()).values()} == {90}
        assert source.unknown == (Unknown("class", "Mầm 1"),)
        await GroupBook(own.db, SealKey(b"l" * 32)).set([CLASS])
        assert {rule.days for rule in (await source.rules()).values()} == {30}
        assert len(source.unknown) == 0
