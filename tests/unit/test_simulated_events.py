"""Pull points: real queues, real ends, and what bad firmware does with them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from drivers.simulated.event_service import MOST_MESSAGES, duration_s
from drivers.simulated.farm import QUICK, Farm
from tests.fakes.simulated import PASSWORD, SoapAnswer
from tests.fakes.simulated import call as blocking_call

pytestmark = pytest.mark.anyio

PLAIN = replace(QUICK, discovery=False)


class Subscriber:
    """One client of a camera's events."""

    def __init__(self, farm: Farm) -> None:
        self.camera = farm.cameras[0]
        self.path = ""

    async def create(self, time: str = "PT60S") -> SoapAnswer:
        wish = f"<tev:InitialTerminationTime>{time}</tev:InitialTerminationTime>" if time else ""
        answer = await asyncio.to_thread(blocking_call, self.camera, "tev", "CreatePullPointSubscription", wish)
        if answer.status == 200:
            self.path = "/onvif" + answer.text("Address").partition("/onvif")[2]
        return answer

    async def at(self, prefix: str, operation: str, content: str = "") -> SoapAnswer:
        def run() -> SoapAnswer:
            return blocking_call(self.camera, prefix, operation, content, path=self.path)

        return await asyncio.to_thread(run)

    async def pull(self, timeout: str = "PT0S", limit: int = 10) -> SoapAnswer:
        content = f"<tev:Timeout>{timeout}</tev:Timeout><tev:MessageLimit>{limit}</tev:MessageLimit>"
        return await self.at("tev", "PullMessages", content)


def farm() -> Farm:
    return Farm(1, password=PASSWORD, options=PLAIN)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT60S", 60),
        ("PT1M30S", 90),
        ("PT2H", 7200),
        ("P1DT1S", 86_401),
        ("PT0.5S", 0.5),
        ("2026-01-01", None),
        ("", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    """xs:duration of days and less is read; anything else is none."""
    assert duration_s(text) == seconds


async def test_motion_arrives() -> None:
    """A motion event switched on at the camera is pulled with its topic, state and the camera's time with Z."""
    async with farm() as f:
        client = Subscriber(f)
        await client.create()
        await f.cameras[0].switch("motion", value=True)
        answer = await client.pull()
        assert answer.text("Topic") == "tns1:VideoSource/MotionAlarm"
        message = next(e for e in answer.element("Message").iter() if e.get("UtcTime"))
        assert str(message.get("UtcTime")).endswith("Z")
        assert message.get("PropertyOperation") == "Changed"
        assert [e.get("Value") for e in message.iter() if e.get("Name") == "State"] == ["true"]
        assert (await client.pull()).all("Topic") == []


async def test_a_waiting_pull_is_woken() -> None:
    """A pull that waits is answered by the event, not by its time-out."""
    async with farm() as f:
        client = Subscriber(f)
        await client.create()
        pulling = asyncio.create_task(client.pull("PT60S"))
        while f.cameras[0].counters.count("PullMessages") == 0:  # noqa: ASYNC110 - a socket sets no event of ours
            await asyncio.sleep(0.01)
        f.cameras[0].events.emit()
        assert (await pulling).all("Topic") == ["tns1:VideoSource/MotionAlarm"]


async def test_limit_and_bound() -> None:
    """A pull takes at most its limit; the queue keeps the newest and counts what it lost."""
    async with farm() as f:
        client = Subscriber(f)
        await client.create()
        for n in range(MOST_MESSAGES + 7):
            f.cameras[0].events.emit(value=str(n))
        answer = await client.pull(limit=3)
        assert [e.get("Value") for e in answer.element("Body").iter() if e.get("Name") == "State"] == ["7", "8", "9"]
        assert f.cameras[0].events.lost_messages == 7


async def test_places_are_few() -> None:
    """When all pull points are taken the next is refused; unsubscribing frees a place."""
    async with farm() as f:
        f.cameras[0].quirks.max_pull_points = 1
        first, second = Subscriber(f), Subscriber(f)
        assert (await first.create()).status == 200
        assert "ResourceUnknown" in (await second.create()).subcodes
        assert (await first.at("wsnt", "Unsubscribe")).status == 200
        assert (await second.create()).status == 200
        assert "ResourceUnknown" in (await first.pull()).subcodes


async def test_renew_and_expiry() -> None:
    """A subscription ends at its time and is gone then; renewing moves the end."""
    async with farm() as f:
        short, long = Subscriber(f), Subscriber(f)
        await short.create("PT1S")
        await long.create("PT1S")
        renewed = await long.at("wsnt", "Renew", "<wsnt:TerminationTime>PT120S</wsnt:TerminationTime>")
        assert renewed.text("TerminationTime").endswith("Z")
        while f.cameras[0].events.subscriptions == 2:  # noqa: ASYNC110 - time passes by itself
            await asyncio.sleep(0.02)
        assert (await long.pull()).status == 200
        assert (await short.pull()).status == 400


async def test_quirks_of_times() -> None:
    """Some cameras want a termination time, some only an absolute one, in their own clock."""
    async with farm() as f:
        quirks, client = f.cameras[0].quirks, Subscriber(f)
        quirks.needs_termination_time = True
        assert (await client.create("")).status == 500
        quirks.absolute_time_only = True
        assert "UnacceptableInitialTerminationTime" in (await client.create("PT60S")).subcodes
        at = datetime.now(UTC) + timedelta(seconds=90)
        assert (await client.create(at.strftime("%Y-%m-%dT%H:%M:%SZ"))).status == 200
        past = datetime.now(UTC) - timedelta(seconds=90)
        assert (await client.create(past.strftime("%Y-%m-%dT%H:%M:%SZ"))).status == 400
        assert (await client.create("soon")).status == 400


async def test_unsubscribe_can_end_all() -> None:
    """On some firmware one client's unsubscribe ends everybody's events."""
    async with farm() as f:
        f.cameras[0].quirks.unsubscribe_kills_all = True
        first, second = Subscriber(f), Subscriber(f)
        await first.create()
        await second.create()
        await first.at("wsnt", "Unsubscribe")
        assert f.cameras[0].events.subscriptions == 0


async def test_synchronization_point() -> None:
    """A synchronization point brings the present state of every property."""
    async with farm() as f:
        client = Subscriber(f)
        await client.create()
        assert (await client.at("tev", "SetSynchronizationPoint")).status == 200
        message = next(e for e in (await client.pull()).element("Message").iter() if e.get("PropertyOperation"))
        assert message.get("PropertyOperation") == "Initialized"
