"""How a caged process is started, proven, read and ended by whoever started it."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import cage
from gateway.core.cagedchild import CagedChild, Proof, command, environment, uncaged
from gateway.core.errors import ConfigError, WireError
from gateway.core.feedwire import HEAD, frame

pytestmark = pytest.mark.anyio
PROOF = Proof(7, 8)
READY = frame(PROOF.ready, b"")


def says(*words: bytes, then: str = "sys.stdin.buffer.read()") -> tuple[str, ...]:
    """A process that says this, does that, and ends."""
    program = f"import sys, os; sys.stdout.buffer.write({b''.join(words)!r}); sys.stdout.flush(); {then}"
    return sys.executable, "-c", program


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def left(child: CagedChild, act: Callable[[CagedChild], Awaitable[object]]) -> int:
    """Enter, act, leave; returns the id of the process, which is dead by then."""
    try:
        async with child:
            await act(child)
    finally:
        assert is_gone(child.pid)
    return child.pid


async def nothing(_: CagedChild) -> None:
    """Leave at once."""


async def test_a_proven_child_is_entered_and_its_messages_are_read() -> None:
    """Kind and body, one after another; afterwards it is dead, whatever it still had to say."""
    more = frame(1, b"one"), frame(2, b"")
    flood = "sys.stdout.buffer.write(b'x' * 300_000); sys.stdout.flush()"

    async def read(child: CagedChild) -> None:
        assert [await child.next(3), await child.next(3)] == [(1, b"one"), (2, b"")]

    await left(CagedChild("it", says(READY, *more, then=flood), PROOF), read)


async def test_a_child_without_a_cage_is_an_error_that_names_the_setting() -> None:
    """Nothing is handed over, and it is dead."""
    refusing = CagedChild("the tester", says(frame(PROOF.refused, b"no libseccomp")), PROOF)
    with pytest.raises(ConfigError, match="the tester cannot be caged: no libseccomp") as caught:
        await left(refusing, nothing)
    assert caught.value.fields["key"] == "vision.sandbox"
    assert len(str(uncaged("it", b"\xff" * 9_000))) < 1_000


@pytest.mark.parametrize(
    ("words", "then", "match"),
    [
        (frame(9, b""), "sys.stdin.buffer.read()", "began with kind 9"),
        (b"", "pass", "ended or is silent"),
        (READY[:2], "pass", "ended or is silent"),
        (HEAD.pack(PROOF.ready, cage.MOST_WHY_BYTES + 1), "sys.stdin.buffer.read()", "too long"),
    ],
)
async def test_a_child_that_begins_otherwise_is_never_entered(words: bytes, then: str, match: str) -> None:
    """Another word, none, half of one, or one without end: an error of the wire, and it is dead."""
    with pytest.raises(WireError, match=match):
        await left(CagedChild("it", says(words, then=then), PROOF), nothing)


async def test_a_silent_child_is_given_up() -> None:
    """Also while it starts."""
    with pytest.raises(WireError, match="silent"):
        await left(CagedChild("it", says(), PROOF, start_timeout_s=0.2), nothing)


async def test_a_message_is_bounded_before_its_body_is_read() -> None:
    """Its length alone is enough to refuse it."""

    async def read(child: CagedChild) -> None:
        with pytest.raises(WireError, match="too long") as caught:
            await child.next(10)
        assert caught.value.fields["bytes"] == 11

    await left(CagedChild("it", says(HEAD.pack(1, 11))), read)


async def test_an_end_by_itself_is_seen_with_its_status() -> None:
    """Without a proof it is entered at once; what it answers late or never is an error in time."""

    async def wait(child: CagedChild) -> None:
        with pytest.raises(WireError, match="ended or is silent"):
            async with child.in_time(30):
                await child.next(10)
        assert await child.ended() == 5
        assert child.status == 5

    await left(CagedChild("it", says(then="os._exit(5)")), wait)


async def test_a_cancelled_owner_leaves_no_child_behind() -> None:
    """Neither one that was entered, nor one that was still to prove itself."""
    for proof, words in ((PROOF, READY), (PROOF, b"")):
        child, inside = CagedChild("it", says(words), proof), asyncio.Event()

        async def stay(_: CagedChild, inside: asyncio.Event = inside) -> None:
            inside.set()
            await asyncio.Event().wait()

        owner = asyncio.ensure_future(left(child, stay))
        async with asyncio.timeout(60):
            while not (inside.is_set() if words else hasattr(child, "_process")):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
        owner.cancel()
        with pytest.raises(asyncio.CancelledError):
            await owner
        assert is_gone(child.pid)


async def test_it_gets_neither_our_environment_nor_our_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the code lies and where programs are; its own three descriptors."""
    monkeypatch.setenv("VUON_SECRET", "mật khẩu")
    secret = os.open(os.devnull, os.O_RDONLY)
    told = (
        "said = repr((sorted(os.environ), sorted(map(int, os.listdir('/proc/self/fd')))[:4])).encode()\n"
        "sys.stdout.buffer.write(bytes((1,)) + len(said).to_bytes(4, 'big') + said)"
    )

    async def read(child: CagedChild) -> None:
        kind, body = await child.next(1_000)
        assert kind == 1
        names, descriptors = eval(body)
        assert set(names) - {"LC_CTYPE"} == set(environment()) == {"PYTHONPATH", "PATH", "OMP_NUM_THREADS"}
        assert descriptors == [0, 1, 2, 3]  # the last one is the listing's own

    try:
        await left(CagedChild("it", (sys.executable, "-c", f"import sys, os\n{told}")), read)
    finally:
        os.close(secret)


def test_without_the_cage_a_child_runs_only_when_told() -> None:
    """`--no-sandbox` is for machines without libseccomp; it is never the default."""
    assert command("a.b")[1:] == ("-m", "a.b")
    assert command("a.b", sandbox=False) == (*command("a.b"), "--no-sandbox")


@given(why=st.text(max_size=2_000))
def test_a_child_says_first_how_its_cage_is(why: str) -> None:
    """READY only for one that is locked up and proven; a reason is cut to what the other side reads."""
    replies = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cage, "limit_resources", lambda: None)
        patch.setattr(cage, "enter", lambda: why)
        assert cage.prove([], replies, ready=7, refused=8) is (not why)
    kind, length = HEAD.unpack(replies.getvalue()[: HEAD.size])
    assert kind == (8 if why else 7)
    assert length == len(replies.getvalue()) - HEAD.size <= cage.MOST_WHY_BYTES


def test_a_child_that_needs_no_cage_tries_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--no-sandbox`: its resources are bounded all the same."""
    done: list[str] = []
    monkeypatch.setattr(cage, "limit_resources", lambda: done.append("limits"))
    monkeypatch.setattr(cage, "enter", lambda: done.append("cage"))
    assert cage.prove(["--no-sandbox"], io.BytesIO(), ready=7, refused=8)
    assert done == ["limits"]
