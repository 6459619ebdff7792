"""Signing in by password, second factors, proving again who one is, on a real database."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.access import audit
from gateway.access.audit import CONSOLE, Actor
from gateway.access.login import FRESH_S
from gateway.access.marks import MOST
from gateway.access.reasons import Reason
from gateway.access.signin import HALF_S, HALF_TRIES, Browser, Entered
from gateway.core.errors import BadInput, Denied, LoginBusy, LoginRefused, NotFound
from gateway.core.model import PublicId, Role, Secret
from tests.fakes.signin_world import AWAY, HOME, PASSWORD, staff_room

pytestmark = pytest.mark.anyio


async def test_code_then_password_then_in(tmp_path: Path) -> None:
    """After the first code a person chooses a password and signs in with it, however the name is typed."""
    async with staff_room(tmp_path) as s:
        name = await s.with_password(s.teacher)
        assert name == "hanhnt"
        done = await s.enter(f"  {name.upper()} ")
        session = done.signed_in.session
        assert (session.person, session.role, session.place) == (s.teacher, Role.TEACHER, "school")
        who = s.world.access.logins.who(done.signed_in.token.reveal())
        assert who is not None
        assert who.person == s.teacher


async def test_what_does_not_fit_costs_one_hash_and_says_one_thing(tmp_path: Path) -> None:
    """Unknown name, wrong password, no password yet and a disabled person: one hash each, the same refusal."""
    async with staff_room(tmp_path) as s:
        name = await s.with_password(s.teacher)
        other = await s.world.access.people.add(CONSOLE, Role.TEACHER, "Cô Lan")
        bare = await s.accounts.ensure(CONSOLE, other, "Cô Lan")
        gone = await s.world.access.people.add(CONSOLE, Role.TEACHER, "Cô Mai")
        left = await s.with_password(gone)
        await s.world.access.people.disable(CONSOLE, gone)
        for tried, password in (("nobody", PASSWORD), (name, "sai"), (bare.name, PASSWORD), (left, PASSWORD)):
            before = len(s.hasher.lanes)
            with pytest.raises(LoginRefused) as refused:
                await s.signins.by_password(tried, password, Browser(HOME, "x"))
            assert refused.value.fields == {"reason": "login.unknown"}
            assert len(s.hasher.lanes) == before + 1
        outcomes = [event.data["outcome"] for event in s.world.events if event.data.get("role") == "unknown"]
        assert outcomes == ["login.unknown"] * 4


async def test_too_long_a_password_is_not_cut_to_fit(tmp_path: Path) -> None:
    """What is behind the longest password counts."""
    async with staff_room(tmp_path) as s:
        longest = "cây bàng " * 14
        longest = longest.ljust(128, "x")[:128]
        name = await s.with_password(s.teacher, longest)
        assert await s.refused(name, longest + "y") == Reason.LOGIN_UNKNOWN
        assert await s.refused(name, longest) == "entered"


async def test_wrong_tries_of_strangers_do_not_hold_up_a_known_browser(tmp_path: Path) -> None:
    """The account is never locked: the browser that signed in before goes straight in, a stranger waits."""
    async with staff_room(tmp_path) as s:
        name = await s.with_password(s.teacher)
        known = (await s.enter(name)).mark
        answers = [await s.refused(name, "sai", address=AWAY) for _ in range(12)]
        assert set(answers) == {Reason.LOGIN_UNKNOWN, Reason.RATE}
        assert await s.refused(name, PASSWORD, address=AWAY) == Reason.RATE
        assert await s.refused(name, PASSWORD, address=AWAY, mark=known) == "entered"
        assert s.hasher.lanes[-1] == ""
        s.world.clock.tick(30)
        assert await s.refused(name, PASSWORD, address=AWAY) == "entered"


async def test_a_mark_is_of_its_person_and_is_not_taken_over(tmp_path: Path) -> None:
    """Somebody else's mark gives no lane, and a mark put into a browser is replaced by one of ours."""
    async with staff_room(tmp_path) as s:
        name = await s.with_password(s.teacher)
        mine = (await s.enter(name)).mark
        principal = await s.by_code(s.world.principal, mark=mine)
        assert principal.mark == mine
        planted = await s.enter(name, mark=Secret("planted"))
        assert planted.mark.reveal() not in {"planted", mine.reveal()}
        for _ in range(MOST + 3):
            await s.enter(name)
        rows = s.world.rows("SELECT count(*) FROM browser_mark WHERE person = ?", s.teacher)
        assert rows[0][0] == MOST
        stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert mine.reveal().encode() not in stored
        assert name.encode() not in stored


async def test_no_place_to_hash_is_no_try(tmp_path: Path) -> None:
    """Who is turned away because too many sign in has lost nothing."""
    async with staff_room(tmp_path) as s:
        name = await s.with_password(s.teacher)
        s.hasher.busy = True
        for _ in range(30):
            with pytest.raises(LoginBusy):
                await s.enter(name)
        s.hasher.busy = False
        assert await s.refused(name, PASSWORD) == "entered"


async def test_a_hash_of_a_former_cost_is_made_anew(tmp_path: Path) -> None:
    """The first sign-in after the cost grew keeps the password at the new one."""
    async with staff_room(tmp_path) as s:
        name = await s.with_password(s.teacher)
        s.hasher.mark = "tomorrow"
        await s.enter(name)
        account = s.accounts.of(s.teacher)
        assert account is not None
        assert account.password_hash == f"tomorrow:{PASSWORD}"
        await s.accounts.load()
        await s.enter(name)


async def test_the_second_factor_is_asked_after_the_first(tmp_path: Path) -> None:
    """Digits open once; so do those of a code's login; wrong ones, used ones and late ones do not."""
    async with staff_room(tmp_path) as s:
        name = await s.with_password(s.teacher)
        secret, _ = await s.enrol(s.actor(await s.enter(name)))
        half = await s.half(name)
        browser = Browser(HOME, "Chrome")
        with pytest.raises(LoginRefused) as spent:  # the digits that switched it on
            await s.signins.second(half, s.digits(secret), browser)
        assert spent.value.fields["reason"] == Reason.LOGIN_SECOND
        s.world.clock.tick(30)
        digits = s.digits(secret)
        entered = await s.signins.second(half, digits, browser)
        assert entered.signed_in.session.person == s.teacher
        for again in (half, await s.half(name)):
            with pytest.raises(LoginRefused):
                await s.signins.second(again, digits, browser)
        code = await s.world.access.codes.create(CONSOLE, s.teacher)
        wanted = await s.signins.by_code(code.text.reveal(), browser)
        assert not isinstance(wanted, Entered)
        s.world.clock.tick(30)
        assert isinstance(await s.signins.second(wanted.half, s.digits(secret, later_s=30), browser), Entered)


async def test_half_a_login_is_bounded(tmp_path: Path) -> None:
    """It ends after five minutes, and after five tries."""
    async with staff_room(tmp_path) as s:
        name = await s.with_password(s.teacher)
        secret, _ = await s.enrol(s.actor(await s.enter(name)))
        half, browser = await s.half(name), Browser(HOME, "Chrome")
        s.world.clock.tick(HALF_S)
        with pytest.raises(LoginRefused) as late:
            await s.signins.second(half, s.digits(secret), browser)
        assert late.value.fields["reason"] == Reason.SESSION_EXPIRED
        half, reasons = await s.half(name), []
        for _ in range(HALF_TRIES + 1):
            with pytest.raises(LoginRefused) as wrong:
                await s.signins.second(half, "000000", browser)
            reasons.append(wrong.value.fields["reason"])
            s.world.clock.tick(20)
        assert reasons == [Reason.LOGIN_SECOND] * HALF_TRIES + [Reason.SESSION_EXPIRED]


async def test_a_lost_phone_has_ten_codes_each_good_once(tmp_path: Path) -> None:
    """A recovery code signs in, however it is typed, and only once; the console switches the factor off."""
    async with staff_room(tmp_path) as s:
        name = await s.with_password(s.teacher)
        _, codes = await s.enrol(s.actor(await s.enter(name)))
        assert (len(codes), len(set(codes))) == (10, 10)
        browser = Browser(HOME, "Chrome")
        await s.signins.second(await s.half(name), codes[0].upper().replace("-", " "), browser)
        with pytest.raises(LoginRefused):
            await s.signins.second(await s.half(name), codes[0], browser)
        assert (await s.accounts.recovery_left([s.teacher]))[s.teacher] == 9
        with pytest.raises(Denied):
            await s.accounts.drop_second(s.world.actor, s.teacher)
        await s.accounts.drop_second(CONSOLE, s.teacher)
        assert await s.refused(name, PASSWORD) == "entered"
        stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert not [code for code in codes if code.encode() in stored]


async def test_a_login_is_fresh_for_ten_minutes_and_again_by_password(tmp_path: Path) -> None:
    """People are managed right after signing in; later the password is asked, and the session gets another token."""
    async with staff_room(tmp_path) as s:
        name = await s.with_password(s.world.principal)
        entered = await s.enter(name)
        actor, people = s.actor(entered), s.world.access.people
        await people.add(actor, Role.TEACHER, "Cô Thu")
        s.world.clock.tick(FRESH_S)
        with pytest.raises(Denied) as stale:
            await people.add(actor, Role.TEACHER, "Cô Đông")
        assert stale.value.fields["reason"] == Reason.LOGIN_STALE
        await s.world.access.sharing.stop_all(actor, stopped=True)  # what protects children is never held up
        with pytest.raises(LoginRefused):
            await s.signins.again(actor, "sai", "", HOME)
        fresh = await s.signins.again(actor, PASSWORD, "", HOME)
        logins = s.world.access.logins
        assert logins.who(entered.signed_in.token.reveal()) is None
        who = logins.who(fresh.token.reveal())
        assert who is not None
        assert who.id == actor.device
        await people.add(actor, Role.TEACHER, "Cô Đông")
        said = [entry.body["what"] for entry in s.world.db.read_sync(audit.entries)]
        assert said.count("login.again") == 1


async def test_a_fresh_login_wants_both_factors(tmp_path: Path) -> None:
    """The password alone does not do where there is a second factor."""
    async with staff_room(tmp_path) as s:
        name = await s.with_password(s.teacher)
        actor = s.actor(await s.enter(name))
        secret, _ = await s.enrol(actor)
        s.world.clock.tick(FRESH_S)
        with pytest.raises(LoginRefused) as missing:
            await s.signins.again(actor, PASSWORD, "", HOME)
        assert missing.value.fields["reason"] == Reason.LOGIN_SECOND
        await s.signins.again(actor, PASSWORD, s.digits(secret), HOME)
        assert s.world.access.logins.stale(actor) is None


async def test_after_a_restart_nobody_is_fresh(tmp_path: Path) -> None:
    """Freshness is in memory only, logins are not."""
    async with staff_room(tmp_path) as s:
        actor = s.actor(await s.by_code(s.teacher))
        assert s.world.access.logins.stale(actor) is None
        await s.world.access.logins.load()
        assert s.world.access.logins.alive(actor.device, s.teacher) is None
        assert s.world.access.logins.stale(actor) == Reason.LOGIN_STALE
        assert s.world.access.logins.stale(Actor(s.teacher, "elsewhere")) == Reason.LOGIN_STALE


async def test_changing_the_password_ends_the_other_logins(tmp_path: Path) -> None:
    """The old password is asked for, then it and every other login are over."""
    async with staff_room(tmp_path) as s:
        name = await s.with_password(s.teacher)
        here, there = await s.enter(name), await s.enter(name)
        with pytest.raises(LoginRefused):
            await s.signins.choose_password(s.actor(here), "sai", "một câu khác hẳn", HOME)
        fresh = await s.signins.choose_password(s.actor(here), PASSWORD, "một câu khác hẳn", HOME)
        logins = s.world.access.logins
        assert logins.who(there.signed_in.token.reveal()) is None
        assert logins.who(fresh.token.reveal()) is not None
        assert await s.refused(name, PASSWORD) == Reason.LOGIN_UNKNOWN
        assert await s.refused(name, "một câu khác hẳn") == "entered"


async def test_an_easy_password_changes_nothing(tmp_path: Path) -> None:
    """What is too short, common or made of names is refused by its case; its text is in no error."""
    async with staff_room(tmp_path) as s:
        actor = s.actor(await s.by_code(s.teacher))
        for easy, case in (
            ("ngắn", "password_short"),
            ("matkhau123", "password_common"),
            ("HanhNT2024", "password_name"),
        ):
            with pytest.raises(BadInput) as refused:
                await s.signins.choose_password(actor, "", easy, HOME)
            assert refused.value.fields["case"] == case
            assert easy not in str(refused.value) + repr(refused.value.fields)
        account = s.accounts.of(s.teacher)
        assert account is not None
        assert account.password_hash is None
        s.world.clock.tick(FRESH_S)
        with pytest.raises(Denied):
            await s.signins.choose_password(actor, "", PASSWORD, HOME)


async def test_a_reset_gives_a_code_and_nothing_else_opens(tmp_path: Path) -> None:
    """The principal learns no password; the person's browsers are strangers again; guardians have no account."""
    async with staff_room(tmp_path) as s:
        name = await s.with_password(s.teacher)
        mark = (await s.enter(name)).mark
        await s.accounts.reset(s.world.actor, s.teacher)
        assert await s.refused(name, PASSWORD, mark=mark) == Reason.LOGIN_UNKNOWN
        assert s.hasher.lanes[-1] != ""
        for person in (s.world.mother, PublicId("a" * 16)):
            with pytest.raises(NotFound):
                await s.accounts.reset(s.world.actor, person)
        teacher = s.actor(await s.by_code(s.teacher))
        with pytest.raises(Denied):
            await s.accounts.reset(teacher, s.world.principal)


async def test_the_vice_principal_does_not_become_the_principal(tmp_path: Path) -> None:
    """Neither a reset nor a code of a principal is given by somebody who is none."""
    async with staff_room(tmp_path) as s:
        vice = await s.world.access.people.add(CONSOLE, Role.VICE_PRINCIPAL, "Cô Phó")
        actor = s.actor(await s.by_code(vice))
        await s.accounts.reset(actor, s.teacher)
        await s.world.access.codes.create(actor, s.teacher)
        for act in (s.accounts.reset, s.world.access.codes.create):
            with pytest.raises(Denied):
                await act(actor, s.world.principal)
        with pytest.raises(Denied):
            await s.accounts.rename(actor, s.world.principal, "other")


@pytest.mark.parametrize("role", [Role.VICE_PRINCIPAL, Role.AUTHORITY_IT, Role.INSTALLER])
async def test_a_vice_principal_takes_no_way_in_from_the_leadership(role: Role, tmp_path: Path) -> None:
    """Whom she may not disable she does not lock out either: no reset, no other sign-in name."""
    async with staff_room(tmp_path) as s:
        other = await s.world.access.people.add(CONSOLE, role, "Người Khác")
        name = await s.with_password(other)
        vice = await s.world.access.people.add(CONSOLE, Role.VICE_PRINCIPAL, "Cô Phó")
        actor = s.actor(await s.by_code(vice))
        with pytest.raises(Denied):
            await s.accounts.reset(actor, other)
        with pytest.raises(Denied):
            await s.accounts.rename(actor, other, "other")
        assert await s.refused(name, PASSWORD) == "entered"


async def test_sign_in_names_are_unique_and_end_with_the_names(tmp_path: Path) -> None:
    """Two people of one name get two; a taken one is refused; an erased box knows none any more."""
    from gateway.access.acts import Acts

    async with staff_room(tmp_path) as s:
        first = await s.accounts.ensure(CONSOLE, s.teacher, "Cô Nguyễn Thị Hạnh")
        twin = await s.world.access.people.add(CONSOLE, Role.TEACHER, "Cô Nguyễn Thị Hạnh")
        second = await s.accounts.ensure(CONSOLE, twin, "Cô Nguyễn Thị Hạnh")
        assert (first.name, second.name) == ("hanhnt", "hanhnt2")
        with pytest.raises(BadInput) as taken:
            await s.accounts.rename(CONSOLE, twin, "HạnhNT")
        assert taken.value.fields["case"] == "sign_in_name_taken"
        await s.accounts.rename(s.world.actor, twin, "hanh.b")
        assert s.accounts.named("hanh.b") is not None
        name = await s.with_password(s.teacher)
        await Acts(s.world.access.store).wipe_names("erasure")
        assert await s.refused(name, PASSWORD) == Reason.LOGIN_UNKNOWN


async def test_sessions_but_one_end(tmp_path: Path) -> None:
    """A person ends all other logins and keeps this one."""
    async with staff_room(tmp_path) as s:
        name = await s.with_password(s.teacher)
        rest, here = [await s.enter(name) for _ in range(2)], await s.enter(name)
        logins = s.world.access.logins
        ended = await logins.end_person(s.actor(here), s.teacher, but=here.signed_in.session.id)
        assert ended >= 2
        assert [row.id for row in logins.sessions(s.teacher)] == [here.signed_in.session.id]
        assert all(logins.who(item.signed_in.token.reveal()) is None for item in rest)


def test_the_decoy_costs_what_a_password_costs() -> None:
    """What is compared for an unknown name has today's parameters."""
    from gateway.access.hashing.child import HASHER
    from gateway.access.signin import DECOY

    assert not HASHER.check_needs_rehash(DECOY)
