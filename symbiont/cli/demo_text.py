"""The demo as text: aligned tables that read the same on a terminal, in a pipe and in the log of a build. Pure."""

from collections.abc import Sequence

import msgspec

from supervisors.introspect import ProcessInfo
from symbiont.cli.table import GAP, fitted
from symbiont.domain.ledger import Entry
from symbiont.service import views

SCREEN = 160
SHOWN_TASK_CHARS = 40
TASK_COLUMNS = ("ID", "TASK", "CLASSIFIED AS", "SENT TO", "TOKENS", "USD", "RESULT")


class Seen(msgspec.Struct, frozen=True):
    """A task as it ended: its record, the tier its classification led to, and the ledger's lines of its calls."""

    task: views.TaskView
    wanted: str
    calls: tuple[Entry, ...]


class Restart(msgspec.Struct, frozen=True):
    """The tree before and after a death, who went down in which order, and who should have been restarted."""

    before: tuple[ProcessInfo, ...]
    after: tuple[ProcessInfo, ...]
    went_down: tuple[str, ...]
    expected: tuple[str, ...]
    took_s: float

    @property
    def restarted(self) -> tuple[ProcessInfo, ...]:
        """Who lives anew, in the order of their starts."""
        old = {info.pid for info in self.before}
        return tuple(info for info in self.after if info.pid not in old)

    @property
    def untouched(self) -> tuple[ProcessInfo, ...]:
        old = {info.pid for info in self.before}
        return tuple(info for info in self.after if info.pid in old)

    @property
    def is_as_expected(self) -> bool:
        return tuple(info.name for info in self.restarted) == self.expected and len(self.after) == len(self.before)


def opening(version: str, url: str, worker: str, unused_claude: str) -> str:
    spends = "no model is called, nothing is spent" if worker == "rehearsal" else "models are called, and cost money"
    lines = [f"Symbiont {version} on {url} · worker: {worker} ({spends})"]
    if unused_claude:
        lines.append(f"The Claude Code CLI is here ({unused_claude}). To have it do the tasks: symbiont demo --real")
    return "\n".join(lines)


def tasks(seen: Sequence[Seen]) -> str:
    """A row a task, and below it why it went where it went."""
    ways = "task-… by POST /task, queued-… by POST /queue"
    return _headed(f"{len(seen)} tasks over HTTP: {ways}. Tokens and USD cover all calls of a task.", _task_table(seen))


def right_after(seen: Sequence[Seen]) -> str:
    return _headed("A task right after", _task_table(seen))


def totals(stats: views.LedgerStats) -> str:
    rows = [
        ("", "CALLS", "USD"),
        ("real", str(stats.total_calls), _money(stats.total_cost_estimated_usd)),
        *((f"  {model}", str(total.calls), _money(total.cost)) for model, total in stats.by_model.items()),
        ("rehearsed", str(stats.rehearsal.calls), _money(stats.rehearsal.cost)),
    ]
    return _headed("The ledger: what is rehearsed counts in no real total", _lines(rows))


def tree(infos: Sequence[ProcessInfo]) -> str:
    rows = [("NAME", "LIFE", "STATE", "MESSAGES"), *(_actor_row(info, infos) for info in infos)]
    return _headed("The supervision tree", _lines(rows))


def announcement(victim: str) -> str:
    return (
        f"\nNow the {victim} is killed on purpose. The supervisor's report of that, on stderr, is meant to be there.\n"
    )


def restart(seen: Restart) -> str:
    """Who went down and who came up, in order, and who did not notice."""
    came_up = ", ".join(f"{info.name} (life {info.incarnation})" for info in seen.restarted)
    rows = [
        ("went down", ", ".join(seen.went_down)),
        ("came up", f"{came_up}, all within {seen.took_s * 1000:.0f} ms"),
        ("untouched", ", ".join(f"{info.name} (life {info.incarnation})" for info in seen.untouched)),
    ]
    return _headed("What the supervisor did about it", _lines(rows))


def closing(failures: Sequence[str]) -> str:
    return "\nAll well." if not failures else "\nFAILED: " + "; ".join(failures)


def _task_table(seen: Sequence[Seen]) -> str:
    head, *rows = _lines([TASK_COLUMNS, *map(_task_row, seen)]).splitlines()
    pairs = (f"{row}\n    why: {why(one)}" for row, one in zip(rows, seen, strict=True))
    return "\n".join([head, *pairs])


def _task_row(seen: Seen) -> Sequence[str]:
    task, judged = seen.task, seen.task.classification
    tokens = f"{sum(call.input_tokens for call in seen.calls)} + {sum(call.output_tokens for call in seen.calls)}"
    return (
        task.id,
        task.task if len(task.task) <= SHOWN_TASK_CHARS else task.task[: SHOWN_TASK_CHARS - 1] + "…",
        f"{judged.tier}, {judged.confidence} ({judged.source})" if judged else "",
        f"{seen.calls[-1].worker}/{seen.calls[-1].model_id or seen.calls[-1].model}" if seen.calls else "",
        tokens,
        _money(sum(call.estimated_cost_usd or 0.0 for call in seen.calls)),
        task.status,
    )


def why(seen: Seen) -> str:
    """The classifier's reason, and what made the task go elsewhere or not at all."""
    task, judged = seen.task, seen.task.classification
    parts = [judged.reason] if judged else []
    if judged and seen.wanted != judged.tier:
        parts.append(f"not sure of it, so one tier up: {seen.wanted}")
    if task.answer and task.answer.model != seen.wanted:
        parts.append(f"answered by {task.answer.model}: {seen.wanted} was closed or not able enough")
    if task.waiting_for:
        parts.append(f"waits: {task.waiting_for}")
    if task.failure:
        parts.append(f"{task.failure.code}: {task.failure.detail}")
    return "; ".join(parts)


def _actor_row(info: ProcessInfo, infos: Sequence[ProcessInfo]) -> Sequence[str]:
    branch = "" if info is infos[0] else ("└── " if info is infos[-1] else "├── ")
    return (f"{branch}{info.name}", str(info.incarnation), info.state, str(info.reductions))


def _headed(title: str, text: str) -> str:
    return f"\n{title}\n\n{text}"


def _lines(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(GAP.join(cells).rstrip() for cells in fitted(rows, SCREEN))


def _money(usd: float) -> str:
    return f"{usd:.6f}"
