"""Pages from templates.

Owns the Jinja environment and what every template sees. Invariants: autoescape is always on; a missing
variable is an error, not a blank; a template names static files by `asset()`, so each address holds the
version.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from web.assets import load_assets
from web.i18n import LANGUAGE_COOKIE, Words
from web.services import SiteFacts
from web.session import services_of
from web.staff_places import bar_of, places_of

YEAR_S = 365 * 24 * 3600


def icon(name: str, size: str = "") -> Markup:
    """Return an icon of the sprite; decorative, so hidden from screen readers."""
    classes = f"i {size}".strip()
    href = f"{load_assets().url('icons.svg')}#{name}"
    return Markup('<svg class="{}" aria-hidden="true"><use href="{}"/></svg>').format(classes, href)


def initials(name: str) -> str:
    """Return up to two letters for a round badge, of the last two words: Vietnamese given names end a name."""
    return "".join(part[0] for part in name.split()[-2:]).upper()


def strong(text: object) -> Markup:
    """Return a value that stands out in a text."""
    return Markup('<b class="num">{}</b>').format(text)


def data(value: object) -> Markup:
    """Return JSON as the text of a `<template>`: inert, and no script of any kind."""
    return escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":")))


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return the one environment."""
    env = Environment(
        loader=PackageLoader("web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals.update(
        icon=icon,
        initials=initials,
        strong=strong,
        data=data,
        asset=load_assets().url,
        places_of=places_of,
        bar_of=bar_of,
    )
    return env


def render(request: Request, words: Words, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page of the school's."""
    services = services_of(request)
    facts = PageFacts(services.site, services.clock.now_ms(), services.secure)
    waiting_at = getattr(request.state, "waiting_at", {})
    return page_of(request, words, template, facts, status=status, waiting_at=waiting_at, **values)


class PageFacts(NamedTuple):
    """What a page has to be told beside its own values, whichever application it is of."""

    site: SiteFacts
    now_ms: int
    secure: bool
    """TLS is on: cookies are `Secure`."""


def page_of(
    request: Request, words: Words, template: str, facts: PageFacts, /, *, status: int = 200, **values: Any
) -> HTMLResponse:
    """Return a page; `?lang=` is remembered in a cookie that says nothing about the person.

    A page may call a value of its own `facts` or `template`: ours are told by their place.
    """
    html = (
        environment()
        .get_template(template)
        .render(
            t=words.text,
            words=words,
            lang=words.language,
            other="en" if words.language == "vi" else "vi",
            path=request.url.path,
            site=facts.site,
            now_ms=facts.now_ms,
            **values,
        )
    )
    response = HTMLResponse(html, status)
    if request.query_params.get("lang") == words.language:
        response.set_cookie(
            LANGUAGE_COOKIE, words.language, max_age=YEAR_S, path="/", secure=facts.secure, samesite="lax"
        )
    return response
