"""`symbiont serve`: run the orchestrator in the foreground until it is told to stop."""

from typing import Annotated, Literal

from cyclopts import Parameter

from symbiont.cli import address, output
from symbiont.cli.options import SOURCE_DEFAULTS, SharedSource

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]
WorkerKind = Literal["auto", "claude", "rehearsal"]


def serve(
    *,
    host: Annotated[str | None, Parameter(help="Address to bind [server.host].")] = None,
    port: Annotated[int | None, Parameter(help="TCP port, 0 for any that is free [server.port].")] = None,
    worker: Annotated[WorkerKind | None, Parameter(help="Who runs tasks [dispatch.worker].")] = None,
    log_level: Annotated[Level | None, Parameter(help="Least severe log lines [logging.level].")] = None,
    log_format: Annotated[Format | None, Parameter(help="Shape of log lines [logging.format].")] = None,
    source: SharedSource = SOURCE_DEFAULTS,
) -> int:
    """Run the server until SIGTERM or Ctrl-C.

    A flag wins over the environment, the environment over the configuration file.
    """
    loaded = address.loaded(
        source,
        {
            "server.host": host,
            "server.port": port,
            "dispatch.worker": worker,
            "logging.level": log_level,
            "logging.format": log_format,
        },
    )
    for warning in loaded.warnings:
        output.talk(f"warning: {warning}")
    from symbiont import boot  # noqa: PLC0415 - brings in the whole orchestrator; a wrong flag is told before that

    return boot.serve(loaded)
