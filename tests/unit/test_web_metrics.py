"""`/metrics`: who may read it; for everybody else it does not exist."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest

from gateway.core.model import Role
from tests.fakes.clock import FakeClock
from tests.fakes.web_client import browser
from tests.fakes.web_services import EVERYBODY, FakeBox
from web.api_metrics import FORWARDED, ROLES
from web.app import create_app

pytestmark = pytest.mark.anyio
HOST = "127.0.0.1"


async def scrape(
    box: FakeBox, client: str, host: str = HOST, *, local: bool = True, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """Ask as a program at `client` would, for `host`; `local`: the configuration lets programs of the box in."""
    app = create_app(box.services(hosts=frozenset({HOST, "vuon.test", "[::1]", "::1"}), metrics_local=local))
    transport = httpx.ASGITransport(app, client=(client, 5000))
    async with httpx.AsyncClient(transport=transport, base_url=f"https://{host}") as http:
        return await http.get("/metrics", headers=headers)


@pytest.mark.parametrize(
    ("client", "host"), [("127.0.0.1", HOST), ("::1", "[::1]"), ("::ffff:127.0.0.1", HOST), ("127.0.0.9", HOST)]
)
async def test_a_program_on_the_box_gets_the_figures(client: str, host: str) -> None:
    """Without any login; as text of the format's version, kept by no cache."""
    answer = await scrape(FakeBox(FakeClock()), client, host)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.startswith("# HELP ")


async def test_loopback_alone_proves_nothing() -> None:
    """A forwarder on the box that adds no header looks like a program of it: nobody is let in for it by default."""
    box = FakeBox(FakeClock())
    assert (await scrape(box, "127.0.0.1", local=False)).status_code == 404
    token = f"Bearer token-{EVERYBODY[Role.PRINCIPAL].person}"
    assert (await scrape(box, "127.0.0.1", local=False, headers={"Authorization": token})).status_code == 200


@pytest.mark.parametrize(
    ("client", "host"), [("192.0.2.7", HOST), ("127.0.0.1", "vuon.test"), ("192.0.2.7", "vuon.test"), ("unknown", HOST)]
)
async def test_for_everybody_else_the_route_does_not_exist(client: str, host: str) -> None:
    """Another machine, or a name instead of loopback: like any address that names nothing, and nobody is asked."""
    box = FakeBox(FakeClock())
    answer = await scrape(box, client, host)
    assert answer.status_code == 404
    assert "metrics" not in box.calls


@pytest.mark.parametrize("header", FORWARDED)
async def test_a_proxy_on_the_box_lends_its_loopback_to_nobody(header: str) -> None:
    """What a tunnel or a reverse proxy passes on comes from elsewhere."""
    answer = await scrape(FakeBox(FakeClock()), "127.0.0.1", headers={header: "198.51.100.7"})
    assert answer.status_code == 404


@pytest.mark.parametrize("role", EVERYBODY)
async def test_only_those_whose_work_is_the_machine_may_read_it_from_elsewhere(role: Role) -> None:
    """The principal and the technicians; no guardian and no teacher."""
    async with browser(FakeBox(FakeClock()), EVERYBODY[role]) as page:
        answer = await page.get("/metrics")
    assert answer.status_code == (200 if role in ROLES else 404)


@pytest.mark.parametrize("role", EVERYBODY)
async def test_the_sessions_token_is_taken_as_bearer(role: Role) -> None:
    """For a program that somebody of these roles signed in; it keeps no session awake."""
    box = FakeBox(FakeClock())
    answer = await scrape(
        box, "192.0.2.7", "vuon.test", headers={"Authorization": f"Bearer token-{EVERYBODY[role].person}"}
    )
    assert answer.status_code == (200 if role in ROLES else 404)
    assert "active" not in box.calls


@pytest.mark.parametrize("value", ["Bearer wrong", "Bearer ", "Basic dXNlcjpwdw==", "Bearer " + "x" * 400, "Bearer"])
async def test_another_authorisation_is_none(value: str) -> None:
    """Wrong, empty, too long or of another kind: not there."""
    assert (
        await scrape(FakeBox(FakeClock()), "192.0.2.7", "vuon.test", headers={"Authorization": value})
    ).status_code == 404
