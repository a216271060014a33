"""The ledger against a simple model: whatever happens in whatever order, what was acknowledged is there, once, and counts."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisors import KILLED, Request, Runtime, spawn
from supervisors.process import Process
from supervisors.testing import VirtualClock, settle
from symbiont.actors import names
from symbiont.actors.ledger import (
    Append,
    Import,
    Imported,
    Ledger,
    ReadBudgets,
    ReadTotals,
    Recorded,
    Refused,
    Release,
    Reserve,
)
from symbiont.adapters.memory_journal import MemoryJournal
from symbiont.domain.budget import Budget, Claim, Granted
from symbiont.domain.ledger import Entry, decode, key_of
from symbiont.domain.moment import rfc3339_us
from symbiont.domain.totals import Totals
from symbiont.ports import SyncFailed

LIMIT_CALLS = 6
BUDGETS = (Budget(name="calls", period="day", limit_calls=LIMIT_CALLS),)

tasks = st.integers(0, 9).map("task-{}".format)


class SetClock:
    """A wall clock that stands where it was set."""

    now = datetime(2026, 3, 19, 12, tzinfo=UTC).timestamp()

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return 0.0


class LedgerMachine(RuleBasedStateMachine):
    """`recorded` are the calls acknowledged, by task; `held` those that may be made."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.journal = MemoryJournal(chained=True)
        self.notes = MemoryJournal()
        self.clock = SetClock()
        self.recorded: dict[tuple[str, int, str], Entry] = {}
        self.imported: dict[str, Entry] = {}
        self.taken_in: set[str] = set()
        self.held: set[tuple[str, int, str]] = set()
        self.process: Process

    def teardown(self) -> None:
        self.runner.close()

    @initialize()
    def start(self) -> None:
        async def begin() -> None:
            self.runtime = Runtime(clock=VirtualClock())
            ledger = Ledger(self.journal, clock=self.clock, notes=self.notes, budgets=BUDGETS, checkpoint_lines=3)
            process = await spawn(self.runtime, ledger, name=names.LEDGER)
            assert process is not None
            self.process = process

        self.runner.run(begin())
        self.held.clear()
        self.taken_in.clear()

    def ask(self, request: Request[Any]) -> Any:
        async def asked() -> Any:
            answer = await self.runtime.named(names.LEDGER).call(request)
            await settle()
            return answer

        return self.runner.run(asked())

    def entry(self, task: str, cost_nanos: int | None) -> Entry:
        return Entry(
            timestamp=rfc3339_us(self.clock.now),
            model="haiku",
            success=True,
            elapsed_seconds=1.0,
            input_tokens=1,
            output_tokens=1,
            estimated_cost_usd=None if cost_nanos is None else cost_nanos / 10**9,
            prompt_preview="",
            task_id=task,
        )

    def today(self) -> str:
        return rfc3339_us(self.clock.now)[:10]

    def made_today(self) -> int:
        entries = [*self.recorded.values(), *self.imported.values()]
        return sum(entry.timestamp.startswith(self.today()) for entry in entries)

    @rule(task=tasks, cost=st.none() | st.integers(0, 10**9))
    def append(self, task: str, cost: int | None) -> None:
        entry = self.entry(task, cost)
        assert self.ask(Append(entry)) == Recorded()
        self.recorded.setdefault(key_of(entry), entry)
        self.held.discard(key_of(entry))

    @rule(task=tasks)
    def append_to_a_disk_that_refuses(self, task: str) -> None:
        entry = self.entry(task, 1)
        is_there = key_of(entry) in self.recorded
        if not is_there:
            self.journal.fail_next(OSError(28, "No space left on device"))
        assert isinstance(self.ask(Append(entry)), Recorded if is_there else Refused)

    @rule(names_=st.lists(tasks, max_size=3))
    def take_in(self, names_: list[str]) -> None:
        entries = tuple(self.entry("", None if name.endswith("0") else int(name[-1])) for name in names_)
        # what was there before this life, whoever sends them has found in the files
        sent = [entry for entry in entries if repr(entry) not in self.imported or repr(entry) in self.taken_in]
        news = {repr(entry): entry for entry in sent if repr(entry) not in self.imported}
        assert self.ask(Import(tuple(sent))) == Imported(len(news))
        self.imported |= news
        self.taken_in |= set(news)

    @rule(names_=st.lists(tasks, min_size=2, max_size=6))
    def append_several_at_once(self, names_: list[str]) -> None:
        entries = [self.entry(name, 3) for name in names_]

        async def at_once() -> list[Any]:
            ledger = self.runtime.named(names.LEDGER)
            first = asyncio.ensure_future(ledger.call(Append(entries[0])))
            await asyncio.sleep(0)
            others = [asyncio.ensure_future(ledger.call(Append(entry))) for entry in entries[1:]]
            answers = await asyncio.gather(first, *others)
            await settle()
            return answers

        assert self.runner.run(at_once()) == [Recorded()] * len(entries)
        for entry in entries:
            self.recorded.setdefault(key_of(entry), entry)
            self.held.discard(key_of(entry))

    @rule(task=tasks)
    def reserve(self, task: str) -> None:
        key = (task, 1, "task")
        if key in self.recorded:
            return
        is_room = key in self.held or self.made_today() + len(self.held) < LIMIT_CALLS
        answer = self.ask(Reserve(Claim(key, "haiku", "", 5)))
        assert isinstance(answer, Granted) is is_room
        if is_room:
            self.held.add(key)

    @rule(task=tasks)
    def release(self, task: str) -> None:
        async def cast() -> None:
            self.runtime.named(names.LEDGER).cast(Release((task, 1, "task")))
            await settle()

        self.runner.run(cast())
        self.held.discard((task, 1, "task"))

    @rule(is_power_cut=st.booleans())
    def die_and_start_again(self, is_power_cut: bool) -> None:
        async def die() -> None:
            self.process.exit(KILLED)
            await settle()
            if is_power_cut:
                self.journal.crash()
                self.notes.crash()

        self.runner.run(die())
        self.start()

    @rule()
    def lose_a_sync(self) -> None:
        """It ends the actor; whoever asked learns nothing, asks its next life, and the call is there once."""
        entry = self.entry("task-lost", 7)
        if key_of(entry) in self.recorded:
            return
        self.journal.fail_next(SyncFailed("lost"))

        async def cut_off() -> None:
            asked = asyncio.ensure_future(self.runtime.named(names.LEDGER).call(Append(entry)))
            await asyncio.wait([asked])
            assert asked.exception() is not None
            await settle()

        self.runner.run(cut_off())
        assert not self.process.alive
        self.start()
        self.append("task-lost", 7)

    @rule(hours=st.sampled_from([-30, -1, 1, 30, 24 * 365]))
    def the_clock_jumps(self, hours: int) -> None:
        self.clock.now += hours * 3_600.0

    @precondition(lambda self: self.recorded or self.imported)
    @invariant()
    def every_acknowledged_call_is_on_disk_once(self) -> None:
        lines = [decode(record) for record in self.journal.records]
        known = [entry for entry in lines if entry.task_id]
        assert {key_of(entry): entry for entry in known} == self.recorded
        assert len(known) == len(self.recorded)
        assert len(lines) - len(known) == len(self.imported)

    @invariant()
    def totals_are_the_sum_of_the_lines(self) -> None:
        if not hasattr(self, "process"):
            return
        totals = Totals()
        for record in self.journal.records:
            totals.add(decode(record))
        assert self.ask(ReadTotals()) == totals

    @invariant()
    def budgets_say_what_is_so(self) -> None:
        if not hasattr(self, "process"):
            return
        (use,) = self.ask(ReadBudgets())
        assert (use.used.calls, use.reserved_calls) == (self.made_today(), len(self.held))


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
