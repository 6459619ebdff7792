"""Bytes and shapes of what boxes send, and how much of it the hub takes."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import BadInput
from gateway.hub import batch
from gateway.hub.batch import Bad, HubEvent, read_document, unpack
from gateway.hub.quota import Quota

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


class TestUnpacking:
    """Bytes of strangers."""

    def test_a_plain_request(self) -> None:
        """Gzip of a JSON object."""
        assert unpack(gzip.compress(b'{"a": 1}')) == {"a": 1}

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{}",
            gzip.compress(b"{}")[:-3],
            gzip.compress(b"{}") + b"more",
            gzip.compress(b"{}") + gzip.compress(b"{}"),
            zlib.compress(b"{}"),
            gzip.compress(b""),
            gzip.compress(b"[]"),
            gzip.compress(b"7"),
            gzip.compress(b"\xff\xfe"),
            gzip.compress(b'{"a": ' + b"[" * 200_000),
            gzip.compress(b'{"a": ' + b"9" * 5_000 + b"}"),
        ],
        ids=range(12),
    )
    def test_anything_else_is_bad_input(self, body: bytes) -> None:
        """Truncated, doubled, no gzip, no object, too deep, too many digits."""
        with pytest.raises(BadInput):
            unpack(body)

    @pytest.mark.parametrize("size", [batch.MAX_BATCH_BYTES + 1, 64 << 20])
    def test_a_decompression_bomb_is_stopped_at_the_cap(self, size: int) -> None:
        """A request of a few dozen kilobytes that is dozens of megabytes."""
        packer = zlib.compressobj(9, wbits=31)
        parts = [packer.compress(bytes(1 << 20)) for _ in range(size >> 20)]
        bomb = b"".join([*parts, packer.compress(bytes(size % (1 << 20))), packer.flush()])
        with pytest.raises(BadInput, match="unpacks to more"):
            unpack(bomb)

    def test_exactly_the_cap_is_taken(self) -> None:
        """The limit is a limit, not one less."""
        text = b'{"a":"' + b"x" * (100 - 8) + b'"}'
        assert unpack(gzip.compress(text), 100)
        with pytest.raises(BadInput):
            unpack(gzip.compress(text), 99)


@given(json_values, st.integers(1, 5))
def test_a_document_is_read_or_refused(value: object, number: int) -> None:
    """Reading never raises."""
    found = read_document(value, number)
    assert isinstance(found, HubEvent | Bad)


class TestQuota:
    """How much one box may send."""

    def test_a_days_backlog_passes_at_once(self) -> None:
        """The burst is there for outages."""
        quota = Quota(burst=100, per_s=10)
        assert [quota.take("a", 50, 0), quota.take("a", 50, 0)] == [0, 0]

    def test_beyond_the_burst_it_says_how_long_to_wait(self) -> None:
        """And after that time the same batch passes; other boxes notice nothing."""
        quota = Quota(burst=100, per_s=10)
        quota.take("a", 100, 0)
        assert quota.take("a", 50, 0) == 5
        assert quota.take("b", 50, 0) == 0
        assert quota.take("a", 50, 4 * 10**9) == 1
        assert quota.take("a", 50, 5 * 10**9) == 0

    def test_a_batch_larger_than_the_burst_still_passes_from_a_full_bucket(self) -> None:
        """A limit that can never be met would be a full stop."""
        quota = Quota(burst=10, per_s=1)
        assert quota.take("a", 50, 0) == 0
        assert quota.take("a", 1, 0) == 1

    @given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 20)), max_size=40))
    def test_over_any_time_no_more_than_burst_and_rate_pass(self, steps: list[tuple[int, int]]) -> None:
        """The bound that the quota promises."""
        quota, now_ns, passed = Quota(burst=100, per_s=10), 0, 0
        for count, wait_s in steps:
            now_ns += wait_s * 10**9
            if quota.take("a", count, now_ns) == 0:
                passed += count
        assert passed <= 100 + 10 * now_ns / 1e9 + 1e-6
