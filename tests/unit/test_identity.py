"""Who is who: the rules that compare two identities."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.identity import Identity, Verdict, judge, of_device, same_camera, same_channel, same_device

MARKS = st.sampled_from(("", "a", "b"))
IDENTITIES = st.builds(Identity, MARKS, MARKS, MARKS, st.integers(0, 3))
FULL = st.builds(Identity, *[st.sampled_from(("a", "b"))] * 3, st.integers(0, 3))


@dataclass(frozen=True)
class About:
    identity: Identity


@dataclass(frozen=True)
class Known:
    """A camera, as far as these rules see one."""

    about: About


def known(*identities: Identity) -> tuple[Known, ...]:
    return tuple(Known(About(identity)) for identity in identities)


@given(IDENTITIES, IDENTITIES)
def test_being_the_same_is_mutual(one: Identity, other: Identity) -> None:
    """Whoever asks, device, channel and verdict are the same answer."""
    assert same_device(one, other) == same_device(other, one)
    assert same_channel(one, other) == same_channel(other, one)
    assert judge(one, other) is judge(other, one)


@given(IDENTITIES)
def test_a_camera_with_a_mark_is_itself(identity: Identity) -> None:
    """Any known mark is enough to know oneself; without marks nobody is anybody."""
    marked = any(identity.marks)
    assert same_device(identity, identity) is marked
    assert judge(identity, identity) is (Verdict.SAME if marked else Verdict.UNSURE)
    assert (same_camera(known(identity), identity) is not None) is marked


@given(FULL, FULL, FULL)
def test_fully_known_devices_fall_into_classes(one: Identity, two: Identity, three: Identity) -> None:
    """Where all marks are known, the same as the same is the same."""
    if same_device(one, two) and same_device(two, three):
        assert same_device(one, three)


@given(IDENTITIES, IDENTITIES)
def test_one_differing_mark_makes_another_camera(one: Identity, other: Identity) -> None:
    """Adoption and following by address are strict: every mark both sides know must agree."""
    pairs = [(a, b) for a, b in zip(one.marks, other.marks, strict=True) if a and b]
    assert same_device(one, other) is (bool(pairs) and all(a == b for a, b in pairs))


@given(IDENTITIES, IDENTITIES)
def test_learning_a_mark_never_makes_strangers_the_same(one: Identity, other: Identity) -> None:
    """However much more is known of a stranger, it stays one."""
    if judge(one, other) is Verdict.OTHER and not same_device(one, other):
        assert not same_device(replace(one, serial=one.serial or "a"), other)


@given(st.lists(IDENTITIES, max_size=5), IDENTITIES)
def test_the_same_camera_is_one_of_its_device(identities: list[Identity], asked: Identity) -> None:
    """The camera found has the device's marks and the channel asked for; if none is found, none has both."""
    cameras = known(*identities)
    device = of_device(cameras, asked)
    found = same_camera(cameras, asked)
    fitting = [camera for camera in device if same_channel(camera.about.identity, asked)]
    assert found == (fitting[0] if fitting else None)


@given(IDENTITIES, st.integers(1, 64), st.integers(1, 64))
def test_the_channels_of_a_recorder_are_cameras_of_their_own(device: Identity, one: int, other: int) -> None:
    """They share every mark and are told apart by their number only."""
    cameras = known(replace(device, channel=one))
    found = same_camera(cameras, replace(device, channel=other))
    assert (found is not None) is (one == other and any(device.marks))


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        (("e", "m", "s"), ("e", "m", ""), Verdict.SAME),
        (("e", "m", "s"), ("e", "x", ""), Verdict.UNSURE),
        (("e", "m", "s"), ("e", "x", "s"), Verdict.SAME),
        (("e", "m", "s"), ("x", "m", "y"), Verdict.OTHER),
        (("e", "m", "s"), ("x", "", ""), Verdict.OTHER),
        (("", "m", ""), ("x", "", "y"), Verdict.UNSURE),
        (("", "", ""), ("x", "y", "z"), Verdict.UNSURE),
    ],
    ids=["same", "other card", "serial decides", "common MAC", "stranger", "nothing in common", "unknown"],
)
def test_the_majority_of_the_marks_decides(
    ours: tuple[str, str, str], theirs: tuple[str, str, str], verdict: Verdict
) -> None:
    """One mark changed by a new firmware is no swap; a MAC that two cameras share does not hide one."""
    assert judge(Identity(*ours), Identity(*theirs)) is verdict


def test_a_device_without_channels_is_its_own_first() -> None:
    """What was adopted before its channels were known is not adopted again as channel 1."""
    old = Identity(serial="s")
    assert same_camera(known(old), Identity(serial="s", channel=1)) is not None
    assert same_camera(known(old), Identity(serial="s", channel=2)) is None
