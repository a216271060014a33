"""What an actor costs, beside Erlang, Elixir and the Python peers: every row for every system, in rounds.

    python bench/bench_actors.py [--rounds 5] [--scale 0.5] [--only NAME …] [--no-install] [--no-write]

Each round runs every system once, in a process of its own, so that a machine that changes its mood changes it for all; the
ratio within a round is what carries over to another machine. Memory is measured in fresh processes. The tables go to standard
output and into bench/RESULTS.md, between the markers; `--only` and `--no-write` leave the file alone. Peers are installed on
first use, outside the checkout (bench/peers/install.py).
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from report import Rounds, tables, write
from rows import COST_ROWS, TIMED
from systems import COSTS, OURS, SYSTEMS, System

LONGEST_S = 90


def measure(system: System, scale: float, rows: Sequence[str]) -> dict[str, float]:
    """What one run of a system prints; what it cannot do, or not in time, is no figure."""
    environment = os.environ | system.environment
    command = system.command(scale, rows)
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONGEST_S, check=False)
        output, end = done.stdout, done.stderr if done.returncode else ""
    except subprocess.TimeoutExpired as late:
        output, end = (late.stdout or b"").decode(), f"not done after {LONGEST_S} s"
    if end:
        sys.stderr.write(f"{system.name}: {end.strip()[-500:]}\n")
    return _figures(system, output)


def _figures(system: System, output: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for line in output.splitlines():
        if not line.startswith('{"row"'):
            continue
        figure = json.loads(line)
        if "error" in figure:
            sys.stderr.write(f"{system.name}, {figure['row']}: {figure['error']}\n")
        else:
            found[figure["row"]] = figure["value"]
    return found


def one_round(systems: Sequence[System], scale: float) -> dict[str, dict[str, float]]:
    figures: dict[str, dict[str, float]] = {}
    for system in systems:
        figures[system.name] = measure(system, scale, TIMED)
        for row in system.fresh:
            figures[system.name] |= measure(system, scale, [row])
    return figures | {COSTS.name: measure(COSTS, scale, list(COST_ROWS))}


def all_rounds(systems: Sequence[System], rounds: int, scale: float) -> Rounds:
    found: Rounds = {system.name: [] for system in (*systems, COSTS)}
    for number in range(rounds):
        sys.stderr.write(f"round {number + 1} of {rounds}\n")
        # each round begins with another system, lest one always has the quiet moment
        turned = [*systems[number % len(systems) :], *systems[: number % len(systems)]]
        for name, figures in one_round(turned, scale).items():
            found[name].append(figures)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--scale", type=float, default=0.5, help="how much of everything; 0.5 = a round of about a minute"
    )
    parser.add_argument("--only", nargs="*", help="systems by name, beside ours")
    parser.add_argument("--no-install", action="store_true", help="leave peers out that are not there yet")
    parser.add_argument("--no-write", action="store_true", help="leave RESULTS.md alone")
    wanted, _ = parser.parse_known_args()
    if not wanted.no_install and wanted.only is None:
        subprocess.run([sys.executable, Path(__file__).parent / "peers" / "install.py"], stdout=sys.stderr, check=True)
    chosen = [each for each in SYSTEMS if wanted.only is None or each is OURS or each.name in wanted.only]
    missing = {system.name: reason for system in chosen if (reason := system.missing())}
    systems = [system for system in chosen if system.name not in missing]
    text = tables(all_rounds(systems, wanted.rounds, wanted.scale), missing)
    sys.stdout.write(text + "\n")
    if not wanted.no_write and wanted.only is None:
        write(text)


if __name__ == "__main__":
    main()
