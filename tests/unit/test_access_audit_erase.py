"""One family's data erased: no value and no byte of it stays, the chain is whole, and nobody can blank a row otherwise."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils

from gateway.access import audit
from gateway.access.audit import CONSOLE, Actor
from gateway.access.audit_chain import ERASE
from gateway.access.audit_erase import Asked, Erasures, Why, erased_subjects
from gateway.access.audit_ledger import Wanted, of_person, page
from gateway.access.audit_verify import Verdict, verify
from gateway.access.migrations import MIGRATIONS
from gateway.core.errors import BadInput, Denied, NotFound, VuonError
from gateway.core.model import Action, PublicId, Role
from tests.fakes.access_world import KEY, World, school
from tests.fakes.signin_world import staff_room

pytestmark = pytest.mark.anyio
ASK: dict[str, Any] = {"why": Why.WITHDRAWN, "asked": Asked.GUARDIAN}


def erasures(w: World) -> Erasures:
    return Erasures(w.access.store, KEY)


async def verdict(w: World) -> Verdict:
    await w.db.write(lambda conn: audit.checkpoint(conn, KEY, w.clock.now_ms()))
    return await w.db.read(lambda conn: verify(conn, KEY.public_key()))


def bodies(w: World) -> dict[int, dict[str, Any]]:
    return {row["seq"]: json.loads(row["body"]) for row in w.rows("SELECT seq, body FROM audit_body ORDER BY seq")}


async def test_a_child_and_its_mother_are_erased_and_the_chain_proves_it_lawful(tmp_path: Path) -> None:
    """Names and bodies go, looks stay under the id, every other row is as it was, and the walk counts what was blanked."""
    async with school(tmp_path) as w:
        await w.look()
        before = bodies(w)
        plan = await erasures(w).plan(w.actor, "child", w.child)
        assert (plan.name, plan.erased_ms) == ("Bé An", None)
        seq, count = await erasures(w).erase(w.actor, "child", w.child, typed="bé  an", **ASK)
        assert count == plan.blanked > 0
        seq2, count2 = await erasures(w).erase(w.actor, "person", w.mother, typed="Mẹ An", **ASK)
        after = bodies(w)
        blank = {n for n, body in after.items() if set(body) == {"erased"}}
        assert len(blank) == count + count2
        assert {after[n]["erased"] for n in blank} == {seq, seq2}
        assert {n: body for n, body in after.items() if n in before and n not in blank} == {
            n: body for n, body in before.items() if n not in blank
        }
        stays = [body["what"] for n, body in after.items() if n in before and w.mother in json.dumps(body)]
        assert "granted" in stays
        assert {what for what in stays if not what.startswith("consent.")} <= {"granted", "ended", "denied"}
        decided = after[seq2]
        assert (decided["what"], decided["person"], decided["device"]) == (ERASE, w.actor.person, w.actor.device)
        assert (decided["subject"], decided["why"], decided["asked"]) == (w.mother, "withdrawn", "guardian")
        found = await verdict(w)
        assert (found.findings, found.erased) == ((), count + count2)
        assert await w.db.read(erased_subjects) == {w.child, w.mother}


async def test_no_byte_of_the_name_or_of_the_bodies_is_in_the_file(tmp_path: Path) -> None:
    """Not sealed under the old nonce, not as a salt, not in the log: the file is written anew."""
    async with school(tmp_path) as w:
        row = w.rows("SELECT name_sealed FROM person WHERE id = ?", w.mother)[0]["name_sealed"]
        label = w.rows("SELECT label FROM device WHERE person = ?", w.mother)[0]["label"]
        salts = [item["salt"] for item in w.rows("SELECT salt FROM audit_body WHERE instr(body, ?) > 0", w.mother)]
        await erasures(w).erase(w.actor, "person", w.mother, typed="Mẹ An", **ASK)
        gone = [item["salt"] for item in w.rows("SELECT salt FROM audit_body")]
        erased = [salt for salt in salts if salt not in gone]
        assert len(erased) > 3
        assert label == "iPhone"
        assert w.rows("SELECT label FROM device WHERE person = ?", w.mother)[0]["label"] == ""
        path = Path(w.db.path)
        stored = path.read_bytes() + path.with_name(path.name + "-wal").read_bytes()
        assert [value for value in [row, *erased] if bytes(value) in stored] == []
        names = {item.id: item.name for item in await w.access.people.rows()}
        assert names[w.mother] == "—"
        assert names[w.father_of_mate] == "Bố Bình"


async def test_every_right_ends_at_once(tmp_path: Path) -> None:
    """An erased guardian's stream, login, devices and slips are over; an erased child lets nobody see."""
    async with school(tmp_path) as w:
        grant = await w.look()
        await erasures(w).erase(w.actor, "person", w.mother, typed="Mẹ An", **ASK)
        await w.until(lambda: w.media.why(grant) is not None)
        assert w.media.why(grant) == "session.ended" or w.media.why(grant) == "person.disabled"
        assert w.access.logins.alive(w.phone, w.mother) is not None
        assert await w.access.devices.of(w.mother) == ()
        await erasures(w).erase(w.actor, "child", w.mate, typed="Bé Bình", **ASK)
        decision, _ = await w.access.grants.issue(w.father_of_mate, "", Action.LIVE, w.camera)
        assert not decision.allowed
        assert w.rows("SELECT 1 FROM consent WHERE child = ? AND until_ms IS NULL", w.mate) == []


async def test_how_somebody_signed_in_is_erased_too(tmp_path: Path) -> None:
    """A sign-in name is drawn from the name: it goes, with password, second factor, codes and known browsers."""
    async with staff_room(tmp_path) as s:
        w, name = s.world, await s.with_password(s.teacher)
        await s.enrol(s.actor(await s.enter(name)))
        sealed = w.rows("SELECT name_sealed FROM account WHERE id = ?", s.teacher)[0][0]
        assert w.access.store.unseal("account.name", s.teacher, sealed) == name
        typed = await w.access.people.name(s.teacher)
        await erasures(w).erase(w.actor, "person", s.teacher, typed=typed, **ASK)
        for table, column in (("account", "id"), ("recovery_code", "person"), ("browser_mark", "person")):
            assert w.rows(f"SELECT 1 FROM {table} WHERE {column} = ?", s.teacher) == []
        await s.accounts.fresh()
        assert s.accounts.named(name) is None


@pytest.mark.parametrize("who", ["guardian", "console", "stale"])
async def test_only_a_principal_decides_by_name_and_freshly(tmp_path: Path, who: str) -> None:
    """Not the family itself, not whoever holds the control socket, not yesterday's login; nothing changes then."""
    async with school(tmp_path) as w:
        actors = {"guardian": Actor(w.mother, w.phone), "console": CONSOLE, "stale": w.actor}
        fresh = (lambda _actor: "session.stale") if who == "stale" else (lambda _actor: None)
        before = bodies(w)
        with pytest.raises(Denied):
            desk = Erasures(w.access.store, KEY, fresh=fresh)
            await desk.erase(actors[who], "person", w.father_of_mate, typed="Bố Bình", **ASK)
        assert [body["what"] for n, body in bodies(w).items() if n not in before] in ([], ["denied"])
        assert (await verdict(w)).erased == 0


async def test_what_cannot_be_erased_is_said_and_nothing_changes(tmp_path: Path) -> None:
    """Another name, oneself, somebody unknown, the last principal, twice."""
    async with school(tmp_path) as w:
        desk, before = erasures(w), len(bodies(w))
        deputy = await w.access.people.add(CONSOLE, Role.PRINCIPAL, "Cô Phó")
        second = Actor(deputy, "desk2")

        async def refused(kind: type[VuonError], actor: Actor, what: str, subject: Any, typed: str) -> str:
            with pytest.raises(kind) as caught:
                await desk.erase(actor, what, subject, typed=typed, **ASK)
            return str(caught.value.fields.get("case", ""))

        assert await refused(BadInput, w.actor, "person", w.mother, "Mẹ Bình") == "erase_name"
        assert await refused(BadInput, w.actor, "person", w.principal, "Cô Hiệu Trưởng") == "erase_self"
        assert await refused(NotFound, w.actor, "person", w.child, "Bé An") == ""
        assert await refused(BadInput, w.actor, "class", w.class_id, "Mầm 1") == ""
        await desk.erase(second, "person", w.principal, typed="Cô Hiệu Trưởng", **ASK)
        assert await refused(BadInput, second, "person", w.principal, "—") == "erase_again"
        third = await w.access.people.add(CONSOLE, Role.PRINCIPAL, "Cô Ba")
        await w.access.people.disable(CONSOLE, third)
        assert len(bodies(w)) > before
        assert (await verdict(w)).findings == ()


async def test_the_last_principal_stays(tmp_path: Path) -> None:
    """A school without anybody who may decide could not be put right from a page."""
    async with school(tmp_path) as w:
        deputy = await w.access.people.add(CONSOLE, Role.PRINCIPAL, "Cô Phó")
        with pytest.raises(BadInput) as caught:
            await w.db.write(lambda conn: Erasures._refuse_last(_without(conn, deputy), "person", w.principal))
        assert caught.value.fields["case"] == "erase_last"


def _without(conn: sqlite3.Connection, person: str) -> sqlite3.Connection:
    conn.execute("UPDATE person SET disabled = 1 WHERE id = ?", (person,))
    return conn


# the one exception to append-only


async def test_no_statement_but_an_erasure_blanks_a_row(tmp_path: Path) -> None:
    """Not a row that the erasing row does not list, not in another form, not a second time, not the erasing row itself."""
    async with school(tmp_path) as w:
        seq, _ = await erasures(w).erase(w.actor, "child", w.child, typed="Bé An", **ASK)
        listed = bodies(w)[seq]["rows"][0][0]
        free = next(n for n, body in bodies(w).items() if "erased" not in body)
        form = f'{{"erased":{seq}}}'
        for row, salt, body in (
            (free, bytes(16), form),
            (listed, bytes(16), form),
            (seq, bytes(16), form),
            (free, b"s" * 16, form),
            (free, bytes(16), "{}"),
            (free, bytes(16), '{"erased":1}'),
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                await w.db.write(lambda conn, row=row, salt=salt, body=body: _blank(conn, row, salt, body))  # type: ignore[misc]  # bound here
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            await w.db.write(lambda conn: conn.execute("UPDATE audit_body SET seq = 9999 WHERE seq = ?", (free,)))
        assert (await verdict(w)).findings == ()


def _blank(conn: sqlite3.Connection, seq: int, salt: bytes, body: str) -> int:
    return conn.execute("UPDATE audit_body SET salt = ?, body = ? WHERE seq = ?", (salt, body, seq)).rowcount


async def test_an_erasure_that_this_box_did_not_sign_blanks_nothing_lawfully(tmp_path: Path) -> None:
    """Whoever holds the file may write an erasing row and blank by it: the walk names each row, for it has no key."""
    async with school(tmp_path) as w:

        def attack(conn: sqlite3.Connection) -> int:
            body = {"what": ERASE, "at_ms": 1, "subject": w.mother, "rows": [[3, 4]], "signature": "A" * 88}
            seq = audit.append(conn, body)
            for row in (3, 4):
                _blank(conn, row, bytes(16), f'{{"erased":{seq}}}')
            return seq

        await w.db.write(attack)
        found = (await verdict(w)).findings
        assert [(item.problem.value, item.seq, item.to_seq) for item in found] == [("erasure_false", 3, 4)]


async def test_a_crash_leaves_both_or_neither(tmp_path: Path) -> None:
    """The names, the row and the blanked bodies are one transaction."""
    async with school(tmp_path) as w:
        await w.db.write(lambda conn: conn.execute("DROP TABLE erasure"))
        before, name = bodies(w), w.rows("SELECT name_sealed FROM child WHERE id = ?", w.child)[0][0]
        with pytest.raises(sqlite3.OperationalError):
            await erasures(w).erase(w.actor, "child", w.child, typed="Bé An", **ASK)
        assert bodies(w) == before
        assert w.rows("SELECT name_sealed FROM child WHERE id = ?", w.child)[0][0] == name


async def test_an_erasure_that_was_cut_short_is_finished_at_the_next_start(tmp_path: Path) -> None:
    """The file may still hold the old bytes: it is written anew, once."""
    async with school(tmp_path) as w:
        desk = erasures(w)
        assert await desk.finish() is False
        await desk.erase(w.actor, "child", w.child, typed="Bé An", **ASK)
        assert await desk.finish() is False
        await w.db.write(lambda conn: conn.execute("UPDATE erasure SET clean = 0"))
        assert await desk.finish() is True
        assert await desk.finish() is False


def test_a_box_of_before_takes_the_new_rules_over_its_old_rows(tmp_path: Path) -> None:
    """A database with rows from before the upgrade verifies, stays append-only, and finds its rows by day and person."""
    path = tmp_path / "gateway.db"
    utils = sqlite_utils.Database(path)
    MIGRATIONS.apply(utils, stop_before="audit_by_hour_and_erasures")
    conn = utils.conn
    conn.row_factory = sqlite3.Row
    for n in range(20):
        audit.append(conn, {"at_ms": n, "what": "person.add", "person": "p", "who": f"w{n}"})
    conn.commit()
    MIGRATIONS.apply(utils)
    assert verify(conn, KEY.public_key()) == Verdict(20, 0)
    assert [line.text("who") for line in of_person(conn, PublicId("w7"), Wanted()).lines] == ["w7"]
    assert len(page(conn, Wanted(from_ms=5, to_ms=9)).lines) == 4
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        conn.execute("UPDATE audit_body SET body = '{}' WHERE seq = 3")
    utils.conn.close()
