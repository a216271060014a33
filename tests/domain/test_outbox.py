"""The outbox against a simple model: whatever changes come, its lines bring it back, and it offers what is due and nothing else."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from symbiont.domain import outbox
from symbiont.domain.errors import SymbiontError
from symbiont.domain.fan_out import fan_out, fan_out_limit, orphaned, registered
from symbiont.domain.outbox import Change, Delivery, Endpoint, Outbox
from symbiont.domain.task import Status, Task
from symbiont.domain.webhook import Hook, LimitReached

AT = "2026-11-25T10:00:00Z"
HOOKS = {name: Hook(name) for name in ("a", "b")}


def a_delivery(number: int, endpoint: str = "a", **more) -> Delivery:
    return Delivery(f"m{number}_{endpoint}", f"m{number}", endpoint, "task.done", AT, body=f'{{"n":{number}}}', **more)


def ended(finish: int, status: Status = Status.DONE, **more) -> Task:
    return Task(f"t{finish}", "x", AT, status, finish=finish, finished_at=AT, **more)


def lines_of(box: Outbox) -> list[bytes]:
    return [msgspec.json.encode(change) for change in box.whole()]


def again(lines) -> Outbox:
    box = Outbox()
    box.absorb(lines)
    return box


def state_of(box: Outbox):
    return {one.id: one for one in box}, box.endpoints, dict(+box.pending)


class OutboxMachine(RuleBasedStateMachine):
    """Adds, tries, gives up and sends again; now and then the file is rewritten or the process killed."""

    known = Bundle("known")

    def __init__(self):
        super().__init__()
        self.box = Outbox()
        self.lines: list[bytes] = []
        self.model: dict[str, Delivery] = {}
        self.number = 0

    def _apply(self, change: Change) -> None:
        self.box.apply(change)
        self.lines.append(msgspec.json.encode(change))

    @rule(target=known, endpoint=st.sampled_from("ab"), next_at=st.integers(0, 5))
    def add(self, endpoint, next_at):
        self.number += 1
        new = a_delivery(self.number, endpoint, next_at=float(next_at))
        self._apply(Change(deliveries=(new,), endpoints=(Endpoint(endpoint, seen=self.number),)))
        self.model[new.id] = new
        return new.id

    @rule(id_=known, state=st.sampled_from(["pending", "failed", "delivered"]), next_at=st.integers(0, 5))
    def change(self, id_, state, next_at):
        old = self.model.get(id_)
        if old is None or old.state == "delivered":
            return
        new = msgspec.structs.replace(old, state=state, next_at=float(next_at), attempts=old.attempts + 1)
        self._apply(Change(deliveries=(msgspec.structs.replace(new, body=""),)))
        self.model[id_] = msgspec.structs.replace(new, body="" if state == "delivered" else old.body)

    @rule()
    def rewrite(self):
        self.lines = lines_of(self.box)

    @rule()
    def kill(self):
        self.box = again(self.lines)

    @rule(closed=st.sets(st.sampled_from("ab")))
    def offer(self, closed):
        offered = self.box.next_due({(name, "") for name in closed}, ())
        open_ones = [one for one in self.model.values() if one.state == "pending" and one.endpoint not in closed]
        if not open_ones:
            assert offered is None
        else:
            assert offered is not None
            assert offered.next_at == min(one.next_at for one in open_ones)
            assert self.model[offered.id] == offered

    @invariant()
    def holds_what_the_model_holds(self):
        assert {one.id: one for one in self.box} == self.model

    @invariant()
    def counts_what_waits(self):
        for name in "ab":
            waiting = [one for one in self.model.values() if one.endpoint == name and one.state == "pending"]
            assert self.box.pending[name] == len(waiting)
            assert self.box._bytes[name] == sum(len(one.body) for one in waiting)


TestOutboxMachine = OutboxMachine.TestCase
TestOutboxMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_only_the_latest_that_are_over_are_remembered_and_all_that_wait(monkeypatch):
    monkeypatch.setattr(outbox, "MOST_OVER", 3)
    box = Outbox()
    for number in range(10):
        box.apply(Change(deliveries=(a_delivery(number, state="failed" if number % 2 else "pending"),)))
    assert [one.message_id for one in box if one.state == "failed"] == ["m5", "m7", "m9"]
    assert box.pending["a"] == 5
    assert state_of(again(lines_of(box))) == state_of(box)


def test_an_endpoint_is_full_by_number_or_by_bytes(monkeypatch):
    monkeypatch.setattr(outbox, "MOST_PENDING", 2)
    box = Outbox()
    box.apply(Change(deliveries=(a_delivery(1), a_delivery(2))))
    assert (box.has_room("a"), box.has_room("b")) == (False, True)
    monkeypatch.setattr(outbox, "MOST_PENDING", 100)
    monkeypatch.setattr(outbox, "MOST_BYTES", 10)
    assert not box.has_room("a")


def test_a_line_that_means_nothing_is_refused_with_a_hint():
    with pytest.raises(SymbiontError, match="expected every line of the outbox") as refused:
        Outbox().absorb([b'{"deliveries":[{"id":7}]}'])
    assert (refused.value.code, "webhooks.jsonl" in refused.value.hint) == ("DATA_CORRUPT", True)


def test_fields_of_a_later_version_are_passed_over():
    box = again([b'{"endpoints":[{"name":"a","seen":3,"colour":"red"}],"more":1}'])
    assert box.endpoints["a"].seen == 3


def test_hosts_that_tasks_name_have_a_lane_each():
    one, two = (a_delivery(n, "task", url=f"https://{host}/x") for n, host in enumerate(("a.example", "b.example")))
    assert one.lane != two.lane
    assert a_delivery(1).lane == a_delivery(2).lane


def test_a_wait_that_nothing_asks_for_is_cut_short():
    box = Outbox()
    box.apply(Change(deliveries=(a_delivery(1, next_at=100.0), a_delivery(2, next_at=5.0))))
    assert [(one.message_id, one.next_at) for one in box.shortened(50.0)] == [("m1", 50.0)]


@given(
    st.lists(st.tuples(st.sampled_from([Status.DONE, Status.FAILED]), st.booleans()), max_size=30), st.integers(0, 30)
)
def test_each_endpoint_gets_each_end_after_its_mark_once(ends, mark):
    """In pages of any size, and with one endpoint further than the other."""
    tasks = [ended(n, status, project="p" if has else "") for n, (status, has) in enumerate(ends, start=1)]
    hooks = {"a": Hook("a", events=("task.failed",)), "b": Hook("b", projects=("p",))}
    box = Outbox()
    box.apply(registered(Change(), ["a"], 0))
    box.apply(registered(Change(), ["b"], mark))
    for start in range(0, len(tasks), 7):
        box.apply(fan_out(tasks[start : start + 7], list(box.endpoints.values()), hooks, AT))
    told = {(one.endpoint, one.task_id) for one in box}
    assert told == {("a", task.id) for task in tasks if task.status is Status.FAILED} | {
        ("b", task.id) for task in tasks if task.project == "p" and task.finish > mark
    }


def test_a_change_stops_when_it_is_large_and_its_marks_say_where():
    hooks = {"a": Hook("a", include_result=True)}
    tasks = [Task(f"t{n}", "x" * 16_000, AT, Status.DONE, finish=n) for n in range(1, 101)]
    change = fan_out(tasks, [Endpoint("a", seen=0)], hooks, AT)
    assert 10 < len(change.deliveries) < 30
    assert change.endpoints[0].seen == len(change.deliveries)


def test_what_the_configuration_no_longer_names_is_gone_and_new_again_when_it_does():
    box = Outbox()
    box.apply(registered(Change(), ["a", "b"], 5))
    box.apply(Change(deliveries=(a_delivery(1, "a"), a_delivery(2, "b"))))
    box.apply(orphaned(box, {"b": HOOKS["b"]}))
    assert (box.endpoints["a"].is_gone, box.get("m1_a").state, box.get("m2_b").state) == (True, "failed", "pending")
    assert orphaned(box, {"b": HOOKS["b"]}) == Change()
    assert fan_out([ended(9)], [box.endpoints["b"]], HOOKS, AT).endpoints == (Endpoint("b", seen=9),)


def test_a_limit_goes_to_those_who_want_it_and_can_take_it():
    box = Outbox()
    box.apply(registered(Change(), ["a", "b"], 0))
    box.apply(Change(endpoints=(msgspec.structs.replace(box.endpoints["b"], disabled_at=AT),)))
    limit = LimitReached("reached", "daily", "2026-11-25", 10.0, 10.0, "usd", AT)
    change = fan_out_limit(limit, HOOKS, box, AT)
    assert change is not None
    assert [one.endpoint for one in change.deliveries] == ["a"]
    box.apply(change)
    assert fan_out_limit(limit, HOOKS, again(lines_of(box)), AT) is None
