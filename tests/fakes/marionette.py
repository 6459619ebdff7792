"""Firefox driven by its own remote protocol (Marionette: JSON over TCP), as small as it can be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

FIREFOX = "/usr/bin/firefox-esr"
START_S = 90.0
QUIET: Mapping[str, object] = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.systemAddon.update.enabled": False,
    "media.autoplay.default": 0,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.enabled": False,
}
"""Nothing is fetched from anybody: no updates, no plugins, no questions whether there is a network."""


class Marionette:
    """One browser window."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer, self._number = reader, writer, 0

    async def _read(self) -> Any:
        length = await self._reader.readuntil(b":")
        return json.loads(await self._reader.readexactly(int(length[:-1])))

    async def call(self, name: str, **params: Any) -> Any:
        """Run one command; AssertionError with what the browser says if it fails."""
        self._number += 1
        text = json.dumps([0, self._number, name, params]).encode()
        self._writer.write(b"%d:%s" % (len(text), text))
        await self._writer.drain()
        _, number, error, result = await self._read()
        assert number == self._number
        assert error is None, f"{name}: {error}"
        return result

    async def script(self, body: str, *arguments: Any) -> Any:
        """Run an async function's body in the page and return what it returns."""
        whole = f"return (async (...args) => {{ {body} }})(...arguments)"
        found = await self.call("WebDriver:ExecuteScript", script=whole, args=list(arguments), sandbox=None)
        return found["value"]


@asynccontextmanager
async def firefox(folder: Path, **prefs: object) -> AsyncIterator[Marionette]:
    """Run Debian's Firefox without a screen, in a profile of its own."""
    profile = folder / "profile"
    profile.mkdir()
    wanted = {**QUIET, **{name.replace("__", "."): value for name, value in prefs.items()}, "marionette.port": 0}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in wanted.items()]
    (profile / "user.js").write_text("".join(lines))
    with (folder / "firefox.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            FIREFOX, "--headless", "--no-remote", "--marionette", "--profile", str(profile), stdout=log, stderr=log,
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MOZ_LOG": ""},
        )  # fmt: skip
        stack = ExitStack()
        try:
            async with asyncio.timeout(START_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", await _port(profile))
            stack.callback(writer.close)
            browser = Marionette(reader, writer)
            await browser._read()  # who it is
            await browser.call("WebDriver:NewSession", capabilities={"alwaysMatch": {"pageLoadStrategy": "eager"}})
            await browser.call("WebDriver:SetTimeouts", script=120_000)
            yield browser
        finally:
            stack.close()
            process.terminate()
            await process.wait()


async def _port(profile: Path) -> int:
    """Return the port that the browser chose, once it has written it down."""
    while True:
        if (path := profile / "MarionetteActivePort").exists() and (text := path.read_text().strip()):
            return int(text)
        await asyncio.sleep(0.1)
