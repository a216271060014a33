"""The worker `claude`: one call to a Claude model through the Claude Code CLI, whatever may happen to it.

Every way a call can end is a reply with an outcome. Cancelling `run` stops the process in order and still returns, with
`Cancelled` and the cost so far, or with the answer if that was there already; a second cancellation kills the process at once and
is raised. No process, pipe or zombie remains.
Retrying, escalating and waiting for a limit are not decided here.
"""

import asyncio
import errno
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from symbiont.adapters.claude_cli import command
from symbiont.adapters.claude_cli.session import Session
from symbiont.adapters.claude_cli.stream import Transcript
from symbiont.adapters.claude_cli.verdict import Evidence, judge, tidy
from symbiont.adapters.spawn import spawn
from symbiont.domain.outcome import BadOutput, BadRequest, Cancelled, CliMissing, NotStarted, Outcome
from symbiont.domain.task import Billing
from symbiont.ports import Clock, ModelCall, ModelReply

_NOT_RUNNABLE = frozenset({errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR})


class Counts(msgspec.Struct, frozen=True):
    """What went by unnoticed: lines that were no events, lines too long to take, processes that had to be killed."""

    skipped_lines: int = 0
    too_long_lines: int = 0
    kills: int = 0


class ClaudeCli:
    """Implements `ports.Worker`.

    `executable` is a name on PATH or a path; `slots` 0 means the number of cores; `stop_grace_s` seconds a process gets
    after SIGINT. `environment` is what the child's few variables are taken from, `cwd` a private folder that is made if
    absent and has to stay empty, `owner` the stable name of this installation in the marker of its processes.
    """

    def __init__(
        self,
        *,
        executable: str,
        slots: int,
        stop_grace_s: float,
        environment: Mapping[str, str],
        cwd: Path,
        owner: str,
        clock: Clock,
    ) -> None:
        self.name: str = "claude"
        self.slots: int = slots or _cores()
        self.billing: Billing = "api" if command.has_key(environment) else "subscription"
        self.counts = Counts()
        self._executable = executable
        self._stop_grace_s = stop_grace_s
        self._environment = environment
        self._cwd = cwd
        self._owner = owner
        self._clock = clock

    def is_available(self) -> bool:
        """Whether the executable is there; a look at the disk, no start."""
        return self._found() is not None

    async def run(self, call: ModelCall) -> ModelReply:
        """Run one call; see `ports.Worker`."""
        began = self._clock.monotonic()
        refused = command.refusal(call)
        if refused is not None:
            return self._reply(refused, began, [])
        started: list[Session] = []
        try:
            outcome = await self._life(call, started)
        except asyncio.CancelledError:
            outcome = await self._cancelled(call, started)
        finally:
            for session in started:
                session.child.close()
                self._count(session)
        return self._reply(outcome, began, started)

    async def _life(self, call: ModelCall, started: list[Session]) -> Outcome:
        """Start, follow, finish, judge. The session is left in `started` for whoever has to stop it."""
        try:
            session = await self._start(call)
        except OSError as error:
            return _not_started(error, self._executable)
        started.append(session)
        timed_out = await session.follow()
        if timed_out is not None:
            await session.stop()
            return timed_out
        exit_code = await session.finish()
        return await self._judged(session, call, exit_code)

    async def _start(self, call: ModelCall) -> Session:
        found = self._found()
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "no such executable", self._executable)
        self._cwd.mkdir(mode=0o700, parents=True, exist_ok=True)
        marker = command.marker_of(self._owner, call)
        child = await spawn(
            command.argv_of(found, call, has_key=command.has_key(self._environment)),
            env=command.env_of(self._environment, call, marker),
            cwd=self._cwd,
            stdin=command.stdin_of(call),
        )
        return Session(child, call, marker, self._stop_grace_s)

    def _found(self) -> str | None:
        return command.find_claude(self._executable, self._environment.get("PATH", os.defpath))

    async def _judged(self, session: Session, call: ModelCall, exit_code: int | None) -> Outcome:
        child = session.child
        if session.transcript.result is None and (child.overflowed or child.too_long_lines):
            return BadOutput(detail="the CLI wrote more than could be taken")
        stderr = await child.stderr()
        return judge(Evidence(session.transcript, exit_code, stderr, call.schema, self._clock.wall()))

    async def _cancelled(self, call: ModelCall, started: list[Session]) -> Outcome:
        """Stop in order. The cancellation ends here, for the reply has to get out; a second one is final.

        A call that had its answer already, and was only on its way out, keeps it: it is paid for.
        """
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        answered = [session for session in started if session.transcript.result is not None]
        for session in started:
            try:
                await session.stop()
            except asyncio.CancelledError:
                await session.slay()
                raise
        return await self._judged(answered[0], call, None) if answered else Cancelled(detail="stopped by Symbiont")

    def _reply(self, outcome: Outcome, began: float, started: list[Session]) -> ModelReply:
        transcript = started[0].transcript if started else Transcript()
        return ModelReply(
            outcome=outcome,
            elapsed_s=self._clock.monotonic() - began,
            billing=self._billing(transcript),
            usage=transcript.usage(),
            reported_cost_usd=transcript.cost_usd(),
            worker_version=transcript.init.version or "",
            quota=transcript.quota(),
            was_made=bool(started),
        )

    def _billing(self, transcript: Transcript) -> Billing:
        source = transcript.init.source
        if source is None:
            return self.billing
        return "subscription" if source == "none" else "api"

    def _count(self, session: Session) -> None:
        self.counts = Counts(
            skipped_lines=self.counts.skipped_lines + session.transcript.skipped,
            too_long_lines=self.counts.too_long_lines + session.child.too_long_lines,
            kills=self.counts.kills + session.forced,
        )


def _cores() -> int:
    """The cores this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _not_started(error: OSError, executable: str) -> Outcome:
    reason = f"{error.strerror or error}: {error.filename or executable}"
    if error.errno in _NOT_RUNNABLE:
        return CliMissing(detail=f"{tidy(reason)}; {command.INSTALL_HINT}")
    if error.errno == errno.E2BIG:
        return BadRequest(detail="expected system prompt and schema to be at most 128 KiB each, got more")
    return NotStarted(detail=f"the CLI could not be started: {tidy(reason)}")
