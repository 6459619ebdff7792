"""How this box is called and reached: its names, and the address that people open.

Owns both. Invariants: whatever names this box (certificate, hosts, slips, what a terminal is told) takes the names
from `names_of`; of the machine's own names the first is one that other machines of the network can ask for; no address
is told that nobody listens on; plain HTTP is named only where it is spoken, on loopback.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

import ifaddr

from gateway.core.config import Config


def own_names() -> list[str]:
    """Return host name and addresses of this machine, for the certificate and the list of hosts."""
    addresses = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
    host = socket.gethostname().lower()
    return list(dict.fromkeys([f"{host}.local", host, *addresses]))


def names_of(given: Sequence[str]) -> list[str]:
    """Return what a box is called: as its configuration says (`web.names`), else as its machine is."""
    return [*given] or own_names()


def web_url(config: Config, names: Sequence[str]) -> str:
    """Return the address printed on slips."""
    if config.web.insecure_loopback:
        return f"http://{config.web.listen}:{config.web.port}"
    port = "" if config.web.port == 443 else f":{config.web.port}"
    return f"https://{names[0]}{port}"


def addresses_of(config: Config, names: Sequence[str]) -> list[str]:
    """Return every address under which people of the network may open the box, the one that is printed first.

    `names` are those of `names_of(config.web.names)`.
    """
    first, rest = web_url(config, names), names[1:]
    if config.web.insecure_loopback:
        return [first]
    if not config.web.names and ipaddress.ip_address(config.web.listen).is_loopback:  # no other machine gets in
        return [web_url(config, [config.web.listen])]
    reached = [name for name in rest if _is_reached(name, config.web.listen, given=bool(config.web.names))]
    return [first, *(web_url(config, [name]) for name in reached)]


def _is_reached(name: str, listen: str, *, given: bool) -> bool:
    """Say whether another machine can ask for a name: an address that is listened on, or a name somebody gave.

    A machine's bare host name is not known to others.
    """
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return given and name != "localhost"
    if address.is_loopback or address.is_link_local or address.is_unspecified:
        return False
    heard = ipaddress.ip_address(listen)
    return heard.is_unspecified or heard == address
