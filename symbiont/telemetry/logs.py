"""Logs: structlog events on stderr, one line each; JSON for machines, colours for people on a terminal.

Guarantees: stdout stays free for data; a line is bounded; writing one neither raises nor blocks (`sink.py`). Prompts, answers and
credentials are never logged: events carry ids, codes and figures.
"""

import atexit
import logging
import os
import sys
from functools import cache, partial
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from symbiont.config.schema import Logging
from symbiont.telemetry.sink import Sink, Write

LONGEST_FIELD: Final = 4_000
FLUSH_S: Final = 1.0
"""How long the end of the process waits for a log that is slow to take the last lines."""


class _Lines:
    """What structlog hands rendered lines to."""

    def __init__(self, sink: Sink) -> None:
        self.msg = sink.put

    log = debug = info = warning = error = critical = exception = fatal = property(lambda self: self.msg)


@cache
def _sink() -> Sink:
    """One a process, flushed when the interpreter ends; who leaves by `os._exit` calls `flush` itself."""
    atexit.register(flush)
    return Sink(_writer(sys.__stderr__))


def flush() -> None:
    """Give the last lines a moment to get out."""
    _sink().flush(FLUSH_S)


def say(line: str) -> None:
    """A line for people, among the events."""
    _sink().put(line)


def configure(settings: Logging) -> None:
    """Set structlog up for this process."""
    sink = _sink()
    is_console = settings.format == "console" or (
        settings.format == "auto" and sys.stderr is not None and sys.stderr.isatty()
    )
    renderer: Processor = structlog.dev.ConsoleRenderer() if is_console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            bounded,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.level.upper()]),
        logger_factory=lambda *_: _Lines(sink),
        cache_logger_on_first_use=False,
    )


def _writer(stream: TextIO | None) -> Write:
    """Without a standard error its number may be any file of ours by now, a ledger even: then nothing is written."""
    return len if stream is None else partial(os.write, stream.fileno())


def bounded(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Cut fields that are too long to be read."""
    return {key: _cut(value) for key, value in event.items()}


def _cut(value: object) -> object:
    return value[:LONGEST_FIELD] + "…" if isinstance(value, str) and len(value) > LONGEST_FIELD else value
