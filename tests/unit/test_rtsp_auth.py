"""Digest answers, checked against the RFCs' own examples and against a camera's arithmetic."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.rtsp.auth import Challenge, authorization, parse_challenges, strongest
from gateway.core.model import Login, Secret
from tests.fakes.rtsp_server import Request, digest_fields, digest_is_right


def answer(challenge: Challenge, login: Login, method: str = "DESCRIBE", uri: str = "rtsp://h/x") -> Request:
    header = authorization(challenge, login, method, uri, "0a4f113b", 1)
    return Request(method, uri, {"authorization": header})


def test_the_example_of_rfc_2617() -> None:
    """RFC 2617 §3.5: Mufasa gets in with the response printed there."""
    challenge = Challenge(
        "digest", "testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "", ("auth", "auth-int")
    )
    header = authorization(
        challenge, Login("Mufasa", Secret("Circle Of Life")), "GET", "/dir/index.html", "0a4f113b", 1
    )
    assert digest_fields(header)["response"] == "6629fae49393a05397450978507c4ef1"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm: str, response: str) -> None:
    """RFC 7616 §3.9.1: both algorithms give the responses printed there."""
    nonce, cnonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    challenge = Challenge(
        "digest",
        "http-auth@example.org",
        nonce,
        algorithm,
        ("auth", "auth-int"),
        "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    )
    header = authorization(challenge, Login("Mufasa", Secret("Circle of Life")), "GET", "/dir/index.html", cnonce, 1)
    assert digest_fields(header)["response"] == response


@pytest.mark.parametrize(
    ("algorithm", "qop"), list(itertools.product(["MD5", "MD5-sess", "SHA-256", "SHA-256-sess"], ["", "auth"]))
)
def test_every_form_satisfies_a_camera(algorithm: str, qop: str) -> None:
    """Each algorithm with and without qop is what a camera computes itself."""
    challenge = Challenge("digest", "cam", "n1", algorithm, (qop,) if qop else ())
    request = answer(challenge, Login("admin", Secret("p@ss:w/ö#rd")))
    assert digest_is_right(request, "admin", "p@ss:w/ö#rd", "n1", algorithm)
    assert not digest_is_right(request, "admin", "other", "n1", algorithm)


def test_the_old_form_is_as_short_as_old_cameras_want_it() -> None:
    """Without qop and algorithm in the challenge, none is in the answer (RFC 2069)."""
    header = authorization(Challenge("digest", "cam", "n1"), Login("a", Secret("b")), "DESCRIBE", "rtsp://h/x", "c", 1)
    assert set(digest_fields(header)) == {"username", "realm", "nonce", "uri", "response"}


@pytest.mark.parametrize("order", [0, 1])
def test_the_strongest_offer_is_taken_in_either_order(order: int) -> None:
    """MD5 before or after SHA-256, SHA-256 is answered."""
    offers = ['Digest realm="a", nonce="1", algorithm=MD5', 'Digest realm="a", nonce="2", algorithm=SHA-256']
    best = strongest(parse_challenges(offers if order == 0 else offers[::-1]))
    assert best is not None
    assert best.nonce == "2"


def test_two_challenges_in_one_header_are_told_apart() -> None:
    """A comma separates parameters and challenges alike; Basic beside Digest is no harm."""
    text = 'Basic realm="x, y", Digest realm="a \\"b\\"", nonce="n,1", qop="auth, auth-int", stale=TRUE, opaque=""'
    basic, digest = parse_challenges([text])
    assert (basic.scheme, basic.realm) == ("basic", "x, y")
    assert digest == Challenge("digest", 'a "b"', "n,1", "", ("auth", "auth-int"), "", stale=True)
    assert strongest([basic, digest]) is digest


@pytest.mark.parametrize(
    "text",
    [
        'Basic realm="cam"',
        'Digest realm="cam"',
        'Digest realm="cam", nonce="1", algorithm=SHA-512-256',
        'Digest realm="cam", nonce="1", qop="auth-int"',
        'Digest realm="cam", nonce="1\x07"',
        "Bearer",
        "",
        '"""',
    ],
)
def test_what_we_do_not_answer(text: str) -> None:
    """Basic, a missing nonce, an unknown hash, auth-int alone and control characters get no answer."""
    assert strongest(parse_challenges([text])) is None


def test_quotes_in_names_stay_inside_their_quotes() -> None:
    """A user name cannot add a field to the header."""
    header = authorization(Challenge("digest", 'r"', "n"), Login('a", nc="', Secret("b")), "PLAY", "rtsp://h/x", "c", 1)
    assert 'username="a\\", nc=\\""' in header
    assert 'realm="r\\""' in header


def test_the_password_itself_never_leaves() -> None:
    """Neither the header nor a printed challenge holds the password."""
    login = Login("admin", Secret("hunter2hunter2"))
    header = authorization(Challenge("digest", "cam", "n", "SHA-256", ("auth",)), login, "PLAY", "rtsp://h/x", "c", 1)
    assert "hunter2" not in header
    assert "hunter2" not in repr(login)


@given(st.lists(st.text(max_size=200), max_size=5))
def test_no_header_breaks_the_reader(headers: list[str]) -> None:
    """Any text is read without an error, and never gives more than 16 challenges."""
    assert len(parse_challenges(headers)) <= 16


@pytest.mark.parametrize("filler", [" ", ",", 'a="', "\\", 'x="\\', "a=", '"'])
def test_long_rubbish_is_read_in_one_pass(filler: str) -> None:
    """16 KiB of any filler is no regular-expression trap (this test would hang)."""
    parse_challenges(["Digest " + filler * 16_384])
