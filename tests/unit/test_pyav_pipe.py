"""The words between the recorder and a child of the second engine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.pyav import pipe
from drivers.pyav.pipe import Ended, Order
from gateway.core.errors import CameraBadReply, WireError


@given(
    port=st.integers(1, 65_535),
    word=st.text("0123456789abcdef", min_size=1, max_size=64),
    silent_s=st.floats(0.1, 100),
    sandbox=st.booleans(),
)
def test_an_order_survives_the_pipe(port: int, word: str, silent_s: float, sandbox: bool) -> None:
    """What is encoded is what is decoded."""
    order = Order(port, word, silent_s, sandbox)
    message = pipe.encode_order(order)
    kind, length = pipe.HEAD.unpack_from(message)
    assert (kind, length) == (pipe.ORDER, len(message) - pipe.HEAD.size)
    assert length <= pipe.MOST_ORDER_BYTES
    assert pipe.decode_order(message[pipe.HEAD.size :]) == order


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"1", b"{}", b'{"port": 1, "word": "x", "silent_s": 1, "more": 2}', b"\xff"]
)
def test_a_malformed_order_is_an_error_of_ours(body: bytes) -> None:
    """A child that is started by hand says so."""
    with pytest.raises(WireError):
        pipe.decode_order(body)


@given(pts_90k=st.none() | st.integers(-(1 << 62), 1 << 62), data=st.binary(max_size=200))
def test_a_picture_survives_the_pipe(pts_90k: int | None, data: bytes) -> None:
    """Also one without a time."""
    message = pipe.encode_unit(pts_90k, data)
    kind, length = pipe.HEAD.unpack_from(message)
    assert (kind, length) == (pipe.UNIT, len(message) - pipe.HEAD.size)
    assert pipe.decode_unit(message[pipe.HEAD.size :]) == (pts_90k, data)


@given(st.binary(max_size=40))
def test_whatever_a_child_says_is_a_picture_or_a_bad_reply(body: bytes) -> None:
    """A child that was taken over can send anything."""
    try:
        _, data = pipe.decode_unit(body)
    except CameraBadReply:
        assert len(body) < 8
    else:
        assert body.endswith(data)


@given(st.binary(max_size=10))
def test_whatever_a_child_ends_with_is_a_reason_or_a_bad_reply(body: bytes) -> None:
    """Three reasons are known."""
    try:
        assert pipe.decode_end(body).value.encode() == body
    except CameraBadReply:
        assert body not in {reason.value.encode() for reason in Ended}
