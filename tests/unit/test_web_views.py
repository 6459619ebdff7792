"""What pages are told: pure shapes of cameras, classes and days."""

from __future__ import annotations

import pytest

from gateway.access.reasons import Reason, told
from gateway.core.errors import Denied
from gateway.core.model import Decision, PublicId, Role
from tests.fakes.clock import NOON_MS
from tests.fakes.web_services import ALLOWED, CLASS_MAM, MAM, MOTHER, PRINCIPAL, YARD, pid
from web.board import Status
from web.i18n import Words
from web.pages_guardian import day_strip
from web.problems import body_of
from web.services import ClassDay, KnownCamera, OpenView, Sharing
from web.views import (
    SCREENS,
    camera_facts,
    camera_view,
    class_view,
    disk_percent,
    disks_away,
    grid_view,
    groups,
    screen_of,
    trouble_of,
    troubles,
)

KNOWN = KnownCamera(MAM, "Lớp Mầm 1", CLASS_MAM, "Mầm", "open")
HOUR_MS = 3_600_000
MORNING_MS = NOON_MS - 5 * HOUR_MS
"""07:00 in Việt Nam."""


def status(**camera: object) -> Status:
    return Status(True, {MAM: {"id": MAM, "name": "Cửa sổ", "state": "up", "recording": True} | camera})


@pytest.mark.parametrize(
    ("camera", "reachable", "trouble"),
    [
        ({"state": "up", "recording": True}, True, "ok"),
        ({"state": "up", "recording": False}, True, "norec"),
        ({"state": "up", "recording": True, "frozen": True}, True, "frozen"),
        ({"state": "up", "recording": False, "frozen": True}, True, "norec"),
        ({"state": "connecting", "recording": False}, True, "ok"),
        ({"state": "down", "recording": False}, True, "down"),
        ({"state": "silent", "recording": True}, True, "silent"),
        ({"state": "login_refused", "recording": False}, True, "login_refused"),
        ({"state": "up", "recording": True}, False, "unknown"),
    ],
)
def test_trouble_names_the_worst_fact(camera: dict[str, object], reachable: bool, trouble: str) -> None:
    """Not recording is trouble even while pictures come; a silent recorder makes all unknown."""
    assert trouble_of(camera, reachable=reachable) == trouble


def test_a_state_nobody_knows_is_shown_as_unknown() -> None:
    """A newer recorder's word does not become a missing text."""
    assert camera_view(KNOWN, status(state="dreaming"), [])["state"] == "unknown"
    assert camera_view(KNOWN, Status(True), [])["trouble"] == "unknown"


def test_names_come_from_the_recorder_then_from_the_class_then_from_the_id() -> None:
    """A tile always has a name."""
    assert camera_view(KNOWN, status(), [])["name"] == "Cửa sổ"
    assert camera_view(KNOWN, status(name=""), [])["name"] == "Lớp Mầm 1"
    assert camera_view(KnownCamera(MAM), Status(False), [])["name"] == MAM


def test_since_is_told_only_of_trouble() -> None:
    """A healthy camera's figures must not make every view differ from the last."""
    assert camera_view(KNOWN, status(since_ms=5, last_segment_ms=9), [])["since_ms"] is None
    assert camera_view(KNOWN, status(state="down", since_ms=5, last_segment_ms=9), [])["since_ms"] == 5
    assert camera_view(KNOWN, status(state="down", last_segment_ms=9), [])["since_ms"] == 9
    assert camera_view(KNOWN, status(state="down"), [])["since_ms"] is None


def test_no_view_holds_an_address() -> None:
    """What the recorder says beyond the declared figures stays out."""
    cam = status(
        address="10.0.0.8", driver="onvif", streams=[{"stream": "main", "codec": "h264", "run": 7, "url": "rtsp://x"}]
    )
    for view in (camera_view(KNOWN, cam, []), camera_facts(KNOWN, cam, [], names=True)):
        assert "10.0.0.8" not in str(view)
        assert "rtsp" not in str(view)
        assert "run" not in str(view)


def test_streams_are_listed_main_first() -> None:
    """The page's figures are those of the main encoding."""
    cam = status(streams=[{"stream": "sub", "width": 640}, {"stream": "main", "width": 1920}])
    assert [stream["width"] for stream in camera_facts(KNOWN, cam, [], names=False)["streams"]] == [1920, 640]


def test_guardians_are_counted_once_however_many_streams_they_have() -> None:
    """Watching is people, not streams; staff are not guardians; other classes' are not counted."""
    views = [
        OpenView(MAM, MOTHER.person, MOTHER.name, Role.GUARDIAN, 1),
        OpenView(MAM, MOTHER.person, MOTHER.name, Role.GUARDIAN, 2),
        OpenView(MAM, PRINCIPAL.person, PRINCIPAL.name, Role.PRINCIPAL, 1),
        OpenView(YARD, pid("other"), "PH", Role.GUARDIAN, 1),
    ]
    grid = grid_view([KNOWN], status(), views, Sharing(), 5)
    assert (grid["watching"], grid["cameras"][0]["viewers"], grid["cameras"][0]["guardians"]) == (1, 3, 2)


def test_people_are_told_with_their_way_and_quality() -> None:
    """What is plain and near is said of nobody; without the right to names guardians are not there at all."""
    views = [
        OpenView(MAM, MOTHER.person, MOTHER.name, Role.GUARDIAN, 1, "relay", "weak"),
        OpenView(MAM, PRINCIPAL.person, PRINCIPAL.name, Role.PRINCIPAL, 2, "", "smaller"),
        OpenView(MAM, PRINCIPAL.person, PRINCIPAL.name, Role.PRINCIPAL, 3),
    ]
    told = camera_facts(KNOWN, status(), views, names=True)["people"]
    assert [person["how"] for person in told] == [["relay", "weak"], ["smaller"], []]
    told = camera_facts(KNOWN, status(), views, names=False)["people"]
    assert [person["how"] for person in told] == [["smaller"], []]


def test_the_strip_holds_the_three_worst() -> None:
    """Not recording before lost before silent; at most three."""
    kinds = ["silent", "ok", "down", "norec", "login_refused", "down"]
    views = [{"id": str(n), "name": str(n), "trouble": kind, "since_ms": n} for n, kind in enumerate(kinds)]
    assert [item["id"] for item in troubles(views)] == ["3", "2", "5"]


@pytest.mark.parametrize(
    ("volumes", "percent"),
    [
        ([], None),
        ([{"total_bytes": 0, "free_bytes": 0}], None),
        ([{}], None),
        ([{"total_bytes": 100, "free_bytes": 38}] * 2, 62),
        ([{"id": "v", "total_bytes": 100, "free_bytes": 38}, {"id": "", "total_bytes": 900, "free_bytes": 900}], 62),
    ],
)
def test_disks_are_one_number(volumes: list[dict[str, int]], percent: int | None) -> None:
    """All footage disks together; none is no number; what lies in the place of one that is away does not count."""
    assert disk_percent(volumes) == percent


def test_a_disk_that_is_not_in_use_is_counted() -> None:
    """The recorder names no disk where it opened none; a full one is in use."""
    volumes = [{"id": "v", "state": "ok"}, {"id": "w", "state": "full"}, {"id": "", "state": "missing"}]
    assert disks_away(volumes) == 1


def test_groups_keep_the_order_of_the_tiles() -> None:
    """Filters stand as the classes do; cameras without a group make none."""
    known = [
        KnownCamera(pid("a"), group="Mầm"),
        KnownCamera(pid("b")),
        KnownCamera(pid("c"), group="Lá"),
        KnownCamera(pid("d"), group="Mầm"),
    ]
    assert groups(known) == [("Mầm", 2), ("Lá", 1)]


# the guardian's screen


def day(decision: Decision) -> ClassDay:
    return ClassDay(CLASS_MAM, "Lớp Mầm 1", "Bé An Nhiên", (MAM,), decision)


@pytest.mark.parametrize(
    ("state", "screen"), [("up", "live"), ("connecting", "live"), ("down", "offline"), ("silent", "offline")]
)
def test_an_allowed_class_is_live_while_its_camera_is(state: str, screen: str) -> None:
    """A lost camera is its own screen, without the reason."""
    view = class_view(day(ALLOWED), MAM, status(state=state, since_ms=3))
    assert view["screen"] == screen
    assert view["since_ms"] == (3 if screen == "offline" else None)


def test_a_picture_that_stands_still_is_not_live() -> None:
    """Packets go on, but a guardian is not shown an old picture as if it were now."""
    view = class_view(day(ALLOWED), MAM, status(state="up", frozen=True, since_ms=3))
    assert (view["screen"], view["since_ms"]) == ("offline", 3)


def test_every_reason_a_guardian_can_meet_has_a_screen() -> None:
    """Reasons are access' own; those without a row are hours, and the table names no reason that is not there."""
    assert set(SCREENS) <= {str(reason) for reason in Reason}
    hours = {Reason.WINDOW_CLOSED, Reason.WINDOW_NONE, Reason.PLAN_NONE, Reason.PLAN_HIDDEN}
    assert {screen_of(Decision(False, str(reason)), "up") for reason in hours} == {"closed"}


def test_what_closes_a_class_for_all_looks_the_same_whoever_caused_it() -> None:
    """A teacher's pause, a family without an answer, the school's switch: one screen."""
    reasons = ("class.paused", "class.not_open", "sharing.stopped", "camera.private")
    assert {screen_of(Decision(False, reason), "up") for reason in reasons} == {"paused"}


def test_a_class_without_a_camera_is_offline_and_asks_for_none() -> None:
    """There is no camera id to put into an address."""
    view = class_view(day(ALLOWED), None, Status(True))
    assert (view["camera"], view["screen"]) == (None, "offline")


def test_the_strip_of_the_day_is_drawn_in_percent() -> None:
    """07:00 to 17:00; bars, labels and the present minute at their places; the spoken form names the hours."""
    windows = ((MORNING_MS, MORNING_MS + HOUR_MS), (MORNING_MS + 5 * HOUR_MS, MORNING_MS + 10 * HOUR_MS))
    strip = day_strip(ClassDay(CLASS_MAM, "", "", (), ALLOWED, windows), Words("vi", "Asia/Ho_Chi_Minh"), NOON_MS)
    assert strip["bars"] == [(0.0, 10.0), (50.0, 50.0)]
    assert [label for _, label in strip["labels"]] == ["07:00", "08:00", "12:00", "17:00"]
    assert strip["now"] == 50.0
    assert strip["spoken"] == "07:00 - 08:00, 12:00 - 17:00"


def test_the_strip_widens_for_unusual_hours() -> None:
    """A window in the evening stays inside; the present minute never leaves the strip."""
    late = MORNING_MS + 13 * HOUR_MS
    strip = day_strip(
        ClassDay(CLASS_MAM, "", "", (), ALLOWED, ((late - HOUR_MS, late),)),
        Words("vi", "Asia/Ho_Chi_Minh"),
        late + 3 * HOUR_MS,
    )
    assert strip["bars"][0][0] + strip["bars"][0][1] == pytest.approx(100)
    assert strip["now"] == 100


def test_a_window_until_midnight_ends_at_24_hours() -> None:
    """The end of the day is not its beginning."""
    midnight = MORNING_MS + 17 * HOUR_MS
    windows = ((midnight - 24 * HOUR_MS, midnight),)
    strip = day_strip(ClassDay(CLASS_MAM, "", "", (), ALLOWED, windows), Words("vi", "Asia/Ho_Chi_Minh"), NOON_MS)
    assert [label for _, label in strip["labels"]] == ["00:00", "24:00"]


def test_public_ids_of_the_fakes_are_public_ids() -> None:
    """The fakes' readable ids have the real form."""
    from gateway.core.model import is_public_id

    assert all(is_public_id(PublicId(item)) for item in (MAM, YARD, MOTHER.person, CLASS_MAM))


@pytest.mark.parametrize("reason", ["class.paused", "class.not_open", "class.staff_notice"])
def test_no_guardian_can_tell_a_familys_answer_from_a_teachers_tap(reason: str) -> None:
    """Screen, code, times and words are one, in the page's data and in the answer to whoever asks for the picture."""
    day = ClassDay(CLASS_MAM, "Lớp Mầm 1", "Bé An", (MAM,), Decision(False, reason, 1_000, 2_000))
    seen = class_view(day, MAM, status())
    assert (seen["screen"], seen["reason"], seen["until_ms"], seen["next_ms"]) == ("paused", "class.paused", None, None)
    for language in ("vi", "en"):
        words = Words(language, "Asia/Ho_Chi_Minh")
        refused = body_of(Denied("no", reason=reason, next_ms=2_000), words)
        assert refused == body_of(Denied("no", reason="class.not_open"), words)
        assert words.reason(reason) == words.reason("class.not_open")
        assert words.cause(reason) != words.reason(reason)


def test_what_guardians_are_told_names_no_other_family() -> None:
    """Of all reasons, none that a guardian is told speaks of families, other children or somebody's yes or no."""
    for language, hints in (
        ("vi", ("các gia đình", "gia đình khác", "bé khác")),
        ("en", ("families", "other famil", "another child")),
    ):
        words = Words(language, "Asia/Ho_Chi_Minh")
        for reason in {told(item) for item in Reason if not item.startswith(("observation.", "role.", "why."))}:
            text = words.reason(reason).lower()
            assert not [hint for hint in hints if hint in text], (reason, text)
