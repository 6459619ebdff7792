"""Cameras that break their own description: what can be read is read, also where zeep cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.gate import LoginGate
from drivers.onvif import replies
from drivers.onvif.client import OnvifClient
from drivers.onvif.transport import Limits
from gateway.core.errors import CameraError
from gateway.core.media import Codec
from tests.fakes.clock import FakeClock
from tests.fakes.onvif_http import Answer, FakeOnvif, envelope

Damage = Callable[[bytes], bytes]


def no_namespaces(reply: bytes) -> bytes:
    """Everything but the envelope loses its namespace, as some firmware writes it."""
    return re.sub(rb"<(/?)(?:tds|trt|tt):", rb"<\1", reply)


def wrong_namespaces(reply: bytes) -> bytes:
    """The namespaces are those of another version."""
    return reply.replace(b"/ver10/", b"/ver99/")


def strangers(reply: bytes) -> bytes:
    """Elements of the maker stand between those of the standard."""
    return re.sub(
        rb"<(tds|trt|tt):(Name|Encoding|Uri|Namespace|Info)>", rb"<x:Vendor xmlns:x='urn:x'>1</x:Vendor><\1:\2>", reply
    )


def invalid_utf8(reply: bytes) -> bytes:
    """A name in an encoding that nobody told."""
    return re.sub(rb"<tt:Name>[^<]*<", b"<tt:Name>L\xff\xfep\xc3<", reply)


def holes(reply: bytes) -> bytes:
    """Mandatory elements are missing: names, use counts, multicast, session time-outs, versions."""
    gone = rb"<(?:tt|tds|trt):(Name|UseCount|Multicast|SessionTimeout|Version|Bounds|Quality|InvalidAfterConnect|Timeout)\b"
    return re.sub(gone + rb".*?</(?:tt|tds|trt):\1>", b"", re.sub(gone + rb"[^>]*/>", b"", reply))


def not_numbers(reply: bytes) -> bytes:
    """Counts and switches that are no numbers and no booleans."""
    reply = re.sub(rb"(<tt:(?:UseCount|EncodingInterval|MTU|Major)>)[^<]*", rb"\1many", reply)
    return re.sub(rb"(<tt:(?:InvalidAfterConnect|AutoStart)>)[^<]*", rb"\1perhaps", reply)


def unclosed(reply: bytes) -> bytes:
    """The end of the document is missing."""
    return reply[: reply.rindex(b"</s:Body>")]


DAMAGES: list[Damage] = [no_namespaces, wrong_namespaces, strangers, invalid_utf8, holes, not_numbers, unclosed]


class Damaged(FakeOnvif):
    """A camera all of whose answers are damaged in the same way."""

    damage: Damage

    def _answer(self, operation: str, request: object, body: bytes) -> Answer:
        answer = super()._answer(operation, request, body)  # type: ignore[arg-type]  # the base's handler
        return Answer(answer.status, self.damage(answer.body), answer.headers)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_broken_camera_is_read_all_the_same(damage: Damage) -> None:
    """Services, MAC, profiles and addresses come out of replies that contradict their own description."""
    with Damaged(auth="open") as camera:
        camera.damage = staticmethod(damage)
        client = OnvifClient("127.0.0.1", camera.port, LoginGate(None), clock=FakeClock(), limits=Limits(total_s=10))
        about = client.device_information()
        assert about.serial == "SN7"
        assert client.mac() == "02:ab:00:00:00:07"
        small, big = client.profiles()
        assert (big.token, big.source, big.codec, big.width, big.gop) == ("big", "vs0", Codec.H264, 1920, 30)
        assert client.stream_source(small).path == "/live/small?x=1&y=2"
        client.close()
        assert len(camera.calls) == len(set(camera.calls))


def test_the_old_way_is_read_by_hand_too() -> None:
    """A camera without GetServices whose capabilities zeep cannot read still has its media service found."""

    class Old(Damaged):
        def _getservices(self, _: str) -> str:
            return "<tds:Nothing/>"

    with Old(auth="open") as camera:
        camera.damage = staticmethod(no_namespaces)
        client = OnvifClient("127.0.0.1", camera.port, LoginGate(None), clock=FakeClock(), limits=Limits(total_s=10))
        assert len(client.profiles()) == 2
        client.close()


PIECES = st.sampled_from(
    ["<Profiles token='p'>", "</Profiles>", "<VideoEncoderConfiguration token='e'>", "</VideoEncoderConfiguration>",
     "<Encoding>H264</Encoding>", "<Width>1e9</Width>", "<Service>", "</Service>", "<XAddr>http://[::1</XAddr>",
     "<XAddr>http://10.0.0.1/x</XAddr>", "<Namespace>http://www.onvif.org/ver10/media/wsdl</Namespace>",
     "<NetworkInterfaces>", "</NetworkInterfaces>", "<HwAddress>zz</HwAddress>", "<Uri>rtsp://x/</Uri>", "<Uri/>", "&#7;", "\xff"]
)  # fmt: skip


@pytest.fixture(scope="module")
def camera() -> Iterator[FakeOnvif]:
    with FakeOnvif(auth="open") as made:
        yield made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["GetServices", "GetNetworkInterfaces", "GetProfiles", "GetStreamUri"]),
    st.lists(PIECES, max_size=12),
)
def test_any_pieces_of_an_answer_give_a_value_or_a_camera_error(
    camera: FakeOnvif, operation: str, pieces: list[str]
) -> None:
    """However the pieces of an answer are put together, nothing but values and camera errors come out."""
    camera.scripted = {
        operation: Answer(200, envelope(f"<trt:{operation}Response>{''.join(pieces)}</trt:{operation}Response>"))
    }
    client = OnvifClient("127.0.0.1", camera.port, LoginGate(None), clock=FakeClock(), limits=Limits(total_s=10))
    try:
        for profile in client.profiles():
            assert profile.width <= 16_384
            assert client.stream_source(profile).host == "127.0.0.1"
        mac = client.mac()
        assert mac is None or len(mac) == 17
    except CameraError:
        pass
    finally:
        client.close()
        camera.scripted = {}


def test_readers_are_cut_to_size() -> None:
    """Lists of a mad camera end where nobody needs more."""
    many = [object()] * 1000
    assert len(replies.entries_of(many)) == replies.MOST_SERVICES
    assert replies.entries_of("no list") == []
