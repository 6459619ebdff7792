"""Sealing the key into systemd's store: read back before the file goes, nothing secret in an argument."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gateway.cli.credential import SYSTEMD_CREDS, check_unit, seal_credential
from gateway.core.errors import BadInput, ConfigError
from tests.fakes.cli_box import cli_box, daemon

KEY = bytes(range(32))
TOOL = """#!/bin/sh
echo "$@" >> "{log}"
case "$1" in
has-tpm2) exit {tpm} ;;
encrypt) for last; do :; done; {encrypt} ;;
decrypt) {decrypt} ;;
esac
"""


def tool(folder: Path, *, tpm: bool, encrypt: str = 'cat > "$last"', decrypt: str = 'cat "$3"') -> Path:
    """A stand-in for systemd-creds that notes its arguments."""
    path = folder / "systemd-creds"
    path.write_text(TOOL.format(log=folder / "log", tpm=0 if tpm else 1, encrypt=encrypt, decrypt=decrypt))
    path.chmod(0o755)
    return path


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """The key as a box without a sealed one keeps it."""
    path = tmp_path / "footage.key"
    path.write_bytes(KEY)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(("tpm", "kind", "with_key"), [(True, "tpm", "host+tpm2"), (False, "host", "host")])
def test_the_key_moves_into_the_store(tmp_path: Path, key_file: Path, tpm: bool, kind: str, with_key: str) -> None:
    """By the TPM where there is one, else by the host's key; the file goes, its bytes were in no argument."""
    store = tmp_path / "store"
    assert seal_credential(key_file, tool(tmp_path, tpm=tpm), store) == kind
    assert [path.name for path in store.iterdir()] == [f"vuon-footage-{kind}.key"]
    assert stat.S_IMODE(store.stat().st_mode) == 0o700
    assert not key_file.exists()
    said = (tmp_path / "log").read_text()
    assert f"--with-key={with_key} --name=vuon-footage-{kind}.key -" in said
    assert KEY.hex() not in said


def test_what_does_not_open_is_not_believed(tmp_path: Path, key_file: Path) -> None:
    """A credential that gives back other bytes, or none, leaves the file as it was."""
    store = tmp_path / "store"
    for decrypt in ("echo other", "exit 1"):
        with pytest.raises(BadInput):
            seal_credential(key_file, tool(tmp_path, tpm=True, decrypt=decrypt), store)
        assert key_file.read_bytes() == KEY
        assert not (store / "vuon-footage-tpm.key").exists()


def test_a_tool_that_fails_says_why(tmp_path: Path, key_file: Path) -> None:
    """The last line of what it said is in the error."""
    broken = tool(tmp_path, tpm=True, encrypt="echo 'TPM is in lockout' >&2; exit 1")
    with pytest.raises(BadInput) as error:
        seal_credential(key_file, broken, tmp_path / "store")
    assert error.value.fields["why"] == "TPM is in lockout"
    assert key_file.read_bytes() == KEY


def test_what_is_missing_is_named(tmp_path: Path, key_file: Path) -> None:
    """No tool, no file, a file that others may read: each has its own error, and nothing is run."""
    with pytest.raises(BadInput) as error:
        seal_credential(key_file, tmp_path / "none", tmp_path / "store")
    assert error.value.fields["case"] == "no_credentials"
    with pytest.raises(BadInput) as error:
        seal_credential(tmp_path / "other.key", tool(tmp_path, tpm=True), tmp_path / "store")
    assert error.value.fields["case"] == "no_key_file"
    key_file.chmod(0o644)
    with pytest.raises(ConfigError):
        seal_credential(key_file, tool(tmp_path, tpm=True), tmp_path / "store")
    assert not (tmp_path / "log").exists()
    assert SYSTEMD_CREDS.is_absolute()


@pytest.mark.parametrize(
    ("groups", "sealed"),
    [
        ("0::/system.slice/vuon-recorder.service\n", True),
        ("1:name=systemd:/system.slice/vuon-recorder.service\n0::/system.slice/vuon-recorder.service\n", True),
        ("0::/user.slice/user-1000.slice/session-2.scope\n", False),
        ("0::/system.slice/not-vuon-recorder.service\n", False),
        (None, False),
    ],
    ids=["unit", "both-hierarchies", "terminal", "other-unit", "no-process"],
)
def test_nothing_is_sealed_for_a_recorder_outside_systemd(tmp_path: Path, groups: str | None, sealed: bool) -> None:
    """A demo or `vuon run` gets no credentials: sealing its key would be losing it."""
    if groups is not None:
        (tmp_path / "77").mkdir()
        (tmp_path / "77" / "cgroup").write_text(groups)
    if sealed:
        check_unit(77, tmp_path)
        return
    with pytest.raises(BadInput) as error:
        check_unit(77, tmp_path)
    assert error.value.fields["case"] == "seal_unit"


@pytest.mark.parametrize("language", ["vi", "en"])
def test_the_command_asks_first_who_runs(tmp_path: Path, language: str) -> None:
    """`vuon khoa niem-phong` beside a recorder of a terminal: status 1, the remedy, the key where it was."""
    keys = tmp_path / "state" / "keys"
    keys.mkdir(parents=True)
    (keys / "footage.key").write_bytes(KEY)
    running = {"recorder": {"status": {"daemon": daemon("recorder") | {"pid": os.getpid()}}}}
    with cli_box(tmp_path, running) as box:
        done = box.vuon("khoa", "niem-phong", VUON_LANG=language)
    assert (done.code, "systemctl start vuon.target" in done.err) == (1, True)
    assert (keys / "footage.key").read_bytes() == KEY
