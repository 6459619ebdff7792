"""When a camera is spoken to again: knock, pause or stop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.retry import BAD_REPLY_MOST_S, ENDED_MOST_S, OVERLOAD_MOST_S, Wait, WaitKind, after_failure
from gateway.core.errors import (
    CameraBadReply,
    CameraCertificate,
    CameraClosed,
    CameraError,
    CameraLocked,
    CameraLoginRefused,
    CameraOverloaded,
    CameraSilent,
    CameraSwapped,
    CameraUnreachable,
    CameraUnsupported,
)

ALL = [
    CameraBadReply,
    CameraClosed,
    CameraLoginRefused,
    CameraOverloaded,
    CameraSilent,
    CameraSwapped,
    CameraUnreachable,
    CameraUnsupported,
]


@pytest.mark.parametrize("failures", [1, 2, 50, 10_000])
def test_an_unreachable_camera_is_knocked_every_two_seconds_for_ever(failures: int) -> None:
    """However long it is away, the gap after its return stays short and no login is sent."""
    assert after_failure(CameraUnreachable("gone"), failures, 0.5) == Wait(WaitKind.KNOCK, 2.0)


def test_a_refused_password_stops() -> None:
    """Nothing is ever sent again by itself."""
    assert after_failure(CameraLoginRefused("no"), 1, 0.9).kind is WaitKind.STOP


def test_overload_backs_off_from_one_second_to_five_minutes() -> None:
    """The pause doubles and ends at 300 s."""
    error = CameraOverloaded("full")
    pauses = [after_failure(error, failures, 1.0).seconds for failures in range(1, 12)]
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == OVERLOAD_MOST_S == 300


def test_a_proven_login_that_was_refused_is_tried_rarely() -> None:
    """Both streams of a camera together send it less often than locks an account: two minutes, then forty."""
    error = CameraOverloaded("full", doubted=True)
    assert [after_failure(error, failures, 1.0).seconds for failures in (1, 2, 3, 99)] == [120, 2400, 2400, 2400]
    assert after_failure(error, 1, 0.0).seconds == 60


@pytest.mark.parametrize(
    ("kind", "most_s"), [(CameraClosed, ENDED_MOST_S), (CameraSilent, ENDED_MOST_S), (CameraBadReply, BAD_REPLY_MOST_S)]
)
def test_other_ends_have_shorter_bounds(kind: type[CameraError], most_s: float) -> None:
    """A camera that rebooted is not kept waiting for minutes."""
    assert after_failure(kind("x"), 1, 1.0).seconds == 1
    assert after_failure(kind("x"), 99, 1.0).seconds == most_s < OVERLOAD_MOST_S


@given(st.sampled_from(ALL), st.integers(0, 10**9), st.floats(0, 1, exclude_max=True))
def test_every_wait_is_bounded_and_jittered(kind: type[CameraError], failures: int, jitter: float) -> None:
    """No failure count and no jitter makes a pause negative, endless, or shorter than half its step."""
    wait = after_failure(kind("x"), failures, jitter)
    assert 0 <= wait.seconds <= OVERLOAD_MOST_S
    if wait.kind is WaitKind.PAUSE:
        whole = after_failure(kind("x"), failures, 1.0).seconds
        assert whole / 2 <= wait.seconds <= whole


@given(st.integers(1, 10_000), st.floats(0, 0.999))
def test_a_stranger_is_looked_at_again_in_a_minute(failures: int, jitter: float) -> None:
    """However long it stays: the old camera may come back, and looking costs no login."""
    wait = after_failure(CameraSwapped("another"), failures, jitter)
    assert wait.kind is WaitKind.PAUSE
    assert 30 <= wait.seconds <= 60


def test_a_locked_account_is_waited_out() -> None:
    """The camera's own word counts, half an hour without one, and never less than it said."""
    told = after_failure(CameraLocked("locked", retry_after_s=1_200), 1, 0.5)
    assert told.kind is WaitKind.PAUSE
    assert told.seconds == pytest.approx(1_260.0)
    assert after_failure(CameraLocked("locked"), 7, 0.0).seconds == 1_800.0


@pytest.mark.parametrize(("asked", "seconds"), [(40, 40.0), (9_999, 300.0), (0, 0.5), ("soon", 0.5), (0.1, 0.5)])
def test_a_camera_may_ask_for_more_patience(asked: object, seconds: float) -> None:
    """Its `Retry-After` is the least pause, up to five minutes; less than ours changes nothing."""
    assert after_failure(CameraOverloaded("full", retry_after_s=asked), 1, 0.0).seconds == seconds


def test_another_certificate_is_looked_at_now_and_then() -> None:
    """Nothing is sent to it, so it may be asked; it heals by itself when the right camera is back."""
    waits = [after_failure(CameraCertificate("other"), failures, 0.9) for failures in (1, 5, 50)]
    assert [wait.kind for wait in waits] == [WaitKind.PAUSE] * 3
    assert 200 < waits[-1].seconds <= 300
