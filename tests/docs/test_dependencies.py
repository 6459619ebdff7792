"""docs/dependencies.md names every dependency, its floor and why; the lock files pin them all by hash."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirements(kind: str) -> dict[str, str]:
    """Return name: floor of the runtime or dev requirements."""
    listed = PROJECT["dependencies"] if kind == "runtime" else PROJECT["optional-dependencies"]["dev"]
    return {re.split(r"[>=<]", item)[0]: re.split(r">=", item)[1].split(",")[0] for item in listed}


def rows() -> dict[str, tuple[str, str]]:
    """Return name: (floor, why) from the tables of the document."""
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \|", text, re.MULTILINE)
    return {name: (floor.strip(), why.strip()) for name, floor, why in found}


def test_every_dependency_is_explained_with_its_floor() -> None:
    """The tables and pyproject.toml name the same packages with the same floors, and say why."""
    wanted = requirements("runtime") | requirements("dev")
    told = rows()
    assert set(told) == set(wanted)
    assert {name: floor for name, (floor, _) in told.items()} == wanted
    assert all(len(why) > 15 for _, why in told.values())


def test_the_lock_files_pin_every_dependency_by_hash() -> None:
    """Each requirement is pinned with `==` and at least one SHA-256, and no index is named."""
    for name, kinds in (("constraints.lock", ["runtime"]), ("constraints-dev.lock", ["runtime", "dev"])):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "index-url" not in text
        pinned = set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
        for kind in kinds:
            assert set(requirements(kind)) <= pinned
        for block in re.split(r"\n(?=[a-z0-9-]+==)", text):
            assert "--hash=sha256:" in block, block[:60]
