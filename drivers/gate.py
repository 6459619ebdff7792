"""One login budget per camera, shared by everything that speaks to it.

Owns `LoginGate`. Invariants: a password nobody has seen work is sent by one try at a time; once it
was refused it is not sent again until somebody builds a gate with another login; a login that worked
stays proven, because a later 401 mostly means that the camera has no room (CAMERAS: Login). But it may
also mean that the password was changed on the camera: refusals of a proven login are counted, and after
`MOST_DOUBTS` within `DOUBT_WINDOW_S` it is not sent, so that no camera counts enough of them to lock its
account. A camera that says it locked the account gets no login before it said it would take one again. Over TLS
the login goes to one certificate only, the first that was seen. All methods may be called from any thread and never
block.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum

from gateway.core.errors import CameraCertificate, CameraLocked, CameraLoginRefused, CameraOverloaded
from gateway.core.model import Login

MOST_DOUBTS = 3
"""Cameras lock an account after five bad logins, the strictest we know of; main and sub may both be trying."""
DOUBT_WINDOW_S = 1_800.0
"""How long cameras count bad logins together, and how long they lock."""


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
        proven: bool = False,
        clear_text: bool = False,
        pin: str = "",
        on_refused: Callable[[], None] = _nobody_to_tell,
        mono_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Begin with what is known from before: of the login `refused` or `proven` (not both), the TLS `pin`."""
        self.login = login
        self.clear_text = clear_text
        """Whether the installer allowed ONVIF to send the password as it is, should the camera take no other form."""
        self.pin = pin
        """SHA-256 of the camera's TLS certificate, hex; empty until it was first seen."""
        self._state = GateState.REFUSED if refused else GateState.PROVEN if proven else GateState.UNPROVEN
        self._on_refused, self._mono_ns = on_refused, mono_ns
        self._doubts_ns: deque[int] = deque(maxlen=MOST_DOUBTS)
        self._locked_until_ns = 0
        self._retired = False
        self._lock = threading.Lock()

    @property
    def state(self) -> GateState:
        """What is known about the password at this moment."""
        return self._state

    def trust(self, fingerprint: str) -> None:
        """Take the certificate of a TLS connection: the first one is kept, every later one must be the same.

        CameraCertificate: it is another. Whoever enters the login again (a new gate) accepts the present one.
        """
        with self._lock:
            self.pin = self.pin or fingerprint
            if fingerprint != self.pin:
                raise CameraCertificate(
                    "the camera shows another certificate than before", known=self.pin[:16], shown=fingerprint[:16]
                )

    def claim(self) -> None:
        """Take the right to send the password once.

        CameraLoginRefused: there is no password, or it was refused before. CameraOverloaded: come back
        later, as (field `busy`) another try with the unproven password is on its way, or (field `doubted`)
        the proven one was refused too often lately; or never, as (field `replaced`) it is in use no more.
        CameraLocked: the camera locked the account.
        """
        with self._lock:
            if self._retired:
                raise CameraOverloaded("another login took the place of this one", replaced=True)
            if self.login is None:
                raise CameraLoginRefused("the camera asks for a login and none is stored", stored=False)
            if self._state is GateState.REFUSED:
                raise CameraLoginRefused("the camera refused this login before", repeated=True)
            if (left_ns := self._locked_until_ns - self._mono_ns()) > 0:
                raise CameraLocked("the camera locked the account", retry_after_s=math.ceil(left_ns / 1e9))
            if self._state is GateState.TRYING:
                raise CameraOverloaded("another connection is trying this login", busy=True)
            if self._state is GateState.PROVEN and self._is_doubted():
                raise CameraOverloaded("the camera refuses a login that worked; sent no more for now", doubted=True)
            if self._state is GateState.UNPROVEN:
                self._state = GateState.TRYING

    def _is_doubted(self) -> bool:
        oldest_ns = self._mono_ns() - int(DOUBT_WINDOW_S * 1e9)
        return len(self._doubts_ns) == MOST_DOUBTS and self._doubts_ns[0] > oldest_ns

    def accepted(self) -> None:
        """Note that the camera took the password: it is proven from now on."""
        with self._lock:
            self._doubts_ns.clear()
            if self._state is not GateState.REFUSED:
                self._state = GateState.PROVEN

    def refused(self) -> None:
        """Note a refusal: nobody sends the password again, and the listener is told once.

        A proven login stays proven, but in doubt: the caller reports an overload instead.
        """
        with self._lock:
            if self._state is GateState.PROVEN:
                self._doubts_ns.append(self._mono_ns())
            if self._state in (GateState.PROVEN, GateState.REFUSED):
                return
            self._state = GateState.REFUSED
        self._on_refused()

    def locked(self, seconds: float) -> None:
        """Note that the camera locked the account: nobody sends the password for so long.

        It says nothing about the password, so a try that met the lock leaves it as it was.
        """
        with self._lock:
            self._locked_until_ns = max(self._locked_until_ns, self._mono_ns() + int(seconds * 1e9))
            if self._state is GateState.TRYING:
                self._state = GateState.UNPROVEN

    def retire(self) -> None:
        """Send the login no more: another one took its place, and its user may be gone."""
        with self._lock:
            self._retired = True

    def abandon(self) -> None:
        """Note that the try ended without an answer: the password is as unproven as before."""
        with self._lock:
            if self._state is GateState.TRYING:
                self._state = GateState.UNPROVEN
