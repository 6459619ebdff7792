"""What the pages may use, put together from the gateway's parts.

Owns the one `Services` of the gateway. Invariants: pages get narrow ports and never a part of access itself.
"""

from __future__ import annotations

from gateway.access.opengrants import OpenGrants
from gateway.access.playbacks import Playbacks
from gateway.core.model import PublicId
from gateway.roofs import web_ports
from gateway.roofs.access_parts import Access, Base
from gateway.roofs.export_port import CopyPort, HoldPort
from gateway.roofs.footage_desk import FootageDesk
from gateway.roofs.live_port import MediaDoor
from gateway.roofs.metrics_port import MetricsPort
from gateway.roofs.observe_port import ObservePort
from gateway.roofs.people_port import ports_of
from gateway.roofs.playback_port import PlaybackPort
from gateway.roofs.slip_port import InvitePort, SlipPort
from gateway.roofs.waits_port import WaitsPort
from gateway.roofs.web_lists import ListedRights
from web.services import Services, SiteFacts


def web_services(
    base: Base,
    parts: Access,
    opened: OpenGrants,
    hosts: frozenset[str],
    media: MediaDoor,
    footage: FootageDesk,
    metrics: MetricsPort,
    invites: InvitePort,
) -> Services:
    """Return what the pages may use."""
    site = base.config.site
    logins = web_ports.LoginPort(parts.logins, parts.devices, parts.players, parts.names)
    return Services(
        logins=logins,
        accounts=parts.signin.port(parts.names),
        rights=ListedRights(base.store, parts.grants, parts.names),
        live=(live := web_ports.LivePort(opened, base.live, parts.names, media.state, base.relays.for_viewer)),
        sharing=web_ports.SharingPort(base.store, parts.sharing),
        changes=web_ports.ChangesPort(base.bus),
        recorder=web_ports.RecorderDoor(base.recorder, base.key, parts.grants.might_see),
        holds=HoldPort(parts.copying, parts.names),
        copies=CopyPort(parts.copying, parts.grants, base.recorder, base.key, parts.names),
        keys=web_ports.KeyPort(footage),
        metrics=metrics,
        rooms=parts.rooms.services(live.watching),
        **ports_of(parts.roster),
        ledger=parts.audit.ledger,
        consents=parts.consents,
        slips=SlipPort(parts.slips, parts.devices, parts.logins, parts.names, base.bus, logins.signed_in, base.store),
        invites=invites,
        why=parts.why,
        observe=ObservePort(base.store, parts.observing, parts.passes, parts.names, lambda: parts.rooms.web_url),
        waits=WaitsPort(base.store),
        playback=PlaybackPort(Playbacks(base.store, parts.grants, base.key), base.recorder, base.clock),
        clock=base.clock,
        site=SiteFacts(site.name, PublicId("box"), site.timezone, site.language),
        hosts=hosts,
        secure=not base.config.web.insecure_loopback,
        metrics_local=base.config.web.metrics_local,
    )
