"""`[live]`, the part about servers on the way: STUN and TURN.

Owns the model of these keys and the form of such an address (RFC 7064, RFC 7065). Invariant: no secret is among
them; the one shared with the TURN server is set with `vuon chuyen-tiep mat-khau`.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from gateway.core.config_retention import Section
from gateway.core.iceservers import parse_url

MOST_SERVERS = 4


class IceKeys(Section):
    """Servers that help where viewer and box do not reach each other; empty = viewers are on the LAN."""

    stun: tuple[str, ...] = Field(default=(), max_length=MOST_SERVERS)
    turn: tuple[str, ...] = Field(default=(), max_length=MOST_SERVERS)
    relay: bool = False

    @field_validator("stun", "turn")
    @classmethod
    def _are_servers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            try:
                parse_url(item)
            except ValueError as error:
                raise ValueError(
                    f"{item!r} is no such address; write stun:NAME:3478, turn:NAME:3478?transport=tcp or turns:NAME"
                ) from error
        return value

    @model_validator(mode="after")
    def _each_in_its_list(self) -> Self:
        if any(not item.startswith("stun:") for item in self.stun):
            raise ValueError('stun holds addresses that begin with "stun:"; put the others into turn')
        if any(item.startswith("stun:") for item in self.turn):
            raise ValueError('turn holds addresses that begin with "turn:" or "turns:"')
        if self.relay and not (self.stun or self.turn):
            raise ValueError("relay needs a server to ask; set stun or turn")
        return self
