"""`vuon trich-xuat --xac-minh`: is a copy whole, and whose is it.

Owns the words of the verdict. Invariants: checking a copy needs no box, no configuration and no network; it ends
with status 1 unless everything is as it was signed, and names each file that is not; a file's name cannot steer
the terminal.
"""

from __future__ import annotations

import os
from pathlib import Path

import typer

from gateway.cli import show
from gateway.cli.context import LANGUAGE_ENV, plain_console
from gateway.core.i18n import DEFAULT_LANGUAGE, Catalogue, catalogue
from recorder.exportverify import Verdict, verify


def verify_copy(folder: Path, mark: str) -> None:
    """Check a copy and print the verdict; exits with status 1 unless it is whole. BadInput if it is no folder."""
    words = catalogue(os.environ.get(LANGUAGE_ENV) or DEFAULT_LANGUAGE)
    verdict = verify(folder, mark)
    console = plain_console()
    for line in lines_of(verdict, words):
        console.print(line, soft_wrap=True)
    if not verdict.good:
        raise typer.Exit(1)


def lines_of(verdict: Verdict, words: Catalogue) -> list[str]:
    """Return what is said of a copy."""
    lines = [
        words.text(f"cli.verify.{problem.kind}", file=printable(problem.file), of=problem.of)
        for problem in verdict.problems
    ]
    said = verdict.manifest
    if said:
        zone = str(said["site"]["zone"]) if "site" in said else "UTC"
        span = {key: show.clock(said["asked"][f"{key}_ms"], zone) for key in ("from", "to")}
        day = show.day(said["asked"]["from_ms"], zone)
        lines.append(words.text("cli.verify.what", camera=said["camera"]["name"], day=day, **span))
        for gap in said["gaps"]:
            causes = ", ".join(words.texts.get(f"reason.gap.{cause}", str(cause)) for cause in gap["causes"])
            at = {key: show.clock(gap[f"{key}_ms"], zone) for key in ("start", "end")}
            lines.append(words.text("cli.verify.gap", causes=causes, **at))
    if verdict.fingerprint:
        lines.append(words.text("cli.verify.mark", mark=verdict.fingerprint))
    lines.append(words.text("cli.verify.good" if verdict.good else "cli.verify.bad", count=len(verdict.intact)))
    return lines


def printable(name: str) -> str:
    """Return a file's name without what a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in name)
