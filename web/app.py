"""The web application: routes, error answers, the shield around them.

Owns `create_app`. Invariants: no automatic documentation routes; every route has a declared guard; an
error of ours becomes the catalogue's words, any other becomes "internal" without its message.
"""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.core.errors import BadInput, NotFound, VuonError
from gateway.core.log import get_logger
from web import (
    api_cameras,
    api_events,
    api_exports,
    api_holds,
    api_live,
    api_metrics,
    api_playback,
    api_sessions,
    api_standing,
    api_wall,
    pages_account,
    pages_consent,
    pages_consent_staff,
    pages_erase,
    pages_exports,
    pages_guardian,
    pages_guest,
    pages_hours,
    pages_invite,
    pages_keys,
    pages_ledger,
    pages_lists,
    pages_observer,
    pages_people,
    pages_public,
    pages_review,
    pages_rooms,
    pages_second,
    pages_signin,
    pages_slip,
    pages_staff,
    pages_staff_accounts,
    pages_teacher,
    pages_wall,
    pages_why,
)
from web.board import StatusBoard
from web.bodies import problems_in
from web.carry import carried_of
from web.guards import PasswordNeededError, SignInNeededError
from web.headers import Shield, add_headers
from web.problems import BY_HTTP_STATUS, answer, is_stale, refusal
from web.services import Services

ROUTERS = (
    pages_public.router,
    pages_signin.router,
    pages_account.router,
    pages_second.router,
    pages_staff_accounts.router,
    pages_staff.router,
    pages_review.router,
    pages_slip.router,
    api_standing.router,
    pages_guardian.router,
    pages_guest.router,
    pages_invite.router,
    pages_exports.router,
    pages_keys.router,
    pages_teacher.router,
    pages_observer.router,
    pages_rooms.router,
    pages_hours.router,
    pages_wall.router,
    pages_people.router,
    pages_lists.router,
    pages_ledger.router,
    pages_erase.router,
    pages_consent.router,
    pages_consent_staff.router,
    pages_why.router,
    api_cameras.router,
    api_live.router,
    api_wall.router,
    api_playback.router,
    api_holds.router,
    api_exports.router,
    api_events.router,
    api_metrics.router,
    api_sessions.router,
)
log = get_logger("web")


def create_app(services: Services) -> FastAPI:
    """Return the box's web application; the roof serves it and owns what `services` refers to.

    Call `app.state.streams.close()` on its event loop before the server stops: pages keep event streams open.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.services = services
    app.state.board = StatusBoard(services.recorder, services.clock)
    app.state.streams = api_events.Streams()
    app.state.waiting = api_standing.WaitingStreams()
    for router in ROUTERS:
        app.router.routes.extend(router.routes)  # as they are, so that `app.routes` lists every one with its guard
    app.add_exception_handler(VuonError, _vuon_error)
    app.add_exception_handler(SignInNeededError, _sign_in_needed)
    app.add_exception_handler(PasswordNeededError, _password_needed)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _bug)
    app.add_middleware(Shield, hosts=services.hosts, secure=services.secure, refuse=refusal)
    return app


async def _vuon_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, VuonError)
    if is_stale(request, error) and (form := await carried_of(request)) is not None:
        return await pages_signin.asked_first(request, form)
    return answer(request, error)


async def _sign_in_needed(request: Request, _error: Exception) -> Response:
    return await pages_signin.signed_out(request)


async def _password_needed(_request: Request, _error: Exception) -> Response:
    return RedirectResponse("/mat-khau", 303)


async def _bad_request(request: Request, error: Exception) -> Response:
    """Say which part of the address is not as it should be."""
    assert isinstance(error, RequestValidationError)
    return answer(request, BadInput("a parameter has another form", problems=problems_in([*error.errors()])))


async def _http_error(request: Request, error: Exception) -> Response:
    """Answer what the framework raised: an unknown address looks like an object one may not know of."""
    assert isinstance(error, HTTPException)
    if error.status_code in BY_HTTP_STATUS:
        return answer(request, NotFound("no such route"))
    return refusal(request, error.status_code, headers=error.headers)


async def _bug(request: Request, error: Exception) -> Response:
    """Answer an error that is not ours; the server above writes its traceback."""
    log.error("web.bug", error, path=request.url.path)
    response = answer(request, VuonError("not one of ours"))
    # This answer is made outside the shield: it is the framework's last resort.
    add_headers(response.headers, secure=request.app.state.services.secure)
    return response
