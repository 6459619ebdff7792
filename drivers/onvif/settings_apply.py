"""Making changes on a camera: one after the other, each read back.

Owns the orders for each setting and the judgement of what was read back. Invariants: after the first
surprise (refused, ignored, something else shown) nothing more is sent and the rest is reported as
untouched; the parts of one encoder go in one order, because each order restarts the stream, and one by
one only if the camera refuses them together; what another media service may do better is tried once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import TypeVar

from drivers import settingtext as text
from drivers.base import Change, Outcome, Point
from drivers.onvif import devicewords as words
from drivers.onvif import drawings, encoders, soap
from drivers.onvif import mediatypes as types
from drivers.onvif import profiles as rules
from drivers.onvif.client import OnvifClient
from drivers.onvif.ownuser import Accounts
from drivers.onvif.settings_read import ROLES, Desk, SettingsReader, service_of
from drivers.settings import Why, agrees, place_of
from gateway.core.clock import Clock
from gateway.core.errors import CameraBadReply, CameraError, CameraUnsupported
from gateway.core.media import Codec

T = TypeVar("T")


class SettingsApplier:
    """Applies changes to one channel of one camera."""

    def __init__(self, desk: Desk, reader: SettingsReader, accounts: Accounts, clock: Clock) -> None:
        self._desk, self._reader, self._accounts, self._clock = desk, reader, accounts, clock

    async def apply(self, changes: Sequence[Change]) -> tuple[Outcome, ...]:
        """Make the changes in the safe order and say what became of each; each names a setting of `ORDER`."""
        ordered = sorted(changes, key=place_of)
        outcomes = [Outcome(item, applied=False, now=item.before, why=Why.BLOCKED) for item in ordered if item.blocked]
        surprised = False
        for _, group in groupby((item for item in ordered if not item.blocked), key=_encoder_or_key):
            members = list(group)
            if surprised:
                outcomes += [Outcome(item, applied=False, now=item.before, why=Why.UNTOUCHED) for item in members]
                continue
            made = await self._make_group(members)
            outcomes += made
            surprised = not all(outcome.applied for outcome in made)
        return tuple(sorted(outcomes, key=lambda outcome: place_of(outcome.change)))

    async def _make_group(self, members: list[Change]) -> list[Outcome]:
        if _encoder_or_key(members[0]) not in ROLES:
            return [await self._make_one(members[0])]
        made, refused = await self._make_encoder(members)
        if not refused or len(members) == 1:
            return made
        singly: list[Outcome] = []
        for member in members:
            if singly and not singly[-1].applied:
                singly.append(Outcome(member, applied=False, now=member.before, why=Why.UNTOUCHED))
            else:
                singly += (await self._make_encoder([member]))[0]
        return singly

    async def _make_one(self, change: Change) -> Outcome:
        try:
            now = await self._make(change) or await self._reader.now(change.setting)
        except CameraError as error:
            try:
                now = await self._reader.now(change.setting)
            except CameraError:
                now = change.before
            return _after_error(change, now, error)
        return _judged(change, now)

    async def _make(self, change: Change) -> str:
        """Send what a change needs; returns what is set now where that is known without another look."""
        wanted = change.after
        match change.setting:
            case "time.zone":
                await self._set_zone(wanted)
            case "time.ntp":
                await self._desk.device("SetNTP", words.set_ntp(wanted))
            case "time.clock":
                await self._set_clock(_read(text.clock_mode, wanted))
            case "codec.smart":
                await self._set_smart(wanted == text.ON)
            case "audio":
                await self._set_audio(_read(text.read_audio, wanted))
            case "osd.label":
                return await self._set_label(*text.read_label(wanted))
            case "mask":
                await self._set_masks(_read(text.read_masks, wanted))
            case "user.own":
                await self._accounts.set_user(wanted)
            case "user.factory":
                if wanted != text.RANDOM:
                    raise CameraUnsupported("the password of before is not known", why=Why.NO_FORMER_LOGIN)
                await self._accounts.set_factory_password()
                return text.RANDOM
        return ""

    async def _set_zone(self, wanted: str) -> None:
        zone, summer = text.read_zone(wanted)
        await self._reader.now("time.zone")
        setup, skew_ms = self._reader.setup, self._reader.skew_ms or 0
        moment = None if setup.mode == text.NTP else self._clock.now_ms() + skew_ms
        await self._set_time(words.TimeSetup(setup.mode, zone, summer), moment)

    async def _set_clock(self, mode: str) -> None:
        """Put the clock right by hand if it is far off, then let it follow the time server."""
        await self._reader.now("time.clock")
        setup, skew_ms = self._reader.setup, self._reader.skew_ms
        by_hand = words.TimeSetup(text.MANUAL, setup.zone, setup.daylight_saving)
        true_ms = self._clock.now_ms() + (0 if self._clock.trusted() else skew_ms or 0)
        if mode == text.MANUAL:
            await self._set_time(by_hand, true_ms)
            return
        if self._clock.trusted() and skew_ms is not None and abs(skew_ms) > text.NEAR_MS:
            await self._set_time(by_hand, true_ms)
        await self._set_time(words.TimeSetup(text.NTP, setup.zone, setup.daylight_saving), None)

    async def _set_time(self, setup: words.TimeSetup, utc_ms: int | None) -> None:
        await self._desk.device("SetSystemDateAndTime", words.set_time(setup, utc_ms))
        await self._desk.run(lambda client: client.read_clock())  # the next login is signed with the new time

    async def _set_smart(self, on: bool) -> None:
        await self._reader.by_maker(lambda switch, fetch: switch.write(fetch, on))

    async def _set_audio(self, wanted: Mapping[str, str]) -> None:
        reader = self._reader
        await reader.audio()
        for role, profile in (await reader.profiles()).items():
            old, new = reader.sounds.get(role, ""), wanted.get(role, "")
            if old != new:
                await self._desk.run(partial(_sound, profile=profile, encoder=new))

    async def _set_label(self, label: str, date: bool) -> str:
        """Draw the label; where the camera's font or parser has no Vietnamese, without its marks.

        Returns what is read back; "" after a second try, which has to be looked at.
        """
        plain = text.ascii_label(label)
        try:
            await self._draw(label, date)
        except CameraBadReply:
            if plain == label:
                raise
        now = (await self._reader.label())["osd.label"]
        if not text.agrees("osd.label", now, text.label_text(label, date)):
            await self._draw(plain, date)
            return ""
        return now

    async def _draw(self, label: str, date: bool) -> None:
        reader = self._reader
        await reader.label()
        media2 = reader.osds_by_media2
        for order in drawings.label_orders(reader.osds, await reader.source_configuration(), label, date):
            await self._desk.run(partial(_draw, order=order, media2=media2))

    async def _set_masks(self, wanted: tuple[tuple[Point, ...], ...]) -> None:
        reader = self._reader
        await reader.mask()
        source, options = await reader.source_configuration(), await reader.mask_options()
        for order in drawings.mask_orders(reader.masks, source, wanted, options):
            await self._desk.run(partial(_hide, order=order))

    async def _make_encoder(self, members: list[Change]) -> tuple[list[Outcome], bool]:
        """Set parts of one encoder; returns what became of each, and whether the camera refused the order."""
        role = _encoder_or_key(members[0])
        parts = {change.setting.partition(".")[2]: change.after for change in members}
        try:
            told, refused = await self._set_encoder(role, parts)
        except CameraError as error:
            try:
                told = await self._reader.streams()
            except CameraError:
                told = {change.setting: change.before for change in members}
            return [_after_error(change, told.get(change.setting, ""), error) for change in members], False
        made = [_judged(change, told.get(change.setting, "")) for change in members]
        if refused is not None:
            made = [
                item if item.applied else Outcome(item.change, applied=False, now=item.now, why=refused.code)
                for item in made
            ]
        return made, refused is not None and not all(item.applied for item in made)

    async def _set_encoder(
        self, role: str, parts: Mapping[str, str]
    ) -> tuple[Mapping[str, str], CameraBadReply | CameraUnsupported | None]:
        """Order the parts by one media service, then by the other; returns what is read back."""
        told = await self._reader.streams()
        refused: CameraBadReply | CameraUnsupported | None = None
        for media2 in await self._services_for(role, parts):
            try:
                await self._order_encoder(role, parts, media2=media2)
            except (CameraBadReply, CameraUnsupported) as error:
                refused = error
                continue
            refused, told = None, await self._reader.streams()
            if all(agrees(f"{role}.{part}", told.get(f"{role}.{part}", ""), want) for part, want in parts.items()):
                break
        return told, refused

    async def _order_encoder(self, role: str, parts: Mapping[str, str], *, media2: bool) -> None:
        encoder = self._reader.encoders.get(role)
        if encoder is not None and not media2 and (await self._reader.profiles())[role].media2:
            older = await self._reader.listed_encoders(media2=False)
            encoder = next((item for item in older if item.token == encoder.token), None)
        if encoder is None:
            raise CameraUnsupported("the camera shows no such encoder", stream=role)
        wanted = encoders.with_parts(encoder, parts)
        await self._desk.run(lambda client: service_of(client, media2=media2).set_video_encoder(wanted))

    async def _services_for(self, role: str, parts: Mapping[str, str]) -> list[bool]:
        """Return which services to try: the one that shows the encoder, then Media1 if that can say what is wanted."""
        profile = (await self._reader.profiles()).get(role)
        if profile is None:
            raise CameraUnsupported("the camera has no such stream", stream=role)
        if not profile.media2:
            return [False]
        known = await self._desk.run(lambda client: client.services())
        older = soap.MEDIA_NS in known and parts.get("codec", Codec.H264) == Codec.H264
        return [True, False] if older else [True]


def _sound(client: OnvifClient, profile: rules.Profile, encoder: str) -> None:
    media = service_of(client, media2=profile.media2)
    if encoder:
        media.add_audio(profile.token, encoder)
    else:
        media.remove_audio(profile.token)


def _draw(client: OnvifClient, order: drawings.Order[types.Osd], *, media2: bool) -> None:
    media = service_of(client, media2=media2)
    match order.act:
        case drawings.Act.CREATE:
            media.create_osd(order.drawing)
        case drawings.Act.SET:
            media.set_osd(order.drawing)
        case drawings.Act.DELETE:
            media.delete_osd(order.drawing.token)


def _hide(client: OnvifClient, order: drawings.Order[types.Mask]) -> None:
    media = client.media2()
    if order.act is drawings.Act.DELETE:
        media.delete_mask(order.drawing.token)
    else:
        media.create_mask(order.drawing)


def _read(read: Callable[[str], T], wanted: str) -> T:
    """Read a text; one that is no value of its setting (a camera had told none) cannot be set."""
    try:
        return read(wanted)
    except ValueError as error:
        raise CameraUnsupported("the setting cannot have this value", value=wanted) from error


def _encoder_or_key(change: Change) -> str:
    """Return `main` or `sub` for a part of an encoder, else the setting itself."""
    role = change.setting.partition(".")[0]
    return role if role in ROLES else change.setting


def _after_error(change: Change, now: str, error: CameraError) -> Outcome:
    """Judge by a second look: an answer that was lost does not mean that nothing happened."""
    if agrees(change.setting, now, change.after):
        return Outcome(change, applied=True, now=now)
    return Outcome(change, applied=False, now=now, why=str(error.fields.get("why", error.code)))


def _judged(change: Change, now: str) -> Outcome:
    if agrees(change.setting, now, change.after):
        return Outcome(change, applied=True, now=now)
    return Outcome(change, applied=False, now=now, why=Why.IGNORED if now == change.before else Why.OTHER)
