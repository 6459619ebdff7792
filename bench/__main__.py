"""`python -m bench`: measure, with a control in the same run, and print tables.

    make bench                                   # every bench, 3 rounds
    make bench ARGS="record --shapes lan --rounds 1"
    make bench ARGS="list"

Owns the command line. Invariant: every table carries the command that made it.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.harness import Options, machine, markdown

BENCHES = {
    "record": "cameras onto the disk: the recorder beside one ffmpeg per camera",
    "streams": "the same with sub streams, beside one ffmpeg per stream",
    "memory": "ten minutes of recording main and sub: by how much memory grows (give --rounds 1)",
    "everything": "main and sub, and vision, beside one ffmpeg per stream",
    "ingest": "taking main and sub from 8, 16 and 32 cameras: our engine, the second engine, ffmpeg",
    "start": "32 simulated cameras from nothing to streaming",
    "index": "inserting and seeking in the index of a volume, beside bare SQLite",
    "retention": "planning what must go, each minute, beside a query without rules and holds",
    "rebuild": "making the index of a volume anew from its files, beside bare reading",
    "playback": "finding an instant in a month of footage, and fetching its GOP",
    "review": "from a click on the day bar to the first recorded picture, beside a plain <video>",
    "live": "viewers of one camera: our data plane beside aiortc's MediaRelay, Janus, Pion and GStreamer",
    "wall": "sixteen tiles on one page in Chromium: one connection beside sixteen",
    "transcode": "a watched camera without H.264: our caged process beside plain ffmpeg",
    "live_hostile": "two viewers while strangers and false viewers attack, beside nobody attacking",
    "cameras": "sixteen cameras with four viewers each: our data plane beside aiortc's",
    "joins": "twenty-five viewers come at once",
    "watch": "Chromium: first frame, frame rate, loss and freezes, alone and beside other viewers",
    "login": "people sign in while strangers guess a hundred passwords a second",
    "login_live": "two viewers while strangers guess passwords, beside nobody guessing",
    "refusals": "time of a 404: another family's camera, beside none at all",
    "access": "one decision about a picture, and a whole school's after one fact changed",
    "upstream": "events into a hub: batches beside one event per request",
}


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    default = Options()
    made = argparse.ArgumentParser(prog="python -m bench", description="Measure, with a control in the same run.")
    made.add_argument("names", nargs="*", metavar="name", help=f"list, or some of: {', '.join(BENCHES)} (default: all)")
    made.add_argument("--rounds", type=int, default=default.rounds)
    made.add_argument("--seconds", type=float, default=default.seconds, help="length of a measured window")
    made.add_argument("--warm", type=float, default=default.warm_s, help="record: seconds before the window")
    made.add_argument("--cameras", type=int, default=default.cameras)
    made.add_argument("--viewers", type=int, default=default.viewers)
    made.add_argument("--recording", type=int, default=default.recording, help="live: cameras recorded beside")
    made.add_argument("--opens", type=int, default=default.opens, help="watch: times a page is opened")
    made.add_argument("--rows", type=int, default=default.rows, help="index, retention: rows before measuring")
    made.add_argument("--shapes", nargs="+", choices=default.shapes, default=default.shapes, help="record: arrivals")
    made.add_argument("--out", type=Path, help="also write the tables there, as Markdown")
    return made


def main(argv: Sequence[str]) -> int:
    """Run the benches asked for; returns the exit status."""
    chosen = parser().parse_args(argv)
    if chosen.names == ["list"]:
        for name, words in BENCHES.items():
            print(f"{name:12}{words}")
        return 0
    if unknown := set(chosen.names) - set(BENCHES):
        print(f"unknown: {', '.join(sorted(unknown))}; try: list", file=sys.stderr)
        return 2
    where = machine(Path("/proc/cpuinfo").read_text(), Path("/proc/meminfo").read_text())
    parts = [f"Machine: {where}\n"]
    print(parts[0])
    extra = " ".join(repeatable(argv))
    for name in chosen.names or BENCHES:
        command = f'make bench ARGS="{name}{" " * bool(extra)}{extra}"'
        options = Options(
            rounds=chosen.rounds,
            seconds=chosen.seconds,
            warm_s=chosen.warm,
            cameras=chosen.cameras,
            viewers=chosen.viewers,
            recording=chosen.recording,
            opens=chosen.opens,
            rows=chosen.rows,
            shapes=tuple(chosen.shapes),
            command=command,
            say=_say,
        )
        for table in importlib.import_module(f"bench.{name}").run(options):
            parts.append(markdown(table))
            print("\n" + parts[-1], flush=True)
    if chosen.out is not None:
        chosen.out.write_text("\n".join(parts), encoding="utf-8")
    return 0


def repeatable(argv: Sequence[str]) -> list[str]:
    """Return the options that another must give to measure the same: without names and `--out`."""
    kept, skip = list[str](), False
    for argument in argv:
        if not skip and argument not in BENCHES and argument != "--out" and not argument.startswith("--out="):
            kept.append(argument)
        skip = argument == "--out"
    return kept


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
