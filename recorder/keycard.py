"""The key card: everything about the school's footage key that is no secret by itself, in one small file.

Owns the format of `<state>/keys/footage.json`. Invariants: replaced whole or not at all, so every change of
passphrase, key or holder is one step; it holds the school's private key only sealed (under the passphrase, and to
each recovery holder), and earlier private keys only wrapped to the school and the holders; a card of another format
or a damaged one is refused, never overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gateway.core.errors import ConfigError
from gateway.core.files import write_whole
from recorder.passphrase import Kdf, PassphraseBox
from recorder.school import RandomBytes, WrappedKey, wrap

FORMAT = 1
PLACES = (1, 2)
"""Recovery holders: two people, so that losing one sheet loses nothing."""
MAX_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Holder:
    """Who can unlock without the passphrase."""

    place: int
    public: bytes
    since_ms: int


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A private key of the school, wrapped to those who may have it."""

    public: bytes
    wrapped: tuple[WrappedKey, ...]

    @property
    def context(self) -> bytes:
        """What is authenticated with the wrapped key."""
        return kept_context(self.public)


@dataclass(frozen=True, slots=True)
class KeyCard:
    """One state of the school's key."""

    school: bytes
    """Public half in use."""
    since_ms: int
    passphrase: PassphraseBox | None = None
    holders: tuple[Holder, ...] = ()
    current: KeptKey | None = None
    """The private half in use, wrapped to the holders; None without holders."""
    former: tuple[KeptKey, ...] = field(default=())
    """Earlier private halves, newest first, wrapped to the school and the holders."""

    @property
    def recipients(self) -> tuple[bytes, ...]:
        """To whom data keys are wrapped: the school first."""
        return (self.school, *(holder.public for holder in self.holders))


def kept_context(public: bytes) -> bytes:
    """Return what is authenticated with a wrapped private key."""
    return b"vuon kept school key v1" + public


def keep(public: bytes, private: bytes, recipients: Sequence[bytes], random_bytes: RandomBytes) -> KeptKey:
    """Wrap a private key to each recipient."""
    context = kept_context(public)
    return KeptKey(public, tuple(wrap(item, private, context, random_bytes) for item in recipients))


def _kept(kept: KeptKey | None) -> dict[str, Any] | None:
    if kept is None:
        return None
    return {"public": kept.public.hex(), "wrapped": [[part.hex() for part in item] for item in kept.wrapped]}


def encode_card(card: KeyCard) -> bytes:
    """Return the bytes of the file."""
    box = card.passphrase
    sealed = None
    if box is not None:
        sealed = {
            "kdf": "argon2id",
            **asdict(box.kdf),
            "salt": box.salt.hex(),
            "nonce": box.nonce.hex(),
            "sealed": box.sealed.hex(),
        }
    value = {
        "format": FORMAT,
        "school": card.school.hex(),
        "since_ms": card.since_ms,
        "passphrase": sealed,
        "holders": [
            {"place": item.place, "public": item.public.hex(), "since_ms": item.since_ms} for item in card.holders
        ],
        "current": _kept(card.current),
        "former": [_kept(item) for item in card.former],
    }
    return json.dumps(value, indent=1).encode() + b"\n"


def _read_kept(value: Mapping[str, Any]) -> KeptKey:
    wrapped = tuple(WrappedKey(*(bytes.fromhex(part) for part in item)) for item in value["wrapped"])
    return KeptKey(bytes.fromhex(value["public"]), wrapped)


def decode_card(data: bytes) -> KeyCard:
    """Read a card; ValueError if it is none of ours."""
    try:
        value = json.loads(data)
        if value["format"] != FORMAT:
            raise ValueError(f"a card of format {value['format']}")
        box, current = value["passphrase"], value["current"]
        sealed = None
        if box is not None:
            kdf = Kdf(int(box["memory_kib"]), int(box["passes"]), int(box["lanes"]))
            sealed = PassphraseBox(kdf, *(bytes.fromhex(box[name]) for name in ("salt", "nonce", "sealed")))
        return KeyCard(
            bytes.fromhex(value["school"]),
            int(value["since_ms"]),
            sealed,
            tuple(
                Holder(int(item["place"]), bytes.fromhex(item["public"]), int(item["since_ms"]))
                for item in value["holders"]
            ),
            _read_kept(current) if current is not None else None,
            tuple(_read_kept(item) for item in value["former"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError("no key card") from error


def read_card(path: Path) -> KeyCard | None:
    """Return the card, None before the first; ConfigError if it is damaged: a new one would lock all footage."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        if len(data) > MAX_BYTES:
            raise ValueError("too long")
        return decode_card(data)
    except ValueError as error:
        raise ConfigError(
            f"{path} is no key card: {error}",
            key=str(path),
            value="",
            remedy="restore the file from the box's backup; do not delete it: it opens the footage",
        ) from error


def write_card(path: Path, card: KeyCard) -> None:
    """Replace the card; on the medium when this returns. OSError from the disk."""
    write_whole(path, encode_card(card), 0o600)
