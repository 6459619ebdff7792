"""A guardian's browser with its key, as WebCrypto has it: signs what it is asked to, never shows the private half."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.access.devicekeys import Proof, Purpose, message
from gateway.access.invitations import Binding, Bound
from gateway.access.login import SignedIn
from gateway.core.model import PublicId

if TYPE_CHECKING:  # it needs this module
    from tests.fakes.access_world import Access


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


class Browser:
    """One browser; `key` is the id that the box gave its key."""

    def __init__(self, label: str = "Android") -> None:
        self.label = label
        self.key: PublicId | None = None
        self._private = ec.generate_private_key(ec.SECP256R1())

    @property
    def point(self) -> str:
        """The public key as the page sends it."""
        return b64(self._private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    def sign(self, challenge: str, purpose: str) -> str:
        """Return a signature in WebCrypto's form: r and s, 32 bytes each."""
        der = self._private.sign(message(Purpose(purpose), challenge), ec.ECDSA(hashes.SHA256()))
        r, s = decode_dss_signature(der)
        return b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    def proof(self, challenge: str, purpose: Purpose = Purpose.ENTER) -> Proof:
        return Proof(challenge, self.sign(challenge, purpose))

    def binding(self, challenge: str, *, digits: str = "", replaces: str = "") -> Binding:
        return Binding(self.point, self.proof(challenge, Purpose.BIND), self.label, digits, replaces)

    async def redeem(
        self, access: Access, secret: str, *, digits: str = "", replaces: str = "", address: str = "198.51.100.7"
    ) -> Bound:
        """Spend a slip by its secret or code."""
        binding = self.binding(access.devices.challenge(), digits=digits, replaces=replaces)
        bound = await access.invitations.bind(secret, binding, address=address)
        self.key = bound.key
        return bound

    async def enter(self, access: Access) -> SignedIn:
        """Prove the key and get a session."""
        assert self.key is not None
        return await access.devices.enter(self.key, self.proof(access.devices.challenge()), label=self.label)
