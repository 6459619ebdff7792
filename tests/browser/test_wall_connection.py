"""The page's side of a wall, with a connection and a box that the test plays."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Site

pytestmark = pytest.mark.browser

STAGE = """async () => {
  const script = document.querySelector('script[type="module"]').src;
  const { share, videoOf } = await import(script.replace(/[^/]+$/, 'wall.js'));
  const stage = globalThis.stage = { heard: [], patched: [], gone: new Set(), tiles: {}, answers: {} };
  globalThis.RTCPeerConnection = class {
    connectionState = 'connecting';
    constructor() { stage.peer = this; }
    addTransceiver() { return { setCodecPreferences() {} }; }
    getTransceivers() { return Array.from({ length: 16 }, () => ({ receiver: { track: null } })); }
    createDataChannel() { return (stage.channel = { readyState: 'connecting' }); }
    async createOffer() { return { type: 'offer', sdp: '' }; }
    async setLocalDescription() {}
    async setRemoteDescription() {}
    setConfiguration() {}
    close() { this.connectionState = 'closed'; }
  };
  const real = globalThis.fetch;
  globalThis.fetch = async (url, options = {}) => {
    if (!/^.(whep|wall)./.test(url)) return real(url, options);
    if (options.method === 'PATCH') {
      const status = stage.gone.has(url) ? 404 : 204;
      stage.patched.push([url, options.headers['If-Match'], status, options.body]);
      return new Response(null, { status });
    }
    if (options.method === 'DELETE') return new Response(null, { status: 200 });
    const camera = url.split('/')[2].split('?')[0];
    await stage.answers[camera];
    const body = { session: `of-${camera}`, tag: `"of-${camera}"`, wall: 'w', answer: '', servers: [] };
    return new Response(JSON.stringify(body), { status: 201 });
  };
  stage.open = camera => {
    const hear = name => (...words) => stage.heard.push([camera, name, ...words]);
    const on = { track: () => {}, ended: hear('ended'), link: hear('link'), turn: hear('turn') };
    stage.tiles[camera] = videoOf(camera, 'sub', on);
    return stage.tiles[camera].open();
  };
  stage.hold = camera => { stage.answers[camera] = new Promise(done => { stage.answer = done; }); };
  stage.say = words => stage.channel.onmessage({ data: JSON.stringify(words) });
  stage.find = name => stage.peer.onicecandidate({ candidate: { protocol: 'udp', candidate: `candidate:${name}` } });
  stage.until = async true_ => { while (!true_()) await new Promise(done => setTimeout(done, 5)); };
  share(['a', 'b', 'c']);
}"""


@pytest.fixture
def page(site: Site) -> Page:
    """A page of the box; `stage` stands for its connections and the box."""
    page = site.visit("/vao")
    page.evaluate(STAGE)
    return page


def plays(page: Page, script: str) -> Any:
    """Run a script beside the page's own wall."""
    return page.evaluate(f"async () => {{ {script} }}")


def test_late_candidates_go_to_a_tile_that_is_there(page: Page) -> None:
    """The opener's tile has left, or the box has ended one without the page hearing it: another's address serves."""
    assert plays(
        page,
        """await stage.open('a'); await stage.open('b'); await stage.open('c');
        stage.tiles.a.close();
        stage.gone.add('/whep/b/of-b');
        stage.find('relay');
        await stage.until(() => stage.patched.length === 2);
        return stage.patched;""",
    ) == [
        ["/whep/b/of-b", '"of-b"', 404, "a=candidate:relay\r\n"],
        ["/whep/c/of-c", '"of-c"', 204, "a=candidate:relay\r\n"],
    ]


def test_candidates_wait_for_the_next_tile(page: Page) -> None:
    """The only one that had a session left while the next was asking: what was found goes with that."""
    assert (
        plays(
            page,
            """await stage.open('a');
        stage.hold('b');
        const joining = stage.open('b');
        await stage.until(() => stage.tiles.b.connection);
        stage.tiles.a.close();
        stage.find('first');
        await new Promise(done => setTimeout(done, 200)); // longer than candidates are gathered for
        stage.find('second');
        stage.answer();
        await joining;
        await stage.until(() => stage.patched.map(item => item[3]).join('').includes('second'));
        return [stage.patched.map(item => item[0]), stage.patched.map(item => item[3]).join('')];""",
        )[1]
        == "a=candidate:first\r\na=candidate:second\r\n"
    )


def test_news_of_a_session_that_is_not_named_yet_is_kept(page: Page) -> None:
    """However many sessions spoke that were never seated: the newest news of its link and its turn are heard."""
    assert plays(
        page,
        """await stage.open('a');
        for (let n = 0; n < 100; n += 1) stage.say({ turn: { place: n }, session: `gone-${n}` });
        stage.hold('b');
        const joining = stage.open('b');
        await stage.until(() => stage.tiles.b.connection);
        stage.say({ link: 'video', session: 'of-b' });
        stage.say({ turn: { place: 1 }, session: 'of-b' });
        stage.say({ link: 'weak', session: 'of-b' });
        stage.answer();
        await joining;
        stage.say({ link: 'video', session: 'of-b' });
        return stage.heard;""",
    ) == [["b", "link", "weak"], ["b", "turn", {"place": 1}], ["b", "link", "video"]]


def test_a_session_that_ended_before_it_was_named_ends(page: Page) -> None:
    """Its reason is heard once the answer names it, and nothing of it before that."""
    assert plays(
        page,
        """await stage.open('a');
        stage.hold('b');
        const joining = stage.open('b');
        await stage.until(() => stage.tiles.b.connection);
        stage.say({ link: 'weak', session: 'of-b' });
        stage.say({ end: 'pause.class', code: 'pause.class', session: 'of-b' });
        stage.answer();
        await joining.catch(() => {});
        return stage.heard;""",
    ) == [["b", "ended", "pause.class", "pause.class"]]
