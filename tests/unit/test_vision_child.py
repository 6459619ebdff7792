"""The vision child: its cage and its eyes."""

from __future__ import annotations

import dataclasses
import io
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import cage
from gateway.core.errors import WireError
from gateway.core.media import AccessUnit, Codec
from recorder.vision import child, pipe
from recorder.vision.client import VisionClient
from recorder.vision.pipe import Jpeg, Look
from recorder.vision.stills import BadPicture, Looker, look_at
from tests.fakes.clock import FakeClock
from tests.fakes.h264 import clip

ROOT = Path(__file__).parents[2]


def spawn(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "recorder.vision.child", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def read_reply(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    assert process.stdout is not None
    kind, length = pipe.HEAD.unpack(process.stdout.read(pipe.HEAD.size))
    return kind, process.stdout.read(length)


def ask(process: subprocess.Popen[bytes], request: bytes) -> tuple[int, bytes]:
    assert process.stdin is not None
    process.stdin.write(request)
    process.stdin.flush()
    return read_reply(process)


def finish(process: subprocess.Popen[bytes]) -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    status = process.wait(30)
    process.stdout.close()
    return status


def key_frame(width: int = 640, height: int = 360, number: int = 0) -> AccessUnit:
    return clip(width, height).unit(number, 0)


def test_the_caged_child_decodes_what_it_must_and_can_do_nothing_else() -> None:
    """Each escape was tried and refused before READY; both codecs' decoders and JPEG work inside."""
    process = spawn()
    try:
        assert read_reply(process) == (pipe.READY, b"")
        for number in (0, 20, 0):
            kind, body = ask(process, pipe.encode_decode(5, key_frame(number=number), want_stills=True))
            assert kind == pipe.PICTURE, body
            look, jpegs = pipe.decode_picture(body)
            assert (look.width, look.height) == (640, 360)
            assert [(jpeg.width, jpeg.height) for jpeg in jpegs] == [(320, 180), (640, 360)]
            for jpeg in jpegs:
                picture = cv2.imdecode(np.frombuffer(jpeg.data, np.uint8), cv2.IMREAD_COLOR)
                assert picture is not None
                assert picture.shape == (jpeg.height, jpeg.width, 3)
    finally:
        assert finish(process) == 0


@pytest.mark.parametrize("name", sorted(cage.TRIES))
def test_each_escape_is_refused(name: str) -> None:
    """In a process of its own: locked up, this one try fails; unlocked the self-test would find it."""
    program = (
        "import os, sys\n"
        "from gateway.core import cage\n"
        f"tries = {{{name!r}: cage.TRIES[{name!r}]}}\n"
        "cage.lock()\n"
        "os.write(1, repr(cage.escapes(tries)).encode())\n"
        "os._exit(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.stdout == b"[]", done.stderr


def test_code_cannot_be_made_at_run_time() -> None:
    """Memory that is mapped or changed to be executable is refused."""
    program = (
        "import mmap, os\n"
        "from gateway.core import cage\n"
        "cage.lock()\n"
        "out = []\n"
        "for flags in (mmap.PROT_READ | mmap.PROT_WRITE, mmap.PROT_READ | mmap.PROT_EXEC):\n"
        "    try:\n"
        "        mmap.mmap(-1, 4096, prot=flags); out.append('yes')\n"
        "    except OSError:\n"
        "        out.append('no')\n"
        "os.write(1, ' '.join(out).encode())\n"
        "os._exit(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.stdout == b"yes no", done.stderr


def test_the_self_test_finds_a_cage_that_is_open() -> None:
    """What is possible is named."""
    assert cage.escapes({"look": Path("/").stat, "fail": Path("/does/not/exist").stat}) == ["look"]


def test_a_cage_that_cannot_be_locked_or_leaks_has_a_reason() -> None:
    """The child then says REFUSED and ends."""

    def no_library() -> None:
        raise ImportError("libseccomp is missing")

    assert cage.enter(lock=no_library) == "ImportError: libseccomp is missing"
    assert cage.enter(lambda: None, lambda: ["open a file"]) == "still possible: open a file"
    assert cage.enter(lambda: None, list) == ""


def test_without_the_cage_the_child_runs_only_when_told() -> None:
    """`--no-sandbox` is for machines without libseccomp; it is never the default."""
    process = spawn("--no-sandbox")
    assert read_reply(process) == (pipe.READY, b"")
    assert finish(process) == 0
    assert "--no-sandbox" not in VisionClient(FakeClock()).command
    assert "--no-sandbox" in VisionClient(FakeClock(), sandbox=False).command


@pytest.mark.parametrize(
    "junk",
    [b"", b"\0\0\0\1\x65", b"\0\0\0\1\x67\x42\x00\x1e" + b"\xff" * 50, bytes(range(256)) * 20],
)
def test_a_picture_that_does_not_decode_is_answered_and_survived(junk: bytes) -> None:
    """The next one of the same stream is fine."""
    requests = pipe.frame(pipe.DECODE, b"\0\0\0\1\x01\x01" + junk) + pipe.encode_decode(
        1, key_frame(), want_stills=False
    )
    replies = io.BytesIO()
    child.answer(Looker(), io.BytesIO(requests), replies)
    replies.seek(0)
    kinds = []
    while head := replies.read(pipe.HEAD.size):
        kind, length = pipe.HEAD.unpack(head)
        replies.read(length)
        kinds.append(kind)
    assert kinds == [pipe.BAD, pipe.PICTURE]


def test_a_request_above_the_cap_ends_the_conversation() -> None:
    """Nothing is allocated for it."""
    replies = io.BytesIO()
    child.answer(Looker(), io.BytesIO(pipe.HEAD.pack(pipe.DECODE, pipe.MAX_REQUEST_BYTES + 1)), replies)
    assert replies.getvalue() == b""


def test_motion_is_none_for_the_same_picture_and_much_for_another() -> None:
    """The first look has nothing to compare with."""
    looker = Looker()

    def look(number: int) -> Look:
        job = pipe.decode_decode(pipe.encode_decode(1, key_frame(number=number), want_stills=False)[5:])
        return looker.look(job)[0]

    first, same, other = look(0), look(0), look(20)
    assert (first.motion, first.changed) == (0.0, 0.0)
    assert (same.motion, same.changed) == (0.0, 0.0)
    assert same.crc == first.crc
    assert other.motion > 1
    assert other.changed > 0.05
    assert other.crc != first.crc


def test_noise_is_not_motion() -> None:
    """Sensor noise changes no cell visibly; somebody who walks in does."""
    dice = np.random.default_rng(1)
    still = np.full((360, 640), 100, np.uint8)

    def noisy(picture: np.ndarray) -> np.ndarray:
        return np.clip(picture + dice.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)

    _, before = look_at(noisy(still), None)
    quiet, before = look_at(noisy(still), before)
    walked = still.copy()
    walked[100:300, 200:300] = 180
    moving, _ = look_at(noisy(walked), before)
    assert quiet.changed == 0.0
    assert moving.changed == pytest.approx(200 * 100 / (640 * 360), rel=0.2)


def test_a_forgotten_stream_starts_anew() -> None:
    """Its previous picture is gone."""
    looker = Looker()
    job = pipe.decode_decode(pipe.encode_decode(1, key_frame(), want_stills=False)[5:])
    other = pipe.decode_decode(pipe.encode_decode(1, key_frame(number=20), want_stills=False)[5:])
    looker.look(job)
    looker.forget(pipe.decode_forget(pipe.encode_forget(1)[5:]))
    assert looker.look(other)[0].motion == 0.0


def test_the_number_of_streams_is_bounded() -> None:
    """The one not seen for longest goes."""
    looker = Looker(most_streams=2)
    frames = {
        number: pipe.decode_decode(pipe.encode_decode(1, key_frame(number=number), want_stills=False)[5:])
        for number in (0, 20)
    }
    for stream in (1, 2, 3):
        looker.look(dataclasses.replace(frames[0], stream=stream))
    assert looker.look(dataclasses.replace(frames[20], stream=1))[0].motion == 0.0
    assert looker.look(dataclasses.replace(frames[20], stream=3))[0].motion > 0


@pytest.mark.parametrize(
    ("size", "widths"),
    [((320, 240), [320]), ((352, 288), [320, 352]), ((640, 480), [320, 640]), ((1280, 720), [320, 640])],
)
def test_stills_are_never_enlarged(size: tuple[int, int], widths: list[int]) -> None:
    """A small camera gives its own width as the largest."""
    job = pipe.decode_decode(pipe.encode_decode(1, key_frame(*size), want_stills=True)[5:])
    assert [jpeg.width for jpeg in Looker().look(job)[1]] == widths


def test_a_picture_of_another_codec_is_bad() -> None:
    """H.264 bytes called H.265 are no picture."""
    unit = key_frame()
    claimed = dataclasses.replace(unit, config=dataclasses.replace(unit.config, codec=Codec.H265))
    with pytest.raises(BadPicture):
        Looker().look(pipe.decode_decode(pipe.encode_decode(1, claimed, want_stills=False)[5:]))


def test_a_picture_message_survives_the_pipe() -> None:
    """What is encoded is what is decoded."""
    look = Look(640, 360, 1.5, 0.25, 100.0, 40.0, 7, 38.0, 0.2, 0.01, bytes(576))
    jpegs = (Jpeg(320, 180, b"small"), Jpeg(640, 360, b"larger"))
    message = pipe.encode_picture(look, jpegs)
    assert pipe.decode_picture(message[pipe.HEAD.size :]) == (look, jpegs)


@given(st.binary(max_size=300))
def test_nonsense_of_a_child_is_an_error_of_ours(body: bytes) -> None:
    """A child that was taken over can send anything; it is a WireError, nothing else."""
    with pytest.raises(WireError):
        pipe.decode_picture(body)


@given(cut=st.integers(0, 200), flip=st.integers(0, 255))
def test_a_damaged_picture_message_is_an_error_or_the_same_shape(cut: int, flip: int) -> None:
    """Cut anywhere, or with one byte changed, it never yields bytes from outside the message."""
    look = Look(640, 360, 1.5, 0.25, 100.0, 40.0, 7, 38.0, 0.2, 0.01, bytes(576))
    body = bytearray(pipe.encode_picture(look, (Jpeg(320, 180, b"x" * 50),))[pipe.HEAD.size :])
    body[cut % len(body)] = flip
    for candidate in (bytes(body), bytes(body[:cut])):
        try:
            _, jpegs = pipe.decode_picture(candidate)
        except WireError:
            continue
        assert sum(len(jpeg.data) for jpeg in jpegs) <= len(candidate)
