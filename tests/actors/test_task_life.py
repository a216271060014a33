"""The life of a task on the whole tree: what is written when, which tier is taken, and what every outcome leads to."""

import structlog

from symbiont.actors import names
from symbiont.config.schema import Config, Dispatch, Routing
from symbiont.domain.outcome import (
    Done,
    Empty,
    Overloaded,
    Refused,
    TimedOut,
    TooLong,
    Truncated,
    Unreachable,
)
from symbiont.domain.task import Priority
from symbiont.ports import ModelReply
from tests.actors.worker_twin import ScriptedWorker, judged


async def test_a_task_is_classified_run_recorded_and_done(system):
    task_id = await system.submit("Say hello")
    task = await system.task(task_id)
    assert (task.status, task.answer.text, task.answer.tier) == ("done", "answer to Say hello", "haiku")
    assert system.worker.trail == ["classify haiku", "task haiku"]
    assert [(line["kind"], line["attempt"], line["success"]) for line in system.ledger] == [
        ("classify", 1, True),
        ("task", 1, True),
    ]


async def test_every_step_is_on_disk_before_the_next_begins(system):
    await system.submit("Say hello")
    steps = [step for step in map(describe, system.trace) if step]
    assert steps == [
        "queue pending",
        "queue processing",
        "queue processing, open: classify",
        "call classify",
        "ledger classify",
        "queue processing, open: task",
        "call task",
        "ledger task",
        "queue done",
    ]


def describe(step):
    name, what = step
    if name == "call":
        return f"call {what.kind}"
    if name == "ledger":
        return f"ledger {what['kind']}"
    if name != "queue":
        return ""
    return f"queue {what['status']}" + (f", open: {what['call']['kind']}" if what.get("call") else "")


async def test_the_ledger_says_what_the_call_cost_and_who_asked(start):
    system = await start()
    await system.submit("Say hello", project="garden", force_tier="sonnet")
    (line,) = system.ledger
    assert line["estimated_cost_usd"] == (1_000 * 2 + 200 * 10) / 1e6
    assert (line["project"], line["worker"], line["billing"], line["prompt_preview"]) == (
        "garden",
        "claude",
        "subscription",
        "Say hello",
    )


async def test_a_forced_tier_is_not_classified(system):
    task = await system.task(await system.submit(force_tier="opus"))
    assert system.worker.trail == ["task opus"]
    assert (task.classification.source, task.classification.tier) == ("forced", "opus")


async def test_a_classifier_that_is_unsure_sends_the_task_one_tier_up(system):
    system.worker.script(judged(2, "low"), kind="classify")
    task = await system.task(await system.submit())
    assert (task.classification.tier, task.answer.tier) == ("sonnet", "opus")


async def test_a_low_confidence_that_need_not_go_up_stays(start):
    system = await start(config=Config(routing=Routing(low_confidence="stay")))
    system.worker.script(judged(1, "low"), kind="classify")
    assert (await system.task(await system.submit())).answer.tier == "haiku"


async def test_a_nonsensical_classification_leads_to_the_default_tier_and_says_why(system):
    system.worker.script(judged(tier="purple"), kind="classify")
    task = await system.task(await system.submit())
    assert (task.classification.source, task.classification.tier, task.answer.tier) == ("default", "haiku", "haiku")
    assert "purple" in task.classification.reason


async def test_a_classification_that_takes_too_long_leads_to_the_default_tier(system):
    system.worker.script(TimedOut("wall", 30.0), kind="classify")
    task = await system.task(await system.submit())
    assert (task.status, task.classification.source) == ("done", "default")
    assert "TIMED_OUT" in task.classification.reason


async def test_without_a_reachable_classifier_rules_decide(system):
    system.worker.script(Unreachable(), kind="classify")
    task = await system.task(await system.submit("Design the architecture of a distributed database"))
    assert (task.status, task.classification.source, task.answer.tier) == ("done", "heuristic", "opus")


async def test_a_worker_that_cannot_classify_is_not_asked_to(start):
    worker = ScriptedWorker(2, name="rehearsal", billing="rehearsal")
    system = await start(worker=worker, classifies=False)
    task = await system.task(await system.submit("What is the capital of France?"))
    assert task.classification.source == "heuristic"
    assert {call.kind for call in worker.calls} == {"task"}
    assert [line["billing"] for line in system.ledger] == ["rehearsal"]


async def test_a_classification_is_paid_for_once_however_many_runs_it_takes(system):
    system.worker.script(Overloaded(529))
    task_id = await system.submit()
    await system.advance(10.0)
    assert (await system.task(task_id)).status == "done"
    assert system.worker.trail == ["classify haiku", "task haiku", "task haiku"]


# Outcomes of a call


async def test_an_overloaded_provider_is_tried_again_after_a_growing_pause(system):
    system.worker.script(Overloaded(529), Overloaded(529))
    task_id = await system.submit(force_tier="haiku")
    first = await system.task(task_id)
    assert (first.status, first.failures, first.not_before) == ("pending", 1, system.clock.wall() + 2.0)
    await system.advance(2.0)
    second = await system.task(task_id)
    assert (second.failures, second.not_before) == (2, system.clock.wall() + 4.0)
    await system.advance(4.0)
    assert (await system.task(task_id)).status == "done"
    assert [line["attempt"] for line in system.ledger] == [1, 2, 3]


async def test_a_task_whose_tries_are_used_up_fails_with_its_last_failure(system):
    system.worker.script(*[TimedOut("idle", 180.0, f"silent {number}") for number in range(4)])
    task_id = await system.submit(force_tier="haiku")
    await system.advance(60.0)
    task = await system.task(task_id)
    assert (task.status, task.failure.code, task.failure.detail) == ("failed", "TIMED_OUT", "silent 3")
    assert len(system.ledger) == 4


async def test_a_task_too_long_for_its_tier_goes_one_up_at_once(system):
    system.worker.script(TooLong(), tier="haiku")
    task = await system.task(await system.submit(force_tier="haiku"))
    assert (task.status, task.answer.tier) == ("done", "sonnet")
    assert [(line["tier"], line["attempt"], line["success"]) for line in system.ledger] == [
        ("haiku", 1, False),
        ("sonnet", 2, True),
    ]


async def test_a_cut_answer_goes_one_tier_up(system):
    system.worker.script(Truncated(), tier="sonnet")
    assert (await system.task(await system.submit(force_tier="sonnet"))).answer.tier == "opus"


async def test_what_the_dearest_tier_cannot_do_fails(system):
    system.worker.script(TooLong("1M tokens"), tier="opus")
    task = await system.task(await system.submit(force_tier="opus"))
    assert (task.status, task.failure.code, task.failure.detail) == ("failed", "TOO_LONG", "1M tokens")


async def test_an_empty_answer_is_tried_one_tier_up(system):
    system.worker.script(Empty(), tier="haiku")
    assert (await system.task(await system.submit(force_tier="haiku"))).answer.tier == "sonnet"
    assert system.worker.trail == ["task haiku", "task sonnet"]


async def test_no_more_calls_are_paid_for_than_tries_are_allowed_whichever_tier_they_go_to(start):
    system = await start(config=Config(dispatch=Dispatch(max_attempts=2)))
    system.worker.script(Truncated(), Truncated(), Truncated())
    task = await system.task(await system.submit(force_tier="haiku"))
    assert (task.status, task.failure.code) == ("failed", "TRUNCATED")
    assert system.worker.trail == ["task haiku", "task sonnet"]


async def test_a_refused_task_fails_at_once(system):
    system.worker.script(Refused("no"))
    task = await system.task(await system.submit(force_tier="haiku"))
    assert (task.status, task.failure.code) == ("failed", "REFUSED")
    assert len(system.ledger) == 1


async def test_a_worker_that_raises_fails_the_task_and_frees_its_slot(start):
    system = await start(slots=1)
    system.worker.script(RuntimeError("a bug"))
    broken = await system.task(await system.submit(force_tier="haiku"))
    assert (broken.status, broken.failure.code) == ("failed", "INTERNAL")
    assert "a bug" in broken.failure.detail
    assert (await system.task(await system.submit(force_tier="haiku"))).status == "done"


async def test_a_call_whose_worker_raised_is_in_the_ledger_with_unknown_cost(system):
    system.worker.script(RuntimeError("a bug"))
    await system.submit(force_tier="haiku")
    (line,) = system.ledger
    assert (line["error_code"], line["estimated_cost_usd"], line["success"]) == ("INTERRUPTED", None, False)


async def test_a_task_for_a_tier_nobody_serves_fails_in_words(system):
    task = await system.task(await system.submit(force_tier="titan"))
    assert (task.status, task.failure.code) == ("failed", "BAD_REQUEST")


# Order and slots


async def test_no_more_calls_run_than_there_are_slots(start):
    system = await start(slots=2)
    held = [system.worker.hold() for _ in range(5)]
    for _ in range(5):
        await system.submit(force_tier="haiku")
    assert system.worker.running == 2
    for each in held:
        each.release.set()
        await system.quiet()
    assert (system.worker.peak, len(system.ledger)) == (2, 5)


async def test_urgent_and_awaited_tasks_come_first(start):
    system = await start(slots=1)
    held = system.worker.hold()
    await system.submit("first", force_tier="haiku")
    await system.submit("low", force_tier="haiku", priority=Priority.LOW)
    await system.submit("queued", force_tier="haiku")
    await system.submit("direct", force_tier="haiku", source="direct")
    await system.submit("critical", force_tier="haiku", priority=Priority.CRITICAL)
    held.release.set()
    await system.quiet()
    assert [call.prompt for call in system.worker.calls] == ["first", "critical", "direct", "queued", "low"]


async def test_a_source_that_is_not_wanted_is_left_alone(start):
    system = await start(source="direct")
    queued, direct = await system.submit(), await system.submit(source="direct")
    assert ((await system.task(queued)).status, (await system.task(direct)).status) == ("pending", "done")


async def test_an_open_call_says_how_it_will_be_billed_should_it_never_be_settled(start):
    system = await start(worker=ScriptedWorker(billing="api"))
    await system.submit(force_tier="haiku")
    assert [line["call"]["billing"] for line in system.lines("queue") if line.get("call")] == ["api"]


async def test_an_answer_that_is_paid_for_is_delivered_whatever_becomes_of_the_log(system):
    def nothing_gets_through(logger, name, event):
        raise BrokenPipeError(32, "Broken pipe")

    with structlog.testing.capture_logs(processors=[nothing_gets_through]):
        task_id = await system.submit(force_tier="opus")
        task = await system.task(task_id)
    assert (task.status, task.answer.text) == ("done", "answer to do it")


async def test_what_others_have_left_is_not_run_by_who_came_for_a_task_of_their_own(start):
    left = b'{"id":"task-1","task":"old","created_at":"2026-03-01T10:00:00Z","status":"pending","source":"direct"}'
    system = await start(source="direct", since="2027-01-15T08:00:00Z", disk={"queue": (left,)})
    ours = await system.submit("ours", source="direct")
    await system.crash(names.DISPATCHER)
    assert ((await system.task("task-1")).status, (await system.task(ours)).status) == ("pending", "done")


async def test_an_answer_whose_cost_nobody_knows_says_so(system):
    class Silent:
        """A worker whose calls tell nothing of what they used."""

        name, slots, billing = "claude", 2, "subscription"

        async def run(self, call):
            return ModelReply(outcome=Done("fine"), elapsed_s=1.0, billing="subscription")

    system.world.workers["claude"] = Silent()
    task = await system.task(await system.submit(force_tier="haiku"))
    assert (task.answer.estimated_cost_usd, task.answer.is_cost_unknown) == (0.0, True)
    assert system.ledger[0]["upper_bound_usd"] > 0
