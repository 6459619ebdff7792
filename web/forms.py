"""What a form of ours sent.

Owns the reading of `application/x-www-form-urlencoded` bodies. Invariants: few fields, each once, each bounded; what is
too long or missing is an empty text, which no field accepts; a value that is secret stays one.
"""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.requests import Request

from gateway.core.model import Secret

MAX_FIELDS, MAX_CHARS = 8, 512


class Form:
    """The fields of one request."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self._fields = fields

    def text(self, name: str) -> str:
        """Return a field; empty if it is missing or too long."""
        value = self._fields.get(name, [""])[0]
        return value if len(value) <= MAX_CHARS else ""

    def secret(self, name: str) -> Secret:
        """Return a field that does not print."""
        return Secret(self.text(name))


async def form_of(request: Request) -> Form:
    """Read a request's form; one that is none has no fields."""
    body = (await request.body()).decode("utf-8", "replace")
    try:
        return Form(parse_qs(body, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        return Form({})
