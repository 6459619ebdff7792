"""A yes or a no from the person at the terminal.

Owns the answers that count, in the languages of the house: an installer answers in the language he reads.
Invariants: Enter alone is a no; whatever is neither is asked again.
"""

from __future__ import annotations

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
