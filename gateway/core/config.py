"""`config.toml`: what an installer may keep in version control; no secrets.

Owns the models, the loader and its messages. Invariants: every model is frozen and refuses unknown
keys; an error names the key, the value and the remedy (ConfigError); `config.example.toml` shows every
key with its default and a comment (tests compare it with these models).
"""

from __future__ import annotations

import datetime as dt
import difflib
import ipaddress
import os
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, Field, ValidationError, field_validator, model_validator

from gateway.core.config_ice import IceKeys
from gateway.core.config_retention import Retention, RetentionRule
from gateway.core.config_retention import Section as _Section
from gateway.core.errors import ConfigError

GIB = 1 << 30
MOST_SOCKET_PATH_BYTES = 107
"""unix(7): `sun_path` less its zero byte."""
MOST_LEASES = 1_000
"""Addresses the box gives out: a school has tens of cameras."""
Port = Annotated[int, Field(ge=0, le=65_535)]


def _address(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError as error:
        raise ValueError('is no IP address; use "0.0.0.0" for all of this machine\'s') from error
    return value


Address = Annotated[str, AfterValidator(_address)]


def _plain_http_stays(listen: str, *, insecure: bool) -> None:
    if insecure and not ipaddress.ip_address(listen).is_loopback:
        raise ValueError('insecure_loopback needs listen = "127.0.0.1": plain HTTP never leaves the machine')


class Site(_Section):
    """The school site this box stands in."""

    name: str = "Trường Mầm non"
    code: str = ""
    timezone: str = "Asia/Ho_Chi_Minh"
    language: Literal["vi", "en"] = "vi"

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("is no time zone; use a name such as Asia/Ho_Chi_Minh") from error
        return value


class Paths(_Section):
    """Where state and sockets live."""

    state: Path = Path("/var/lib/vuon")
    run: Path = Path("/run/vuon")

    @property
    def keys(self) -> Path:
        """Folder of the box's keys."""
        return self.state / "keys"

    @property
    def grant_key(self) -> Path:
        """The gateway's signing key; others read the `.pub` beside it."""
        return self.keys / "gateway.key"

    @field_validator("run")
    @classmethod
    def _sockets_fit(cls, value: Path) -> Path:
        if len(os.fsencode(value / "recorder.sock")) > MOST_SOCKET_PATH_BYTES:
            raise ValueError("is too long a path for unix sockets; use /run/vuon")
        return value

    def database(self, owner: str) -> Path:
        """Return the path of a daemon's database: cameras, gateway or hub."""
        return self.state / f"{owner}.db"

    def socket(self, daemon: str) -> Path:
        """Return the path of a daemon's socket: recorder, live, gateway, hub or feed."""
        return self.run / f"{daemon}.sock"


class Volume(_Section):
    """One disk for footage."""

    path: Path
    min_free_bytes: int = Field(default=2 * GIB, ge=0)
    create: bool = False


class Recording(_Section):
    """How footage is written."""

    segment_s: int = Field(default=60, ge=5, le=600)
    sync_s: float = Field(default=5.0, ge=0.5, le=60)
    sub_streams: bool = True
    encrypt: bool = True
    unlock: Literal["box", "passphrase"] = "box"
    school_day: str = "06:30-17:30"

    @field_validator("school_day")
    @classmethod
    def _is_day(cls, value: str) -> str:
        _hours(value)
        return value

    @property
    def school_hours(self) -> tuple[dt.time, dt.time]:
        """When a school day begins and ends, by the clock of the site's zone."""
        return _hours(self.school_day)


def _hours(text: str) -> tuple[dt.time, dt.time]:
    first, _, last = text.partition("-")
    try:
        opens, closes = (dt.datetime.strptime(part, "%H:%M").time() for part in (first, last))  # noqa: DTZ007 - no date
    except ValueError as error:
        raise ValueError("is no school day; write it as 06:30-17:30") from error
    if opens >= closes:
        raise ValueError("ends before it begins; write it as 06:30-17:30")
    return opens, closes


class Cameras(_Section):
    """How cameras are found and reached."""

    interfaces: tuple[str, ...] = ()
    loopback: bool = False
    discovery_s: float = Field(default=4.0, ge=1, le=60)
    max_logins: int = Field(default=4, ge=1, le=32)
    max_connects_per_s: int = Field(default=10, ge=1, le=100)
    away_s: float = Field(default=60.0, ge=2, le=3600)
    search_every_s: float = Field(default=300.0, ge=2, le=86_400)
    events: bool = True
    max_calls_per_s: float = Field(default=1.0, ge=0.1, le=50)
    ntp_server: str = Field(default="", max_length=253)
    files: str = ""
    """Folder of films that may be played as cameras (`file:NAME.mp4`); empty = none."""
    serve_time: bool = True
    time_port: Port = 123


class CameraLan(_Section):
    """A network of cameras alone, where the box gives the addresses; empty = it gives none."""

    interface: str = Field(default="", max_length=15)
    range: str = ""

    @field_validator("range")
    @classmethod
    def _is_range(cls, value: str) -> str:
        if value:
            _addresses(value)
        return value

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if bool(self.interface) != bool(self.range):
            raise ValueError("interface and range belong together; set both, or neither")
        return self

    @property
    def addresses(self) -> tuple[ipaddress.IPv4Address, ipaddress.IPv4Address]:
        """The first and the last address that may be given; ValueError without a range."""
        return _addresses(self.range)


def _addresses(text: str) -> tuple[ipaddress.IPv4Address, ipaddress.IPv4Address]:
    first, dash, last = text.partition("-")
    try:
        pair = ipaddress.IPv4Address(first.strip()), ipaddress.IPv4Address(last.strip())
    except ValueError as error:
        raise ValueError("is no range; write it as 192.168.10.100-192.168.10.199") from error
    if not dash or not 0 <= int(pair[1]) - int(pair[0]) < MOST_LEASES or not pair[0].is_private:
        raise ValueError(f"is no range of 1 to {MOST_LEASES} private addresses, the lower one first")
    return pair


class Vision(_Section):
    """The child process that decodes key frames."""

    enabled: bool = True
    sandbox: bool = True


class Live(IceKeys):
    """WebRTC."""

    addresses: tuple[str, ...] = ()
    allow_loopback: bool = False
    max_viewers: int = Field(default=100, ge=2, le=2000)
    uplink_bps: int = Field(default=0, ge=0)
    max_transcodes: int = Field(default=4, ge=0, le=64)

    @field_validator("addresses")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            try:
                ipaddress.ip_address(item)
            except ValueError as error:
                raise ValueError(f"{item!r} is no IP address of this box") from error
        return value


class Web(_Section):
    """The box's own pages."""

    listen: Address = "0.0.0.0"  # noqa: S104 - the school's network; who may see what is decided by the policy
    port: Port = 443
    names: tuple[str, ...] = ()
    insecure_loopback: bool = False
    metrics_local: bool = False

    @model_validator(mode="after")
    def _plain_http_on_loopback_only(self) -> Self:
        _plain_http_stays(self.listen, insecure=self.insecure_loopback)
        return self


class Access(_Section):
    """Codes and slips."""

    code_minutes: int = Field(default=30, ge=1, le=24 * 60)
    slip_days: int = Field(default=7, ge=1, le=30)
    on_withdrawal: Literal["pause_class", "ask_principal"] = "pause_class"
    """What a family's withdrawal of consent to viewing does to its class until the principal has decided."""


class ClockRules(_Section):
    """When wall time may decide about deletion and viewing windows."""

    require_ntp: bool = True


class Upstream(_Section):
    """The hub; empty `url` = the school stands alone."""

    url: str = ""
    claim: str = ""
    ca_file: str = ""
    """PEM of the hub's own authority; empty = one the system trusts."""
    batch: int = Field(default=500, ge=1, le=2000)
    flush_s: float = Field(default=2.0, ge=0.1, le=300)
    keep_acked_days: int = Field(default=30, ge=1, le=365)

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parts = urlsplit(value)
        plain = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "127.0.0.2")
        if value and not (parts.hostname and parts.username is None and (parts.scheme == "https" or plain)):
            raise ValueError("must begin with https:// (plain HTTP only to 127.0.0.1 or 127.0.0.2)")
        return value.rstrip("/")


class Hub(_Section):
    """Role `hub` only: the authority's side."""

    name: str = "Phòng Văn hóa - Xã hội"
    listen: Address = "127.0.0.1"
    port: Port = 8443
    names: tuple[str, ...] = ()
    insecure_loopback: bool = False

    @model_validator(mode="after")
    def _plain_http_on_loopback_only(self) -> Self:
        _plain_http_stays(self.listen, insecure=self.insecure_loopback)
        return self


class Log(_Section):
    """How much is written."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(_Section):
    """The whole of config.toml."""

    site: Site = Site()
    paths: Paths = Paths()
    volumes: tuple[Volume, ...] = ()
    recording: Recording = Recording()
    retention: Retention = Retention()
    cameras: Cameras = Cameras()
    camera_lan: CameraLan = CameraLan()
    vision: Vision = Vision()
    live: Live = Live()
    web: Web = Web()
    access: Access = Access()
    clock: ClockRules = ClockRules()
    upstream: Upstream = Upstream()
    hub: Hub = Hub()
    log: Log = Log()

    @field_validator("volumes")
    @classmethod
    def _each_disk_once(cls, value: tuple[Volume, ...]) -> tuple[Volume, ...]:
        paths = [os.path.normpath(item.path) for item in value]
        twice = [path for path in paths if paths.count(path) > 1]
        if twice:
            raise ValueError(f"{twice[0]} stands there twice; a disk is written by one")
        return value


def known_keys() -> list[str]:
    """Return every key as `section.key`, in the order of the models."""
    keys: list[str] = []
    for section, field in Config.model_fields.items():
        model = Volume if section == "volumes" else field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            keys.extend(f"{section}.{key}" for key in model.model_fields)
    return keys


def parse_config(text: str, source: str = "config.toml") -> Config:
    """Return the configuration in TOML `text`; ConfigError names key, value and remedy."""
    try:
        return Config.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{source} is no TOML: {error}",
            case="no_toml",
            key=source,
            value="",
            why=str(error),
            remedy="fix that line",
        ) from error
    except ValidationError as error:
        raise _explain(error, source) from error


def load_config(path: Path) -> Config:
    """Read and check a configuration file; ConfigError if it is missing or wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}",
            case="new_box" if isinstance(error, FileNotFoundError) else "no_config",
            key=str(path),
            value="",
            why=str(error.strerror),
            remedy="name the file with --config",
        ) from error
    return parse_config(text, str(path))


def _explain(error: ValidationError, source: str) -> ConfigError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    value = first.get("input")
    if first["type"] == "extra_forbidden":
        section = ".".join(str(part) for part in first["loc"][:-1] if not isinstance(part, int))
        rules = [f"retention.rules.{key}" for key in RetentionRule.model_fields]
        known = [*known_keys(), *rules]
        candidates = [item.removeprefix(f"{section}.") for item in known if item.startswith(f"{section}.")]
        close = difflib.get_close_matches(str(first["loc"][-1]), candidates or list(Config.model_fields), n=1)
        remedy = f"did you mean {close[0]}?" if close else "remove it, or see config.example.toml"
        fields = {"case": "near_key", "close": close[0]} if close else {"case": "unknown_key"}
        return ConfigError(
            f"{source}: unknown key {key}", key=key, value=str(value), source=source, remedy=remedy, **fields
        )
    reason = first["msg"].removeprefix("Value error, ")
    return ConfigError(f"{source}: {key} = {value!r}: {reason}", key=key, value=str(value), remedy=reason)
