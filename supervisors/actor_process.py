"""What runs an actor: its turns on the run queue, its start and its end. Its mail is in `inbox`, its task in `worker`.

Everything an actor does happens in `turn`, called by the scheduler: it takes one message after another and runs the
callback in the actor's own context. A callback that returns a coroutine is handed to the worker (made on first use); until
it is through, `_busy` keeps further turns away. A callback never runs inside the worker's own step for another callback,
because a context cannot be entered twice: what follows from a result (`Continue`, `Stop`) is left in `_next` and served by
the next turn, before any queued message.

Cancellation: an exit signal first records its reason in `_doomed` and only then cancels the worker; whatever the callback
makes of it (returns, raises, goes on), the actor ends for that reason as soon as the callback is through. A `CancelledError`
with no reason recorded is the callback's own doing, and a crash.
"""

import asyncio
from collections.abc import Coroutine
from contextvars import Context, copy_context
from types import CoroutineType
from typing import Any, Final, cast

from supervisors.actor import IGNORE, NO_REPLY, Actor, Continue, Reply, Stop
from supervisors.errors import NotStarted
from supervisors.events import Terminated
from supervisors.exits import NORMAL, SHUTDOWN, TIMEOUT, Custom, ExitReason, Killed, error_of, is_abnormal
from supervisors.inbox import Item, MailProcess
from supervisors.process import Process
from supervisors.ref import From
from supervisors.runtime import Runtime
from supervisors.scheduler import CLOCK_EVERY, TURN_MESSAGES, TURN_SLICE_S
from supervisors.signals import CURRENT, DEAD, RUNNING, Exit, State
from supervisors.worker import PASSED_ON, Worker

__all__ = ["ActorProcess"]

_PENDING: Final = object()
_NOWHERE: Final = Context()


class ActorProcess(MailProcess):
    """Runs one instance of an actor class."""

    __slots__ = (
        "_busy",
        "_context",
        "_doomed",
        "_final_reply",
        "_item",
        "_next",
        "_outcome",
        "_queued",
        "_started",
        "_worker",
        "instance",
        "reductions",
    )

    def __init__(self, runtime: Runtime, instance: Actor, name: str | None, parent: Process | None) -> None:
        cls = type(instance)
        super().__init__(runtime, instance.mailbox_capacity, name=name, label=cls.__name__, parent=parent)
        self.instance: Actor | None = instance
        self._context: Context = copy_context()
        self._context.run(CURRENT.set, self)
        self._item: Item | None = None  # what the worker is busy with
        self._next: Item | None = None
        self._busy = False
        self._queued = False
        self._doomed: ExitReason | None = None
        self._worker: Worker | None = None
        self._outcome: object = _PENDING  # of the start; None when up
        self._started: asyncio.Future[None] | None = None
        self._final_reply: tuple[From, object] | None = None
        self.reductions = 0
        self.trap_exit = cls.trap_exit if cls.trap_exit is not None else cls.terminate is not Actor.terminate
        instance.me = self
        instance.runtime = runtime

    # Turns

    def wake(self) -> None:
        if self._queued or self._busy:
            return
        if self._next is not None or self.state is RUNNING:
            self._queued = True
            self.runtime.scheduler.enqueue(self)

    def _wake_if_more(self) -> None:
        if self._next is not None or len(self._mailbox):
            self.wake()

    def _take(self) -> Item | None:
        """What to serve now: what the last callback asked for, else the oldest message."""
        item = self._next
        if item is not None:
            self._next = None
            return item
        return self._mailbox.take() if self.state is RUNNING else None

    # Working

    def turn(self) -> None:
        """Work through messages until the mailbox is empty, the turn is used up, or a callback has to wait."""
        self._queued = False
        now = self.runtime.scheduler.now
        deadline = now() + TURN_SLICE_S
        for served in range(1, TURN_MESSAGES + 1):
            item = None if self._busy else self._take()
            if item is None:
                return
            self._serve(item)
            if served % CLOCK_EVERY == 0 and now() > deadline:
                break
        self._wake_if_more()

    def serve_now(self, item: Item) -> bool:
        """The shortcut of a call to an idle actor: the callback runs within the caller's step, in this actor's context.

        Order holds, for nothing is waiting; a callback that has to wait goes to the worker as ever.
        """
        if self._busy or self._next is not None or self.state is not RUNNING or len(self._mailbox):
            return False
        if not self.runtime.scheduler.allows_shortcut():
            return False
        self._serve(item)
        return True

    def _serve(self, item: Item) -> None:
        self.reductions += 1
        message = item.message
        if item.kind == "handle_call":
            self._invoke(item, message, item.from_)
        elif item.kind == "stop":
            self._stop(message)
        elif item.kind == "handle_info" and isinstance(message, Exit) and message.sender is self.parent is not None:
            self._stop(message.reason)
        else:
            self._invoke(item, message)

    def _invoke(self, item: Item, *args: object) -> None:
        """Run a callback; if it has to wait, its worker takes over and `_job_ended` follows later."""
        callback = getattr(self.instance, item.kind)
        try:
            result = self._context.run(callback, *args)
        except BaseException as error:
            # whatever a callback raises is its end, and its supervisor's business
            self._failed(item, error)
            if isinstance(error, PASSED_ON):
                raise
            return
        if type(result) is CoroutineType:
            self._hand_over(item, cast("Coroutine[Any, Any, object]", result))
        else:
            self._finish(item, result)

    def _hand_over(self, item: Item, job: "Coroutine[Any, Any, object]") -> None:
        if self.state is DEAD:  # the callback has ended its own process before it returned
            job.close()
            return
        self._busy = True
        self._item = item
        if self._worker is None:
            loop = self.runtime.loop
            self._worker = Worker(loop, self._context, self.label, self._job_ended, self._worker_lost)
        self._worker.run(job)

    def _job_ended(self, result: object, error: BaseException | None) -> None:
        item, self._item = self._item, None
        self._busy = False
        if self.state is DEAD or item is None:
            self.runtime.zombies.pop(self.pid, None)
        elif self._doomed is not None:
            self.die(self._doomed)
        elif error is not None:
            self._failed(item, error)
        else:
            self._finish(item, result)
        self._wake_if_more()

    def _worker_lost(self, error: BaseException | None) -> None:
        """Somebody cancelled the worker task itself, as a loop does that shuts down; or an interrupt ended it."""
        self._busy = False
        is_orderly = error is None or isinstance(error, asyncio.CancelledError)
        self.die(self._doomed or (SHUTDOWN if is_orderly else error_of(cast("BaseException", error))))

    # What a callback's result means

    def _finish(self, item: Item, result: object) -> None:
        if self.state is DEAD:
            return
        match item.kind:
            case "handle_call":
                self._called(item, result)
            case "init":
                self._initialised(result)
            case "terminate":
                self._terminated(item.message)
            case _:
                self._proceed(item, result)

    def _called(self, item: Item, result: object) -> None:
        from_ = cast("From", item.from_)
        if isinstance(result, Reply):
            from_.reply(result.value)
            self._proceed(item, result.then)
        elif isinstance(result, Stop):
            if result.reply is not NO_REPLY:
                self._final_reply = (from_, result.reply)
            self._proceed(item, result)
        elif isinstance(result, Continue):
            self._failed(item, TypeError("handle_call returned Continue: expected Reply(value, Continue(term))"))
        elif result is not NO_REPLY:
            from_.reply(result)

    def _proceed(self, item: Item, action: object) -> None:
        if action is None:
            return
        if isinstance(action, Continue):
            self._next = Item("handle_continue", action.term)
            self.wake()
        elif isinstance(action, Stop):
            self._stop(action.reason, item)
        else:
            self._stop(_bad_return(action), item)

    def _failed(self, item: Item, error: BaseException) -> None:
        reason = error_of(error)
        if item.kind == "init":
            self.die(reason)
        elif item.kind == "terminate":
            self._report_end(reason)
            self.die(reason)
        else:
            self._stop(reason, item)

    # Ending

    def interrupt(self, reason: ExitReason) -> None:
        if self._doomed is None or isinstance(reason, Killed):
            self._doomed = reason
        if self._busy and self._worker is not None:
            self._worker.cancel()
        else:
            self.die(self._doomed)

    def running_task(self) -> "asyncio.Task[Any] | None":
        return self._worker.task if self._busy and self._worker is not None else None

    def _stop(self, reason: ExitReason, item: Item | None = None) -> None:
        """Run `terminate`, then die. `item` is what led to it."""
        if self.state is RUNNING:
            self.state = State.STOPPING
            self._report_end(reason, item)
            self._next = Item("terminate", reason)
            self.wake()

    def _terminated(self, reason: ExitReason) -> None:
        if self._final_reply is not None:
            from_, value = self._final_reply
            from_.reply(value)
        self.die(reason)

    def _report_end(self, reason: ExitReason, item: Item | None = None) -> None:
        if is_abnormal(reason):
            last = type(item.message).__name__ if item is not None else ""
            self.runtime.report(Terminated(self.label, reason, last))

    def die(self, reason: ExitReason) -> None:
        if self.state is DEAD:
            return
        if self.state is State.STARTING:
            self._start_failed(reason)
        super().die(reason)
        self._mailbox.clear()
        self.instance = None
        self._item = self._next = self._final_reply = None
        self._context = _NOWHERE  # process → context → process would be a cycle
        if self._worker is not None:
            self._worker.retire()

    # Starting

    async def start(self, within_s: float | None) -> bool:
        """Run `init` and wait for it. True when up, False for `IGNORE`; raises `NotStarted`."""
        self._invoke(Item("init"))
        if self._outcome is _PENDING:
            await self._init_ended(within_s)
        if self._outcome is None or self._outcome is IGNORE:
            return self._outcome is None
        raise NotStarted(self.label, self._outcome)

    async def _init_ended(self, within_s: float | None) -> None:
        self._started = self.runtime.loop.create_future()
        timer = None if within_s is None else self.runtime.call_later(within_s, self._too_slow)
        try:
            await self._started
        except asyncio.CancelledError:
            self._abandoned()
            raise
        finally:
            self._started = None
            if timer is not None:
                timer.cancel()

    def _initialised(self, result: object) -> None:
        if result is None or isinstance(result, Continue):
            self.state = RUNNING
            self.runtime.announce(self)
            self._resolve_start(None)
            self._proceed(Item("init"), result)
            self._wake_if_more()
        elif result is IGNORE:
            self._resolve_start(IGNORE)
            self.die(NORMAL)
        else:
            self.die(result.reason if isinstance(result, Stop) else _bad_return(result))

    def _start_failed(self, reason: ExitReason) -> None:
        """The link goes first and the name with the death: a failed start leaves nothing behind (OTP 26)."""
        if self.parent is not None:
            self.unlink(self.parent, flush=True)
        self._resolve_start(reason)

    def _resolve_start(self, outcome: object) -> None:
        if self._outcome is _PENDING:
            self._outcome = outcome
            if self._started is not None and not self._started.done():
                self._started.set_result(None)  # the starter runs in a later pass of the loop

    def _too_slow(self) -> None:
        """The start is over when the code of `init` is: nothing of it may overlap with another attempt."""
        if self.state is State.STARTING:
            self.kill(TIMEOUT)

    def _abandoned(self) -> None:
        """Whoever started this was cancelled and will never know of it."""
        if self.state is RUNNING:
            if self.parent is not None:
                self.unlink(self.parent, flush=True)
            self.request_stop(SHUTDOWN)
        else:
            self.interrupt(SHUTDOWN)


def _bad_return(value: object) -> Custom:
    return Custom(("bad_return_value", type(value).__name__))
