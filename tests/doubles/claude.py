"""How a test gets a `ClaudeCli` over the fake CLI, and calls to give it. Every part is private to its `tmp_path`."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from symbiont.adapters.claude_cli import ClaudeCli
from symbiont.ports import ModelCall

T = TypeVar("T")

FAKE = Path(__file__).with_name("fake_claude.py")
SAMPLES = json.loads((Path(__file__).parents[1] / "fixtures" / "claude_cli_samples.json").read_text("utf-8"))

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


class FixedWall:
    """Real monotonic time, a wall clock that stands still: reset times can be compared."""

    def __init__(self, wall: float = 1_795_219_000.0) -> None:
        self._wall = wall

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return self._wall


class FakeClaude:
    """The fake CLI in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.owner = (
            f"owner of {folder}"  # what another test, in another process, leaves is not to be killed for this one's
        )
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "CLAUDE_CONFIG_DIR": str(folder)}
        self.executable = folder / "claude"
        # A shell that execs: the path of the interpreter may be too long for a shebang line.
        self.executable.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{FAKE}" "$@"\n', "utf-8")
        self.executable.chmod(0o755)

    def does(self, *steps: dict[str, Any], **script: Any) -> "FakeClaude":
        (self.folder / "script.json").write_text(json.dumps({"steps": steps, **script}), "utf-8")
        return self

    def replays(self, sample: str) -> "FakeClaude":
        recorded = SAMPLES[sample]
        lines = [{"event": line} if isinstance(line, dict) else {"say": line} for line in recorded["stdout"]]
        return self.does(*lines, {"grumble": recorded["stderr"]}, {"exit": recorded["rc"]})

    def worker(self, **changed: Any) -> ClaudeCli:
        settings: dict[str, Any] = {
            "executable": str(self.executable),
            "slots": 2,
            "stop_grace_s": 5.0,
            "environment": self.environment,
            "cwd": self.folder / "empty",
            "owner": self.owner,
            "clock": FixedWall(),
        }
        return ClaudeCli(**(settings | changed))

    def seen(self) -> dict[str, Any]:
        return json.loads((self.folder / "seen.json").read_text("utf-8"))

    async def appears(self, name: str) -> Path:
        """Wait until the fake has made that file; the test's own time limit bounds it."""
        while not (self.folder / name).exists():
            await asyncio.sleep(0.005)
        return self.folder / name


def a_call(**changed: Any) -> ModelCall:
    fields: dict[str, Any] = {
        "task_id": "task-1",
        "attempt": 1,
        "kind": "task",
        "tier": "haiku",
        "model": "haiku",
        "prompt": "Say OK",
        "system": "Be brief",
        "timeout_s": 30.0,
        "idle_timeout_s": 20.0,
    }
    return ModelCall(**(fields | changed))


def a_result(**changed: Any) -> dict[str, Any]:
    """The last event of a call that went well."""
    used = {"claude-haiku-5-5": {"inputTokens": 10, "outputTokens": 2}}
    fields = {"type": "result", "subtype": "success", "is_error": False, "result": "OK", "modelUsage": used}
    return fields | {"total_cost_usd": 0.001} | changed


def run_on(loop: str, coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a fresh loop of that kind."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(coroutine)


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie nobody collected counts as gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
