"""What runs an actor: its mailbox, its turns on the run queue, its worker task, its start and its end.

Everything an actor does happens in `turn`, called by the scheduler: it takes one message after another and runs the
callback in the actor's own context. A callback that returns a coroutine is handed to the worker task (made on first use,
parked in between); until it is through, `_busy` keeps further turns away. A callback never runs inside the worker's own
step for another callback, because a context cannot be entered twice: what follows from a result (`Continue`, `Stop`) is
left in `_next` and served by the next turn, before any queued message.

Cancellation: an exit signal first records its reason in `_doomed` and only then cancels the worker. A `CancelledError` with
no reason recorded is the callback's own doing, and a crash. Cleanup stands in the worker's done-callback, for a task that is
cancelled before its first step never runs its body.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from enum import Enum
from time import perf_counter
from types import CoroutineType
from typing import Any, NamedTuple, cast

from supervisors.actor import IGNORE, NO_REPLY, Actor, Continue, Reply, Stop
from supervisors.errors import MailboxFull, NotStarted
from supervisors.events import Terminated
from supervisors.exits import NORMAL, SHUTDOWN, TIMEOUT, Custom, ExitReason, Killed, error_of, is_abnormal
from supervisors.mailbox import Mailbox
from supervisors.process import CURRENT, Down, Exit, Process, State
from supervisors.ref import From
from supervisors.runtime import Runtime
from supervisors.scheduler import CLOCK_EVERY, TURN_MESSAGES, TURN_SLICE_S

__all__ = ["ActorProcess"]


class _Kind(Enum):
    CALL = "handle_call"
    CAST = "handle_cast"
    INFO = "handle_info"
    CONTINUE = "handle_continue"
    INIT = "init"
    TERMINATE = "terminate"
    STOP = "stop"


class _Item(NamedTuple):
    kind: _Kind
    message: Any
    from_: From | None


class ActorProcess(Process):
    """Runs one instance of an actor class: its mailbox, its turns, its worker task."""

    __slots__ = (
        "_busy", "_context", "_doomed", "_final_reply", "_item", "_job", "_mailbox", "_next", "_parked",
        "_queued",
        "_started", "_worker", "instance", "reductions",
    )  # fmt: skip

    def __init__(self, runtime: Runtime, instance: Actor, name: str | None, parent: Process | None) -> None:
        self.instance: Actor | None = instance
        self._mailbox: Mailbox[_Item] = Mailbox(instance.mailbox_capacity)
        self._context: Context = copy_context()
        self._context.run(CURRENT.set, self)
        self._item: _Item | None = None
        self._next: _Item | None = None
        self._busy = False
        self._queued = False
        self._doomed: ExitReason | None = None
        self._worker: asyncio.Task[None] | None = None
        self._job: Coroutine[Any, Any, object] | None = None
        self._parked: asyncio.Future[None] | None = None
        self._started: asyncio.Future[object] | None = None
        self._final_reply: tuple[From, object] | None = None
        self.reductions = 0
        instance.me = self
        instance.runtime = runtime
        super().__init__(runtime, name=name, label=type(instance).__name__, parent=parent)
        cls = type(instance)
        self.trap_exit = cls.trap_exit if cls.trap_exit is not None else cls.terminate is not Actor.terminate

    # Taking messages

    def post_call(self, request: object, timeout_s: float | None) -> "asyncio.Future[Any]":
        future = self.expect_reply(request, timeout_s)
        if not self._mailbox.put(_Item(_Kind.CALL, request, From(future, self.forget_call, CURRENT.get()))):
            self.forget_call(future)
            future.cancel()
            raise MailboxFull(self.label, self._mailbox.capacity)
        self._wake()
        return future

    def post_cast(self, message: object) -> bool:
        taken = self._mailbox.put(_Item(_Kind.CAST, message, None))
        self._wake()
        return taken

    def post_info(self, message: object) -> bool:
        if self.state is State.DEAD:
            return False
        taken = self._mailbox.put(_Item(_Kind.INFO, message, None))
        self._wake()
        return taken

    def post_signal(self, message: object) -> None:
        if self.state is not State.DEAD:
            self._mailbox.put_system(_Item(_Kind.INFO, message, None))
            self._wake()

    def request_stop(self, reason: ExitReason) -> None:
        if self.state is not State.DEAD:
            self._mailbox.put_system(_Item(_Kind.STOP, reason, None))
            self._wake()

    def flush(self, unwanted: Callable[[Exit | Down], bool]) -> None:
        self._mailbox.discard(lambda item: isinstance(item.message, (Exit, Down)) and unwanted(item.message))

    @property
    def queued(self) -> int:
        return len(self._mailbox)

    @property
    def mailbox(self) -> Mailbox[_Item]:
        """For introspection: depth, peak, capacity, refused. Never its contents."""
        return self._mailbox

    def _wake(self) -> None:
        if self._queued or self._busy:
            return
        if self._next is not None or self.state is State.RUNNING:
            self._queued = True
            self.runtime.scheduler.enqueue(self)

    def _take(self) -> _Item | None:
        """What to serve now: what the last callback asked for, else the oldest message."""
        item = self._next
        if item is not None:
            self._next = None
            return item
        return self._mailbox.take() if self.state is State.RUNNING else None

    # Working

    def turn(self) -> None:
        """Work through messages until the mailbox is empty, the turn is used up, or a callback has to wait."""
        self._queued = False
        deadline = perf_counter() + TURN_SLICE_S
        for served in range(1, TURN_MESSAGES + 1):
            item = None if self._busy else self._take()
            if item is None:
                return
            self._serve(item)
            if served % CLOCK_EVERY == 0 and perf_counter() > deadline:
                break
        self._wake_if_more()

    def _wake_if_more(self) -> None:
        if self._next is not None or len(self._mailbox):
            self._wake()

    def _serve(self, item: _Item) -> None:
        self.reductions += 1
        message = item.message
        if item.kind is _Kind.STOP:
            self._stop(message)
        elif item.kind is _Kind.INFO and isinstance(message, Exit) and message.sender is self.parent is not None:
            self._stop(message.reason)
        elif item.kind is _Kind.CALL:
            self._invoke(item, message, item.from_)
        else:
            self._invoke(item, message)

    def _invoke(self, item: _Item, *args: object) -> None:
        """Run a callback; if it has to wait, its worker task takes over and `_finish` follows later."""
        self._item = item
        callback = getattr(self.instance, item.kind.value)
        try:
            result = self._context.run(callback, *args)
        except Exception as error:  # noqa: BLE001 -- whatever a callback raises is its end, and its supervisor's business
            self._failed(item, error)
            return
        except asyncio.CancelledError as error:
            self._failed(item, error)
            return
        if type(result) is CoroutineType:
            self._hand_over(cast("Coroutine[Any, Any, object]", result))
        else:
            self._finish(item, result)

    def _hand_over(self, job: "Coroutine[Any, Any, object]") -> None:
        self._busy = True
        self._job = job
        if self._parked is not None and not self._parked.done():
            self._parked.set_result(None)
        elif self._worker is None:
            self._worker = self.runtime.loop.create_task(self._work(), name=self.label, context=self._context)
            self._worker.add_done_callback(self._worker_ended)

    async def _work(self) -> None:
        """The worker task: one job after another, parked in between."""
        while True:
            job, item = self._job, self._item
            self._job = None
            if job is not None and item is not None:
                await self._do(job, item)
            if not self.alive:
                return
            if self._job is None:
                self._parked = self.runtime.loop.create_future()
                await self._parked

    async def _do(self, job: "Coroutine[Any, Any, object]", item: _Item) -> None:
        try:
            result = await job
        except asyncio.CancelledError as error:
            self._busy = False
            if self._doomed is None:
                self._failed(item, error)  # nobody asked for it: a callback that cancels itself has crashed
        except Exception as error:  # noqa: BLE001 -- as in _invoke
            self._busy = False
            self._failed(item, error)
        else:
            self._busy = False
            if self._doomed is None:
                self._finish(item, result)
        if self._doomed is not None:
            self._end(self._doomed)
        else:
            self._wake_if_more()

    def _worker_ended(self, task: "asyncio.Task[None]") -> None:
        """Also reached when the task was cancelled before its first step and its body never ran."""
        if self._job is not None:
            self._job.close()
            self._job = None
        if not task.cancelled() and task.exception() is not None:
            self._end(error_of(cast("BaseException", task.exception())))
        self._end(self._doomed or SHUTDOWN)

    def _end(self, reason: ExitReason) -> None:
        if self.state is State.STARTING:
            self._not_started(reason)
        else:
            self.die(reason)

    # What a callback's result means

    def _finish(self, item: _Item, result: object) -> None:
        match item.kind:
            case _Kind.INIT:
                self._initialised(result)
            case _Kind.TERMINATE:
                self._terminated(item.message)
            case _Kind.CALL:
                self._called(item, result)
            case _Kind.CAST | _Kind.INFO | _Kind.CONTINUE | _Kind.STOP:
                self._proceed(result)

    def _initialised(self, result: object) -> None:
        started = self._started
        if started is None or started.done():
            self.die(SHUTDOWN)
        elif result is None or isinstance(result, Continue):
            self.state = State.RUNNING
            self.runtime.announce(self)
            started.set_result(None)
            self._proceed(result)
            self._wake_if_more()
        else:
            reason = result.reason if isinstance(result, Stop) else NORMAL
            if result is not IGNORE and not isinstance(result, Stop):
                reason = Custom(("bad_return_value", type(result).__name__))
            self._not_started(IGNORE if result is IGNORE else reason)

    def _not_started(self, outcome: object) -> None:
        """Dead before the starter learns of it, the link gone: a failed start leaves nothing behind (OTP 26)."""
        if self.parent is not None:
            self.unlink(self.parent, flush=True)
        if self._started is not None and not self._started.done():
            self._started.set_result(outcome)  # the starter runs in a later pass of the loop
        self.die(NORMAL if outcome is IGNORE else cast("ExitReason", outcome))

    def _called(self, item: _Item, result: object) -> None:
        from_ = cast("From", item.from_)
        if result is NO_REPLY:
            self._proceed(None)
        elif isinstance(result, Reply):
            from_.reply(result.value)
            self._proceed(result.then)
        elif isinstance(result, Stop):
            if result.reply is not NO_REPLY:
                self._final_reply = (from_, result.reply)
            self._proceed(result)
        elif isinstance(result, Continue):
            self._failed(item, TypeError("handle_call returned Continue: expected Reply(value, Continue(term))"))
        else:
            from_.reply(result)
            self._proceed(None)

    def _proceed(self, action: object) -> None:
        if action is None:
            return
        if isinstance(action, Continue):
            self._next = _Item(_Kind.CONTINUE, action.term, None)
            self._wake()
        elif isinstance(action, Stop):
            self._stop(action.reason)
        else:
            self._stop(Custom(("bad_return_value", type(action).__name__)))

    # Ending

    def interrupt(self, reason: ExitReason) -> None:
        if self._doomed is None or isinstance(reason, Killed):
            self._doomed = reason
        if self._busy and self._worker is not None:
            self._worker.cancel()
        else:
            self._end(reason)

    def running_task(self) -> "asyncio.Task[Any] | None":
        return self._worker if self._busy else None

    def _failed(self, item: _Item, error: BaseException) -> None:
        reason = error_of(error)
        if item.kind is _Kind.INIT:
            self._not_started(reason)
        elif item.kind is _Kind.TERMINATE:
            self._report_end(reason)
            self.die(reason)
        else:
            self._stop(reason)

    def _stop(self, reason: ExitReason) -> None:
        """Run `terminate`, then die."""
        if self.state is State.RUNNING:
            self.state = State.STOPPING
            self._report_end(reason)
            self._next = _Item(_Kind.TERMINATE, reason, None)
            self._wake()

    def _terminated(self, reason: ExitReason) -> None:
        if self._final_reply is not None:
            from_, value = self._final_reply
            from_.reply(value)
        self.die(reason)

    def _report_end(self, reason: ExitReason) -> None:
        if is_abnormal(reason):
            last = type(self._item.message).__name__ if self._item is not None else ""
            self.runtime.report(Terminated(self.label, reason, last))

    def die(self, reason: ExitReason) -> None:
        if self.state is State.DEAD:
            return
        if self.state is State.STARTING and self._started is not None and not self._started.done():
            self._started.set_result(reason)
        super().die(reason)
        self._mailbox.clear()
        self.instance = None
        self._item = None
        if self._worker is not None and not self._busy and self._worker is not asyncio.current_task():
            self._worker.cancel()

    # Starting

    async def start(self, within_s: float | None) -> bool:
        """Run `init` and wait for it. True when up, False for `IGNORE`; raises `NotStarted`."""
        self._started = self.runtime.loop.create_future()
        self._invoke(_Item(_Kind.INIT, None, None))
        timer = None if within_s is None else self.runtime.call_later(within_s, self._too_slow)
        try:
            outcome = await self._started
        except asyncio.CancelledError:
            self.interrupt(SHUTDOWN)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if outcome is None or outcome is IGNORE:
            return outcome is None
        raise NotStarted(self.label, outcome)

    def _too_slow(self) -> None:
        if self.state is State.STARTING:
            self._not_started(TIMEOUT)
            if self._worker is not None:
                self._worker.cancel()
