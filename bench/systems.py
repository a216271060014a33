"""The systems that are measured side by side: how each is started, what it is, and what is to be known of it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path

from peers.install import CACHE, PEERS, interpreter, why_not

__all__ = ["COSTS", "OURS", "SYSTEMS", "System"]

HERE = Path(__file__).parent / "peers"
BOTH_KINDS = ("idle_bytes", "idle_bytes_async")
ONE_SCHEDULER = "+S 1:1 +P 500000"


@dataclass(frozen=True)
class System:
    """`command` takes the scale and the rows; `missing` says why it cannot be run, if so."""

    name: str
    command: Callable[[float, Sequence[str]], list[str]]
    version: Callable[[], str]
    missing: Callable[[], str | None] = lambda: None
    is_concurrent_python: bool = False
    """A Python library whose actors run side by side: only such a one can be the best peer."""
    note: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    fresh: tuple[str, ...] = ("idle_bytes",)
    """Rows that want a process of their own, because a heap that was grown before hides what is taken from it."""


def _script(python: Path | str, name: str) -> Callable[[float, Sequence[str]], list[str]]:
    return lambda scale, rows: [str(python), str(HERE / f"{name}.py"), "--scale", str(scale), *rows]


def _ours(loop: str) -> System:
    environment = {"BENCH_LOOP": loop, "PYTHONPATH": str(HERE.parent.parent)}
    name = "supervisors" if loop == "uvloop" else f"supervisors, {loop}"
    return System(
        name, _script(sys.executable, "ours"), lambda: version("symbiont"), environment=environment, fresh=BOTH_KINDS
    )


def _peer(name: str, note: str, *, is_concurrent: bool = True, fresh: tuple[str, ...] = ("idle_bytes",)) -> System:
    def installed() -> str:
        return (CACHE / f"{name}.installed").read_text(encoding="utf-8")

    script = _script(interpreter(name), f"{name}_peer")
    return System(PEERS[name][0], script, installed, lambda: why_not(name), is_concurrent, note, fresh=fresh)


# Erlang and Elixir


@cache
def _beam_folder() -> str:
    """Where the compiled peer is; gone with this process."""
    folder = tempfile.TemporaryDirectory(prefix="bench-")
    _kept.append(folder)
    subprocess.run(["erlc", "-o", folder.name, HERE / "erlang" / "bench_peer.erl"], check=True, timeout=60)
    return folder.name


_kept: list[object] = []


def _erlang(scale: float, rows: Sequence[str]) -> list[str]:
    options = [*ONE_SCHEDULER.split(), "-noshell", "-pa", _beam_folder()]
    return ["erl", *options, "-run", "bench_peer", "main", str(scale), *rows]


def _elixir(scale: float, rows: Sequence[str]) -> list[str]:
    return ["elixir", "--erl", ONE_SCHEDULER, str(HERE / "elixir" / "peer.exs"), str(scale), *rows]


def _otp_version() -> str:
    show = 'io:format("OTP ~s",[erlang:system_info(otp_release)]),halt().'
    return subprocess.run(["erl", "-noshell", "-eval", show], capture_output=True, text=True, check=True).stdout


def _elixir_version() -> str:
    done = subprocess.run(["elixir", "--short-version"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _not_found(*programs: str) -> Callable[[], str | None]:
    def missing() -> str | None:
        absent = [program for program in programs if shutil.which(program) is None]
        return f"{absent[0]} is not here (Debian: apt install erlang-base elixir)" if absent else None

    return missing


OURS = _ours("uvloop")

SYSTEMS = (
    OURS,
    _ours("asyncio"),
    System(
        "Erlang",
        _erlang,
        _otp_version,
        _not_found("erl", "erlc"),
        note="one scheduler; memory is `erlang:memory(total)`",
    ),
    System("Elixir", _elixir, _elixir_version, _not_found("elixir"), note="one scheduler"),
    _peer("pykka", "a thread an actor: memory at 5,000; no supervisor, the successor is started by hand"),
    _peer(
        "thespian",
        "the simple system base: nothing runs side by side, so it is no candidate for the best peer; memory at 10,000",
        is_concurrent=False,
    ),
    _peer(
        "xoscar", "memory at 10,000; restarts pools, not actors; a flood is worked off to its end before anything else"
    ),
    _peer("otpylib", "memory at 2,000; a flood is worked off to its end before anything else"),
    _peer("triotp", "mailboxes without room, on trio; memory at 5,000"),
    _peer("mode", "services without mailboxes; memory at 10,000; a wake-up its supervisor loses costs 5 s"),
    _peer("ray", "a process an actor; no rings, floods and crowds on two cores", fresh=()),
)

COSTS = System(
    "costs",
    _script(sys.executable, "ours_costs"),
    lambda: version("symbiont"),
    environment={"PYTHONPATH": os.pathsep.join((str(HERE.parent.parent), str(HERE)))},
)
