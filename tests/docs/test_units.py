"""The systemd units fit the daemons: commands, users, watchdog, hardening."""

from __future__ import annotations

import configparser
import os
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.core.unixdoor import CALLERS, DAEMON_USERS, uids_for

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "systemd").glob("vuon-*.service"))
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]


def service(path: Path) -> dict[str, str]:
    """Return the [Service] section; of a key given more than once, all values."""
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    unit.read_string(path.read_text(encoding="utf-8"))
    return dict(unit["Service"])


def test_each_daemon_has_its_unit() -> None:
    """The four daemons of the package and the units are the same four."""
    assert {path.stem for path in UNITS} == {name for name in SCRIPTS if name.startswith("vuon-")}


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_starts_its_own_command_as_its_own_user(path: Path) -> None:
    """ExecStart is the package's command, the user is one of sysusers, and it stops after the segments close."""
    section = service(path)
    assert section["ExecStart"] == f"/opt/vuon/bin/{path.stem} --config /etc/vuon/config.toml"
    assert section["User"] == path.stem
    assert path.stem in DAEMON_USERS
    assert f"u {path.stem} " in (ROOT / "systemd" / "vuon.sysusers").read_text(encoding="utf-8")
    assert section["Type"] == "notify"
    assert int(section["WatchdogSec"]) <= 20
    assert int(section["TimeoutStopSec"]) > 10
    assert section["Restart"] == "always"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_is_hardened(path: Path) -> None:
    """No new privileges, a read-only system, closed devices; writable and executable memory only for WebRTC."""
    section = service(path)
    for key in (
        "NoNewPrivileges",
        "ProtectHome",
        "PrivateTmp",
        "PrivateDevices",
        "RestrictSUIDSGID",
        "LockPersonality",
    ):
        assert section[key] == "yes", key
    assert section["ProtectSystem"] == "strict"
    assert section["DevicePolicy"] == "closed"
    assert section["LimitCORE"] == "0"
    assert section["MemoryDenyWriteExecute"] == ("no" if path.stem == "vuon-live" else "yes")
    assert ("/var/lib/vuon" in section["ReadWritePaths"]) == (path.stem != "vuon-live")
    assert ("/srv/vuon" in section["ReadWritePaths"]) == (path.stem == "vuon-recorder")


@pytest.mark.parametrize("name", ["vuon-live", "vuon-recorder"])
def test_what_a_cage_is_built_with_is_allowed(name: str) -> None:
    """Children that decode video set a filter and step back on the processor before they begin."""
    lines = (ROOT / "systemd" / f"{name}.service").read_text(encoding="utf-8").splitlines()
    more = {call for line in lines if line.startswith("SystemCallFilter=") for call in line.partition("=")[2].split()}
    assert {"seccomp", "prctl", "setpriority"} <= more


def test_low_ports_are_the_only_right_a_unit_has() -> None:
    """The web's and the cameras' daemon may open ports below 1024; the others may do nothing special."""
    for path in UNITS:
        section = service(path)
        wanted = "CAP_NET_BIND_SERVICE" if path.stem in {"vuon-gateway", "vuon-hub", "vuon-recorder"} else ""
        assert section["CapabilityBoundingSet"] == section.get("AmbientCapabilities", "") == wanted, path


@pytest.mark.parametrize(
    ("service", "callers"),
    [
        ("recorder", {"vuon-gateway"}),
        ("live", {"vuon-gateway"}),
        ("feed", {"vuon-live"}),
        ("gateway", set()),
        ("hub", set()),
        ("another", set()),
    ],
)
def test_each_socket_hears_only_the_daemons_that_need_it(
    service: str, callers: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root and oneself, and who is named: not the daemon that strangers reach, where a box can be erased."""
    known = {name: 900 + number for number, name in enumerate(DAEMON_USERS)}
    monkeypatch.setattr("gateway.core.unixdoor.pwd.getpwnam", lambda name: SimpleNamespace(pw_uid=known[name]))
    assert uids_for(service) == {0, os.getuid()} | {known[name] for name in callers}


def test_without_the_daemons_users_only_root_and_oneself_may_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without the package's users nobody else is let in."""

    def unknown(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr("gateway.core.unixdoor.pwd.getpwnam", unknown)
    for service in CALLERS:
        assert uids_for(service) == {0, os.getuid()}
