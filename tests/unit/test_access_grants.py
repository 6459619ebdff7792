"""Grants: one maker, a row for each answer, and no flood of refusals."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from gateway.access.audit import Actor
from gateway.access.denials import MAX_OPEN, UNSEEN, Denials
from gateway.access.reasons import Reason
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import Action, Decision, ObjectKind, ObjectRef, StreamRole, new_public_id
from tests.fakes.access_world import grant_of, school
from tests.fakes.school import NOW, pid

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]


def constructors(path: Path) -> list[int]:
    """Lines of a module that call `Grant(...)`, or replace a field of something called grant."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        copied = name == "replace" and bool(node.args) and "grant" in ast.unparse(node.args[0]).lower()
        if name == "Grant" or copied:
            found.append(node.lineno)
    return found


def test_only_one_module_makes_grants() -> None:
    """In the whole repository only the grants module and the signed form's reader construct a Grant."""
    allowed = {ROOT / "gateway/access/grants.py", ROOT / "gateway/core/ticket.py"}
    sources = [path for folder in ("gateway", "web", "recorder", "drivers") for path in (ROOT / folder).rglob("*.py")]
    assert allowed <= set(sources)
    assert {str(path): constructors(path) for path in sources if path not in allowed and constructors(path)} == {}
    assert all(constructors(path) for path in allowed)


async def test_a_grant_says_what_was_decided(tmp_path: Path) -> None:
    """A guardian's grant: sub stream, short lease, tight end, and the audit row that stands for it."""
    async with school(tmp_path) as w:
        decision, grant = await w.access.grants.issue(w.mother, w.phone, Action.LIVE, w.camera)
        assert grant is not None
        assert (decision.allowed, grant.until_ms) == (True, decision.until_ms)
        assert (grant.streams, grant.lease_ms) == (frozenset({StreamRole.SUB}), 5_000)
        assert grant.facts_version == w.access.store.current.version
        row = w.bodies()[-1]
        assert (row["what"], row["grant"], row["classes"]) == ("granted", grant.id, [w.class_id])
        assert w.rows("SELECT max(seq) AS seq FROM audit")[0]["seq"] == grant.audit_seq
        assert w.events[-1].type == "access.granted.v1"


async def test_staff_get_both_streams_and_a_long_lease(tmp_path: Path) -> None:
    """The principal's grant covers main and sub and survives a minute without the gateway."""
    async with school(tmp_path) as w:
        _, grant = await w.access.grants.issue(w.principal, w.actor.device, Action.LIVE, w.camera)
        assert grant is not None
        assert (grant.streams, grant.lease_ms, grant.until_ms) == (frozenset(StreamRole), 60_000, None)


async def test_a_right_that_just_began_covers_nothing_older(tmp_path: Path) -> None:
    """After a change of facts a guardian's grant begins now; long after it, it reaches back; staff's always does."""
    async with school(tmp_path) as w:
        _, fresh = await w.access.grants.issue(w.mother, w.phone, Action.LIVE, w.camera)
        assert fresh is not None
        assert fresh.since_ms == w.clock.now_ms()
        w.clock.tick(120)
        _, later = await w.access.grants.issue(w.mother, w.phone, Action.LIVE, w.camera)
        assert later is not None
        assert later.since_ms is None
        _, staff = await w.access.grants.issue(w.principal, w.actor.device, Action.LIVE, w.camera)
        assert staff is not None
        assert staff.since_ms is None


async def test_a_window_that_just_opened_hides_what_was_before(tmp_path: Path) -> None:
    """A minute after the hours began the grant still begins with its own instant, not before."""
    async with school(tmp_path) as w:
        decision, _ = await w.access.grants.issue(w.mother, w.phone, Action.LIVE, w.camera)
        assert decision.until_ms is not None
        w.clock.tick((decision.until_ms - w.clock.now_ms()) / 1000 + 1)
        refused, _ = await w.access.grants.issue(w.mother, w.phone, Action.LIVE, w.camera)
        assert not refused.allowed
        assert refused.next_ms is not None
        w.clock.tick((refused.next_ms - w.clock.now_ms()) / 1000 + 1)
        _, grant = await w.access.grants.issue(w.mother, w.phone, Action.LIVE, w.camera)
        assert grant is not None
        assert grant.since_ms == w.clock.now_ms()


async def test_refusals_are_written_once_a_minute_and_counted(tmp_path: Path) -> None:
    """A client that hammers writes one row at once and one with the count; afterwards it starts anew."""
    async with school(tmp_path) as w:
        before = len(w.bodies())
        for _ in range(50):
            decision, grant = await w.access.grants.issue(
                w.mother, w.phone, Action.PLAYBACK, w.camera, from_ms=0, to_ms=1
            )
            assert (grant, decision.reason) == (None, Reason.ROLE)
        assert [row["what"] for row in w.bodies()[before:]] == ["denied"]
        w.clock.tick(61)
        await w.access.store.write_repeats()
        last = w.bodies()[-1]
        assert (last["what"], last["times"], last["object"]) == ("denied.repeats", 49, w.camera)
        await w.access.grants.issue(w.mother, w.phone, Action.PLAYBACK, w.camera, from_ms=0, to_ms=1)
        assert w.bodies()[-1]["what"] == "denied"


async def test_guessing_ids_is_one_refusal(tmp_path: Path) -> None:
    """A hundred unknown cameras are one row, not a hundred."""
    async with school(tmp_path) as w:
        before = len(w.bodies())
        for _ in range(100):
            decision, _ = await w.access.grants.issue(w.mother, w.phone, Action.LIVE, new_public_id())
            assert decision == Decision(False, Reason.NOT_FOUND)
        assert len(w.bodies()) == before + 1


def test_counts_of_refusals_are_bounded() -> None:
    """More refusals than fit hand the oldest count out for writing; nothing grows."""
    denials = Denials()
    for n in range(MAX_OPEN + 5):
        key = denials.key(pid("p"), Action.LIVE, ObjectRef(ObjectKind.CAMERA, pid(f"c{n}")), Reason.CLASS_PAUSED)
        assert not denials.covered(key, 0)
        denials.written(key, Reason.CLASS_PAUSED, 0)
        assert denials.covered(key, 1)
    assert len(denials.due()) == 5
    denials.expire(60_000_000_000)
    assert len(denials.due()) == MAX_OPEN
    assert denials.due() == []
    unseen = denials.key(None, Action.LIVE, ObjectRef(ObjectKind.CAMERA, pid("x")), Reason.NOT_FOUND)
    assert (unseen.object, unseen.kind) == (UNSEEN, "")


async def test_stills_of_a_minute_are_one_look(tmp_path: Path) -> None:
    """A page that fetches a still every few seconds writes one row a minute, and is decided each time."""
    async with school(tmp_path) as w:
        before, actor = len(w.bodies()), Actor(w.mother, w.phone)
        tickets = [grant_of(await w.access.ticket(actor, Action.SNAPSHOT, w.camera))["id"] for _ in range(10)]
        assert (len(set(tickets)), len(w.bodies())) == (1, before + 1)
        w.clock.tick(61)
        assert grant_of(await w.access.ticket(actor, Action.SNAPSHOT, w.camera))["id"] not in tickets
        await w.access.sharing.pause(w.actor, w.class_id)
        with pytest.raises(Denied) as refused:
            await w.access.ticket(actor, Action.SNAPSHOT, w.camera)
        assert refused.value.fields["reason"] == Reason.CLASS_PAUSED


async def test_an_old_still_is_judged_by_the_time_it_shows(tmp_path: Path) -> None:
    """A camera that died in the nap or in a pause shows guardians nothing of it later; staff see what there is."""
    async with school(tmp_path) as w:
        _, seen = await w.access.grants.issue(w.mother, w.phone, Action.SNAPSHOT, w.camera)
        _, own = await w.access.grants.issue(w.principal, w.actor.device, Action.SNAPSHOT, w.camera)
        assert seen is not None
        assert own is not None
        now_ms = w.clock.now_ms()
        night_ms, days_ago_ms = now_ms - 9 * 3_600_000, now_ms - 4 * 86_400_000
        assert [w.access.grants.might_see(seen, at) for at in (now_ms, night_ms, days_ago_ms)] == [True, False, False]
        assert [w.access.grants.might_see(own, at) for at in (night_ms, days_ago_ms)] == [True, True]
        await w.access.sharing.pause(w.actor, w.class_id)
        w.clock.tick(60)
        hidden_ms = w.clock.now_ms()
        w.clock.tick(60)
        await w.access.sharing.resume(w.actor, w.class_id)
        w.clock.tick(60)
        assert [w.access.grants.might_see(seen, at) for at in (hidden_ms, w.clock.now_ms())] == [False, True]


async def test_a_still_is_no_stream(tmp_path: Path) -> None:
    """Recorded time needs a span that runs forward, live time has none."""
    async with school(tmp_path) as w:
        with pytest.raises(BadInput):
            await w.access.ticket(w.actor, Action.PLAYBACK, w.camera)
        with pytest.raises(BadInput):
            await w.access.ticket(w.actor, Action.PLAYBACK, w.camera, from_ms=5, to_ms=5)
        with pytest.raises(BadInput):
            await w.access.ticket(w.actor, Action.SNAPSHOT, w.camera, from_ms=0, to_ms=5)
        with pytest.raises(BadInput):
            await w.access.grants.issue(w.principal, w.actor.device, Action.HEALTH, w.camera)
        fields = grant_of(await w.access.ticket(w.actor, Action.PLAYBACK, w.camera, from_ms=1, to_ms=5))
        assert (fields["from_ms"], fields["to_ms"]) == (1, 5)


async def test_export_needs_two_people(tmp_path: Path) -> None:
    """One person's order opens nothing; approved by another it opens exactly its camera and span."""
    async with school(tmp_path) as w:
        deputy = await w.access.people.add(w.actor, w.access.store.current.index.persons[w.principal].role, "Cô Phó")
        code = await w.access.codes.create(w.actor, deputy)
        second = (await w.access.codes.sign_in(code.text.reveal(), address="192.0.2.9", label="desk")).session
        order = await w.access.exports.request(w.actor, w.camera, NOW - 60_000, NOW, "Bé ngã lúc 10:15")
        with pytest.raises(Denied):
            await w.access.export_ticket(w.actor, order)
        with pytest.raises(Denied) as refused:
            await w.access.exports.approve(w.actor, order)
        assert refused.value.fields["reason"] == Reason.EXPORT_SAME_PERSON
        await w.access.exports.approve(Actor(deputy, second.id), order)
        fields = grant_of(await w.access.export_ticket(w.actor, order))
        assert (fields["camera"], fields["from_ms"], fields["to_ms"], fields["action"]) == (
            w.camera,
            NOW - 60_000,
            NOW,
            "export",
        )
        with pytest.raises(NotFound):
            await w.access.export_ticket(w.actor, pid("nothere"))
        with pytest.raises(Denied):
            await w.access.export_ticket(Actor(w.mother, w.phone), order)


async def test_a_dead_login_gets_nothing(tmp_path: Path) -> None:
    """A right is bound to the login that asked: another person's or an ended one is refused."""
    async with school(tmp_path) as w:
        for person, device in ((w.principal, w.phone), (w.principal, "nothing"), (w.mother, w.actor.device)):
            decision, grant = await w.access.grants.issue(person, device, Action.LIVE, w.camera)
            assert (grant, decision.reason) == (None, Reason.SESSION_ENDED)


async def test_a_refusal_renews_nothing(tmp_path: Path) -> None:
    """A renewed grant needs an allowing decision."""
    async with school(tmp_path) as w:
        _, grant = await w.access.grants.issue(w.mother, w.phone, Action.LIVE, w.camera)
        assert grant is not None
        assert w.access.grants.renewed(grant, w.access.grants.redecide(grant)) is grant
        with pytest.raises(ValueError):
            w.access.grants.renewed(grant, Decision(False, Reason.ROLE))


async def test_left_open_rights_are_void_until_decided(tmp_path: Path) -> None:
    """What the database remembers of open streams cannot be used before a new decision."""
    async with school(tmp_path) as w:
        _, grant = await w.access.grants.issue(w.mother, w.phone, Action.LIVE, w.camera)
        (left,) = await w.access.grants.left_open()
        assert grant is not None
        assert (left.id, left.until_ms, left.streams) == (grant.id, 0, grant.streams)
