"""The smart codec's switch, by the two makers' own interfaces."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import settingtext as text
from drivers import xml
from drivers.base import CameraSettings
from drivers.onvif.smartcodec import Dahua, Hikvision, switch_for
from drivers.settings import Why, undone
from gateway.core.errors import CameraBadReply, CameraError, CameraOverloaded
from gateway.core.model import Login, Secret
from tests.fakes.camera_settings import PASSWORD, USER, by_setting, settings_bench

MOST = 1 << 20
CHANNEL = """<?xml version="1.0" encoding="UTF-8"?>
<StreamingChannel version="2.0" xmlns="http://www.hikvision.com/ver20/XMLSchema"><id>101</id>
<channelName>Lớp Lá</channelName><Video><videoCodecType>H.265</videoCodecType><GovLength>50</GovLength>{smart}</Video>
</StreamingChannel>"""
NESTED, PLAIN = "<SmartCodec><enabled>{}</enabled></SmartCodec>", "<SmartCodec>{}</SmartCodec>"


class HikvisionWeb:
    """Keeps channel documents by path."""

    def __init__(self, smart: str) -> None:
        self.pages = {"/ISAPI/Streaming/channels/101": CHANNEL.format(smart=smart).encode()}
        self.kinds: list[str] = []

    def fetch(self, method: str, target: str, data: bytes, kind: str) -> bytes:
        if target not in self.pages:
            raise CameraBadReply("no such page", status=404)
        if method == "PUT":
            self.pages[target] = data
            self.kinds.append(kind)
            return b"<ResponseStatus><statusCode>1</statusCode></ResponseStatus>"
        return self.pages[target]


class DahuaWeb:
    """Speaks configManager.cgi."""

    def __init__(self, lines: str) -> None:
        self.lines, self.refuses = lines, False

    def fetch(self, method: str, target: str, data: bytes, kind: str) -> bytes:
        assert (method, data) == ("GET", b"")
        assert "[" not in target, "brackets would be changed on the way, and the login's digest with them"
        path, _, query = target.partition("?")
        assert path == "/cgi-bin/configManager.cgi"
        if query == "action=getConfig&name=SmartEncode":
            return self.lines.encode()
        if self.refuses:
            return b"Error\r\nBad Request!\r\n"
        place, _, value = query.removeprefix("action=setConfig&").rpartition("=")
        place = place.replace("%5B", "[").replace("%5D", "]")
        self.lines = self.lines.replace(f"{place}=true", f"{place}={value}").replace(
            f"{place}=false", f"{place}={value}"
        )
        return b"OK\r\n"


@pytest.mark.parametrize("form", [NESTED, PLAIN])
def test_hikvision_is_switched_and_nothing_else_changes(form: str) -> None:
    """Read, off, on again: the document comes back as it was, names and all."""
    web = HikvisionWeb(form.format("true"))
    before = xml.parse(web.pages["/ISAPI/Streaming/channels/101"], MOST)
    switch = Hikvision(0, MOST)
    assert switch.read(web.fetch) is True
    switch.write(web.fetch, on=False)
    assert switch.read(web.fetch) is False
    switch.write(web.fetch, on=True)
    after = xml.parse(web.pages["/ISAPI/Streaming/channels/101"], MOST)
    assert [(item.tag, item.text) for item in after.iter()] == [(item.tag, item.text) for item in before.iter()]
    assert set(web.kinds) == {"application/xml"}


def test_a_hikvision_without_smart_codec() -> None:
    """It is not told, and cannot be switched."""
    web = HikvisionWeb("")
    assert Hikvision(0, MOST).read(web.fetch) is None
    with pytest.raises(CameraBadReply):
        Hikvision(0, MOST).write(web.fetch, on=False)


def test_each_channel_has_its_own_page() -> None:
    """Channel 1 of ours is 201 of theirs."""
    with pytest.raises(CameraBadReply):
        Hikvision(1, MOST).read(HikvisionWeb(NESTED.format("true")).fetch)


def test_dahua_is_switched() -> None:
    """Only the channel that was asked for."""
    web = DahuaWeb(
        "table.SmartEncode[0].Enable=true\r\ntable.SmartEncode[0].Extra=x\r\ntable.SmartEncode[1].Enable=true\r\n"
    )
    assert Dahua(0).read(web.fetch) is True
    Dahua(0).write(web.fetch, on=False)
    assert (Dahua(0).read(web.fetch), Dahua(1).read(web.fetch), Dahua(2).read(web.fetch)) == (False, True, None)
    web.refuses = True
    with pytest.raises(CameraBadReply):
        Dahua(1).write(web.fetch, on=False)


@given(st.binary(max_size=300))
def test_nonsense_is_no_switch(answer: bytes) -> None:
    """Whatever a camera answers, it is on, off, unknown, or a CameraError."""
    for switch in (Hikvision(0, MOST), Dahua(0)):
        try:
            assert switch.read(lambda *_: answer) in (True, False, None)
        except CameraError:
            continue


@pytest.mark.parametrize(
    ("maker", "kind"),
    [
        ("HIKVISION", Hikvision),
        ("HiLook by Hikvision", Hikvision),
        ("Dahua Technology", Dahua),
        ("KBVISION", Dahua),
        ("Vuon", type(None)),
        ("", type(None)),
    ],
)
def test_who_speaks_which(maker: str, kind: type) -> None:
    """Any other maker's camera is left alone."""
    assert isinstance(switch_for(maker, 0, MOST), kind)


@pytest.mark.anyio
async def test_the_driver_switches_it_first_and_reads_it_back() -> None:
    """Through the settings of a camera of that maker: planned, done, gone from the next plan."""
    web = HikvisionWeb(NESTED.format("true"))

    class Switch(Hikvision):
        def read(self, fetch: object) -> bool | None:
            return super().read(web.fetch)

        def write(self, fetch: object, on: bool) -> None:
            super().write(web.fetch, on)

    async with settings_bench() as bench:
        await bench.driver.plan(CameraSettings(smart_codec=False))
        reader = bench.driver._reader
        assert reader is not None
        reader.switch = Switch(0, MOST)
        want = CameraSettings(smart_codec=False)
        changes = await bench.driver.plan(want)
        assert [(item.before, item.after, item.blocked) for item in changes] == [(text.ON, text.OFF, "")]
        assert by_setting(await bench.driver.apply(changes)) == {"codec.smart": (True, text.OFF, "")}
        assert await bench.driver.plan(want) == ()


@pytest.mark.anyio
async def test_a_makers_page_that_is_not_there_ends_nothing() -> None:
    """The setting is blocked as not offered; asked for anyway, it is a surprise with a code."""
    async with settings_bench() as bench:
        await bench.driver.plan(CameraSettings(smart_codec=False))
        reader = bench.driver._reader
        assert reader is not None
        reader.switch = Hikvision(0, MOST)
        (change,) = await bench.driver.plan(CameraSettings(smart_codec=False))
        assert change.blocked == "not_offered"
        (outcome,) = await bench.driver.apply([replace(change, blocked="")])
        assert not outcome.applied
        assert outcome.why not in ("", Why.UNTOUCHED)
        assert bench.camera.bad_logins == 0


@pytest.mark.anyio
async def test_a_user_that_the_maker_refuses_is_sent_there_once() -> None:
    """ONVIF's users are not the maker's on some cameras: one refusal, for all drivers of this camera."""

    class Refusing(Hikvision):
        tries = 0

        def read(self, fetch: object) -> bool | None:
            Refusing.tries += 1
            raise CameraOverloaded("refused", doubted=True)

    refused: set[str] = set()
    async with settings_bench() as bench:
        for driver in (bench.driver, bench.another_driver()):
            driver.refused_by_maker = refused
            await driver.plan(CameraSettings(audio=False))
            assert driver._reader is not None
            driver._reader.switch = Refusing(0, MOST)
            for _ in range(2):
                (change,) = await driver.plan(CameraSettings(smart_codec=False))
                assert change.blocked == "not_offered"
        await driver.close()
    assert (Refusing.tries, refused) == (1, {"admin"})


@pytest.mark.anyio
async def test_an_undo_switches_it_by_the_login_that_may() -> None:
    """Our own user has no rights there on some cameras: the login of before is back in use first."""
    web = HikvisionWeb(NESTED.format("true"))
    asked: list[str] = []
    async with settings_bench() as bench:

        class Switch(Hikvision):
            def _by(self) -> None:
                asked.append(bench.driver._client.username)
                if asked[-1] != USER:
                    raise CameraOverloaded("refused", doubted=True)

            def read(self, fetch: object) -> bool | None:
                self._by()
                return super().read(web.fetch)

            def write(self, fetch: object, on: bool) -> None:
                self._by()
                super().write(web.fetch, on)

        want = CameraSettings(smart_codec=False, own_user=True)
        await bench.driver.plan(want)
        assert bench.driver._reader is not None
        bench.driver._reader.switch = Switch(0, MOST)
        changes = await bench.driver.plan(want)
        assert [change.setting for change in changes] == ["codec.smart", "user.own"]
        await bench.driver.apply(changes)
        bench.keeper.before = Login(USER, Secret(PASSWORD))
        assert by_setting(await bench.driver.apply(undone(changes))) == {
            "user.own": (True, USER, ""),
            "codec.smart": (True, text.ON, ""),
        }
        assert set(asked) == {USER}, "our own user was not even tried"


@pytest.mark.anyio
async def test_a_refused_user_does_not_switch_either() -> None:
    """What was refused for the reading is not sent for the writing."""
    writes: list[bool] = []

    class Switch(Hikvision):
        def write(self, fetch: object, on: bool) -> None:
            writes.append(on)

    async with settings_bench() as bench:
        want = CameraSettings(smart_codec=False)
        (change,) = await bench.driver.plan(want)
        assert bench.driver._reader is not None
        bench.driver._reader.switch = Switch(0, MOST)
        bench.driver.refused_by_maker.add(USER)
        (outcome,) = await bench.driver.apply([replace(change, blocked="")])
        assert (outcome.applied, outcome.why, writes) == (False, "camera_unsupported", [])
