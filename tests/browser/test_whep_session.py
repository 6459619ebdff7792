"""The page's WHEP session: what it offers, whom it asks for ways, and when it begins anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from gateway.core.iceservers import IceServer
from gateway.core.model import PublicId, Secret, StreamRole
from tests.browser.conftest import Site
from tests.browser.test_web_video import LiveSite, RealDoor, expect_state, live
from tests.fakes.web_services import MAM, PRINCIPAL
from web.caller import Caller
from web.services import OpenedLive

__all__ = ["live"]  # a fixture

pytestmark = pytest.mark.browser

KEEP = """() => {
  globalThis.configured = [];
  globalThis.peers = [];
  const Real = RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Real {
    constructor(...args) { super(...args); peers.push(this); }
    setConfiguration(config) { configured.push([config, this.localDescription === null]); super.setConfiguration(config); }
  };
}"""
"""Runs before the page's own scripts: keeps the connections and what they were told of servers."""


def servers_in(page: Page, header: str | None) -> Any:
    """What the page's own reader makes of a Link header."""
    return page.evaluate(
        """async header => {
          const script = document.querySelector('script[type="module"]').src;
          const { iceServers } = await import(script.replace(/[^/]+$/, 'ice-servers.js'));
          return iceServers(header);
        }""",
        header,
    )


def test_links_are_read_and_what_is_none_is_left_out(site: Site) -> None:
    """STUN and TURN with passwords; commas and quotes inside; other relations, schemes and rubbish give nothing."""
    page = site.visit(f"/camera/{MAM}", PRINCIPAL)
    turn = '<turn:t.example:443?transport=tcp>; rel="ice-server"; username="1:a"; credential="a,b>c;="; credential-type="password"'
    assert servers_in(page, f'<stun:s.example>; rel="ice-server", {turn}') == [
        {"urls": "stun:s.example"},
        {"urls": "turn:t.example:443?transport=tcp", "username": "1:a", "credential": "a,b>c;="},
    ]
    assert servers_in(page, "<turns:t>; REL=ice-server; username=u; credential=c") == [
        {"urls": "turns:t", "username": "u", "credential": "c"}
    ]
    for nothing in (
        None, "", "rubbish", "<stun:s>", '<stun:s>; rel="next"', '<https://s>; rel="ice-server"',
        '<turn:t>; rel="ice-server"', turn.replace("password", "oauth"), '<turn:t?x=1>; rel="ice-server"; username="u"; credential="c"',
    ):  # fmt: skip
        assert servers_in(page, nothing) == []


class Naming(RealDoor):
    """Names a TURN server that is not there, and keeps what was trickled."""

    offers: list[str]
    fragments: list[str]

    async def open(self, caller: Caller, camera: PublicId, offer: str, stream: StreamRole) -> OpenedLive:
        self.offers.append(offer)
        opened = await super().open(caller, camera, offer, stream)
        return replace(opened, servers=self.box.servers)

    async def candidate(self, caller: Caller, camera: PublicId, session: str, fragment: str) -> None:
        self._own(caller, camera, session)
        self.fragments.append(fragment)
        await self.live.client.candidate(PublicId(session), fragment)


def door_of(site: LiveSite) -> Naming:
    """The door as it is now."""
    assert isinstance(site.door, Naming)
    return site.door


@pytest.fixture
def named(live: LiveSite) -> LiveSite:
    """A site whose door keeps what it is given."""
    assert live.door is not None
    live.door.__class__ = Naming
    door_of(live).offers, door_of(live).fragments = [], []
    live.box.servers = (IceServer("turn:192.0.2.1:9?transport=tcp", "1:a", Secret("secret")),)
    return live


def visit(site: LiveSite) -> Page:
    """The camera's page with its connections kept, once it plays."""
    page = site.visit("/vao")
    page.context.add_cookies([{"name": "vuon-box", "value": f"token-{PRINCIPAL.person}", "url": site.url}])
    page.context.add_init_script(f"({KEEP})()")
    page.goto(f"{site.url}/camera/{MAM}")
    expect_state(page, "live")
    return page


def test_servers_are_set_before_anything_is_gathered(named: LiveSite) -> None:
    """The offer goes out without candidates; the named servers are set before the page's first step of ICE."""
    page = visit(named)
    assert page.evaluate("configured") == [
        [
            {
                "bundlePolicy": "max-bundle",
                "iceServers": [{"urls": "turn:192.0.2.1:9?transport=tcp", "username": "1:a", "credential": "secret"}],
            },
            True,
        ]
    ]
    (offer,) = door_of(named).offers
    assert "a=candidate" not in offer
    kinds = [line for line in offer.splitlines() if line.startswith("a=rtpmap")]
    assert "H264/90000" in kinds[0]
    assert {line.split(" ")[1].split("/")[0] for line in kinds} == {"H264", "rtx"}
    first = next(line for line in offer.splitlines() if line.startswith("a=fmtp"))
    assert "packetization-mode=1" in first
    assert "profile-level-id=42e0" in first


def test_candidates_go_together_with_the_tag_of_the_session(named: LiveSite) -> None:
    """UDP only, in few requests, each with the offer's names and an entity tag that fits."""
    page = visit(named)
    for _ in range(200):  # video may run by a pair that the box found itself, before the page has told its own
        if patches := [item for item in named.requests if item.method == "PATCH"]:
            break
        page.wait_for_timeout(50)
    page.wait_for_timeout(300)
    patches = [item for item in named.requests if item.method == "PATCH"]
    assert 1 <= len(patches) <= 4
    for patch in patches:
        assert patch.headers["if-match"].startswith('"')
        response = patch.response()
        assert response is not None
        assert response.status == 204
    (offer,) = door_of(named).offers
    ufrag = next(line for line in offer.splitlines() if line.startswith("a=ice-ufrag"))
    for fragment in door_of(named).fragments:
        assert ufrag in fragment
        assert "a=mid:0" in fragment
        assert " tcp " not in fragment
    assert page.evaluate("peers.length") == 1


def test_a_lost_network_begins_anew(live: LiveSite) -> None:
    """The device says that it lost its network: the old session is ended at once, and another one plays."""
    page = visit(live)
    page.evaluate("dispatchEvent(new Event('offline'))")
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("live-view")).to_have_attribute("data-state", "live")
    assert page.evaluate("peers[0].connectionState") == "closed"
    assert page.evaluate("peers.length") >= 2
    assert [item.method for item in live.requests if "/whep/" in item.url].count("DELETE") == 1


def test_a_device_that_refuses_to_play_by_itself_asks_for_a_tap(live: LiveSite) -> None:
    """Low Power Mode: the still stays, a button says why, and a tap plays; nothing counts as failed."""
    page = live.visit("/vao")
    page.context.add_cookies([{"name": "vuon-box", "value": f"token-{PRINCIPAL.person}", "url": live.url}])
    page.context.add_init_script(
        """const real = HTMLMediaElement.prototype.play;
        globalThis.allowed = false;
        Object.defineProperty(HTMLMediaElement.prototype, 'autoplay', { get: () => false, set: () => undefined });
        HTMLMediaElement.prototype.play = function () {
          return globalThis.allowed ? real.call(this) : Promise.reject(new DOMException('', 'NotAllowedError'));
        };"""
    )
    page.goto(f"{live.url}/camera/{MAM}")
    expect_state(page, "tap")
    page.evaluate("allowed = true")
    page.get_by_role("button", name="bấm để xem").click()
    expect_state(page, "live")
    figures = page.locator("live-view").evaluate("view => view.stats()")
    assert figures["failures"] == 0
