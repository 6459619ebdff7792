"""Addresses of STUN and TURN servers, and passwords for one session."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.config import parse_config
from gateway.core.errors import ConfigError
from gateway.core.iceservers import LIFETIME_S, IceServer, Place, parse_url, server_of, short_lived
from gateway.core.model import Secret


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("stun:stun.school.example", Place("stun", "stun.school.example", 3478, "udp")),
        ("turn:10.0.0.9:443?transport=tcp", Place("turn", "10.0.0.9", 443, "tcp")),
        ("turn:t", Place("turn", "t", 3478, "udp")),
        ("turns:t.example", Place("turns", "t.example", 5349, "tcp")),
        ("turn:[2001:db8::1]:3479?transport=udp", Place("turn", "2001:db8::1", 3479, "udp")),
    ],
)
def test_an_address_has_its_parts(url: str, place: Place) -> None:
    """Scheme, host, port and transport, with the defaults of RFC 7064 and 7065."""
    assert parse_url(url) == place


@pytest.mark.parametrize(
    "url",
    [
        "", "http://t", "turn:", "turn://t", "stun:t?transport=tcp", "turns:t?transport=udp", "turn:t:0", "turn:t:70000",
        "turn:t?transport=sctp", 'turn:t"', "turn:t>;rel=x", "turn:t\r\nX: y", "turn:user@t", "turn:t ",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    """In particular what would break out of a header."""
    with pytest.raises(ValueError, match=r"STUN or TURN|transport|port"):
        parse_url(url)


def test_a_password_is_the_servers_own_sum() -> None:
    """As coturn's `use-auth-secret` counts it: HMAC-SHA1 of `expiry:label`, base64; no sum of another label."""
    made = short_lived("turn:t", Secret("north"), now_ms=1_000_500, label="abc")
    assert made.username == f"{1000 + LIFETIME_S}:abc"
    assert made.credential is not None
    digest = hmac.new(b"north", made.username.encode(), hashlib.sha1).digest()
    assert made.credential.reveal() == base64.b64encode(digest).decode()
    assert short_lived("turn:t", Secret("north"), now_ms=1_000_500, label="abd").credential != made.credential
    assert made.credential.reveal() not in repr(made)


@given(st.integers(0, 2**45), st.from_regex(r"[a-z2-7]{16}", fullmatch=True))
def test_a_server_survives_the_socket(now_ms: int, label: str) -> None:
    """What the gateway tells the live daemon is what it had."""
    made = short_lived("turn:t:443?transport=tcp", Secret("s" * 16), now_ms=now_ms, label=label)
    assert server_of(made.fields()) == made
    assert server_of(IceServer("stun:t").fields()) == IceServer("stun:t")


@pytest.mark.parametrize(
    "fields",
    [None, [], "turn:t", {}, {"url": 5}, {"url": "http://t"}, {"url": "turn:t", "username": 'a"b', "credential": "c"},
     {"url": "turn:t", "username": "a", "credential": "c\n"}, {"url": "turn:t", "username": "a" * 200, "credential": "c"}],
)  # fmt: skip
def test_a_malformed_server_is_refused(fields: object) -> None:
    """Whatever comes over the socket is looked at."""
    with pytest.raises(ValueError):
        server_of(fields)


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ('stun = ["turn.example"]', "live.stun", "stun:NAME"),
        ('turn = ["turn:a b"]', "live.turn", "turn:NAME"),
        ('stun = ["turn:t"]', "live", "put the others into turn"),
        ('turn = ["stun:t"]', "live", "begin with"),
        ("relay = true", "live", "set stun or turn"),
        ('turn = ["turn:a", "turn:b", "turn:c", "turn:d", "turn:e"]', "live.turn", "4"),
    ],
)
def test_a_wrong_key_says_what_to_write(text: str, key: str, says: str) -> None:
    """The message names key and remedy."""
    with pytest.raises(ConfigError) as caught:
        parse_config(f"[live]\n{text}\n")
    assert caught.value.fields["key"] == key
    assert says in str(caught.value.fields["remedy"])


def test_servers_are_taken_as_they_stand() -> None:
    """Both lists and the switch; by default nobody is asked."""
    live = parse_config('[live]\nstun = ["stun:s"]\nturn = ["turns:t:443"]\nrelay = true\n').live
    assert (live.stun, live.turn, live.relay) == (("stun:s",), ("turns:t:443",), True)
    usual = parse_config("").live
    assert (usual.stun, usual.turn, usual.relay) == ((), (), False)
