"""One login budget per camera, shared by everything that speaks to it.

Owns `LoginGate`. Invariants: a password nobody has seen work is sent by one try at a time; once it
was refused it is not sent again until somebody builds a gate with another login; a login that worked
stays proven, because a later 401 means the camera has no room, not that the password changed
(CAMERAS: Login). All methods may be called from any thread and never block.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import StrEnum

from gateway.core.errors import CameraLoginRefused, CameraOverloaded
from gateway.core.model import Login


class GateState(StrEnum):
    """What we know about the camera's password."""

    UNPROVEN = "unproven"
    TRYING = "trying"
    PROVEN = "proven"
    REFUSED = "refused"


def _nobody_to_tell() -> None:
    """Stand in for a listener."""


class LoginGate:
    """Hands out the right to send the camera's password; one object per camera.

    Before an `Authorization` is sent: `claim()`. Afterwards exactly one of `accepted()`, `refused()`
    or `abandon()`. `login` None is a camera that asks for none: `claim()` then refuses.
    """

    def __init__(
        self,
        login: Login | None,
        *,
        refused: bool = False,
        on_refused: Callable[[], None] = _nobody_to_tell,
    ) -> None:
        self.login = login
        self._state = GateState.REFUSED if refused else GateState.UNPROVEN
        self._on_refused = on_refused
        self._lock = threading.Lock()

    @property
    def state(self) -> GateState:
        """What is known about the password at this moment."""
        return self._state

    def claim(self) -> None:
        """Take the right to send the password once.

        CameraLoginRefused: there is no password, or it was refused before. CameraOverloaded
        (field `busy`): another try with the unproven password is on its way; come back later.
        """
        with self._lock:
            if self.login is None:
                raise CameraLoginRefused("the camera asks for a login and none is stored", stored=False)
            if self._state is GateState.REFUSED:
                raise CameraLoginRefused("the camera refused this login before", repeated=True)
            if self._state is GateState.TRYING:
                raise CameraOverloaded("another connection is trying this login", busy=True)
            if self._state is GateState.UNPROVEN:
                self._state = GateState.TRYING

    def accepted(self) -> None:
        """Note that the camera took the password: it is proven from now on."""
        with self._lock:
            if self._state is not GateState.REFUSED:
                self._state = GateState.PROVEN

    def refused(self) -> None:
        """Note a refusal: nobody sends the password again, and the listener is told once.

        A proven login stays proven: the caller reports an overload instead.
        """
        with self._lock:
            if self._state in (GateState.PROVEN, GateState.REFUSED):
                return
            self._state = GateState.REFUSED
        self._on_refused()

    def abandon(self) -> None:
        """Note that the try ended without an answer: the password is as unproven as before."""
        with self._lock:
            if self._state is GateState.TRYING:
                self._state = GateState.UNPROVEN
