"""Keys of browsers and the proofs that somebody holds one."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access import devicekeys
from gateway.access.devicekeys import CHALLENGE_S, Challenges, Proof, Purpose, proves, read_point
from gateway.core.errors import BadInput
from tests.fakes.clock import FakeClock
from tests.fakes.device import Browser, b64

phone, other = Browser(), Browser()
POINT = read_point(phone.point)


def test_a_proof_is_by_one_key_for_one_challenge_and_one_purpose() -> None:
    """Another key, another challenge, another purpose: each breaks it."""
    proof = phone.proof("abc", Purpose.ENTER)
    assert proves(POINT, Purpose.ENTER, proof)
    assert not proves(POINT, Purpose.BIND, proof)
    assert not proves(POINT, Purpose.ENTER, Proof("abd", proof.signature))
    assert not proves(read_point(other.point), Purpose.ENTER, proof)


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_no_bytes_are_a_signature_by_chance(raw: bytes) -> None:
    """Whatever is sent as a signature is refused, never an error."""
    assert not proves(POINT, Purpose.ENTER, Proof("abc", b64(raw)))
    assert not proves(POINT, Purpose.ENTER, Proof("abc", raw.decode("latin-1")))


@settings(deadline=None)
@given(st.binary(max_size=70) | st.binary(min_size=64, max_size=64).map(lambda raw: b"\x04" + raw))
def test_only_points_of_the_curve_are_keys(raw: bytes) -> None:
    """A compressed point, the point at infinity and noise are refused with words."""
    with pytest.raises(BadInput):
        read_point(b64(raw))


def test_a_challenge_is_good_once_and_two_minutes() -> None:
    """Used up, too old, of another box, and spelled differently: all refused."""
    clock = FakeClock()
    mine, theirs = Challenges(clock.mono_ns), Challenges(clock.mono_ns)
    first, late = mine.make(), mine.make()
    assert not theirs.take(first)
    assert mine.take(first)
    assert not mine.take(first)
    assert not mine.take(first + "=")
    clock.tick(CHALLENGE_S + 1)
    assert not mine.take(late)
    assert mine.take(mine.make())


@settings(deadline=None)
@given(st.text(max_size=120) | st.binary(max_size=60).map(b64))
def test_what_the_box_did_not_make_is_no_challenge(text: str) -> None:
    """Nothing made up is taken, and nothing made up raises."""
    assert not Challenges(FakeClock().mono_ns).take(text)


def test_asking_for_many_challenges_crowds_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A challenge is kept nowhere until it was used; a flood of right proofs is refused, and passes."""
    clock = FakeClock()
    challenges = Challenges(clock.mono_ns)
    mine = challenges.make()
    for _ in range(1_000):
        challenges.make()
    assert challenges.take(mine)
    monkeypatch.setattr(devicekeys, "MAX_SPENT", 1)
    assert not challenges.take(challenges.make())
    clock.tick(CHALLENGE_S + 1)
    assert challenges.take(challenges.make())


def test_a_bit_of_a_challenge_cannot_be_changed() -> None:
    """Its time and its noise are under a message authentication code."""
    challenges = Challenges(FakeClock().mono_ns)
    raw = bytearray(base64.urlsafe_b64decode(challenges.make() + "=="))
    for at in range(len(raw)):
        changed = bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        assert not challenges.take(b64(changed))
