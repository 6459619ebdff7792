"""The hub's database as its routes use it: claims, signatures, codes, sessions, the board."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlite_utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.boxsign import TIME_HEADER, WINDOW_MS
from gateway.core.db import Database
from gateway.core.errors import BadInput, CodeRefused, HubBusy, HubRefused
from gateway.core.model import PublicId
from gateway.hub.fleet import SILENT_BOX_MS, Kind
from gateway.hub.quota import Quota
from gateway.hub.staff import CODE_MS, IDLE_MS, SESSION_MS, new_code, tidy_code
from gateway.hub.store import CLAIM_MS, MIGRATIONS, HubStore
from tests.fakes.clock import FakeClock
from tests.fakes.hub_fleet import STREAM, FleetBox, camera_id, district, hub_store, school

pytestmark = pytest.mark.anyio
ANY_PATH = "/v1/events/x"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock) -> AsyncIterator[HubStore]:
    async with hub_store(tmp_path, clock) as found:
        yield found


class TestEnrolment:
    """A claim lets one box of one site in, once."""

    async def test_a_claim_works_once(self, store: HubStore, clock: FakeClock) -> None:
        """A second box with the same code is refused."""
        claim = await store.make_claim("MN Hoa Sen")
        first = FleetBox(store, clock, 1)
        assert len(await first.enrol(claim)) == 16
        with pytest.raises(CodeRefused):
            await FleetBox(store, clock, 2).enrol(claim)

    async def test_the_same_box_may_repeat_it(self, store: HubStore, clock: FakeClock) -> None:
        """Its answer was lost: the same id comes again, typed in whatever way."""
        claim, box = await store.make_claim("MN Hoa Sen"), FleetBox(store, clock, 1)
        first = await box.enrol(claim)
        assert await box.enrol(claim.lower().replace("-", " ")) == first
        assert len(await store.board()) == 1

    async def test_a_claim_ends_after_a_day(self, store: HubStore, clock: FakeClock) -> None:
        """And one that was never made is refused in the same words."""
        claim = await store.make_claim("MN Hoa Sen")
        clock.tick(CLAIM_MS / 1000)
        for code in (claim, new_code()):
            with pytest.raises(CodeRefused) as caught:
                await FleetBox(store, clock, 1).enrol(code)
            assert caught.value.message == "the claim is unknown, used or expired"

    async def test_a_known_box_with_a_fresh_claim_keeps_its_id_and_moves(
        self, store: HubStore, clock: FakeClock
    ) -> None:
        """The box was carried to another site."""
        box = await school(store, clock, name="MN Hoa Sen")
        before = box.gateway
        assert await box.enrol(await store.make_claim("MN Sao Mai")) == before
        assert [site.site for site in await store.board()] == ["MN Sao Mai"]

    async def test_enrolling_needs_the_key_it_names(self, store: HubStore, clock: FakeClock) -> None:
        """Somebody who saw a claim cannot enrol another box's key."""
        claim, thief = await store.make_claim("MN Hoa Sen"), FleetBox(store, clock, 1)
        victim = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
        headers, body = thief.request("/v1/enrol", {"claim": claim, "public_key": victim})
        with pytest.raises(HubRefused):
            await store.enrol(headers, "/v1/enrol", body)

    @pytest.mark.parametrize("key", ["", "zz", "00" * 31, None, 5, "0" * 3_000])
    async def test_a_malformed_key_is_bad_input(self, store: HubStore, clock: FakeClock, key: object) -> None:
        """Not an error of the library."""
        headers, body = FleetBox(store, clock, 1).request("/v1/enrol", {"claim": "x", "public_key": key})
        with pytest.raises(BadInput):
            await store.enrol(headers, "/v1/enrol", body)

    async def test_strangers_cannot_make_us_unpack_much(self, store: HubStore, clock: FakeClock) -> None:
        """Before anybody is known a few kilobytes are the limit."""
        headers, body = FleetBox(store, clock, 1).request("/v1/enrol", {"claim": "x" * 5_000})
        with pytest.raises(BadInput, match="unpacks"):
            await store.enrol(headers, "/v1/enrol", body)

    @pytest.mark.parametrize("site", ["", "   ", "x" * 201])
    async def test_a_site_needs_a_name(self, store: HubStore, site: str) -> None:
        """Of 1 to 200 characters."""
        with pytest.raises(BadInput):
            await store.make_claim(site)

    async def test_only_hashes_are_stored(self, store: HubStore, clock: FakeClock, tmp_path: Path) -> None:
        """Whoever reads the database's bytes finds neither claim, code nor session."""
        claim, code = await store.make_claim("MN Hoa Sen"), await store.staff.make_code()
        token = await store.staff.redeem(await store.staff.make_code())
        everything = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        for secret in (claim, tidy_code(claim), code, tidy_code(code), token):
            assert secret.encode() not in everything


class TestSignatures:
    """A request is believed by its signature alone."""

    async def test_a_signed_request_names_its_box(self, store: HubStore, clock: FakeClock) -> None:
        """Exactly this method, path and body."""
        box = await school(store, clock)
        headers, body = box.request(ANY_PATH, {})
        assert await store.authenticate(headers, "POST", ANY_PATH, body) == box.gateway
        for method, path, sent in (("GET", ANY_PATH, body), ("POST", "/v1/hello", body), ("POST", ANY_PATH, b"x")):
            with pytest.raises(HubRefused) as caught:
                await store.authenticate(headers, method, path, sent)
            assert caught.value.fields["reason"] == "signature"

    async def test_one_box_cannot_speak_for_another(self, store: HubStore, clock: FakeClock) -> None:
        """Its key is not theirs."""
        one, two = await school(store, clock, 1), await school(store, clock, 2)
        headers, body = one.request(ANY_PATH, {})
        with pytest.raises(HubRefused):
            await store.authenticate(headers | {"vuon-gateway": two.gateway}, "POST", ANY_PATH, body)

    @pytest.mark.parametrize("gateway", ["", "boxboxboxboxboxb", "' OR 1=1 --", "x" * 5_000])
    async def test_an_unknown_box_is_refused(self, store: HubStore, clock: FakeClock, gateway: str) -> None:
        """With a reason that tells it to enrol again."""
        box = await school(store, clock)
        headers, body = box.request(ANY_PATH, {})
        with pytest.raises(HubRefused) as caught:
            await store.authenticate(headers | {"vuon-gateway": gateway}, "POST", ANY_PATH, body)
        assert caught.value.fields["reason"] == "unknown"

    @pytest.mark.parametrize("header", ["vuon-signature", "vuon-time", "vuon-gateway"])
    async def test_a_request_without_a_header_is_refused(self, store: HubStore, clock: FakeClock, header: str) -> None:
        """Each of the three is needed."""
        box = await school(store, clock)
        headers, body = box.request(ANY_PATH, {})
        with pytest.raises(HubRefused):
            await store.authenticate({k: v for k, v in headers.items() if k != header}, "POST", ANY_PATH, body)

    async def test_an_old_request_is_refused(self, store: HubStore, clock: FakeClock) -> None:
        """Within the window a replay does nothing (the cursor), beyond it is refused; the reason is the clock."""
        box = await school(store, clock)
        headers, body = box.request(ANY_PATH, {})
        clock.tick(WINDOW_MS / 1000)
        assert await store.authenticate(headers, "POST", ANY_PATH, body)
        clock.tick(1)
        with pytest.raises(HubRefused) as caught:
            await store.authenticate(headers, "POST", ANY_PATH, body)
        assert caught.value.fields["reason"] == "clock"
        with pytest.raises(HubRefused):
            await store.authenticate(headers | {TIME_HEADER: str(clock.now_ms())}, "POST", ANY_PATH, body)


class TestEvents:
    """Batches as they come in."""

    async def test_a_batch_is_stored_and_the_box_is_seen(self, store: HubStore, clock: FakeClock) -> None:
        """Repeating it changes nothing."""
        box = await school(store, clock)
        await box.well(3)
        clock.tick(10)
        await box.camera(1, "up")
        (site,) = await store.board()
        assert (site.last_seen_ms, site.count(Kind.GOOD)) == (clock.now_ms(), 3)

    @pytest.mark.parametrize(
        "value", [{}, {"events": []}, {"first": 1}, {"first": 0, "events": []}, {"first": True, "events": []}]
    )
    async def test_a_batch_without_its_parts_is_bad_input(
        self, store: HubStore, clock: FakeClock, value: dict[str, object]
    ) -> None:
        """It needs the number of its first event and a list."""
        box = await school(store, clock)
        _, body = box.request(ANY_PATH, value)
        with pytest.raises(BadInput):
            await store.events(box.gateway, STREAM.format(1), body)

    @pytest.mark.parametrize("value", [{}, {"lanes": 5}, {"lanes": [{}] * 17}])
    async def test_a_hello_without_lanes_is_bad_input(
        self, store: HubStore, clock: FakeClock, value: dict[str, object]
    ) -> None:
        """Or with too many."""
        box = await school(store, clock)
        _, body = box.request("/v1/hello", value)
        with pytest.raises(BadInput):
            await store.hello(box.gateway, body)

    async def test_a_box_over_its_quota_is_told_when_to_come_back(self, tmp_path: Path, clock: FakeClock) -> None:
        """Nothing of the batch is stored; after the time it said, the same batch passes."""
        async with Database(tmp_path / "hub.db", [MIGRATIONS]) as db:
            store = HubStore(db, clock, Quota(burst=10, per_s=1))
            box = await school(store, clock)
            await box.well(4)  # nine events
            with pytest.raises(HubBusy) as caught:
                await box.well(4)
            box.sent = 9
            clock.tick(float(str(caught.value.fields["retry_after_s"])))
            await box.well(4)
            assert box.sent == 18

    async def test_boxes_do_not_see_each_others_streams(self, store: HubStore, clock: FakeClock) -> None:
        """The same stream id at another box is another stream."""
        one, two = await school(store, clock, 1), await school(store, clock, 2)
        await one.well(2)
        two.index = 1
        assert (await two.hello())[0]["acked"] == 0
        assert (await one.hello())[0]["acked"] == 5


class TestStaff:
    """Codes and sessions of the authority's people."""

    async def test_a_code_opens_one_session(self, store: HubStore) -> None:
        """Typed in small letters with spaces, too; a second time it is refused."""
        code = await store.staff.make_code()
        token = await store.staff.redeem(code.lower().replace("-", " "))
        assert await store.staff.signed_in(token)
        with pytest.raises(CodeRefused):
            await store.staff.redeem(code)

    async def test_a_code_ends_after_half_an_hour(self, store: HubStore, clock: FakeClock) -> None:
        """At that very moment."""
        code = await store.staff.make_code()
        clock.tick(CODE_MS / 1000)
        with pytest.raises(CodeRefused):
            await store.staff.redeem(code)

    async def test_a_session_ends_when_it_is_not_used(self, store: HubStore, clock: FakeClock) -> None:
        """Half an hour after the last use."""
        token = await store.staff.redeem(await store.staff.make_code())
        for _ in range(3):
            clock.tick(IDLE_MS / 1000 - 60)
            assert await store.staff.signed_in(token)
        clock.tick(IDLE_MS / 1000)
        assert not await store.staff.signed_in(token)

    async def test_a_session_ends_after_a_working_day(self, store: HubStore, clock: FakeClock) -> None:
        """However much it is used."""
        token = await store.staff.redeem(await store.staff.make_code())
        for _ in range(SESSION_MS // 600_000 - 1):
            clock.tick(600)
            assert await store.staff.signed_in(token)
        clock.tick(600)
        assert not await store.staff.signed_in(token)

    async def test_an_open_board_does_not_write_at_each_look(self, tmp_path: Path, clock: FakeClock) -> None:
        """It asks every three seconds; its use is written once a minute."""
        async with Database(tmp_path / "hub.db", [MIGRATIONS]) as db:
            store = HubStore(db, clock)
            token = await store.staff.redeem(await store.staff.make_code())
            before = db.writes
            for _ in range(40):
                clock.tick(3)
                assert await store.staff.signed_in(token)
            assert db.writes - before == 2

    async def test_signing_out_ends_it(self, store: HubStore) -> None:
        """And a token that never was is no session."""
        token = await store.staff.redeem(await store.staff.make_code())
        await store.staff.sign_out(token)
        for text in (token, "", "x", "\ud800"):
            assert not await store.staff.signed_in(text)

    async def test_what_expired_is_deleted(self, tmp_path: Path, clock: FakeClock) -> None:
        """Codes, claims and sessions do not pile up."""
        async with Database(tmp_path / "hub.db", [MIGRATIONS]) as db:
            store = HubStore(db, clock)
            for _ in range(3):
                await store.staff.redeem(await store.staff.make_code())
                await store.staff.make_code()
                await store.make_claim("MN Hoa Sen")
                clock.tick(CLAIM_MS / 1000 + 1)
            counts = await db.read(
                lambda conn: [
                    conn.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("session", "code", "claim")
                ]
            )
            assert counts == [1, 1, 1]


class TestBoard:
    """What the authority sees."""

    async def test_a_box_is_lost_after_five_silent_minutes(self, store: HubStore, clock: FakeClock) -> None:
        """Not before; and it is back with its next word."""
        box = await school(store, clock)
        await box.well(2)
        clock.tick(SILENT_BOX_MS / 1000)
        assert [site.lost for site in await store.board()] == [False]
        clock.tick(1)
        assert [site.lost for site in await store.board()] == [True]
        await box.hello()
        assert [site.lost for site in await store.board()] == [False]

    async def test_a_box_that_never_spoke_is_lost(self, store: HubStore, clock: FakeClock) -> None:
        """It is on the board from its enrolment."""
        await FleetBox(store, clock, 1).enrol(await store.make_claim("MN Hoa Sen"))
        (site,) = await store.board()
        assert (site.lost, site.last_seen_ms, site.cameras) == (True, None, ())

    async def test_fifty_schools_are_listed_worst_first(self, store: HubStore, clock: FakeClock) -> None:
        """The lost box, then by cameras lost, then what is weak, then by name."""
        await district(store, clock)
        board = await store.board()
        assert len(board) == 50
        assert [site.site for site in board[:9]] == [
            *("MN Tuổi Thơ", "MN Thủy Tiên", "MN Hoa Đào", "MN Nam Hải", "MN Hoa Sen", "MN Hoàng Anh"),
            *("MN Đông Hải 1", "MN 8-3", "MN Thỏ Ngọc"),
        ]
        assert all(site.count(Kind.GOOD) == len(site.cameras) for site in board[9:])

    async def test_a_warning_makes_a_camera_weak_until_it_is_cleared(self, store: HubStore, clock: FakeClock) -> None:
        """Other conditions of a camera are in its state already; that we are unreachable is not news here."""
        box = await school(store, clock)
        await box.well(2)
        about = camera_id(1, 2)
        await box.tell(("condition.raised", {"condition": "camera.losing_packets", "about": about}))
        await box.tell(("condition.raised", {"condition": "camera.not_recording", "about": about}))
        await box.tell(("condition.raised", {"condition": "hub.unreachable", "about": "box"}))
        (site,) = await store.board()
        assert [camera.kind for camera in site.cameras] == [Kind.GOOD, Kind.WEAK]
        assert site.cameras[1].since_ms == clock.now_ms()
        assert site.conditions == ()
        await box.tell(("condition.cleared", {"condition": "camera.losing_packets", "about": about}))
        (site,) = await store.board()
        assert site.troubles == 0

    async def test_a_removed_camera_is_not_listed(self, store: HubStore, clock: FakeClock) -> None:
        """The others keep their numbers."""
        box = await school(store, clock)
        await box.well(3)
        await box.tell(("camera.removed", {"camera": camera_id(1, 2)}))
        (site,) = await store.board()
        assert [camera.number for camera in site.cameras] == [1, 3]


def test_the_schema_refuses_what_the_code_never_writes(tmp_path: Path) -> None:
    """CHECKs hold even for a tool that goes around us."""
    import sqlite3

    connection = sqlite3.connect(tmp_path / "hub.db", isolation_level=None)
    MIGRATIONS.apply(sqlite_utils.Database(connection))
    connection.execute("PRAGMA foreign_keys = ON")
    for statement in (
        "INSERT INTO gateway (id, site, public_key, enrolled_at) VALUES ('short', 'x', zeroblob(32), 1)",
        "INSERT INTO camera (gateway, camera, number, state, since_at) VALUES ('g', 'aaaaaaaaaaaaaaaa', 1, 'odd', 1)",
        "INSERT INTO cursor (gateway, stream, lane, number, acked) VALUES ('g', 's', 'alarm', 1, 0)",
        "INSERT INTO event VALUES ('g', 's', 1, 'i', 't', '', 'now', 1, 1, 1, '{}')",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
    connection.close()


def test_codes_are_read_aloud_and_typed(clock: FakeClock) -> None:
    """Four groups of four letters and digits that cannot be mistaken, 80 bits; the id is random, too."""
    code = new_code(lambda count: b"\xff" * count)
    assert code == "7777-7777-7777-7777"
    assert tidy_code(" 7777 7777-7777-7777\n") == "7" * 16
    assert new_code() != new_code()
    assert PublicId(camera_id(1, 1)) != camera_id(1, 2)
