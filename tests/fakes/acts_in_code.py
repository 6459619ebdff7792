"""The codes of all acts that the gateway writes into the audit, read out of its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

GATEWAY = Path(__file__).parents[2] / "gateway"
WRITERS = {"change": 1, "body": 1, "carry_out": 1, "_relay": 1}
"""Calls that write a row, and the place of the act's code among their arguments."""
DOORS = frozenset({"access/store.py", "access/acts.py", "access/audit.py"})
"""They take the code from whoever calls them."""


@dataclass
class Found:
    """Codes written out, those with a part filled in when it runs, and calls whose code could not be read."""

    codes: set[str] = field(default_factory=set)
    patterns: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)


def texts(node: ast.expr | None, around: ast.AST) -> Iterator[str | None]:
    """Yield what an expression can be: a text, a pattern with `{}`, or None if it cannot be read."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in values)
        case ast.IfExp(body=yes, orelse=no):
            yield from texts(yes, around)
            yield from texts(no, around)
        case ast.Name(id=name):
            yield from assigned(name, around)
        case _:
            yield None


def assigned(name: str, around: ast.AST) -> Iterator[str | None]:
    """Yield what a name stands for in its module."""
    found = False
    for node in ast.walk(around):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            assert isinstance(node, ast.Assign)
            found = True
            yield from texts(node.value, around)
    if not found:
        yield {"ERASE": "audit.erase"}.get(name)


def acts() -> Found:
    """Read them all."""
    found = Found()
    for path in sorted(GATEWAY.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
            name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            place = WRITERS.get(name)
            if place is None or len(call.args) < 3 or str(path.relative_to(GATEWAY)) in DOORS:
                continue
            inside = [item for item in functions if item.lineno <= call.lineno <= (item.end_lineno or 0)]
            around: ast.AST = inside[-1] if inside else tree
            for text in texts(call.args[place], around):
                if text is None:
                    found.unread.add(f"{path.relative_to(GATEWAY)}:{ast.unparse(call.args[place])}")
                elif "{}" in text:
                    found.patterns.add(text)
                elif "." in text or text.isalpha():
                    found.codes.add(text)
    found.codes |= {"denied", "denied.repeats", "login.again"}
    return found


def methods_of_actors() -> Iterator[tuple[str, set[str]]]:
    """Yield each public coroutine of access that takes an actor, with the names of what it calls."""
    for path in sorted((GATEWAY / "access").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.AsyncFunctionDef) or node.name.startswith("_"):
                continue
            if any(argument.arg == "actor" for argument in node.args.args):
                calls = [item.func for item in ast.walk(node) if isinstance(item, ast.Call)]
                names = {item.attr if isinstance(item, ast.Attribute) else ast.unparse(item) for item in calls}
                yield f"{path.name}:{node.name}", names
