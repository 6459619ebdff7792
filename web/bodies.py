"""What a request may bring: validated models, and what is said of a body that is none.

Owns the reading of bodies: no route reads one itself. `JsonBody`, `FormBody` and `TextBody` are dependencies, named
after the guard in a route's signature, so that nobody's body is read before it is known that they may ask (a test
walks the app). Invariants: an unknown key, a missing one and a wrong kind of value are BadInput that names the key and
what it should be; a key that the request made up is not repeated; nothing of a value is ever in the answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from urllib.parse import parse_qs

from markupsafe import Markup
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import Request

from gateway.core.errors import BadInput, VuonError

JSON_TYPE, FORM_TYPE = "application/json", "application/x-www-form-urlencoded"
MOST_FIELDS = 64
ID_FORMAT = "public-id"
"""How a schema says that a field names something: what is tried with ids of others."""
_KINDS: Mapping[str, str] = {
    "missing": "missing",
    "extra_forbidden": "unknown",
    "int_type": "whole",
    "int_parsing": "whole",
    "int_from_float": "whole",
    "int_parsing_size": "range",
    "string_type": "text",
    "bool_type": "yes_no",
    "bool_parsing": "yes_no",
    "literal_error": "choice",
    "enum": "choice",
    "greater_than": "range",
    "greater_than_equal": "range",
    "less_than": "range",
    "less_than_equal": "range",
    "string_too_long": "length",
    "string_too_short": "length",
    "too_long": "length",
    "too_short": "length",
    "list_type": "list",
    "dict_type": "object",
    "model_type": "object",
    "model_attributes_type": "object",
    "json_invalid": "object",
}
"""From pydantic's kinds of errors to ours, each with `input.<kind>` in both catalogues; all others are `form`."""
_BOUNDS: Mapping[str, str] = {
    "ge": "least",
    "gt": "above",
    "le": "most",
    "lt": "below",
    "min_length": "least",
    "max_length": "most",
}


class Wanted(BaseModel):
    """A body as we want it: these keys and no others, values of these kinds and none that could become one."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, strict=True)


class SaysTexts(Protocol):
    """What is needed of `web.i18n.Words`."""

    def text(self, key: str, **values: object) -> Markup:
        """Return an escaped text."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One value that is not as it should be."""

    key: str
    """As we named it; empty: a key that we do not know."""
    kind: str = "form"
    bounds: tuple[tuple[str, int | float], ...] = ()

    def told(self, words: SaysTexts) -> dict[str, Any]:
        """Return it for scripts and people."""
        says = str(words.text(f"input.{self.kind}", name=self.key or "?").unescape())
        return {"key": self.key, "problem": self.kind, "says": says, **dict(self.bounds)}


def problems_in(found: list[ErrorDetails]) -> tuple[FieldProblem, ...]:
    """Return what pydantic found, without the values; the first part of a place (body, query, path) is left out."""
    return tuple(_problem(item) for item in found)


def _problem(item: ErrorDetails) -> FieldProblem:
    kind = _KINDS.get(item["type"], "form")
    place = [str(part) for part in item["loc"] if part not in {"body", "query", "path"}]
    bounds = item.get("ctx") or {}
    known = tuple((_BOUNDS[key], value) for key, value in bounds.items() if key in _BOUNDS and isinstance(value, int))
    return FieldProblem("" if kind == "unknown" else ".".join(place), kind, known)


M = TypeVar("M", bound=BaseModel)


def _checked(model: type[M], value: object) -> M:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = problems_in(error.errors(include_url=False, include_input=False))
        raise BadInput("the body is not as it should be", problems=problems) from error


def media_type(request: Request) -> str:
    """Return the content type that a request declares, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


class Body:
    """How a route's body is declared: the instance is its FastAPI dependency."""

    media: str = JSON_TYPE

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the body."""
        raise NotImplementedError

    def carried(self, body: bytes) -> tuple[tuple[str, str], ...] | None:  # noqa: ARG002 - for those that can
        """Return what of a posted form may stand on a page again, None for nothing of it."""
        return None


class JsonBody(Body, Generic[M]):
    """A JSON object as a model; nothing at all stands for `{}`."""

    def __init__(self, model: type[M]) -> None:
        self.model = model

    async def __call__(self, request: Request) -> M:
        """Return the model; BadInput, or HTTPException 415 for what says that it is something else."""
        raw = await request.body()
        if not raw:
            return _checked(self.model, {})
        if media_type(request) != JSON_TYPE:
            raise HTTPException(415)
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise BadInput("the body is no JSON", problems=(FieldProblem("body", "object"),)) from error
        return _checked(self.model, value)

    def schema(self) -> dict[str, Any]:
        """Return the model's schema."""
        return self.model.model_json_schema()


class FormBody(Body, Generic[M]):
    """The fields of a page's form as a model of texts; fields of others (a browser's own) are left out."""

    media = FORM_TYPE

    def __init__(self, model: type[M]) -> None:
        self.model = model

    async def __call__(self, request: Request) -> M:
        """Return the model; BadInput."""
        return _checked(self.model, self._read(await request.body()))

    def _read(self, body: bytes) -> dict[str, str]:
        try:
            fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
        except ValueError as error:
            raise BadInput("the form has too many fields", problems=(FieldProblem("form", "length"),)) from error
        return {name: fields[name][0] for name in self.model.model_fields if name in fields}

    def carried(self, body: bytes) -> tuple[tuple[str, str], ...] | None:
        """Return the fields, None if one that is not shown (`repr=False`) is among them."""
        found = self._read(body)
        if any(found[name] and not self.model.model_fields[name].repr for name in found):
            return None
        return tuple(found.items())

    def schema(self) -> dict[str, Any]:
        """Return the model's schema."""
        return self.model.model_json_schema()


class TextBody(Body):
    """A description in a format of others (SDP): bounded here, understood by whoever takes it."""

    def __init__(self, media: str, most_bytes: int, refused: type[VuonError]) -> None:
        self.media, self._most_bytes, self._refused = media, most_bytes, refused

    async def __call__(self, request: Request) -> str:
        """Return the text; `refused` for what is too long or no text, HTTPException 415 for another type."""
        if media_type(request) != self.media:
            raise HTTPException(415)
        body = await request.body()
        if len(body) > self._most_bytes:
            raise self._refused("the description is too long")
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._refused("the description is no text") from error

    def schema(self) -> dict[str, Any]:
        """Return a text of at most so many bytes."""
        return {"type": "string", "maxLength": self._most_bytes}


def bodies_of(route: Any) -> list[Body]:
    """Return the declarations of a FastAPI route's body, in the order in which its dependencies run."""
    return [item.call for item in route.dependant.dependencies if isinstance(item.call, Body)]
