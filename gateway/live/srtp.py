"""SRTP without a copy and an object per packet: libsrtp as pylibsrtp ships it, on one buffer of ours.

Owns the buffer packets are laid out and encrypted in. Invariants: pylibsrtp's private names are used in this
module only, and only after `usable()` has compared their work with the public `Session.protect`; a key holds its
session alive. One event loop's thread uses it; libsrtp gives the GIL away for each packet.
"""

from __future__ import annotations

import struct
from typing import Any

import pylibsrtp
from aiortc.rtcdtlstransport import SRTP_AEAD_AES_128_GCM, SRTP_AES128_CM_SHA1_80
from pylibsrtp import Policy, Session

BUFFER_BYTES = 1 << 16
"""One UDP datagram with its segments at most."""
MOST_SEGMENTS = 48
"""Of one system call, and so of the buffer: kernels take 64, and 65,507 bytes."""
TAG_BYTES = {SRTP_AEAD_AES_128_GCM.openssl_profile: 16, SRTP_AES128_CM_SHA1_80.openssl_profile: 10}
"""What a protected packet is longer by (RFC 7714 §13.2, RFC 3711 §5.2)."""
WINDOW_PACKETS = 128
"""Which of the newest numbers were used: libsrtp moves aiortc's 1024 bits for each packet, a tenth of its cost.
More than one system call's packets, which a full socket may give back."""
_PROFILES = (SRTP_AEAD_AES_128_GCM, SRTP_AES128_CM_SHA1_80)


def sending(connection: Any) -> Session | None:
    """Return the sending half of a DTLS server's SRTP (RFC 5764 §4.2), as aiortc makes it but for the window.

    `connection` is pyOpenSSL's, after its handshake; None if none of our profiles was agreed on. A number may be used
    again that libsrtp has seen: never one that may have left the machine, `sender.Viewer` sees to that.
    """
    selected = connection.get_selected_srtp_profile()
    profile = next((profile for profile in _PROFILES if profile.openssl_profile == selected), None)
    if profile is None:
        return None
    length = 2 * (profile.key_length + profile.salt_length)
    material = connection.export_keying_material(b"EXTRACTOR-dtls_srtp", length)
    policy = Policy(
        key=profile.get_key_and_salt(material, 1),
        ssrc_type=Policy.SSRC_ANY_OUTBOUND,
        srtp_profile=profile.libsrtp_profile,
    )
    policy.allow_repeat_tx, policy.window_size = True, WINDOW_PACKETS
    return Session(policy)


class Key:
    """The sending half of a viewer's SRTP, with what in-place use must know."""

    __slots__ = ("context", "session", "tag_bytes")

    def __init__(self, session: Session, tag_bytes: int) -> None:
        self.session, self.tag_bytes = session, tag_bytes
        self.context: Any = session._srtp[0]
        """The handle libsrtp knows the session by; good while `session` lives."""


class Buffer:
    """Memory that headers are written into from Python and that libsrtp encrypts in place."""

    def __init__(self) -> None:
        binding: Any = pylibsrtp._binding  # its compiled half has no types
        self.protect = binding.lib.srtp_protect
        """`(context, pointer, length)` -> 0, or libsrtp's error number; `length` grows by the tag."""
        self._sizes = binding.ffi.new("int[]", MOST_SEGMENTS)
        self.sizes = memoryview(binding.ffi.buffer(self._sizes))
        """The lengths of all packets, as one array of the machine's integers."""
        self.lengths: tuple[Any, ...] = tuple(self._sizes + place for place in range(MOST_SEGMENTS))
        self._memory = binding.ffi.new("unsigned char[]", BUFFER_BYTES)
        self.view = memoryview(binding.ffi.buffer(self._memory))

    def pointer(self, offset: int) -> Any:
        """Return the address of a place in the buffer."""
        return self._memory + offset


def usable() -> bool:
    """Say whether this pylibsrtp can be used in place: both ways must give the same packet for each profile."""
    packet = b"\x80\x60\x00\x01" + b"\x00" * 8 + b"picture"
    for profile in _PROFILES:
        secret = bytes(range(profile.key_length + profile.salt_length))
        sessions = [
            Session(Policy(secret, Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile.libsrtp_profile)) for _ in range(2)
        ]
        try:
            buffer = Buffer()
            key = Key(sessions[0], TAG_BYTES[profile.openssl_profile])
            buffer.view[: len(packet)] = packet
            length = buffer.lengths[1]
            buffer.sizes[4:8] = struct.pack("=i", len(packet))
            refused = buffer.protect(key.context, buffer.pointer(0), length)
            mine = bytes(buffer.view[: length[0]])
        except (AttributeError, TypeError, IndexError):
            return False
        if refused or mine != sessions[1].protect(packet) or len(mine) != len(packet) + key.tag_bytes:
            return False
    return True
