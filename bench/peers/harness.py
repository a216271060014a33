"""What the peer scripts share: their command line, sizes, clocks and the JSON lines they print. Stdlib only.

    python PEER.py [--scale 1.0] [ROW …]

A peer hands `main` a function for each row it can do; each is called once and returns a figure (seconds for one operation, bytes
for `idle_bytes`) or several by name. `scaled(n)` is how often to do something at the scale asked for. A row that fails
becomes a line with its error, so that one flaw of a peer does not cost its other rows.
"""

import argparse
import gc
import json
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

__all__ = ["BUSY_S", "FLOOD", "busy", "main", "percentiles", "rss_bytes", "scaled", "seconds_each"]

FLOOD = 5_000
"""Messages queued at the flooded actor at the start."""
BUSY_S = 20e-6
"""What each of them takes, at scale 1 and any other."""

_scale = 1.0

Figures = Mapping[str, float]


def scaled(count: int, least: int = 20) -> int:
    return max(least, int(count * _scale))


def busy(seconds: float = BUSY_S) -> None:
    """Keep the processor."""
    until = perf_counter() + seconds
    while perf_counter() < until:
        pass


def seconds_each(start: float, count: int) -> float:
    return (perf_counter() - start) / count


def percentiles(name: str, found: Sequence[float]) -> Figures:
    """`NAME_p50` and `NAME_p99`."""
    ordered = sorted(found)
    return {
        f"{name}_p50": ordered[len(ordered) // 2],
        f"{name}_p99": ordered[min(len(ordered) * 99 // 100, len(ordered) - 1)],
    }


def rss_bytes() -> int:
    """Of this process at its largest: to be asked in a fresh process, before and after."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _measure(row: str, work: Callable[[], "float | Figures"]) -> None:
    gc.collect()
    gc.freeze()
    try:
        found = work()
    except Exception as error:  # noqa: BLE001 -- a peer's failure is a result
        sys.stdout.write(json.dumps({"row": row, "error": f"{type(error).__name__}: {error}"[:200]}) + "\n")
        return
    figures = found if isinstance(found, Mapping) else {row: found}
    for name, value in figures.items():
        sys.stdout.write(json.dumps({"row": name, "value": value}) + "\n")
    sys.stdout.flush()


def main(rows: Mapping[str, Callable[[], "float | Figures"]]) -> None:
    global _scale  # noqa: PLW0603 -- one process measures at one scale
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("rows", nargs="*")
    wanted = parser.parse_args()
    _scale = wanted.scale
    for row, work in rows.items():
        if row in wanted.rows:
            _measure(row, work)
