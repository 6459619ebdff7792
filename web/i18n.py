"""Which language a request gets, and texts, times and durations in it.

Owns the choice (`?lang=`, then the cookie, then the site's own) and `Words`, which templates and JSON answers
use. Invariants: Vietnamese unless somebody asked for English by hand (an office PC's browser is often English
while its user is not, so Accept-Language is not read); every text comes from a catalogue; values are escaped
when they enter a text, so a camera's name cannot become markup.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape
from starlette.requests import HTTPConnection

from gateway.core.i18n import DEFAULT_LANGUAGE, LANGUAGES, Catalogue, catalogue

LANGUAGE_COOKIE = "vuon-lang"
MINUTE_MS = 60_000


def texts(language: str) -> Catalogue:
    """Return the catalogue of the pages with the core's codes below it."""
    return catalogue(language, ("gateway.core", "web"))


def language_of(connection: HTTPConnection, site_language: str = DEFAULT_LANGUAGE) -> str:
    """Return `vi` or `en` for a request."""
    for asked in (connection.query_params.get("lang"), connection.cookies.get(LANGUAGE_COOKIE)):
        if asked in LANGUAGES:
            return str(asked)
    return site_language


class Words:
    """Texts, times and durations in one language and one zone."""

    def __init__(self, language: str, zone: str) -> None:
        self.catalogue, self.zone = texts(language), ZoneInfo(zone)
        self.language = self.catalogue.language

    def text(self, key: str, **values: object) -> Markup:
        """Return an escaped text; values that are not markup are escaped too."""
        template = escape(self.catalogue.texts[key])
        return template.format(**values) if values else template

    def has(self, key: str) -> bool:
        """Say whether there is such a text."""
        return key in self.catalogue.texts

    def reason(self, code: str) -> str:
        """Return the text of a decision's reason; a reason without text says only "not now"."""
        key = f"reason.{code}"
        return self.catalogue.texts[key if self.has(key) else "reason.other"]

    def cause(self, code: str) -> str:
        """Return a reason as staff are told it: the true cause, which guardians are not."""
        return self.catalogue.texts[f"cause.{code}"] if self.has(f"cause.{code}") else self.reason(code)

    def local(self, at_ms: int) -> datetime:
        """Return a time in the site's zone."""
        return datetime.fromtimestamp(at_ms / 1000, self.zone)

    def clock(self, at_ms: int) -> str:
        """Return hours and minutes: 07:30."""
        return self.local(at_ms).strftime("%H:%M")

    def day(self, at_ms: int) -> str:
        """Return weekday and date: Thứ Năm, 24/09/2026."""
        return self.long_date(self.local(at_ms))

    def long_date(self, day: date) -> str:
        """Return a day in the same words."""
        return str(self.text("date.long", weekday=self.text(f"weekday.{day.weekday()}"), date=f"{day:%d/%m/%Y}"))

    def date(self, at_ms: int) -> str:
        """Return the date alone, for the middle of a sentence: 24/09/2026."""
        return f"{self.local(at_ms):%d/%m/%Y}"

    def duration(self, length_ms: int) -> str:
        """Return a length rounded up to minutes: 2 giờ 15 phút."""
        minutes = max(1, -(-length_ms // MINUTE_MS))
        days, hours, rest = minutes // 1440, minutes % 1440 // 60, minutes % 60
        if days:
            return str(self.text("dur.d", d=days))
        if hours:
            return str(self.text("dur.hm" if rest else "dur.h", h=hours, m=rest))
        return str(self.text("dur.m", m=rest))

    def pick(self, prefixes: Iterable[str]) -> str:
        """Return the texts whose keys begin with one of the prefixes as JSON, for a page's scripts."""
        wanted = tuple(prefixes)
        chosen = {key: text for key, text in sorted(self.catalogue.texts.items()) if key.startswith(wanted)}
        return json.dumps(chosen, ensure_ascii=False, separators=(",", ":"))
