"""The ways a task is handed in: to a server and waited for, queued, estimated, or run in this process.

Guarantees that a task is sent once; waiting for it may be given up and taken up again, the task goes on.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from symbiont.cli import output, rendering, wire
from symbiont.cli.address import locate
from symbiont.cli.client import Client, connect
from symbiont.cli.options import Options
from symbiont.cli.waiting import Patience, until_done
from symbiont.domain.errors import SymbiontError
from symbiont.domain.moment import rfc3339
from symbiont.domain.task import NewTask, Priority
from symbiont.service import views

GRACE_S = 10.0
"""What a server gets beyond the wait it was asked for, to say that the task goes on."""


@contextmanager
def flags_named() -> Generator[None]:
    """Refusals speak of `--tier`, which was typed, and not of the field it became."""
    try:
        yield
    except SymbiontError as error:
        if error.code == "UNKNOWN_TIER":
            error.message = error.message.replace("force_tier", "--tier", 1)
        raise


def and_wait(options: Options, new: NewTask, timeout_s: float | None) -> None:
    """Have a server run the task and print the answer. Raises its failure, `STILL_PENDING` or `TIMEOUT`."""
    client, patience = connect(options), Patience(timeout_s)
    show_answer(_answered(client, new, patience), as_json=options.json)


def and_leave(options: Options, new: NewTask) -> None:
    """Put the task into the queue and print its id."""
    client = connect(options)
    body = client.post("/queue", _fields(new))
    queued = client.decode(body, views.Queued)
    if options.json:
        output.show_json(body)
        return
    output.show_text(queued.id)
    output.talk(f"queued at position {queued.position}; wait for it with: symbiont task wait {queued.id}")


def in_process(options: Options, new: NewTask) -> None:
    """Run the task without a server and print the answer."""
    from symbiont.cli import local  # noqa: PLC0415 - brings in the whole orchestrator

    show_answer(local.run(options, new), as_json=options.json)


def estimate(options: Options, new: NewTask, *, in_process: bool) -> None:
    """Print what would be sent where and what it would cost. Without a server it is found out in this process."""
    body = _estimated_here(options, new) if in_process else _estimated(options, new)
    if options.json:
        output.show_json(body)
    else:
        output.show_record(rendering.dry_run_record(wire.decode(body, views.DryRun)))


def show_answer(body: bytes, *, as_json: bool) -> None:
    """The answer's text alone on stdout, so that it pipes; the figures are talk."""
    if as_json:
        output.show_json(body)
        return
    answer = wire.decode(body, views.TaskAnswer)
    output.show_text(answer.result)
    output.talk(rendering.figures(answer))


def _answered(client: Client, new: NewTask, patience: Patience) -> bytes:
    wait_s = patience.left_s()
    query = {} if wait_s is None else {"wait_s": f"{wait_s:.3f}"}
    try:
        body = client.post("/task", _fields(new), query=query, timeout_s=None if wait_s is None else wait_s + GRACE_S)
        client.decode(body, views.TaskAnswer)
    except SymbiontError as error:
        task_id = _pending_id(error)
        if task_id is None:
            raise
        return until_done(client, task_id, patience)
    except KeyboardInterrupt:
        output.talk("the task goes on; find it with: symbiont task list")
        raise
    return body


def _pending_id(error: SymbiontError) -> str | None:
    """The id of the task that goes on although the request ended; None if the error means something else."""
    match error.code, error.details:
        case "STILL_PENDING", {"id": str(task_id)}:
            return task_id
        case _:
            return None


def _estimated(options: Options, new: NewTask) -> bytes:
    address = locate(options, os.environ)
    try:
        client = Client(address)
        body = client.post("/task", _fields(new), query={"dry_run": "true"})
        client.decode(body, views.DryRun)
    except SymbiontError as error:
        # Somebody who names a server wants its answer, not that of this machine's configuration.
        if error.code != "SERVER_UNREACHABLE" or address.chosen:
            raise
        output.talk(f"no server at {address.url}; estimating in this process")
        return _estimated_here(options, new)
    return body


def _estimated_here(options: Options, new: NewTask) -> bytes:
    from symbiont.cli import local  # noqa: PLC0415 - brings in the whole orchestrator

    return local.dry_run(options, new)


def _fields(new: NewTask) -> dict[str, Any]:
    given = {
        "force_tier": new.force_tier,
        "project": new.project or None,
        "idempotency_key": new.key or None,
        "run_at": None if new.run_at is None else rfc3339(new.run_at),
        "delay_s": new.delay_s,
        "webhook_url": new.webhook_url or None,
    }
    priority = {} if new.priority == Priority.NORMAL else {"priority": str(new.priority)}
    return {"task": new.task, **{key: value for key, value in given.items() if value is not None}, **priority}
