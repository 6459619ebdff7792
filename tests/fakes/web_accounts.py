"""Accounts as the pages see them: passwords in memory, a second factor that is always 123456."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.access.passwords import clean_password
from gateway.core.errors import BadInput, CodeRefused, Denied, LoginRefused, NotFound
from gateway.core.model import PublicId, Role, Secret
from web.caller import Caller, Peer, SignedIn
from web.signin_services import AccountFacts, Entered, FreshCode, Halfway, SessionRow, StaffRow

if TYPE_CHECKING:
    from tests.fakes.web_services import FakeBox

DIGITS = "123456"
RECOVERY = ["aaaa-bbbb-cccc-dddd", "eeee-ffff-gggg-hhhh"]
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@dataclass
class FakeAccount:
    """One person's."""

    caller: Caller
    name: str
    password: str = ""
    second: bool = False


@dataclass
class FakeAccounts:
    """Implements `AccountDoor`; tests set the fields."""

    box: FakeBox
    by_name: dict[str, FakeAccount] = field(default_factory=dict)
    rows: dict[PublicId, list[SessionRow]] = field(default_factory=dict)
    must: set[PublicId] = field(default_factory=set)
    old: set[str] = field(default_factory=set)
    """Devices whose login is not fresh."""
    error: Exception | None = None
    marks: list[str] = field(default_factory=list)
    over: dict[str, PublicId] = field(default_factory=dict)
    """Tokens of logins that grew old, and whose they were."""
    sealed: list[tuple[PublicId, str, str]] = field(default_factory=list)

    def add(self, caller: Caller, name: str, password: str = "", *, second: bool = False) -> FakeAccount:
        self.by_name[name] = FakeAccount(caller, name, password, second)
        return self.by_name[name]

    def of(self, person: PublicId) -> FakeAccount | None:
        return next((item for item in self.by_name.values() if item.caller.person == person), None)

    def any_password(self) -> bool:
        return any(item.password for item in self.by_name.values())

    def may_have(self, caller: Caller) -> bool:
        return caller.role not in {Role.GUARDIAN, Role.OBSERVER}

    def must_set(self, caller: Caller) -> bool:
        return caller.person in self.must

    def stale(self, caller: Caller) -> bool:
        return caller.device in self.old

    async def by_password(self, name: str, password: Secret, peer: Peer, mark: Secret | None) -> Entered | Halfway:
        self.box.calls.append(f"by_password from {peer.address}")
        self.marks.append(mark.reveal() if mark else "")
        if self.error is not None:
            raise self.error
        found = self.by_name.get(name)
        if found is None or not found.password or found.password != password.reveal():
            raise LoginRefused("no", reason="login.unknown")
        if found.second:
            return Halfway(Secret(f"half-{found.name}"))
        return Entered(self._signed_in(found.caller), Secret("mark"))

    async def by_code(self, code: Secret, peer: Peer, mark: Secret | None) -> Entered | Halfway:
        self.box.calls.append(f"by_code from {peer.address}")
        caller = self.box.codes.pop(code.reveal(), None)
        if caller is None:
            raise CodeRefused("no such code", reason="code.unknown")
        return Entered(self._signed_in(caller), Secret("mark"))

    async def second(self, half: Secret, typed: Secret, peer: Peer, mark: Secret | None) -> Entered:
        found = self.by_name.get(half.reveal().removeprefix("half-"))
        if found is None:
            raise LoginRefused("old", reason="session.expired")
        if typed.reveal() != DIGITS:
            raise LoginRefused("no", reason="login.second")
        return Entered(self._signed_in(found.caller), Secret("mark"))

    async def again(self, caller: Caller, password: Secret, typed: Secret, peer: Peer) -> SignedIn:
        self.box.calls.append(f"again by {caller.person}")
        found = self.of(caller.person)
        if found is None or not found.password:
            raise LoginRefused("none", reason="login.unset")
        if found.password != password.reveal():
            raise LoginRefused("no", reason="login.unknown")
        if found.second and typed.reveal() != DIGITS:
            raise LoginRefused("no", reason="login.second")
        self.old.discard(caller.device)
        return self._signed_in(caller)

    def past(self, token: Secret) -> PublicId | None:
        return self.over.get(token.reveal())

    def seal_form(self, person: PublicId, path: str, text: str) -> str:
        self.sealed.append((person, path, text))
        return f"sealed-{len(self.sealed) - 1}"

    def open_form(self, caller: Caller, sealed: str) -> tuple[str, str] | None:
        number = sealed.removeprefix("sealed-")
        if not number.isdigit() or int(number) >= len(self.sealed):
            return None
        person, path, text = self.sealed[int(number)]
        return (path, text) if person == caller.person else None

    def _signed_in(self, caller: Caller) -> SignedIn:
        token = f"fresh-{caller.person}"
        self.box.sessions[token] = caller
        return SignedIn(Secret(token), caller, self.box.clock.now_ms() + 12 * 3_600_000)

    async def facts(self, caller: Caller) -> AccountFacts:
        found = self.of(caller.person) or self.add(caller, f"nv{len(self.by_name)}")
        at_ms = self.box.clock.now_ms() if found.password else None
        must = caller.role is Role.PRINCIPAL
        return AccountFacts(found.name, at_ms, found.second, len(RECOVERY) if found.second else 0, must)

    async def choose_password(self, caller: Caller, current: Secret, new: Secret, peer: Peer) -> SignedIn:
        found = self.of(caller.person) or self.add(caller, "moi")
        if found.password and found.password != current.reveal():
            raise LoginRefused("no", reason="login.unknown")
        if not found.password and self.stale(caller):
            raise Denied("long after the code", reason="login.stale")
        found.password = clean_password(new.reveal(), names=("Trường Mầm non Hoa Sen", caller.name))
        self.must.discard(caller.person)
        return self._signed_in(caller)

    async def begin_second(self, caller: Caller) -> tuple[Secret, str]:
        return Secret(SECRET), f"otpauth://totp/x?secret={SECRET}"

    async def finish_second(self, caller: Caller, typed: Secret) -> Sequence[str]:
        if typed.reveal() != DIGITS:
            raise BadInput("no", key="code", case="second_digits")
        found = self.of(caller.person)
        assert found is not None
        found.second = True
        return RECOVERY

    async def drop_second(self, caller: Caller) -> None:
        if self.stale(caller):
            raise Denied("old", reason="login.stale")
        found = self.of(caller.person)
        assert found is not None
        found.second = False

    async def sessions(self, caller: Caller, person: PublicId) -> Sequence[SessionRow]:
        return self.rows.get(person, [])

    async def end(self, caller: Caller, session: PublicId) -> None:
        for person, rows in self.rows.items():
            if any(row.id == session for row in rows) and (person == caller.person or caller.role is Role.PRINCIPAL):
                self.box.calls.append(f"end {session} by {caller.person}")
                self.rows[person] = [row for row in rows if row.id != session]
                return
        raise NotFound("there is no such session")

    async def end_others(self, caller: Caller) -> int:
        rows = self.rows.get(caller.person, [])
        self.rows[caller.person] = [row for row in rows if row.here]
        return len(rows) - len(self.rows[caller.person])

    async def staff(self, caller: Caller) -> Sequence[StaffRow]:
        return [
            StaffRow(
                item.caller.person, item.caller.name, item.caller.role, item.name, bool(item.password), item.second,
                False, len(self.rows.get(item.caller.person, [])),
            )
            for item in self.by_name.values()
        ]  # fmt: skip

    async def rename(self, caller: Caller, person: PublicId, name: str) -> None:
        found = self.of(person)
        if found is None:
            raise NotFound("nobody")
        if name in self.by_name:
            raise BadInput("taken", key="name", case="sign_in_name_taken")
        del self.by_name[found.name]
        found.name = name
        self.by_name[name] = found

    async def reset(self, caller: Caller, person: PublicId) -> FreshCode:
        found = self.of(person)
        if found is None:
            raise NotFound("nobody")
        found.password = ""
        return FreshCode(Secret("abcd-efgh-jklm-npqr"), 30)
