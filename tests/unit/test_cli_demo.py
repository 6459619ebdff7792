"""The demo's stage: directory, ports, files and the end; and the steps that make it a school."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli import demo, demo_setup
from gateway.cli.context import Context
from gateway.core.clock import SystemClock
from gateway.core.config import load_config
from gateway.core.errors import AddressTaken, BadInput, CameraUnreachable, DaemonUnavailable
from gateway.roofs.run import Child, Children
from tests.fakes.cli_box import Answer, cli_box, is_private, vuon

HANG_S = 30


# the directory and the ports


def test_a_new_directory_is_made_and_held(tmp_path: Path) -> None:
    """While one demo holds it a second one is told; afterwards it is free again."""
    data = tmp_path / "new" / "deep"
    with demo.own_directory(data):
        with pytest.raises(AddressTaken, match="another demo runs") as caught, demo.own_directory(data):
            pass
        assert caught.value.fields["path"] == str(data)
    with demo.own_directory(data):
        (data / "anything").touch()
    with demo.own_directory(data):
        pass


def test_a_directory_with_other_things_is_left_alone(tmp_path: Path) -> None:
    """Nothing is written into somebody's folder."""
    (tmp_path / "thesis.odt").touch()
    with pytest.raises(AddressTaken, match="other files"), demo.own_directory(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.odt"]


def test_an_error_inside_frees_the_directory(tmp_path: Path) -> None:
    """Whatever ends the demo, also an error that looks like a held lock, the next one may come."""
    for error in (ZeroDivisionError, BlockingIOError):
        with pytest.raises(error), demo.own_directory(tmp_path / "d"):
            raise error
    with demo.own_directory(tmp_path / "d"):
        pass


@pytest.mark.parametrize("place", ["/proc/nowhere/demo", "{tmp}/file/demo", "{tmp}/file"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, place: str) -> None:
    """A read-only place or a file in the way: two lines and status 1."""
    (tmp_path / "file").touch()
    done = vuon("demo", "--data", place.format(tmp=tmp_path))
    assert (done.code, done.out, len(done.err.splitlines())) == (1, "", 2)
    assert str(Path(place.format(tmp=tmp_path)).parent) in done.err


def test_a_taken_port_is_named_with_another_one(tmp_path: Path) -> None:
    """The command to try next is in the message; nothing was started."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        with pytest.raises(AddressTaken, match=str(port)):
            demo.check_port(port)
        done = vuon("demo", "--data", str(tmp_path / "d"), "--port", str(port))
        assert done.code == 1
        assert f"127.0.0.1:{port}" in done.err
        assert "vuon demo --port" in done.err
        second = vuon("demo", "--data", str(tmp_path / "d"), "--port", str(port - 1))
        assert f"127.0.0.1:{port}" in second.err or f"127.0.0.1:{port - 1}" in second.err
    demo.check_port(port)


@pytest.mark.parametrize(
    "arguments",
    [["--cameras", "0"], ["--cameras", "33"], ["--port", "0"], ["--port", "65535"], ["--for", "0"], ["--port", "x"]],
)
def test_numbers_out_of_range_are_usage_errors(arguments: list[str]) -> None:
    """Status 2, with the range in the message, before anything is touched."""
    assert vuon("demo", *arguments).code == 2


# the files


@given(st.integers(1, 65_000), st.text("abc\"'\\ạ[]{}$", max_size=20))
def test_the_configuration_can_be_read_back(tmp_path_factory: pytest.TempPathFactory, port: int, word: str) -> None:
    """Whatever is in the folder's name or the claim: valid, loopback only, and every value arrives."""
    data = tmp_path_factory.mktemp("demo")
    config = load_config(demo.write_config(data, port=port, hub_port=port + 1, claim=word))
    assert config.upstream.claim == word
    assert (config.web.listen, config.web.port, config.hub.listen) == ("127.0.0.1", port, "127.0.0.1")
    assert config.cameras.interfaces == ("127.0.0.1",)
    assert config.live.addresses == ("127.0.0.1",)
    assert config.paths.state == data / "state"


def test_a_long_path_gets_short_sockets_in_a_folder_of_ours(tmp_path: Path) -> None:
    """A socket's name has 108 bytes; the folder for them is private and the same each time."""
    data = tmp_path / ("d" * 90)
    data.mkdir()
    run = load_config(demo.write_config(data, port=1, hub_port=2, claim="")).paths.run
    assert len(str(run / "recorder.sock")) < 108
    assert is_private(run)
    assert load_config(demo.write_config(data, port=1, hub_port=2, claim="")).paths.run == run
    run.rmdir()


def test_a_socket_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """Somebody who was there first must not get our sockets."""
    data = tmp_path / ("d" * 90)
    run = demo._short_run(data)
    run.rmdir()
    (tmp_path / "elsewhere").mkdir()
    run.symlink_to(tmp_path / "elsewhere")
    try:
        with pytest.raises(AddressTaken, match="somebody else"):
            demo._short_run(data)
    finally:
        run.unlink()


def test_a_private_file_is_whole_or_not_there(tmp_path: Path) -> None:
    """0600 from its first byte, replaced in one step, and no part of it stays after a failure."""
    path = tmp_path / "ready.json"
    demo.write_private(path, "one")
    demo.write_private(path, "hai")
    assert path.read_text() == "hai"
    assert is_private(path)
    with pytest.raises(UnicodeEncodeError):
        demo.write_private(path, "\ud800")
    assert path.read_text() == "hai"
    assert [item.name for item in tmp_path.iterdir()] == ["ready.json"]


def test_the_ready_file_is_looked_at_before_anything_starts(tmp_path: Path) -> None:
    """An old one is taken away; a folder in its place or none around it is refused at once."""
    path = tmp_path / "ready.json"
    path.write_text("{}")
    demo.check_ready(path)
    assert not path.exists()
    demo.check_ready(path)
    for wrong in (tmp_path, tmp_path / "no" / "ready.json"):
        with pytest.raises(BadInput, match="no place"):
            demo.check_ready(wrong)
    done = vuon("demo", "--data", str(tmp_path / "d"), "--port", "9631", "--ready", str(tmp_path / "no" / "x"))
    assert done.code == 1


def test_camera_addresses_are_kept_and_free(tmp_path: Path) -> None:
    """The same folder has the same cameras after a restart, on loopback."""
    base = demo.camera_base(tmp_path)
    assert base.startswith("127.0.")
    assert demo.camera_base(tmp_path) == base


def test_the_cameras_password_is_not_on_the_command_line(tmp_path: Path) -> None:
    """`ps` shows names, addresses and files only."""
    child = demo.camera_child(tmp_path, tmp_path / "run", 3, "s3cret")
    assert "s3cret" not in " ".join(child.arguments)
    assert child.env == {"VUON_SIM_PASSWORD": "s3cret"}
    assert len(json.loads((tmp_path / "camera-names.json").read_text(encoding="utf-8"))) == 3


@given(st.integers(1, demo.MAX_CAMERAS))
def test_every_camera_has_its_own_name(count: int) -> None:
    """Rooms first, numbers after them, none twice."""
    names = demo_setup.camera_names(count)
    assert len(set(names)) == len(names) == count
    assert names[0] == demo_setup.GUARDIAN_CLASS


# the end


async def _played(play: Any) -> None:
    async with asyncio.timeout(HANG_S):
        await demo.until_signal(play)


def test_a_play_that_ends_ends_the_demo() -> None:
    """`--for` is over: normal return; an error is the demo's error."""

    async def done() -> None:
        await asyncio.sleep(0)

    async def fails() -> None:
        await asyncio.sleep(0)
        raise CameraUnreachable("not recording: x")

    asyncio.run(_played(done()))
    with pytest.raises(CameraUnreachable):
        asyncio.run(_played(fails()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_demo_with_its_children(tmp_path: Path, number: signal.Signals) -> None:
    """The children have ended when it returns, in order, and a second signal does not hurry it."""
    log = tmp_path / "log"
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.3), print('end', flush=True), sys.exit(0)))\n"
        "print('up', flush=True)\n"
        "time.sleep(60)\n"
    )
    child = Child("a", ("-c", code), log_file=log)

    async def play() -> None:
        async with Children([child], SystemClock()):
            while not log.exists() or "up" not in log.read_text():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)
            os.kill(os.getpid(), number)
            asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), number)
            await asyncio.Event().wait()

    asyncio.run(_played(play()))
    assert log.read_text().split() == ["up", "end"]
    assert child.process is not None
    assert child.process.returncode == 0


def test_a_signal_before_the_first_child_ends_it_too() -> None:
    """The signals are listened to before the play begins."""
    steps: list[str] = []

    async def play() -> None:
        steps.append("begun")
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            steps.append("cleaned")

    asyncio.run(_played(play()))
    assert steps == ["begun", "cleaned"]


def test_an_error_while_cleaning_is_not_lost() -> None:
    """What fails after the signal is raised."""

    async def play() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            raise DaemonUnavailable("could not stop")

    with pytest.raises(DaemonUnavailable):
        asyncio.run(_played(play()))


# making it a school


def context_of(folder: Path) -> Context:
    return Context(None, folder)


def fine() -> None:
    """Every child runs."""


def hopeless() -> None:
    raise DaemonUnavailable("vuon-hub does not stay up", case="child", name="vuon-hub", words="x", log="y")


def test_a_daemon_that_never_starts_ends_the_waiting(tmp_path: Path) -> None:
    """Waiting stops when the child is given up, and at the limit with the daemon's name: no bare time-out."""
    with cli_box(tmp_path, {}):
        with pytest.raises(DaemonUnavailable, match="does not stay up"):
            asyncio.run(demo_setup.hub_claim(context_of(tmp_path), "x", hopeless))
        with pytest.raises(DaemonUnavailable, match="vuon-hub"):
            asyncio.run(demo_setup.hub_claim(context_of(tmp_path), "x", fine, limit_s=0.3))


class School:
    """Recorder and gateway of a demo: cameras are found, adopted and record after a look."""

    def __init__(self, network: str = "127.0.5", *, lost: int = 0, silent: bool = False) -> None:
        self.network, self.lost, self.silent = network, lost, silent
        self.adopted: dict[str, str] = {}
        self.people: list[str] = []
        self.classes: list[str] = []

    def answers(self) -> dict[str, dict[str, Answer]]:
        return {
            "recorder": {
                "status": self.status,
                "camera.list": self.list,
                "discover": self.discover,
                "adopt": self.adopt,
            },
            "gateway": {
                "status": {},
                "people.list": lambda _: {
                    "people": [{"name": name} for name in self.people],
                    "classes": [{"name": name} for name in self.classes],
                },
                "class.add": self._class,
                "person.add": self._person,
                "guardian.add": self._person,
                **{name: dict[str, Any]() for name in ("hours.set", "accept", "notice.paper", "teacher.assign")},
                "code.new": {"code": "aaaa"},
                "slip.new": {"url": "http://x/p/moi#y"},
            },
            "hub": {"code.new": {"code": "hub"}, "claim.new": {"claim": "c"}},
        }

    def _class(self, params: Any) -> dict[str, Any]:
        self.classes.append(params["name"])
        return {}

    def _person(self, params: Any) -> dict[str, Any]:
        self.people.append(params["name"])
        return {}

    def status(self, _params: Any) -> dict[str, Any]:
        rows = [{"name": name, "connected": True, "recording": not self.silent} for name in self.adopted]
        return {"cameras": rows}

    def list(self, _params: Any) -> dict[str, Any]:
        return {"cameras": [{"name": name, "id": row_id} for name, row_id in self.adopted.items()]}

    def discover(self, _params: Any) -> dict[str, Any]:
        names = demo_setup.camera_names(5)
        rows = [
            {"address": f"{network}.{n}", "port": 8899, "name": name, "adopted_as": None}
            for network in (self.network, "127.0.99")
            for n, name in enumerate(names[self.lost :], 11)
        ]
        return {"found": rows}

    def adopt(self, params: Any) -> dict[str, Any]:
        assert params["address"].startswith(self.network + ".")
        assert params["password"] == "pw"
        self.adopted[params["name"]] = f"id-{params['name']}"
        return {"camera": {"id": self.adopted[params["name"]], "name": params["name"]}}


def set_up(folder: Path, cameras: int = 3, *, record_s: float = 20.0) -> tuple[demo_setup.SchoolFacts, list[str]]:
    told: list[str] = []
    setup = demo_setup.Setup(context_of(folder), cameras, "127.0.5", "pw", fine, record_s=record_s)

    def tell(key: str, **values: object) -> None:
        told.append(f"{key} {values}")

    return asyncio.run(setup.run(tell)), told


def test_a_school_is_found_adopted_and_peopled(tmp_path: Path) -> None:
    """Only our own network's cameras are adopted, each under its name; the codes come out; a second run adds nothing."""
    school = School()
    with cli_box(tmp_path, school.answers()) as box:
        facts, told = set_up(tmp_path)
        assert (facts.principal_code, facts.guardian_slip, facts.hub_code) == ("aaaa", "http://x/p/moi#y", "hub")
        assert list(school.adopted) == demo_setup.camera_names(3)
        assert any("'count': 3" in line for line in told)
        assert len(box.asked("guardian.add")) == 1
        set_up(tmp_path)
        assert len(box.asked("adopt")) == 3
        assert len(box.asked("guardian.add")) == 1
        assert len(box.asked("class.add")) == 3
        assert len(box.asked("person.add")) == 3


def test_a_camera_that_is_not_found_is_named(tmp_path: Path) -> None:
    """After some searches the error names the lost ones."""
    with cli_box(tmp_path, School(lost=2).answers()), pytest.raises(CameraUnreachable, match="Lớp Mầm 1, Lớp Mầm 2"):
        set_up(tmp_path)


def test_a_camera_that_does_not_record_is_named(tmp_path: Path) -> None:
    """At the limit the error says which ones wait; in words for a person."""
    with cli_box(tmp_path, School(silent=True).answers()), pytest.raises(CameraUnreachable) as caught:
        set_up(tmp_path, 2, record_s=0.5)
    assert caught.value.fields["case"] == "recording"
    assert caught.value.fields["names"] == "Lớp Mầm 1, Lớp Mầm 2"


def test_the_stage_names_what_a_person_needs(tmp_path: Path) -> None:
    """The ready file has addresses, codes and the folder; nothing of it is a camera's password."""
    stage = demo.Stage(tmp_path, cameras=2, port=9000, hub_port=9001)
    ready = stage._ready(demo_setup.SchoolFacts("code", "slip", "hub", "deputy"))
    assert {"web", "hub", "guardian_slip", "data", "principal_code", "teacher_code", "hub_code"} < set(ready)
    assert ready["web"] == "http://127.0.0.1:9000"
    assert sys.executable not in json.dumps(ready)
