"""The demo in Debian's Chromium: stills, live video, what a guardian sees, and what ends it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Locator, expect

from gateway.core.model import new_public_id
from tests.browser.demo_fixtures import DESK, PHONE, Street, Visit, away, enter_code
from tests.fakes.box_door import add_guardian, ask
from tests.fakes.demo_box import DemoBox, eventually

pytestmark = [pytest.mark.browser, pytest.mark.system]

CLASS = "Lớp Mầm 1"
SUB_FPS, MAIN_FPS = 10, 15
FRAMES = """wanted => Promise.all(globalThis.peers.filter(peer => peer.connectionState === 'connected').flatMap(
  peer => peer.getReceivers().filter(item => item.track.kind === 'video')
).map(async receiver => {
  const read = async () => {
    const [source] = receiver.getSynchronizationSources();
    let found = null;
    (await receiver.getStats()).forEach(item => { if (item.type === 'inbound-rtp') found = item; });
    return {decoded: found.framesDecoded, at_90k: source.rtpTimestamp, lost: found.packetsLost};
  };
  const first = await read();
  let last = first;
  while (last.decoded - first.decoded < wanted) {
    await new Promise(resolve => setTimeout(resolve, 100));
    last = await read();
  }
  return {frames: last.decoded - first.decoded, media_90k: (last.at_90k - first.at_90k) >>> 0, lost: last.lost};
}))"""
"""Waits for so many decoded frames of each view; returns how far each source's own clock went meanwhile."""


def slip(box: DemoBox) -> str:
    """Return the slip of a guardian nobody else is: people have few devices, and one stream each."""
    return away(add_guardian(box, f"Phụ huynh {new_public_id()}", CLASS))


def cameras(box: DemoBox) -> dict[str, str]:
    """Return the cameras' ids by name."""
    return {str(row["name"]): str(row["id"]) for row in box.status()["cameras"]}


def sessions(box: DemoBox) -> list[dict[str, Any]]:
    """Return what the live daemon sends now."""
    return list(away(ask(box, "live", "sessions"))["sessions"])


def test_the_principal_signs_in_and_sees_every_room(street: Street, save: Callable[[str], str]) -> None:
    """Signed in by the printed code: stills at once, then live H.264 of every room, every picture of it, 0 lost.

    Whether they come at an even pace is a matter of time, and the bench's: where a machine has other things to do,
    all rooms stand in the same moment, and Chromium calls that a freeze of each.
    """
    box = street.box
    visit = street.visitor()
    visit.goto("/")
    assert visit.page.url == visit.url + "/vao"
    enter_code(visit.page, box.ready["principal_code"])
    assert visit.page.locator("live-view").count() == 3
    for index in range(3):
        visit.live(index)
    shown = visit.page.evaluate("firsts")
    for camera in cameras(box).values():
        mine = [item for item in shown if item["camera"] == camera]
        states = [item["state"] for item in mine]
        assert states.index("still") < states.index("live")
        first = next(item for item in mine if item["state"] == "live")
        assert first["picture"] > 0
        assert first["source"] == "blob:"
        asked = [url for url in visit.asked if camera in url]
        assert "still.jpg" in asked[0], "the order of answers is the machine's, that of questions the page's"
        assert "image/jpeg" in {answer.kind for answer in visit.answers if camera in answer.path}
    rooms = visit.page.evaluate(FRAMES, 3 * SUB_FPS)
    assert len(rooms) == 3
    for found in rooms:
        assert found["frames"] == pytest.approx(found["media_90k"] / 90_000 * SUB_FPS, abs=4)
    for row in sessions(box):
        assert (row["skipped_frames"], row["full_socket"], row["too_late"], row["resting"]) == (0, 0, 0, False)
    for index in range(3):
        stats = visit.stats(index)
        assert stats["codec"] == "video/H264"
        assert (stats["frameWidth"], stats["frameHeight"]) == (640, 360)
        assert stats["packetsLost"] == 0
    visit.shot(save, "grid-1440x900")
    visit.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    visit.shot(save, "grid-390x844")


def test_one_camera_shows_its_main_stream(street: Street, save: Callable[[str], str]) -> None:
    """A camera's own page plays the large picture at the source's rate with nothing lost."""
    visit = street.principal()
    visit.goto(f"/camera/{cameras(street.box)[CLASS]}")
    visit.live()
    (found,) = visit.page.evaluate(FRAMES, 3 * MAIN_FPS)
    assert found["frames"] == pytest.approx(found["media_90k"] / 90_000 * MAIN_FPS, abs=5)
    stats = visit.stats()
    assert (stats["frameWidth"], stats["frameHeight"]) == (1280, 720)
    assert (stats["codec"], stats["packetsLost"]) == ("video/H264", 0)
    expect(visit.page.locator("#facts")).to_contain_text("1280")
    visit.shot(save, "camera-1440x900")


def test_the_code_works_once(street: Street) -> None:
    """The code that was used gives the same page as one that never was, and no session."""
    pages = []
    for code in (street.box.ready["principal_code"], "aaaa-bbbb-cccc-dddd"):
        visit = street.visitor()
        visit.goto("/vao")
        visit.page.locator("#code").fill(code)
        visit.page.locator("#code").press("Enter")
        expect(visit.page.locator("#refused")).to_be_visible()
        pages.append([answer for answer in visit.answers if answer.method == "POST"][-1].response.text())
        assert visit.context.cookies() == []
    assert without_time(pages[0]) == without_time(pages[1])


def without_time(page: str) -> str:
    """Return a page without the box's clock."""
    head, _, rest = page.partition('data-now="')
    return head + rest.partition('"')[2]


def test_a_slip_is_spent_by_a_tap_and_only_once(street: Street, save: Callable[[str], str]) -> None:
    """Opening a slip spends nothing and shows no secret; the tap signs in; the second use is refused."""
    address = str(street.box.ready["guardian_slip"])
    secret = address.partition("#")[2]
    for _ in range(2):
        visit = street.visitor(PHONE)
        visit.page.goto(address)
        expect(visit.page.locator("#slip button")).to_be_enabled()
        assert secret not in visit.page.url
        assert not any(secret in url.partition("#")[0] for url in visit.asked)
        visit.shot(save, "slip-390x844")
    taken = street.guardian(address)
    late = street.visitor(PHONE)
    late.page.goto(address)
    expect(late.page.locator("#trouble")).to_be_visible()
    assert late.context.cookies() == []
    taken.live()


def test_a_guardian_sees_their_class_only(street: Street, save: Callable[[str], str]) -> None:
    """No other camera in page, script data, events or answers; its addresses are those of nothing."""
    known = cameras(street.box)
    visit = street.guardian(slip(street.box))
    visit.live()
    stats = visit.stats()
    assert (stats["frameWidth"], stats["packetsLost"], stats["codec"]) == (640, 0, "video/H264")
    visit.shot(save, "guardian-390x844")
    visit.page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    visit.shot(save, "guardian-1440x900")
    others = {name: camera for name, camera in known.items() if name != CLASS}
    events = visit.page.evaluate("""async () => {
      const stop = new AbortController(), reply = await fetch('/api/events', {signal: stop.signal});
      const reader = reply.body.getReader(), decoder = new TextDecoder();
      let text = '';
      while (!text.includes('"screen"')) text += decoder.decode((await reader.read()).value);
      stop.abort();
      return text;
    }""")
    assert {"/p/", f"/whep/{known[CLASS]}"} <= {path for path, _ in visit.texts}
    seen = [visit.page.content(), events, *(text for _, text in visit.texts)]
    assert not [path for path in visit.unread if path.startswith("/whep/")], "an answer cannot be asked for again"
    again = {"/p/", "/p/tai-khoan", "/api/class", "/api/me", *visit.unread}
    seen += [str(reply_of(visit, "GET", path)) for path in sorted(again)]
    assert any(known[CLASS] in text for text in seen)
    for text in seen:
        assert not [name for name, camera in others.items() if name in text or camera in text]
    for camera in [*others.values(), "x"]:
        for method, path in ADDRESSES:
            real = reply_of(visit, method, path.format(camera))
            nothing = reply_of(visit, method, path.format(new_public_id()))
            assert real == nothing
            assert real[0] == 404
    assert {view["camera"] for view in sessions(street.box)} <= {known[CLASS]}


ADDRESSES = (
    ("GET", "/camera/{}"),
    ("GET", "/api/cameras/{}"),
    ("GET", "/api/cameras/{}/still.jpg"),
    ("GET", "/api/cameras/{}/still.jpg?w=320"),
    ("POST", "/whep/{}"),
    ("POST", "/whep/{}?stream=main"),
    ("DELETE", "/whep/{}/" + "a" * 16),
    ("POST", "/wall/{}"),
    ("POST", "/wall/{}/" + "a" * 16 + "/0"),
)


def reply_of(visit: Visit, method: str, path: str) -> list[Any]:
    """Ask from inside the page; returns status, headers but the date, and the body."""
    found: list[Any] = visit.page.evaluate(
        """async ([method, path]) => {
          const headers = method === 'POST' ? {'Content-Type': 'application/sdp'} : {};
          const reply = await fetch(path, {method, headers, body: method === 'POST' ? 'v=0\\r\\n' : undefined});
          const kept = [...reply.headers].filter(([name]) => name !== 'date');
          return [reply.status, kept, await reply.text()];
        }""",
        [method, path],
    )
    found[2] = without_time(found[2])
    return found


def closed_hours() -> tuple[str, str]:
    """Return viewing hours that do not hold now; `next` is the start."""
    hour = dt.datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")).hour
    return ("20:00", "21:00") if hour < 12 else ("02:00", "03:00")


def opened(box: DemoBox) -> None:
    """Open Lớp Mầm 1 all day, every day."""
    box.vuon("gio-xem", CLASS, "--tu", "00:00", "--den", "24:00", "--thu", "2,3,4,5,6,7,8")


def test_outside_hours_no_pixel_reaches_a_guardian(street: Street, save: Callable[[str], str]) -> None:
    """The hours close while watching: other screen, next time, no packet, no still; open again: picture back."""
    box, (start, end) = street.box, closed_hours()
    visit = street.guardian(slip(box))
    visit.live()
    try:
        box.vuon("gio-xem", CLASS, "--tu", start, "--den", end, "--thu", "2,3,4,5,6,7,8")
        expect(visit.page.locator(".msg h1")).to_be_visible()
        expect(visit.page.locator(".msg p")).to_contain_text(start)
        visit.let_go()
        assert sessions(box) == []
        visit.shot(save, "closed-390x844")
        since = len(visit.answers)
        assert visit.page.locator("live-view, video, img").count() == 0
        visit.page.reload()
        expect(visit.page.locator(".msg h1")).to_be_visible()
        camera = cameras(box)[CLASS]
        assert reply_of(visit, "GET", f"/api/cameras/{camera}/still.jpg")[0] == 403
        assert reply_of(visit, "POST", f"/whep/{camera}")[0] == 403
        assert [answer.url for answer in visit.answers[since:] if answer.is_picture] == []
        assert visit.page.evaluate("peers.length") == 0
    finally:
        opened(box)
    visit.live()
    assert visit.stats()["packetsLost"] == 0


SURE = re.compile(r"\bsure\b")


def tap(button: Locator) -> None:
    """Tap twice: the first tap asks, the second acts."""
    button.click()
    expect(button).to_have_class(SURE)
    button.click()


def test_the_principal_stops_all_sharing_with_two_taps(street: Street, save: Callable[[str], str]) -> None:
    """Two taps end every guardian's video and change their pages; two more bring it back; staff see on."""
    parent, head = street.guardian(slip(street.box)), street.principal()
    parent.live()
    head.live()
    button = head.page.locator("#sharing")
    tap(button)
    try:
        expect(parent.page.locator(".msg h1")).to_be_visible()
        parent.let_go()
        eventually(lambda: all(row["camera"] for row in sessions(street.box)), what="the sessions")
        audience = away(ask(street.box, "gateway", "status"))["watching"]
        assert audience == len(sessions(street.box)) == 3
        parent.shot(save, "stopped-390x844")
        expect(button).not_to_have_class(SURE)
        tap(button)
        parent.live()
        head.live()
    finally:
        street.box.vuon("chia-se", "mo")


def test_both_languages(street: Street) -> None:
    """The pages speak Vietnamese, and English after one tap; the choice stays."""
    visit = street.principal()
    assert visit.page.locator("html").get_attribute("lang") == "vi"
    visit.page.locator('a[hreflang="en"]').first.click()
    expect(visit.page.locator("html")).to_have_attribute("lang", "en")
    visit.goto(f"/camera/{cameras(street.box)[CLASS]}")
    expect(visit.page.locator("html")).to_have_attribute("lang", "en")
    visit.live()


def test_what_stands_there_when_a_person_loses_the_right(street: Street, save: Callable[[str], str]) -> None:
    """A revoked guardian and a disabled person, each while video plays: the words, and no pixel left."""
    box, names = street.box, [f"Phụ huynh {new_public_id()}" for _ in range(2)]
    revoked, disabled = (street.guardian(away(add_guardian(box, name, CLASS))) for name in names)
    for visit in (revoked, disabled):
        visit.live()
    box.vuon("thu-hoi", names[0])
    expect(revoked.page.get_by_role("heading", level=1)).to_have_text("Chưa có lớp nào để xem")
    away(ask(box, "gateway", "person.disable", {"person": names[1], "disabled": True}))
    expect(disabled.page.get_by_role("heading", level=1)).to_have_text("Hãy quét mã trên phiếu mời")
    for visit in (revoked, disabled):
        assert visit.page.locator("video, live-view, img").count() == 0
    revoked.shot(save, "revoked-390x844")
