"""Children of a terminal: started, watched, stopped in order, and none left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from gateway.core.clock import SystemClock
from gateway.core.errors import DaemonUnavailable
from gateway.roofs.run import HOPELESS, Child, Children, box_children, daemon_child, last_words
from tests.fakes.clock import FakeClock
from tests.fakes.waiting import until

pytestmark = pytest.mark.anyio

TELL = """
import os, signal, sys, time
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
def end(*_):
    say("end", sys.argv[1])
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
say("up", sys.argv[1], os.getpid(), os.getpgrp())
time.sleep(60)
"""
"""Not `print`: the signal may come while the first line is still being flushed, and a buffer is not reentrant."""
STUBBORN = (
    'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print("up x", flush=True); time.sleep(60)'
)
SHORT = 'print("✘ Cấu hình chưa đúng: x"); print("  → y")'


def script(name: str, code: str, log: Path, *arguments: str, **env: str) -> Child:
    return Child(name, ("-c", code, *(arguments or (name,))), env=env, log_file=log)


def said(log: Path) -> list[list[str]]:
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pid_of(child: Child) -> int:
    assert child.process is not None
    return child.process.pid


async def test_children_start_in_order_and_stop_in_reverse(tmp_path: Path) -> None:
    """Each is told to stop only when the one after it has ended, and none is left, not even as a zombie."""
    log = tmp_path / "log"
    children = [script(name, TELL, log) for name in "abc"]
    async with Children(children, SystemClock()):
        await until(lambda: len(said(log)) == 3)
        pids = [pid_of(child) for child in children]
    assert [line[1] for line in said(log) if line[0] == "end"] == ["c", "b", "a"]
    assert not any(lives(pid) for pid in pids)
    assert [child.restarts for child in children] == [0, 0, 0]


async def test_each_child_is_its_own_process_group(tmp_path: Path) -> None:
    """Ctrl+C of the terminal reaches the parent alone, or the order of stopping would be nobody's."""
    log = tmp_path / "log"
    async with Children([script("a", TELL, log)], SystemClock()):
        await until(lambda: said(log))
    _, _, pid, group = said(log)[0]
    assert pid == group != str(os.getpgrp())


async def test_a_child_that_ends_is_started_again_and_the_others_do_not_notice(tmp_path: Path) -> None:
    """A kill is followed by another process; its neighbour keeps its own."""
    logs = [tmp_path / name for name in "ab"]
    children = [script(name, TELL, log) for name, log in zip("ab", logs, strict=True)]
    clock = FakeClock()
    async with Children(children, clock):
        await until(lambda: all(said(log) for log in logs))
        first, neighbour = pid_of(children[0]), pid_of(children[1])
        os.kill(first, signal.SIGKILL)
        await until(lambda: children[0].failures == 1)
        assert children[0].restarts == 0
        await clock.advance(0.5)
        await until(lambda: len(said(logs[0])) == 2)
        assert pid_of(children[0]) != first
        assert pid_of(children[1]) == neighbour
        assert children[0].restarts == 1


async def test_back_off_grows_and_a_healthy_while_starts_it_over(tmp_path: Path) -> None:
    """0.5 s, 1 s, 2 s ... 10 s between tries; a minute of running counts as healthy."""
    log, clock = tmp_path / "log", FakeClock()
    child = script("a", TELL, log)
    async with Children([child], clock):
        for failures, wait_s in enumerate((0.5, 1, 2, 4, 8, 10, 10), 1):
            await until(lambda failures=failures: len(said(log)) == failures)  # type: ignore[misc]  # bound above
            os.kill(pid_of(child), signal.SIGKILL)
            await until(lambda failures=failures: child.failures == failures)  # type: ignore[misc]  # bound above
            await clock.advance(wait_s - 0.1)
            assert child.restarts == failures - 1
            await clock.advance(0.1)
            await until(lambda failures=failures: child.restarts == failures)  # type: ignore[misc]  # bound above
        await until(lambda: len(said(log)) == 8)
        clock.tick(61)
        os.kill(pid_of(child), signal.SIGKILL)
        await until(lambda: child.failures == 1)


async def test_a_child_that_never_stays_up_is_said_with_its_own_words(tmp_path: Path) -> None:
    """After three ends in a row waiting for it is hopeless; the error has its complaint and its log's name."""
    log, clock = tmp_path / "log", FakeClock()
    child = script("vuon-x", SHORT, log)
    async with Children([child], clock) as children:
        children.ensure_running()
        while child.failures < HOPELESS:
            failures = child.failures
            await clock.advance(10)
            await until(lambda failures=failures: child.failures > failures)  # type: ignore[misc]  # bound above
        with pytest.raises(DaemonUnavailable, match="Cấu hình chưa đúng: x") as caught:
            children.ensure_running()
    assert caught.value.fields["name"] == "vuon-x"
    assert caught.value.fields["log"] == str(log)


async def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    """SIGTERM ignored: SIGKILL after `stop_s`, and it is gone when leaving returns."""
    log = tmp_path / "log"
    child = script("a", STUBBORN, log)
    async with Children([child], SystemClock(), stop_s=0.2):
        await until(lambda: said(log))
        pid = pid_of(child)
    assert not lives(pid)
    assert child.process is not None
    assert child.process.returncode == -signal.SIGKILL


async def test_leaving_waits_although_it_is_cancelled_again_and_again(tmp_path: Path) -> None:
    """Cancelling the one who leaves does not leave a child behind, and the cancellation still arrives."""
    log = tmp_path / "log"
    child = script("a", STUBBORN, log)

    async def live() -> None:
        async with Children([child], SystemClock(), stop_s=0.5):
            await asyncio.Event().wait()

    task = asyncio.create_task(live())
    await until(lambda: said(log))
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.05)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not lives(pid_of(child))


async def test_a_start_that_fails_halfway_stops_what_was_started(tmp_path: Path) -> None:
    """The second child cannot be started: the first one is stopped before the error passes."""
    log = tmp_path / "log"
    children = [script("a", TELL, log), script("b", TELL, tmp_path / "no" / "such" / "folder" / "log")]
    with pytest.raises(FileNotFoundError):
        async with Children(children, SystemClock()):
            pass
    assert not lives(pid_of(children[0]))


async def test_a_start_that_is_cancelled_stops_what_was_started(tmp_path: Path) -> None:
    """Cancelled at any moment of entering: no child survives."""
    for steps in range(0, 12, 2):
        log = tmp_path / f"log{steps}"
        children = [script(name, TELL, log) for name in "ab"]

        async def live(children: list[Child] = children) -> None:
            async with Children(children, SystemClock(), stop_s=5):
                await asyncio.Event().wait()

        task = asyncio.create_task(live())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not any(child.process and lives(child.process.pid) for child in children)


async def test_a_restart_that_cannot_happen_is_tried_again(tmp_path: Path) -> None:
    """A log that cannot be opened for a while costs tries, not the watching."""
    folder, clock = tmp_path / "log", FakeClock()
    folder.mkdir()
    log = folder / "a"
    child = script("a", TELL, log)
    async with Children([child], clock):
        await until(lambda: said(log))
        folder.rename(tmp_path / "away")
        os.kill(pid_of(child), signal.SIGKILL)
        await until(lambda: child.failures == 1)
        await clock.advance(0.5)
        await until(lambda: child.failures == 2)
        (tmp_path / "away").rename(folder)
        await clock.advance(1)
        await until(lambda: len(said(log)) == 2)


async def test_secrets_go_by_the_environment(tmp_path: Path) -> None:
    """A child sees its own variables; its command line, which everybody can read, does not."""
    log = tmp_path / "log"
    code = 'import os, time; print("up", os.environ["SECRET"], flush=True); time.sleep(60)'
    child = script("a", code, log, SECRET="hush")
    async with Children([child], SystemClock()):
        await until(lambda: said(log))
        line = Path(f"/proc/{pid_of(child)}/cmdline").read_bytes()
    assert said(log)[0] == ["up", "hush"]
    assert b"hush" not in line


PARENT = """
import asyncio, sys
from pathlib import Path
from gateway.core.clock import SystemClock
from gateway.roofs.run import Child, Children
async def main():
    children = [Child(name, ("-c", sys.argv[1], name), log_file=Path(sys.argv[2])) for name in "ab"]
    async with Children(children, SystemClock()):
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_no_child_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL of the parent, which can do nothing any more: the children get their SIGTERM from the kernel."""
    log = tmp_path / "log"
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, TELL, str(log))
    await until(lambda: len(said(log)) == 2)
    parent.kill()
    await parent.wait()
    await until(lambda: sorted(line[1] for line in said(log) if line[0] == "end") == ["a", "b"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        ("\n\n", ""),
        ("one\ntwo\n", "two"),
        ("✘ Port taken: 80\n  → stop it\n", "Port taken: 80"),
        ("✘ first\nnoise\n✘ second\n{json}\n", "second"),
        ("x" * 9000 + "\nlast", "last"),
    ],
)
def test_last_words_are_what_a_person_can_use(tmp_path: Path, text: str, words: str) -> None:
    """The last ✘ line, else the last line, of the end of the file only."""
    (tmp_path / "log").write_text(text, encoding="utf-8")
    assert last_words(tmp_path / "log") == words


def test_no_log_has_no_last_words(tmp_path: Path) -> None:
    """A log that is not there, and bytes that are no text, are no crash."""
    assert last_words(tmp_path / "no") == ""
    (tmp_path / "log").write_bytes(b"\xff\xfe\n")
    assert last_words(tmp_path / "log")


def test_a_box_is_three_daemons_with_their_configuration(tmp_path: Path) -> None:
    """Names, modules and log files; without a folder they write to the terminal."""
    children = box_children(tmp_path / "c.toml", tmp_path)
    assert [child.name for child in children] == ["vuon-gateway", "vuon-recorder", "vuon-live"]
    assert all(child.arguments[-1] == str(tmp_path / "c.toml") for child in children)
    assert [child.log_file for child in children] == [tmp_path / f"{n}.log" for n in ("gateway", "recorder", "live")]
    assert daemon_child("hub", tmp_path / "c.toml").log_file is None
