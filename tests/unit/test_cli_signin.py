"""`vuon dang-nhap` from the terminal, and its calls behind the gateway's socket."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.errors import BadInput
from gateway.core.model import Role
from gateway.core.wire import ControlClient, ControlServer
from gateway.roofs.control_signin import SignInCalls
from tests.fakes.cli_box import Answer, cli_box
from tests.fakes.signin_world import PASSWORD, staff_room

ROW = {
    "id": "p" * 16, "name": "Cô [Hà]", "role": "principal", "disabled": False, "sign_in": "hatt", "password": True,
    "second": True, "sessions": 2,
}  # fmt: skip
BARE = ROW | {"name": "Cô Lan", "disabled": True, "sign_in": "", "password": False, "second": False, "sessions": 0}
CALLS: dict[str, Answer] = {
    "signin.list": {"staff": [ROW, BARE]},
    "signin.rename": {"name": "Cô Hà", "sign_in": "ha.tran"},
    "signin.reset": {"name": "Cô Hà", "code": "abcd-efgh-jklm-npqr", "minutes": 30},
    "signin.second.off": {"name": "Cô Hà", "had": True},
}


def test_the_list_says_how_each_signs_in(tmp_path: Path) -> None:
    """Name, sign-in name, what is set and how often somebody is signed in; names are no markup; none is said."""
    with cli_box(tmp_path, {"gateway": CALLS}) as box:
        listed = box.vuon("dang-nhap", "danh-sach").out
        for word in ("Cô [Hà]", "hatt", "second step", "signed in at 2 places", "no password yet", "Cô Lan"):
            assert word in listed
        assert box.vuon("signin", "list", "--json").json() == {"staff": [ROW, BARE]}
    with cli_box(tmp_path, {"gateway": {"signin.list": {"staff": []}}}) as box:
        assert "no staff yet" in box.vuon("signin", "list").out


def test_name_reset_and_second_step(tmp_path: Path) -> None:
    """The words go over as they were said; the code of a reset is printed once."""
    with cli_box(tmp_path, {"gateway": CALLS}) as box:
        assert "ha.tran" in box.vuon("dang-nhap", "ten", "Cô Hà", "ha.tran").out
        assert box.asked("signin.rename") == [{"person": "Cô Hà", "sign_in": "ha.tran"}]
        done = box.vuon("dang-nhap", "cap-lai", "Cô Hà").out
        assert ("abcd-efgh-jklm-npqr" in done, "30" in done) == (True, True)
        assert box.vuon("signin", "reset", "Cô Hà", "--json").json()["code"] == "abcd-efgh-jklm-npqr"
        assert "Cô Hà" in box.vuon("signin", "second-off", "Cô Hà").out
        assert box.asked("signin.second.off") == [{"person": "Cô Hà"}]
    with cli_box(tmp_path, {"gateway": {"signin.second.off": {"name": "Cô Lan", "had": False}}}) as box:
        assert "nothing to switch off" in box.vuon("signin", "second-off", "Cô Lan").out


@pytest.mark.anyio
async def test_the_calls_do_what_they_say(tmp_path: Path) -> None:
    """Over the socket: names are looked up among staff, a reset ends logins and gives a code that works."""
    async with staff_room(tmp_path) as s:
        name = await s.with_password(s.teacher)
        entered = await s.enter(name)
        await s.enrol(s.actor(entered))
        access = s.world.access
        calls = SignInCalls(s.accounts, access.people, access.logins, access.codes, 30).handlers()
        socket = tmp_path / "gateway.sock"
        async with (
            ControlServer(socket, "gateway", dict(calls), on_fault=lambda _n, _e: None),
            ControlClient(socket, "gateway") as client,
        ):
            listed = (await client.call("signin.list")).result["staff"]
            assert {row["role"] for row in listed} == {Role.PRINCIPAL.value, Role.TEACHER.value}
            teacher = next(row for row in listed if row["id"] == s.teacher)
            assert (teacher["sign_in"], teacher["password"], teacher["second"]) == ("hanhnt", True, True)
            who = "Cô Nguyễn Thị Hạnh"
            renamed = (await client.call("signin.rename", {"person": who, "sign_in": "Hanh.N"})).result
            assert renamed == {"name": who, "sign_in": "hanh.n"}
            with pytest.raises(BadInput):
                await client.call("signin.reset", {"person": "Mẹ An"})
            code = (await client.call("signin.reset", {"person": who})).result["code"]
            assert access.logins.who(entered.signed_in.token.reveal()) is None
            for had in (True, False):
                assert (await client.call("signin.second.off", {"person": who})).result["had"] is had
            done = await access.codes.sign_in(code, address="192.0.2.4", label="x")
            assert done.session.person == s.teacher
            assert await s.refused("hanh.n", PASSWORD) == "login.unknown"
