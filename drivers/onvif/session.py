"""The login dialogue with one camera: learn how it wants to be asked, then exactly one try.

Owns the login mode, the camera's clock offset and the use of the `LoginGate`. Blocking; one thread
at a time. Invariants: a password is sent only after the camera showed, to a call without one, how it
wants it; a try the camera refuses is never repeated, except that a Digest nonce may be renewed once
when the camera says it is stale, or when the password is proven and the nonce is of an earlier call: the
first refusal is then counted as a doubt; after a login that worked a refusal
means overload (cameras answer 401 when no connection is left); the password itself goes over the wire only
where the installer allowed it (`LoginGate.clear_text`) or, by Basic, over TLS; a camera that says it locked the account
closes the gate for everybody.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import zeep.exceptions
from lxml import etree

from drivers.base import LoginMode
from drivers.gate import GateState, LoginGate
from drivers.onvif import soap
from drivers.onvif.auth import DigestLogin, add_security, basic, clear_header, created_at, security_header
from drivers.onvif.documents import ONVIFError
from drivers.onvif.meaning import LOCKED_S
from drivers.onvif.transport import CameraTransport, LoginAsked, Reply
from drivers.rtsp.auth import Challenge, parse_challenges, strongest
from gateway.core.clock import Clock
from gateway.core.errors import (
    CameraError,
    CameraLocked,
    CameraLoginRefused,
    CameraOverloaded,
    CameraUnsupported,
)
from gateway.core.model import Login

T = TypeVar("T")

ZEEP_BREAKS_WITH = (
    zeep.exceptions.Error,
    etree.LxmlError,
    ONVIFError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    ArithmeticError,
    RecursionError,
)
"""What comes out of zeep when a reply is well-formed XML but not what its schema says."""

_NOISE_MS = 2_000
"""Clock offsets below this are the call's own resolution (whole seconds) and travel time."""


class Unreadable(Exception):
    """A reply that zeep broke on although it is SOAP and no fault: whoever asked through zeep reads it by hand."""

    def __init__(self, answer: etree._Element) -> None:
        super().__init__("the reply contradicts the service's description")
        self.answer = answer


class OnvifSession:
    """Sends calls without a login until one is asked for, then with it."""

    def __init__(
        self,
        transport: CameraTransport,
        gate: LoginGate,
        clock: Clock,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.mode = LoginMode.UNKNOWN
        self.skew_ms = 0
        """Camera clock minus ours."""
        self._transport, self._gate, self._clock, self._random_bytes = transport, gate, clock, random_bytes
        self._digest: DigestLogin | None = None
        self._digest_nonce = ""
        self._armed: LoginMode | None = None
        transport.authorization = self._authorization

    @property
    def login(self) -> Login | None:
        """The login it would send."""
        return self._gate.login

    @property
    def login_proven(self) -> bool:
        """Whether the camera took that login."""
        return self._gate.state is GateState.PROVEN

    @property
    def token(self) -> UsernameToken:
        """What zeep calls to sign an envelope: does so only while a login is being sent."""
        return UsernameToken(self)

    @property
    def offset_ms(self) -> int:
        """Camera clock minus ours, 0 if it is no more than the clock call's own resolution."""
        return self.skew_ms if abs(self.skew_ms) > _NOISE_MS else 0

    def security(self) -> etree._Element | None:
        """Return the WS-Security element for the call being sent, if it is to carry one."""
        login = self._gate.login
        if login is not None and self._armed is LoginMode.TEXT:
            return clear_header(login)
        if self._armed is not LoginMode.WSSE or login is None:
            return None
        return security_header(login, created_at(self._clock.now_ms(), self.offset_ms), self._random_bytes(16))

    def bare(self, send: Callable[[], T]) -> T:
        """Make a call that never carries a login; `LoginAsked` comes out."""
        return self._attempt(send, None)

    def exchange(self, send: Callable[[], T]) -> T:
        """Make one SOAP call, logging in if the camera asks for it.

        Args:
            send: makes the call through the transport, signed by `token` or `security`; it is
                called again, with the login, after the camera asked for one.

        Raises:
            Unreadable: zeep broke on the answer.
            CameraLoginRefused: refused now, refused before, or no login is stored.
            CameraOverloaded: refused after a login that worked, or another try is under way.
            CameraError: as the transport and the reply give cause.

        """
        if self.mode in {LoginMode.UNKNOWN, LoginMode.OPEN}:
            try:
                return self.bare(send)
            except LoginAsked as asked:
                self.learn(asked.reply)
                return self._logged_in(send, self.mode, answers=asked.reply)
        return self._logged_in(send, self.mode)

    def fetch(self, send: Callable[[], T]) -> T:
        """Make one plain HTTP request (a picture): HTTP Digest is the only login here."""
        if self._digest is None:
            try:
                return self.bare(send)
            except LoginAsked as asked:
                if not self._take(asked.reply):
                    if self.mode is LoginMode.BASIC:
                        return self._logged_in(send, LoginMode.BASIC)
                    raise CameraUnsupported("the camera's pictures want a login we do not send") from None
                return self._logged_in(send, LoginMode.DIGEST, answers=asked.reply)
        return self._logged_in(send, LoginMode.DIGEST)

    def learn(self, reply: Reply) -> None:
        """Learn the login mode from a refusal of a call that carried no login.

        Raises:
            CameraUnsupported: it forbids the call and asks for no login, or offers nothing but Basic
                over a connection that others can read.

        """
        if reply.status_code == 403 and not reply.is_soap:
            raise CameraUnsupported("the camera forbids the call and asks for no login", status=403)
        token = LoginMode.TEXT if self._gate.clear_text else LoginMode.WSSE
        if reply.status_code != 401:
            self.mode = token
        elif self._take(reply):
            self.mode = LoginMode.DIGEST
        elif any(challenge.scheme == "basic" for challenge in parse_challenges(reply.challenges)):
            if not self._transport.secure:
                raise CameraUnsupported("the camera wants the password in clear", scheme="basic")
            self.mode = LoginMode.BASIC
        else:
            self.mode = token

    def _take(self, reply: Reply) -> Challenge | None:
        challenge = strongest(parse_challenges(reply.challenges))
        if challenge is not None:
            self._digest = DigestLogin(challenge, self._random_bytes)
            self._digest_nonce = challenge.nonce
        return challenge

    def _logged_in(self, send: Callable[[], T], mode: LoginMode, *, answers: Reply | None = None) -> T:
        """Send the login; `answers` is the challenge of this very call, whose nonce cannot have grown old."""
        proven = self._gate.state is GateState.PROVEN
        try:
            with self._claimed():
                return self._attempt(send, mode)
        except LoginAsked as asked:
            old = self._digest_nonce
            fresh = self._take(asked.reply) if mode is LoginMode.DIGEST else None
            aged = proven and answers is None and fresh is not None and fresh.nonce != old
            if fresh is None or not (fresh.stale or aged):
                raise self._refusal(proven) from None
            if not fresh.stale:  # an old nonce, or another password: the camera may have counted it
                self._gate.refused()
        try:
            with self._claimed():
                return self._attempt(send, mode)
        except LoginAsked:
            raise self._refusal(proven) from None

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        """Hold the right to send the password; however the block ends, the gate is told."""
        self._gate.claim()
        try:
            yield
        except Unreadable:  # an answer all the same: the camera took the login
            self._gate.accepted()
            raise
        except BaseException:
            self._gate.abandon()
            raise
        self._gate.accepted()

    def _refusal(self, proven: bool) -> CameraError:
        self._gate.refused()
        if proven:
            return CameraOverloaded("the camera refuses a login that worked before", doubted=True)
        if self.mode is LoginMode.WSSE:  # the password may be right all the same: some cameras read PasswordText only
            host = self._transport.host
            return CameraLoginRefused("the camera refused the login", mode="wsse", case="clear_login", address=host)
        return CameraLoginRefused("the camera refused the login", mode=str(self.mode))

    def _attempt(self, send: Callable[[], T], mode: LoginMode | None) -> T:
        """Call `send` once with or without the login; what zeep raises becomes ours."""
        self._armed = mode
        self._transport.forget()
        try:
            return send()
        except CameraLocked as locked:
            self._note_lock(locked)
            raise
        except ZEEP_BREAKS_WITH as error:
            last = self._transport.last
            if last is None:  # nothing came back: the mistake is in what we wanted to send
                raise
            raise Unreadable(self._read_again(last)) from error  # or what the reply really means
        finally:
            self._armed = None

    def _read_again(self, last: Reply) -> etree._Element:
        """Let our own reader say what a reply means that zeep broke on; a lock closes the gate."""
        try:
            return soap.body_of(last, self._transport.limits.reply_bytes)
        except CameraLocked as locked:
            self._note_lock(locked)
            raise

    def _note_lock(self, locked: CameraLocked) -> None:
        told = locked.fields.get("retry_after_s")
        self._gate.locked(float(told) if isinstance(told, int | float) else LOCKED_S)

    def _authorization(self, method: str, uri: str) -> str | None:
        login: Login | None = self._gate.login
        if login is not None and self._armed is LoginMode.BASIC and self._transport.secure:
            return basic(login)
        if self._armed is not LoginMode.DIGEST or self._digest is None or login is None:
            return None
        return self._digest.header(login, method, uri)


class UsernameToken:
    """zeep's `wsse` argument: signs only when the session is sending a login. Never changes itself."""

    def __init__(self, session: OnvifSession) -> None:
        self._session = session

    def apply(self, envelope: etree._Element, headers: dict[str, Any]) -> tuple[etree._Element, dict[str, Any]]:
        """Add the login to an envelope that is about to be sent."""
        security = self._session.security()
        if security is not None:
            add_security(envelope, security)
        return envelope, headers

    def verify(self, envelope: etree._Element) -> etree._Element:
        """Accept the reply: cameras do not sign."""
        return envelope
