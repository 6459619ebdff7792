"""Logins: Digest, Basic, UsernameToken, lockout, and what counts as a bad one."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from drivers.simulated.faults import Quirks
from drivers.simulated.logins import NONCE_LIFE_S, DigestGate, LoginBook, User, Verdict, digest_response
from drivers.simulated.wsse import MOST_NONCES, TokenGate, password_digest
from gateway.core.model import Secret
from tests.fakes.clock import FakeClock
from tests.fakes.simulated import PASSWORD, answer_challenge, username_token


def make(quirks: Quirks | None = None) -> tuple[LoginBook, DigestGate, FakeClock]:
    clock = FakeClock()
    book = LoginBook({"admin": User(Secret(PASSWORD))}, quirks or Quirks(), clock)
    return book, DigestGate("IP Camera", book, b"k" * 32), clock


def test_rfc_7616_vector() -> None:
    """The example of RFC 7616 §3.9.1 comes out, for SHA-256 and MD5."""
    args = {
        "login": ("Mufasa", "http-auth@example.org", "Circle of Life"),
        "request": ("GET", "/dir/index.html"),
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "quality": ("00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "auth"),
    }
    sha = digest_response("SHA-256", **args)  # type: ignore[arg-type]  # one dict for both calls
    md5 = digest_response("MD5", **args)  # type: ignore[arg-type]  # see above
    assert sha == "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    assert md5 == "8ca523f5e9506fed4657c9700eebdbec"


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize("qop", [True, False])
def test_right_password_is_good(algorithm: str, *, qop: bool) -> None:
    """Each algorithm works, with qop and in the older form."""
    _, gate, _ = make()
    line = gate.challenges((algorithm,), qop=qop)[0]
    header = answer_challenge(line, "DESCRIBE", "rtsp://h/1")
    assert gate.check(header, "DESCRIBE", (algorithm,)) is Verdict.GOOD


def test_challenges_keep_their_order() -> None:
    """The algorithms are offered in the order given, Basic last; MD5 alone is offered as old firmware does."""
    _, gate, _ = make()
    both = gate.challenges(("SHA-256", "MD5"), basic=True)
    assert ["SHA-256" in both[0], "algorithm=MD5" in both[1], both[2].startswith("Basic")] == [True] * 3
    assert "algorithm" not in gate.challenges(("MD5",), qop=False)[0]


@pytest.mark.parametrize(
    ("password", "username", "method"),
    [("wrong", "admin", "DESCRIBE"), (PASSWORD, "nobody", "DESCRIBE"), (PASSWORD, "admin", "PLAY")],
)
def test_wrong_credentials_are_bad(password: str, username: str, method: str) -> None:
    """A wrong password, an unknown user and an answer made for another method are bad."""
    _, gate, _ = make()
    header = answer_challenge(gate.challenges(("MD5",))[0], "DESCRIBE", "rtsp://h/1", password, username)
    assert gate.check(header, method, ("MD5",)) is Verdict.BAD


def test_an_algorithm_that_was_not_offered_is_bad() -> None:
    """A client that answers in MD5 where only SHA-256 was offered does not get in."""
    _, gate, _ = make()
    header = answer_challenge(gate.challenges(("MD5",))[0], "DESCRIBE", "u")
    assert gate.check(header, "DESCRIBE", ("SHA-256",)) is Verdict.BAD


def test_old_nonce_is_stale_not_bad() -> None:
    """After the nonce's life the client is asked again, and no bad login is counted."""
    book, gate, clock = make()
    header = answer_challenge(gate.challenges(("MD5",))[0], "PLAY", "u")
    clock.tick(NONCE_LIFE_S + 1)
    assert book.judge(gate.check(header, "PLAY", ("MD5",))) is Verdict.STALE
    assert book.bad_logins == 0
    assert "stale=true" in gate.challenges(("MD5",), stale=True)[0]


def test_forged_nonce_is_stale() -> None:
    """A nonce we did not make is never good, even with a right answer to it."""
    _, gate, _ = make()
    header = answer_challenge('Digest realm="IP Camera", nonce="1.abc"', "PLAY", "u")
    assert gate.check(header, "PLAY", ("MD5",)) is Verdict.STALE
    header = answer_challenge('Digest realm="IP Camera", nonce="xyz"', "PLAY", "u")
    assert gate.check(header, "PLAY", ("MD5",)) is Verdict.STALE


@pytest.mark.parametrize(
    ("text", "basic", "verdict"),
    [
        (f"admin:{PASSWORD}", True, Verdict.GOOD),
        ("admin:wrong", True, Verdict.BAD),
        (f"admin:{PASSWORD}", False, Verdict.BAD),
    ],
)
def test_basic(text: str, verdict: Verdict, *, basic: bool) -> None:
    """Basic works where it is switched on, only there."""
    _, gate, _ = make()
    header = "Basic " + base64.b64encode(text.encode()).decode()
    assert gate.check(header, "PLAY", ("MD5",), basic=basic) is verdict


@pytest.mark.parametrize("header", ["Basic %%%", "Bearer x", "Digest", "Digest nonsense"])
def test_nonsense_is_bad(header: str) -> None:
    """Headers that are no login count as bad ones and raise nothing."""
    _, gate, _ = make()
    assert gate.check(header, "PLAY", ("MD5",), basic=True) is Verdict.BAD
    assert gate.check("", "PLAY", ("MD5",)) is Verdict.ABSENT


def test_lockout() -> None:
    """After three bad logins in a row even the right password is refused, until the time is over."""
    book, _, clock = make(Quirks(lockout_after=3, lockout_s=60))
    for _ in range(3):
        assert book.judge(Verdict.BAD) is Verdict.BAD
    assert book.lockouts == 1
    assert book.judge(Verdict.GOOD) is Verdict.BAD
    clock.tick(61)
    assert book.judge(Verdict.GOOD) is Verdict.GOOD


def test_a_good_login_starts_the_count_over() -> None:
    """Two bad ones, a good one, two bad ones: no lockout at three in a row; all four are counted."""
    book, _, _ = make(Quirks(lockout_after=3))
    for verdict in (Verdict.BAD, Verdict.BAD, Verdict.GOOD, Verdict.BAD, Verdict.BAD):
        book.judge(verdict)
    assert (book.bad_logins, book.good_logins, book.lockouts) == (4, 1, 0)


def test_absent_credentials_cost_nothing() -> None:
    """A request without a login counts neither as good nor as bad."""
    book, _, _ = make(Quirks(lockout_after=1))
    book.judge(Verdict.ABSENT)
    assert (book.bad_logins, book.good_logins, book.locked()) == (0, 0, False)


def token(header: str) -> etree._Element:
    return next(e for e in etree.fromstring(header).iter() if etree.QName(e).localname == "UsernameToken")


def at(clock: FakeClock, seconds: float = 0) -> datetime:
    return datetime.fromtimestamp(clock.now_ms() / 1000, UTC) + timedelta(seconds=seconds)


def test_password_digest_vector() -> None:
    """The example of ONVIF's Application Programmer's Guide comes out."""
    nonce = base64.b64decode("LKqI6G/AikKCQrN0zqZFlg==")
    assert password_digest(nonce, "2010-09-16T07:50:45Z", "userpassword") == "tuOSpGlFlIXsozq4HFNeeGeFLEI="


@pytest.mark.parametrize(
    ("skew_s", "verdict"), [(0, Verdict.GOOD), (299, Verdict.GOOD), (-299, Verdict.GOOD), (302, Verdict.BAD)]
)
def test_clock_window(skew_s: float, verdict: Verdict) -> None:
    """A token is good within the window of the camera's clock."""
    book, _, clock = make()
    gate = TokenGate(book, book.quirks)
    assert gate.check(token(username_token(at=at(clock, skew_s))), clock.now_ms()) is verdict


def test_a_token_is_good_once() -> None:
    """The same nonce a second time is refused."""
    book, _, clock = make()
    gate = TokenGate(book, book.quirks)
    one = token(username_token(at=at(clock)))
    assert gate.check(one, clock.now_ms()) is Verdict.GOOD
    assert gate.check(one, clock.now_ms()) is Verdict.BAD


def test_nonce_memory_is_bounded() -> None:
    """The memory of nonces forgets the oldest."""
    book, _, clock = make()
    gate = TokenGate(book, book.quirks)
    for _ in range(MOST_NONCES + 10):
        gate.check(token(username_token(at=at(clock))), clock.now_ms())
    assert len(gate._used) == MOST_NONCES


@pytest.mark.parametrize(
    ("auth", "text", "verdict"),
    [
        (("wsse",), False, Verdict.GOOD),
        (("wsse",), True, Verdict.BAD),
        (("text",), True, Verdict.GOOD),
        (("text",), False, Verdict.BAD),
        (("digest",), False, Verdict.ABSENT),
    ],
)
def test_token_forms(auth: tuple[str, ...], verdict: Verdict, *, text: bool) -> None:
    """Each form of token works where the camera takes it; a digest-only camera does not read tokens."""
    book, _, clock = make(Quirks(onvif_auth=auth))
    gate = TokenGate(book, book.quirks)
    assert gate.check(token(username_token(at=at(clock), text=text)), clock.now_ms()) is verdict


@pytest.mark.parametrize(("username", "password"), [("nobody", PASSWORD), ("admin", "wrong")])
def test_wrong_token_is_bad(username: str, password: str) -> None:
    """A wrong name or password in a token is a bad login."""
    book, _, clock = make()
    gate = TokenGate(book, book.quirks)
    header = username_token(password, username=username, at=at(clock))
    assert gate.check(token(header), clock.now_ms()) is Verdict.BAD
    assert gate.check(None, clock.now_ms()) is Verdict.ABSENT
