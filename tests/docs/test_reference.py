"""The reference pages say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.app import COMMANDS, app
from tests.docs.reference import PAGES, REF

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_what_the_code_says(name: str) -> None:
    """The page equals what is rendered from the code (`python -m tests.docs.reference` writes it)."""
    assert (REF / name).read_text(encoding="utf-8") == PAGES[name]()


def test_help_lists_every_command_and_answers_to_its_alias() -> None:
    """`vuon --help` names each verb, and each alias shows the same help."""
    runner = CliRunner()
    listed = runner.invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    for name, alias, _ in COMMANDS:
        assert re.search(rf"\b{name}\b", listed), name
        ours = runner.invoke(app, [name, "--help"])
        assert ours.exit_code == 0
        if alias:
            theirs = runner.invoke(app, [alias, "--help"])
            assert theirs.output.replace(alias, name).split() == ours.output.replace(alias, name).split()


def test_verbs_are_unaccented() -> None:
    """A Vietnamese verb can be typed on any keyboard."""
    for name, alias, _ in COMMANDS:
        assert name.isascii()
        assert alias is None or alias.isascii()


def test_every_folder_the_readme_names_exists_and_every_link_leads_somewhere() -> None:
    """README and ARCHITECTURE link to what is there."""
    for page in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert (ROOT / target).exists(), f"{page}: {target}"
    table = re.findall(r"`((?:[a-z]+/)+)`", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(table) >= 12
    assert [folder for folder in table if not (ROOT / folder).is_dir()] == []


def test_the_readmes_commands_are_the_makefiles() -> None:
    """The two commands of the README are targets of the Makefile, and CI runs the second."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test", "check", "bench", "browser", "soak", "clean"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make check" in ci
    assert "make test" in ci
