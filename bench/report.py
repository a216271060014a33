"""Makes the tables of medians, spreads and ratios, and writes them between the markers in RESULTS.md."""

import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from rows import COST_ROWS, ROWS, Row, Unit
from systems import OURS, SYSTEMS, System

__all__ = ["Rounds", "tables", "write"]

RESULTS = Path(__file__).with_name("RESULTS.md")
BEGIN, END = "<!-- actors: begin, written by bench/bench_actors.py -->", "<!-- actors: end -->"

RATIOS = """\
Ratios of ours on uvloop to the other in the same round: of rates (more is better), or of times and sizes (less is better);
the median, and in brackets the smallest and the largest."""
ALWAYS_ON = """\
What cannot be switched off is in every figure: reductions are counted (an addition a message), every call is a monitor (the
callee knows whom to fail), a mailbox always has a bound, and a crash always has its reports."""

Rounds = dict[str, list[dict[str, float]]]
"""By system, a dictionary of figures for each round."""

Line = Sequence[str]


def write(text: str) -> None:
    """Replace the section of the actors, and nothing else."""
    before, _, rest = RESULTS.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    RESULTS.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def tables(rounds: Rounds, missing: dict[str, str]) -> str:
    count = len(rounds[OURS.name])
    parts = [
        f"Medians of {count} rounds; {_machine()}.",
        "### Against what was promised",
        RATIOS,
        _table(
            ["", "Erlang", "promised", "", "best Python peer", "ratio", "promised", ""], map(_promises(rounds), ROWS)
        ),
        "### All figures",
        "Per second, or in the unit named; in brackets how far the rounds lie apart, as a share of the median.",
        _table(["", *(_title(system) for system in _present(rounds))], (_figures(rounds, row) for row in ROWS)),
        _notes(missing),
        "### What a promise costs",
        _table(["", "ns", "more than plain"], _costs(rounds)),
        ALWAYS_ON,
        "### What we lose at, and why",
        _losses(rounds),
    ]
    return "\n\n".join(part for part in parts if part)


# Ratios


def _values(rounds: Rounds, name: str, row: Row) -> list[float | None]:
    return [figures.get(row.id, figures.get(row.instead)) for figures in rounds.get(name, [])]


def _ratios(rounds: Rounds, row: Row, other: str) -> list[float]:
    pairs = zip(_values(rounds, OURS.name, row), _values(rounds, other, row), strict=False)
    return [row.ratio(ours, theirs) for ours, theirs in pairs if ours and theirs]


def _best_peer(rounds: Rounds, row: Row) -> str | None:
    """The Python library that does best, by its median."""
    found = {
        system.name: median(values)
        for system in SYSTEMS
        if system.is_concurrent_python and (values := [value for value in _values(rounds, system.name, row) if value])
    }
    return min(found, key=found.__getitem__) if found else None


def _promises(rounds: Rounds):
    def line(row: Row) -> Line:
        peer = _best_peer(rounds, row)
        erlang = _against(rounds, row, "Erlang", row.erlang)
        if row.at_most is not None:
            erlang = _absolute(rounds, row)
        return [row.label, *erlang, peer or "–", *_against(rounds, row, peer, row.python)]

    return line


def _against(rounds: Rounds, row: Row, other: str | None, promised: float | None) -> Line:
    ratios = _ratios(rounds, row, other) if other else []
    if not ratios:
        return ["–", "–" if promised is None else row.promise(promised), ""]
    shown = f"**{_ratio(median(ratios))}** ({_ratio(min(ratios))} to {_ratio(max(ratios))})"
    if promised is None:
        return [shown, "–", ""]
    return [shown, row.promise(promised), "met" if row.is_met(median(ratios), promised) else "**missed**"]


def _absolute(rounds: Rounds, row: Row) -> Line:
    values = [value for value in _values(rounds, OURS.name, row) if value]
    if not values or row.at_most is None:
        return ["–", "–", ""]
    limit = f"≤ {row.unit.show(row.at_most)} {row.unit.value}"
    return [
        f"{row.unit.show(median(values))} {row.unit.value}",
        limit,
        "met" if median(values) <= row.at_most else "**missed**",
    ]


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


# Figures


def _present(rounds: Rounds) -> list[System]:
    return [system for system in SYSTEMS if system.name in rounds]


def _title(system: System) -> str:
    return f"{system.name} {system.version()}"


def _figures(rounds: Rounds, row: Row) -> Line:
    cells = []
    for system in _present(rounds):
        values = [figures[row.id] for figures in rounds[system.name] if figures.get(row.id)]
        cells.append(f"{row.unit.show(median(values))} ({_spread(values):.0%})" if values else "–")
    unit = "" if row.unit is Unit.PER_SECOND else f", {row.unit.value}"
    return [row.label + unit, *cells]


def _spread(values: Sequence[float]) -> float:
    return (max(values) - min(values)) / median(values)


def _costs(rounds: Rounds) -> Iterable[Line]:
    medians = {
        id_: median(each[id_] for each in rounds["costs"] if id_ in each) for id_ in COST_ROWS if _has(rounds, id_)
    }
    for id_, (label, base) in COST_ROWS.items():
        if id_ in medians:
            more = f"{(medians[id_] - medians[base]) * 1e9:+,.0f}" if base in medians else ""
            yield [label, f"{medians[id_] * 1e9:,.0f}", more]


def _has(rounds: Rounds, id_: str) -> bool:
    return any(id_ in each for each in rounds.get("costs", []))


# Words


def _losses(rounds: Rounds) -> str:
    lines = []
    for row in ROWS:
        ratios = _ratios(rounds, row, "Erlang")
        if ratios and not row.is_met(median(ratios), 1.0):
            lines.append(
                f"- {row.label}: {_ratio(median(ratios))} × Erlang. Why: {row.loses or 'see the costs above'}."
            )
    return "\n".join(lines) or "Nothing, in these rows."


def _notes(missing: dict[str, str]) -> str:
    notes = [f"- {system.name}: {system.note}." for system in SYSTEMS if system.note and system.name not in missing]
    return "\n".join([*notes, *(f"- {name}: not installed: {reason}." for name, reason in missing.items())])


def _machine() -> str:
    return f"{os.cpu_count()} cores ({_processor()}), {platform.system()}, CPython {platform.python_version()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _table(head: Line, lines: Iterable[Line]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))
