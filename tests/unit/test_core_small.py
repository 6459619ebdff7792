"""The small parts of the floor: log, notify, bus, catalogues, events, errors, clock, certificates."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import os
import signal
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cryptography import x509

from gateway.core import log as logs
from gateway.core.boxca import ensure_tls
from gateway.core.bus import Bus
from gateway.core.clock import SystemClock
from gateway.core.daemonize import DaemonFacts, Health, explain, serve
from gateway.core.errors import CameraLoginRefused, ConfigError, VuonError, all_errors, by_code
from gateway.core.events import EVENT_TYPES, Lane, make_event, uuid7
from gateway.core.i18n import catalogue
from gateway.core.model import Secret
from gateway.core.notify import Notifier
from tests.fakes.clock import NOON_MS, FakeClock


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream, root = io.StringIO(), logging.getLogger()
    before = (list(root.handlers), root.level)
    yield stream
    root.handlers[:], root.level = before


def read(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_log_line_is_an_event_name_and_fields(lines: io.StringIO) -> None:
    """Bound and own fields stand beside the event name, as JSON where nobody looks on."""
    logs.setup("info", stream=lines)
    logs.get_logger("recorder", camera="c1").bind(stream="main").info("segment.closed", bytes=9)
    logs.get_logger("recorder").debug("not.shown")
    (line,) = read(lines)
    assert line == {
        "event": "segment.closed", "level": "info", "part": "vuon.recorder", "camera": "c1", "stream": "main", "bytes": 9
    }  # fmt: skip


def test_secrets_and_passwords_in_urls_do_not_reach_the_log(lines: io.StringIO) -> None:
    """A secret prints as stars, user info is cut from addresses, also inside an error's message."""
    logs.setup("info", stream=lines)
    error = ConfigError("cannot open rtsp://admin:pw123@10.0.0.1/x")
    logs.get_logger("x").error("open.failed", error, url="rtsp://admin:pw123@10.0.0.1/x", password=Secret("pw123"))
    assert "pw123" not in lines.getvalue()
    assert "10.0.0.1" in lines.getvalue()


def test_passwords_do_not_hide_in_traces_odd_characters_or_objects(lines: io.StringIO) -> None:
    """Not in a bug's trace, not with `@` and `/` in them, not in a field that is no text, not from a library."""
    logs.setup("info", stream=lines)
    url = "rtsp://admin:pw@12/3secret@10.0.0.1/x"
    logs.get_logger("x").error("bug", OSError(url), why=OSError(url), urls=[url])
    logging.getLogger("library").warning("cannot open %s", url)
    assert "secret" not in lines.getvalue()
    assert "12/3" not in lines.getvalue()
    assert len(read(lines)) == 2


def test_a_library_cannot_flood_the_log_with_ever_new_lines(lines: io.StringIO) -> None:
    """A library that writes a stranger's text into its line has one budget for all its lines."""
    logs.setup("info", stream=lines, now_s=lambda: 0.0)
    for number in range(1000):
        logging.getLogger("aiosomething").warning(f"bad packet {number}")  # noqa: G004 - as libraries do
    logging.getLogger("aiosomething").warning(["no", "text"])
    assert len(read(lines)) == logs.BURST


def test_what_was_left_out_is_counted_across_threads(lines: io.StringIO) -> None:
    """Eight threads at once: the burst is exact, and the next line of the event says how many were left out."""
    now = [0.0]
    logs.setup("info", stream=lines, now_s=lambda: now[0])

    def flood() -> None:
        for _ in range(500):
            logs.get_logger("x").warning("stun.malformed")

    threads = [threading.Thread(target=flood) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now[0] = 61
    logs.get_logger("x").warning("stun.malformed")
    written = read(lines)
    assert len(written) == logs.BURST + 1
    assert written[-1]["left_out"] == 8 * 500 - logs.BURST


def test_an_error_is_logged_with_code_and_causes_and_only_bugs_with_a_trace(lines: io.StringIO) -> None:
    """Our errors show their chain in one line; an error that is not ours shows where it happened."""
    logs.setup("info", stream=lines)
    sink = logs.fault_sink(logs.get_logger("x"))
    try:
        try:
            raise OSError("no route")
        except OSError as cause:
            raise CameraLoginRefused("refused") from cause
    except CameraLoginRefused as error:
        sink("cam", error)
    sink("bug", ZeroDivisionError("oops"))
    ours, bug = read(lines)
    assert ours["error"] == "camera_login"
    assert "OSError: no route" in str(ours["because"])
    assert "trace" not in ours
    assert "ZeroDivisionError" in str(bug["trace"])


def test_one_event_cannot_flood_the_log(lines: io.StringIO) -> None:
    """Of one event name only a burst a minute is written, and the last line says so."""
    now = [0.0]
    logs.setup("info", stream=lines, now_s=lambda: now[0])
    log = logs.get_logger("x")
    for _ in range(1000):
        log.warning("stun.malformed")
    log.warning("other")
    now[0] = 61
    log.warning("stun.malformed")
    written = read(lines)
    assert len(written) == logs.BURST + 2
    assert "suppressing" in written[logs.BURST - 1]


def test_systemd_hears_ready_watchdog_and_stopping(tmp_path: Path) -> None:
    """Each state is one datagram; without NOTIFY_SOCKET nothing is sent."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n"))
        notify = Notifier({"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "30000000"})
        notify.ready()
        notify.watchdog()
        notify.status("12 cameras")
        notify.stopping()
        assert [manager.recv(100) for _ in range(4)] == [b"READY=1", b"WATCHDOG=1", b"STATUS=12 cameras", b"STOPPING=1"]
    assert notify.watchdog_interval_s == 10
    Notifier({}).ready()
    notify.ready()  # the manager is gone: no error


@pytest.mark.anyio
async def test_a_slow_subscriber_loses_the_oldest_and_knows_how_many() -> None:
    """A full subscription drops its oldest entries and counts them; publishing never waits."""
    bus = Bus()
    with bus.subscribe("facts", maxlen=3) as slow, bus.subscribe("other") as other:
        for number in range(10):
            bus.publish("facts", number)
        stream = aiter(slow)
        assert [await anext(stream) for _ in range(3)] == [7, 8, 9]
        assert (slow.dropped, other.dropped) == (7, 0)
    bus.publish("facts", 11)


def test_both_catalogues_have_the_same_keys_and_placeholders() -> None:
    """Vietnamese and English say the same things with the same values."""
    import string

    vi, en = catalogue("vi").texts, catalogue("en").texts
    assert set(vi) == set(en)

    def fields(text: str) -> list[str]:
        return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)

    assert [key for key in vi if fields(vi[key]) != fields(en[key])] == []
    assert catalogue("fr").language == "vi"


def test_every_error_has_a_unique_code_a_title_and_a_remedy() -> None:
    """Every class of the tree is in the drawing, in both catalogues, and found by its code."""
    from gateway.core import errors

    kinds = all_errors()
    assert len({kind.code for kind in kinds}) == len(kinds)
    for kind in kinds:
        assert kind.__name__ in (errors.__doc__ or "")
        assert by_code(kind.code) is kind
        for language in ("vi", "en"):
            title, hint = catalogue(language).error(kind.code)
            assert title
            assert hint
            assert (kind is VuonError) == (title == catalogue(language).text("error.internal"))
    assert by_code("from-the-future") is VuonError


def test_an_error_is_told_with_what_and_what_next() -> None:
    """A person reads title, message and remedy; a remedy of the error itself comes first."""
    assert explain(ConfigError("x = 1", remedy="write 2")) == "✘ Cấu hình chưa đúng: x = 1\n  → write 2"
    assert "camera-password" in explain(CameraLoginRefused("401"), "en")


def test_every_event_type_is_versioned_and_named_in_both_catalogues() -> None:
    """Types end in .v1, belong to a lane, and have a text."""
    for name, kind in EVENT_TYPES.items():
        assert name.endswith(".v1")
        assert kind.lane in Lane
        assert catalogue("vi").text(f"event.{name}")
        assert catalogue("en").text(f"event.{name}")


def test_an_event_takes_only_registered_fields() -> None:
    """A field that is not in the registry is a mistake found at once."""
    event = make_event("camera.state", now_ms=NOON_MS, mono_ns=5_000_000, trusted=True, camera="c", state="up", why="")
    assert (event.lane, event.mono_ms, event.type) == (Lane.ALARM, 5, "camera.state.v1")
    with pytest.raises(ValueError, match="child"):
        make_event("camera.state", now_ms=NOON_MS, mono_ns=0, trusted=True, child="Lan")
    with pytest.raises(KeyError):
        make_event("no.such", now_ms=NOON_MS, mono_ns=0, trusted=True)


def test_event_ids_are_version_7_and_sort_by_time() -> None:
    """Ids carry their millisecond first, so they sort as they happened."""
    ids = [uuid7(NOON_MS + n) for n in range(100)]
    assert ids == sorted(ids)
    assert {item[14] for item in ids} == {"7"}
    assert uuid7(NOON_MS, b"\xff" * 10)[19] == "b"


@pytest.mark.anyio
async def test_a_daemon_says_ready_feeds_the_watchdog_and_stops_on_sigterm(tmp_path: Path) -> None:
    """READY comes after the body is entered, the watchdog while healthy, STOPPING before it is left."""
    steps: list[str] = []

    @contextlib.asynccontextmanager
    async def body() -> AsyncIterator[None]:
        steps.append("entered")
        yield
        steps.append("left")

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n"))
        notify = Notifier({"NOTIFY_SOCKET": str(tmp_path / "n")})
        task = asyncio.create_task(serve(body(), notifier=notify))
        manager.setblocking(False)
        loop = asyncio.get_running_loop()
        assert await loop.sock_recv(manager, 100) == b"READY=1"
        assert await loop.sock_recv(manager, 100) == b"WATCHDOG=1"
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(task, 10)
        assert await loop.sock_recv(manager, 100) == b"STOPPING=1"
    assert steps == ["entered", "left"]
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().remove_signal_handler(number)


@pytest.mark.anyio
async def test_a_daemon_whose_parts_stand_still_is_not_said_to_move(tmp_path: Path) -> None:
    """The watchdog hears of the daemon only while what the body gave says that it is healthy."""
    asked: list[bool] = []

    def healthy() -> bool:
        asked.append(len(asked) < 2)
        return asked[-1]

    @contextlib.asynccontextmanager
    async def body() -> AsyncIterator[Health]:
        yield Health(healthy)

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n"))
        manager.setblocking(False)
        env = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "3000"}
        task = asyncio.create_task(serve(body(), notifier=Notifier(env)))
        async with asyncio.timeout(20):
            while len(asked) < 10:  # noqa: ASYNC110 - asked by the daemon's own loop
                await asyncio.sleep(0.001)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(task, 10)
        heard = [await asyncio.get_running_loop().sock_recv(manager, 100) for _ in range(4)]
    assert heard == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1", b"STOPPING=1"]


@pytest.mark.anyio
async def test_a_start_that_hangs_ends_on_sigterm() -> None:
    """A daemon that waits for a disk in its start is stopped as orderly as one that runs."""
    steps: list[str] = []

    @contextlib.asynccontextmanager
    async def body() -> AsyncIterator[None]:
        steps.append("starting")
        try:
            await asyncio.Event().wait()
            yield
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned")

    task = asyncio.create_task(serve(body()))
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, 10)
    assert steps == ["starting", "cleaned"]
    assert not task.cancelled()


def test_a_daemon_knows_its_own_figures() -> None:
    """Name, pid, uptime, memory and version are there for the status."""
    facts = DaemonFacts("live", FakeClock()).as_dict()
    assert set(facts) == {"name", "pid", "uptime_s", "rss_bytes", "version"}
    assert facts["rss_bytes"] > 1 << 20


def test_the_boxes_own_certificate_serves_tls_for_its_names(tmp_path: Path) -> None:
    """A client that trusts the box's CA accepts the box under its name, and under no other."""
    files = ensure_tls(tmp_path / "tls", ["vuon.test", "127.0.0.1"], now_ms=SystemClock().now_ms())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate, files.key)
    for name, good in (("vuon.test", True), ("other.test", False)):
        client = ssl.create_default_context(cafile=str(files.ca))
        ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
        back_a, back_b = ssl.MemoryBIO(), ssl.MemoryBIO()
        left = client.wrap_bio(back_a, ours, server_hostname=name)
        right = server.wrap_bio(back_b, theirs, server_side=True)
        error: Exception | None = None
        for _ in range(10):
            for side in (left, right):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLError as failure:
                    error = error or failure
            back_b.write(ours.read())
            back_a.write(theirs.read())
        assert (error is None) == good, name


def test_the_ca_is_made_once_constrained_and_its_keys_are_private(tmp_path: Path) -> None:
    """Renewing the server's certificate keeps the CA, which can only sign for this box."""
    now = SystemClock().now_ms()
    first = ensure_tls(tmp_path, ["a.test"], now_ms=now)
    server = first.certificate.read_bytes()
    assert ensure_tls(tmp_path, ["a.test"], now_ms=now).certificate.read_bytes() == server
    renewed = ensure_tls(tmp_path, ["a.test"], now_ms=now + 370 * 86_400_000)
    assert renewed.certificate.read_bytes() != server
    assert renewed.ca_sha256 == first.ca_sha256
    constraints = x509.load_pem_x509_certificate(first.ca.read_bytes()).extensions.get_extension_for_class(
        x509.NameConstraints
    )
    assert constraints.critical
    assert constraints.value.permitted_subtrees == [x509.DNSName("a.test")]
    for name in ("ca.key", "server.key"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
