"""TLS of an `rtsps` connection without I/O: bytes of the network in, bytes of RTSP out, and back.

Owns `TlsClient`. Cameras carry certificates they made themselves, so no authority is asked: whoever uses this
compares `fingerprint` with the one it knows before it sends anything (`LoginGate.trust`). Invariants:
TLS 1.2 or newer, no renegotiation; at most `MOST_HANDSHAKE_BYTES` are read before the handshake is done; any
byte that is no TLS ends in a CameraError.
"""

from __future__ import annotations

import functools
import hashlib
import ssl

from gateway.core.errors import CameraBadReply

MOST_HANDSHAKE_BYTES = 128 * 1024
"""A long chain of certificates has 20 KiB."""
_RECORD_BYTES = 64 * 1024


@functools.cache
def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # pinned on first use instead
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    return context


def _broken(error: ssl.SSLError) -> CameraBadReply:
    return CameraBadReply("the camera's TLS is broken", reason=error.reason or type(error).__name__)


class TlsClient:
    """One TLS session; network thread only."""

    def __init__(self) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = _context().wrap_bio(self._incoming, self._outgoing, server_side=False)
        self._handshake_bytes = 0
        self.established = False
        """True once the handshake is done; before, nothing can be written."""
        self.ended = False
        """True once the camera said that it sends no more."""
        self.fingerprint = ""
        """SHA-256 of the camera's certificate (DER), lower-case hex."""

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the connection (none: begin); return what they hold. CameraBadReply if they are no TLS."""
        self._incoming.write(data)
        try:
            if not self.established:
                self._shake_hands(len(data))
            return self._read()
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLError as error:
            raise _broken(error) from error

    def _shake_hands(self, count: int) -> None:
        self._handshake_bytes += count
        if self._handshake_bytes > MOST_HANDSHAKE_BYTES:
            raise CameraBadReply("the camera's TLS handshake has no end", limit_bytes=MOST_HANDSHAKE_BYTES)
        self._object.do_handshake()
        certificate = self._object.getpeercert(binary_form=True)
        if not certificate:
            raise CameraBadReply("the camera shows no certificate")
        self.fingerprint = hashlib.sha256(certificate).hexdigest()
        self.established = True

    def _read(self) -> bytes:
        parts: list[bytes] = []
        try:
            while part := self._object.read(_RECORD_BYTES):
                parts.append(part)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        return b"".join(parts)

    def write(self, data: bytes) -> None:
        """Encrypt bytes; only once established."""
        try:
            if data:
                self._object.write(data)
        except ssl.SSLError as error:
            raise _broken(error) from error

    def take_output(self) -> bytes:
        """Return the bytes to send, and forget them."""
        return self._outgoing.read()
