"""What refusals mean: the table of faults, statuses and words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.onvif import soap
from drivers.onvif.meaning import (
    LEAST_LOCKED_S,
    LOCKED_S,
    MOST_LOCKED_S,
    Meaning,
    locked_for_s,
    of_fault,
    of_status,
    says_locked,
)
from drivers.onvif.transport import LoginAsked, Reply
from gateway.core.errors import CameraBadReply, CameraLocked, CameraOverloaded, CameraUnsupported
from tests.fakes.onvif_http import fault

HIKVISION = (
    "<userCheck><statusValue>401</statusValue><statusString>Unauthorized</statusString>"
    "<lockStatus>lock</lockStatus><unlockTime>1793</unlockTime><retryLoginTime>0</retryLoginTime></userCheck>"
)


@pytest.mark.parametrize(
    ("codes", "reason", "expected"),
    [
        (("Sender", "NotAuthorized"), "Sender not Authorized", Meaning.LOGIN),
        (("Sender", "FailedAuthentication"), "", Meaning.LOGIN),
        (("FailedCheck",), "The signature or decryption was invalid", Meaning.LOGIN),
        (("Sender",), "The action requested requires authorization and the sender is not authorized", Meaning.LOGIN),
        (("Sender", "NotAuthorized"), "The account is locked", Meaning.LOCKED),
        (("Sender", "NotAuthorized"), "User has been locked for 30 minutes", Meaning.LOCKED),
        (("Sender", "NotAuthorized", "AccountLocked"), "", Meaning.LOCKED),
        (("Sender", "OperationProhibited"), "account locked", Meaning.LOCKED),
        (("Sender", "NotAuthorized"), "too many failed attempts", Meaning.LOCKED),
        (("Receiver", "ActionNotSupported"), "Optional Action Not Implemented", Meaning.UNSUPPORTED),
        (("Sender", "UnknownAction"), "", Meaning.UNSUPPORTED),
        (("Receiver", "OutofMemory"), "", Meaning.BUSY),
        (("Receiver", "MaxSessions"), "", Meaning.BUSY),
        (("Sender", "InvalidArgVal", "NoProfile"), "Profile does not exist", Meaning.BAD),
        (("Sender", "InvalidArgVal"), "the clock was blocked", Meaning.BAD),
        ((), "", Meaning.BAD),
    ],
)
def test_faults(codes: tuple[str, ...], reason: str, expected: Meaning) -> None:
    """Each fault means one thing; a lock comes before a wrong password."""
    assert of_fault(codes, reason) is expected


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (200, "", Meaning.FINE),
        (400, "", Meaning.BAD),
        (401, "", Meaning.LOGIN),
        (401, "<html>401 Unauthorized</html>", Meaning.LOGIN),
        (401, HIKVISION, Meaning.LOCKED),
        (401, HIKVISION.replace(">lock<", ">unlock<"), Meaning.LOGIN),
        (403, "Forbidden", Meaning.LOGIN),
        (403, "Your IP is temporarily locked", Meaning.LOCKED),
        (404, "", Meaning.UNSUPPORTED),
        (405, "", Meaning.UNSUPPORTED),
        (418, "", Meaning.BAD),
        (423, "", Meaning.LOCKED),
        (429, "", Meaning.BUSY),
        (500, "account is locked", Meaning.BAD),
        (501, "", Meaning.UNSUPPORTED),
        (503, "", Meaning.BUSY),
    ],
)
def test_statuses(status: int, text: str, expected: Meaning) -> None:
    """Each status means one thing; words of a lock count where a login was refused, and nowhere else."""
    assert of_status(status, text) is expected


@pytest.mark.parametrize("text", ["blocked", "the clock", "unlock", "interlocked", "lockStatus: unlock", "locker room"])
def test_words_that_are_no_lock(text: str) -> None:
    """Words with "lock" in them do not make a locked account."""
    assert not says_locked(text)


def test_how_long_is_believed() -> None:
    """What a camera says is believed within bounds; without a word it is half an hour."""
    assert locked_for_s(HIKVISION) == 1_793
    assert locked_for_s("<unlockTime>1</unlockTime>") == LEAST_LOCKED_S
    assert locked_for_s("<unlockTime>999999</unlockTime>") == MOST_LOCKED_S
    assert locked_for_s("locked, try again later") == LOCKED_S


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        ("NotAuthorized", "no", LoginAsked),
        ("NotAuthorized", "account is locked", CameraLocked),
        ("ActionNotSupported", "no", CameraUnsupported),
        ("OutofMemory", "no", CameraOverloaded),
        ("InvalidArgVal", "no", CameraBadReply),
    ],
)
def test_each_meaning_has_its_error(code: str, reason: str, error: type[Exception]) -> None:
    """The reader of replies raises the error that the table names."""
    answer = fault(code, reason)
    with pytest.raises(error) as caught:
        soap.body_of(Reply(answer.status, {}, answer.body), 1 << 20)
    if isinstance(caught.value, CameraLocked):
        assert caught.value.fields["retry_after_s"] == LOCKED_S


@given(st.lists(st.text(max_size=20), max_size=5), st.text(max_size=200), st.integers(0, 999), st.text(max_size=5_000))
def test_anything_means_something(codes: list[str], reason: str, status: int, text: str) -> None:
    """Whatever a camera says, it means exactly one thing, and a lock never lasts for ever."""
    assert of_fault(codes, reason, text) in Meaning
    assert of_status(status, text) in Meaning
    assert LEAST_LOCKED_S <= locked_for_s(text) <= MOST_LOCKED_S
