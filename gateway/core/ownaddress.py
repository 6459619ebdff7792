"""How this box is called and reached: its names, and the address that people open.

Owns both. Invariant: the first name is one that other machines of the network can ask for; plain HTTP is named only
where it is spoken, on loopback.
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


def web_url(config: Config, names: Sequence[str]) -> str:
    """Return the address printed on slips."""
    if config.web.insecure_loopback:
        return f"http://{config.web.listen}:{config.web.port}"
    port = "" if config.web.port == 443 else f":{config.web.port}"
    return f"https://{names[0]}{port}"


def addresses_of(config: Config, names: Sequence[str]) -> list[str]:
    """Return every address under which people of the network may open the box, the one that is printed first."""
    first, rest = web_url(config, names), names[1:]
    if config.web.insecure_loopback:
        return [first]
    reached = [name for name in rest if _is_reached(name)]
    return [first, *(web_url(config, [name]) for name in reached)]


def _is_reached(name: str) -> bool:
    """Say whether a name is an address that another machine can speak to; a bare host name is not known to it."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_link_local or address.is_unspecified)
