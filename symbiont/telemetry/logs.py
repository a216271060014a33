"""Logs: structlog events on stderr, one line each; JSON for machines, colours for people on a terminal.

Guarantees: stdout stays free for data; a line is bounded. Prompts, answers and credentials are never logged: events carry ids,
codes and figures.
"""

import logging
import sys
from typing import Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from symbiont.config.schema import Logging

LONGEST_FIELD: Final = 4_000


def configure(settings: Logging) -> None:
    """Set structlog up for this process."""
    is_console = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def bounded(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Cut fields that are too long to be read."""
    return {key: _cut(value) for key, value in event.items()}


def _cut(value: object) -> object:
    return value[:LONGEST_FIELD] + "…" if isinstance(value, str) and len(value) > LONGEST_FIELD else value
