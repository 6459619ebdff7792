"""config.toml: what is accepted, and what a wrong key says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.config import Config, known_keys, load_config, parse_config
from gateway.core.daemonize import explain
from gateway.core.errors import ConfigError


def refused(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    return caught.value


def test_an_empty_file_is_a_box_with_all_defaults() -> None:
    """A box without configuration has every default and no volume."""
    assert parse_config("") == Config()
    assert Config().volumes == ()


def test_an_unknown_key_is_named_with_the_key_that_was_meant() -> None:
    """A misspelt key is refused, and the remedy names the nearest real one."""
    error = refused("[recording]\nsegment_secs = 60\n")
    assert error.fields["key"] == "recording.segment_secs"
    assert error.fields["value"] == "60"
    assert "segment_s" in str(error.fields["remedy"])


def test_an_unknown_section_is_named() -> None:
    """A misspelt section is refused, and the nearest is named."""
    error = refused("[retentions]\ndays = 3\n")
    assert error.fields["key"] == "retentions"
    assert "retention" in str(error.fields["remedy"])


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("[recording]\nsegment_s = 2\n", "recording.segment_s", "5"),
        ("[web]\nport = 70000\n", "web.port", "65535"),
        ('[site]\ntimezone = "Mars/Olympus"\n', "site.timezone", "Asia/Ho_Chi_Minh"),
        ('[site]\nlanguage = "fr"\n', "site.language", "vi"),
        ('[live]\naddresses = ["eth0"]\n', "live.addresses", "eth0"),
        ('[upstream]\nurl = "http://hub.example"\n', "upstream.url", "https://"),
        ("[web]\ninsecure_loopback = true\n", "web", "127.0.0.1"),
        ('[camera_lan]\ninterface = "eth1"\n', "camera_lan", "both"),
        ('[camera_lan]\nrange = "192.168.10.1-192.168.10.9"\n', "camera_lan", "both"),
        ('[camera_lan]\nrange = "192.168.10.0/24"\n', "camera_lan.range", "192.168.10.100-192.168.10.199"),
        ('[camera_lan]\nrange = "192.168.10.9-192.168.10.1"\n', "camera_lan.range", "lower one first"),
        ('[camera_lan]\nrange = "10.0.0.1-10.9.0.1"\n', "camera_lan.range", "1000"),
        ('[camera_lan]\nrange = "8.8.8.1-8.8.8.9"\n', "camera_lan.range", "private"),
        ("[cameras]\ntime_port = 70000\n", "cameras.time_port", "65535"),
        ('[retention]\ndays = "many"\n', "retention.days", "integer"),
        ("[[retention.rules]]\ndays = 3\n", "retention.rules.0", "cameras"),
        ('[[retention.rules]]\ncameras = ["A"]\nclasses = ["B"]\ndays = 3\n', "retention.rules.0", "one of the two"),
        ('[[retention.rules]]\ncameras = ["A"]\n', "retention.rules.0", "states nothing"),
        ('[[retention.rules]]\ncameras = ["A"]\ndays = 0\n', "retention.rules.0.days", "1"),
        ('[[retention.rules]]\ncameras = [""]\ndays = 3\n', "retention.rules.0.cameras.0", "1"),
        (
            '[[retention.rules]]\ncameras = ["A"]\ndays = 3\n[[retention.rules]]\ncameras = ["a"]\nsub_days = 3\n',
            "retention.rules",
            "two rules",
        ),
        ('[[retention.rules]]\nclasses = ["A"]\ndayz = 3\n', "retention.rules.0.dayz", "did you mean days"),
        ('[web]\nlisten = "localhost"\n', "web.listen", "0.0.0.0"),
        ('[hub]\nlisten = "hub.example"\n', "hub.listen", "no IP address"),
        ('[hub]\nlisten = "192.168.1.4"\ninsecure_loopback = true\n', "hub", "127.0.0.1"),
        ('[upstream]\nurl = "http://127.0.0.1:80@hub.example/"\n', "upstream.url", "https://"),
        ('[upstream]\nurl = "https://me:secret@hub.example/"\n', "upstream.url", "https://"),
        ('[upstream]\nurl = "https://"\n', "upstream.url", "https://"),
        (f'[paths]\nrun = "/{"x" * 100}"\n', "paths.run", "/run/vuon"),
        ('[[volumes]]\npath = "/a"\n[[volumes]]\npath = "/a/"\n', "volumes", "twice"),
        ("[[volumes]]\nmin_free_bytes = 3\n", "volumes.0.path", "required"),
    ],
)
def test_a_wrong_value_names_key_value_and_remedy(text: str, key: str, said: str) -> None:
    """Each wrong value is refused with its key and what would be right."""
    error = refused(text)
    assert error.fields["key"] == key
    assert said in f"{error.message} {error.fields['remedy']}"


def test_broken_toml_names_the_line() -> None:
    """A file that is no TOML is refused with the parser's line."""
    assert "line 1" in refused("[site\n").message


def test_a_missing_file_names_the_option(tmp_path: Path) -> None:
    """A file that is not there is refused, and the remedy is --config."""
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "none.toml")
    assert "--config" in str(caught.value.fields["remedy"])


def test_plain_http_is_allowed_on_loopback_only() -> None:
    """`insecure_loopback` works with a loopback address and with no other."""
    good = parse_config('[web]\nlisten = "127.0.0.1"\ninsecure_loopback = true\n')
    assert good.web.insecure_loopback
    refused('[web]\nlisten = "192.168.1.4"\ninsecure_loopback = true\n')


def test_a_configuration_cannot_be_changed() -> None:
    """Models are frozen: nobody edits the configuration while running."""
    with pytest.raises(ValueError, match="frozen"):
        Config().site.name = "x"


def test_rules_of_retention_are_read_as_they_stand() -> None:
    """A camera, a group of cameras, a class; what a rule does not state stays open."""
    text = (
        '[[retention.rules]]\ncameras = ["Cổng"]\ndays = 60\n'
        '[[retention.rules]]\ncameras = ["Cổng", "Sân"]\nevent_days = 0\n'
        '[[retention.rules]]\nclasses = [" Mầm 1 "]\nmax_bytes_per_stream = 5\n'
    )
    rules = parse_config(text).retention.rules
    assert [(rule.cameras, rule.classes) for rule in rules] == [
        (("Cổng",), ()),
        (("Cổng", "Sân"), ()),
        ((), ("Mầm 1",)),
    ]
    assert [(rule.days, rule.event_days, rule.max_bytes_per_stream) for rule in rules] == [
        (60, None, None),
        (None, 0, None),
        (None, None, 5),
    ]


def test_known_keys_cover_every_section() -> None:
    """The list that the documents are checked against holds every section and key once."""
    keys = known_keys()
    assert len(keys) == len(set(keys))
    assert {key.split(".")[0] for key in keys} == set(Config.model_fields)


@given(st.text(max_size=300))
def test_no_text_raises_anything_but_a_config_error(text: str) -> None:
    """Whatever the file holds, the answer is a configuration or a ConfigError."""
    try:
        parse_config(text)
    except ConfigError as error:
        assert {"key", "value", "remedy"} <= set(error.fields)


def test_a_file_that_is_not_there_yet_is_a_new_box(tmp_path: Path) -> None:
    """Whoever unpacks a box is told which file to copy where; a file that is there and cannot be read is another case."""
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "config.toml")
    assert caught.value.fields["case"] == "new_box"
    told = explain(caught.value, "vi")
    assert "chép config.example.toml thành " + str(tmp_path / "config.toml") in told
    assert "No such file" not in told
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path)
    assert caught.value.fields["case"] == "no_config"
