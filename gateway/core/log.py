"""Logging as event name and fields: JSON under journald, one readable line at a terminal.

Owns the formatters and the redaction. Invariants: a `Secret` never prints (model.Secret); user info in
URLs is cut from every text, traces included; an exception is logged with its code and its chain of causes; one
event name is logged at most `BURST` times a minute, what is left out is counted and told with its next line (a
stranger must not be able to fill the disk by provoking the same line).
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from gateway.core.errors import VuonError
from gateway.core.supervise import FaultSink

BURST = 120
"""Lines a minute of one event name (of one library: it may write another text each time)."""

_USERINFO = re.compile(r"(?<=://)\S*@")
"""To the last `@` of the word: passwords may hold `@` and `/`, and too much cut is better than too little."""


def redact(text: str) -> str:
    """Return the text with user info cut from URLs."""
    return _USERINFO.sub("***@", text)


def _clean(value: object) -> object:
    """Return what may be written of a field: numbers as they are, everything else as redacted text."""
    return value if value is None or isinstance(value, int | float) else redact(str(value))


def _reason(error: BaseException) -> str:
    chain, seen = [], error
    while True:
        chain.append(f"{type(seen).__name__}: {redact(str(seen))}")
        cause = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
        if cause is None or len(chain) > 5:
            return " <- ".join(chain)
        seen = cause


class Log:
    """A named logger with bound fields; thread-safe as `logging` is."""

    def __init__(self, name: str, bound: Mapping[str, object]) -> None:
        self._logger, self._bound = logging.getLogger(f"vuon.{name}"), bound

    def bind(self, **fields: object) -> Log:
        """Return a logger that adds these fields to every line."""
        return Log(self._logger.name.removeprefix("vuon."), {**self._bound, **fields})

    def _write(self, level: int, event: str, fields: Mapping[str, object], error: BaseException | None = None) -> None:
        if self._logger.isEnabledFor(level):
            extra = {key: _clean(value) for key, value in {**self._bound, **fields}.items()}
            if error is not None:
                extra |= {"error": getattr(error, "code", type(error).__name__), "because": _reason(error)}
            # An error that is not ours is a bug: its traceback is the only way to find it.
            trace = error if error is not None and not isinstance(error, VuonError) else None
            self._logger.log(level, event, extra={"fields": extra}, exc_info=trace)

    def debug(self, event: str, **fields: object) -> None:
        """Write what helps while developing."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Write what happened."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, error: BaseException | None = None, **fields: object) -> None:
        """Write what somebody should look at."""
        self._write(logging.WARNING, event, fields, error)

    def error(self, event: str, error: BaseException | None = None, **fields: object) -> None:
        """Write what went wrong, with the chain of causes."""
        self._write(logging.ERROR, event, fields, error)


def get_logger(name: str, **fields: object) -> Log:
    """Return the logger of a part, e.g. `recorder.writer`."""
    return Log(name, fields)


def fault_sink(log: Log) -> FaultSink:
    """Return a `FaultSink` that writes one error line per failure."""
    return lambda name, error: log.error("fault", error, child=name)


class _Limit(logging.Filter):
    """Lets BURST lines of one event through each minute; used by all threads at once."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        super().__init__()
        self._now_s, self._minute, self._counts = now_s, -1, dict[str, int]()
        self._left_out: dict[str, int] = {}
        self._lock = threading.Lock()  # `logging` filters before it takes its own

    def filter(self, record: logging.LogRecord) -> bool:
        key = record.getMessage() if record.name.startswith("vuon.") else record.name
        with self._lock:
            minute = int(self._now_s() // 60)
            if minute != self._minute:
                over = {name: count - BURST for name, count in self._counts.items() if count > BURST}
                self._minute, self._counts, self._left_out = minute, {}, self._left_out | over
            count = self._counts[key] = self._counts.get(key, 0) + 1
            left_out = self._left_out.pop(key, 0)
        if left_out:
            record.fields = {**getattr(record, "fields", {}), "left_out": left_out}
        if count == BURST:
            record.fields = {**getattr(record, "fields", {}), "suppressing": "the rest of this minute"}
        return count <= BURST


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "event": redact(record.getMessage()),
            "level": record.levelname.lower(),
            "part": record.name,
        }
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0] is not None:
            line["trace"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


class _Pretty(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{key}={value}" for key, value in getattr(record, "fields", {}).items())
        mark = {"WARNING": "!", "ERROR": "✘"}.get(record.levelname, "·")
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info and record.exc_info[0] else ""
        line = f"{clock} {mark} {record.name.removeprefix('vuon.')} {record.getMessage()} {fields}"
        return redact(line.rstrip() + trace)


def setup(level: str, *, stream: TextIO | None = None, now_s: Callable[[], float] = time.monotonic) -> None:
    """Send all logging to `stream` (default stderr): JSON unless it is a terminal.

    Libraries log from WARNING up; our own parts from `level`.
    """
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(_Pretty() if target.isatty() else _Json())
    handler.addFilter(_Limit(now_s))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("vuon").setLevel(level.upper())
