"""Everything about signing in by password, put together for the gateway.

Owns the building of accounts, flow and hashing process. Invariant: the gateway's roof keeps `hasher.run` running;
without it nobody signs in by password, and codes, slips and sessions go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.access.accounts import Accounts
from gateway.access.codes import Codes
from gateway.access.hashing.client import Hasher, command
from gateway.access.login import Logins
from gateway.access.people import People
from gateway.access.signin import SignIns
from gateway.access.store import FactStore
from gateway.core.config import Config
from gateway.core.wire import Handler
from gateway.roofs.control_signin import SignInCalls
from gateway.roofs.names import Names
from gateway.roofs.signin_port import AccountPort


@dataclass(slots=True)
class SignInRoom:
    """Its parts, and the doors to them."""

    store: FactStore
    logins: Logins
    codes: Codes
    accounts: Accounts
    signins: SignIns
    hasher: Hasher
    code_minutes: int

    def port(self, names: Names) -> AccountPort:
        """Return what the pages may do."""
        return AccountPort(
            self.store, self.logins, self.codes, self.accounts, self.signins, names, code_minutes=self.code_minutes
        )

    def handlers(self, people: People) -> Mapping[str, Handler]:
        """Return the calls of the control socket."""
        return SignInCalls(self.accounts, people, self.logins, self.codes, self.code_minutes).handlers()


async def signin_room(store: FactStore, logins: Logins, codes: Codes, config: Config) -> SignInRoom:
    """Build it and load the accounts; sensitive acts need a fresh login from here on."""
    store.stale = logins.stale
    accounts, hasher = Accounts(store), Hasher(command(sandbox=config.vision.sandbox))
    await accounts.load()
    signins = SignIns(store, logins, codes, accounts, hasher, site=config.site.name)
    return SignInRoom(store, logins, codes, accounts, signins, hasher, config.access.code_minutes)
