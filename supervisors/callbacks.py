"""An actor between two messages: what the results of its callbacks mean, callbacks that wait, and the end.

Cancellation: an exit signal first records its reason in `_doomed` and only then cancels the worker; whatever the callback
makes of it (returns, raises, goes on), the actor ends for that reason as soon as the callback is through. A `CancelledError`
with no reason recorded is the callback's own doing, and a crash. What follows from a result (`Continue`, `terminate`) is left in
`_next` and served before any message. When messages are served is decided in `actor_process`.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Coroutine
from contextvars import copy_context
from functools import partial
from math import inf
from types import CoroutineType
from typing import Any, Final, cast

from supervisors.actor import HIBERNATE, IGNORE, NO_REPLY, Actor, After, Continue, Fail, Reply, Stop
from supervisors.clock import Timer
from supervisors.debug import In, NoReply, Out
from supervisors.events import Crashed, Unexpected
from supervisors.exits import NORMAL, SHUTDOWN, Custom, ExitReason, Killed, error_of, is_abnormal, reason_of
from supervisors.extras import NOBODY, Extras, TimeUp
from supervisors.inbox import NOWHERE, Item, Kind, MailProcess, Overflow
from supervisors.obituary import crashed, terminated
from supervisors.process import Process
from supervisors.ref import From
from supervisors.runtime import Runtime
from supervisors.signals import CURRENT, DEAD, RUNNING, State
from supervisors.start import Starting
from supervisors.worker import WAITING, Worker

__all__ = ["CallbackProcess"]

DEEPEST: Final = 16
"""So many callbacks take their first steps within one another; Python's stack is not endless."""


class CallbackProcess(MailProcess):
    """Has an instance of an actor class, the worker of its callbacks that wait, and a life."""

    __slots__ = (
        "_extras",
        "_final_reply",
        "_idle_watch",
        "_is_busy",
        "_item",
        "_next",
        "_starting",
        "_worker",
        "instance",
        "reductions",
        "since_s",
    )

    def __init__(self, runtime: Runtime, instance: Actor, name: str | None, parent: Process | None) -> None:
        cls = type(instance)
        super().__init__(runtime, name=name, label=cls.__name__, parent=parent)
        self.instance: Actor = instance
        self.reductions: int = 0
        self.since_s = 0.0  # since when the callback under way has been waiting
        self.trap_exit = cls.trap_exit if cls.trap_exit is not None else cls.terminate is not Actor.terminate
        self.context = copy_context()
        self.context.run(CURRENT.set, self)
        self._item: Item | None = None  # what is being worked on
        self._next: Item | None = None
        self._is_busy = False
        self._worker: Worker | None = None
        self._idle_watch: Timer | None = None
        self._extras: Extras | None = None
        self._starting: Starting | None = None
        self._final_reply: tuple[From, object] | None = None
        instance.me = self

    @property
    def capacity(self) -> int:
        return self.instance.mailbox_capacity

    @property
    def overflow(self) -> Overflow:
        return self.instance.mailbox_overflow

    # For those who look on

    @property
    def under_way(self) -> Item | None:
        """What a callback that waits is for."""
        return self._item if self._is_busy else None

    @property
    def is_suspended(self) -> bool:
        return self._extras is not None and self._extras.is_suspended

    @abstractmethod
    def _come_to_rest(self) -> None:
        """Something is through: what is next?"""

    # What a callback's result means

    def _conclude(self, item: Item, result: object) -> None:
        if type(result) is CoroutineType:
            result = self._begin(item, cast("Coroutine[Any, Any, object]", result))
        if result is WAITING or self.state is DEAD:
            return
        if isinstance(item, From):
            self._called(item, result)
        elif item[0] is Kind.INIT:
            self._initialised(result)
        elif item[0] is Kind.TERMINATE:
            self._terminated(cast("ExitReason", item[1]))
        else:
            if self._extras is not None:
                self._debug(NoReply())
            self._proceed(item, result)

    def _called(self, from_: From, result: object) -> None:
        if isinstance(result, Reply):
            self._answered(from_, result.value)
            self._proceed(from_, result.then)
        elif isinstance(result, Stop):
            if result.reply is not NO_REPLY:
                self._final_reply = (from_, result.reply)
            self._proceed(from_, result)
        elif isinstance(result, (Continue, After)) or result is HIBERNATE:
            name = getattr(type(result), "__name__", "HIBERNATE")
            raise TypeError(f"expected handle_call to return Reply(value, {name}(…)), got: {name} alone")
        elif result is not NO_REPLY:
            self._answered(from_, result)
        else:
            self._debug(NoReply())

    def _answered(self, from_: From, value: object) -> None:
        if self._extras is not None:
            self._debug(Out(value, "" if from_.caller is None else from_.caller.label))
        from_.reply(value)

    def _proceed(self, item: Item, action: object) -> None:
        if action is None:
            return
        if isinstance(action, Continue):
            self._next = (Kind.CONTINUE, action.term)
        elif isinstance(action, After):
            self._arm(action)
        elif isinstance(action, Stop):
            self._stop(action.reason, item)
        elif action is HIBERNATE:
            self._retire_worker()
        else:
            self._stop(_bad_return(action), item)

    def _arm(self, after: After) -> None:
        if after.delay_s <= 0:
            self._next = (Kind.INFO, after.message)
        elif after.delay_s < inf:
            extras = self.extras()
            extras.time_up = TimeUp(after.message)
            self.send_after(after.delay_s, extras.time_up)

    def extras(self) -> Extras:
        """For `sys`, too: what it leaves empty is dropped when the turn is over."""
        if self._extras is None:
            self._extras = Extras()
        return self._extras

    def _debug(self, event: In | Out | NoReply) -> None:
        debugger = self._extras.debugger if self._extras is not None else None
        if debugger is not None:
            debugger.see(event, self.label, self._debug_function_broke)
            if debugger.is_idle and self._extras is not None:
                self._extras.debugger = None

    def _debug_function_broke(self, id_: str, error: Exception) -> None:
        self.runtime.report(
            Unexpected(self.label, f"debug function {id_} raised {type(error).__name__} and was removed")
        )

    # Callbacks that wait

    def _begin(self, item: Item, job: "Coroutine[Any, Any, object]") -> object:
        """The first step of an async callback; its result, or `WAITING`, and `_job_ended` follows."""
        if self.state is DEAD:  # the callback has ended its own process before it returned
            job.close()
            return WAITING
        if self._worker is None:
            loop = self.runtime.loop
            self._worker = Worker(loop, self.context, self.label, self._job_ended, self._worker_lost)
            self._watch_for_idleness()
        self._is_busy = True
        self._item = item
        scheduler = self._scheduler
        if scheduler.depth >= DEEPEST:
            result = self._worker.begin_later(job)
        else:
            scheduler.depth += 1
            try:
                result = self._worker.begin(job)
            except BaseException:
                self._is_busy = False
                raise
            finally:
                scheduler.depth -= 1
        if result is WAITING:
            self.since_s = self._scheduler.now()
            return WAITING
        self._is_busy = False
        self._item = None
        if self._doomed is not None:
            self.die(self._doomed)
        return result

    def _job_ended(self, result: object, error: BaseException | None) -> None:
        item = self._item
        self._is_busy = False
        if self.state is DEAD or item is None:
            self.runtime.zombies.pop(self.pid, None)
            return
        try:
            if self._doomed is not None:
                self.die(self._doomed)
            elif error is not None:
                self._failed(item, error)
            else:
                self._conclude(item, result)
        except Exception as bug:  # noqa: BLE001 -- only what a result made wrong can come here
            self._failed(item, bug)
        self._come_to_rest()

    def _worker_lost(self, error: BaseException | None) -> None:
        """Somebody cancelled the worker task itself, as a loop does that shuts down; or an interrupt ended it."""
        self._is_busy = False
        is_orderly = error is None or isinstance(error, asyncio.CancelledError)
        self.die(self._doomed or (SHUTDOWN if is_orderly else error_of(cast("BaseException", error))))

    # Ending

    def interrupt(self, reason: ExitReason) -> None:
        if self._doomed is None or isinstance(reason, Killed):
            self._doomed = reason
        if self._is_busy and self._worker is not None:
            self._worker.cancel()
        else:
            self.die(self._doomed)

    def running_task(self) -> "asyncio.Task[Any] | None":
        return self._worker.task if self._is_busy and self._worker is not None else None

    def _failed(self, item: Item, error: BaseException) -> None:
        reason = reason_of(error)
        if self.state is DEAD:
            return
        if not isinstance(item, From) and item[0] is Kind.INIT:
            self.die(reason)
        elif not isinstance(item, From) and item[0] is Kind.TERMINATE:
            if is_abnormal(reason):
                self._report_end(reason, item)
            self.die(reason)
        else:
            self._stop(reason, item)

    def _stop(self, reason: ExitReason, item: Item | None = None) -> None:
        """Run `terminate`, then die. `item` is what led to it."""
        if self.state is not RUNNING:
            return
        self.state = State.STOPPING
        if is_abnormal(reason):
            self._report_end(reason, item)
        if type(self.instance).terminate is Actor.terminate:
            self._terminated(reason)
        else:
            self._next = (Kind.TERMINATE, reason)

    def _terminated(self, reason: ExitReason) -> None:
        if self._final_reply is not None:
            from_, value = self._final_reply
            from_.reply(value)
        self.die(reason)

    def _report_end(self, reason: ExitReason, item: Item | None = None) -> None:
        debugger = self._extras.debugger if self._extras is not None else None
        self.runtime.report(terminated(self.label, self.instance, reason, item, debugger))

    def _obituary(self, reason: ExitReason) -> Crashed:
        return crashed(self, reason, runs=type(self.instance).__qualname__, reductions=self.reductions)

    def die(self, reason: ExitReason) -> None:
        if self.state is DEAD:
            return
        if self.state is State.STARTING:
            if self.parent is not None:
                self.unlink(self.parent, flush=True)
            if self._starting is not None:
                self._starting.resolve(reason)
        super().die(reason)
        self._drop_all()
        self.instance = NOBODY
        self._next = self._final_reply = self._extras = None
        if not self._is_busy:
            self._item = None
        self.context = NOWHERE
        if self._worker is not None:
            self._retire_worker()

    def _retire_worker(self) -> None:
        worker, self._worker = self._worker, None
        watch, self._idle_watch = self._idle_watch, None
        if watch is not None:
            watch.cancel()
        if worker is not None:
            worker.retire()

    def _watch_for_idleness(self) -> None:
        """OTP `hibernate_after`, at no cost for a message: look now and then whether there was one."""
        after_s = self.instance.hibernate_after_s
        if after_s is not None:
            self._idle_watch = self.runtime.call_later(after_s, partial(self._retire_if_idle, self.reductions))

    def _retire_if_idle(self, reductions: int) -> None:
        if self._is_busy or self._is_awake or self.reductions != reductions:
            self._watch_for_idleness()
        else:
            self._retire_worker()

    # Starting

    def _is_up(self) -> None:
        self.state = RUNNING
        if self.name is not None:
            self.runtime.announce(self.name)

    def _initialised(self, result: object) -> None:
        starting = cast("Starting", self._starting)
        if result is IGNORE:
            starting.resolve(IGNORE)
            self.die(NORMAL)
        elif isinstance(result, Fail):
            starting.resolve(result.reason)
            self.die(NORMAL)
        elif isinstance(result, Stop):
            self.die(result.reason)
        elif result is None or isinstance(result, (Continue, After)) or result is HIBERNATE:
            self._is_up()
            starting.resolve(None)
            self._proceed((Kind.INIT, None), result)
        else:
            self.die(_bad_return(result))


def _bad_return(value: object) -> Custom:
    return Custom(("bad_return_value", type(value).__name__))
