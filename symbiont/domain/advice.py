"""What to do about a task that ended without an answer, by the code of its end: something to paste or to change.

Trying again is only advised where it can help.
"""

from symbiont.domain.errors import SymbiontError
from symbiont.domain.task import Failure, Status

_MEND = {
    "UNAUTHORISED": "set ANTHROPIC_API_KEY for the server, or log in once with: claude",
    "NO_CREDIT": "add credit to the account of the key, or use another key",
    "TOO_LONG": "send less text, or raise context_tokens of a tier whose model takes more",
    "REFUSED": "reword the task: the same text would be refused again",
    "BAD_REQUEST": "check the model of the tier in symbiont.toml, and: claude --version",
    "BUDGET_EXCEEDED": "symbiont budget list",
    "POISON": "see what the task does to the process in its story: symbiont task show, then retry it by hand",
    "CLI_MISSING": "npm install -g @anthropic-ai/claude-code",
}


def advice(code: str, task_id: str) -> str:
    """The hint for a failed or cancelled task."""
    return _MEND.get(code, f"symbiont task retry {task_id}")


def bad_end(task_id: str, status: str, attempts: int, failure: Failure | None) -> SymbiontError:
    """What whoever waits for a task is told that ended without an answer."""
    details = {"id": task_id, "status": status, "attempts": attempts}
    if status == Status.CANCELLED:
        code, got = "CANCELLED", "cancelled"
    else:
        reason = failure or Failure("INTERNAL", "no reason was recorded")
        code, got = reason.code, f"failed ({reason.detail or reason.code})"
    message = f"expected {task_id} to be done, got: {got}"
    return SymbiontError(code, message, hint=advice(code, task_id), details=details)


def advice_without_server(code: str, hint: str) -> str:
    """The hint where no server is there that could be asked about the task."""
    if code == "STILL_PENDING":
        return "symbiont serve"
    return "" if hint.startswith("symbiont task ") else hint
