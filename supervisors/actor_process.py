"""What runs an actor: its turns on the run queue, and the shortcut of calls. What follows from a callback is in `callbacks`.

Callbacks run with the actor's own context entered, one at a time: in a turn (`work`), called by the scheduler; within the step of
a caller that finds the actor idle (`call`, the shortcut: order holds, for nothing is waiting, and an exception ends the callee as
ever); or in a step of the worker, for callbacks that wait. Until such a one is through, `_is_busy` keeps everything else away.
What is seldom needed (debug functions, a `suspend`, the timer of `After`) is in `_extras`; while that is None, a message pays one
test for all of it.

`work` and `call` are longer than they were if they were only to be read: every message of a system passes through one of them, a
call of a method costs as much as the rest of what they do, and so they do what is ordinary in place.
"""

from collections.abc import Coroutine
from types import CoroutineType
from typing import Any, Final, TypeVar, assert_never, cast

from supervisors.actor import NO_REPLY, After, Continue, Reply, Stop
from supervisors.callbacks import CallbackProcess
from supervisors.debug import In, NoReply
from supervisors.exits import NOPROC, NORMAL, CallExit, ExitReason
from supervisors.extras import Extras, TimeUp
from supervisors.inbox import Item, Kind
from supervisors.ref import CALL_TIMEOUT_S, UNANSWERED, From, Request
from supervisors.scheduler import CLOCK_EVERY, GRACE_MESSAGES, GRACE_S, QUEUE, STEP_ASIDE, TURN_MESSAGES, one_pass
from supervisors.signals import CURRENT, DEAD, RUNNING, Exit, State
from supervisors.start import Starting
from supervisors.validation import check_patience
from supervisors.worker import PASSED_ON, WAITING

__all__ = ["ActorProcess"]

R = TypeVar("R")

_CAST: Final = Kind.CAST
_INFO: Final = Kind.INFO
_NO_CLOCK: Final = CLOCK_EVERY - 1
_NOTHING: Final[Item] = (_CAST, None)
_INIT: Final[Item] = (Kind.INIT, None)
_SAYS_MORE: Final = frozenset({CoroutineType, Reply, Stop, Continue, After, type(NO_REPLY), type(WAITING)})
"""Types of results of `handle_call` that are no plain answers."""
_SERVED_WHILE_SUSPENDED: Final = (Kind.SYSTEM, Kind.STOP)
_SEEN: Final = (Kind.CAST, Kind.INFO, Kind.SIGNAL, Kind.CONTINUE)
"""What debug functions see, besides calls."""
_caller: Final = CURRENT.get


class ActorProcess(CallbackProcess):
    """Serves the messages of one instance of an actor class."""

    __slots__ = ()

    # Turns

    def work(self, until_s: float) -> None:  # noqa: C901, PLR0912 -- see the head of this file
        """One message after another until there is none, the turn is used up, or something out of the ordinary follows."""
        served, item = 0, _NOTHING
        try:
            while self._extras is None and self._next is None:
                if self._leaving:
                    item = self._leaving.pop()
                elif not self._arriving:
                    if self.state is RUNNING:
                        self._is_awake = False
                    return
                elif len(self._arriving) == 1:
                    item = self._arriving.pop()
                else:
                    item = self._turn_over()
                served += 1
                if type(item) is not From:
                    kind, message = item
                    if kind is _CAST:
                        result = self.instance.handle_cast(message)
                    elif kind is _INFO:
                        result = self.instance.handle_info(message)
                    else:
                        result = self._serve_seldom(kind, message, item)
                    if result is not None:
                        self._conclude(item, result)
                        if self._is_busy:
                            return
                else:
                    self._serve_call(item)
                    if self._is_busy:
                        return
                if not served & _NO_CLOCK and (
                    served >= TURN_MESSAGES or self._scheduler.now() > until_s + min(GRACE_MESSAGES, served) * GRACE_S
                ):
                    break
        except BaseException as error:
            # whatever a callback raises is its end, and its supervisor's business
            self._failed(item, error)
            if isinstance(error, PASSED_ON):
                raise
        finally:
            self.reductions += served
            if self._is_awake and not self._is_busy:
                self._work_with_care()

    def _work_with_care(self) -> None:
        """What follows from a callback, and messages that somebody looks at or a timer waits for."""
        for _ in range(TURN_MESSAGES):
            if self._is_busy or self.state is DEAD or (self._next is None and self._extras is None):
                break
            item = self._take_with_care()
            if item is None:
                break
            self.reductions += 1
            self._serve(item)
        self._come_to_rest()

    def _take_with_care(self) -> Item | None:
        item, self._next = self._next, None
        if item is not None:
            return item
        extras = self._extras
        if extras is not None and extras.is_suspended:
            return self._take_system_item()
        if self._leaving:
            return self._leaving.pop()
        return self._turn_over() if self._arriving else None

    def _take_system_item(self) -> Item | None:
        """All that is served while suspended: requests of `sys`, stops, and the exit of the parent."""
        for waiting, indices in (
            (self._leaving, range(len(self._leaving) - 1, -1, -1)),
            (self._arriving, range(len(self._arriving))),
        ):
            for index in indices:
                item = waiting[index]
                if not isinstance(item, From) and (item[0] in _SERVED_WHILE_SUSPENDED or self._is_parental(item)):
                    return waiting.pop(index)
        return None

    def _come_to_rest(self) -> None:
        """A turn is over: what is next?"""
        if self._is_busy or self.state is DEAD:
            return
        self._item = None
        extras = self._extras
        if extras is not None and extras.is_empty:
            self._extras = extras = None
        if not (self._arriving or self._leaving or self._next is not None):
            self._is_awake = False
        elif extras is None or not extras.is_suspended or self._next is not None:
            self._scheduler.enqueue_again(self)
        else:
            self._is_awake = False

    # The shortcut

    async def call(  # noqa: C901 -- see the head of this file
        self, request: Request[R], timeout_s: float | None = CALL_TIMEOUT_S
    ) -> R:
        # This is the one path where every attribute counts: no call of a method of ours where an answer comes at once.
        from_ = From()
        from_.server = self
        from_.request = request
        from_.caller = _caller()
        from_.answer = UNANSWERED
        from_.future = None
        while not self._is_awake and self._extras is None:
            scheduler = self._scheduler
            scheduler.shortcuts = count = scheduler.shortcuts + 1
            if count >= scheduler.ask_at:
                verdict = scheduler.verdict(count)
                if verdict is QUEUE:
                    break
                if verdict is STEP_ASIDE:
                    await one_pass()
                    continue
            self._is_awake = True
            outer, scheduler.active = scheduler.active, self
            self.reductions += 1
            try:
                answer: Any = self.context.run(self.instance.handle_call, request, from_)
                if type(answer) in _SAYS_MORE:
                    answer = self.context.run(self._more, from_, answer)
                if not self._arriving and self.state is RUNNING and answer is not WAITING:
                    self._is_awake = False
                    if from_.answer is not UNANSWERED:
                        answer = from_.answer
                    typed: R = answer
                    return typed
                if answer is not WAITING:
                    from_.reply(answer)
            except BaseException as error:
                self._failed(from_, error)
                if isinstance(error, PASSED_ON):
                    raise
            finally:
                scheduler.active = outer
            self._come_to_rest()
            return cast("R", await self.answer(from_, timeout_s) if from_.answer is UNANSWERED else from_.answer)
        self.take_call(from_)
        return cast("R", await self.answer(from_, timeout_s))

    def _more(self, from_: From, result: object) -> object:
        """The answer of a callback that waits, if it did not have to; all else is concluded, and `WAITING`."""
        if type(result) is CoroutineType:
            result = self._begin(from_, cast("Coroutine[Any, Any, object]", result))
            if type(result) not in _SAYS_MORE:
                return result
        self._conclude(from_, result)
        return WAITING

    async def stop(self, reason: ExitReason = NORMAL, timeout_s: float | None = None) -> None:
        if timeout_s is not None:
            check_patience(timeout_s)
        if not self._is_awake and self._extras is None:
            self._is_awake = True
            self._stop(reason)
            if self.state is DEAD:
                if self.exit_reason is not reason and self.exit_reason != reason:
                    raise CallExit(self.exit_reason or NOPROC, self.label, reason)
                return
            self._come_to_rest()
        await super().stop(reason, timeout_s)

    # Serving

    def _serve(self, item: Item) -> None:
        """Run the callback that `item` is for. Must not raise, but for what ends the program."""
        try:
            if self._extras is not None:
                self._look_at(item)
            if isinstance(item, From):
                self._serve_call(item)
            else:
                self._conclude_unless_none(item, self._serve_seldom(item[0], item[1], item))
        except BaseException as error:
            # whatever a callback raises is its end, and its supervisor's business
            self._failed(item, error)
            if isinstance(error, PASSED_ON):
                raise

    def _serve_call(self, from_: From) -> None:
        answer = self.instance.handle_call(from_.request, from_)
        if type(answer) in _SAYS_MORE or self._extras is not None:
            self._conclude(from_, answer)
        elif from_.answer is UNANSWERED:  # `reply`, in place
            from_.answer = answer
            if from_.future is not None and not from_.future.done():
                from_.future.set_result(answer)

    def _serve_seldom(self, kind: Kind, message: Any, item: Item) -> object:  # noqa: C901 -- a table, one row a kind
        """The result of the callback, None if that is all there is to it."""
        instance = self.instance
        match kind:
            case Kind.SIGNAL if type(message) is TimeUp:
                if self._extras is None or self._extras.time_up is not message:
                    return None
                self._extras.time_up = None
                return instance.handle_info(message.message)
            case Kind.SIGNAL if self._is_parental(item):
                self._stop(message.reason)
            case Kind.SIGNAL | Kind.INFO:
                return instance.handle_info(message)
            case Kind.STOP:
                self._stop(message)
            case Kind.CONTINUE:
                return instance.handle_continue(message)
            case Kind.TERMINATE:
                self._conclude(item, instance.terminate(message))
            case Kind.SYSTEM:
                message(self)
            case Kind.CAST:
                return instance.handle_cast(message)
            case Kind.INIT:
                raise AssertionError("init is run by start alone")
            case _:
                assert_never(kind)
        return None

    def _conclude_unless_none(self, item: Item, result: object) -> None:
        if result is not None:
            self._conclude(item, result)
        elif self._extras is not None and not isinstance(item, From) and item[0] in _SEEN:
            self._debug(NoReply())

    def _is_parental(self, item: Item) -> bool:
        """An exit of the parent ends who traps, through `terminate`, whatever `handle_info` would have made of it."""
        message = None if isinstance(item, From) else item[1]
        return isinstance(message, Exit) and message.sender is self.parent is not None

    def _look_at(self, item: Item) -> None:
        """An ordinary message stops the timer of `After`; debug functions see it."""
        extras = cast("Extras", self._extras)
        if isinstance(item, From):
            extras.time_up = None
            self._debug(In("handle_call", item.request))
        elif item[0] in _SEEN:
            extras.time_up = extras.time_up if item[0] is Kind.SIGNAL and type(item[1]) is TimeUp else None
            self._debug(In(item[0].value, item[1]))

    # Starting

    def begin(self) -> bool:
        """Run `init`. True if up; else `came_up` tells what comes of it."""
        try:
            result = self.context.run(self.instance.init)
            if result is None and self.state is State.STARTING:
                self._is_up()
                if self._arriving:
                    self._come_to_rest()
                else:
                    self._is_awake = False
                return True
            self._starting = Starting()
            if self.state is DEAD:
                self._starting.resolve(self.exit_reason)
            self.context.run(self._conclude, _INIT, result)
        except BaseException as error:
            self._starting = self._starting or Starting()
            self._failed(_INIT, error)
            if isinstance(error, PASSED_ON):
                raise
        self._come_to_rest()
        return False

    async def came_up(self, within_s: float | None) -> bool:
        """What came of a start that was not through at once: True when up, False for `IGNORE`; raises `NotStarted`."""
        return await cast("Starting", self._starting).ended(self, within_s)
