"""`vuon xem`: looks are asked of the gateway, classes are given by one key."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.preview import KEYS, NEW, QUIT, SKIP, Room, chosen
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.wire import Reply
from tests.fakes.cli_box import Answer, CliBox, camera, cli_box, daemon
from tests.fakes.clock import NOON_MS
from tests.fakes.still import answer, jpeg

A, B = camera("Cam a"), camera("Lớp [Mầm] 2", recording=False)
HANG_S = 60


def classes(*given: tuple[str, list[str]]) -> list[dict[str, Any]]:
    return [{"id": str(n).ljust(16, "c"), "name": name, "cameras": ids} for n, (name, ids) in enumerate(given, 1)]


def answers(still: Answer | None = None, known: list[dict[str, Any]] | None = None) -> dict[str, dict[str, Answer]]:
    about = [
        {"id": A["id"], "name": A["name"], "manufacturer": "Hikvision", "model": "DS-2CD2143"},
        {"id": B["id"], "name": B["name"], "manufacturer": "Dahua", "model": "Dahua X1"},
    ]
    stream = {"stream": "main", "width": 1920, "height": 1080, "fps": 15.0, "codec": "h264"}
    status = [{**A, "address": "192.168.10.21", "streams": [stream]}, {**B, "address": "192.168.10.22", "streams": []}]
    return {
        "recorder": {"camera.list": {"cameras": about}, "status": {"daemon": daemon("recorder"), "cameras": status}},
        "gateway": {
            "people.list": {"people": [], "classes": classes(("Mầm 1", []), ("Mầm 2", [])) if known is None else known},
            "still": answer() if still is None else still,
            "camera.assign": {"class": "x"},
            "class.add": {"class": "y"},
        },
    }


@pytest.fixture
def box(tmp_path: Path) -> Iterator[CliBox]:
    with cli_box(tmp_path, answers()) as made:
        yield made


def test_without_a_terminal_a_picture_is_words(box: CliBox) -> None:
    """When it was taken, how long ago, how bright; who the camera is and whether it records; nothing is asked."""
    done = box.vuon("preview", "1")
    assert done.code == 0
    assert "Picture of 12:00:00, " in done.out
    assert "The picture is dark (24%)" in done.out
    assert "✔ 192.168.10.21  Hikvision DS-2CD2143  1920×1080  15 fps  H.264  1.7 Mb/s  recording" in done.out
    assert "\x1b" not in done.out
    assert box.asked("still") == [{"camera": A["id"], "width": 320, "after_acceptance": False}]
    assert box.asked("camera.assign") == []


def test_a_camera_is_named_by_number_name_or_id(box: CliBox) -> None:
    """In the order of the status; a number that is nobody's is an error with the names."""
    for wanted in ("2", "lớp [mầm] 2", B["id"]):
        assert "✘ 192.168.10.22  Dahua X1" in box.vuon("xem", wanted).out
    wrong = box.vuon("xem", "3")
    assert (wrong.code, "Cam a, Lớp [Mầm] 2" in wrong.err) == (1, True)


def test_alone_it_goes_through_the_cameras_without_a_class(tmp_path: Path) -> None:
    """Those that have one are left alone; when all have one it says so."""
    with cli_box(tmp_path, answers(known=classes(("Mầm 1", [A["id"]])))) as box:
        assert box.vuon("preview").code == 0
        assert [row["camera"] for row in box.asked("still")] == [B["id"]]
    with cli_box(tmp_path, answers(known=classes(("Sân", [A["id"], B["id"]])))) as box:
        assert "Every camera has its class" in box.vuon("preview").out
        assert box.asked("still") == []


def test_a_box_without_cameras_says_how_to_find_them(tmp_path: Path) -> None:
    """Nothing adopted is not the same as everything assigned."""
    made = answers()
    made["recorder"] = {"camera.list": {"cameras": []}, "status": {"daemon": daemon("recorder"), "cameras": []}}
    with cli_box(tmp_path, made) as box:
        done = box.vuon("preview")
    assert (done.code, "Every camera" in done.out) == (0, False)


def test_a_script_assigns_without_a_look(box: CliBox) -> None:
    """`--lop` names a class that is there, `--lop-moi` one that is made; both together are refused."""
    assert box.vuon("xem", "1", "--lop", "Mầm 2").code == 0
    assert box.vuon("preview", "2", "--new-class", "Chồi 1").code == 0
    assert box.asked("camera.assign") == [{"camera": A["id"], "class": "Mầm 2"}]
    assert box.asked("class.add") == [{"name": "Chồi 1", "cameras": [B["id"]]}]
    for wrong in (["--lop", "Mầm 1"], ["1", "--lop", "Mầm 1", "--lop-moi", "Mầm 1"]):
        done = box.vuon("preview", *wrong)
        assert (done.code, "one camera and one class" in done.err) == (1, True)
    assert box.asked("still") == []


def test_an_unknown_class_is_told_by_the_gateway(tmp_path: Path) -> None:
    """With the classes there are."""
    made = answers()
    made["gateway"]["camera.assign"] = BadInput("no", case="class", key="class", name="Lá 9", known="Mầm 1, Mầm 2")
    with cli_box(tmp_path, made) as box:
        done = box.vuon("preview", "1", "--class", "Lá 9")
    assert (done.code, "Mầm 1, Mầm 2" in done.err) == (1, True)


def test_after_acceptance_a_look_is_refused_until_it_is_meant(tmp_path: Path) -> None:
    """The error names the option and who will know; with it the gateway is told."""
    refused = Denied("no", reason="box.accepted", case="look_accepted")
    with cli_box(tmp_path, answers(refused)) as box:
        done = box.vuon("preview", "1")
    assert (done.code, "--after-acceptance" in done.err, "families see" in done.err) == (1, True, True)
    with cli_box(tmp_path, answers()) as box:
        box.vuon("preview", "1", "--after-acceptance")
        assert box.asked("still")[0]["after_acceptance"] is True


def test_before_the_first_picture_the_camera_is_shown_all_the_same(tmp_path: Path) -> None:
    """No picture yet is a sentence, no error."""
    with cli_box(tmp_path, answers(NotFound("no still yet"))) as box:
        done = box.vuon("preview", "1")
        assert box.vuon("preview", "1", "--json").json()["cameras"][0]["picture"] is None
    assert done.code == 0
    assert "no picture of this camera yet" in done.out
    assert "192.168.10.21" in done.out


@pytest.mark.parametrize("still", [
    Reply({"captured_ms": 0, "width": 320, "height": 180}, b"GIF89a"),
    Reply({"captured_ms": 0, "width": 320, "height": 180}, b"\xff\xd8 broken"),
    Reply({"captured_ms": 0, "width": 99_999, "height": 180}, jpeg()),
])  # fmt: skip
def test_what_is_no_picture_is_an_error(tmp_path: Path, still: Reply) -> None:
    """Another format, half a file, an unlikely size: said, never a traceback."""
    with cli_box(tmp_path, answers(still)) as box:
        done = box.vuon("preview", "1")
    assert done.code == 1


def test_json_has_everything_but_the_picture(box: CliBox) -> None:
    """For scripts: facts, class, when, how bright, and no bytes of it."""
    (row,) = box.vuon("preview", "1", "--json").json()["cameras"]
    assert (row["name"], row["class"]) == (A["name"], None)
    assert row["picture"]["captured_ms"] == NOON_MS
    assert row["picture"]["light"] == pytest.approx(60 / 255, abs=0.02)


# keys


def pressed(*keys: str) -> Callable[[], str]:
    left = list(keys)
    return lambda: left.pop(0)


def test_each_class_has_a_key() -> None:
    """Digits first, then letters without those that mean something else; capitals are the same key."""
    room = Room([], classes(*((f"Lớp {n}", []) for n in range(1, 13))))
    assert chosen(room, pressed("1")) == "Lớp 1"
    assert [chosen(room, pressed(key)) for key in "9aCd"] == ["Lớp 9", "Lớp 10", "Lớp 11", "Lớp 12"]
    assert not {SKIP, QUIT, NEW} & set(KEYS)
    assert len(set(KEYS)) == len(KEYS)


def test_other_keys_change_nothing() -> None:
    """A key without a class, an arrow, a zero: it waits for the next one."""
    room = Room([], classes(("Mầm 1", [])))
    assert chosen(room, pressed("2", "0", "\x1b[A", "", "z", SKIP)) == SKIP
    assert chosen(room, pressed("\r")) == SKIP
    assert chosen(room, pressed("Q")) == chosen(room, pressed("\x04")) == QUIT
    assert chosen(room, pressed(NEW)) == NEW


def terminal(box: CliBox, keys: list[tuple[str, str]], **env: str) -> str:
    """Run `vuon xem` in a terminal: each key is typed when its text has been seen; returns what it wrote."""
    arguments = [sys.executable, "-m", "gateway", "xem", "--data", str(box.folder)]
    ours, theirs = pty.openpty()
    env = {**os.environ, "VUON_LANG": "en", "TERM": "xterm-256color", **env}
    process = subprocess.Popen(arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True)
    os.close(theirs)
    seen, read, waiting, end = b"", 0, list(keys), time.monotonic() + HANG_S
    try:
        while time.monotonic() < end:
            if waiting and waiting[0][0].encode() in seen[read:]:
                read = seen.index(waiting[0][0].encode(), read) + 1
                os.write(ours, waiting.pop(0)[1].encode())
            if not select.select([ours], [], [], 0.1)[0]:
                continue
            try:
                seen += os.read(ours, 65_536)
            except OSError:  # EIO: the program has ended
                break
        assert process.wait(HANG_S) == 0, seen
    finally:
        process.kill()
        os.close(ours)
    return seen.decode()


def test_in_a_terminal_it_is_a_picture_and_one_key(tmp_path: Path) -> None:
    """Painted in 24 bits; 2 assigns the first camera, the second gets a new class; the loop ends by itself."""
    with cli_box(tmp_path, answers()) as box:
        out = terminal(
            box,
            [("q stop", "2"), ("✔ Cam a", ""), ("q stop", "+"), ("new class:", "Lá 1\r")],
            COLORTERM="truecolor",
        )
        assert box.asked("camera.assign") == [{"camera": A["id"], "class": "Mầm 2"}]
        assert box.asked("class.add") == [{"name": "Lá 1", "cameras": [B["id"]]}]
    assert "▀" in out
    assert "\x1b[38;2;" in out


def test_a_terminal_without_colour_gets_words_and_the_same_keys(tmp_path: Path) -> None:
    """NO_COLOR: no block is painted; q ends it with nothing changed."""
    with cli_box(tmp_path, answers()) as box:
        out = terminal(box, [("q stop", "q")], NO_COLOR="1")
        assert box.asked("camera.assign") == []
    assert "▀" not in out
    assert "Picture of" in out
