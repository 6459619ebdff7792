"""HTTPS to a camera: a certificate it made itself, trusted because it was the first one seen.

Owns the connection class under `transport`'s session. Invariants: TLS 1.2 or newer; no authority is asked,
since no camera has a certificate of one; the fingerprint is shown to `trust` before a byte of a request is
sent, on every connection; handshake and reads keep the deadline of the exchange.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from typing import Any, Protocol

from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

from gateway.core.errors import CameraBadReply

TLS_PORTS = frozenset({443, 8443})
"""Where ONVIF is spoken over TLS, unless discovery said otherwise."""

Trust = Callable[[str], None]
"""Takes the SHA-256 of a certificate (DER, hex); raises `CameraCertificate` for another than the first."""


class Until(Protocol):
    """The time an exchange has left (`transport.Deadline`)."""

    def left_s(self) -> float:
        """Return it; raises TimeoutError when there is none."""


def context_until(deadline: Until) -> ssl.SSLContext:
    """Return a client context whose sockets wait no longer than the exchange may still last."""

    class DeadlineSocket(ssl.SSLSocket):
        """Every read looks at the time that is left."""

        def recv_into(self, *args: Any, **kwargs: Any) -> int:
            self.settimeout(deadline.left_s())
            return super().recv_into(*args, **kwargs)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # pinned on first use instead
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("DEFAULT:@SECLEVEL=1")  # cameras' own certificates have short keys
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.sslsocket_class = DeadlineSocket
    return context


class PinnedConnection(HTTPSConnection):
    """urllib3's connection that shows the certificate to `trust` before it is used."""

    def __init__(self, *args: Any, deadline: Until, trust: Trust, context: ssl.SSLContext, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline, self._trust, self._context = deadline, trust, context

    def connect(self) -> None:
        """Connect, shake hands, and have the certificate judged."""
        plain = self._new_conn()
        try:
            plain.settimeout(self._deadline.left_s())
            secured = self._context.wrap_socket(plain)
        except BaseException:
            plain.close()
            raise
        try:
            certificate = secured.getpeercert(binary_form=True)
            if not certificate:
                raise CameraBadReply("the camera shows no certificate")
            self._trust(hashlib.sha256(certificate).hexdigest())
        except BaseException:
            secured.close()
            raise
        self.sock = secured
        self.is_verified = True  # by us


class PinnedPool(HTTPSConnectionPool):
    """Connections of one camera."""

    ConnectionCls = PinnedConnection

    def __init__(self, *args: Any, deadline: Until, trust: Trust, context: ssl.SSLContext, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn_kw.update(deadline=deadline, trust=trust, context=context)
