"""What the responder of simulated cameras sends, and to whom, without a socket."""

from __future__ import annotations

import asyncio

import pytest
from lxml import etree

from drivers.simulated.counters import Counters
from drivers.simulated.discovery import GROUP, PORT, Announced, Responder, about, message
from drivers.simulated.faults import Faults, Quirks
from drivers.simulated.markup import Xml, find, local, parse, value_of
from drivers.simulated.soap import SOAP
from tests.fakes.simulated import probe_message
from tests.fakes.simulated_bench import Bench

pytestmark = pytest.mark.anyio
ASKER = ("127.0.0.1", 40_001)
WSA = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
WSD = "http://schemas.xmlsoap.org/ws/2005/04/discovery"


class Wire:
    """A socket that keeps what is sent."""

    def __init__(self, *, broken: bool = False) -> None:
        self.sent: list[tuple[bytes, tuple[str, int]]] = []
        self.broken, self.closed = broken, False

    def sendto(self, data: bytes, to: tuple[str, int]) -> None:
        if self.broken:
            raise OSError("network is down")
        self.sent.append((data, to))

    @property
    def actions(self) -> list[str]:
        return [value_of(parse(data), "Action").rpartition("/")[2] for data, _ in self.sent]


def announced(quirks: Quirks | None = None) -> Announced:
    return Announced(Bench(quirks).state, Faults(), Counters())


def wired(camera: Announced, *, broken: bool = False) -> tuple[Responder, Wire]:
    responder, wire = Responder(), Wire(broken=broken)
    responder._cameras[camera.state.identity.endpoint] = (camera, wire)  # type: ignore[assignment]  # a wire, no socket
    return responder, wire


def resolve(endpoint: str) -> etree._Element:
    body = f"<d:Resolve><a:EndpointReference><a:Address>{endpoint}</a:Address></a:EndpointReference></d:Resolve>"
    head = "<a:MessageID>urn:uuid:7</a:MessageID>"
    whole = f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="{WSA}" xmlns:d="{WSD}"><s:Header>{head}</s:Header><s:Body>{body}</s:Body></s:Envelope>'
    return parse(whole.encode())


async def test_resolve_is_answered_by_the_one_that_is_meant() -> None:
    """The match names endpoint, address and version, relates to the question, and goes to the asker only."""
    camera = announced()
    responder, wire = wired(camera)
    responder._answer(camera, resolve(camera.state.identity.endpoint), ASKER)
    responder._answer(camera, resolve("urn:uuid:somebody-else"), ASKER)
    ((data, to),) = wire.sent
    root = parse(data)
    assert (to, value_of(root, "RelatesTo")) == (ASKER, "urn:uuid:7")
    match = find(root, "ResolveMatch")
    assert value_of(match, "Address") == camera.state.identity.endpoint
    assert value_of(match, "XAddrs") == "http://127.0.9.1:80/onvif/device_service"
    assert camera.counters.totals["discovery.Resolve"] == 1


async def test_messages_are_numbered_for_those_who_listen() -> None:
    """Each message has an id of its own and the next number (WS-Discovery AppSequence); Hello and Bye go to the group."""
    camera = announced()
    responder, wire = wired(camera)
    for _ in range(3):
        responder._answer(camera, parse(probe_message()), ASKER)
    responder._send(camera, "Hello", Xml(""), (GROUP, PORT))
    roots = [parse(data) for data, _ in wire.sent]
    sequence = [item for root in roots for item in root.iter() if local(item) == "AppSequence"]
    assert [item.get("MessageNumber") for item in sequence] == ["1", "2", "3", "4"]
    assert len({value_of(root, "MessageID") for root in roots}) == 4
    assert responder.sent == 4


async def test_a_bye_names_the_camera_and_nothing_else() -> None:
    """Whoever leaves gives its endpoint only: no address, no scopes, no name."""
    camera = announced()
    bye = parse(message("Bye", Xml(f"<d:Bye>{about(camera.state, brief=True)}</d:Bye>")))
    found = find(bye, "Bye")
    assert found is not None
    assert [local(item) for item in found.iter()] == ["Bye", "EndpointReference", "Address"]
    assert value_of(bye, "To") == "urn:schemas-xmlsoap-org:ws:2005:04:discovery"


async def test_a_refused_datagram_is_counted() -> None:
    """What the kernel does not take is lost and counted, and the next camera is still answered for."""
    camera = announced()
    responder, _ = wired(camera, broken=True)
    responder._answer(camera, parse(probe_message()), ASKER)
    assert (responder.sent, responder.lost) == (0, 1)


async def test_a_camera_that_was_unplugged_before_its_late_answer_is_silent() -> None:
    """An answer that was put off is not sent by a camera that is gone."""
    camera = announced(Quirks(discovery_delay_s=0.01))
    responder, wire = wired(camera)
    responder._answer(camera, parse(probe_message()), ASKER)
    responder._cameras.clear()
    while responder._pending:  # noqa: ASYNC110 - a timer of the loop sets no event of ours
        await asyncio.sleep(0.005)
    assert wire.sent == []


@pytest.mark.parametrize(
    ("types", "scopes", "answered"),
    [
        ("", "", True),
        ("dn:NetworkVideoTransmitter", "", True),
        ("x:Device", "", True),
        ("dn:NetworkVideoTransmitter tds:Device", "", True),
        ("dn:NetworkVideoDisplay", "", False),
        ("dn:NetworkVideoTransmitter x:Printer", "", False),
        ("", "onvif://www.onvif.org/Profile/T", True),
        ("", "onvif://www.onvif.org/Profile", True),
        ("", "onvif://www.onvif.org/Prof", False),
        ("", "onvif://www.onvif.org/hardware/SIM-1 onvif://www.onvif.org/type", True),
        ("", "onvif://www.onvif.org/hardware/SIM-1 onvif://www.onvif.org/location/x", False),
    ],
)
async def test_who_is_asked_for(*, types: str, scopes: str, answered: bool) -> None:
    """All types and all scopes of a Probe must fit; an empty one asks for everybody."""
    camera = announced()
    responder, wire = wired(camera)
    responder._answer(camera, parse(probe_message(types, scopes)), ASKER)
    assert (wire.actions == ["ProbeMatches"]) is answered
    assert camera.counters.totals["discovery.Probe"] == int(answered)


async def test_what_is_asked_comes_back_escaped() -> None:
    """A message id full of markup is text in the answer, not markup."""
    camera = announced()
    responder, wire = wired(camera)
    evil = probe_message().replace(b"<a:MessageID>", b"<a:MessageID>&lt;/a:RelatesTo&gt;&amp;")
    responder._answer(camera, parse(evil), ASKER)
    ((data, _),) = wire.sent
    assert value_of(parse(data), "RelatesTo").startswith("</a:RelatesTo>&")


async def test_names_in_scopes_are_percent_encoded() -> None:
    """A class's name with spaces, marks and slashes is one scope of unreserved characters."""
    camera = announced()
    camera.state.name = "Lớp Lá 1/2 <A>"
    scopes = value_of(parse(message("Hello", about(camera.state))), "Scopes").split()
    (name,) = [scope for scope in scopes if "/name/" in scope]
    assert name == "onvif://www.onvif.org/name/L%E1%BB%9Bp%20L%C3%A1%201%2F2%20%3CA%3E"
