"""One bad login, never a lock-out: the gate every connection to a camera asks first."""

from __future__ import annotations

import threading

import pytest

from drivers.gate import DOUBT_WINDOW_S, MOST_DOUBTS, GateState, LoginGate
from gateway.core.errors import CameraCertificate, CameraError, CameraLocked, CameraLoginRefused, CameraOverloaded
from gateway.core.model import Login, Secret

LOGIN = Login("admin", Secret("right horse"))
SECOND_NS = 1_000_000_000


def state(gate: LoginGate) -> GateState:
    """Read the state anew: mypy would remember the last one."""
    return gate.state


def test_a_new_login_may_be_tried_once_at_a_time() -> None:
    """While one connection tries an unproven password, a second is told to come back later."""
    gate = LoginGate(LOGIN)
    assert state(gate) is GateState.UNPROVEN
    gate.claim()
    assert state(gate) is GateState.TRYING
    with pytest.raises(CameraOverloaded) as caught:
        gate.claim()
    assert caught.value.fields == {"busy": True}


def test_a_proven_login_is_free_for_all() -> None:
    """After the camera took the password, any number of connections may use it."""
    gate = LoginGate(LOGIN)
    gate.claim()
    gate.accepted()
    for _ in range(3):
        gate.claim()
    assert state(gate) is GateState.PROVEN


def test_a_refused_login_is_never_sent_again() -> None:
    """One refusal stops every later claim and is told to the listener exactly once."""
    told: list[int] = []
    gate = LoginGate(LOGIN, on_refused=lambda: told.append(1))
    gate.claim()
    gate.refused()
    gate.refused()
    assert told == [1]
    for _ in range(2):
        with pytest.raises(CameraLoginRefused):
            gate.claim()


def test_a_login_known_to_be_refused_starts_closed() -> None:
    """After a restart the stored refusal holds without asking the camera."""
    gate = LoginGate(LOGIN, refused=True)
    with pytest.raises(CameraLoginRefused):
        gate.claim()


def test_a_camera_that_asks_for_a_login_nobody_gave_is_refused() -> None:
    """Without a stored login there is nothing to send, and the state does not change."""
    gate = LoginGate(None)
    with pytest.raises(CameraLoginRefused) as caught:
        gate.claim()
    assert caught.value.fields == {"stored": False}
    assert state(gate) is GateState.UNPROVEN


def test_a_proven_login_survives_a_refusal() -> None:
    """A 401 after a login that worked is the camera's lack of room: the password is kept."""
    gate = LoginGate(LOGIN)
    gate.claim()
    gate.accepted()
    gate.claim()
    gate.refused()
    assert state(gate) is GateState.PROVEN


def test_a_proven_login_that_is_refused_again_and_again_is_not_sent_for_half_an_hour() -> None:
    """It may have been changed on the camera: fewer refusals than lock an account, then patience."""
    now_ns = [1]
    gate = LoginGate(LOGIN, proven=True, mono_ns=lambda: now_ns[0])
    for _ in range(MOST_DOUBTS):
        gate.claim()
        gate.refused()
        now_ns[0] += 60 * SECOND_NS
    with pytest.raises(CameraOverloaded) as caught:
        gate.claim()
    assert caught.value.fields == {"doubted": True}
    assert state(gate) is GateState.PROVEN
    now_ns[0] = int(DOUBT_WINDOW_S * SECOND_NS) + 1
    gate.claim()
    gate.refused()
    with pytest.raises(CameraOverloaded):
        gate.claim()
    now_ns[0] += 61 * SECOND_NS
    gate.claim()


def test_an_accepted_login_is_beyond_doubt() -> None:
    """What the camera refused for want of room before does not count any more."""
    gate = LoginGate(LOGIN, proven=True)
    for _ in range(3 * MOST_DOUBTS):
        gate.claim()
        gate.refused()
        gate.claim()
        gate.accepted()


def test_a_try_without_an_answer_leaves_everything_as_it_was() -> None:
    """An abandoned try neither proves nor refuses; abandoning nothing changes nothing."""
    gate = LoginGate(LOGIN)
    gate.abandon()
    gate.claim()
    gate.abandon()
    assert state(gate) is GateState.UNPROVEN
    gate.claim()
    gate.accepted()
    gate.abandon()
    assert state(gate) is GateState.PROVEN


def test_a_late_acceptance_does_not_reopen_a_refused_login() -> None:
    """Once refused, only a new gate with another login speaks again."""
    gate = LoginGate(LOGIN)
    gate.claim()
    gate.refused()
    gate.accepted()
    assert state(gate) is GateState.REFUSED


def test_of_many_threads_one_gets_the_unproven_login() -> None:
    """Sixteen threads that claim at once get exactly one right to send."""
    gate = LoginGate(LOGIN)
    start = threading.Barrier(16)
    got: list[bool] = []

    def claim() -> None:
        start.wait()
        try:
            gate.claim()
        except CameraError:
            got.append(False)
        else:
            got.append(True)

    threads = [threading.Thread(target=claim) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got.count(True) == 1


def test_a_locked_account_is_left_alone_until_the_camera_takes_logins_again() -> None:
    """While the camera says it locked, nobody sends; afterwards the password is what it was before."""
    now_ns = [0]
    gate = LoginGate(LOGIN, mono_ns=lambda: now_ns[0])
    gate.claim()
    gate.locked(90)
    gate.locked(30)  # the longer word counts
    assert state(gate) is GateState.UNPROVEN
    now_ns[0] = 60 * 10**9
    with pytest.raises(CameraLocked) as caught:
        gate.claim()
    assert caught.value.fields["retry_after_s"] == 30
    now_ns[0] = 90 * 10**9
    gate.claim()
    assert state(gate) is GateState.TRYING


def test_a_lock_leaves_a_refusal_and_a_proof_alone() -> None:
    """A lock says nothing about the password."""
    for gate in (LoginGate(LOGIN, refused=True), LoginGate(LOGIN, proven=True)):
        before = gate.state
        gate.locked(90)
        assert gate.state is before


def test_the_first_certificate_is_the_only_one() -> None:
    """TLS: what was seen first is trusted for as long as this gate lives, nothing else is."""
    gate = LoginGate(LOGIN)
    gate.trust("ab" * 32)
    gate.trust("ab" * 32)
    assert gate.pin == "ab" * 32
    with pytest.raises(CameraCertificate) as caught:
        gate.trust("cd" * 32)
    assert caught.value.fields == {"known": "ab" * 8, "shown": "cd" * 8}
    assert state(gate) is GateState.UNPROVEN


def test_a_certificate_that_was_stored_is_trusted_from_the_start() -> None:
    """After a restart no other one gets in first."""
    gate = LoginGate(LOGIN, pin="ab" * 32)
    with pytest.raises(CameraCertificate):
        gate.trust("cd" * 32)


def test_a_login_that_was_replaced_is_sent_no_more() -> None:
    """Whoever still asks by it learns that, and its refusal would tell nobody anything."""
    told: list[int] = []
    gate = LoginGate(LOGIN, proven=True, on_refused=lambda: told.append(1))
    gate.claim()
    gate.retire()
    gate.accepted()
    with pytest.raises(CameraOverloaded) as caught:
        gate.claim()
    assert caught.value.fields == {"replaced": True}
    assert told == []
