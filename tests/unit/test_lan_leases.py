"""Which camera gets which address: the rules, and that no two ever get one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.lan.dhcpmessage import NOWHERE, Kind, Message, Option
from drivers.lan.leases import AVOID_S, LEASE_S, OFFER_S, Answer, Leases, OtherServer, Pool

OURS = IPv4Interface("192.168.10.1/24")
FIRST, LAST = IPv4Address("192.168.10.100"), IPv4Address("192.168.10.103")
POOL = Pool(OURS, FIRST, LAST)
A, B, C, D, E = (f"44:19:b6:00:00:0{n}" for n in range(1, 6))
SECOND = 1_000_000_000


def discover(leases: Leases, mac: str, wanted: IPv4Address | None = None, at_ns: int = 0) -> IPv4Address | None:
    """Let a client discover; returns what it is offered."""
    address = leases.propose(mac, wanted, at_ns)
    if address is not None:
        offer = leases.offer(Message(Kind.DISCOVER, 7, mac), address, at_ns)
        assert (offer.message.kind, offer.message.yours, offer.remember) == (Kind.OFFER, address, False)
    return address


def asked(
    mac: str, wanted: IPv4Address | None = None, *, server: IPv4Address | None = OURS.ip, has: IPv4Address = NOWHERE
) -> Message:
    options: dict[int, bytes] = {}
    if server is not None:
        options[Option.SERVER] = server.packed
    if wanted is not None:
        options[Option.WANTED] = wanted.packed
    return Message(Kind.REQUEST, 8, mac, client=has, options=options)


def lease(leases: Leases, mac: str) -> IPv4Address:
    """Let a client discover and take the offer."""
    address = discover(leases, mac)
    assert address is not None
    answer = leases.request(asked(mac, address), 0)
    assert answer is not None
    assert (answer.message.kind, answer.message.yours) == (Kind.ACK, address)
    return address


def kind(answer: Answer | None) -> Kind | None:
    return None if answer is None else answer.message.kind


def test_a_camera_gets_the_first_free_address_and_all_it_needs_to_know() -> None:
    """Mask, lease, server and time server; no gateway and no name server."""
    leases = Leases(POOL, {})
    address = discover(leases, A)
    assert address == FIRST
    answer = leases.request(asked(A, address), 0)
    assert answer is not None
    assert answer.remember
    assert answer.message.options == {
        Option.SERVER: OURS.ip.packed,
        Option.LEASE_S: LEASE_S.to_bytes(4, "big"),
        Option.MASK: b"\xff\xff\xff\x00",
        Option.NTP: OURS.ip.packed,
    }
    quiet = Leases(Pool(OURS, FIRST, LAST, serves_time=False), {})
    assert Option.NTP not in quiet.offer(Message(Kind.DISCOVER, 7, A), FIRST, 0).message.options


def test_an_address_is_kept_for_ever() -> None:
    """After years, after a restart with what was remembered, and whatever it asks for now."""
    leases = Leases(POOL, {})
    assert [lease(leases, mac) for mac in (A, B)] == [FIRST, FIRST + 1]
    later = 10 * 365 * 86_400 * SECOND
    assert discover(leases, A, wanted=LAST, at_ns=later) == FIRST
    again = Leases(POOL, leases.known)
    assert discover(again, B) == FIRST + 1
    assert discover(again, C) == FIRST + 2
    assert kind(again.request(asked(A, FIRST, server=None), 0)) is Kind.ACK


def test_a_wish_is_granted_if_nobody_has_it() -> None:
    """Option 50 of a camera that was here before, else the first free one."""
    leases = Leases(POOL, {B: LAST})
    assert discover(leases, A, wanted=FIRST + 1) == FIRST + 1
    assert discover(leases, C, wanted=LAST) == FIRST
    assert discover(leases, D, wanted=IPv4Address("10.0.0.1")) == FIRST + 2


def test_an_offer_is_forgotten_after_a_while() -> None:
    """Until then it is nobody else's."""
    leases = Leases(Pool(OURS, FIRST, FIRST), {})
    assert discover(leases, A) == FIRST
    assert discover(leases, B, at_ns=(OFFER_S - 1) * SECOND) is None
    seen = [leases.full]
    assert discover(leases, B, at_ns=OFFER_S * SECOND) == FIRST
    assert [*seen, leases.full] == [True, False]
    assert kind(leases.request(asked(A, FIRST), OFFER_S * SECOND)) is Kind.NAK


def test_a_full_pool_turns_new_cameras_away_only() -> None:
    """Those that have an address keep it."""
    leases = Leases(POOL, {})
    for mac in (A, B, C, D):
        lease(leases, mac)
    assert discover(leases, E) is None
    assert leases.full
    assert discover(leases, A) == FIRST


def test_our_own_address_is_never_given() -> None:
    """Also when the range lies over it."""
    pool = Pool(OURS, OURS.ip, OURS.ip + 1)
    leases = Leases(pool, {A: OURS.ip})
    assert (pool.size, list(pool)) == (1, [OURS.ip + 1])
    assert discover(leases, A, wanted=OURS.ip) == OURS.ip + 1


def test_addresses_of_another_network_are_forgotten() -> None:
    """When the card has moved to another network, everybody gets a new address; outside the range is fine."""
    known = {A: IPv4Address("10.0.0.5"), B: IPv4Address("192.168.10.7"), C: IPv4Address("192.168.10.255")}
    assert Leases(POOL, known).known == {B: IPv4Address("192.168.10.7")}


@pytest.mark.parametrize(("message", "told"), [
    (asked(A, FIRST, server=None), Kind.ACK),  # INIT-REBOOT
    (asked(A, LAST, server=None), Kind.NAK),
    (asked(A, server=None, has=FIRST), Kind.ACK),  # RENEWING
    (asked(A, server=None, has=LAST), Kind.NAK),
    (asked(B, LAST, server=None), None),  # unknown to us
    (asked(B, server=None, has=LAST), None),
    (asked(B, IPv4Address("10.0.0.5"), server=None), Kind.NAK),  # it came from another network
    (asked(B, FIRST), Kind.NAK),  # SELECTING what was not offered
    (asked(A, LAST), Kind.NAK),
    (asked(B, server=None), Kind.NAK),  # asks for nothing
])  # fmt: skip
def test_requests_are_answered_by_table_4_of_the_rfc(message: Message, told: Kind | None) -> None:
    """Each state of the client, with the right and with a wrong address."""
    leases = Leases(POOL, {A: FIRST})
    assert kind(leases.request(message, 0)) is told
    assert leases.known == {A: FIRST}


def test_a_renewal_keeps_the_clients_address_field() -> None:
    """RFC 2131 table 3: `ciaddr` of an ACK is that of the request."""
    answer = Leases(POOL, {A: FIRST}).request(asked(A, server=None, has=FIRST), 0)
    assert answer is not None
    assert (answer.message.client, answer.message.yours, answer.remember) == (FIRST, FIRST, False)


def test_a_client_of_another_server_is_noticed() -> None:
    """Whoever takes somebody else's offer shows that we are not alone, and our offer is free again."""
    leases = Leases(Pool(OURS, FIRST, FIRST), {})
    discover(leases, A)
    other = IPv4Address("192.168.10.254")
    with pytest.raises(OtherServer) as seen:
        leases.request(asked(A, LAST, server=other), 0)
    assert seen.value.server == other
    assert discover(leases, B) == FIRST


def test_an_address_found_in_use_is_left_alone_for_an_hour() -> None:
    """Only its own client can say so; it gets another one."""
    leases = Leases(POOL, {A: FIRST})

    def declined(mac: str, address: IPv4Address | None, server: IPv4Address = OURS.ip) -> Message:
        return Message(Kind.DECLINE, 9, mac, options=dict(asked(mac, address, server=server).options))

    for wrong in (declined(B, FIRST), declined(A, LAST), declined(A, None), declined(A, FIRST, LAST)):
        assert not leases.decline(wrong, 0)
    assert leases.decline(declined(A, FIRST), 0)
    assert discover(leases, A) == FIRST + 1
    assert discover(leases, B, at_ns=(AVOID_S - 1) * SECOND, wanted=FIRST) != FIRST
    assert discover(leases, C, at_ns=AVOID_S * SECOND, wanted=FIRST) == FIRST


steps = st.lists(
    st.tuples(
        st.sampled_from(["discover", "take", "other", "renew", "decline", "wait"]),
        st.integers(0, 5),
        st.integers(0, 8),
    ),
    max_size=60,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_no_two_cameras_ever_hold_one_address(taken: list[tuple[str, int, int]]) -> None:
    """Whatever cameras do in whatever order: each ACK names an address that is the client's alone, in the pool."""
    leases, now, held = Leases(POOL, {}), 0, dict[str, IPv4Address]()
    for what, who, number in taken:
        mac, address = f"44:19:b6:00:00:1{who}", FIRST + number - 2
        if what == "wait":
            now += number * 30 * SECOND
            continue
        if what == "discover":
            discover(leases, mac, wanted=address, at_ns=now)
            continue
        if what == "decline":
            leases.decline(Message(Kind.DECLINE, 1, mac, options=dict(asked(mac, address).options)), now)
            if held.get(mac) == address:
                del held[mac]
            continue
        message = asked(mac, address) if what == "take" else asked(mac, server=None, has=address)
        answer = leases.request(message, now)
        if answer is not None and answer.message.kind is Kind.ACK:
            assert answer.message.yours in POOL
            held[mac] = answer.message.yours
            assert held == leases.known
        assert len(set(leases.known.values())) == len(leases.known)
