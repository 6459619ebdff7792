"""Files the browser may fetch without a session: scripts, styles, fonts, icons.

Owns reading `web/static` once at start and answering from memory. Invariants: the address holds a hash of
all files, so an answer may be kept for ever and a new version is a new address; a path is looked up in a
table, never joined to a folder; text is compressed once, at start.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.responses import Response

from gateway.core.errors import NotFound

TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent."""

    media_type: str
    body: bytes
    packed: bytes | None
    """gzip form; None where it would not be smaller."""


class Assets:
    """All static files of one version."""

    def __init__(self, table: Mapping[str, Asset]) -> None:
        self._table = table
        digest = hashlib.sha256()
        for path in sorted(table):
            digest.update(path.encode() + b"\0" + table[path].body)
        self.version = digest.hexdigest()[:12]

    def get(self, version: str, path: str) -> Asset:
        """Return a file; NotFound for another version or an unknown path."""
        asset = self._table.get(path)
        if asset is None or version != self.version:
            raise NotFound("no such file")
        return asset

    def url(self, path: str) -> str:
        """Return the address of a file; KeyError if a template names one that is not there."""
        if path not in self._table:
            raise KeyError(path)
        return f"/static/{self.version}/{path}"

    def paths(self) -> list[str]:
        """Return all paths."""
        return sorted(self._table)


def _walk(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry.read_bytes()


@lru_cache(maxsize=1)
def load_assets() -> Assets:
    """Read all files of `web/static`; KeyError for a kind of file without a declared type."""
    table = {}
    for path, body in _walk(files("web") / "static"):
        media_type = TYPES["." + path.rpartition(".")[2]]
        packed = gzip.compress(body, 9, mtime=0) if media_type.startswith(("text/", "image/svg")) else None
        table[path] = Asset(media_type, body, packed if packed and len(packed) < len(body) else None)
    return Assets(table)


def asset_response(accepted: str, version: str, path: str) -> Response:
    """Return one file of this version, for ever; packed where the browser takes that (`Accept-Encoding`)."""
    asset = load_assets().get(version, path)
    headers = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding"}
    if asset.packed is not None and "gzip" in accepted:
        return Response(asset.packed, media_type=asset.media_type, headers=headers | {"Content-Encoding": "gzip"})
    return Response(asset.body, media_type=asset.media_type, headers=headers)
