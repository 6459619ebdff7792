"""What may be sent to an address, by what came from it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.live.bucket import Bucket
from gateway.live.proofs import GIFT_PACKETS, HEADERS_BYTES, MOST_ADDRESSES, MOST_ASKS, Proofs

HERE, THERE = (1, "192.0.2.7", 5000), (1, "192.0.2.8", 5000)
STEPS = st.lists(st.tuples(st.sampled_from(["signed", "pay"]), st.integers(0, 3), st.integers(20, 1200)), max_size=200)


@given(STEPS)
def test_never_more_goes_out_than_came_in(steps: list[tuple[str, int, int]]) -> None:
    """Whatever signs and whatever is asked for: on the wire each unproven address has sent at least as much as it gets."""
    proofs = Proofs()
    came, went = [0] * 4, [0] * 4
    for what, who, size in steps:
        address = (1, "192.0.2.7", who)
        if what == "signed":
            proofs.signed(address, size)
            came[who] += size + HEADERS_BYTES
        elif proofs.pay(address, size):
            went[who] += size + HEADERS_BYTES
    assert all(out <= into for out, into in zip(went, came, strict=True))


def test_credit_is_not_shared() -> None:
    """What one address sent pays for no other, nor for the same one on another socket."""
    proofs = Proofs()
    proofs.signed(HERE, 1000)
    assert not proofs.pay(THERE, 88)
    assert not proofs.pay((2, *HERE[1:]), 88)
    assert proofs.pay(HERE, 88)


def test_only_an_answer_proves() -> None:
    """Signing often does not: the source of a packet can be forged, the number of a check we sent cannot be guessed."""
    proofs = Proofs()
    for _ in range(10):
        proofs.signed(HERE, 100)
    assert not proofs.has_answered(HERE)
    proofs.answer(HERE)
    assert proofs.has_answered(HERE)
    assert not proofs.has_answered(THERE)


def test_the_number_of_asks_is_bounded() -> None:
    """A session that signs from ever new addresses sends so many checks and no more."""
    proofs = Proofs()
    paid = 0
    for port in range(3 * MOST_ASKS):
        proofs.signed((1, "192.0.2.7", port), 200)
        paid += proofs.pay((1, "192.0.2.7", port), 88)
    assert paid == MOST_ASKS


def test_room_is_made_by_the_oldest_that_has_not_answered() -> None:
    """Answered addresses stay; when all have answered the oldest goes, but never the one in use."""
    proofs = Proofs()
    addresses = [(1, "192.0.2.7", port) for port in range(MOST_ADDRESSES)]
    for address in addresses:
        assert proofs.signed(address, 88) is None
    for address in (addresses[0], *addresses[2:]):
        proofs.answer(address)
    assert proofs.signed(HERE, 88) == addresses[1]
    proofs.answer(HERE)
    assert proofs.signed(THERE, 88, keep=addresses[0]) == addresses[2]
    assert len(proofs) == MOST_ADDRESSES
    assert proofs.has_answered(addresses[0])


def test_gifts_are_for_sites_behind_a_nat() -> None:
    """A named candidate gets a few checks for nothing where servers are configured, none on a LAN."""
    lan, site = Proofs(), Proofs(asks_first=True)
    for proofs in (lan, site):
        proofs.named("192.0.2.7", 5000)
    assert not lan.pay(HERE, 88)
    paid = sum(site.pay(HERE, 100) for _ in range(20))
    assert GIFT_PACKETS <= paid <= GIFT_PACKETS + 1
    site.named("192.0.2.7", 5000)
    assert not site.pay(HERE, 100)  # naming it again gives nothing more


def test_gifts_are_bounded_in_number() -> None:
    """A viewer that names a thousand addresses has gifts for sixty-four."""
    proofs = Proofs(asks_first=True)
    for port in range(1, 1000):
        proofs.named("192.0.2.7", port)
    assert sum(proofs.pay((1, "192.0.2.7", port), 88) for port in range(1, 1000)) == 64


@given(st.lists(st.integers(0, 200_000_000), max_size=300))
def test_a_bucket_gives_no_more_than_its_rate(steps_ns: list[int]) -> None:
    """In any order of times: at most the burst, and the rate times the time that passed."""
    bucket, now_ns, taken = Bucket(20, 100), 0, 0
    for step in steps_ns:
        now_ns += step
        taken += bucket.take(now_ns)
    assert taken <= 20 + now_ns * 100 / 1e9


def test_a_bucket_fills_again() -> None:
    """Empty after its burst; a second later the rate's worth is there."""
    bucket = Bucket(5, 3)
    assert [bucket.take(0) for _ in range(6)] == [True] * 5 + [False]
    assert [bucket.take(1_000_000_000) for _ in range(4)] == [True] * 3 + [False]
