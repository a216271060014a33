"""Reads a data directory from the description of its format alone: standard library, nothing of ours.

    python tests/crash/independent_reader.py DATA_DIRECTORY

Prints what the files come to as JSON, with every fault found in them, and exits 1 if there is any. What it knows: a ledger line
ends in `,"seq":N,"batch":B,"hash":"H"}`, H being the SHA-256 of the previous H (64 zeros at first) and the bytes before `,"hash"`; N is
dense over all segments; lines of earlier versions carry no chain and stand before the first that does. A queue line has `id` and
`status` and overrides what earlier lines of that id said.
"""

import gzip
import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

LEGAL = {
    "": {"pending"},
    "pending": {"processing", "cancelled"},
    "processing": {"pending", "done", "failed", "cancelled"},
    "done": set[str](),
    "failed": {"pending"},
    "cancelled": {"pending"},
}
GENESIS = "0" * 64
SEALED = re.compile(r"ledger-(\d+)\.jsonl(\.gz)?")


def segments(data: Path) -> list[Path]:
    """The files of the ledger, oldest first. One that is there both plain and compressed counts once."""
    by_number: dict[int, Path] = {}
    for path in sorted(data.iterdir()):
        if found := SEALED.fullmatch(path.name):
            by_number.setdefault(int(found[1]), path)
    return [*(by_number[number] for number in sorted(by_number)), data / "ledger.jsonl"]


def lines_of(path: Path) -> list[bytes]:
    if not path.exists():
        return []
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return content.split(b"\n")[:-1]


def ledger_lines(data: Path) -> list[bytes]:
    return [line for path in segments(data) for line in lines_of(path) if line.strip()]


def chain_faults(lines: list[bytes]) -> Iterator[str]:
    head, batch, is_chained = GENESIS, 0, False
    for number, line in enumerate(lines, start=1):
        body, _, rest = line.rpartition(b',"hash":"')
        claimed = re.fullmatch(rb'([0-9a-f]{64})"\}', rest)
        if claimed is None:
            if is_chained:
                yield f"ledger line {number} carries no chain, and lines before it do"
            continue
        is_chained, fields = True, json.loads(line)
        if hashlib.sha256(head.encode() + body).hexdigest().encode() != claimed[1]:
            yield f"ledger line {number} does not continue the chain"
        if fields["seq"] != number or not batch <= fields["batch"] <= number:
            yield f"ledger line {number} says seq {fields['seq']}, batch {fields['batch']}"
        head, batch = fields["hash"], fields["batch"]


def call_faults(entries: list[Any]) -> Iterator[str]:
    calls = Counter((each["task_id"], each["attempt"], each["kind"]) for each in entries if each.get("task_id"))
    yield from (f"call {call} is in the ledger {times} times" for call, times in calls.items() if times > 1)


def tasks_of(data: Path) -> tuple[dict[str, Any], list[str]]:
    """The tasks as their lines leave them, and every transition among the lines that is none."""
    tasks: dict[str, Any] = {}
    faults: list[str] = []
    for number, line in enumerate(lines_of(data / "queue.jsonl"), start=1):
        fields = json.loads(line)
        if "status" not in fields:
            continue
        old = tasks.get(fields["id"], {}).get("status", "")
        new = fields["status"]
        # a file that was compacted begins with tasks as they stood
        if old and new != old and new not in LEGAL[old]:
            faults.append(f"queue line {number}: {fields['id']} goes from {old} to {new}")
        tasks.setdefault(fields["id"], {}).update(fields)
    return tasks, faults


def money(entries: list[Any]) -> dict[str, str]:
    """Known costs in USD, to the last digit, by billing."""
    sums: dict[str, Decimal] = {}
    for each in entries:
        billing = each.get("billing", "subscription")
        sums[billing] = sums.get(billing, Decimal()) + Decimal(str(each["estimated_cost_usd"] or 0))
    return {billing: f"{total:f}" for billing, total in sums.items()}


def read(data: Path) -> dict[str, Any]:
    lines = ledger_lines(data)
    entries = [json.loads(line) for line in lines]
    tasks, task_faults = tasks_of(data)
    faults = [*chain_faults(lines), *call_faults(entries), *task_faults]
    return {
        "ledger_lines": len(lines),
        "usd": money(entries),
        "tasks": dict(Counter(task["status"] for task in tasks.values())),
        "faults": faults,
    }


def main() -> int:
    found = read(Path(sys.argv[1]))
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 1 if found["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
