"""The flags that commands share, as values.

They mean the same on every command. They hold what was typed and nothing else: unset stays None, so that the layers
of the configuration keep their order.
"""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from symbiont.domain.errors import SymbiontError

LONGEST_TIMEOUT_S = 31_536_000.0

FLAG = Parameter(negative="", show_default=False)
"""A switch that is off unless given."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the configuration comes from."""

    config: Annotated[
        Path | None, Parameter(group="Configuration", help="Configuration file; default: see `symbiont config show`.")
    ] = None
    data_dir: Annotated[
        str | None, Parameter(group="Configuration", help="Data directory, which also tells where the server is.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Options(Source):
    """What every command takes that talks to a server."""

    url: Annotated[
        str | None,
        Parameter(
            group="Configuration",
            help="Server to talk to, http://HOST:PORT. Default: SYMBIONT_URL, else the server of the data directory.",
        ),
    ] = None
    json: Annotated[bool, FLAG, Parameter(group="Output", help="Print the HTTP view as JSON; errors too.")] = False


WATCH = Parameter(group="Output", help="Show it again every two seconds, until Ctrl-C.")

DEFAULTS = Options()
SOURCE_DEFAULTS = Source()

Shared = Annotated[Options, Parameter(name="*")]
SharedSource = Annotated[Source, Parameter(name="*")]
Json = Annotated[bool, FLAG, Parameter(group="Output", help="Print JSON; errors too.")]


def checked_timeout(timeout_s: float | None) -> float | None:
    """`--timeout` in seconds, None for no limit. Raises `BAD_VALUE` for what no clock can count."""
    if timeout_s is None or (isfinite(timeout_s) and 0 < timeout_s <= LONGEST_TIMEOUT_S):
        return timeout_s
    message = f"expected --timeout to be more than 0 and at most {LONGEST_TIMEOUT_S:.0f} seconds, got: {timeout_s:g}"
    raise SymbiontError("BAD_VALUE", message, hint="--timeout 60")
