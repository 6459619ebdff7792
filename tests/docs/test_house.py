"""The rules of the house that no linter knows: small rooms, empty doors, nothing left for later."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("gateway", "drivers", "recorder", "web")
MAX_LINES, MEDIAN_LINES, MAX_FUNCTION_LINES = 400, 180, 60


def tracked(*patterns: str) -> list[Path]:
    """Return the files of the repository that match, whether committed or new."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [ROOT / name for name in listed if name and (ROOT / name).exists()]


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


PYTHON = tracked("*.py")
CODE = [path for path in PYTHON if path.relative_to(ROOT).parts[0] in PRODUCT]


def test_no_file_is_over_four_hundred_lines() -> None:
    """Every source, test and script fits into one room."""
    files = [*PYTHON, *tracked("*.js", "*.css", "*.sql", "*.html")]
    assert {str(path.relative_to(ROOT)): n for path in files if (n := lines(path)) > MAX_LINES} == {}


def test_the_median_file_is_small() -> None:
    """Half of the product's modules have at most 180 lines."""
    assert statistics.median(lines(path) for path in CODE if path.name != "__init__.py") <= MEDIAN_LINES


def test_tests_are_at_least_as_long_as_the_code() -> None:
    """There are no fewer lines of tests than of product."""
    tests = [path for path in PYTHON if path.relative_to(ROOT).parts[0] == "tests"]
    assert sum(map(lines, tests)) >= sum(map(lines, CODE))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_function_is_over_sixty_lines() -> None:
    """Every function of the product fits on a screen."""
    long = {
        f"{path.relative_to(ROOT)}:{node.name}": length
        for path in CODE
        for node in functions(path)
        if (length := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_package_doors_are_empty() -> None:
    """`__init__.py` files hold nothing: an import there would close a cycle."""
    assert [path for path in PYTHON if path.name == "__init__.py" and path.read_text().strip()] == []


def test_every_module_says_what_it_owns() -> None:
    """Each module of the product opens with a docstring of more than a line, or says it in one."""
    for path in CODE:
        if path.name != "__init__.py":
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
            assert text, path
            assert len(text) > 25, path


def test_every_test_says_the_sentence_it_proves() -> None:
    """Each test function has a docstring."""
    missing = [
        f"{path.relative_to(ROOT)}:{node.name}"
        for path in PYTHON
        if path.name.startswith("test_")
        for node in functions(path)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert missing == []


def test_nothing_is_left_for_later_in_comments() -> None:
    """No file of the product holds a reminder to finish it."""
    word = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    for path in CODE:
        assert not word.search(path.read_text(encoding="utf-8")), path


def test_every_exception_to_a_check_has_its_reason() -> None:
    """`noqa` and `type: ignore` name their rule and say why, on the same line."""
    rule = re.compile(r"#\s*(noqa(?!: [A-Z0-9, ]+ +- \S)|type: ignore(?!\[[a-z-]+(, ?[a-z-]+)*\] +# \S))")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in PYTHON
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if rule.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("word", [r"/(tmp|work|root|home)/[a-z]", r"(pypi|npmjs|deb\.debian|proxy\.golang)\."])
def test_no_machine_paths_and_no_registry_hosts(word: str) -> None:
    """The project names no machine's folders and no package index."""
    pattern = re.compile(word)
    for path in tracked():
        if path.suffix in {".py", ".md", ".toml", ".lock", ".js", ".html", ".service", ""} and path != Path(__file__):
            try:
                text = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            assert not pattern.search(text), path
