"""Who is next among tasks that are ready: by priority, fairly between projects, and so that nothing starves. Pure.

- Ranks first; within a rank direct tasks before queued ones, for somebody waits for them.
- Within one of these classes the project that was served longest ago, and of its tasks the one that arrived first. So k
  projects get a k-th each, and one with 100,000 tasks delays the single task of another by one turn.
- Ageing: a task gains a rank for every `age_s` seconds that it is ready (a queued one is level with direct ones after the first). One that
  has drawn level with a better class is served before it. But only every second turn goes by age: however much has aged,
  what is urgent waits for one task at most, and what has aged gets half of the turns at least.

Every step costs O(log n) of the projects and tasks in line. Does not know tasks, only their entries; whether an entry still counts (`is_stale`)
is its owner's to say.
"""

import heapq
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

CLASSES = 8
"""Four ranks, direct and queued."""


class Place(NamedTuple):
    """Where a task stands: class (0 = first), project."""

    class_: int
    project: str


class Ready(msgspec.Struct, frozen=True, order=True, gc=False):
    """A task in line. Sorts by arrival; `since` is when it became ready, on a clock that never jumps."""

    arrival: int
    id: str
    version: int
    since: float


class _Lane:
    """The tasks of one project in one class, first come first. A stamp outdates what the heaps say of it."""

    __slots__ = ("entries", "joined", "project", "stamp", "turn")

    def __init__(self, project: str, turn: tuple[int, bool], joined: int) -> None:
        self.project = project
        self.turn = turn
        self.joined = joined
        self.entries: list[Ready] = []
        self.stamp = 0


class _Class:
    """The lanes of a class, by turn and by the age of their first. A paused project's lanes are in neither."""

    def __init__(self, is_stale: Callable[[Ready], bool], paused: set[str]) -> None:
        self.lanes: dict[str, _Lane] = {}
        self._is_stale = is_stale
        self._paused = paused
        self._turns = 0
        self._joined = 0
        self._by_turn: list[tuple[tuple[int, bool], int, int, _Lane]] = []
        self._by_age: list[tuple[float, int, int, _Lane]] = []

    def push(self, project: str, entry: Ready) -> None:
        lane = self.lanes.get(project)
        if lane is None:
            self._joined += 1
            # Behind all who were served less recently than the last one, before that one itself.
            lane = self.lanes[project] = _Lane(project, (self._turns, False), self._joined)
        heapq.heappush(lane.entries, entry)
        if lane.entries[0] is entry:
            self.enter(lane)

    def enter(self, lane: _Lane) -> None:
        """Put a lane where it belongs now."""
        lane.stamp += 1
        if lane.project not in self._paused:
            _push(self._by_turn, (lane.turn, lane.joined, lane.stamp, lane))
            _push(self._by_age, (lane.entries[0].since, lane.joined, lane.stamp, lane))

    def served(self, project: str) -> None:
        lane = self.lanes.get(project)
        if lane is not None:
            self._turns += 1
            lane.turn = self._turns, True
            self.enter(lane)

    def by_turn(self) -> Ready | None:
        return self._head(self._by_turn)

    def oldest(self) -> Ready | None:
        return self._head(self._by_age)

    def _head(self, heap: list[tuple[Any, int, int, _Lane]]) -> Ready | None:
        while heap:
            _, _, stamp, lane = heap[0]
            if lane.stamp != stamp or lane.project in self._paused:
                heapq.heappop(heap)
            elif not self._tidied(lane):
                return lane.entries[0]
        return None

    def _tidied(self, lane: _Lane) -> bool:
        """Drop first entries that do not count any more; True if that changed where the lane stands."""
        if not self._is_stale(lane.entries[0]):
            return False
        while lane.entries and self._is_stale(lane.entries[0]):
            heapq.heappop(lane.entries)
        if lane.entries:
            self.enter(lane)
        else:
            lane.stamp += 1
            del self.lanes[lane.project]
        return True


def _push(heap: list[tuple[Any, int, int, _Lane]], item: tuple[Any, int, int, _Lane]) -> None:
    """Also drop what is outdated and in front, so that a heap that nobody looks into does not grow."""
    while heap and heap[0][3].stamp != heap[0][2]:
        heapq.heappop(heap)
    heapq.heappush(heap, item)


class Line:
    """All classes. `served` must be told of every task that is taken."""

    def __init__(self, age_s: float, is_stale: Callable[[Ready], bool]) -> None:
        self._age_s = age_s
        self._is_stale = is_stale
        self.paused: set[str] = set()
        self._classes = [_Class(is_stale, self.paused) for _ in range(CLASSES)]
        self._aged = ""
        self._was_aged = False

    def push(self, place: Place, entry: Ready) -> None:
        self._classes[place.class_].push(place.project, entry)

    def first(self, now: float, classes: range = range(CLASSES)) -> Ready | None:
        """Whose turn it is, who stays in line. `now` is on the clock of `since`."""
        best, first = next(
            ((number, entry) for number in classes if (entry := self._classes[number].by_turn()) is not None), (0, None)
        )
        aged = None if first is None or self._was_aged else self._most_overdue(now, best, classes)
        self._aged = "" if aged is None else aged.id
        return aged or first

    def _most_overdue(self, now: float, best: int, classes: range) -> Ready | None:
        """Of those in lesser classes that have drawn level with the best one, who did so first."""
        found: tuple[float, Ready] | None = None
        for number in classes:
            entry = self._classes[number].oldest() if number > best else None
            if entry is None:
                continue
            level_at = entry.since + self._age_s * max(1, number // 2 - best // 2)
            if level_at <= now and (found is None or level_at < found[0]):
                found = level_at, entry
        return found and found[1]

    def served(self, place: Place, task_id: str) -> None:
        self._was_aged = bool(task_id) and task_id == self._aged
        self._aged = ""
        self._classes[place.class_].served(place.project)

    def pause(self, project: str) -> None:
        self.paused.add(project)

    def resume(self, project: str) -> None:
        self.paused.discard(project)
        for class_ in self._classes:
            if (lane := class_.lanes.get(project)) is not None:
                class_.enter(lane)

    def entries(self, classes: range = range(CLASSES)) -> Iterator[tuple[int, Ready]]:
        """All that count, in no order, with their class; those of paused projects are left out."""
        for number in classes:
            for project, lane in self._classes[number].lanes.items():
                if project not in self.paused:
                    yield from ((number, entry) for entry in lane.entries if not self._is_stale(entry))
