"""The certificate a simulated camera makes for itself, as cameras do: nobody has signed it.

Owns `SelfSigned`. Invariants: the key is used by this process only and is in a file just for the moment of
loading it; `renew` counts for connections that begin afterwards.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.core.clock import Clock

VALID_DAYS = 3_650


class SelfSigned:
    """A server's TLS context; `fingerprint` is the SHA-256 of what it shows (DER, hex)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.fingerprint = ""
        self.renew()

    def renew(self) -> None:
        """Make another key and certificate, as after a factory reset."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "IP Camera")])
        now = dt.datetime.fromtimestamp(self._clock.now_ms() / 1000, dt.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=VALID_DAYS))
            .sign(key, hashes.SHA256())
        )
        self.fingerprint = hashlib.sha256(made.public_bytes(serialization.Encoding.DER)).hexdigest()
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with tempfile.TemporaryDirectory() as folder:  # the ssl module loads from files only
            path = Path(folder) / "camera.pem"
            path.touch(0o600)
            path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
            self.context.load_cert_chain(path)
