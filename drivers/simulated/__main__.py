"""`python -m drivers.simulated`: a farm of simulated cameras as a process of its own.

Owns the command line, the one line of JSON that says the farm is ready, and the control socket by which a
test or a trainer switches faults. Invariants: the password comes by environment or file unless somebody
insists on argv, and is never printed; SIGTERM and SIGINT end the process in order, with status 0; nobody but
the same user and root can use the control socket.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.control import handlers
from drivers.simulated.farm import BASE_ADDRESS, MOST_CAMERAS, QUICK, Farm, FarmOptions
from drivers.simulated.pacing import Pace
from gateway.core.errors import ConfigError, VuonError
from gateway.core.model import Secret
from gateway.core.wire import ControlServer

PASSWORD_VARIABLE = "VUON_SIM_PASSWORD"  # noqa: S105 - the variable's name, not a password
ONVIF_PORT, RTSP_PORT = 8899, 8554
"""Fixed, so that an adopted camera is found again after a restart; free of root and of common servers."""


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    made = argparse.ArgumentParser(prog="python -m drivers.simulated", description="Run simulated cameras.")
    made.add_argument("--cameras", type=int, default=4, help=f"how many (at most {MOST_CAMERAS})")
    made.add_argument("--base", default=BASE_ADDRESS, help="address of the first camera, the others follow")
    made.add_argument("--username", default="admin")
    made.add_argument("--password", help=f"visible to all users in ps: prefer {PASSWORD_VARIABLE} or --password-file")
    made.add_argument("--password-file", type=Path)
    made.add_argument("--names-json", type=Path, help='JSON list of class names: ["Lớp Lá 1", ...]')
    made.add_argument("--control", type=Path, help="path of the control socket (methods fault, counters)")
    made.add_argument("--onvif-port", type=int, default=ONVIF_PORT, help="0 = any free one")
    made.add_argument("--rtsp-port", type=int, default=RTSP_PORT, help="0 = any free one")
    made.add_argument("--seed", default="vuon", help="same seed = same serial numbers")
    made.add_argument("--no-discovery", action="store_true", help="do not answer WS-Discovery on loopback")
    made.add_argument("--rtsp-only", action="store_true", help="no ONVIF, no discovery: a video source for benches")
    made.add_argument(
        "--odd",
        action="append",
        default=[],
        metavar="VENDOR:LACK",
        help="the next camera is of hikvision or dahua and inactive, onvif_off or ready; may be repeated",
    )
    made.add_argument("--lan-paced", action="store_true", help="1460-byte segments 120 us apart instead of bursts")
    made.add_argument("--channels", type=int, default=1, help="above 1: recorders (NVR) with so many channels each")
    made.add_argument("--max-sessions", type=int, default=0, help="RTSP sessions at once of each device; 0 = no limit")
    made.add_argument("--grain", type=int, default=0, help="sensor noise (0-40): fills the bitrate")
    made.add_argument("--quick", action="store_true", help="small pictures: ready at once, for tests")
    return made


def password_from(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Secret:
    """Return the password from argv, file or environment, in this order; raises ConfigError without one."""
    if arguments.password is not None:
        return Secret(arguments.password)
    if arguments.password_file is not None:
        try:
            return Secret(arguments.password_file.read_text(encoding="utf-8").rstrip("\r\n"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{arguments.password_file} cannot be read", key="password-file") from error
    if environ.get(PASSWORD_VARIABLE):
        return Secret(environ[PASSWORD_VARIABLE])
    raise ConfigError(f"no password: set {PASSWORD_VARIABLE}, or give --password-file", key="password")


def names_from(path: Path | None) -> list[str]:
    """Return the class names of a JSON file; raises ConfigError unless it is a list of text."""
    if path is None:
        return []
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is no readable JSON", key="names-json") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{path} must be a list of names", key="names-json")
    return names


def ready_line(cameras: Sequence[SimulatedCamera]) -> str:
    """Return the one line that tells a parent process where the cameras are."""
    shown = [
        {
            "address": camera.address,
            "onvif_port": camera.onvif_port,
            "rtsp_port": camera.rtsp_port,
            "name": camera.name,
            "endpoint": camera.state.identity.endpoint,
        }
        for camera in cameras
    ]
    return json.dumps({"ready": True, "cameras": shown}, ensure_ascii=False)


async def serve(arguments: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Run the farm until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    options = replace(
        QUICK if arguments.quick else FarmOptions(),
        onvif_port=arguments.onvif_port,
        rtsp_port=arguments.rtsp_port,
        seed=arguments.seed,
        discovery=not arguments.no_discovery,
        odd=tuple(arguments.odd),
        rtsp_only=arguments.rtsp_only,
        pace=Pace() if arguments.lan_paced else None,
        grain=arguments.grain,
        channels=arguments.channels,
        max_sessions=arguments.max_sessions,
    )
    farm = Farm(
        arguments.cameras,
        password=password_from(arguments, environ),
        username=arguments.username,
        names=names_from(arguments.names_json),
        base=arguments.base,
        options=options,
    )
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(farm)
        if arguments.control is not None:
            table = handlers(farm.cameras)
            server = ControlServer(arguments.control, "simulated", table, on_fault=_report)
            await stack.enter_async_context(server)
        print(ready_line(farm.cameras), flush=True)  # noqa: T201 - the process's one line of output
        await stop.wait()


def _report(name: str, error: BaseException) -> None:
    print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201 - see above


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 after a signal, 2 for a wrong argument, 1 otherwise."""
    arguments = parser().parse_args(argv)
    try:
        asyncio.run(serve(arguments, os.environ))
    except ConfigError as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - a command speaks to its user
        return 2
    except VuonError as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - a command speaks to its user
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
