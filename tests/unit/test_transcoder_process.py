"""The transcoder's process: its cage, its work, and what vuon-live makes of one that is broken or taken over."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import cage, feedwire
from gateway.core.errors import ConfigError, WireError
from gateway.live.transcoder import child, pipe
from gateway.live.transcoder.picture import SmallPictures
from gateway.live.transcoder.process import Transcoder, command
from tests.fakes.h265 import h265_clip

ROOT = Path(__file__).parents[2]
CLIP = h265_clip()


def fake(behaviour: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.fakes.transcoder_child", behaviour)


def running(behaviour: str, act: Callable[[Transcoder], Awaitable[None]], answer_timeout_s: float = 30.0) -> None:
    async def body() -> None:
        async with Transcoder(fake(behaviour), answer_timeout_s=answer_timeout_s) as transcoder:
            await act(transcoder)

    asyncio.run(body())


def test_the_caged_process_makes_small_pictures() -> None:
    """Behind a proven cage H.265 goes in and H.264 comes out, at the source's times; then the process is dead."""

    async def body() -> int:
        made = []
        async with Transcoder(command()) as transcoder:
            for number in range(40):
                made += await transcoder.give(CLIP.unit(number, 7 + number))
            assert transcoder.bad == 0
            assert [unit.pts_90k for unit in made] == [number * 9000 for number in range(20)]
            assert made[0].is_key
            assert made[0].config.sps[0] & 31 == 7
            return transcoder.pid

    pid = asyncio.run(body())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_after_the_work_has_begun_every_escape_is_still_refused() -> None:
    """Locked up as the process locks itself up, decoding and encoding go on, and no file, socket or program opens."""
    program = (
        "import os\n"
        "from gateway.core import cage\n"
        "from gateway.live.transcoder.picture import SmallPictures\n"
        "from tests.fakes.h265 import h265_clip\n"
        "clip = h265_clip()\n"
        "pictures = SmallPictures()\n"
        "pictures.warm()\n"
        "cage.limit_resources()\n"
        "why = cage.enter()\n"
        "made = [made for n in range(40) for made in pictures.take(clip.unit(n, n))]\n"
        "os.write(1, repr((why, len(made), pictures.bad, cage.escapes())).encode())\n"
        "os._exit(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.stdout == b"('', 20, 0, [])", done.stderr
    assert {"open a file", "open an IPv4 socket", "run a program"} <= cage.TRIES.keys()


def test_without_the_cage_the_process_runs_only_when_told() -> None:
    """`--no-sandbox` is for machines without libseccomp; it is never the default."""
    assert "--no-sandbox" not in command()
    assert command(sandbox=False)[-1] == "--no-sandbox"


def test_a_process_that_cannot_be_caged_is_no_transcoder() -> None:
    """The error names the setting, and nothing was handed over."""

    async def never(_: Transcoder) -> None:
        raise AssertionError("entered")

    with pytest.raises(ConfigError, match="caged") as caught:
        running("refuse", never)
    assert caught.value.fields["key"] == "vision.sandbox"


@pytest.mark.parametrize("behaviour", ["die", "babble", "long", "endless", "h265"])
def test_a_broken_process_is_an_error_of_its_stream(behaviour: str) -> None:
    """Dead, babbling, endless, or making what no browser plays: WireError, nothing else."""

    async def ask(transcoder: Transcoder) -> None:
        with pytest.raises(WireError):
            await transcoder.give(CLIP.unit(0, 1))

    running(behaviour, ask)


@pytest.mark.parametrize("behaviour", ["hang", "drip"])
def test_a_silent_process_is_given_up(behaviour: str) -> None:
    """It is not waited for for ever, and saying a little now and then gains it nothing."""

    async def ask(transcoder: Transcoder) -> None:
        with pytest.raises(WireError, match="silent"):
            await transcoder.give(CLIP.unit(0, 1))

    running(behaviour, ask, answer_timeout_s=0.2)


def test_a_process_that_begins_with_something_else_is_refused() -> None:
    """Only READY or REFUSED open the conversation."""

    async def never(_: Transcoder) -> None:
        raise AssertionError("entered")

    with pytest.raises(WireError, match="began"):
        running("rude", never)


def test_a_key_frame_can_be_asked_for_and_bad_units_are_counted() -> None:
    """Each goes with the unit it is for."""

    async def ask(transcoder: Transcoder) -> None:
        assert (await transcoder.give(CLIP.unit(0, 1)))[0].is_key
        assert not (await transcoder.give(CLIP.unit(1, 2)))[0].is_key
        assert (await transcoder.give(CLIP.unit(2, 3), key=True))[0].is_key
        assert await transcoder.give(CLIP.unit(3, 4), quiet=True) == []

    async def bad(transcoder: Transcoder) -> None:
        assert await transcoder.give(CLIP.unit(0, 1)) == []
        assert transcoder.bad == 1

    running("well", ask)
    running("bad", bad)


def _conversation(*messages: bytes) -> list[int]:
    replies = io.BytesIO()
    child.answer(SmallPictures(), io.BytesIO(b"".join(messages)), replies)
    replies.seek(0)
    kinds = []
    while head := replies.read(feedwire.HEAD.size):
        kind, length = feedwire.HEAD.unpack(head)
        replies.read(length)
        kinds.append(kind)
    return kinds


def test_every_unit_is_answered_once() -> None:
    """CONFIG before the first picture, DONE after each unit, nothing for KEY."""
    first, second = CLIP.unit(0, 1), CLIP.unit(1, 2)
    config = feedwire.encode_config(CLIP.config)
    assert _conversation(
        config,
        feedwire.encode_unit(first),
        pipe.encode_quiet(second),
        feedwire.frame(pipe.KEY, b""),
        feedwire.encode_unit(CLIP.unit(2, 3)),
    ) == [feedwire.CONFIG, feedwire.UNIT, pipe.DONE, pipe.DONE, feedwire.UNIT, pipe.DONE]


def test_a_message_above_the_cap_ends_the_conversation() -> None:
    """Nothing is allocated for it."""
    assert _conversation(feedwire.HEAD.pack(feedwire.UNIT, pipe.MOST_UNIT_BYTES + 1)) == []


@given(kind=st.integers(0, 255), body=st.binary(max_size=200))
def test_nonsense_of_a_process_that_was_taken_over_is_an_error_of_ours(kind: int, body: bytes) -> None:
    """Whatever it answers is a WireError, or units that are bounded by what it sent."""

    async def read() -> None:
        transcoder = Transcoder(())
        stdout = asyncio.StreamReader()
        stdout.feed_data(feedwire.HEAD.pack(kind, len(body)) + body)
        stdout.feed_eof()
        transcoder._child._process = type("Process", (), {"stdout": stdout})()
        try:
            made = await transcoder._answer()
        except WireError:
            return
        assert made == []

    asyncio.run(read())
