"""Every error the box raises on purpose, drawn as one tree.

    VuonError
    ├── ConfigError                 config.toml names a wrong key, value or place
    ├── BadInput                    a request or argument is not acceptable
    │   └── NotFound                it names nothing (also the answer to what one may not see)
    ├── Denied                      the policy said no; `reason` is its code
    │   ├── CodeRefused             one-use code: unknown, used, expired or too many tries
    │   ├── LoginRefused            name, password or second factor do not fit, or were tried too often
    │   ├── PassphraseRefused       it, or a recovery sheet, does not open the footage key
    │   └── GrantRefused            a grant's signature, lease, camera or action does not fit
    ├── LoginBusy                   no place to check another password: come back after `retry_after_s`
    ├── AddressTaken                a port, socket or data directory is in use
    ├── NotPermitted                the system denies us a right that this needs
    ├── DaemonUnavailable           a control socket does not answer
    ├── WireError                   the peer speaks another protocol or version
    ├── CameraError                 one camera; never ends anything but its own streams
    │   ├── CameraUnreachable       no route, refused, timed out before a session
    │   ├── CameraLoginRefused      the password is wrong: sent once, then never again by itself
    │   ├── CameraLocked            the camera locked the account for a while: no login until then
    │   ├── CameraOverloaded        453, 503, or 401 after a login that worked: back off
    │   │   └── CameraSessionLimit  the device plays as many streams as it can; this one waits
    │   ├── CameraSwapped           another device answers at the camera's address
    │   ├── CameraUnsupported       speaks no ONVIF, no H.264/H.265, neither TCP nor UDP
    │   │   └── CameraInsecure      wants the password in clear: it is never sent so
    │   ├── CameraCertificate       shows another TLS certificate than the first time: nothing is sent
    │   ├── CameraBadReply          garbage, oversized or contradictory replies
    │   ├── CameraSilent            connected, but no media for 10 s
    │   └── CameraClosed            the camera ended the session
    ├── StorageError
    │   ├── VolumeMissing           not mounted, or no marker file
    │   ├── VolumeWrong             another box's disk, or another disk of ours
    │   ├── VolumeReadOnly          cannot be written
    │   ├── VolumeFull              no room even after retention
    │   ├── VolumeFailing           the disk answers with input/output errors
    │   ├── SegmentCorrupt          bytes on disk contradict their header or tag
    │   └── KeyLocked               the footage key cannot be unwrapped now
    ├── LiveError
    │   ├── OfferRefused            the SDP offer is too big, malformed or asks what we do not do
    │   ├── LiveFull                no capacity for another viewer
    │   │   └── TranscodesFull      the camera has no H.264, and no place is left for a transcode
    │   └── WallGone                the connection that tiles share has ended
    └── UpstreamError
        ├── HubUnreachable          no answer; tried again with back-off
        ├── HubBusy                 429 or 503: come back after `retry_after_s`
        └── HubRefused              the hub knows another key, or refuses the batch

Invariants: `code` is stable, unique, and has a title and a remedy in every catalogue
(`error.<code>`, `error.<code>.hint`); `fields` carry no secret; the technical cause is chained with
`raise ... from`. People see title and hint, logs see message, fields and cause.
"""

from __future__ import annotations

from typing import ClassVar


class VuonError(Exception):
    """Base of the tree: what happened (`message`), which kind (`code`), with which values."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields


class ConfigError(VuonError):
    """config.toml names a wrong key, value or place; fields: key, value, remedy."""

    code = "config"


class BadInput(VuonError):
    """A request or an argument is not acceptable."""

    code = "bad_input"


class NotFound(BadInput):
    """It names nothing, or something the asker may not know of: both look the same."""

    code = "not_found"


class Denied(VuonError):
    """The policy said no; `fields["reason"]` is its code."""

    code = "denied"


class CodeRefused(Denied):
    """A one-use code is unknown, used, expired, or was tried too often."""

    code = "code_refused"


class LoginRefused(Denied):
    """Sign-in name, password or second factor do not fit; reason `rate` says to wait `retry_after_s`."""

    code = "login_refused"


class PassphraseRefused(Denied):
    """A passphrase or recovery sheet does not open the footage key; `reason` is wrong or wait (`retry_after_s`)."""

    code = "passphrase_refused"


class GrantRefused(Denied):
    """A grant's signature, time, camera or action does not fit what is asked."""

    code = "grant_refused"


class LoginBusy(VuonError):
    """No place is left to check another password; `fields["retry_after_s"]` says when to come back."""

    code = "login_busy"


class AddressTaken(VuonError):
    """A port, socket or data directory is in use; fields name it."""

    code = "address_taken"


class NotPermitted(VuonError):
    """The system denies this process a right (a capability) that what was asked for needs."""

    code = "not_permitted"


class DaemonUnavailable(VuonError):
    """A daemon's control socket does not answer."""

    code = "daemon_unavailable"


class WireError(VuonError):
    """The peer speaks another protocol, version, or broke the framing."""

    code = "wire"


class CameraError(VuonError):
    """Anything that concerns one camera; ends nothing but that camera's own streams."""

    code = "camera"


class CameraUnreachable(CameraError):
    """No route, refused, or timed out before a session stood."""

    code = "camera_unreachable"


class CameraLoginRefused(CameraError):
    """The password is wrong. It was sent once and is not sent again until it changes."""

    code = "camera_login"


class CameraLocked(CameraError):
    """The camera locked the account or our address; `fields["retry_after_s"]` says for how long."""

    code = "camera_locked"


class CameraOverloaded(CameraError):
    """453, 503, or 401 after a login that worked: the camera has no room; back off."""

    code = "camera_overloaded"


class CameraSessionLimit(CameraOverloaded):
    """The device serves no more sessions: main streams have them, this one waits for a place."""

    code = "camera_session_limit"


class CameraSwapped(CameraError):
    """Another device answers at the camera's address: nothing is recorded under the old name."""

    code = "camera_swapped"


class CameraUnsupported(CameraError):
    """The camera does not offer what we need."""

    code = "camera_unsupported"


class CameraInsecure(CameraUnsupported):
    """The camera wants the password in clear (Basic without TLS); it is not sent."""

    code = "camera_insecure"


class CameraCertificate(CameraError):
    """The camera shows another TLS certificate than before; nothing is sent to it, also no password."""

    code = "camera_certificate"


class CameraBadReply(CameraError):
    """Garbage, an oversized reply, or one that contradicts the protocol."""

    code = "camera_bad_reply"


class CameraSilent(CameraError):
    """Connected, but no media arrives."""

    code = "camera_silent"


class CameraClosed(CameraError):
    """The camera ended the session."""

    code = "camera_closed"


class StorageError(VuonError):
    """Anything that concerns a footage volume."""

    code = "storage"


class VolumeMissing(StorageError):
    """The volume is not mounted, or its marker file is gone."""

    code = "volume_missing"


class VolumeWrong(StorageError):
    """The marker file belongs to another box or another volume."""

    code = "volume_wrong"


class VolumeReadOnly(StorageError):
    """The volume cannot be written."""

    code = "volume_read_only"


class VolumeFull(StorageError):
    """No room is left and retention may delete nothing more."""

    code = "volume_full"


class VolumeFailing(StorageError):
    """The disk answers reads or writes with errors: it is breaking."""

    code = "volume_failing"


class SegmentCorrupt(StorageError):
    """Bytes on disk contradict their header, checksum or authentication tag."""

    code = "segment_corrupt"


class KeyLocked(StorageError):
    """The footage key cannot be unwrapped at this moment."""

    code = "key_locked"


class LiveError(VuonError):
    """Anything that concerns a WebRTC session."""

    code = "live"


class OfferRefused(LiveError):
    """The SDP offer is too big, malformed, or asks for what we do not do."""

    code = "offer_refused"


class LiveFull(LiveError):
    """No capacity is left for another viewer."""

    code = "live_full"


class WallGone(LiveError):
    """The connection that tiles share has ended, or is somebody else's: the page opens another."""

    code = "wall_gone"


class TranscodesFull(LiveFull):
    """The camera has no H.264, and no place is left for another transcode."""

    code = "live_transcodes"


class UpstreamError(VuonError):
    """Anything that concerns the hub."""

    code = "upstream"


class HubUnreachable(UpstreamError):
    """The hub does not answer; the outbox keeps everything and tries again."""

    code = "hub_unreachable"


class HubBusy(UpstreamError):
    """The hub has no room now; `fields["retry_after_s"]` says when to come back."""

    code = "hub_busy"


class HubRefused(UpstreamError):
    """The hub answered that it will not take this."""

    code = "hub_refused"


def _tree(root: type[VuonError]) -> list[type[VuonError]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in _tree(child))]


def all_errors() -> list[type[VuonError]]:
    """Return every class of the tree, parents first."""
    return _tree(VuonError)


def by_code(code: str) -> type[VuonError]:
    """Return the class for a code that came over a socket; the base class if unknown."""
    return next((kind for kind in all_errors() if kind.code == code), VuonError)
