"""What a page's form may hold: declared once, read by it, described by it.

Owns `Form`, the declaration, and `Fields`, what a handler gets of it. Invariants: a handler sees declared fields and no
others; the number of fields and their lengths are bounded; a missing, too long or impossible value is BadInput that
names the field; an id that cannot be one is NotFound, exactly like one that names nothing; a file is never taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qs

from starlette.requests import Request

from gateway.core.errors import BadInput, NotFound
from gateway.core.model import PublicId, is_public_id
from web.bodies import FORM_TYPE, ID_FORMAT, Body, FieldProblem

MOST_CHARS = 200
SPARE_FIELDS = 16
"""Fields of others (a browser's own) that may come along; they are left out."""
ID = "[a-z2-7]{16}"
MOST_WHOLE = 999_999_999
Kind: TypeAlias = Literal["text", "id", "subject", "whole", "day"]
"""A subject is `person:` or `child:` and an id."""
Raw: TypeAlias = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Field:
    """One field; with `each` one for every thing of a list, whose names go on after `name` as that pattern says.

    A name is of small letters, digits, `-` and `_`.
    """

    name: str
    kind: Kind = "text"
    most: int = MOST_CHARS
    """Characters."""
    required: bool = False
    """It must be there, though it may be empty: what is wrong with an empty one the page says in its own words."""
    choices: tuple[str, ...] = ()
    """One of these; nothing chosen comes as an empty value, which a required field does not take."""
    many: int = 1
    """How many values, or (with `each`) how many such fields."""
    each: str = ""
    secret: bool = False
    """Its value goes where it must and on no page again."""

    def problem(self, name: str, values: Sequence[str]) -> FieldProblem | None:
        """Return what is wrong with its values."""
        if not self.each and len(values) > self.many:
            return FieldProblem(name, "length", (("most", self.many),))
        for value in values:
            if len(value) > self.most:
                return FieldProblem(name, "length", (("most", self.most),))
            if self.choices and value not in self.choices and (value or self.required):
                return FieldProblem(name, "choice")
            if value and self.kind == "whole" and not (value.isascii() and value.isdigit() and len(value) < 10):
                return FieldProblem(name, "whole")
        return None

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of its value or values."""
        one: dict[str, Any] = {"type": "string", "maxLength": self.most}
        if self.choices:
            one = {"type": "string", "enum": [*self.choices]}
        elif self.kind == "id":
            one = {"type": "string", "format": ID_FORMAT, "pattern": f"^{ID}$" if self.required else f"^({ID})?$"}
        elif self.kind == "subject":
            one = {"type": "string", "format": ID_FORMAT, "pattern": f"^(person|child):{ID}$"}
        elif self.kind == "whole":
            one = {"type": "integer", "minimum": 0, "maximum": MOST_WHOLE}
        elif self.kind == "day":
            one = {"type": "string", "format": "date"}
        if self.many == 1 or self.each:
            return one
        return {"type": "array", "items": one, "maxItems": self.many}


class Fields(Mapping[str, str]):
    """What was posted, as far as it was declared: the first value of each, without space around it."""

    def __init__(self, raw: Raw) -> None:
        self.raw = raw

    def __getitem__(self, name: str) -> str:
        """Return a field's first value."""
        return self.raw[name][0]

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self.raw)

    def __len__(self) -> int:
        """Return how many fields there are."""
        return len(self.raw)

    def all(self, name: str) -> Sequence[str]:
        """Return every value of a field."""
        return self.raw.get(name, ())

    def id(self, name: str) -> PublicId:
        """Return a public id; NotFound for what cannot be one, as for one that names nothing."""
        text = self.get(name, "")
        if not is_public_id(text):
            raise NotFound("no such thing")
        return PublicId(text)

    def whole(self, name: str) -> int:
        """Return a whole number; BadInput if it is not there."""
        if not (text := self.get(name, "")):
            raise BadInput(f"{name} must be a whole number", key=name)
        return int(text)

    def each(self, name: str) -> dict[str, str]:
        """Return the fields whose names begin so, by the rest of the name."""
        return {key.removeprefix(name): values[0] for key, values in self.raw.items() if key.startswith(name)}


class Form(Body):
    """A form of these fields: the instance is a route's FastAPI dependency, named after its guard."""

    media = FORM_TYPE

    def __init__(self, *fields: Field) -> None:
        self.fields = fields
        self._plain = {item.name: item for item in fields if not item.each}
        if len({(item.name, item.each) for item in fields}) < len(fields):
            raise ValueError("a field is declared once")
        self._each = [(re.compile(item.name + item.each), item) for item in fields if item.each]
        self._most = sum(item.many for item in fields) + SPARE_FIELDS

    async def __call__(self, request: Request) -> Fields:
        """Return the fields; BadInput."""
        raw = self._read(await request.body())
        problems = [
            *(item.problem(name, values) for name, values in raw.items() if (item := self._of(name)) is not None),
            *(FieldProblem(item.name, "missing") for item in self.fields if item.required and item.name not in raw),
        ]
        if found := tuple(item for item in problems if item is not None):
            raise BadInput("the form is not as it should be", problems=found)
        return Fields(raw)

    def _of(self, name: str) -> Field | None:
        return self._plain.get(name) or next((item for form, item in self._each if form.fullmatch(name)), None)

    def _read(self, body: bytes) -> dict[str, list[str]]:
        try:
            found = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=self._most)
        except ValueError as error:
            problem = FieldProblem("form", "length")
            raise BadInput("the form has too many fields, or is no form", problems=(problem,)) from error
        return {name: [text.strip() for text in values] for name, values in found.items() if self._of(name)}

    def carried(self, body: bytes) -> tuple[tuple[str, str], ...] | None:
        """Return what may stand on a page while its sender proves who they are; None if a secret is among it."""
        raw = self._read(body)
        if any(item.secret and any(raw[name]) for name in raw if (item := self._of(name)) is not None):
            return None
        return tuple((name, value) for name, values in raw.items() for value in values)

    def schema(self) -> dict[str, Any]:
        """Return the schema of an object with these fields."""
        made: dict[str, Any] = {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: item.schema() for name, item in self._plain.items()},
        }
        if self._each:
            made["patternProperties"] = {f"^{form.pattern}$": item.schema() for form, item in self._each}
        if required := [item.name for item in self.fields if item.required]:
            made["required"] = required
        return made


NOTHING = Form()
"""A form of nothing but its button."""
