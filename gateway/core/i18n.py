"""The catalogues: every text a person reads, by key, in Vietnamese and English.

Owns loading and lookup of `locale/{vi,en}.json` (flat keys; this package's hold the codes of errors,
events, conditions and reasons and the CLI's words, web's are merged on top). Invariants: both languages
have the same keys and the same `{placeholders}` (tests); a missing key is a KeyError, never a blank.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files

LANGUAGES = ("vi", "en")
DEFAULT_LANGUAGE = "vi"


class Catalogue:
    """The texts of one language."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language, self.texts = language, texts

    def text(self, key: str, **values: object) -> str:
        """Return the text of a key with its placeholders filled; KeyError if there is none."""
        template = self.texts[key]
        return template.format(**values) if values else template

    def error(self, code: str) -> tuple[str, str]:
        """Return title and remedy of an error code."""
        known = code if f"error.{code}" in self.texts else "internal"
        return self.texts[f"error.{known}"], self.texts[f"error.{known}.hint"]


@lru_cache(maxsize=16)
def catalogue(language: str, packages: Sequence[str] = ("gateway.core",)) -> Catalogue:
    """Return the merged catalogue of the packages; an unknown language falls back to Vietnamese."""
    chosen = language if language in LANGUAGES else DEFAULT_LANGUAGE
    texts: dict[str, str] = {}
    for package in packages:
        texts |= json.loads((files(package) / "locale" / f"{chosen}.json").read_text(encoding="utf-8"))
    return Catalogue(chosen, texts)
