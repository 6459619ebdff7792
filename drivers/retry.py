"""When to speak to a camera again after a failure: a pure rule.

Owns `after_failure`. Invariants: an unreachable camera is only knocked at (a bare TCP connect, no
login), a refused password stops everything, a locked account is waited out, and every pause is jittered and
bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.core.errors import (
    CameraBadReply,
    CameraCertificate,
    CameraError,
    CameraLocked,
    CameraLoginRefused,
    CameraOverloaded,
    CameraSwapped,
    CameraUnreachable,
    CameraUnsupported,
)

KNOCK_S = 2.0
LOCKED_S = 1_800.0
"""A locked account is left alone for this long when the camera does not say."""
FIRST_PAUSE_S = 1.0
OVERLOAD_MOST_S = 300.0
UNSUPPORTED_MOST_S = 300.0
BAD_REPLY_MOST_S = 60.0
DOUBTED_S = (120.0, 2_400.0)
"""First and further pauses of a proven login that was refused: no room, or another password. Each try may be
a bad login to the camera; with these of one stream there is room for another's below the gate's bound."""
SWAPPED_S = 60.0
"""A stranger at the camera's address is looked at again, without a login: the old camera may come back."""
ENDED_MOST_S = 15.0
"""Closed or silent: usually a reboot, which must not cost more than a few seconds of footage."""


class WaitKind(StrEnum):
    """What to do next."""

    KNOCK = "knock"
    """Connect and close every `seconds`; open the stream at once when it answers."""
    PAUSE = "pause"
    """Do nothing for `seconds`, then open the stream."""
    STOP = "stop"
    """Do nothing until a person changes the login."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The next step and its seconds (0 for STOP)."""

    kind: WaitKind
    seconds: float


def _most_s(error: CameraError) -> float:
    match error:
        case CameraOverloaded():
            return OVERLOAD_MOST_S
        case CameraUnsupported() | CameraCertificate():
            return UNSUPPORTED_MOST_S
        case CameraBadReply():
            return BAD_REPLY_MOST_S
        case _:
            return ENDED_MOST_S


def after_failure(error: CameraError, failures: int, jitter: float) -> Wait:
    """Return the wait after the `failures`-th failure in a row (from 1); `jitter` is in [0, 1).

    The first pause is short whatever the cause, unless the camera asked for more (`retry_after_s`); later ones
    double up to the cause's bound and are spread over 50-100 %, so that cameras behind one switch do not come
    back in step.
    """
    if isinstance(error, CameraLoginRefused):
        return Wait(WaitKind.STOP, 0.0)
    if isinstance(error, CameraUnreachable):
        return Wait(WaitKind.KNOCK, KNOCK_S)
    if isinstance(error, CameraLocked):
        told = error.fields.get("retry_after_s")
        return Wait(WaitKind.PAUSE, (told if isinstance(told, int | float) else LOCKED_S) * (1.0 + jitter / 10))
    if error.fields.get("doubted"):
        return Wait(WaitKind.PAUSE, DOUBTED_S[failures > 1] * (0.5 + jitter / 2))
    if isinstance(error, CameraSwapped):
        return Wait(WaitKind.PAUSE, SWAPPED_S * (0.5 + jitter / 2))
    asked = error.fields.get("retry_after_s", 0)
    asked_s = min(float(asked), OVERLOAD_MOST_S) if isinstance(asked, int | float) else 0.0
    longest_s = min(_most_s(error), FIRST_PAUSE_S * 2.0 ** min(max(failures, 1) - 1, 30))
    return Wait(WaitKind.PAUSE, max(asked_s, longest_s * (0.5 + jitter / 2)))
