"""The box's own certificate authority: TLS for staff devices on the school's network.

Owns `<state>/tls/`. The CA is name-constrained to the box's own names and addresses, so that installing it
on a PC lets this box speak for itself and for nobody else (RFC 5280 §4.2.1.10). Guardians never need it:
they come through the hub's public name. Invariants: private keys are 0600; the server certificate is
renewed before it ends and when the names change; the CA is made once.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.core.files import write_whole

CA_DAYS, SERVER_DAYS, RENEW_BEFORE_DAYS = 3650, 390, 30
"""Browsers refuse server certificates that run longer than 398 days."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths for the TLS listener, and the CA's fingerprint for a person to compare."""

    certificate: Path
    key: Path
    ca: Path
    ca_sha256: str


def ensure_tls(folder: Path, names: Sequence[str], *, now_ms: int) -> TlsFiles:
    """Return certificate files for these DNS names and IP addresses, made or renewed as needed."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    now = dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC)
    wanted = tuple(dict.fromkeys(names)) or ("vuon.local",)
    ca_path, ca_key_path = folder / "ca.pem", folder / "ca.key"
    if not ca_path.exists():
        ca_key = ec.generate_private_key(ec.SECP256R1())
        _write_key(ca_key_path, ca_key)
        write_whole(ca_path, _make_ca(ca_key, wanted, now).public_bytes(serialization.Encoding.PEM), 0o644)
    ca = x509.load_pem_x509_certificate(ca_path.read_bytes())
    certificate_path, key_path = folder / "server.pem", folder / "server.key"
    if not _still_good(certificate_path, wanted, now):
        loaded = serialization.load_pem_private_key(ca_key_path.read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(key_path, key)
        server = _make_server(key, loaded, ca, wanted, now)
        chain = server.public_bytes(serialization.Encoding.PEM) + ca.public_bytes(serialization.Encoding.PEM)
        write_whole(certificate_path, chain, 0o644)
    return TlsFiles(certificate_path, key_path, ca_path, ca.fingerprint(hashes.SHA256()).hex())


def general_name(name: str) -> x509.GeneralName:
    """Return a DNS name or IP address for a certificate."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _constraint(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_network(name))
    except ValueError:
        return x509.DNSName(name)


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _make_ca(key: ec.EllipticCurvePrivateKey, names: Sequence[str], now: dt.datetime) -> x509.Certificate:
    subject = _named("Vườn box CA")
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.NameConstraints([_constraint(name) for name in names], None), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _make_server(
    key: ec.EllipticCurvePrivateKey,
    ca_key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    names: Sequence[str],
    now: dt.datetime,
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(_named(names[0]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=SERVER_DAYS))
        .add_extension(x509.SubjectAlternativeName([general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .sign(ca_key, hashes.SHA256())
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _still_good(path: Path, names: Sequence[str], now: dt.datetime) -> bool:
    if not path.exists():
        return False
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    renew_at = certificate.not_valid_after_utc - dt.timedelta(days=RENEW_BEFORE_DAYS)
    return list(held) == [general_name(name) for name in names] and now < renew_at


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_whole(path, pem, 0o600)
