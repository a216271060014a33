"""Plays all scenarios in one run of the real Erlang, and hands back their traces."""

import shutil
import subprocess
from pathlib import Path

from tests.conformance.erlang.script import Scenario, term

DRIVER = Path(__file__).with_name("driver.erl")


def why_not() -> str:
    """Why there is no real Erlang to compare with; empty if there is."""
    missing = [program for program in ("erl", "erlc") if shutil.which(program) is None]
    return f"{missing[0]} is not installed (Debian: apt install erlang-base)" if missing else ""


def play(scenarios: list[Scenario], folder: Path) -> dict[str, list[str]]:
    script = folder / "scenarios"
    script.write_text("".join(f"{term(scenario)}.\n" for scenario in scenarios), encoding="utf-8")
    subprocess.run(["erlc", "-o", folder, DRIVER], check=True, timeout=60)
    command = ["erl", "+S", "1:1", "-noshell", "-pa", str(folder), "-s", "driver", "main", str(script)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    return _by_scenario(done.stdout)


def _by_scenario(output: str) -> dict[str, list[str]]:
    traces: dict[str, list[str]] = {}
    for line in output.splitlines():
        if line.startswith("scenario "):
            trace = traces[line.removeprefix("scenario ")] = []
        else:
            trace.append(line)
    return traces
