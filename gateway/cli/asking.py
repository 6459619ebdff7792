"""What the person at the terminal answers: a yes or a no, or something that nobody else may read.

Owns the answers that count, in the languages of the house: an installer answers in the language he reads.
Invariants: Enter alone is a no; whatever is neither is asked again; a secret is typed without echo or comes through a
pipe, one line for each, and is never an argument.
"""

from __future__ import annotations

import sys

import typer

from gateway.cli.context import Context

YES, NO = frozenset({"y", "yes", "c", "co", "có"}), frozenset({"", "n", "no", "k", "khong", "không"})


def agrees(context: Context, key: str, **values: object) -> bool:
    """Ask a question of the catalogue on standard error; typer.Abort when the input ends."""
    question = f"{context.words.text(key, **values)} {context.words.text('cli.yes_no')}"
    while True:
        said = str(typer.prompt(question, default="", show_default=False, err=True)).strip().casefold()
        if said in YES | NO:
            return said in YES


def hidden(context: Context, key: str, **values: object) -> str:
    """Return a secret: asked for without echo, or the next line of a pipe; typer.Abort when the input ends."""
    if sys.stdin.isatty():
        return str(typer.prompt(context.words.text(key, **values), hide_input=True, err=True))
    line = sys.stdin.readline()
    if not line:
        raise typer.Abort
    return line.rstrip("\r\n")
