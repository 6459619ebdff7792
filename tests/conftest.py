"""Fixtures that every folder of tests shares, and the rule that nothing is skipped unseen.

In CI a test that was skipped fails the run, unless `MAY_SKIP` names it with its reason.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.isolation import enter_own_network
from tests.lanes import Lanes

MAY_SKIP: dict[str, str] = {
    "tests/system/test_discovery_netns.py": "a sandbox without the right to make network namespaces",
    "tests/system/test_search_netns.py": "a sandbox without the right to make network namespaces",
    "tests/system/test_hostile_netns.py": "the same",
    "tests/system/test_camera_lan_netns.py": "the same",
    "tests/system/test_live_hostile_netns.py": "the same",
    "tests/system/test_vendor_netns.py": "the same",
    "tests/foreign/test_onvif_util_netns.py": "the same",
}
"""Test file: why its tests may be skipped where CI runs."""

settings.register_profile("any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
"""How long an example takes is the machine's affair: no test judges speed."""

_skipped: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    """Give a process of pytest-xdist a network of its own, before anything is imported."""
    if hasattr(config, "workerinput"):
        enter_own_network()


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio: aiortc and the daemons need it."""
    return "asyncio"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Lanes:
    """Give the files of tests to the processes by lanes."""
    return Lanes(config, log)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Remember what was skipped (expected failures count as skipped too)."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and item.nodeid.partition("::")[0] not in MAY_SKIP:
        _skipped.append(f"{item.nodeid}: {report.longrepr}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a CI run that skipped what must run."""
    if os.environ.get("CI") and _skipped and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name what was skipped."""
    for line in _skipped:
        terminalreporter.write_line(f"SKIPPED, must run in CI: {line}", red=True)
