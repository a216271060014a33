"""A pure model of OTP's `supervisor`: what `supervisor.erl` does with a mailbox, as lists and numbers.

Written from the rules (restart types, strategies, budget, retries through the mailbox, answers of the administration), not from
our implementation, so that the two can be compared. No processes, no clock, no event loop.
"""

from collections import Counter, deque
from dataclasses import dataclass, field

from supervisors import Restart, Strategy
from supervisors.flags import AutoShutdown


@dataclass
class Row:
    """One specification. `life` is the number of the process that runs it, 0 if none; it may be dead already."""

    id: str
    restart: Restart
    life: int = 0
    is_alive: bool = False
    attempt: int = 0  # of the retry under way, 0 if none
    significant: bool = False

    @property
    def status(self) -> str:
        return "restarting" if self.attempt else "running" if self.life else "undefined"


@dataclass(frozen=True)
class Ended:
    life: int
    is_abnormal: bool


@dataclass(frozen=True)
class TryAgain:
    id: str
    attempt: int


@dataclass(frozen=True)
class Asked:
    verb: str
    id: str = ""
    restart: Restart = Restart.PERMANENT
    significant: bool = False


@dataclass
class Model:
    strategy: Strategy
    intensity: int
    period_s: float
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    rows: list[Row] = field(default_factory=list)
    mailbox: deque[Ended | TryAgain | Asked] = field(default_factory=deque)
    restarts: list[float] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    absences: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)
    answers: list[object] = field(default_factory=list)
    is_alive: bool = True
    numbers: int = 0

    # What happens to it

    def row(self, child_id: str) -> Row | None:
        return next((row for row in self.rows if row.id == child_id), None)

    def dies(self, child_id: str, *, is_abnormal: bool) -> bool:
        """A child ends by itself; False if there is none to end."""
        row = self.row(child_id)
        if row is None or not row.is_alive:
            return False
        row.is_alive = False
        self.mailbox.append(Ended(row.life, is_abnormal))
        return True

    def run(self, now_s: float) -> None:
        """Work the mailbox off."""
        while self.mailbox and self.is_alive:
            match self.mailbox.popleft():
                case Ended(life, is_abnormal):
                    self._ended(life, is_abnormal, now_s)
                case TryAgain(child_id, attempt):
                    row = self.row(child_id)
                    if row is not None and row.attempt == attempt:
                        self._restart(row, now_s)
                case Asked() as asked:
                    self.answers.append(self._answer(asked))
        if not self.is_alive:
            self.answers += ["exit"] * sum(isinstance(left, Asked) for left in self.mailbox)
            self.mailbox.clear()

    # Deaths

    def _ended(self, life: int, is_abnormal: bool, now_s: float) -> None:
        row = next((row for row in self.rows if row.life == life), None)
        if row is None:
            return
        row.life = 0
        if row.restart is Restart.PERMANENT or (row.restart is Restart.TRANSIENT and is_abnormal):
            self._restart(row, now_s)
            return
        if row.restart is Restart.TEMPORARY:
            self.rows.remove(row)
        if row.significant and self._is_enough(row):
            self._stop_everything()

    def _is_enough(self, ended: Row) -> bool:
        if self.auto_shutdown is AutoShutdown.ALL_SIGNIFICANT:
            return not any(row.significant and (row.life or row.attempt) for row in self.rows if row is not ended)
        return self.auto_shutdown is AutoShutdown.ANY_SIGNIFICANT

    def _restart(self, row: Row, now_s: float) -> None:
        self.restarts = [moment for moment in self.restarts if moment >= now_s - self.period_s] + [now_s]
        if len(self.restarts) > self.intensity:
            self._give_up(row)
            return
        row.attempt = 0
        if self.strategy is Strategy.ONE_FOR_ONE:
            concerned = [row]
        elif self.strategy is Strategy.ONE_FOR_ALL:
            concerned = list(self.rows)
        else:
            concerned = self.rows[self.rows.index(row) :]
        for each in reversed(concerned):
            self._stop(each)
        for each in concerned:
            if each in self.rows and not self._start(each):
                self.numbers += 1
                each.attempt = self.numbers
                self.mailbox.append(TryAgain(each.id, each.attempt))
                return

    def _give_up(self, offender: Row) -> None:
        self.rows.remove(offender)
        self._stop_everything()

    def _stop_everything(self) -> None:
        for row in reversed(list(self.rows)):
            self._stop(row)
        self.is_alive = False

    # One child

    def _start(self, row: Row) -> bool:
        if self.refusals[row.id] > 0:
            self.refusals[row.id] -= 1
            self.trace.append(f"!{row.id}")
            return False
        if self.absences[row.id] > 0:
            self.absences[row.id] -= 1
            self.trace.append(f"?{row.id}")
            if row.restart is Restart.TEMPORARY:
                self.rows.remove(row)
            return True
        self.trace.append(f"+{row.id}")
        self.numbers += 1
        row.life, row.is_alive = self.numbers, True
        return True

    def _stop(self, row: Row) -> None:
        if row.is_alive:
            self.trace.append(f"-{row.id}")
        self.mailbox = deque(left for left in self.mailbox if not (isinstance(left, Ended) and left.life == row.life))
        row.life, row.is_alive, row.attempt = 0, False, 0
        if row.restart is Restart.TEMPORARY:
            self.rows.remove(row)

    # Administration

    def _answer(self, asked: Asked) -> object:
        row = self.row(asked.id)
        match asked.verb:
            case "which":
                return [(row.id, row.status) for row in reversed(self.rows)]
            case "count":
                return len(self.rows), sum(row.is_alive for row in self.rows)
            case "start":
                return self._add(asked, row)
        if row is None:
            return "not_found"
        if asked.verb == "terminate":
            self._stop(row)
            return "ok"
        if row.status != "undefined":
            return row.status
        if asked.verb == "restart":
            return self._outcome(row, is_up=self._start(row))
        self.rows.remove(row)
        return "ok"

    def _add(self, asked: Asked, known: Row | None) -> object:
        if asked.significant and self.auto_shutdown is AutoShutdown.NEVER:
            return "bad_combination"
        if known is not None:
            return "already_started" if known.life else "already_present"
        row = Row(asked.id, asked.restart, significant=asked.significant)
        self.rows.append(row)
        is_up = self._start(row)
        if not is_up:
            self.rows.remove(row)
        return self._outcome(row, is_up=is_up)

    def _outcome(self, row: Row, *, is_up: bool) -> str:
        return "cannot" if not is_up else "started" if row.life else "ignored"
