"""Checking a copy without a box: what is intact, altered, missing or of somebody else.

Owns the verdict on a folder; `kiem-tra.html` comes to the same one in a browser. Invariants: nothing is believed
before the signature; a file is read once, in pieces; names are compared, never followed (a link, a folder or a
name with a slash is a stranger); every problem names its file.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.core.errors import BadInput
from recorder.manifest import FORMAT, MANIFEST_NAME, SIGNATURE_NAME, check_signature

CHUNK_BYTES = 1 << 20
MAX_PAPER_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one file."""

    file: str
    kind: str
    """altered, missing, extra, renamed, unsigned."""
    of: str = ""
    """What a renamed file was called."""


@dataclass(slots=True)
class Verdict:
    """What the check of a folder found."""

    intact: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    fingerprint: str = ""
    """Mark of the key that signed; to be compared with the printed one. Empty: nothing readable."""
    manifest: dict[str, Any] = field(default_factory=dict)
    """Empty unless its signature holds."""

    @property
    def good(self) -> bool:
        """Say whether everything is as it was signed."""
        return not self.problems and bool(self.manifest)


def verify(folder: Path, expected: str = "") -> Verdict:
    """Check a folder; `expected` is a fingerprint that the signer's must equal. BadInput if it is no folder."""
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder", case="no_folder", path=str(folder))
    names = sorted(entry.name for entry in folder.iterdir())
    papers = {name: _small(folder / name) for name in (MANIFEST_NAME, SIGNATURE_NAME) if name in names}
    verdict = Verdict()
    for name in (MANIFEST_NAME, SIGNATURE_NAME):
        if name not in papers:
            verdict.problems.append(Problem(name, "missing"))
    if verdict.problems:
        return verdict
    wrong, verdict.fingerprint = check_signature(papers[MANIFEST_NAME], papers[SIGNATURE_NAME])
    if wrong is not None:
        verdict.problems.append(Problem(wrong, "altered"))
        return verdict
    if expected and _plain(expected) != _plain(verdict.fingerprint):
        verdict.problems.append(Problem(SIGNATURE_NAME, "unsigned"))
        return verdict
    manifest = json.loads(papers[MANIFEST_NAME])
    if manifest.get("format") != FORMAT:
        verdict.problems.append(Problem(MANIFEST_NAME, "altered"))
        return verdict
    verdict.manifest, verdict.intact = manifest, [MANIFEST_NAME, SIGNATURE_NAME]
    _files(folder, names, verdict)
    return verdict


def _files(folder: Path, names: list[str], verdict: Verdict) -> None:
    listed = {str(item["name"]): str(item["sha256"]) for item in verdict.manifest["files"]}
    sums = {name: _sha256(folder / name) for name in names if name not in {MANIFEST_NAME, SIGNATURE_NAME}}
    missing = {digest: name for name, digest in listed.items() if name not in sums}
    renamed: set[str] = set()
    for name, digest in sums.items():
        if name in listed:
            if digest == listed[name]:
                verdict.intact.append(name)
            else:
                verdict.problems.append(Problem(name, "altered"))
        elif digest in missing:
            renamed.add(missing[digest])
            verdict.problems.append(Problem(name, "renamed", missing[digest]))
        else:
            verdict.problems.append(Problem(name, "extra"))
    verdict.problems += [Problem(name, "missing") for name in missing.values() if name not in renamed]


def _plain(mark: str) -> str:
    return "".join(mark.split()).replace(":", "").lower()


def _small(path: Path) -> bytes:
    data = _read(path, MAX_PAPER_BYTES + 1)
    return data if len(data) <= MAX_PAPER_BYTES else b""


def _read(path: Path, limit: int) -> bytes:
    fd = _open(path)
    if fd is None:
        return b""
    with os.fdopen(fd, "rb") as file:
        return file.read(limit)


def _open(path: Path) -> int | None:
    """Open a plain file; None for a link, a folder or a device."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return None
    return fd


def _sha256(path: Path) -> str:
    """Return a file's sum; empty, so equal to none, if it is no plain file or cannot be read."""
    fd = _open(path)
    if fd is None:
        return ""
    digest = hashlib.sha256()
    with os.fdopen(fd, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
