"""How staff sign in, for the control socket: list, name, reset, switch the second factor off.

Owns these four calls. Invariants: the console sets no password and learns none; the code that a reset gives is in that
answer alone; only here another person's second factor is switched off, and the audit says so.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.access.accounts import WITHOUT, Accounts
from gateway.access.audit import CONSOLE
from gateway.access.codes import Codes
from gateway.access.login import Logins
from gateway.access.people import People, PersonRow
from gateway.core.wire import Handler, Reply, Request
from gateway.roofs.lookup import only


class SignInCalls:
    """The calls; whoever may make them acts as the console."""

    def __init__(self, accounts: Accounts, people: People, logins: Logins, codes: Codes, code_minutes: int) -> None:
        self._accounts, self._people, self._logins, self._codes = accounts, people, logins, codes
        self._code_minutes = code_minutes

    def handlers(self) -> Mapping[str, Handler]:
        """Return the methods by name."""
        return {
            "signin.list": self._list,
            "signin.rename": self._rename,
            "signin.reset": self._reset,
            "signin.second.off": self._second_off,
        }

    async def _list(self, _request: Request) -> Reply:
        await self._accounts.fresh()
        rows = await self._staff()
        return Reply({"staff": [self._row(row) for row in rows]})

    def _row(self, row: PersonRow) -> dict[str, str | bool | int]:
        account = self._accounts.of(row.id)
        return {
            "id": row.id,
            "name": row.name,
            "role": row.role.value,
            "disabled": row.disabled,
            "sign_in": account.name if account else "",
            "password": account is not None and account.password_hash is not None,
            "second": account is not None and account.totp is not None,
            "sessions": len(self._logins.sessions(row.id)),
        }

    async def _rename(self, request: Request) -> Reply:
        row = await self._person(request)
        await self._accounts.rename(CONSOLE, row.id, request.text("sign_in"))
        account = self._accounts.of(row.id)
        return Reply({"name": row.name, "sign_in": account.name if account else ""})

    async def _reset(self, request: Request) -> Reply:
        row = await self._person(request)
        await self._accounts.reset(CONSOLE, row.id)
        await self._logins.end_person(CONSOLE, row.id)
        code = await self._codes.create(CONSOLE, row.id)
        return Reply({"name": row.name, "code": code.text.reveal(), "minutes": self._code_minutes})

    async def _second_off(self, request: Request) -> Reply:
        row = await self._person(request)
        account = self._accounts.of(row.id)
        had = account is not None and account.totp is not None
        if had:
            await self._accounts.drop_second(CONSOLE, row.id)
        return Reply({"name": row.name, "had": had})

    async def _staff(self) -> list[PersonRow]:
        return [row for row in await self._people.rows() if row.role not in WITHOUT]

    async def _person(self, request: Request) -> PersonRow:
        await self._accounts.fresh()
        rows = await self._staff()
        person = only(request.text("person"), [(row.id, row.name) for row in rows], "person")
        return next(row for row in rows if row.id == person)
