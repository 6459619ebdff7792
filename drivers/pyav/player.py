"""The second engine: FFmpeg, through PyAV, in a caged child behind a relay of ours.

Owns `PyavPlayer`, which plays as `RtspNetwork` does. Used only for a camera that a person, or the probe at
adoption, pinned to it; never chosen at run time, since a hostile camera must not choose the weaker engine.
Invariants: the camera is spoken to by the native client alone (login through the camera's gate, no
redirect, no other host, time-outs, bounds: one code for both engines); FFmpeg sees RTP packets and a
description that we wrote, after it was locked up; the login never leaves this process; the end of a child is
the end of its stream only.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import anyio

from drivers.gate import LoginGate
from drivers.pyav.front import Described, Front, Request, answer
from drivers.pyav.media import RelayedMedia, make_relayed
from drivers.pyav.pipe import Order
from drivers.pyav.process import COMMAND, Child
from drivers.rtsp.network import RtspNetwork
from drivers.rtsp.parametersets import ParameterSets
from drivers.rtsp.protocol import StreamSink
from drivers.rtsp.source import RtspSource
from gateway.core.clock import Clock
from gateway.core.errors import CameraClosed
from gateway.core.finish import to_the_end
from gateway.core.media import AccessUnit, CodecConfig

START_S = 30.0
"""A child loads FFmpeg and opens our port: half a second, more on a busy box."""
STARTS_AT_ONCE = 2
"""Loading FFmpeg is work for a core; what a camera sends meanwhile waits in the relay."""
SILENT_S = 30.0
"""FFmpeg's own patience; the relay's ends much earlier and says more."""
DRAIN_S = 2.0
"""What FFmpeg gets to hand over its last pictures when the camera has hung up."""


class _Relay:
    """Between the network thread, which has the camera, and the event loop, which has the child."""

    def __init__(self, sink: StreamSink) -> None:
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self.media: RelayedMedia | None = None
        self.described: asyncio.Future[Described] = self._loop.create_future()

    def make(
        self, channel: int, payload_type: int, sets: ParameterSets, deliver: Callable[[AccessUnit], None]
    ) -> RelayedMedia:
        """Make the session's media; in the network thread."""
        self.media = make_relayed(channel, payload_type, sets, deliver)
        return self.media

    def playing(self, config: CodecConfig | None) -> None:
        """PLAY was accepted; in the network thread."""
        media = self.media
        assert media is not None
        self._sink.playing(config)
        about = Described(media.codec, media.payload_type, config, media.channel)
        with contextlib.suppress(RuntimeError):  # its event loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._tell, about)

    def _tell(self, about: Described) -> None:
        if not self.described.done():
            self.described.set_result(about)

    def unit(self, unit: AccessUnit) -> None:
        """Take the next access unit; in the event loop, see `RelayedMedia.picture`."""
        self._sink.unit(unit)


class PyavPlayer:
    """Plays streams by FFmpeg; one child a stream."""

    def __init__(
        self,
        network: RtspNetwork,
        clock: Clock,
        *,
        sandbox: bool = True,
        command: Sequence[str] = COMMAND,
        new_word: Callable[[], str] = secrets.token_hex,
    ) -> None:
        self._network, self._clock, self._sandbox = network, clock, sandbox
        self._command, self._new_word = tuple(command), new_word
        self._starts = asyncio.Semaphore(STARTS_AT_ONCE)

    async def play(self, source: RtspSource, gate: LoginGate, sink: StreamSink) -> None:
        """Play a stream into `sink` until it ends, which is always by an exception; as `RtspNetwork.play`.

        The sink's `playing` is called in the network thread, its `unit` in the event loop. A child is started
        once the camera plays; what comes meanwhile waits for it.

        Raises:
            CameraError: why it ended; CameraClosed also for a child that died.
            ConfigError: this machine cannot lock a child up.

        """
        relay = _Relay(sink)
        camera = asyncio.ensure_future(self._network.play(source, gate, relay, make_media=relay.make))
        framing = asyncio.ensure_future(self._frame(source, relay))
        try:
            await asyncio.wait({camera, framing}, return_when=asyncio.FIRST_COMPLETED)
            if not framing.done() and relay.media is not None:
                async with _at_most(DRAIN_S):
                    if camera.done():
                        await relay.media.drain()
                    await asyncio.wait({framing})
            for task in (camera, framing):
                if task.done():
                    task.result()
        finally:
            await to_the_end(_stop(framing, camera))  # whoever cancels twice still leaves no child behind

    async def _frame(self, source: RtspSource, relay: _Relay) -> None:
        """Have a child frame the pictures, from PLAY on; ends by an exception."""
        about, word = await relay.described, self._new_word()
        async with contextlib.AsyncExitStack() as stack:
            front = await stack.enter_async_context(Front(word))
            assert relay.media is not None
            stack.callback(relay.media.detach)
            order = Order(front.port, word, SILENT_S, sandbox=self._sandbox)
            async with self._starts:
                child = await stack.enter_async_context(Child(order, source.authority, self._command))
                try:
                    async with asyncio.timeout(START_S):
                        greeting = await _greeting(front, child)
                        await child.lock()
                except TimeoutError as error:
                    raise CameraClosed("the second engine does not start", address=source.authority) from error
            serving = asyncio.ensure_future(_serve(front, relay, about, greeting))
            taking = asyncio.ensure_future(self._take(child, relay))
            try:
                await asyncio.wait({serving, taking}, return_when=asyncio.FIRST_COMPLETED)
                async with _at_most(DRAIN_S):  # it hung up: what it says last tells why
                    await asyncio.wait({taking})
                for task in (taking, serving):
                    if task.done():
                        task.result()
            finally:
                await _stop(serving, taking)

    async def _take(self, child: Child, relay: _Relay) -> None:
        """Deliver the pictures that FFmpeg framed."""
        media = relay.media
        assert media is not None
        while True:
            pts_90k, annex_b = await child.picture()
            media.picture(pts_90k, annex_b, self._clock.mono_ns())


async def _greeting(front: Front, child: Child) -> Request:
    """Wait for the child's greeting, or for its death."""
    waiting = asyncio.ensure_future(front.greeted())
    dying = asyncio.ensure_future(child.picture())
    try:
        await asyncio.wait({waiting, dying}, return_when=asyncio.FIRST_COMPLETED)
        if dying.done():
            dying.result()
        return await waiting
    finally:
        await _stop(waiting, dying)


async def _serve(front: Front, relay: _Relay, about: Described, request: Request) -> None:
    """Answer the child until it plays, then connect it with the camera's media."""
    while request.method != "PLAY":
        await front.reply(answer(request, about))
        request = await front.request()
    await front.reply(answer(request, about))
    assert relay.media is not None
    assert front.client is not None
    relay.media.attach(front.client)
    await front.ignore()


@contextlib.asynccontextmanager
async def _at_most(seconds: float) -> AsyncIterator[None]:
    """Give up waiting in silence: the caller looks at what is done."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            yield


async def _stop(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks, one after the other, and wait for their end; what they raise then is of no interest any more."""
    with anyio.CancelScope(shield=True):
        for task in tasks:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()
