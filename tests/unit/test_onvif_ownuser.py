"""Accounts on a camera: our own user, the login of before, the factory password; nobody is ever locked out."""

from __future__ import annotations

import asyncio
import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import CameraSettings
from drivers.onvif import devicewords as words
from drivers.onvif.passwords import LENGTH, new_password
from drivers.settings import Why, undone
from gateway.core.errors import CameraOverloaded, CameraUnsupported
from gateway.core.model import Login, Secret
from tests.fakes.camera_settings import PASSWORD, USER, by_setting, settings_bench

pytestmark = pytest.mark.anyio
OWN = CameraSettings(own_user=True)
FACTORY = CameraSettings(own_user=True, factory_password=True)


@given(st.integers())
def test_a_password_is_one_that_cameras_take(seed: int) -> None:
    """16 ASCII letters and digits, of every kind one at least."""
    word = new_password(random.Random(seed).randrange).reveal()
    assert len(word) == LENGTH
    assert set(word) <= set(string.ascii_letters + string.digits)
    assert any(c.isupper() for c in word)
    assert any(c.islower() for c in word)
    assert any(c.isdigit() for c in word)


def test_two_passwords_differ_and_do_not_print() -> None:
    """The system's randomness is the default."""
    one, other = new_password(), new_password()
    assert one != other
    assert one.reveal() not in f"{one!r} {one}"


async def test_our_own_user_is_proven_then_kept() -> None:
    """The camera has a second administrator, the keeper its login, and this driver goes on with it."""
    async with settings_bench() as bench:
        outcomes = await bench.driver.apply(await bench.driver.plan(OWN))
        (login,) = bench.keeper.kept
        assert by_setting(outcomes) == {"user.own": (True, "vuon", "")}
        assert bench.users() == {USER: PASSWORD, "vuon": login.password.reveal()}
        assert bench.camera.book.users["vuon"].level == "Administrator"
        assert login.password.reveal() not in str(outcomes)
        assert await bench.driver.plan(OWN) == ()
        assert bench.camera.bad_logins == 0


async def test_a_name_that_is_taken_is_left_to_its_owner() -> None:
    """Another box of the school may use this camera: its user keeps its password."""
    async with settings_bench() as bench:
        (first,) = await bench.driver.plan(OWN)
        await bench.driver.apply([first])
        taken = bench.users()["vuon"]
        other = bench.another_driver()
        assert by_setting(await other.apply([first])) == {"user.own": (True, "vuon2", "")}
        await other.close()
        assert bench.users()["vuon"] == taken


@pytest.mark.parametrize("quirks", [{"needs_symbol": True}, {"onvif_auth": ("none",)}], ids=["weak password", "open"])
async def test_a_login_that_cannot_be_proven_is_taken_off_again(quirks: dict[str, object]) -> None:
    """A camera that finds the password weak, or asks nobody for one: the old login stays, nothing is left behind."""
    async with settings_bench(**quirks) as bench:
        (change,) = await bench.driver.plan(OWN)
        (outcome,) = await bench.driver.apply([change])
        assert (outcome.applied, outcome.now, outcome.why) == (False, USER, "camera_bad_reply")
        assert bench.users() == {USER: PASSWORD}
        assert bench.keeper.kept == []
        assert bench.camera.bad_logins == 0


async def test_a_login_that_is_not_kept_is_taken_off_again() -> None:
    """The stream does not play for an ONVIF user on some cameras: the keeper refuses, and all is as it was."""
    async with settings_bench() as bench:
        bench.keeper.refuses = CameraOverloaded("no stream for this user")
        (outcome,) = await bench.driver.apply(await bench.driver.plan(OWN))
        assert (outcome.applied, outcome.now, outcome.why) == (False, USER, "camera_overloaded")
        assert bench.users() == {USER: PASSWORD}
        assert (await bench.driver.plan(OWN))[0].before == USER


async def test_a_broken_keeper_leaves_no_user_either() -> None:
    """Whatever goes wrong after the user was made."""
    async with settings_bench() as bench:
        bench.keeper.refuses = CameraUnsupported("x", why="disk")
        (outcome,) = await bench.driver.apply(await bench.driver.plan(OWN))
        assert outcome.why == "disk"
        assert list(bench.users()) == [USER]


async def test_a_stop_while_the_login_is_stored_loses_neither() -> None:
    """The box is stopped between the camera's yes and the end of the writing: stored login and camera agree."""
    async with settings_bench() as bench:
        changes = await bench.driver.plan(OWN)
        bench.keeper.writes = asyncio.Event()
        order = asyncio.create_task(bench.driver.apply(changes))
        async with asyncio.timeout(30):  # a test must fail, not hang
            await bench.keeper.begun.wait()
        order.cancel()
        await asyncio.sleep(0)
        bench.keeper.writes.set()
        with pytest.raises(asyncio.CancelledError):
            await order
        (login,) = bench.keeper.kept
        assert bench.users() == {USER: PASSWORD, "vuon": login.password.reveal()}


async def test_a_camera_that_takes_passwords_in_clear_gets_our_user_too() -> None:
    """What the installer allowed for this camera holds for every login of it."""
    async with settings_bench(onvif_auth=("text",)) as bench:
        assert by_setting(await bench.driver.apply(await bench.driver.plan(OWN))) == {"user.own": (True, "vuon", "")}
        assert bench.camera.bad_logins == 0


async def test_the_factory_password_is_changed_last_and_shown_once() -> None:
    """After our own user is in use; the new password works, is shown, and is in no outcome."""
    async with settings_bench() as bench:
        outcomes = await bench.driver.apply(await bench.driver.plan(FACTORY))
        assert by_setting(outcomes) == {"user.own": (True, "vuon", ""), "user.factory": (True, "random", "")}
        (shown,) = bench.keeper.shown
        assert shown.username == USER
        assert bench.users()[USER] == shown.password.reveal() != PASSWORD
        assert shown.password.reveal() not in str(outcomes)
        assert bench.camera.bad_logins == 0


async def test_the_account_in_use_is_never_changed() -> None:
    """Without a user of our own first, the order says so and nothing is sent."""
    async with settings_bench() as bench:
        (change,) = await bench.driver.plan(CameraSettings(factory_password=True))
        (outcome,) = await bench.driver.apply([change])
        assert (outcome.applied, outcome.why) == (False, Why.OWN_USER_FIRST)
        assert bench.users() == {USER: PASSWORD}
        assert bench.keeper.shown == []


async def test_a_weak_password_leaves_the_factory_account_alone() -> None:
    """The camera refuses it: the old one still works."""
    async with settings_bench() as bench:
        await bench.driver.apply(await bench.driver.plan(OWN))
        bench.camera.quirks.needs_symbol = True
        (outcome,) = await bench.driver.apply(await bench.driver.plan(FACTORY))
        assert (outcome.applied, outcome.why) == (False, "camera_bad_reply")
        assert bench.users()[USER] == PASSWORD
        assert bench.keeper.shown == []


async def test_back_to_the_login_of_before() -> None:
    """It is proven, kept, and our user is deleted."""
    async with settings_bench() as bench:
        changes = await bench.driver.plan(OWN)
        await bench.driver.apply(changes)
        bench.keeper.before = Login(USER, Secret(PASSWORD))
        assert by_setting(await bench.driver.apply(undone(changes))) == {"user.own": (True, USER, "")}
        assert bench.users() == {USER: PASSWORD}
        assert bench.keeper.kept[-1] == bench.keeper.before
        assert bench.keeper.lets_go == 2, "before a user is deleted, whoever logs in by it has let go"
        assert bench.camera.bad_logins == 0


@pytest.mark.parametrize(
    ("before", "why", "bad"),
    [
        (None, Why.NO_FORMER_LOGIN, 0),
        (Login("root", Secret(PASSWORD)), Why.NO_FORMER_LOGIN, 0),
        (Login(USER, Secret("changed meanwhile")), "camera_login", 1),
    ],
    ids=["forgotten", "another", "changed"],
)
async def test_without_a_good_login_of_before_ours_stays(before: Login | None, why: str, bad: int) -> None:
    """A stale one is tried once; our own user is not touched."""
    async with settings_bench() as bench:
        changes = await bench.driver.plan(OWN)
        await bench.driver.apply(changes)
        bench.keeper.before = before
        (outcome,) = await bench.driver.apply(undone(changes))
        assert (outcome.applied, outcome.now, outcome.why) == (False, "vuon", why)
        assert list(bench.users()) == [USER, "vuon"]
        assert bench.camera.bad_logins == bad
        await bench.driver.apply(undone(changes))
        assert bench.camera.bad_logins == bad, "nor a second time"


async def test_without_a_keeper_no_login_is_made() -> None:
    """Nobody would know it."""
    async with settings_bench() as bench:
        changes = await bench.driver.plan(FACTORY)
        bench.driver.hand_logins_to(None)
        outcomes = by_setting(await bench.driver.apply(changes))
        assert outcomes["user.own"] == (False, USER, "camera_unsupported")
        assert bench.users() == {USER: PASSWORD}


@pytest.mark.parametrize(
    ("users", "name"),
    [
        ({"admin": "Administrator", "vuon": "Administrator"}, "admin"),
        ({"root": "Administrator", "vuon": "Administrator", "guest": "User"}, "root"),
        ({"admin": "Administrator", "boss": "Administrator", "vuon": "Administrator"}, "admin"),
        ({"a": "Administrator", "b": "Administrator", "vuon": "Administrator"}, None),
        ({"vuon": "Administrator", "vuon2": "Administrator"}, None),
        ({"guest": "User", "vuon": "Administrator"}, None),
    ],
)
def test_which_account_the_camera_came_with(users: dict[str, str], name: str | None) -> None:
    """The one administrator beside boxes' users, or `admin`; never a guess among others."""
    assert words.factory_name(users, "vuon") == name


def test_names_run_out() -> None:
    """Nine boxes are enough for any camera."""
    taken = {"vuon", *(f"vuon{n}" for n in range(2, 9))}
    assert words.free_name(frozenset(taken)) == "vuon9"
    assert words.free_name(frozenset(taken | {"vuon9"})) is None
