"""The words around a command's help, in the language that the command would have spoken.

Owns them: headings, what is required, what stands when nothing is said, the line of an abort. Invariants: typer prints
its own words from module constants, which are set here right before each time they are printed, so no help is in the
language of the one before; the texts of the commands themselves are in both languages always.
"""

from __future__ import annotations

from typing import Any

from typer import rich_utils

from gateway.core.i18n import Catalogue

METAVARS = {"[OPTIONS]": "cli.help.some_options", "COMMAND [ARGS]...": "cli.help.some_command"}
"""What typer writes into a line of usage for anything."""


def speak(words: Catalogue) -> None:
    """Let typer's help and its last words be in a language."""
    rich_utils.ARGUMENTS_PANEL_TITLE = words.text("cli.help.arguments")
    rich_utils.OPTIONS_PANEL_TITLE = words.text("cli.help.options")
    rich_utils.COMMANDS_PANEL_TITLE = words.text("cli.help.commands")
    rich_utils.ERRORS_PANEL_TITLE = words.text("cli.help.error")
    rich_utils.REQUIRED_LONG_STRING = words.text("cli.help.required")
    rich_utils.DEFAULT_STRING = words.text("cli.help.default", value="{}")
    rich_utils.ENVVAR_STRING = words.text("cli.help.env", value="{}")
    rich_utils.DEPRECATED_STRING = words.text("cli.help.deprecated")
    rich_utils.ABORTED_TEXT = words.text("cli.help.aborted")
    rich_utils.RICH_HELP = words.text("cli.help.try")


def usage(words: Catalogue, ctx: Any, pieces: list[str], formatter: Any) -> None:
    """Write the line that says how a command is typed."""
    said = [words.text(METAVARS[piece]) if piece in METAVARS else piece for piece in pieces]
    formatter.write_usage(ctx.command_path, " ".join(said), prefix=f"{words.text('cli.help.usage')} ")
