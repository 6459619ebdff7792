"""The sums of a first password: Hikvision's challenge, Dahua's envelope, and the password itself."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from hypothesis import given
from hypothesis import strategies as st

from drivers.vendors import dahuacrypto, hikcrypto
from drivers.vendors.password import DIGITS, LENGTH, LOWER, SIGNS, UPPER, new_password
from gateway.core.errors import CameraBadReply
from gateway.core.model import Secret

KEY = hikcrypto.new_key(hikcrypto.OLD_BITS)
BIG = rsa.generate_private_key(65_537, 2048)
RANDOM = "aaaabbbbccccdddd0123456789abcdef"


def challenge(text: str, key: rsa.RSAPrivateKey = KEY) -> str:
    cipher = key.public_key().encrypt(text.encode(), padding.PKCS1v15())
    return base64.b64encode(cipher.hex().encode()).decode()


def test_the_guides_own_example() -> None:
    """The text before encryption is the first sixteen characters, then the password, then zeros."""
    sealed = bytes.fromhex(base64.b64decode(hikcrypto.sealed(RANDOM, Secret("Abc12345"), None)).decode())
    decryptor = Cipher(AES(bytes.fromhex(RANDOM)), ECB()).decryptor()
    assert decryptor.update(sealed) + decryptor.finalize() == b"aaaabbbbccccddddAbc12345" + b"\0" * 8


def test_a_password_of_sixteen_signs_fills_two_blocks() -> None:
    """The longest one is sent without any padding in the older form."""
    sealed = base64.b64decode(hikcrypto.sealed(RANDOM, Secret("A1b2C3d4E5f6G7h8"), None))
    assert len(bytes.fromhex(sealed.decode())) == 32


def test_the_newer_form_is_chained() -> None:
    """CBC with the vector, padded by PKCS#7."""
    vector = bytes(range(16))
    sealed = bytes.fromhex(base64.b64decode(hikcrypto.sealed(RANDOM, Secret("Abc12345"), vector)).decode())
    decryptor = Cipher(AES(bytes.fromhex(RANDOM)), CBC(vector)).decryptor()
    assert decryptor.update(sealed) + decryptor.finalize() == b"aaaabbbbccccddddAbc12345" + b"\x08" * 8


@given(st.sampled_from([32, 48, 64]), st.randoms(use_true_random=False))
def test_a_challenge_is_opened(length: int, dice: random.Random) -> None:
    """Whatever the camera's random digits: we read them."""
    text = "".join(dice.choice("0123456789abcdef") for _ in range(length))
    assert hikcrypto.opened(KEY, challenge(text)) == text


def test_a_challenge_with_leading_zeros_cut_is_opened() -> None:
    """Some write the number without the zeros in front."""
    for _ in range(2_000):
        cipher = KEY.public_key().encrypt(RANDOM.encode(), padding.PKCS1v15())
        if cipher[0] == 0:
            assert hikcrypto.opened(KEY, base64.b64encode(cipher[1:].hex().encode()).decode()) == RANDOM
            return


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "!!!",
        "YWJj",
        base64.b64encode(b"zz").decode(),
        base64.b64encode(b"ab" * 200).decode(),
        challenge("no hex"),
        challenge("ab" * 40),
    ],
)
def test_a_challenge_that_is_none_is_refused(sent: str) -> None:
    """No Base64, no hex, too long, not for our key, not a key's length: a typed refusal."""
    with pytest.raises(CameraBadReply):
        hikcrypto.opened(KEY, sent)


@given(st.binary(max_size=300))
def test_garbage_is_refused(sent: bytes) -> None:
    """Whatever a camera sends as its key: a typed refusal."""
    with pytest.raises(CameraBadReply):
        hikcrypto.opened(KEY, base64.b64encode(sent.hex().encode()).decode())


def test_the_public_key_is_its_modulus_in_hexadecimal() -> None:
    """256 digits for the older form, 768 for the newer."""
    digits = base64.b64decode(hikcrypto.public_text(KEY)).decode()
    assert (len(digits), int(digits, 16)) == (256, KEY.public_key().public_numbers().n)


# Dahua


def public(key: rsa.RSAPrivateKey) -> str:
    numbers = key.public_key().public_numbers()
    return f"N:{numbers.n:X},E:{numbers.e:06X}"


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=30), max_size=5), st.integers(0, 1 << 30))
def test_an_envelope_is_for_the_owner_of_the_key(words: dict[str, str], seed: int) -> None:
    """Opened with the private key it gives the words back; the key is thirty-two digits."""
    dice = random.Random(seed)
    sealed = dahuacrypto.envelope(dahuacrypto.public_key(public(BIG)), words, dice.choice)
    secret = BIG.decrypt(bytes.fromhex(sealed.salt), padding.PKCS1v15())
    decryptor = Cipher(AES(secret), CBC(b"0" * 16)).decryptor()
    plain = decryptor.update(base64.b64decode(sealed.content)) + decryptor.finalize()
    assert (len(secret), secret.isdigit(), sealed.cipher) == (32, True, "RPAC-256")
    assert json.loads(plain.rstrip(b"\0")) == words


@pytest.mark.parametrize(
    "text",
    ["", "N:1,E:3", "N:xyz,E:010001", f"N:{'F' * 4096},E:010001", f"N:{'0' * 512},E:010001", f"N:{'F' * 512},E:2"],
)
def test_a_key_that_is_none_is_refused(text: str) -> None:
    """Too short, too long, no number, no key: a typed refusal."""
    with pytest.raises(CameraBadReply):
        dahuacrypto.public_key(text)


# passwords


def test_passwords_are_strong_and_never_the_same() -> None:
    """Sixteen letters and digits of all three kinds, nothing that looks alike, no user's name in it."""
    made = {new_password().reveal() for _ in range(300)}
    assert len(made) == 300
    for text in made:
        assert len(text) == LENGTH == 16
        assert set(text) <= set(SIGNS)
        assert all(set(text) & set(kind) for kind in (UPPER, LOWER, DIGITS))
        assert not set(text) & set("0O1lI")


def test_a_weak_draw_is_drawn_again() -> None:
    """A password without a digit is not given out."""
    drawn = iter("a" * 16 + "aB2" + "c" * 13)

    def next_sign(signs: Sequence[str]) -> str:
        return next(drawn)

    assert new_password(next_sign).reveal() == "aB2" + "c" * 13
