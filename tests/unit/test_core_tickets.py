"""Grants on the wire, feed frames, box signatures, keys."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import resource
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import boxsign, feedwire
from gateway.core.errors import ConfigError, GrantRefused, HubRefused, KeyLocked, WireError
from gateway.core.media import AccessUnit, Codec, CodecConfig, avcc_bytes
from gateway.core.model import (
    Action,
    Grant,
    PublicId,
    Role,
    Secret,
    StreamRole,
    is_public_id,
    new_public_id,
)
from gateway.core.secrets import SealKey, load_seal_key, load_signing_key, load_verify_key
from gateway.core.ticket import open_ticket, require, sign

KEY = Ed25519PrivateKey.generate()
CAMERA, OTHER = new_public_id(), new_public_id()
GRANT = Grant(
    new_public_id(), new_public_id(), Role.GUARDIAN, "device", Action.LIVE, CAMERA, frozenset({StreamRole.SUB}),
    1_000, 9_000, 5_000, 3, 7,
)  # fmt: skip


def test_a_ticket_opens_to_the_same_grant() -> None:
    """Every field survives the journey."""
    assert open_ticket(json.loads(json.dumps(sign(GRANT, KEY))), KEY.public_key(), now_ms=2_000) == GRANT


def test_a_changed_ticket_is_refused() -> None:
    """A grant edited after signing, or signed by another key, does not open."""
    ticket = sign(GRANT, KEY)
    body = json.loads(base64.urlsafe_b64decode(ticket["grant"])) | {"camera": OTHER}
    forged = ticket | {"grant": base64.urlsafe_b64encode(json.dumps(body).encode()).decode()}
    for bad in (forged, {}, ticket | {"sig": "AAAA"}, ticket | {"grant": "%%"}):
        with pytest.raises(GrantRefused):
            open_ticket(bad, KEY.public_key(), now_ms=2_000)
    with pytest.raises(GrantRefused):
        open_ticket(ticket, Ed25519PrivateKey.generate().public_key(), now_ms=2_000)


def test_a_signature_made_for_something_else_is_no_ticket() -> None:
    """The key's other signatures cannot stand for a grant: the context differs."""
    body = base64.urlsafe_b64decode(sign(GRANT, KEY)["grant"])
    ticket = {
        "grant": base64.urlsafe_b64encode(body).decode(),
        "sig": base64.urlsafe_b64encode(KEY.sign(body)).decode(),
    }
    with pytest.raises(GrantRefused):
        open_ticket(ticket, KEY.public_key(), now_ms=2_000)


def test_a_ticket_ends_at_until() -> None:
    """At `until_ms` and after it the ticket is refused; without one it does not end by itself."""
    open_ticket(sign(GRANT, KEY), KEY.public_key(), now_ms=8_999)
    with pytest.raises(GrantRefused):
        open_ticket(sign(GRANT, KEY), KEY.public_key(), now_ms=9_000)
    endless = dataclasses.replace(GRANT, until_ms=None)
    assert open_ticket(sign(endless, KEY), KEY.public_key(), now_ms=10**15) == endless


def test_a_grant_is_for_one_action_camera_and_stream() -> None:
    """Anything else than what was granted is refused."""
    require(GRANT, Action.LIVE, CAMERA, StreamRole.SUB)
    for action, camera, stream in (
        (Action.EXPORT, CAMERA, StreamRole.SUB),
        (Action.LIVE, OTHER, StreamRole.SUB),
        (Action.LIVE, CAMERA, StreamRole.MAIN),
    ):
        with pytest.raises(GrantRefused):
            require(GRANT, action, camera, stream)


nal = st.binary(min_size=1, max_size=60)
config = st.builds(
    CodecConfig, st.sampled_from(Codec), nal, nal, st.binary(max_size=20), st.integers(0, 8192), st.integers(0, 8192), st.integers(0, 2**32 - 1)
)  # fmt: skip


@given(
    config,
    st.lists(nal, max_size=6),
    st.integers(-(2**60), 2**60),
    st.booleans(),
    st.integers(0, 2**62),
    st.integers(0, 70_000),
    st.booleans(),
)
def test_a_unit_survives_the_feed(
    config: CodecConfig, nals: list[bytes], pts: int, key: bool, received: int, lost: int, skipped: bool
) -> None:
    """Configuration and unit come out of the feed as they went in (loss saturates at 16 bits)."""
    unit = AccessUnit(tuple(nals), pts, key, received, config, lost)
    framed_config, framed = feedwire.encode_config(config), feedwire.encode_unit(unit, skipped=skipped)
    read = feedwire.decode_config(framed_config[feedwire.HEAD.size :])
    assert read == config
    out, was_skipped = feedwire.decode_unit(framed[feedwire.HEAD.size :], {read.epoch: read})
    assert out == dataclasses.replace(unit, lost_before=min(lost, 0xFFFF))
    assert was_skipped == skipped


@given(config, st.integers(1, 8))
def test_a_configuration_that_was_cut_short_is_refused(config: CodecConfig, cut: int) -> None:
    """Without its last bytes a configuration is malformed, not a shorter one."""
    whole = feedwire.encode_config(config)[feedwire.HEAD.size :]
    with pytest.raises(WireError):
        feedwire.decode_config(whole[:-cut])


@given(st.binary(max_size=80))
def test_broken_feed_frames_are_wire_errors(body: bytes) -> None:
    """No bytes from a socket raise anything but WireError."""
    for decode in (feedwire.decode_config, feedwire.decode_subscribe, lambda b: feedwire.decode_unit(b, {})):
        try:
            decode(body)
        except WireError:
            continue


def test_a_subscription_survives_and_strangers_are_refused() -> None:
    """SUBSCRIBE names one camera's stream; another protocol or a path instead of an id is refused."""
    wanted = feedwire.Subscription(CAMERA, StreamRole.MAIN)
    assert feedwire.decode_subscribe(feedwire.encode_subscribe(wanted)[5:]) == wanted
    for bad in (
        {"protocol": 2, "camera": CAMERA, "stream": "main"},
        {"protocol": 1, "camera": "../etc", "stream": "main"},
    ):
        with pytest.raises(WireError):
            feedwire.decode_subscribe(json.dumps(bad).encode())


def test_the_avcc_form_prefixes_each_nal_with_its_length() -> None:
    """Length prefixes are four bytes, big-endian."""
    assert avcc_bytes((b"ab", b"c")) == b"\0\0\0\2ab\0\0\0\1c"


def test_public_ids_are_random_and_recognised() -> None:
    """Eighty random bits in sixteen characters; anything else is no id."""
    ids = {new_public_id() for _ in range(500)}
    assert len(ids) == 500
    assert all(is_public_id(item) for item in ids)
    assert not any(is_public_id(text) for text in ("", "A" * 16, "a" * 15, "../../etc/passwd", "0" * 16))
    assert new_public_id(lambda n: b"\0" * n) == PublicId("a" * 16)


def test_a_signed_request_is_believed_only_as_it_was_sent() -> None:
    """Another body, path, key or time is refused."""
    headers = boxsign.sign_request(KEY, "box", "POST", "/v1/hello", 1_000_000, b"body")
    good = ("POST", "/v1/hello", headers, b"body")
    boxsign.verify_request(KEY.public_key(), *good, now_ms=1_000_500)
    for bad in (("GET", *good[1:]), ("POST", "/v1/x", *good[2:]), (*good[:3], b"other"), (*good[:2], {}, b"body")):
        with pytest.raises(HubRefused):
            boxsign.verify_request(KEY.public_key(), *bad, now_ms=1_000_500)
    with pytest.raises(HubRefused, match="clock"):
        boxsign.verify_request(KEY.public_key(), *good, now_ms=1_000_001 + boxsign.WINDOW_MS)


def test_a_sealed_value_opens_only_in_its_place() -> None:
    """Another context, key or a flipped bit does not open."""
    key = SealKey(b"k" * 32)
    sealed = key.seal("Nguyễn Thị Lan".encode(), "person.name:1")
    assert key.unseal(sealed, "person.name:1").decode() == "Nguyễn Thị Lan"
    assert key.seal(b"x", "c") != key.seal(b"x", "c")
    flipped = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for box, value, context in (
        (key, sealed, "person.name:2"),
        (SealKey(b"j" * 32), sealed, "person.name:1"),
        (key, flipped, "person.name:1"),
        (key, b"", "x"),
    ):
        with pytest.raises(KeyLocked):
            box.unseal(value, context)


def test_key_files_are_made_once_private_and_checked(tmp_path: Path) -> None:
    """A key is made on first use with mode 0600, reused later, refused when others may read it."""
    path = tmp_path / "keys" / "box.key"
    sealed = load_seal_key(path).seal(b"v", "c")
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_seal_key(path).unseal(sealed, "c") == b"v"
    path.chmod(0o644)
    with pytest.raises(ConfigError) as caught:
        load_seal_key(path)
    assert caught.value.fields["remedy"] == "chmod 600"
    short = tmp_path / "short.key"
    os.close(os.open(short, os.O_CREAT, 0o600))
    with pytest.raises(ConfigError, match="0 bytes"):
        load_seal_key(short)


def test_the_public_half_lies_beside_the_signing_key(tmp_path: Path) -> None:
    """Others verify with the `.pub` file and are told who makes it while it is missing."""
    with pytest.raises(ConfigError):
        load_verify_key(tmp_path / "g.key")
    private = load_signing_key(tmp_path / "g.key")
    load_verify_key(tmp_path / "g.key").verify(private.sign(b"x"), b"x")


def test_a_key_that_could_not_be_written_is_made_at_the_next_start(tmp_path: Path) -> None:
    """A full disk or a power cut in the first start leaves no half key that would lock the box for ever."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            load_signing_key(tmp_path / "g.key")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    private = load_signing_key(tmp_path / "g.key")
    load_verify_key(tmp_path / "g.key").verify(private.sign(b"x"), b"x")


def test_a_public_half_of_another_key_is_made_anew(tmp_path: Path) -> None:
    """After a restored or damaged file the signing key's own public half lies beside it again."""
    load_signing_key(tmp_path / "other.key")
    public = tmp_path / "g.key.pub"
    for wrong in (b"", (tmp_path / "other.key.pub").read_bytes()):
        public.write_bytes(wrong)
        private = load_signing_key(tmp_path / "g.key")
        load_verify_key(tmp_path / "g.key").verify(private.sign(b"x"), b"x")
    public.write_bytes(b"short")
    with pytest.raises(ConfigError, match="no public key"):
        load_verify_key(tmp_path / "g.key")


def test_a_secret_never_prints() -> None:
    """No way of printing a secret shows it; it still compares and reveals."""
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {secret:>30}"
    assert secret == Secret("hunter2")
    assert secret.reveal() == "hunter2"
    assert len({secret, Secret("hunter2")}) == 1
