"""The recorder's registry."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from gateway.core.errors import BadInput, NotFound
from gateway.core.model import Login, PublicId, Secret, StreamRole
from recorder.identity import Identity, same_camera
from recorder.registry import LoginState
from tests.fakes.clock import FakeClock
from tests.fakes.recording import books, new_camera, new_recorder

pytestmark = pytest.mark.anyio


async def test_an_adopted_camera_is_there_after_a_restart(tmp_path: Path) -> None:
    """What adoption learned, password included, is read back by the next process."""
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        camera = await own.registry.add(new_camera())
    async with books(tmp_path, clock) as own:
        (again,) = await own.registry.cameras()
    assert again == camera
    assert again.about.login == Login("admin", Secret("Mat-khau 1"))
    assert [stream.role for stream in again.streams] == [StreamRole.MAIN, StreamRole.SUB]
    assert again.streams[1].spec.path == "/sub?a=1"


async def test_a_password_is_on_the_disk_only_sealed(tmp_path: Path) -> None:
    """No file of the database holds the clear password."""
    async with books(tmp_path, FakeClock()) as own:
        await own.registry.add(new_camera())
        files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert files
    assert not any(b"Mat-khau" in data for data in files)


async def test_a_sealed_password_is_bound_to_its_camera(tmp_path: Path) -> None:
    """Copying one camera's sealed password into another row does not open it."""
    async with books(tmp_path, FakeClock()) as own:
        await own.registry.add(new_camera(1))
        await own.registry.add(new_camera(2))
        await own.db.write(
            lambda db: db.execute("UPDATE camera SET password = (SELECT password FROM camera WHERE id = 1)")
        )
        with pytest.raises(Exception, match="does not open"):
            await own.registry.cameras()


async def test_a_refused_login_stays_refused_over_a_restart(tmp_path: Path) -> None:
    """Only another login leaves the state refused."""
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        camera = await own.registry.add(new_camera())
        await own.registry.note_login(camera.public_id, LoginState.REFUSED)
    async with books(tmp_path, clock) as own:
        (again,) = await own.registry.cameras()
        assert again.about.login_state is LoginState.REFUSED
        changed = await own.registry.set_login(camera.public_id, Login("ban", Secret("khác")))
    assert changed.about.login_state is LoginState.UNTRIED
    assert changed.about.login == Login("ban", Secret("khác"))


async def test_removing_forgets_the_password_and_keeps_the_row(tmp_path: Path) -> None:
    """A removed camera is no longer listed, its name still answers for its footage."""
    async with books(tmp_path, FakeClock()) as own:
        camera = await own.registry.add(new_camera())
        await own.registry.remove(camera.public_id)
        assert await own.registry.cameras() == ()
        (gone,) = await own.registry.cameras(removed=True)
    assert gone.name == camera.name
    assert gone.about.login is None
    assert gone.removed_ms is not None


async def test_a_removed_camera_can_be_adopted_again(tmp_path: Path) -> None:
    """It becomes a new camera with streams of its own."""
    async with books(tmp_path, FakeClock()) as own:
        first = await own.registry.add(new_camera())
        await own.registry.remove(first.public_id)
        second = await own.registry.add(new_camera())
    assert second.public_id != first.public_id
    assert {stream.id for stream in second.streams}.isdisjoint(stream.id for stream in first.streams)


async def test_the_same_camera_is_not_adopted_twice(tmp_path: Path) -> None:
    """The second adoption names the camera it already is."""
    async with books(tmp_path, FakeClock()) as own:
        camera = await own.registry.add(new_camera())
        with pytest.raises(BadInput) as refusal:
            await own.registry.add(dataclasses.replace(new_camera(), name="Khác"))
    assert refusal.value.fields["camera"] == camera.public_id


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\x00b", "a\u202eb"])
async def test_a_name_must_be_readable(tmp_path: Path, name: str) -> None:
    """Empty, endless and control characters are refused, before and after adoption."""
    async with books(tmp_path, FakeClock()) as own:
        camera = await own.registry.add(new_camera())
        with pytest.raises(BadInput):
            await own.registry.rename(camera.public_id, name)


async def test_renaming_tidies_blanks(tmp_path: Path) -> None:
    """Runs of blanks become one."""
    async with books(tmp_path, FakeClock()) as own:
        camera = await own.registry.add(new_camera())
        assert (await own.registry.rename(camera.public_id, "  Lớp   Mầm ")).name == "Lớp Mầm"


async def test_an_unknown_camera_is_not_found(tmp_path: Path) -> None:
    """Every change of a camera that is not there says so."""
    async with books(tmp_path, FakeClock()) as own:
        stranger = PublicId("a" * 16)
        for attempt in (
            own.registry.rename(stranger, "x"),
            own.registry.remove(stranger),
            own.registry.set_login(stranger, Login("a", Secret("b"))),
            own.registry.move(stranger, "10.0.0.9", 80),
        ):
            with pytest.raises(NotFound):
                await attempt


async def test_a_moved_camera_takes_its_streams_along(tmp_path: Path) -> None:
    """Address of device and of both streams change together; ports and paths stay."""
    async with books(tmp_path, FakeClock()) as own:
        camera = await own.registry.add(new_camera())
        moved = await own.registry.move(camera.public_id, "10.0.0.77", 8080)
    assert moved.about.address == "10.0.0.77"
    assert {stream.spec.host for stream in moved.streams} == {"10.0.0.77"}
    assert {stream.spec.port for stream in moved.streams} == {554}


async def test_every_change_is_journalled(tmp_path: Path) -> None:
    """Adoption, move and removal appear in order, with the camera as subject."""
    async with books(tmp_path, FakeClock()) as own:
        camera = await own.registry.add(new_camera())
        await own.registry.move(camera.public_id, "10.0.0.77", 80)
        await own.registry.remove(camera.public_id)
        events = await own.journal.read(0, 10)
    assert [event["type"] for event in events] == ["camera.adopted.v1", "camera.address.v1", "camera.removed.v1"]
    assert {event["subject"] for event in events} == {camera.public_id}


async def test_a_failed_adoption_leaves_nothing(tmp_path: Path) -> None:
    """Neither a camera nor an event of it stays when its streams are refused."""
    async with books(tmp_path, FakeClock()) as own:
        bad = dataclasses.replace(new_camera(), streams=(new_camera().streams[0],) * 2)
        with pytest.raises(Exception, match="UNIQUE"):
            await own.registry.add(bad)
        assert await own.registry.cameras() == ()
        assert await own.journal.read(0, 10) == []


@pytest.mark.parametrize(
    ("identity", "same"),
    [
        (Identity("urn:uuid:1", "02:00:00:00:00:01", "S1"), True),
        (Identity("urn:uuid:1", "", ""), True),
        (Identity("", "", "S1"), True),
        (Identity("urn:uuid:1", "02:00:00:00:00:99", "S1"), False),
        (Identity("urn:uuid:9", "02:00:00:00:00:09", "S9"), False),
        (Identity(), False),
    ],
)
async def test_identity_needs_every_known_mark_to_agree(tmp_path: Path, identity: Identity, *, same: bool) -> None:
    """One differing mark makes it another camera; unknown marks say nothing."""
    async with books(tmp_path, FakeClock()) as own:
        await own.registry.add(new_camera())
        assert (same_camera(await own.registry.cameras(), identity) is not None) is same


async def test_a_replaced_camera_keeps_its_name_and_streams(tmp_path: Path) -> None:
    """The device is another, its password sealed for this camera; a stream it has more is added."""
    async with books(tmp_path, FakeClock()) as own:
        old = await own.registry.add(new_camera(1, streams=1))
        new = dataclasses.replace(new_camera(7), name="khác", login=Login("u", Secret("p2")))
        after = await own.registry.replace(old.public_id, new)
        (again,) = await own.registry.cameras()
        events = await own.journal.read(0, 10)
    assert again == after
    assert (after.public_id, after.name, after.added_ms) == (old.public_id, old.name, old.added_ms)
    assert after.about.identity == new.identity
    assert after.about.login == Login("u", Secret("p2"))
    assert after.streams[0].id == old.streams[0].id
    assert [stream.spec for stream in after.streams] == list(new.streams)
    assert [event["type"] for event in events] == ["camera.adopted.v1", "camera.replaced.v1"]


async def test_the_channels_of_a_recorder_are_stored_side_by_side(tmp_path: Path) -> None:
    """One device, two cameras; the same channel again is refused."""
    async with books(tmp_path, FakeClock()) as own:
        first, second = new_recorder(2).cameras
        added = [await own.registry.add(dataclasses.replace(new, name="Kênh")) for new in (first, second)]
        with pytest.raises(BadInput) as refusal:
            await own.registry.add(dataclasses.replace(second, name="Kênh"))
    assert refusal.value.fields["camera"] == added[1].public_id
    assert [camera.about.identity.channel for camera in added] == [1, 2]


async def test_a_certificate_is_kept_until_another_login(tmp_path: Path) -> None:
    """What a camera showed first over TLS survives a restart; whoever enters the login again forgets it."""
    async with books(tmp_path, FakeClock()) as own:
        new = new_camera()
        main = dataclasses.replace(new.streams[0], tls=True)
        camera = await own.registry.add(dataclasses.replace(new, streams=(main, new.streams[1])))
        assert (camera.about.tls_pin, [stream.spec.tls for stream in camera.streams]) == ("", [True, False])
        await own.registry.note_pin(camera.public_id, "ab" * 32)
    async with books(tmp_path, FakeClock()) as own:
        (again,) = await own.registry.cameras()
        assert again.about.tls_pin == "ab" * 32
        assert again.streams[0].spec == main
        changed = await own.registry.set_login(again.public_id, Login("admin", Secret("y")))
        assert changed.about.tls_pin == ""
