"""What a command line that cannot be understood is answered: what is wrong with it, and what to type instead.

Owns `Verb` and `Verbs`, the classes of all our commands and groups, and these answers. Invariants: they are in the
language that the command would have spoken ($VUON_LANG, else the site's), two lines on standard error like any other
error, and exit status 2; the verb is named, and so is the nearest one that there is; nothing has been done.
"""

from __future__ import annotations

import difflib
import enum
import inspect
import itertools
import os
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from gateway.access.roster.cells import plain
from gateway.cli.context import LANGUAGE_ENV, find_config, told
from gateway.cli.helping import speak, usage
from gateway.core.config import load_config
from gateway.core.errors import BadInput, VuonError
from gateway.core.i18n import DEFAULT_LANGUAGE, Catalogue, catalogue

UNUSABLE = 2
"""Exit status of a command line that cannot be understood, as shells and typer have it."""
USAGE_ERROR = typing.cast("type[Exception]", typer.BadParameter.__bases__[0])
"""Typer keeps the type of all these errors to itself; contexts and parameters it hands over are `Any` here."""
PROGRAM = "vuon"
TYPED = "vuon.typed"
"""Where a context keeps the words that its command was given."""


class Verbs(TyperGroup):
    """A group of commands; what it does not know is answered by name."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help in the reader's language."""
        _speak(self, ctx)
        super().format_help(ctx, formatter)

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Write how it is typed."""
        usage(words_of(typed_at(ctx)), ctx, self.collect_usage_pieces(ctx), formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words before the verb; none at all shows the help."""
        ctx.meta[TYPED] = list(args)
        if not args and self.no_args_is_help:
            return super().parse_args(ctx, args)
        typed = list(args)
        try:
            return super().parse_args(ctx, args)
        except USAGE_ERROR as error:
            refuse(typed, mistake(ctx, error, words_of(typed)), error)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the first word names."""
        if args and not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            refuse(args, unknown_verb(ctx, self, args[0], words_of(args)))
        return super().resolve_command(ctx, args)


class Verb(TyperCommand):
    """A command; what does not fit it is answered by name."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help in the reader's language."""
        _speak(self, ctx)
        super().format_help(ctx, formatter)

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Write how it is typed."""
        usage(words_of(typed_at(ctx)), ctx, self.collect_usage_pieces(ctx), formatter)

    def invoke(self, ctx: Any) -> Any:
        """Do it; whoever breaks off is told so in their language."""
        try:
            return super().invoke(ctx)
        except (typer.Abort, EOFError):
            speak(words_of(typed_at(ctx)))
            raise

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read options and arguments."""
        typed = ctx.meta[TYPED] = list(args)
        ctx.allow_extra_args = True  # refused below, where they are known
        try:
            rest = super().parse_args(ctx, args)
        except USAGE_ERROR as error:
            refuse(typed, mistake(ctx, error, words_of(typed)), error)
        if ctx.args and not ctx.resilient_parsing:
            refuse(typed, _bad(ctx, "usage_extra", " ".join(ctx.args)))
        return rest


def typed_at(ctx: Any) -> Sequence[str]:
    """Return what was typed after the name of the command whose help or end this is."""
    return typing.cast("Sequence[str]", ctx.meta.get(TYPED, ()))


def _speak(command: Any, ctx: Any) -> None:
    words = words_of(typed_at(ctx))
    speak(words)
    if (option := command.get_help_option(ctx)) is not None:
        option.help = words.text("cli.help.show")


def refuse(typed: Sequence[str], error: BadInput, cause: Exception | None = None) -> NoReturn:
    """Print what is wrong and end with status 2."""
    told(error, language_of(typed))
    raise typer.Exit(UNUSABLE) from cause


def language_of(typed: Sequence[str]) -> str:
    """Return the language the command would have spoken: $VUON_LANG, else the site's, else Vietnamese."""
    if named := os.environ.get(LANGUAGE_ENV):
        return named
    config, data = (_after(typed, name) for name in ("--config", "--data"))
    try:
        return load_config(find_config(config, data)).site.language
    except (VuonError, OSError):  # it is the command line that is wrong here, and a box may not be there yet
        return DEFAULT_LANGUAGE


def words_of(typed: Sequence[str]) -> Catalogue:
    """Return the catalogue of that language."""
    return catalogue(language_of(typed))


def _after(typed: Sequence[str], name: str) -> Path | None:
    found = [value for word, value in itertools.pairwise(typed) if word == name]
    found += [word.removeprefix(f"{name}=") for word in typed if word.startswith(f"{name}=")]
    return Path(found[-1]) if found else None


def path_of(ctx: Any) -> str:
    """Return a command as it is typed: "vuon nhat-ky xac-minh"."""
    names = []
    while ctx.parent is not None:
        names.append(str(ctx.info_name))
        ctx = ctx.parent
    return " ".join([PROGRAM, *reversed(names)])


def unknown_verb(ctx: Any, group: Any, word: str, words: Catalogue) -> BadInput:
    """Say that there is no such verb, and which is nearest."""
    here = path_of(ctx)
    near = nearest(word, dict(reversed([*_verbs(group, "")])))  # ours before its English alias
    maybe = words.text("cli.usage.maybe", near=f"{here} {near}") if near else ""
    return _bad(ctx, "usage_verb", f"{here} {word}", maybe=maybe)


def _verbs(group: Any, before: str) -> Iterator[tuple[str, str]]:
    """Yield every verb below a group by what may be typed for it: itself, and its path."""
    for name in group.commands:
        yield name, before + name
    for name, command in group.commands.items():
        for word, path in _verbs(command, f"{before}{name} ") if hasattr(command, "commands") else ():
            yield path, path
            if word not in group.commands:
                yield word, path


def nearest(word: str, verbs: dict[str, str]) -> str:
    """Return the verb that is most like a word, also one typed with its marks; nothing if none is."""
    said = plain(word)
    known = {plain(name): path for name, path in verbs.items()}
    close = difflib.get_close_matches(said, known, n=1, cutoff=0.6)
    return known[close[0]] if close else ""


def mistake(ctx: Any, error: Any, words: Catalogue) -> BadInput:
    """Return what is wrong with options or arguments, in our words."""
    kind, param = type(error).__name__, getattr(error, "param", None)
    option = str(getattr(error, "option_name", ""))
    if kind == "MissingParameter" and param is not None:
        return _bad(ctx, "usage_missing", name_of(param, words))
    if kind == "BadParameter" and param is not None:
        needs = needed(ctx, param, words)
        return _bad(ctx, "usage_value", said_value(error), what=name_of(param, words), needs=needs)
    if kind == "NoSuchOption":
        options = [*ctx.help_option_names, *(name for item in ctx.command.params for name in item.opts)]
        near = nearest(option, {name: name for name in options if name.startswith("-")})
        maybe = words.text("cli.usage.maybe", near=near) if near else ""
        return _bad(ctx, "usage_option", option, maybe=maybe)
    if kind == "BadOptionUsage":
        flags = [item for item in ctx.command.params if option in item.opts and getattr(item, "is_flag", False)]
        return _bad(ctx, "usage_option_flag" if flags else "usage_option_bare", option)
    return _bad(ctx, "usage_other", error.format_message())


def _bad(ctx: Any, case: str, value: str, **fields: str) -> BadInput:
    verb, value = path_of(ctx), "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in value)
    return BadInput(f"{verb}: {value}", case=case, key=verb, value=value, verb=verb, **fields)


def name_of(param: Any, words: Catalogue) -> str:
    """Return what a person calls a parameter: its options, or what its help calls the argument."""
    if param.param_type_name == "option":
        return " / ".join(param.opts)
    vietnamese, _, english = str(getattr(param, "help", "") or param.name).partition(" · ")
    return english if english and words.language == "en" else vietnamese


def said_value(error: Exception) -> str:
    """Return the value that was refused, as far as is known."""
    found: Sequence[dict[str, Any]] = getattr(error.__cause__, "errors", list)()
    return str(found[0].get("input", "…")) if found else "…"


def needed(ctx: Any, param: Any, words: Catalogue) -> str:
    """Say what a parameter takes, as its command declares it; empty for any text."""
    hints = typing.get_type_hints(inspect.unwrap(ctx.command.callback), include_extras=True)
    kind, info = _taken(hints.get(param.name))
    if choices := _choices(kind):
        return words.text("cli.usage.choices", choices=", ".join(choices))
    if kind not in {int, float}:
        return ""
    least, most = getattr(info, "min", None), getattr(info, "max", None)
    if least is not None and most is not None:
        return words.text("cli.usage.between", least=f"{least:g}", most=f"{most:g}")
    if least is not None:
        return words.text("cli.usage.least", least=f"{least:g}")
    return words.text("cli.usage.whole" if kind is int else "cli.usage.number")


def _taken(hint: Any) -> tuple[Any, Any]:
    """Return the plain type behind an annotation, and what typer was told of it."""
    kind, info = hint, None
    while (origin := typing.get_origin(kind)) in {typing.Annotated, typing.Union, types.UnionType}:
        if origin is typing.Annotated:
            kind, info = typing.get_args(kind)[:2]
        else:
            kind = next(item for item in typing.get_args(kind) if item is not types.NoneType)
    return kind, info


def _choices(kind: Any) -> list[str]:
    if typing.get_origin(kind) is typing.Literal:
        return [str(item) for item in typing.get_args(kind)]
    return [str(item.value) for item in kind] if isinstance(kind, type) and issubclass(kind, enum.Enum) else []
