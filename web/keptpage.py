"""The page on which a form that waited is shown to its sender again, with the button that sends it.

Owns that page, whatever came between: signing in, the second factor, a guardian's key, a password that had to be chosen
first. Invariants: it opens for the person whose login it was; to anybody else, and for what leads to no form of ours,
it says that it is gone.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from web.caller import Caller
from web.carry import again
from web.onward import home_of
from web.problems import words_of
from web.render import render
from web.session import services_of


def kept_on(request: Request, caller: Caller, kept: str) -> Response:
    """Return the page for a sealed form."""
    found = services_of(request).accounts.open_form(caller, kept)
    fields = again(request, found[0], found[1]) if found is not None else None
    on = found[0] if found is not None and fields is not None else ""
    home, template = home_of(caller), "signin_kept.html"
    return render(request, words_of(request), template, caller=caller, on=on, fields=fields or [], home=home)
