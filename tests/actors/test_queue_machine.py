"""The queue against a simple model: whatever happens in whatever order, what was acknowledged is there, once, and nothing else."""

import asyncio
import errno
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisors import KILLED, Request, Runtime, spawn
from supervisors.admin import ChildInfo
from supervisors.process import Process
from supervisors.spec import ChildType, Restart
from supervisors.testing import Probe, VirtualClock, settle
from symbiont.actors import names
from symbiont.actors.ledger_messages import Append, Recorded, Refused
from symbiont.actors.queue import Queue
from symbiont.actors.queue_messages import (
    AwaitIdle,
    Bulk,
    BulkDone,
    Cancel,
    Illegal,
    KeyTaken,
    ListTasks,
    NoSuchTask,
    ReadStanding,
    Rescue,
    Retry,
    SetSwitch,
    Submit,
    Submitted,
    Take,
)
from symbiont.actors.run_steps import Begin, Complete, Fail, Postpone, Stale, Stopped, run_label
from symbiont.adapters.memory_journal import MemoryJournal
from symbiont.domain.bulk import Filter, Verb
from symbiont.domain.queue_file import load
from symbiont.domain.queue_rules import QueueRules
from symbiont.domain.retention import Retention
from symbiont.domain.retry import RetryPolicy
from symbiont.domain.standing import Counts
from symbiont.domain.switches import SwitchState
from symbiont.domain.task import FINAL, TRANSITIONS, Answer, Failure, NewTask, OpenCall, Priority, Status, Task
from tests.actors.queue_model import BACKOFF_S, ENDED, KEY_WINDOW_S, MAX_ATTEMPTS, MAX_RESCUES, Model, row_of, seen
from tests.actors.queue_model import seen_task as seen_in

AGEING_S = 600.0
RULES = QueueRules(
    retry=RetryPolicy(MAX_ATTEMPTS, BACKOFF_S, 4 * BACKOFF_S),
    ageing_s=AGEING_S,
    max_rescues=MAX_RESCUES,
    retention=Retention(key_window_s=KEY_WINDOW_S),
)
CALL = OpenCall("task", "haiku", "claude", "haiku", "2027-01-15T08:00:00Z")
ANSWER = Answer("42", "haiku", "claude-haiku-5-5", "claude", "api", 1.0, 1, 1, 0.1, "2027-01-15T08:00:00Z")

projects = st.sampled_from(["", "p"])
refusals = st.sampled_from([False, False, False, True])
whichever = st.integers(0, 30)
bodies = st.builds(
    NewTask,
    task=st.sampled_from(["one", "two"]),
    source=st.just("queued"),
    priority=st.sampled_from([Priority.CRITICAL, Priority.NORMAL, Priority.LOW]),
    project=projects,
    key=st.sampled_from(["", "", "k"]),
    delay_s=st.sampled_from([None, None, None, 30.0]),
    run_at=st.sampled_from([None, None, 1_800_000_100.0]),
)


class QueueMachine(RuleBasedStateMachine):
    """`runs` are the leases that were ever given, `alive` those whose runs the supervised tasks say are alive."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.journal, self.switches = MemoryJournal(), MemoryJournal()
        self.clock = VirtualClock()
        self.model = Model()
        self.runs: list[tuple[str, int]] = []
        self.alive: set[tuple[str, int]] = set()
        self.booked: set[tuple[str, int]] = set()
        self.is_ledger_refusing = False
        self.idlers: list[tuple[str | None, asyncio.Future[int]]] = []
        self.process: Process | None = None
        self.was_due: set[tuple[str, float | None]] = set()  # for good, though the clock goes back

    def teardown(self) -> None:
        self.runner.close()

    @initialize()
    def begin(self) -> None:
        async def surroundings() -> None:
            self.runtime = Runtime(clock=self.clock)
            await Probe.start(self.runtime, name=names.LEDGER, answer=self.book)
            await Probe.start(self.runtime, name=names.TASKS, answer=lambda _: self.children())
            self.dispatcher = await Probe.start(self.runtime, name=names.DISPATCHER)

        self.runner.run(surroundings())
        self.open()

    def book(self, request: object) -> object:
        if not isinstance(request, Append):
            return None
        if self.is_ledger_refusing:
            return Refused("full")
        self.booked.add((request.entry.task_id, request.entry.attempt))
        return Recorded()

    def children(self) -> tuple[ChildInfo, ...]:
        labels = [run_label(*run) for run in sorted(self.alive)]
        return tuple(ChildInfo(label, None, ChildType.WORKER, Restart.TEMPORARY, False) for label in labels)

    def open(self) -> None:
        async def opened() -> None:
            queue = Queue(self.journal, self.switches, self.clock, RULES)
            self.process = await spawn(self.runtime, queue, name=names.QUEUE)
            await settle()

        self.runner.run(opened())
        self.model.steady = (self.now, self.clock.monotonic())

    # Asking

    @property
    def now(self) -> float:
        return self.clock.wall()

    def ask(self, request: Request[Any]) -> Any:
        return self.at_once(request)[0]

    def at_once(self, *requests: Request[Any]) -> list[Any]:
        """All in the mailbox before the first is looked at; the first of the disk's batches is refused if that was said."""

        async def asked() -> list[Any]:
            queue = self.runtime.named(names.QUEUE)
            futures = [asyncio.ensure_future(queue.call(request, timeout_s=None)) for request in requests]
            await settle()
            return [future.result() if future.done() else future for future in futures]

        return self.runner.run(asked())

    def refuse(self, is_refused: bool) -> None:
        if is_refused:
            self.journal.fail_next(OSError(errno.ENOSPC, "No space left on device"))

    def all(self) -> tuple[Task, ...]:
        tasks: tuple[Task, ...] = self.ask(ListTasks(None, 100_000)).tasks
        return tasks

    def pick(self, number: int) -> str:
        ids = [*self.model.rows, "queued-1"]
        return ids[number % len(ids)]

    # Coming

    @rule(new=bodies, is_refused=refusals)
    def submit(self, new: NewTask, is_refused: bool) -> None:
        holder = self.model.holder(new, self.model.steady_now(self.now, self.clock.monotonic()))
        if holder is not None:
            answer = self.ask(Submit(new))
            if holder.body == new:
                assert answer.task.id == holder.id
            else:
                assert answer == KeyTaken(new.key, holder.id)
            return
        self.refuse(is_refused)
        answer = self.ask(Submit(new))
        assert isinstance(answer, Refused if is_refused else Submitted)
        if not is_refused:
            self.record(answer.task, new)

    def record(self, task: Task, new: NewTask) -> None:
        assert task.id not in self.model.rows
        row = row_of(task, new)
        moment = new.run_at if new.delay_s is None else self.now + new.delay_s
        assert row.not_before == (moment if moment is not None and moment > self.now else None)
        self.model.rows[task.id] = row

    @rule(new=bodies, times=st.integers(2, 3), is_refused=refusals)
    def submit_several_at_once(self, new: NewTask, times: int, is_refused: bool) -> None:
        is_known = self.model.holder(new, self.model.steady_now(self.now, self.clock.monotonic())) is not None
        self.refuse(is_refused and not is_known)
        answers = self.at_once(*[Submit(new)] * times)
        taken = [answer for answer in answers if isinstance(answer, Submitted)]
        fresh = {answer.task.id: answer.task for answer in taken if answer.task.id not in self.model.rows}
        if is_known:
            assert not fresh
        elif new.key:
            assert (len(fresh), len(taken)) == (1, times - is_refused)
        else:
            assert len(fresh) == (0 if is_refused else times)
        for task in self.all():  # who asked first need not come first: only one sender's messages keep their order
            if task.id in fresh:
                self.record(task, new)

    # Runs

    @rule(is_refused=refusals)
    def take(self, is_refused: bool) -> None:
        self.take_one(is_refused)

    def take_one(self, is_refused: bool = False) -> str | None:
        """What was due once is so for good, though the clock went back; nothing that is due is passed over for nothing."""
        ready = self.model.ready(self.now)
        self.refuse(is_refused and bool(ready))
        task = self.ask(Take())
        if ready:
            assert isinstance(task, Refused if is_refused else Task)
        if not isinstance(task, Task):
            return None
        row = self.model.rows[task.id]
        assert row.status == "pending"
        assert not {None, row.body.project} & set(self.model.off)
        number = row.attempt + 1
        leased = replace(row, status="processing", attempt=number, lease=number, not_before=None, waiting_for=None)
        self.model.rows[task.id] = leased
        self.runs.append((task.id, number))
        self.alive.add((task.id, number))
        return task.id

    @precondition(lambda self: self.runs)
    @rule(
        number=whichever,
        kind=st.sampled_from(["begin", "complete", "fail", "postpone", "stopped"]),
        is_refused=refusals,
        is_latest=st.booleans(),
    )
    def advance(self, number: int, kind: str, is_refused: bool, is_latest: bool) -> None:
        """By the run that holds the lease, or by one that held it once."""
        task_id, lease = self.runs[-1 if is_latest else number % len(self.runs)]
        row = self.model.rows.get(task_id)
        if row is None or row.status != "processing" or row.lease != lease:
            assert self.ask(self.step(kind, task_id, lease)) == Stale(task_id)
            return
        self.refuse(is_refused)
        answer = self.ask(self.step(kind, task_id, lease))
        if is_refused:
            assert isinstance(answer, Refused)
            return
        cancelled = row.left("cancelled", self.now)
        match kind:
            case "begin":
                assert isinstance(answer, Stale) is row.is_cancelling
                row = cancelled if row.is_cancelling else replace(row, has_call=True)
            case "complete" | "fail":
                row = row.left("done" if kind == "complete" else "failed", self.now)
            case "postpone" if not row.is_cancelling:
                row = row.left("pending", self.now, not_before=self.now + 50, waiting_for="limit x", failures=1)
            case _:
                row = cancelled if row.is_cancelling else row.left("pending", self.now)
        self.model.rows[task_id] = row

    @precondition(lambda self: self.model.of_status("processing"))
    @rule(kind=st.sampled_from(["begin", "complete", "fail", "postpone", "stopped"]))
    def a_run_that_outlived_its_lease_changes_nothing(self, kind: str) -> None:
        """Its task has been given to another run meanwhile, whatever that has made of it."""
        old = self.model.of_status("processing")[0]
        self.advance(self.runs.index((old.id, old.lease)), "stopped", is_refused=False, is_latest=False)
        self.time_passes(int(4 * AGEING_S))
        for _ in range(2 * len(self.model.rows) + 2):
            if self.take_one() in (None, old.id):
                break
        assert self.ask(self.step(kind, old.id, old.lease)) == Stale(old.id)

    def step(self, kind: str, task_id: str, lease: int) -> Request[Any]:
        match kind:
            case "begin":
                failures = self.model.rows[task_id].failures if task_id in self.model.rows else 0
                return Begin(task_id, lease, CALL, failures=failures)
            case "complete":
                return Complete(task_id, lease, ANSWER)
            case "fail":
                return Fail(task_id, lease, Failure("EMPTY", ""))
            case "postpone":
                return Postpone(task_id, lease, self.now + 50, "limit x", 1)
            case _:
                return Stopped(task_id, lease)

    @rule(number=st.integers(0, 5), is_ledger_refusing=refusals, grace_s=st.sampled_from([0, 60]))
    def rescue(self, number: int, is_ledger_refusing: bool, grace_s: int) -> None:
        """Of the runs that are alive one has just been lost."""
        self.alive -= set(sorted(self.alive)[number : number + 1])
        self.is_ledger_refusing = is_ledger_refusing
        before = dict(self.model.rows)
        count = self.ask(Rescue(frozenset(self.alive), grace_s))
        self.is_ledger_refusing = False
        lost = [row for row in before.values() if self.is_lost(row)]
        settled = [row for row in lost if not (row.has_call and is_ledger_refusing)]
        assert count == len(settled) if grace_s == 0 else count <= len(settled)
        for task in self.all():
            if (row := before[task.id]) in settled:
                self.model.adopt(task, [row.lost(self.now)] if grace_s == 0 else [row.lost(self.now), row])

    def is_lost(self, row: Any) -> bool:
        return row.status == "processing" and (row.id, row.lease) not in self.alive

    # By hand

    @rule(number=whichever, is_cancel=st.booleans(), is_refused=refusals)
    def command(self, number: int, is_cancel: bool, is_refused: bool) -> None:
        task_id = self.pick(number)
        row = self.model.rows.get(task_id)
        allowed = ("pending", "processing") if is_cancel else ("failed", "cancelled")
        is_done = row is not None and row.status in allowed
        self.refuse(is_refused and is_done)
        answer = self.ask((Cancel if is_cancel else Retry)(task_id))
        if row is None:
            assert answer == NoSuchTask(task_id)
        elif not is_done:
            assert answer == Illegal(task_id, Status(row.status))
        elif is_refused:
            assert isinstance(answer, Refused)
        else:
            self.command_row(row, "cancel" if is_cancel else "retry")

    def command_row(self, row: Any, verb: str) -> None:
        if verb == "prune":
            del self.model.rows[row.id]
        elif verb == "retry":
            self.model.rows[row.id] = row.retried(self.now)
        elif row.status == "processing":
            self.model.rows[row.id] = replace(row, is_cancelling=True)
        else:
            self.model.rows[row.id] = row.left("cancelled", self.now)

    @rule(
        verb=st.sampled_from(["retry", "cancel", "prune"]),
        project=st.none() | projects,
        limit=st.sampled_from([1, 100]),
        is_dry=st.booleans(),
        is_refused=refusals,
    )
    def bulk(self, verb: Verb, project: str | None, limit: int, is_dry: bool, is_refused: bool) -> None:
        allowed = {"retry": ("failed", "cancelled"), "cancel": ("pending", "processing"), "prune": ENDED}[verb]
        admitted = [row for row in self.model.of_status(*allowed) if project is None or row.body.project == project]
        meant = [row for row in admitted if verb != "cancel" or not row.is_cancelling]
        chosen = meant[:limit]
        self.refuse(is_refused and not is_dry and bool(chosen))
        done = self.ask(Bulk(verb, Filter(project=project), limit, is_dry))
        ids = tuple(row.id for row in chosen)
        reason = "[Errno 28] No space left on device" if is_refused and not is_dry and ids else ""
        assert done == BulkDone(ids, ids if reason else (), reason, len(meant) <= limit)
        for row in [] if is_dry or reason else chosen:
            self.command_row(row, verb)

    @rule(project=st.none() | projects, state=st.sampled_from(["running", "running", "paused", "draining"]))
    def switch(self, project: str | None, state: SwitchState) -> None:
        self.ask(SetSwitch(project, state))
        self.model.off.pop(project, None)
        if state != "running":
            self.model.off[project] = state

    @rule(project=st.none() | projects, is_taking=st.booleans(), is_refused=refusals)
    def await_idle(self, project: str | None, is_taking: bool, is_refused: bool) -> None:
        """Also while somebody takes, whom the disk refuses."""
        is_refused = is_refused and is_taking and bool(self.model.ready(self.now))
        self.refuse(is_refused)
        requests: list[Request[Any]] = [Take(), AwaitIdle(project)] if is_refused else [AwaitIdle(project)]
        answer = self.at_once(*requests)[-1]
        if isinstance(answer, asyncio.Future):
            self.idlers.append((project, answer))

    # Time

    @rule(seconds=st.sampled_from([1, 15, 70, 4_000]))
    def time_passes(self, seconds: int) -> None:
        """Whoever waits for a moment in that time is not forgotten."""
        rows = self.model.of_status("pending")
        due = [row for row in rows if row.not_before is not None and self.now < row.not_before <= self.now + seconds]
        is_news = any((row.id, row.not_before) not in self.was_due for row in due)
        heard = len(self.dispatcher.received)
        self.runner.run(self.clock.advance(seconds))
        assert not is_news or len(self.dispatcher.received) > heard
        self.note_due()
        self.take_over_shortened()

    def note_due(self) -> None:
        pending = self.model.of_status("pending")
        self.was_due |= {(row.id, row.not_before) for row in pending if (row.not_before or 0) <= self.now}

    @rule(hours=st.sampled_from([-1_000, -1, 2, 30]))
    def the_clock_jumps(self, hours: int) -> None:
        self.clock.jump_wall(hours * 3_600)
        self.note_due()

    def take_over_shortened(self) -> None:
        for task in self.all():
            row = self.model.rows[task.id]
            self.model.adopt(task, [row, self.model.shortened(task, row)])

    # Crashes

    @rule(is_power_cut=st.booleans(), passes=st.integers(0, 6), new=st.none() | bodies)
    def die_and_start_again(self, is_power_cut: bool, passes: int, new: NewTask | None) -> None:
        """Perhaps while a task comes in: acknowledged or not, it is there once at most."""
        before = dict(self.model.rows)
        answer = self.runner.run(self.die(is_power_cut, passes, new))
        if is_power_cut:
            self.alive.clear()
        self.open()
        tasks = {task.id: task for task in self.all()}
        fresh = tasks.keys() - before.keys()
        assert len(fresh) <= (new is not None)
        if isinstance(answer, Submitted):
            assert answer.task.id in tasks
        for task_id, row in before.items():
            kept = row.lost(self.now) if self.is_lost(row) else row
            self.model.adopt(tasks[task_id], [kept, self.model.shortened(tasks[task_id], kept)])
        for task_id in fresh:
            assert new is not None
            self.record(tasks[task_id], new)
        self.idlers.clear()

    async def die(self, is_power_cut: bool, passes: int, new: NewTask | None) -> object:
        """What whoever asked was told, if anything."""
        asked = None
        if new is not None:
            asked = asyncio.ensure_future(self.runtime.named(names.QUEUE).call(Submit(new), timeout_s=None))
            for _ in range(passes):
                await asyncio.sleep(0)
        if is_power_cut:
            self.journal.crash()
            self.switches.crash()
        assert self.process is not None
        self.process.exit(KILLED)
        await settle()
        if asked is None:
            return None
        await asyncio.wait([asked])
        return None if asked.exception() is not None else asked.result()

    @precondition(lambda self: self.model.ready(self.now))
    @rule()
    def nothing_starves_behind_what_is_urgent(self) -> None:
        ready = sorted(self.model.ready(self.now))
        oldest = ready[0]
        self.time_passes(int(4 * AGEING_S))
        self.take_one()
        for _ in range(2 * len(self.model.of_status("pending")) + 2):
            if self.model.rows[oldest].status != "pending":
                break
            self.submit(NewTask("urgent", "queued", priority=Priority.CRITICAL, project="u"), is_refused=False)
            self.take_one()
        assert self.model.rows[oldest].status != "pending" or "u" in self.model.off

    # What holds at any time

    @precondition(lambda self: self.process is not None)
    @invariant()
    def it_answers_what_the_model_says(self) -> None:
        assert self.process is not None
        assert self.process.alive
        tasks = self.all()
        assert [seen_in(task) for task in tasks] == [seen(row) for row in self.model.rows.values()]
        standing = self.ask(ReadStanding())
        assert standing.counts == Counts(**self.model.counts())
        found = {row.body.project for row in self.model.rows.values()}
        assert standing.by_project == {project: Counts(**self.model.counts(project)) for project in found}
        assert {switch.project: switch.state for switch in standing.switches} == self.model.off

    @precondition(lambda self: self.process is not None)
    @invariant()
    def what_is_on_disk_folds_to_what_it_answers(self) -> None:
        assert tuple(load(self.journal.records)) == self.all()

    @invariant()
    def only_legal_changes_are_on_disk(self) -> None:
        self.check_changes(json.loads(record) for record in self.journal.records)

    def check_changes(self, lines: Iterable[dict[str, Any]]) -> None:
        statuses: dict[str, Status] = {}
        for line in lines:
            old, new = statuses.get(line["id"]), Status(line["status"])
            if line.get("pruned"):
                assert old in FINAL
            else:
                assert new is Status.PENDING if old is None else new is old or new in TRANSITIONS[old]
            statuses[line["id"]] = new

    @invariant()
    def who_waits_until_nothing_runs_is_told(self) -> None:
        for project, answer in self.idlers:
            assert answer.done() or self.model.counts(project)["processing"] > 0
        self.idlers = [idler for idler in self.idlers if not idler[1].done()]


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
