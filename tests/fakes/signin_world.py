"""A school whose staff sign in by password: hashing is counted and quick, everything else is the real thing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from gateway.access.accounts import Accounts
from gateway.access.audit import CONSOLE, Actor
from gateway.access.hashing.client import Verdict
from gateway.access.signin import Browser, Entered, SecondWanted, SignIns
from gateway.core.errors import LoginBusy, LoginRefused
from gateway.core.model import PublicId, Role, Secret
from tests.fakes.access_world import World, school

PASSWORD = "cây bàng trước cổng"
HOME = "192.168.1.20"
AWAY = "203.0.113.9"


@dataclass
class FakeHasher:
    """Implements `Hashing`: a hash is the text behind a mark."""

    lanes: list[str] = field(default_factory=list)
    """Whose turn each hash was."""
    busy: bool = False
    mark: str = "now"
    """Cost of today."""

    async def verify(self, kept: str, password: str, *, lane: str = "") -> Verdict:
        if self.busy:
            raise LoginBusy("full", retry_after_s=2)
        self.lanes.append(lane)
        mark, _, text = kept.partition(":")
        return Verdict(text == password, mark == self.mark)

    async def hash(self, password: str, *, lane: str = "") -> str:
        self.lanes.append(lane)
        return f"{self.mark}:{password}"


@dataclass
class Staff:
    """The school, its accounts, and what was hashed."""

    world: World
    accounts: Accounts
    signins: SignIns
    hasher: FakeHasher
    teacher: PublicId

    def actor(self, entered: Entered) -> Actor:
        session = entered.signed_in.session
        return Actor(session.person, session.id)

    async def by_code(self, person: PublicId, *, address: str = HOME, mark: Secret | None = None) -> Entered:
        code = await self.world.access.codes.create(CONSOLE, person)
        done = await self.signins.by_code(code.text.reveal(), Browser(address, "Chrome · Windows", mark))
        assert isinstance(done, Entered)
        return done

    async def with_password(self, person: PublicId, password: str = PASSWORD) -> str:
        """Give a person a password the way people get one; returns the sign-in name."""
        entered = await self.by_code(person)
        await self.signins.choose_password(self.actor(entered), "", password, HOME)
        account = self.accounts.of(person)
        assert account is not None
        return account.name

    async def enter(
        self, name: str, password: str = PASSWORD, *, address: str = HOME, mark: Secret | None = None
    ) -> Entered:
        done = await self.signins.by_password(name, password, Browser(address, "Chrome", mark))
        assert isinstance(done, Entered)
        return done

    async def half(self, name: str, password: str = PASSWORD, *, address: str = HOME) -> Secret:
        done = await self.signins.by_password(name, password, Browser(address, "Chrome"))
        assert isinstance(done, SecondWanted)
        return done.half

    async def refused(self, name: str, password: str, *, address: str = HOME, mark: Secret | None = None) -> str:
        try:
            await self.signins.by_password(name, password, Browser(address, "Chrome", mark))
        except LoginRefused as error:
            return str(error.fields["reason"])
        return "entered"

    def digits(self, secret: Secret, *, later_s: int = 0) -> str:
        """What an authenticator app shows."""
        import base64

        totp = TOTP(base64.b32decode(secret.reveal()), 6, SHA1(), 30)
        return totp.generate(self.world.clock.now_ms() // 1000 + later_s).decode()

    async def enrol(self, actor: Actor) -> tuple[Secret, list[str]]:
        """Switch a second factor on."""
        secret, _ = await self.signins.begin_second(actor)
        return secret, await self.signins.finish_second(actor, self.digits(secret))


@asynccontextmanager
async def staff_room(folder: Path) -> AsyncIterator[Staff]:
    """Open the school."""
    async with school(folder) as world:
        access = world.access
        access.store.stale = access.logins.stale
        accounts, hasher = Accounts(access.store), FakeHasher()
        await accounts.load()
        signins = SignIns(access.store, access.logins, access.codes, accounts, hasher, site="Trường Mầm non Hoa Sen")
        teacher = await access.people.add(CONSOLE, Role.TEACHER, "Cô Nguyễn Thị Hạnh")
        yield Staff(world, accounts, signins, hasher, teacher)
