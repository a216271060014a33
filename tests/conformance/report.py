"""Which cases of OTP's own suites hold here: the catalogue, the tests that cover it, and the report.

    python tests/conformance/report.py        run the suite and write REPORT.md

A case is covered by the tests whose names begin with its id: `test_b07_…` covers case b07. One that cannot apply says why in the
catalogue. `test_catalogue.py` fails when a case has neither.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

HERE = Path(__file__).parent
GROUPS = {
    "a": "Child specs and supervisor flags",
    "b": "Start, ignore, rollback, names",
    "c": "Restart type × exit reason",
    "d": "Strategies",
    "e": "Intensity, retry, escalation",
    "f": "Shutdown and termination",
    "g": "Admin API",
    "h": "Significant children, auto_shutdown",
    "i": "Processes: links, monitors, exit signals, timers",
    "j": "gen_server start, stop, init",
    "k": "call, cast, reply",
    "l": "info, continue, timeouts, hibernate",
    "m": "terminate, crash reports, format_status",
    "n": "sys debugging",
    "o": "Registry",
    "p": "Task, Task.Supervisor",
    "q": "Agent, PartitionSupervisor, Application",
    "r": "asyncio-specific (not in OTP)",
}
TEST = re.compile(r"test_([a-r]\d\d\d?)_")


@dataclass(frozen=True)
class Case:
    id: str
    source: str
    name: str
    meaning: str
    not_applicable: str = ""


def catalogue() -> list[Case]:
    found: list[Case] = []
    for letter in GROUPS:
        file = HERE / "catalogue" / f"{letter}.toml"
        if file.exists():
            found += [Case(**row) for row in tomllib.loads(file.read_text(encoding="utf-8"))["case"]]
    return found


def covered() -> Counter[str]:
    """How many tests there are for each case."""
    return Counter(
        id_ for file in sorted(HERE.glob("test_*.py")) for id_ in TEST.findall(file.read_text(encoding="utf-8"))
    )


def run() -> dict[str, bool]:
    """Run the suite; for each case whether all of its tests passed."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        command = [sys.executable, "-m", "pytest", "-q", str(HERE), f"--junitxml={results}"]
        subprocess.run(command, check=False, cwd=HERE.parents[1])
        verdicts: dict[str, bool] = {}
        for test in ET.parse(results).iter("testcase"):
            match = TEST.match(test.get("name") or "")
            if match is not None and test.find("skipped") is None:
                passed = test.find("failure") is None and test.find("error") is None
                verdicts[match[1]] = verdicts.get(match[1], True) and passed
        return verdicts


def report(cases: list[Case], verdicts: dict[str, bool]) -> str:
    lines = [
        "# Conformance",
        "",
        "Cases of the test suites of Erlang/OTP and Elixir, traces recorded from OTP, and cases that only asyncio has. Written by",
        "`python tests/conformance/report.py`; every case runs on asyncio and on uvloop.",
        "",
        "| group | cases | passed | failed | not applicable |",
        "|---|--:|--:|--:|--:|",
    ]
    totals = Counter[str]()
    for letter, title in GROUPS.items():
        group = [case for case in cases if case.id.startswith(letter)]
        count = Counter(_verdict(case, verdicts) for case in group)
        totals += count
        lines.append(
            f"| {letter.upper()}. {title} | {len(group)} | {count['passed']} | {count['failed']} | {count['n/a']} |"
        )
    lines.append(
        f"| **all** | **{len(cases)}** | **{totals['passed']}** | **{totals['failed']}** | **{totals['n/a']}** |"
    )
    lines += ["", "## Not applicable", ""]
    lines += [
        f"- {case.id} `{case.name}` ({case.source}): {case.not_applicable}" for case in cases if case.not_applicable
    ]
    return "\n".join(lines) + "\n"


def _verdict(case: Case, verdicts: dict[str, bool]) -> str:
    if case.not_applicable:
        return "n/a"
    return "passed" if verdicts.get(case.id) else "failed"


if __name__ == "__main__":
    (HERE / "REPORT.md").write_text(report(catalogue(), run()), encoding="utf-8")
