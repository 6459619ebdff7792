"""config.example.toml shows every key with its default."""

from __future__ import annotations

import tomllib
from pathlib import Path

from gateway.core.config import Config, Volume, known_keys, load_config

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config.example.toml"


def test_the_example_loads() -> None:
    """The example is a valid configuration as it stands."""
    assert load_config(EXAMPLE).site.timezone == "Asia/Ho_Chi_Minh"


def test_the_example_shows_every_key_and_no_other() -> None:
    """Every key of the models occurs in the example, and nothing else does."""
    shown = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    keys = {
        f"{section}.{key}"
        for section, content in shown.items()
        for key in (content[0] if isinstance(content, list) else content)
    }
    assert keys == set(known_keys())


def test_the_example_shows_the_defaults() -> None:
    """What the example says is what a box without configuration does."""
    example, default = load_config(EXAMPLE), Config()
    assert example.model_copy(update={"volumes": ()}) == default
    (volume,) = example.volumes
    assert volume == Volume(path=volume.path)


def test_every_key_of_the_example_is_explained() -> None:
    """Each section's keys carry a comment, so that nobody has to guess."""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#") and not line.startswith("port"):
            assert "#" in line or line.startswith("listen"), line
