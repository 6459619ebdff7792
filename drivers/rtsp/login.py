"""The login of one RTSP session: which challenge we answer, how often, and what a 401 means.

Owns `SessionLogin`. Invariants: at most one try with an unproven password per refusal (a `stale=true`
nonce may be renewed once, which is no wrong password); never Basic; after a login that worked a
401 is an overload, and one to the first request of a session puts the login in doubt; a try that ended
without an answer gives the gate back (CAMERAS: Login).
"""

from __future__ import annotations

from collections.abc import Callable

from drivers.gate import GateState, LoginGate
from drivers.rtsp.auth import Challenge, authorization, basic_authorization, parse_challenges, strongest
from drivers.rtsp.message import Message
from gateway.core.errors import CameraBadReply, CameraInsecure, CameraLoginRefused, CameraOverloaded

_ACCEPTED = frozenset({200, 404})
"""Answers after which the password is known to be right: a camera looks for the path after the login."""
_FORBIDDEN = 403


class SessionLogin:
    """Answers challenges within one session: by Digest, or by Basic if it is `secure` (TLS) and no Digest is offered.

    `random_bytes(n)` makes client nonces.
    """

    def __init__(self, gate: LoginGate, random_bytes: Callable[[int], bytes], *, secure: bool = False) -> None:
        self._gate, self._secure = gate, secure
        self._random_bytes = random_bytes
        self._challenge: Challenge | None = None
        self._uses = 0
        self._trying = False
        self._worked = False

    @property
    def trying(self) -> bool:
        """True while an unproven password is on its way."""
        return self._trying

    def header(self, method: str, url: str) -> dict[str, str]:
        """Return the `Authorization` header for a request; empty before a challenge."""
        login = self._gate.login
        if self._challenge is None or login is None:
            return {}
        if self._challenge.scheme == "basic":
            return {"Authorization": basic_authorization(login)}
        self._uses += 1
        cnonce = self._random_bytes(8).hex()
        return {"Authorization": authorization(self._challenge, login, method, url, cnonce, self._uses)}

    def challenged(self, reply: Message, *, authorised: bool, repeated: bool) -> None:
        """Take a 401. Returning means: send the request again; else it raises what the 401 means.

        `authorised` says that the request carried our login, `repeated` that it was sent again once.
        """
        offered = parse_challenges(reply.headers.get("www-authenticate", ()))
        best = self._best(offered)
        if not authorised:
            self._first(best, [challenge.scheme for challenge in offered])
            return
        renewed = best is not None and self._challenge is not None and best.nonce != self._challenge.nonce
        if best is not None and renewed and not repeated and (best.stale or self._worked):
            self._answer(best)
        elif self._trying:
            self._trying = False
            self._gate.refused()
            raise CameraLoginRefused("the camera refused the login", status=reply.status)
        elif self._worked:
            raise CameraOverloaded("the camera refuses a login that worked: it has no room", status=reply.status)
        else:
            self._gate.refused()
            raise CameraOverloaded("the camera refuses a login that worked before", status=reply.status, doubted=True)

    def _best(self, offered: list[Challenge]) -> Challenge | None:
        basic = next((challenge for challenge in offered if challenge.scheme == "basic"), None)
        return strongest(offered) or (basic if self._secure else None)

    def _first(self, best: Challenge | None, schemes: list[str]) -> None:
        if best is None:
            if "basic" in schemes and "digest" not in schemes:
                raise CameraInsecure("the camera wants the password in clear: it is not sent", hint="basic_only")
            raise CameraBadReply("the camera asks for a login we do not know", schemes=schemes[:4])
        self._gate.claim()
        self._trying = self._gate.state is GateState.TRYING
        self._answer(best)

    def _answer(self, challenge: Challenge) -> None:
        self._challenge, self._uses = challenge, 0

    def renew(self, reply: Message) -> None:
        """Take a new nonce from a 401 to a keep-alive, without sending that again."""
        best = self._best(parse_challenges(reply.headers.get("www-authenticate", ())))
        if best is not None and self._worked:
            self._answer(best)

    def answered(self, status: int) -> None:
        """Take any other reply to an authorised request: it settles the try."""
        if status in _ACCEPTED:
            if not self._worked:  # once: an old session says nothing about the logins of new ones
                self._gate.accepted()
            self._trying, self._worked = False, True
        elif self._trying:
            self._trying = False
            if status == _FORBIDDEN:
                self._gate.refused()
                raise CameraLoginRefused("the camera forbids this login", status=status)
            self._gate.abandon()

    def release(self) -> None:
        """End with the session: a try without an answer leaves the password unproven."""
        if self._trying:
            self._trying = False
            self._gate.abandon()
