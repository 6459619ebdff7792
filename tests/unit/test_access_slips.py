"""Slips and bound devices: who is let in, who waits, and how it ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.access.audit import Actor
from gateway.access.invitations import normalise
from gateway.access.phones import clean_phone, fits, masked
from gateway.access.reasons import Reason
from gateway.core.errors import BadInput, CodeRefused, Denied, NotFound
from gateway.core.model import GuardianKind, PublicId, Role
from tests.fakes.access_world import World, add_class, add_family, school
from tests.fakes.device import Browser
from tests.fakes.school import DAY, pid

pytestmark = pytest.mark.anyio
PHONE = "0912 345 678"


async def slip_of(w: World, person: PublicId, *, checked: bool = False) -> str:
    return (await w.access.invitations.create(w.actor, person, checked=checked)).secret.reveal()


async def refused(w: World, secret: str, **options: str) -> str:
    with pytest.raises(CodeRefused) as error:
        await Browser().redeem(w.access, secret, **options)
    return str(error.value.fields["reason"])


async def shut_out(w: World, browser: Browser) -> str:
    with pytest.raises(CodeRefused) as error:
        await browser.enter(w.access)
    return str(error.value.fields["reason"])


# a slip


async def test_looking_at_a_slip_spends_nothing_and_tells_no_name(tmp_path: Path) -> None:
    """Whoever finds a slip learns the class and the kind of guardian, as often as they look."""
    async with school(tmp_path) as w:
        secret = await slip_of(w, w.father_of_mate)
        for _ in range(30):
            await w.access.invitations.look(secret, address="192.0.2.9")
        look = await w.access.invitations.look(secret, address="192.0.2.9")
        assert (look.classes, look.asks_digits) == ((w.class_id,), False)
        assert {str(value) for value in look.__class__.__dataclass_fields__} == {
            "classes",
            "kind",
            "asks_digits",
            "expires_ms",
        }
        assert (await Browser().redeem(w.access, secret)).signed_in is None


async def test_a_slip_is_good_by_its_code_too_however_it_is_typed(tmp_path: Path) -> None:
    """The printed code opens what the picture opens, once between them."""
    async with school(tmp_path) as w:
        slip = await w.access.invitations.create(w.actor, w.father_of_mate)
        code = slip.code.reveal()
        assert (len(code), len(normalise(slip.secret.reveal()))) == (14, 26)
        await Browser().redeem(w.access, f" {code.lower().replace('-', ' ')} ")
        assert await refused(w, slip.secret.reveal()) == Reason.SLIP_USED
        assert await refused(w, code) == Reason.SLIP_USED


async def test_a_slip_expires_and_a_newer_one_replaces_it(tmp_path: Path) -> None:
    """Seven days, and until the next is printed; what never was is unknown."""
    async with school(tmp_path) as w:
        first, second = await slip_of(w, w.father_of_mate), await slip_of(w, w.father_of_mate)
        assert await refused(w, first) == Reason.SLIP_EXPIRED
        w.clock.step_wall(7 * DAY)
        assert await refused(w, second) == Reason.SLIP_EXPIRED
        assert await refused(w, "guess") == Reason.SLIP_UNKNOWN


async def test_five_wrong_digits_make_a_slip_void(tmp_path: Path) -> None:
    """The tries left are told, the right digits help no more afterwards, and the audit tells it."""
    async with school(tmp_path) as w:
        await w.access.phones.set(w.actor, w.father_of_mate, PHONE)
        secret = await slip_of(w, w.father_of_mate)
        assert (await w.access.invitations.look(secret, address="192.0.2.9")).asks_digits
        assert await refused(w, secret) == Reason.SLIP_DIGITS  # asking costs no try
        left = []
        for _ in range(4):
            with pytest.raises(CodeRefused) as error:
                await Browser().redeem(w.access, secret, digits="1234")
            left.append(error.value.fields["left"])
        assert left == [4, 3, 2, 1]
        assert await refused(w, secret, digits="0000") == Reason.SLIP_VOID
        assert await refused(w, secret, digits="5678") == Reason.SLIP_VOID
        assert w.rows("SELECT count(*) FROM audit_body WHERE body LIKE '%\"slip.void\"%'")[0][0] == 1


async def test_the_right_digits_spend_it(tmp_path: Path) -> None:
    """The last four of the number that the school holds."""
    async with school(tmp_path) as w:
        await w.access.phones.set(w.actor, w.father_of_mate, "+84 912.345.678")
        secret = await slip_of(w, w.father_of_mate)
        await Browser().redeem(w.access, secret, digits="5678")
        assert await refused(w, secret, digits="5678") == Reason.SLIP_USED


async def test_a_wrong_proof_spends_neither_slip_nor_try(tmp_path: Path) -> None:
    """A browser without the key that it names binds nothing; the slip is as it was."""
    async with school(tmp_path) as w:
        secret, browser = await slip_of(w, w.father_of_mate), Browser()
        spent = browser.binding(w.access.devices.challenge())
        await w.access.invitations.bind(secret, spent, address="192.0.2.9")
        again = await slip_of(w, w.father_of_mate)
        for binding in (spent, Browser().binding("x"), browser.binding(w.access.devices.challenge() + "x")):
            with pytest.raises(CodeRefused) as error:
                await w.access.invitations.bind(again, binding, address="192.0.2.9")
            assert error.value.fields["reason"] == Reason.DEVICE_PROOF
        with pytest.raises(BadInput):  # the same key twice
            await browser.redeem(w.access, again)
        await Browser().redeem(w.access, again)


async def test_a_lost_answer_costs_no_slip(tmp_path: Path) -> None:
    """The browser that spent it may ask again, before and after approval; another browser is told that it was used."""
    async with school(tmp_path) as w:
        secret, browser = await slip_of(w, w.father_of_mate), Browser()
        first = await browser.redeem(w.access, secret)
        again = await browser.redeem(w.access, secret)
        assert (again.key, again.device, again.signed_in) == (first.key, first.device, None)
        await w.access.approvals.approve(w.actor, first.device)
        assert (await browser.redeem(w.access, secret)).signed_in is not None
        assert len(await w.access.devices.of(w.father_of_mate)) == 1
        assert await refused(w, secret) == Reason.SLIP_USED


async def test_a_whole_class_joins_over_one_address(tmp_path: Path) -> None:
    """Only wrong tries are counted against a network: thirty families in the school's own Wi-Fi come in."""
    async with school(tmp_path) as w:
        for n in range(30):
            family = await add_family(w.access, w.actor, w.class_id, f"Bé {n}", f"Mẹ {n}")
            await Browser().redeem(w.access, await slip_of(w, family.guardian), address="203.0.113.5")
        for _ in range(10):
            assert await refused(w, "guess", address="203.0.113.5") == Reason.SLIP_UNKNOWN
        assert await refused(w, "guess", address="203.0.113.5") == Reason.RATE


async def test_who_makes_slips(tmp_path: Path) -> None:
    """The principal for everybody, a teacher for her class alone; nobody learns from it who exists."""
    async with school(tmp_path) as w:
        other_class = await add_class(w.access, w.actor, "Chồi 1", [])
        stranger = (await add_family(w.access, w.actor, other_class, "Bé Xa", "Mẹ Xa")).guardian
        teacher = await w.access.people.add(w.actor, Role.TEACHER, "Cô Hoa")
        await w.access.people.teach(w.actor, teacher, w.class_id)
        lan = Actor(teacher, "phone")
        await w.access.invitations.create(lan, w.mother)
        for person in (stranger, pid("nobody"), w.principal):
            with pytest.raises(Denied):
                await w.access.invitations.create(lan, person)
        with pytest.raises(Denied):  # a look at a card is the principal's word
            await w.access.invitations.create(lan, w.mother, checked=True)
        for person in (w.mother, stranger, pid("nobody")):
            with pytest.raises(Denied):
                await w.access.invitations.create(Actor(w.mother, w.phone), person)
        with pytest.raises(BadInput):
            await w.access.invitations.create(w.actor, w.principal)
        with pytest.raises(NotFound):
            await w.access.invitations.create(w.actor, pid("nobody"))


async def test_a_disabled_guardians_slip_opens_nothing(tmp_path: Path) -> None:
    """Disabling is stronger than a slip in the hand."""
    async with school(tmp_path) as w:
        secret = await slip_of(w, w.father_of_mate)
        await w.access.people.disable(w.actor, w.father_of_mate)
        assert await refused(w, secret) == Reason.PERSON_DISABLED


# approval


async def test_nothing_is_open_before_the_school_says_yes(tmp_path: Path) -> None:
    """Slip and digits give no session; the principal's yes does, and the same key enters then."""
    async with school(tmp_path) as w:
        browser = Browser("Android · Chrome")
        bound = await browser.redeem(w.access, await slip_of(w, w.father_of_mate))
        assert bound.signed_in is None
        assert w.access.logins.sessions(w.father_of_mate) == ()
        assert await shut_out(w, browser) == Reason.DEVICE_WAITING
        assert (await w.access.devices.standing(bound.key)).state == "waiting"
        (item,) = await w.access.approvals.waiting(w.actor)
        assert (item.person, item.label, [tie.child for tie in item.ties]) == (
            w.father_of_mate,
            "Android · Chrome",
            [w.mate],
        )
        await w.access.approvals.approve(w.actor, item.device)
        assert (await w.access.devices.standing(bound.key)).state == "approved"
        assert (await browser.enter(w.access)).session.person == w.father_of_mate
        assert await w.access.approvals.waiting(w.actor) == ()


async def test_a_device_approved_twice_is_in_once(tmp_path: Path) -> None:
    """A second tap, or another leader's at the same time, is no error and no other row; strangers are told nothing."""
    async with school(tmp_path) as w:
        bound = await Browser().redeem(w.access, await slip_of(w, w.father_of_mate))
        for _ in range(2):
            await asyncio.gather(*(w.access.approvals.approve(w.actor, bound.device) for _ in range(2)))
        assert (await w.access.devices.standing(bound.key)).state == "approved"
        version = w.access.store.current.version
        await w.access.approvals.approve(w.actor, bound.device)
        assert w.access.store.current.version == version
        with pytest.raises((Denied, NotFound)):
            await w.access.approvals.approve(Actor(w.mother, w.phone), bound.device)
        with pytest.raises(NotFound):
            await w.access.approvals.refuse(w.actor, bound.device)


async def test_a_refusal_has_words_for_its_guardian_alone(tmp_path: Path) -> None:
    """The device is over, its browser reads why, the words are sealed, and the slip stays spent."""
    async with school(tmp_path) as w:
        browser, secret = Browser(), await slip_of(w, w.father_of_mate)
        bound = await browser.redeem(w.access, secret)
        await w.access.approvals.refuse(w.actor, bound.device, "Số điện thoại đã đổi")
        assert await shut_out(w, browser) == Reason.DEVICE_REFUSED
        standing = await w.access.devices.standing(bound.key)
        assert (standing.state, standing.why) == ("refused", "Số điện thoại đã đổi")
        assert await refused(w, secret) == Reason.SLIP_USED
        assert b"\xc4\x91\xc3\xa3 \xc4\x91\xe1\xbb\x95i" not in b"".join(
            path.read_bytes() for path in tmp_path.iterdir() if path.is_file()
        )
        with pytest.raises(NotFound):
            await w.access.approvals.approve(w.actor, bound.device)


async def test_only_the_principal_approves(tmp_path: Path) -> None:
    """Neither the guardian nor her teacher; what does not wait is not there."""
    async with school(tmp_path) as w:
        teacher = await w.access.people.add(w.actor, Role.TEACHER, "Cô Hoa")
        await w.access.people.teach(w.actor, teacher, w.class_id)
        bound = await Browser().redeem(w.access, await slip_of(w, w.father_of_mate))
        for actor in (Actor(teacher, "x"), Actor(w.father_of_mate, "x"), Actor(w.mother, w.phone)):
            for act in (w.access.approvals.approve, w.access.approvals.refuse):
                with pytest.raises((Denied, NotFound)):
                    await act(actor, bound.device)
            with pytest.raises(Denied):
                await w.access.approvals.waiting(actor)
        with pytest.raises(NotFound):
            await w.access.approvals.approve(w.actor, pid("nothing"))


async def test_the_principal_sees_who_of_the_family_is_in_already(tmp_path: Path) -> None:
    """A second guardian of the child waits like the first, beside the first's name."""
    async with school(tmp_path) as w:
        grandmother = await w.access.people.add(w.actor, Role.GUARDIAN, "Bà An")
        await w.access.children.add_guardian(w.actor, grandmother, w.child, kind=GuardianKind.GRANDMOTHER)
        await Browser().redeem(w.access, await slip_of(w, grandmother))
        (item,) = await w.access.approvals.waiting(w.actor)
        assert [(other.person, other.devices) for other in item.others] == [(w.mother, 1)]
        assert [tie.kind for tie in item.ties] == ["grandmother"]


# numbers


@pytest.mark.parametrize("text", ["0912345678", "+84 912 345 678", "84912345678", "(091) 234-5678", "0912.345.678"])
def test_a_number_is_understood_however_it_is_written(text: str) -> None:
    """The school's lists hold every form."""
    assert clean_phone(text) == "0912345678"


@pytest.mark.parametrize("text", ["", "1234", "0912345", "số của mẹ", "0912345678901", "912345678x"])
def test_what_is_no_number_is_refused(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(BadInput):
        clean_phone(text)


def test_only_the_ends_of_a_number_are_compared_and_shown() -> None:
    """Four are compared, three are shown; without a number nothing fits."""
    assert fits("0912345678", "5678")
    assert not any(
        fits(number, digits) for number, digits in (("0912345678", "678"), (None, ""), ("", ""), ("12", "12"))
    )
    assert masked("0912345678") == "09•• ••• 678"
    assert masked(None) == ""
