"""The gateway's control socket over a real database and a recorder that is answers."""

from __future__ import annotations

import base64
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access import audit
from gateway.access.classes import at
from gateway.core.errors import BadInput, NotFound, SegmentCorrupt
from gateway.core.model import PublicId, new_public_id
from gateway.core.secrets import load_verify_key
from gateway.core.ticket import open_ticket
from gateway.roofs.gateway_control import _plan, _weekday
from tests.fakes.clock import NOON_MS
from tests.fakes.gateway_console import CAMERA, GATE, Box, desk, refused

pytestmark = pytest.mark.anyio


# people and classes


async def test_a_school_is_set_up_and_listed(tmp_path: Path) -> None:
    """People with role and classes, classes with cameras; each step is an audit row of the console."""
    async with desk(tmp_path) as box:
        await box.school()
        listed = await box.call("people.list")
        people = {row["name"]: row for row in listed["people"]}
        assert people["Lan"]["classes"] == ["Mầm 1"]
        assert (people["Cô Hà"]["role"], people["Cô Hà"]["classes"]) == ("principal", [])
        assert [(row["name"], row["cameras"]) for row in listed["classes"]] == [("Mầm 1", [CAMERA])]
        assert {row["device"] for row in box.rows()} == {"console"}
        assert await box.call("status") == {"daemon": {"name": "gateway"}, "conditions": []}
        assert box.ground.store.current.cameras == {CAMERA, GATE}


@pytest.mark.parametrize(
    ("method", "params", "key"),
    [
        ("person.add", {"name": "X", "role": "king"}, "role"),
        ("person.add", {"name": "", "role": "principal"}, None),
        ("person.add", {"role": "principal"}, "name"),
        ("class.add", {"name": "Lá", "plan": "never"}, "plan"),
        ("class.add", {"name": "Lá", "cameras": "abc"}, "cameras"),
        ("class.add", {"name": "Lá", "cameras": [1]}, "cameras"),
        ("class.add", {"name": "Lá", "cameras": ["x" * 16]}, "cameras"),
        ("guardian.add", {"name": "A", "kind": "mẹ", "child": "B", "class": "Lá"}, "class"),
        ("guardian.add", {"name": "A", "kind": "mẹ", "child": "", "class": "Mầm 1"}, None),
        ("guardian.add", {"name": "A", "child": "B", "class": "Mầm 1"}, "kind"),
        ("hours.set", {"class": "Mầm 1", "start": "8", "end": "9:00", "days": "2"}, None),
        ("hours.set", {"class": "Mầm 1", "start": "10:00", "end": "09:00", "days": "2"}, None),
        ("hours.set", {"class": "Mầm 1", "start": "08:00", "end": "09:00", "days": "1"}, "days"),
        ("hours.set", {"class": "Mầm 1", "start": "08:00", "end": "09:00", "days": "2,,3"}, "days"),
        ("hours.set", {"class": "Mầm 1", "start": "²:00", "end": "09:00", "days": "2"}, None),
        ("sharing", {"stop": "yes"}, "stop"),
        ("sharing", {}, "stop"),
        ("revoke", {"guardian": "Cô Hà"}, "person"),
        ("slip.new", {"guardian": "Cô Hà"}, "person"),
        ("code.new", {"person": "Nobody"}, "person"),
        ("person.disable", {"person": "Nobody", "disabled": True}, "person"),
        ("person.disable", {"person": "Cô Hà"}, "disabled"),
        ("export", {"segment": "../../etc/passwd"}, "segment"),
        ("export", {"camera": CAMERA, "from_ms": 1, "to_ms": 2, "stream": "third"}, "stream"),
        ("export", {"camera": CAMERA, "from_ms": "1", "to_ms": 2}, "from_ms"),
        ("export", {"camera": CAMERA, "from_ms": 2, "to_ms": 2}, "to_ms"),
    ],
)
async def test_what_is_wrong_is_refused_before_anything_is_written(
    tmp_path: Path, method: str, params: dict[str, Any], key: str | None
) -> None:
    """BadInput with the parameter's name, no row in the audit, and half a family is not founded."""
    async with desk(tmp_path) as box:
        await box.school()
        error = await refused(box, method, **params)
        assert key is None or error.fields["key"] == key
        assert len((await box.call("people.list"))["people"]) == 2


async def test_names_are_found_however_their_accents_are_typed(tmp_path: Path) -> None:
    """Decomposed letters, other case, extra spaces: the same class; a part of a name is nobody."""
    async with desk(tmp_path) as box:
        await box.school()
        for name in ("Mầm 1", unicodedata.normalize("NFD", "mầm  1"), " MẦM 1 "):
            await box.call("hours.set", **{"class": name}, start="08:00", end="09:00", days="2")
        error = await refused(box, "revoke", guardian="La")
        assert error.fields["known"] == "Lan"


async def test_two_with_one_name_are_never_mixed_up(tmp_path: Path) -> None:
    """A right is not taken by a name that two have; by id it is, and from that one only."""
    async with desk(tmp_path) as box:
        await box.school()
        second = await box.guardian("Lan")
        error = await refused(box, "revoke", guardian="Lan")
        assert error.fields["case"] == "several"
        assert second in str(error.fields["known"])
        box.sessions = 2
        assert await box.call("revoke", guardian=second) == {"sessions": 2}
        people = {row["id"]: row["classes"] for row in (await box.call("people.list"))["people"]}
        assert people[second] == []
        assert sorted(people.values()) == [[], [], ["Mầm 1"]]


# codes, slips, switches


async def test_codes_and_slips_are_fresh_each_time(tmp_path: Path) -> None:
    """The principal's code, anybody's by name, a slip whose secret is behind the #; no principal, no code."""
    async with desk(tmp_path) as box:
        assert (await refused(box, "code.new")).fields["case"] == "nobody"
        await box.school()
        first, second = await box.call("code.new"), await box.call("code.new", person="cô hà")
        assert first["code"] != second["code"]
        assert first["minutes"] == 30
        assert (await refused(box, "slip.new", guardian="Lan", phone="12")).fields["case"] == "phone"
        slip = await box.call("slip.new", guardian="Lan", phone="0912 345 678")
        assert slip["checked"] is False
        assert slip["code"] not in json.dumps(box.rows(), ensure_ascii=False)
        assert slip["url"].startswith("https://hop.local/p/moi#")
        assert slip["days"] == 7
        text = json.dumps(box.rows(), ensure_ascii=False)
        assert slip["url"].partition("#")[2] not in text
        assert first["code"] not in text


async def test_a_deputy_who_leaves_has_no_rights_and_one_who_comes_back_has(tmp_path: Path) -> None:
    """Added as a second principal, disabled by name, enabled again; each is a row in the audit."""
    async with desk(tmp_path) as box:
        await box.school()
        deputy = (await box.call("person.add", name="Cô Mai", role="principal"))["person"]
        assert await box.call("person.disable", person="cô mai", disabled=True) == {"person": deputy}
        assert box.ground.store.current.index.persons[deputy].disabled
        await box.call("person.disable", person="Cô Mai", disabled=False)
        assert not box.ground.store.current.index.persons[deputy].disabled


async def test_the_switch_and_the_acceptance(tmp_path: Path) -> None:
    """`accept` and `sharing` change the facts at once."""
    async with desk(tmp_path) as box:
        await box.call("accept")
        await box.call("sharing", stop=True)
        assert box.ground.store.current.accepted
        assert box.ground.store.current.sharing_stopped
        await box.call("sharing", stop=False)
        assert not box.ground.store.current.sharing_stopped


async def test_hours_are_those_that_were_said(tmp_path: Path) -> None:
    """2 is Monday, 8 is Sunday; the whole day may be open."""
    async with desk(tmp_path) as box:
        await box.school()
        await box.call("hours.set", **{"class": "Mầm 1"}, start="00:00", end="24:00", days="2, 8")
        (window,) = box.ground.store.current.windows
        assert (window.start_min, window.end_min, sorted(window.days)) == (0, 1440, [0, 6])


# footage


async def exported(box: Box, **params: Any) -> bytes:
    return b"".join([chunk async for chunk in box.client.stream("export", params)])


async def test_an_export_is_decided_audited_reported_and_then_streamed(tmp_path: Path) -> None:
    """The recorder gets a grant for exactly that span; families and the authority can see that it was the console."""
    async with desk(tmp_path) as box:
        await box.school()
        assert await exported(box, camera=CAMERA, from_ms=1000, to_ms=2000, stream="sub") == b"ftypmoof"
        (order,) = box.recorder.tickets
        key = load_verify_key(box.ground.config.paths.grant_key)
        grant = open_ticket(order["ticket"], key, now_ms=NOON_MS)
        assert (grant.camera, grant.from_ms, grant.to_ms, grant.device) == (CAMERA, 1000, 2000, "console")
        assert order["stream"] == "sub"
        row = box.rows()[-1]
        assert (row["what"], row["role"], row["camera"], row["from_ms"]) == ("granted", "console", CAMERA, 1000)
        class_id = PublicId((await box.call("people.list"))["classes"][0]["id"])
        looks = box.ground.db.read_sync(lambda conn: audit.looks(conn, class_id))
        assert [look.body["device"] for look in looks] == ["console"]


async def test_an_export_reaches_the_authority_as_an_event(tmp_path: Path) -> None:
    """`access.granted` with role console and the action is in the outbox; no name, no time span."""
    async with desk(tmp_path) as box:
        await box.school()
        await exported(box, camera=CAMERA, from_ms=1000, to_ms=2000)
        sql = "SELECT data FROM event WHERE type = 'access.granted.v1'"
        ((data,),) = box.ground.db.read_sync(lambda conn: [tuple(row) for row in conn.execute(sql).fetchall()])
        assert json.loads(data) == {"role": "console", "action": "export", "camera": CAMERA}
        sql_sent = "SELECT * FROM outbox WHERE id = (SELECT id FROM event WHERE type = 'access.granted.v1')"
        assert len(box.ground.db.read_sync(lambda conn: conn.execute(sql_sent).fetchall())) == 1


async def test_a_segment_is_exported_by_its_path(tmp_path: Path) -> None:
    """The span of the grant is the segment's; the path goes to the recorder as it was listed."""
    async with desk(tmp_path) as box:
        await box.school()
        assert await exported(box, segment="1/a.seg") == b"ftypmoof"
        (order,) = box.recorder.tickets
        fields = json.loads(base64.urlsafe_b64decode(order["ticket"]["grant"]))
        assert (fields["from_ms"], fields["to_ms"]) == (NOON_MS, NOON_MS + 60_000)
        assert order["segment"] == "1/a.seg"


async def test_an_export_that_fails_is_in_the_audit_all_the_same(tmp_path: Path) -> None:
    """The right was given: the row stays, and the recorder's error passes through."""
    async with desk(tmp_path) as box:
        await box.school()
        box.recorder.error = SegmentCorrupt("torn")
        with pytest.raises(SegmentCorrupt):
            await exported(box, segment="1/a.seg")
        assert box.rows()[-1]["what"] == "granted"


async def test_a_camera_that_is_not_ours_gives_no_export(tmp_path: Path) -> None:
    """Nothing is granted for a camera that was not adopted."""
    async with desk(tmp_path) as box:
        await box.school()
        with pytest.raises(NotFound):
            await exported(box, camera=new_public_id(), from_ms=1, to_ms=2)
        assert box.recorder.tickets == []


async def test_the_audit_verifies_itself_and_tells_when_it_does_not(tmp_path: Path) -> None:
    """An untouched chain is ok with its rows counted; an edited row is found."""
    async with desk(tmp_path) as box:
        await box.school()
        good = await box.call("audit.verify")
        assert good["ok"] is True
        assert good["rows"] == len(box.rows()) > 5
        edit = "UPDATE audit_body SET body = replace(body, 'console', 'nobody') WHERE seq = 2"
        await box.ground.db.write(lambda conn: conn.execute("DROP TRIGGER audit_body_no_update"))
        await box.ground.db.write(lambda conn: conn.execute(edit))
        broken = await box.call("audit.verify")
        assert (broken["ok"], broken["problem"]) == (False, "row_edited")
        assert broken["findings"] == [{"problem": "row_edited", "seq": 2, "to_seq": 2}]


# the small rules


@given(st.text(max_size=3))
def test_a_weekday_is_two_to_eight(text: str) -> None:
    """Anything else is BadInput with the text; what is one counts from Monday = 0."""
    try:
        day = _weekday(text)
    except BadInput as error:
        assert error.fields["value"] == text
        assert text.strip() not in set("2345678")
    else:
        assert 0 <= day <= 6
        assert str(day + 2) == text.strip()


@given(st.text("0123456789:²٣ -", max_size=6))
def test_a_time_of_day_is_a_minute_or_bad_input(text: str) -> None:
    """No other error, and never a minute outside the day."""
    try:
        minute = at(text)
    except BadInput as error:
        assert error.fields["case"] == "hour"
    else:
        assert 0 <= minute <= 1440


@given(st.integers(0, 1440))
def test_every_minute_can_be_written(minute: int) -> None:
    """Reading a written minute gives it back."""
    assert at(f"{minute // 60:02}:{minute % 60:02}") == minute


@given(st.text(max_size=8))
def test_there_are_two_plans(name: str) -> None:
    """The usual day, which hides nap and changing, and open all day; nothing else."""
    if name in {"usual", "open"}:
        return
    with pytest.raises(BadInput):
        _plan(name)


def test_the_plans_cover_what_they_say() -> None:
    """Open shows every minute of every day; the usual one shows neither nap nor changing."""
    (everything,) = _plan("open")
    assert (everything.hours.start_min, everything.hours.end_min, len(everything.hours.days)) == (0, 1440, 7)
    hidden = {item.kind.value for item in _plan("usual") if not item.guardian_visible}
    assert hidden == {"nap", "changing"}
