"""Fields of a posted form.

Owns their reading. Invariants: bounded by the shield's cap on bodies and by a number of fields; what is no form is
BadInput; a file is never taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

from starlette.requests import Request

from gateway.core.errors import BadInput

MOST_FIELDS = 600
"""A day plan of thirty blocks has some 330."""


async def form_of(request: Request, *, most: int = MOST_FIELDS, blank: bool = True) -> Mapping[str, Sequence[str]]:
    """Return the fields of a form that was posted, at most so many, with or without the empty ones; BadInput."""
    try:
        text = (await request.body()).decode("utf-8")
        return parse_qs(text, keep_blank_values=blank, max_num_fields=most)
    except ValueError as error:
        raise BadInput("the form has too many fields, or is no form") from error


def field(form: Mapping[str, Sequence[str]], key: str, default: str = "") -> str:
    """Return the first value of a field, without space around it."""
    return form.get(key, (default,))[0].strip()


def whole(form: Mapping[str, Sequence[str]], key: str) -> int:
    """Return a field that is a small whole number; BadInput."""
    text = field(form, key)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadInput(f"{key} must be a whole number", key=key)
    return int(text)
