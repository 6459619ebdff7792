"""The `[retention]` section of config.toml: how long which footage is kept.

Owns its models and `Section`, the base of all sections. Invariants: a rule names cameras or classes, never
both, and states something; a name is the only name of at most one rule, so that nobody has to guess which
of two rules holds.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

MOST_DAYS = 3_650
MOST_RULES = 200
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]


class Section(BaseModel):
    """A section of the file: frozen, and no key but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RetentionRule(Section):
    """Another keeping time for some cameras or classes; what it does not state is as above."""

    cameras: tuple[Name, ...] = ()
    classes: tuple[Name, ...] = ()
    days: int | None = Field(default=None, ge=1, le=MOST_DAYS)
    sub_days: int | None = Field(default=None, ge=0, le=MOST_DAYS)
    event_days: int | None = Field(default=None, ge=0, le=MOST_DAYS)
    max_bytes_per_stream: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _names_and_states(self) -> Self:
        if bool(self.cameras) == bool(self.classes):
            raise ValueError('names either cameras = ["…"] or classes = ["…"]; write one of the two')
        if {self.days, self.sub_days, self.event_days, self.max_bytes_per_stream} == {None}:
            raise ValueError("states nothing; add days, sub_days, event_days or max_bytes_per_stream")
        return self


class Retention(Section):
    """How long footage is kept."""

    days: int = Field(default=30, ge=1, le=MOST_DAYS)
    sub_days: int = Field(default=0, ge=0, le=MOST_DAYS)
    event_days: int = Field(default=90, ge=0, le=MOST_DAYS)
    max_bytes_per_stream: int = Field(default=0, ge=0)
    rules: tuple[RetentionRule, ...] = Field(default=(), max_length=MOST_RULES)

    @field_validator("rules")
    @classmethod
    def _each_name_once(cls, value: tuple[RetentionRule, ...]) -> tuple[RetentionRule, ...]:
        single = Counter(rule.cameras[0].casefold() for rule in value if len(rule.cameras) == 1)
        classes = Counter(name.casefold() for rule in value for name in rule.classes)
        twice = [name for counts in (single, classes) for name, count in counts.items() if count > 1]
        if twice:
            raise ValueError(f"{twice[0]} has two rules; write one with both values")
        return value
