"""Passwords that cameras leave the factory with.

Owns the table. Pure. Invariant: it is compared with the login that somebody gave us; no entry is ever sent
to a camera, because each guess counts towards its lock.
"""

from __future__ import annotations

from gateway.core.model import Login

_FACTORY = frozenset(
    {
        "", "0000", "000000", "1111", "1111111", "1234", "12345", "123456", "1234567", "12345678", "123456789",
        "1234567890", "4321", "54321", "654321", "666666", "888888", "9999", "admin", "admin123", "admin1234",
        "admin12345", "administrator", "abc123", "abc12345", "abcd1234", "default", "fliradmin", "hik12345",
        "hikvision", "ikwd", "jvc", "jvbzd", "meinsm", "pass", "password", "root", "service", "supervisor",
        "system", "tljwpbo6", "ubnt", "user", "wbox123", "xmhdipc", "xc3511",
    }
)  # fmt: skip
"""Makers' defaults of the last fifteen years and what installers here leave behind; in lower case."""


def is_factory(login: Login | None) -> bool:
    """Say whether anybody who has read a manual knows this login; a camera that asks for none counts too."""
    if login is None:
        return True
    password = login.password.reveal()
    return password.lower() in _FACTORY or password.lower() == login.username.lower()
