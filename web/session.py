"""From the cookie to the person.

Owns the session cookie and the reading of a player's token. Invariants: over TLS the cookie is `__Host-vuon-box` (so
Secure, Path=/ and no Domain by the browser's own rule), on plain loopback `vuon-box`; always HttpOnly and
SameSite=Strict; its value, like a token, is opaque, and neither logged nor written to a page. The mark by which a
browser is known again is a second cookie of the same kind: it opens nothing and outlives the session.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from gateway.core.model import Secret
from web.caller import Caller, Peer, SignedIn
from web.services import Services

MAX_TOKEN_CHARS = 128
MARK_S = 400 * 86_400
"""As long as browsers keep a cookie at all (RFC 6265bis 5.5)."""


def services_of(connection: HTTPConnection) -> Services:
    """Return the bundle the app was created with."""
    services = connection.app.state.services
    assert isinstance(services, Services)
    return services


def cookie_name(*, secure: bool) -> str:
    """Return the session cookie's name: with the `__Host-` prefix wherever TLS is spoken."""
    return "__Host-vuon-box" if secure else "vuon-box"


def mark_name(*, secure: bool) -> str:
    """Return the name of the cookie by which a browser is known again."""
    return "__Host-vuon-mark" if secure else "vuon-mark"


def mark_of(connection: HTTPConnection) -> Secret | None:
    """Return the mark of a browser in which somebody signed in before, if it has one of a possible form."""
    value = connection.cookies.get(mark_name(secure=services_of(connection).secure), "")
    return Secret(value) if 0 < len(value) <= MAX_TOKEN_CHARS and value.isascii() else None


def set_mark(response: Response, mark: Secret, services: Services) -> None:
    """Write the mark's cookie."""
    name, secure = mark_name(secure=services.secure), services.secure
    response.set_cookie(name, mark.reveal(), max_age=MARK_S, path="/", secure=secure, httponly=True, samesite="strict")


def token_of(connection: HTTPConnection) -> Secret | None:
    """Return the session token of a request, if it has one of a possible form."""
    value = connection.cookies.get(cookie_name(secure=services_of(connection).secure), "")
    return Secret(value) if 0 < len(value) <= MAX_TOKEN_CHARS and value.isascii() else None


def peer_of(connection: HTTPConnection) -> Peer:
    """Return the client's address and a shortened user agent."""
    return Peer(connection.client.host if connection.client else "", connection.headers.get("user-agent", "")[:200])


async def caller_of(request: Request) -> Caller | None:
    """Return the person behind the request's session, or None.

    Opening a page and changing something count as activity; what a page fetches by itself does not,
    so that a forgotten screen signs itself out.
    """
    token = token_of(request)
    if token is None:
        return None
    path, changes = request.url.path, request.method not in {"GET", "HEAD"}
    by_hand = not path.startswith(("/whep/", "/wall/")) and (changes or not path.startswith("/api/"))
    services = services_of(request)
    caller = await services.logins.session(token, active=by_hand)
    if caller is not None:
        services.rights.came_from(caller, peer_of(request).address)
    return caller


def bearer_of(headers: Headers) -> Secret | None:
    """Return the token of an `Authorization: Bearer` header (RFC 6750 §2.1), if it has one of a possible form."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    fits = scheme.lower() == "bearer" and 0 < len(token) <= MAX_TOKEN_CHARS and token.isascii()
    return Secret(token) if fits else None


async def player_of(request: Request) -> Caller | None:
    """Return the person in whose name a player asks, or None."""
    token = bearer_of(request.headers)
    return await services_of(request).logins.player(token) if token is not None else None


def set_session(response: Response, signed_in: SignedIn, services: Services) -> None:
    """Write the session cookie."""
    left_s = None
    if signed_in.expires_ms is not None:
        left_s = max(0, (signed_in.expires_ms - services.clock.now_ms()) // 1000)
    response.set_cookie(
        cookie_name(secure=services.secure),
        signed_in.token.reveal(),
        max_age=left_s,
        path="/",
        secure=services.secure,
        httponly=True,
        samesite="strict",
    )


def clear_session(response: Response, services: Services) -> None:
    """Make the browser forget the session and everything it kept of this site."""
    response.delete_cookie(
        cookie_name(secure=services.secure), path="/", secure=services.secure, httponly=True, samesite="strict"
    )
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
