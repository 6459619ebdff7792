"""Recorded footage over HTTP: who, what comes back, and what no answer says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import httpx
import pytest

from gateway.core.errors import DaemonUnavailable, Denied, KeyLocked, NotFound, SegmentCorrupt, VolumeMissing
from gateway.core.model import Action, Decision, Role
from tests.fakes.clock import FakeClock
from tests.fakes.web_client import browser
from tests.fakes.web_playback import PLAYBACK, SEGMENT, START_MS
from tests.fakes.web_services import EVERYBODY, LA, MAM, PRINCIPAL, FakeBox, pid
from web.media_response import Media

pytestmark = pytest.mark.anyio

BASE = f"/api/cameras/{MAM}/playback"
HOUR_MS = 3_600_000
WISH = {"from_ms": START_MS, "to_ms": START_MS + HOUR_MS}
MEDIA = f"{BASE}/{PLAYBACK}/sub/{SEGMENT}.m4s"


@pytest.fixture
def box() -> FakeBox:
    return FakeBox(FakeClock())


@pytest.fixture
async def client(box: FakeBox) -> AsyncIterator[httpx.AsyncClient]:
    """The principal's browser with an opened playback."""
    async with browser(box, PRINCIPAL) as made:
        assert (await made.post(BASE, json=WISH)).status_code == 201
        yield made


PATHS = {
    "days": f"/api/cameras/{MAM}/days",
    "timeline": f"/api/cameras/{MAM}/timeline?from=1&to=2",
    "index": f"{BASE}/{PLAYBACK}/index?stream=sub",
    "thumb": f"{BASE}/{PLAYBACK}/thumb.jpg?at={START_MS}",
    "init": f"{BASE}/{PLAYBACK}/sub/init-0a1b2c3d.mp4",
    "media": MEDIA,
    "hour": f"{BASE}/{PLAYBACK}/sub/{START_MS}.m3u8",
}


@pytest.mark.parametrize("name", PATHS)
async def test_only_the_principal_looks_back(box: FakeBox, name: str) -> None:
    """Everybody else gets what an unknown address gives, and nothing is decided, granted or asked for."""
    box.playback.opened[PLAYBACK] = (PRINCIPAL, MAM)
    for role, caller in EVERYBODY.items():
        async with browser(box, caller) as client:
            reply = await client.get(PATHS[name])
            unknown = await client.get("/api/nowhere")
        if role is Role.PRINCIPAL:
            assert reply.status_code == 200, reply.text
            assert reply.headers["cache-control"] == "no-store"
        else:
            assert (reply.status_code, reply.content) == (404, unknown.content)
    async with browser(box) as client:
        assert (await client.get(PATHS[name])).status_code == 401


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_only_the_principal_opens_and_closes(box: FakeBox, method: str) -> None:
    """No grant is asked for by anybody else."""
    for caller in EVERYBODY.values():
        async with browser(box, caller) as client:
            path = BASE if method == "POST" else f"{BASE}/{PLAYBACK}"
            reply = await client.request(method, path, json=WISH if method == "POST" else None)
        if caller.role is not Role.PRINCIPAL:
            assert reply.status_code == 404
            assert [call for call in box.calls if "grant" in call] == []
        box.calls.clear()


async def test_opening_is_one_grant_and_says_what_may_be_asked(box: FakeBox) -> None:
    """201 with the name, the span, the streams and the end; the grant is for playback."""
    async with browser(box, PRINCIPAL) as client:
        reply = await client.post(BASE, json=WISH)
    assert reply.json() == {"playback": PLAYBACK, **WISH, "streams": ["main", "sub"], "until_ms": None}
    assert (reply.status_code, reply.headers["location"]) == (201, f"{BASE}/{PLAYBACK}")
    assert [call for call in box.calls if "grant" in call] == [f"grant {Action.PLAYBACK} of {MAM}"]


async def test_a_refusal_says_why(box: FakeBox) -> None:
    """403 with the policy's reason; when and where footage is, is refused the same way."""
    box.refusals[PRINCIPAL.person, MAM] = Decision(False, "person.disabled")
    async with browser(box, PRINCIPAL) as client:
        for reply in (await client.post(BASE, json=WISH), await client.get(PATHS["days"])):
            assert (reply.status_code, reply.json()["error"]["reason"]) == (403, "person.disabled")


@pytest.mark.parametrize(
    "wish",
    [{}, {"from_ms": 1}, {"from_ms": "x", "to_ms": 2}, {"from_ms": -1, "to_ms": 2}, {"from_ms": 1, "to_ms": 10**30}, [], None],
)  # fmt: skip
async def test_a_wish_without_a_span_is_bad_input(box: FakeBox, wish: Any) -> None:
    """Nothing is granted for it."""
    async with browser(box, PRINCIPAL) as client:
        reply = await client.post(BASE, json=wish)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "bad_input")
    assert [call for call in box.calls if "grant" in call] == []


async def test_the_index_names_where_to_fetch(box: FakeBox, client: httpx.AsyncClient) -> None:
    """Each segment and configuration with an address relative to the playback."""
    told = (await client.get(f"{BASE}/{PLAYBACK}/index", params={"stream": "sub", "from": 5, "to": 9})).json()
    assert told["segments"][0]["url"] == f"sub/{SEGMENT}.m4s"
    assert told["configs"][0]["url"] == "sub/init-0a1b2c3d.mp4"
    assert "index of sub 5 9" in box.calls
    for url in (told["segments"][0]["url"], told["configs"][0]["url"]):
        assert (await client.get(f"{BASE}/{PLAYBACK}/{url}")).status_code == 200


async def test_one_range_comes_as_206(client: httpx.AsyncClient, box: FakeBox) -> None:
    """Exactly the bytes asked for, with their place in the whole; without a range all of it."""
    data = box.playback.data[SEGMENT]
    part = await client.get(MEDIA, headers={"range": "bytes=100-149"})
    assert (part.status_code, part.content) == (206, data[100:150])
    assert (part.headers["content-range"], part.headers["content-length"]) == ("bytes 100-149/250", "50")
    whole = await client.get(MEDIA)
    assert (whole.status_code, whole.content) == (200, data)
    assert (whole.headers["accept-ranges"], whole.headers["content-type"]) == ("bytes", "video/mp4")
    tail = await client.get(MEDIA, headers={"range": "bytes=-7"})
    assert tail.content == data[-7:]


async def test_a_segment_that_grows_has_no_length_yet(client: httpx.AsyncClient, box: FakeBox) -> None:
    """Content-Range says so, for the next byte may be there a second later."""
    box.playback.closed = False
    assert (await client.get(MEDIA, headers={"range": "bytes=0-9"})).headers["content-range"] == "bytes 0-9/*"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("bytes=0-1,5-6", 416), ("bytes=250-", 416), ("bytes=9-3", 416), ("bytes=-0", 416),
        ("bytes=x", 400), ("junk", 400), ("lines=1-2", 200),
    ],
)  # fmt: skip
async def test_other_ranges_are_refused(client: httpx.AsyncClient, box: FakeBox, header: str, status: int) -> None:
    """416 names the length; junk is 400; no byte of footage is read for either; an unknown unit is ignored."""
    reply = await client.get(MEDIA, headers={"range": header})
    assert reply.status_code == status
    if status == 416:
        assert reply.headers["content-range"] == "bytes */250"
    assert (box.playback.given > 0) is (status == 200)


async def test_a_condition_that_cannot_be_true_gives_the_whole(client: httpx.AsyncClient) -> None:
    """There are no entity tags, so If-Range never matches and Range is ignored (RFC 9110 §13.1.5)."""
    reply = await client.get(MEDIA, headers={"range": "bytes=0-1", "if-range": '"x"'})
    assert (reply.status_code, len(reply.content)) == (200, 250)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (KeyLocked("the key is away"), 423, "key_locked"),
        (SegmentCorrupt("flipped"), 500, "segment_corrupt"),
        (NotFound("gone"), 404, "not_found"),
        (VolumeMissing("unplugged"), 503, "volume_missing"),
        (DaemonUnavailable("away"), 503, "daemon_unavailable"),
        (Denied("over", reason="person.disabled"), 403, "denied"),
    ],
)
async def test_what_cannot_be_played_says_so(
    client: httpx.AsyncClient, box: FakeBox, error: Exception, status: int, code: str
) -> None:
    """As every other route does: locked footage has its own status, so that the page can show where to unlock."""
    box.playback.error = error
    for name in ("index", "init", "media", "thumb"):
        reply = await client.get(PATHS[name])
        assert (reply.status_code, reply.json()["error"]["code"]) == (status, code), name
        assert str(error) not in reply.text


async def test_a_playback_of_another_session_is_the_same_as_none(client: httpx.AsyncClient, box: FakeBox) -> None:
    """Byte for byte, header for header; so is one of another camera."""
    other = FakeBox(FakeClock())
    async with browser(other, PRINCIPAL) as stranger:
        for path in PATHS.values():
            if "/playback/" in path:
                theirs = await stranger.get(path)
                nothing = await client.get(path.replace(PLAYBACK, pid("nothing")))
                elsewhere = await client.get(path.replace(MAM, LA))
                assert {reply.status_code for reply in (theirs, nothing, elsewhere)} == {404}
                assert len({reply.content for reply in (theirs, nothing, elsewhere)}) == 1
        assert (await stranger.delete(f"{BASE}/{PLAYBACK}")).status_code == 404
    assert (await client.delete(f"{BASE}/{PLAYBACK}")).status_code == 204
    assert (await client.get(PATHS["index"])).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "third/init-0a1b2c3d.mp4", "sub/init-x.mp4", "sub/init-0A1B2C3D.mp4", "sub/5-0.m4s", "sub/-5-1.m4s", "sub/x-1.m4s",
        "sub/1-2-3.m4s", f"sub/{10**30}-1.m4s", f"sub/1-{1 << 63}.m4s", "sub/5.m3u8", "sub/x.m3u8", "index", "index?stream=x",
        "index?stream=sub&from=-1", "thumb.jpg", "thumb.jpg?at=x", f"thumb.jpg?at={START_MS}&width=640",
        f"thumb.jpg?at={10**30}",
    ],
)  # fmt: skip
async def test_odd_addresses_are_bad_input_and_reach_nobody(client: httpx.AsyncClient, box: FakeBox, path: str) -> None:
    """Names are numbers, streams are two, an hour is whole."""
    box.calls.clear()
    reply = await client.get(f"{BASE}/{PLAYBACK}/{path}")
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "bad_input")
    assert [call for call in box.calls if "index" in call] == []


async def test_a_thumbnail_carries_the_instant_it_shows(client: httpx.AsyncClient) -> None:
    """Which may be before the one that was asked for."""
    reply = await client.get(PATHS["thumb"] + "&width=160")
    assert (reply.headers["content-type"], reply.headers["x-captured-at"]) == ("image/jpeg", str(START_MS - 300))


async def test_the_playlist_is_one_hour(client: httpx.AsyncClient) -> None:
    """With the type players know it by."""
    reply = await client.get(PATHS["hour"])
    assert reply.headers["content-type"].startswith("application/vnd.apple.mpegurl")
    assert reply.text.startswith("#EXTM3U\n")


async def test_footage_that_breaks_midway_ends_short() -> None:
    """The head is out: the body stops before its length and is never ended, so the connection is closed."""
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"good"
        raise SegmentCorrupt("the second record")

    await Media(chunks(), 206, {"Content-Length": "8"}).stream_response(send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[-1]["more_body"] is True


async def test_a_reader_that_does_not_read_holds_the_footage_back(box: FakeBox) -> None:
    """The next chunk is taken when the last one has been sent, not before."""
    box.playback.data[SEGMENT] = bytes(10_000)
    chunks = box.playback.media(PRINCIPAL, MAM, PLAYBACK, "sub", SEGMENT, 0, 10_000)  # type: ignore[arg-type] # a role's name
    box.playback.opened[PLAYBACK] = (PRINCIPAL, MAM)
    given: list[int] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body" and message["body"]:
            given.append(box.playback.given)

    await Media(chunks, 200, {}).stream_response(send)
    assert given == list(range(1, 101))


async def test_a_reader_that_takes_nothing_for_long_is_left() -> None:
    """It holds a file open on the disk: the answer ends, and the footage is let go."""
    let_go = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield b"never taken"
        finally:
            let_go.set()

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    answer = Media(chunks(), 200, {})
    answer.stall_s = 0.01
    async with asyncio.timeout(30):
        await answer.stream_response(send)
        del answer
        await let_go.wait()
