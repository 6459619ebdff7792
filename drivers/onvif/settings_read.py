"""Reading a camera's settings: the backup before any change, and the look after each.

Owns the calls that answer each setting. Invariants: only what a wish concerns is asked, in the camera's
line of calls; a call the camera does not know makes a setting "not offered", never an error; the same
reading serves the plan and the read back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Coroutine
from typing import TypeVar

from lxml import etree

from drivers import settingtext as text
from drivers.onvif import devicewords as words
from drivers.onvif import drawings, encoders
from drivers.onvif import mediatypes as types
from drivers.onvif import profiles as rules
from drivers.onvif.client import OnvifClient
from drivers.onvif.mediaservice import MediaService
from drivers.onvif.pace import Line
from drivers.onvif.replies import clock_of
from drivers.onvif.smartcodec import Dahua, Fetch, Hikvision
from drivers.settings import ORDER, EncoderOptions, Options, Reading
from gateway.core.clock import Clock
from gateway.core.errors import BadInput, CameraBadReply, CameraOverloaded, CameraUnsupported
from gateway.core.media import Codec

T = TypeVar("T")

Texts = dict[str, str]
ROLES = ("main", "sub")
_TIME = frozenset({"time.zone", "time.clock"})
_USERS = frozenset({"user.own", "user.factory"})
_STREAMS = frozenset(key for key in ORDER if key.startswith(("main.", "sub.")))


class Desk:
    """Where one camera is asked: its client, in its line. The client changes with the login."""

    def __init__(self, client: OnvifClient, line: Line) -> None:
        self.client, self._line = client, line

    async def run(self, call: Callable[[OnvifClient], T]) -> T:
        """Make one blocking call with the present client.

        Raises:
            CameraUnsupported: what the camera itself said cannot be sent back by its service's description.

        """
        try:
            return await self._line.call(lambda: call(self.client))
        except BadInput as error:
            raise CameraUnsupported(
                "the camera's own values do not fit its service", client=str(error)[:200]
            ) from error

    def exchange(self, client: OnvifClient) -> None:
        """Ask by another login from now on; the old connection is closed."""
        self.client.close()
        self.client = client

    async def device(self, operation: str, inner: str = "") -> etree._Element:
        """Make one raw call of the device service and return the element of its answer."""
        return await self.run(lambda client: client.ask_device(operation, inner))


class SettingsReader:
    """Reads one channel's settings; remembers what the last look showed, for those who change it."""

    def __init__(
        self,
        desk: Desk,
        clock: Clock,
        channel: tuple[int, str],
        switch: Hikvision | Dahua | None,
        refused_by_maker: set[str],
    ) -> None:
        """`channel`: its place in the recorder's list, from 0, and the token of one of its profiles."""
        self._desk, self._clock, self._channel = desk, clock, channel
        self._refused_by_maker = refused_by_maker
        self.switch = switch
        self.setup = words.TimeSetup("", "", daylight_saving=False)
        self.skew_ms: int | None = None
        self.encoders: dict[str, types.VideoEncoder] = {}
        """By stream, `main` and `sub`, as last seen."""
        self.sounds: dict[str, str] = {}
        """Stream -> token of its audio encoder, as last seen."""
        self.osds: tuple[types.Osd, ...] = ()
        self.osds_by_media2 = False
        self.masks: tuple[types.Mask, ...] = ()
        self._channels: tuple[rules.Channel, ...] = ()
        self._source = ""

    async def read(self, keys: Collection[str]) -> Reading:
        """Read the settings among `keys` with what they can be set to."""
        now: Texts = {}
        settable: set[str] = set()
        for group, look in self._looks().items():
            if group.isdisjoint(keys):
                continue
            try:
                told = await look()
            except (CameraUnsupported, CameraBadReply):
                continue
            now |= {key: value for key, value in told.items() if key in keys}
            settable |= group if told else set()
        offered = {role: await self._options(role) for role in ROLES if any(key.startswith(f"{role}.") for key in keys)}
        most = await self.mask_options() if "mask" in now else None
        return Reading(
            now,
            Options(
                frozenset(settable),
                offered.get("main", {}),
                offered.get("sub", {}),
                text.MOST_MASKS if most is None else most.most,
                shared_login=len(self._channels) > 1,
            ),
        )

    async def now(self, key: str) -> str:
        """Read one setting back; "" when the camera does not tell it."""
        look = next(look for group, look in self._looks().items() if key in group)
        return (await look()).get(key, "")

    def _looks(self) -> dict[frozenset[str], Callable[[], Coroutine[None, None, Texts]]]:
        return {
            _TIME: self._time,
            frozenset({"time.ntp"}): self._ntp,
            frozenset({"codec.smart"}): self._smart,
            _STREAMS: self.streams,
            frozenset({"audio"}): self.audio,
            _USERS: self._users,
            frozenset({"osd.label"}): self.label,
            frozenset({"mask"}): self.mask,
        }

    async def _time(self) -> Texts:
        answer = await self._desk.device("GetSystemDateAndTime")
        self.setup, moment = words.time_of(answer), clock_of(answer)
        self.skew_ms = None if moment is None else int(moment.timestamp() * 1000) - self._clock.now_ms()
        told = {
            "time.zone": text.zone_text(self.setup.zone, self.setup.daylight_saving),
            "time.clock": self.setup.mode and text.clock_text(self.setup.mode, self.skew_ms),
        }
        return {key: value for key, value in told.items() if value}

    async def _ntp(self) -> Texts:
        return {"time.ntp": words.ntp_of(await self._desk.device("GetNTP"))}

    async def _smart(self) -> Texts:
        try:
            on = await self.by_maker(lambda switch, fetch: switch.read(fetch))
        except (CameraOverloaded, CameraUnsupported):
            return {}
        return {} if on is None else {"codec.smart": text.switch_text(on)}

    async def by_maker(self, ask: Callable[[Hikvision | Dahua, Fetch], T]) -> T:
        """Ask the maker's interface, with a login that ONVIF has proven and that was not refused there before.

        Raises:
            CameraUnsupported: we know none of this maker, or it would refuse this login.
            CameraError: as the interface gives cause.

        """
        switch, client = self.switch, self._desk.client
        if switch is None or not client.login_proven or client.username in self._refused_by_maker:
            raise CameraUnsupported("the maker's interface is not known, or not for this user")
        try:
            return await self._desk.run(lambda client: ask(switch, client.fetch))
        except CameraOverloaded as error:
            if error.fields.get("doubted"):  # a user made by ONVIF has no rights there on some cameras
                self._refused_by_maker.add(client.username)
            raise

    async def _users(self) -> Texts:
        with contextlib.suppress(CameraUnsupported):  # without streams it has no channels to share a login
            await self._own()
        username = self._desk.client.username
        return {"user.own": username} if username else {}

    async def _own(self) -> rules.Channel:
        if not self._channels:
            self._channels = rules.choose(await self._desk.run(lambda client: client.profiles()))
        return rules.own_channel(self._channels, *self._channel)

    async def profiles(self) -> dict[str, rules.Profile]:
        """Return the profiles of main and sub; a sub stream that shares main's encoder cannot be set by itself."""
        own = await self._own()
        has_sub = own.sub is not None and own.sub.encoder != own.main.encoder
        return {"main": own.main} | ({"sub": own.sub} if own.sub is not None and has_sub else {})

    async def streams(self) -> Texts:
        """Read the encoders of main and sub.

        Raises:
            CameraUnsupported: this channel has no stream that could be set.

        """
        profiles = await self.profiles()
        media2 = profiles["main"].media2
        by_token = {encoder.token: encoder for encoder in await self.listed_encoders(media2=media2)}
        self.encoders = {role: by_token[p.encoder] for role, p in profiles.items() if p.encoder in by_token}
        return {
            f"{role}.{part}": value
            for role, encoder in self.encoders.items()
            for part, value in encoders.texts_of(encoder).items()
        }

    async def listed_encoders(self, *, media2: bool) -> tuple[types.VideoEncoder, ...]:
        """Return every encoder configuration one of the media services shows."""
        return await self._desk.run(lambda client: service_of(client, media2=media2).video_encoders())

    async def _options(self, role: str) -> dict[Codec, EncoderOptions]:
        """Ask what a stream's encoder can do; nothing known when the camera does not say."""
        encoder = self.encoders.get(role)
        if encoder is None:
            return {}
        media2 = (await self.profiles())[role].media2
        try:
            return encoders.options_of(
                await self._desk.run(lambda client: service_of(client, media2=media2).encoder_options(encoder.token))
            )
        except (CameraBadReply, CameraUnsupported):
            return {}

    async def audio(self) -> Texts:
        """Read which streams carry sound."""
        profiles = await self.profiles()
        media2 = profiles["main"].media2
        heard = await self._desk.run(lambda client: service_of(client, media2=media2).audio())
        by_profile = {item.profile: item.encoder for item in heard}
        self.sounds = {role: by_profile.get(profile.token, "") for role, profile in profiles.items()}
        return {"audio": text.audio_text(self.sounds)}

    async def source_configuration(self) -> str:
        """Return the token of the configuration that labels and masks hang on.

        Raises:
            CameraUnsupported: the camera does not tell one.

        """
        if not self._source:
            main = (await self._own()).main
            told = await self._desk.run(lambda client: service_of(client, media2=main.media2).source_configurations())
            fitting = [item.token for item in told if item.source == main.source]
            if not fitting:
                raise CameraUnsupported("the camera names no configuration of its lens", source=main.source)
            self._source = fitting[0]
        return self._source

    async def label(self) -> Texts:
        """Read what is drawn into the picture, by Media2 or, where that knows no labels, by Media1."""
        source = await self.source_configuration()
        try:
            self.osds = await self._desk.run(lambda client: client.media2().osds(source))
            self.osds_by_media2 = True
        except (CameraBadReply, CameraUnsupported):
            self.osds = await self._desk.run(lambda client: client.media1().osds(source))
            self.osds_by_media2 = False
        self.osds = tuple(osd for osd in self.osds if osd.configuration in ("", source))
        return {"osd.label": drawings.label_of(self.osds)}

    async def mask(self) -> Texts:
        """Read the masks (Media2 only)."""
        source = await self.source_configuration()
        told = await self._desk.run(lambda client: client.media2().masks(source))
        self.masks = drawings.shown_masks(told, source)
        return {"mask": text.mask_text(mask.points for mask in self.masks)}

    async def mask_options(self) -> types.MaskOptions | None:
        """Return which masks the camera can draw; None when it does not say."""
        source = await self.source_configuration()
        try:
            return await self._desk.run(lambda client: client.media2().mask_options(source))
        except (CameraBadReply, CameraUnsupported):
            return None


def service_of(client: OnvifClient, *, media2: bool) -> MediaService:
    """Return one of the media services."""
    return client.media2() if media2 else client.media1()
