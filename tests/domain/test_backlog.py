"""The backlog: what comes next, and that its lines in a file give the same tasks again."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.domain.backlog import Backlog
from symbiont.domain.errors import SymbiontError
from symbiont.domain.queue_file import change_of, load, record_of
from symbiont.domain.task import Answer, Classification, Failure, OpenCall, Priority, Status, Task

NOW = 1_800_000_000.0
PRIORITIES = [Priority.CRITICAL, Priority.HIGH, Priority.NORMAL, Priority.LOW]


def a_task(number=1, **fields) -> Task:
    known = {"id": f"queued-{number}", "task": "do it", "created_at": "2027-01-15T08:00:00Z", "status": Status.PENDING}
    return Task(**(known | fields))


def backlog_of(*tasks: Task) -> Backlog:
    backlog = Backlog()
    for task in tasks:
        backlog.put(task)
    return backlog


def taken_in_order(backlog: Backlog, now: float = NOW, source=None) -> list[str]:
    """Ids as they come up when each is taken."""
    ids = []
    while (task := backlog.next_ready(now, source)) is not None:
        backlog.put(msgspec.structs.replace(task, status=Status.PROCESSING))
        ids.append(task.id)
    return ids


# What comes next


def test_nothing_comes_from_an_empty_backlog():
    assert (Backlog().next_ready(NOW), Backlog().next_moment(NOW), len(Backlog())) == (None, None, 0)


def test_tasks_come_by_priority_then_direct_ones_then_in_order_of_arrival():
    tasks = [
        a_task(1, priority=Priority.LOW, source="direct"),
        a_task(2),
        a_task(3),
        a_task(4, source="direct"),
        a_task(5, priority=Priority.CRITICAL),
        a_task(6, priority=Priority.HIGH),
    ]
    assert taken_in_order(backlog_of(*tasks)) == [f"queued-{number}" for number in (5, 6, 4, 2, 3, 1)]


def test_looking_at_the_next_task_does_not_take_it():
    backlog = backlog_of(a_task(1))
    assert backlog.next_ready(NOW) is backlog.next_ready(NOW)


def test_a_task_that_waits_comes_when_its_moment_does_and_keeps_its_place():
    backlog = backlog_of(a_task(1, not_before=NOW + 5.0), a_task(2))
    assert backlog.next_ready(NOW).id == "queued-2"
    assert backlog.next_moment(NOW) == NOW + 5.0
    assert taken_in_order(backlog, NOW + 5.0) == ["queued-1", "queued-2"]


def test_a_task_that_is_due_is_no_moment_to_wait_for():
    backlog = backlog_of(a_task(1, not_before=NOW), a_task(2, not_before=NOW + 9.0))
    assert backlog.next_moment(NOW) == NOW + 9.0
    assert backlog.next_ready(NOW).id == "queued-1"


def test_a_wait_that_ended_early_is_forgotten():
    backlog = backlog_of(a_task(1, not_before=NOW + 5.0))
    backlog.put(a_task(1))
    assert (backlog.next_moment(NOW), backlog.next_ready(NOW).id) == (None, "queued-1")


def test_a_task_that_went_elsewhere_does_not_come_up():
    backlog = backlog_of(a_task(1), a_task(2, not_before=NOW))
    for number in (1, 2):
        backlog.put(a_task(number, status=Status.CANCELLED))
    assert (backlog.next_ready(NOW), backlog.next_moment(NOW)) == (None, None)


def test_a_source_restricts_what_comes():
    backlog = backlog_of(a_task(1), a_task(2, source="direct"), a_task(3))
    assert taken_in_order(backlog, source="queued") == ["queued-1", "queued-3"]
    assert backlog.next_ready(NOW, "queued") is None


def test_a_forgotten_task_was_never_there():
    backlog = backlog_of(a_task(1))
    backlog.forget("queued-1")
    assert (len(backlog), backlog.get("queued-1"), backlog.next_ready(NOW)) == (0, None, None)
    assert backlog.counts[Status.PENDING] == 0


def test_ids_tell_the_source_and_the_second_and_are_never_given_twice():
    backlog = Backlog()
    ids = [backlog.new_id("queued", NOW + 0.9) for _ in range(3)]
    assert ids == ["queued-1800000000", "queued-1800000000-2", "queued-1800000000-3"]
    assert backlog.new_id("direct", NOW) == "task-1800000000"
    assert backlog.new_id("queued", NOW + 1.0) == "queued-1800000001"


def test_an_id_that_was_loaded_is_not_given_again():
    backlog = backlog_of(a_task(id="queued-1800000000"))
    assert backlog.new_id("queued", NOW) == "queued-1800000000-2"


@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from(Status), st.none() | st.integers(0, 20))))
def test_the_next_task_is_the_best_of_all_that_are_ready(puts):
    """Against the plainest possible model: sort everything."""
    backlog, model, arrivals = Backlog(), {}, []
    for number, status, wait in puts:
        task = a_task(number, status=status, priority=PRIORITIES[number % 4], not_before=wait)
        backlog.put(task)
        model[task.id] = task
        arrivals += [task.id] if task.id not in arrivals else []
        ready = [t for t in model.values() if t.status == "pending" and (t.not_before is None or t.not_before <= 10)]
        best = min(ready, key=lambda t: (PRIORITIES.index(t.priority), arrivals.index(t.id)), default=None)
        assert backlog.next_ready(10.0) == best
    assert sum(backlog.counts.values()) == len(backlog) == len(model)
    later = [t.not_before for t in model.values() if t.status == "pending" and (t.not_before or 0) > 10]
    assert backlog.next_moment(10.0) == min(later, default=None)


# On disk

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
MONEY = st.floats(0, 1e6)
CLASSIFICATIONS = st.builds(Classification, tier=TEXT, reason=TEXT, task_type=TEXT)
ANSWERS = st.builds(Answer, text=TEXT, elapsed_seconds=MONEY, estimated_cost_usd=MONEY)
TASKS = st.builds(
    Task,
    id=st.integers(1, 3).map(lambda number: f"queued-{number}"),
    task=TEXT,
    created_at=TEXT,
    force_tier=st.none() | TEXT,
    project=TEXT,
    tier_floor=st.none() | TEXT,
    not_before=st.none() | MONEY,
    waiting_for=st.none() | TEXT,
    classification=st.none() | CLASSIFICATIONS,
    call=st.none() | st.builds(OpenCall, tier=TEXT, worker=TEXT, model=TEXT, began_at=TEXT),
    answer=st.none() | ANSWERS,
    failure=st.none() | st.builds(Failure, code=TEXT, detail=TEXT),
    finished_at=st.none() | TEXT,
)


@given(st.lists(TASKS, max_size=8))
def test_records_and_changes_give_the_same_tasks_again(history):
    known: dict[str, Task] = {}
    lines = []
    for task in history:
        lines.append(change_of(known[task.id], task) if task.id in known else record_of(task))
        known[task.id] = task
    assert {task.id: task for task in load(lines)} == known


def test_a_record_begins_with_the_classic_fields_and_leaves_out_what_says_nothing():
    assert list(json.loads(record_of(a_task()))) == ["id", "task", "created_at", "status"]


def test_a_change_has_the_id_the_status_and_what_changed():
    old = a_task(call=OpenCall("task", "haiku", "claude", "haiku", "now"))
    new = msgspec.structs.replace(old, status=Status.DONE, call=None, attempt=2)
    assert json.loads(change_of(old, new)) == {"id": "queued-1", "status": "done", "attempt": 2, "call": None}


def test_an_empty_file_holds_no_tasks():
    assert load([]) == []


def test_files_of_an_earlier_version_load():
    lines = [b'{"id":"queued-1","task":"t","created_at":"2026-03-01T10:00:00Z","status":"done"}']
    (task,) = load(lines)
    assert (task.id, task.status, task.source, task.attempt) == ("queued-1", "done", "queued", 0)


def test_the_last_line_of_an_id_wins_and_keeps_its_place():
    lines = [record_of(a_task(1)), record_of(a_task(2)), b'{"id":"queued-1","status":"cancelled"}']
    assert [(task.id, task.status) for task in load(lines)] == [("queued-1", "cancelled"), ("queued-2", "pending")]


def test_fields_of_a_later_version_are_left_alone():
    (task,) = load([b'{"id":"a","task":"t","created_at":"now","status":"failed","colour":"blue"}'])
    assert task.status == "failed"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"not json", "line 2 of the queue is no JSON"),
        (b'["queued-1"]', "expected line 2 of the queue to be an object with an id"),
        (b'{"status":"done"}', "expected line 2 of the queue to be an object with an id"),
        (b'{"id":"b","task":"t","created_at":"now","status":"lost"}', "task b of the queue cannot be read"),
        (b'{"id":"b","status":"done"}', "task b of the queue cannot be read"),
    ],
)
def test_what_is_no_task_is_named_with_its_place(line, complaint):
    with pytest.raises(SymbiontError, match=complaint) as caught:
        load([record_of(a_task()), line])
    assert caught.value.code == "DATA_CORRUPT"
