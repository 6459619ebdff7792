"""Every answer of a simulated camera has the shape that ONVIF's own schemas prescribe."""

from __future__ import annotations

import pytest
from lxml import etree

from drivers.simulated.faults import Quirks
from drivers.simulated.markup import local
from drivers.simulated.soap import NAMESPACES
from tests.fakes.simulated_bench import Bench, named, schema

SOURCE = "<timg:VideoSourceToken>vs0</timg:VideoSourceToken>"
MAIN = "<trt:ProfileToken>main</trt:ProfileToken>"
ENCODER = "<trt:ConfigurationToken>enc-sub</trt:ConfigurationToken>"
USER = "<tds:User><tt:Username>vuon</tt:Username><tt:Password>Long-enough-1</tt:Password><tt:UserLevel>Operator</tt:UserLevel></tds:User>"
OSD = (
    '<trt:OSD token=""><tt:VideoSourceConfigurationToken>vsc0</tt:VideoSourceConfigurationToken><tt:Type>Text</tt:Type>'
    "<tt:Position><tt:Type>UpperLeft</tt:Type></tt:Position><tt:TextString><tt:Type>Plain</tt:Type>"
    "<tt:PlainText>Lop La 1</tt:PlainText></tt:TextString></trt:OSD>"
)
ARGUMENTS = {
    ("trt", "SetSynchronizationPoint"): "<trt:ProfileToken>main</trt:ProfileToken>",
    ("tds", "SetSystemDateAndTime"): "<tds:DateTimeType>NTP</tds:DateTimeType>",
    ("tds", "SetNTP"): "<tds:FromDHCP>true</tds:FromDHCP>",
    ("tds", "CreateUsers"): USER,
    ("tds", "SetUser"): USER.replace("vuon", "admin").replace("Operator", "Administrator"),
    ("tds", "DeleteUsers"): "<tds:Username>gone</tds:Username>",
    ("tds", "AddScopes"): "<tds:ScopeItem>onvif://www.onvif.org/room/1</tds:ScopeItem>",
    ("trt", "GetProfile"): MAIN,
    ("trt", "GetStreamUri"): MAIN,
    ("trt", "GetSnapshotUri"): MAIN,
    ("trt", "GetVideoEncoderConfiguration"): ENCODER,
    ("trt", "SetVideoEncoderConfiguration"): '<trt:Configuration token="enc-main"/>',
    ("trt", "RemoveAudioEncoderConfiguration"): MAIN,
    ("trt", "AddAudioEncoderConfiguration"): f"{MAIN}<trt:ConfigurationToken>snd-main</trt:ConfigurationToken>",
    ("trt", "CreateOSD"): OSD,
    ("trt", "SetOSD"): OSD.replace('token=""', 'token="osd0"'),
    ("trt", "DeleteOSD"): "<trt:OSDToken>osd0</trt:OSDToken>",
    ("timg", "GetImagingSettings"): SOURCE,
    ("timg", "SetImagingSettings"): SOURCE,
    ("timg", "GetOptions"): SOURCE,
    ("timg", "GetMoveOptions"): SOURCE,
    ("timg", "GetStatus"): SOURCE,
}
OLDER = {
    ("trt", "GetOSDs"),
    ("trt", "CreateOSD"),
    ("trt", "SetOSD"),
    ("trt", "DeleteOSD"),
}
"""Younger than the schemas we hold them against; `tests/unit/test_simulated_services.py` reads them back."""
BY_SUBSCRIPTION = {"PullMessages", "Renew", "Unsubscribe", "SetSynchronizationPoint"}
OPERATIONS = [
    (prefix, operation)
    for prefix in ("tds", "trt", "timg")
    for operation in Bench().tables[prefix]
    if (prefix, operation) not in OLDER
]


def complaints(rules: etree.XMLSchema) -> list[str]:
    return str(rules.error_log).splitlines()


def valid(prefix: str, answer: etree._Element) -> None:
    """Fail with the schema's own words unless `answer` is one of its documents."""
    whole = etree.fromstring(etree.tostring(answer))
    rules = schema(prefix)
    assert rules.validate(whole), complaints(rules)[:3]


def prepared(quirks: Quirks | None = None) -> Bench:
    bench = Bench(quirks)
    bench.state.osds["osd0"] = ("Plain", "Lop La 1")
    bench.state.ntp_servers[:] = ["192.168.1.2", "2001:db8::1", "vn.pool.ntp.org"]
    bench.ask("tds", "CreateUsers", USER.replace("vuon", "gone"))
    return bench


@pytest.mark.parametrize(("prefix", "operation"), OPERATIONS)
def test_the_answer_fits_the_schema(prefix: str, operation: str) -> None:
    """A client that validates accepts the answer of this operation."""
    valid(prefix, prepared().ask(prefix, operation, ARGUMENTS.get((prefix, operation), "")))


@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(h265=True),
        Quirks(no_sub=True),
        Quirks(no_media2=True),
        Quirks(wrong_host="10.9.8.7"),
        Quirks(clock_skew_s=86_400 * 365),
        Quirks(onvif_auth=("none",)),
    ],
    ids=["h265", "no sub", "no media2", "wrong host", "a year ahead", "open"],
)
def test_deviating_firmware_keeps_the_schema(quirks: Quirks) -> None:
    """Quirks change what is said, not its shape: every getter of every service stays valid."""
    bench = prepared(quirks)
    for prefix, operation in OPERATIONS:
        if operation.startswith("Get"):
            content = ARGUMENTS.get((prefix, operation), "").replace(
                "enc-sub", "enc-main" if quirks.no_sub else "enc-sub"
            )
            valid(prefix, bench.ask(prefix, operation, content))


def test_a_subscriptions_life_fits_the_schema() -> None:
    """Creating, pulling two kinds of event, and asking for properties give documents of the events schema."""
    bench = Bench()
    for operation in ("GetServiceCapabilities", "GetEventProperties"):
        valid("tev", bench.ask("tev", operation))
    made = bench.ask("tev", "CreatePullPointSubscription")
    valid("tev", made)
    path = "/onvif" + (named(made, "Address")[0].text or "").partition("/onvif")[2]
    bench.events.emit(value="true")
    bench.ask("tev", "SetSynchronizationPoint", path=path)
    pulled = bench.ask("tev", "PullMessages", "<tev:Timeout>PT0S</tev:Timeout>", path=path)
    valid("tev", pulled)
    assert [item.get("PropertyOperation") for item in named(pulled, "Message") if item.get("UtcTime")] == [
        "Changed",
        "Initialized",
    ]
    assert set(bench.tables["tev"]) >= BY_SUBSCRIPTION


def test_what_is_called_by_foreign_clients_is_named_in_the_schemas() -> None:
    """No operation is an invention of ours: the published services declare each of them."""
    for prefix, operation in OPERATIONS:
        request = etree.fromstring(f'<x:{operation} xmlns:x="{NAMESPACES[prefix]}"/>')
        rules = schema(prefix)
        rules.validate(request)
        assert not any("No matching global declaration" in line for line in complaints(rules)), operation


def test_a_broken_answer_would_be_found() -> None:
    """The schema is a real judge: an element out of order or a word for a number is refused."""
    answer = prepared().ask("trt", "GetVideoEncoderConfigurations")
    first = named(answer, "Configurations")[0]
    swapped = list(first)[1]
    first.remove(swapped)
    first.append(swapped)
    assert not schema("trt").validate(etree.fromstring(etree.tostring(answer)))
    answer = prepared().ask("trt", "GetProfiles")
    named(answer, "Width")[0].text = "wide"
    assert not schema("trt").validate(etree.fromstring(etree.tostring(answer)))


MEDIA2_ORDER = {
    "Profiles": ["Name", "Configurations"],
    "VideoSource": ["Name", "UseCount", "SourceToken", "Bounds"],
    "VideoEncoder": ["Name", "UseCount", "Encoding", "Resolution", "RateControl", "Quality"],
    "RateControl": ["FrameRateLimit", "BitrateLimit"],
}
"""Children in the order of media2.wsdl (version 20.12) and onvif.xsd's VideoEncoder2Configuration."""


@pytest.mark.parametrize("h265", [False, True])
def test_media2_keeps_its_order(*, h265: bool) -> None:
    """Media2's profiles have their elements in the published order, and the attributes clients look for."""
    answer = Bench(Quirks(h265=h265)).ask("tr2", "GetProfiles")
    for name, order in MEDIA2_ORDER.items():
        for element in named(answer, name):
            assert [local(child) for child in element] == order
    assert [item.get("token") for item in named(answer, "Profiles")] == ["main", "sub"]
    for encoder in named(answer, "VideoEncoder"):
        assert encoder.get("token")
        assert int(encoder.get("GovLength") or 0) > 0
        assert encoder.get("Profile") in ("Baseline", "Main")
