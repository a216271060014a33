"""The README as data: its fenced blocks, what is to be done with each, and how a recorded answer compares with a new one."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
URL = "http://127.0.0.1:8111"

_FENCE = re.compile(
    r"(?:^ *<!-- (?P<note>[^\n]*) -->\n)?^(?P<indent> *)```(?P<language>\w+)\n(?P<body>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
_ID = re.compile(r"\b(?:task|queued)-\d{10}(?:-\d+)?\b")
_MASKS = (
    (_ID, "ID"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"(about \$?)\d+(\.\d+)?"), r"\1N"),
    (re.compile(r"\d+ tokens in, \d+ out"), "N tokens in, N out"),
    (re.compile(r"\d+\.\d( s\b)"), r"N\1"),
    (re.compile(r"\d+\.\d{4}\b"), "N"),
)
_STABLE = frozenset({"code", "status", "model", "confidence", "classified_by", "position", "tier", "project", "result"})
"""Fields whose values are compared; of the others only the kind."""


@dataclass(frozen=True)
class Block:
    """A fenced block. `note` is the comment right before it, `answer` the block that follows a command at once."""

    line: int
    language: str
    code: str
    note: str
    answer: "Block | None" = None

    @property
    def is_run(self) -> bool:
        return self.language == "sh" and not self.note.startswith("not run: ")

    @property
    def on_busy_server(self) -> bool:
        return self.note == "run while the worker is busy"

    def __str__(self) -> str:
        return f"line {self.line}"


def blocks(text: str) -> list[Block]:
    """All blocks, in order; a json or text block belongs to the command it follows."""
    found: list[Block] = []
    for fence in _FENCE.finditer(text):
        line = text.count("\n", 0, fence.start("language")) + 1
        block = Block(line, fence["language"], fence["body"], fence["note"] or "")
        is_answer = block.language in {"json", "text"} and found and found[-1].language in {"sh", "python"}
        if is_answer and found[-1].answer is None:
            found[-1] = Block(*(getattr(found[-1], name) for name in ("line", "language", "code", "note")), block)
        else:
            found.append(block)
    return found


def ids_in(text: str) -> list[str]:
    """The ids of tasks, in order."""
    return _ID.findall(text)


def masked(text: str) -> str:
    """The text without what differs between two runs."""
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text


def shape(value: Any, key: str = "") -> Any:
    """A JSON value with everything that may differ between two runs replaced by its kind."""
    match value:
        case dict():
            return {name: shape(inner, name) for name, inner in value.items()}
        case list():
            return [shape(inner, key) for inner in value]
        case str() if key in _STABLE:
            return masked(value)
        case bool() | None:
            return value
        case int() if key in _STABLE:
            return value
        case int() | float():
            return "a number"
        case _:
            return "a text"


def same(block: Block, output: str) -> tuple[Any, Any]:
    """What the README shows and what came, both comparable."""
    answer = block.answer
    assert answer is not None
    if answer.language == "json":
        return shape(json.loads(answer.code)), shape(json.loads(output))
    return masked(answer.code.strip()), masked(output.strip())
