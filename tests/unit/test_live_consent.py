"""Consent checks as bytes, against aioice's own reading and writing of them."""

from __future__ import annotations

import asyncio
from typing import Self

import aioice.stun
import pytest
from aioice.candidate import Candidate
from aioice.ice import CandidatePair
from hypothesis import given
from hypothesis import strategies as st

from gateway.live import consent, ice
from gateway.live.ice import AddressRules, HardConnection
from gateway.live.icesocket import HardStun
from gateway.live.stun import well_formed

PASSWORD = b"p" * 22


def check(password: bytes, *, controlled: bool = False) -> bytes:
    message = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.REQUEST)
    message.attributes["USERNAME"] = "us:them"
    message.attributes["PRIORITY"] = 5
    message.attributes["ICE-CONTROLLED" if controlled else "ICE-CONTROLLING"] = 7
    message.add_message_integrity(password)
    return bytes(message)


@pytest.mark.parametrize("source", [("192.0.2.7", 5000), ("2001:db8::7", 443)])
def test_our_answer_is_a_binding_response(source: tuple[str, int]) -> None:
    """Aioice finds the address, the signature and the fingerprint right, and the transaction the same."""
    asked = check(PASSWORD)
    data = consent.response(asked, source, PASSWORD)
    assert well_formed(data)
    read = aioice.stun.parse_message(data)
    assert read.message_class == aioice.stun.Class.RESPONSE
    assert read.transaction_id == consent.transaction(asked)
    assert read.attributes["XOR-MAPPED-ADDRESS"] == source
    assert read.check_message_integrity(PASSWORD)


@given(st.floats(0, 1e7), st.floats(0, 1, exclude_max=True))
def test_checks_are_spread_over_a_few_moments_in_which_many_fall_together(now_s: float, spread: float) -> None:
    """Within four to six fifths of the interval (RFC 7675 §5.1), on whole seconds."""
    wait_s = consent.wait_s(5.0, now_s, spread)
    assert 4.0 - 1e-6 <= wait_s <= 6.0 + 1e-6
    assert abs((now_s + wait_s) - round(now_s + wait_s)) < 1e-6


def test_our_request_is_a_signed_binding_request() -> None:
    """Aioice reads it as a check of the controlled side."""
    data = consent.request(b"t" * 12, "them:us", 1_862_270_975, 1 << 60, PASSWORD)
    assert well_formed(data)
    read = aioice.stun.parse_message(data)
    assert (read.attributes["USERNAME"], read.attributes["PRIORITY"]) == ("them:us", 1_862_270_975)
    assert read.attributes["ICE-CONTROLLED"] == 1 << 60
    assert read.check_message_integrity(PASSWORD)
    assert consent.says_controlled(data)


def test_only_the_password_s_owner_is_believed() -> None:
    """Another password, no signature at all, a changed byte: none is signed."""
    asked = check(PASSWORD)
    assert consent.is_signed(asked, PASSWORD)
    assert not consent.is_signed(asked, b"q" * 22)
    assert not consent.is_signed(asked[:21] + bytes([asked[21] ^ 1]) + asked[22:], PASSWORD)
    bare = bytes(aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.REQUEST))
    assert not consent.is_signed(bare, PASSWORD)


class Scene:
    """An ICE agent with one nominated pair to a viewer that is a plain socket."""

    def __init__(self) -> None:
        self.connection = HardConnection(["127.0.0.1"], AddressRules(allow_loopback=True))
        self.arrived: list[bytes] = []

    async def __aenter__(self) -> Self:
        scene = self

        class Other(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: object) -> None:
                scene.arrived.append(data)

        self.transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            Other, local_addr=("127.0.0.1", 0)
        )
        self.viewer: tuple[str, int] = self.transport.get_extra_info("sockname")
        await self.connection.gather_candidates()
        self.connection.remote_username, self.connection.remote_password = "them", PASSWORD.decode()
        (self.socket,) = self.connection._protocols
        assert isinstance(self.socket, HardStun)
        host, port = self.viewer
        remote = Candidate("1", 1, "udp", 5, host, port, "host")
        self.connection._nominated[1] = CandidatePair(self.socket, remote)
        self.connection._proofs.answer((self.socket.id, *self.viewer))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.transport.close()
        await self.connection.close()

    async def answer_to(self, data: bytes, source: tuple[str, int] | None = None) -> list[bytes]:
        self.arrived.clear()
        self.socket.datagram_received(data, source or self.viewer)
        await asyncio.sleep(0.05)
        return list(self.arrived)


def test_a_check_of_the_nominated_pair_is_answered() -> None:
    """Signed with our password, from where media goes: a response; with another: nothing at all."""

    async def body() -> None:
        async with Scene() as scene:
            own = scene.connection.local_password.encode()
            (answer,) = await scene.answer_to(check(own))
            assert aioice.stun.parse_message(answer).message_class == aioice.stun.Class.RESPONSE
            assert await scene.answer_to(check(b"q" * 22)) == []

    asyncio.run(body())


@pytest.mark.parametrize("answers", ["rightly", "unsigned", "not at all"])
def test_consent_is_lost_by_silence_and_by_forged_answers(monkeypatch: pytest.MonkeyPatch, answers: str) -> None:
    """Only signed answers from the pair's own address renew consent; without them the path is gone and media with it."""
    monkeypatch.setattr(ice, "CONSENT_S", 0.02)

    async def body() -> None:
        async with Scene() as scene:
            task = asyncio.create_task(scene.connection.query_consent())
            for _ in range(40):
                await asyncio.sleep(0.01)
                asked = [data for data in scene.arrived if data[:2] == consent.REQUEST]
                scene.arrived.clear()
                for data in asked:
                    secret = PASSWORD if answers == "rightly" else b"x" * 22
                    if answers != "not at all":
                        scene.socket.datagram_received(consent.response(data, scene.viewer, secret), scene.viewer)
                if not scene.connection._nominated:
                    break
            assert bool(scene.connection._nominated) is (answers == "rightly")
            if answers == "rightly":
                task.cancel()
            else:
                await task  # it closes the connection itself

    asyncio.run(body())
