"""How the worker lives with a CLI that misbehaves: hangs, floods, garbage, orphans, cancellation. Real processes."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from symbiont.adapters.claude_cli import ClaudeCli
from symbiont.domain.outcome import (
    BadOutput,
    BadRequest,
    Cancelled,
    CliMissing,
    Done,
    Interrupted,
    TimedOut,
    TooLong,
    Unauthorised,
)
from tests.doubles.claude import LOOPS, FakeClaude, a_call, a_result, is_alive, run_on

OK = {"event": a_result()}
STOPPED = {"event": a_result(subtype="error_during_execution", is_error=True, result=None, total_cost_usd=0.5)}


@pytest.fixture(params=list(LOOPS))
def loop(request):
    return request.param


@pytest.fixture
def fake(tmp_path):
    return FakeClaude(tmp_path)


def outcome_of(fake, loop, **changed):
    return run_on(loop, fake.worker(stop_grace_s=0.5).run(a_call(**changed))).outcome


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


# What is said


def test_lines_that_are_no_events_are_skipped_and_counted(fake, loop):
    fake.does({"say": "Warning: something"}, {"say": "{broken"}, {"say": "[1]"}, {"say": "{}"}, OK)
    worker = fake.worker()

    assert run_on(loop, worker.run(a_call())).outcome == Done("OK")
    assert worker.counts.skipped_lines == 4


def test_a_result_without_its_newline_counts(fake, loop):
    fake.does({"raw": '{"type":"result","subtype":"success","is_error":false,"result":"OK","modelUsage":{"m":{}}}'})

    assert outcome_of(fake, loop) == Done("OK")


def test_a_result_cut_in_half_is_none(fake, loop):
    fake.does({"raw": '{"type":"result","subtype":"succ'}, {"exit": 0})

    assert isinstance(outcome_of(fake, loop), Interrupted)


def test_an_answer_of_many_megabytes_arrives_whole(fake, loop):
    fake.does({"event": a_result(result="x" * 20_000_000)})

    assert len(outcome_of(fake, loop).text) == 20_000_000


def test_a_line_beyond_the_bound_is_dropped_and_the_rest_is_read(fake, loop):
    fake.does({"giant": 65 << 20}, OK)
    worker = fake.worker()

    assert run_on(loop, worker.run(a_call())).outcome == Done("OK")
    assert worker.counts.too_long_lines == 1


def test_a_result_too_long_to_take_is_bad_output(fake, loop):
    fake.does({"giant": 65 << 20})

    assert isinstance(outcome_of(fake, loop), BadOutput)


def test_a_flood_on_stderr_neither_blocks_nor_shows(fake, loop):
    fake.does({"flood": 5_000_000}, OK)

    assert outcome_of(fake, loop) == Done("OK")


# How it ends


@pytest.mark.parametrize(
    ("stderr", "code", "expected"),
    [
        ("", 0, Interrupted),
        ("", 1, Interrupted),
        ("error: unknown option '--x'", 1, BadRequest),
        ("Error: --json-schema is not a valid JSON Schema: data/type must be array", 1, BadRequest),
        ("Error: Input contained only whitespace.", 1, BadRequest),
        ("Error: piped stdin input exceeds 10MB.", 1, TooLong),
        ("Not logged in · Please run /login", 1, Unauthorised),
        ("/usr/bin/env: 'node': No such file or directory", 127, CliMissing),
        ("", 143, Interrupted),
    ],
)
def test_an_end_without_a_result_is_read_from_stderr_and_exit_code(fake, loop, stderr, code, expected):
    fake.does({"grumble": stderr}, {"exit": code})

    assert type(outcome_of(fake, loop)) is expected


def test_a_kill_from_outside_interrupts(fake, loop):
    fake.does({"die": signal.SIGKILL})

    assert outcome_of(fake, loop) == Interrupted("the CLI ended without a result, with signal 9")


def test_a_worker_knows_whether_its_executable_is_there(fake):
    assert fake.worker().is_available()
    assert not fake.worker(executable="/nowhere/claude").is_available()


def test_slots_are_as_told_or_as_many_as_cores(fake):
    assert fake.worker(slots=3).slots == 3
    assert fake.worker(slots=0).slots == len(os.sched_getaffinity(0))


def test_a_missing_executable_says_how_to_install_it(fake, loop):
    outcome = run_on(loop, fake.worker(executable="/nowhere/claude").run(a_call())).outcome

    assert isinstance(outcome, CliMissing)
    assert "/nowhere/claude" in outcome.detail
    assert "npm install -g @anthropic-ai/claude-code" in outcome.detail


def test_a_file_that_cannot_be_executed_is_a_missing_cli(fake, loop):
    fake.executable.chmod(0o644)

    assert isinstance(outcome_of(fake, loop), CliMissing)


def test_a_program_without_its_interpreter_is_a_missing_cli(fake, loop):
    fake.executable.write_text("#!/nowhere/interpreter\n", "utf-8")

    assert isinstance(outcome_of(fake, loop), CliMissing)


@pytest.mark.parametrize(("prompt", "expected"), [(" \n\t", BadRequest), ("x" * 10_000_001, TooLong)])
def test_a_prompt_the_cli_would_refuse_is_refused_without_starting_it(fake, loop, prompt, expected):
    assert type(outcome_of(fake, loop, prompt=prompt)) is expected
    assert not (fake.folder / "seen.json").exists()


def test_a_system_prompt_beyond_the_kernels_limit_is_a_bad_request(fake, loop):
    assert isinstance(outcome_of(fake, loop, system="x" * 200_000), BadRequest)


def test_a_cli_that_does_not_end_after_its_result_is_ended_and_its_answer_kept(fake, loop):
    fake.does(OK, {"hang": True}, ignore=["SIGINT"])

    assert outcome_of(fake, loop) == Done("OK")


# Standard input


def test_a_prompt_of_megabytes_arrives_whole(fake, loop):
    outcome = outcome_of(fake.does(OK), loop, prompt="ä" * 4_000_000)

    assert outcome == Done("OK")
    assert fake.seen()["stdin"] == "Task:\n" + "ä" * 4_000_000


def test_a_cli_that_never_reads_its_input_still_answers(fake, loop):
    fake.does(OK, reads=False)

    assert outcome_of(fake, loop, prompt="x" * 5_000_000) == Done("OK")


def test_a_prompt_with_a_lone_surrogate_is_sent_with_a_question_mark(fake, loop):
    outcome_of(fake.does(OK), loop, prompt="a\ud800b")

    assert fake.seen()["stdin"] == "Task:\na?b"


# Limits of our own


def test_silence_beyond_the_idle_limit_is_a_timeout(fake, loop):
    fake.does({"event": {"type": "system", "subtype": "init"}}, {"hang": True})

    outcome = outcome_of(fake, loop, idle_timeout_s=0.3)

    assert (type(outcome), outcome.limit, outcome.after_s) == (TimedOut, "idle", 0.3)


def test_a_call_beyond_its_wall_limit_is_a_timeout(fake, loop):
    fake.does({"hang": True})

    outcome = outcome_of(fake, loop, timeout_s=0.3)

    assert (type(outcome), outcome.limit, outcome.after_s) == (TimedOut, "wall", 0.3)


@pytest.mark.slow
def test_the_cost_told_after_the_interrupt_is_kept(fake, loop):
    fake.does({"hang": True}, on_sigint=[STOPPED, {"exit": 0}])

    reply = run_on(loop, fake.worker().run(a_call(idle_timeout_s=2.0)))

    assert isinstance(reply.outcome, TimedOut)
    assert reply.reported_cost_usd == 0.5


def test_a_cli_deaf_to_sigint_is_terminated(fake, loop):
    fake.does({"touch": "started"}, {"hang": True}, ignore=["SIGINT"])
    worker = fake.worker(stop_grace_s=0.2)

    assert isinstance(run_on(loop, cancel_when(fake, worker, "started")).outcome, Cancelled)
    assert worker.counts.kills == 0


@pytest.mark.slow
def test_a_cli_deaf_to_everything_is_killed(fake, loop):
    fake.does({"touch": "started"}, {"hang": True}, ignore=["SIGINT", "SIGTERM"])
    worker = fake.worker(stop_grace_s=0.2)

    assert isinstance(run_on(loop, cancel_when(fake, worker, "started")).outcome, Cancelled)
    assert worker.counts.kills == 1


# Nothing is left behind


@pytest.mark.parametrize("last", [[OK], [{"exit": 1}], [{"die": signal.SIGKILL}]])
def test_a_descendant_in_a_session_of_its_own_does_not_outlive_the_call(fake, loop, last):
    fake.does({"grandchild": "pid"}, *last)

    outcome_of(fake, loop)

    assert not is_alive(int((fake.folder / "pid").read_text()))


@pytest.mark.slow
def test_fifty_calls_leave_no_descriptor_and_no_zombie(fake, loop):
    async def many():
        worker = fake.does({"flood": 100}, OK).worker()
        await worker.run(a_call())
        before = descriptors()
        for _ in range(49):
            await worker.run(a_call())
        return before, descriptors()

    before, after = run_on(loop, many())

    assert before == after
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


# Cancellation


async def cancel_when(fake, worker: ClaudeCli, sign: str):
    run = asyncio.create_task(worker.run(a_call()))
    await fake.appears(sign)
    run.cancel()
    return await run


async def cancel_when_read(fake, worker: ClaudeCli):
    """Cancel once the answer has been written and, a while of nothing else to do later, read."""
    run = asyncio.create_task(worker.run(a_call()))
    await fake.appears("answered")
    for _ in range(100):
        await asyncio.sleep(0)
    run.cancel()
    return await run


def test_a_cancelled_call_returns_with_the_cost_so_far(fake, loop):
    fake.does({"touch": "started"}, {"hang": True}, on_sigint=[STOPPED, {"exit": 0}])

    reply = run_on(loop, cancel_when(fake, fake.worker(), "started"))

    assert isinstance(reply.outcome, Cancelled)
    assert reply.reported_cost_usd == 0.5
    assert reply.usage[0].model_id == "claude-haiku-5-5"


def test_a_call_cancelled_while_it_ends_keeps_the_answer_it_has_given(fake, loop):
    fake.does(OK, {"touch": "answered"}, {"hang": True}, on_sigint=[{"exit": 1}])

    reply = run_on(loop, cancel_when_read(fake, fake.worker()))

    assert (reply.outcome, reply.reported_cost_usd) == (Done("OK"), 0.001)


def test_a_cancelled_call_takes_its_descendants_along(fake, loop):
    fake.does({"grandchild": "pid"}, {"hang": True})

    run_on(loop, cancel_when(fake, fake.worker(), "pid"))

    assert not is_alive(int((fake.folder / "pid").read_text()))


def test_a_cancelled_call_without_an_account_tells_what_its_messages_had_consumed(fake, loop):
    message = {"id": "m1", "model": "claude-haiku-4-5", "usage": {"input_tokens": 305, "output_tokens": 1}}
    start = {"type": "stream_event", "event": {"type": "message_start", "message": message}}
    more = {"type": "stream_event", "event": {"type": "message_delta", "usage": {"output_tokens": 9}}}
    fake.does({"event": start}, {"event": more}, {"touch": "started"}, {"hang": True})

    reply = run_on(loop, cancel_when(fake, fake.worker(), "started"))

    assert (reply.usage[0].model_id, reply.reported_cost_usd) == ("claude-haiku-4-5", None)
    assert (reply.usage[0].usage.input_tokens, reply.usage[0].usage.output_tokens) == (305, 9)


def test_after_a_cancelled_call_the_task_may_wait_again(fake, loop):
    async def run_and_wait():
        reply = await fake.worker().run(a_call())
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
        return reply

    async def scene():
        task = asyncio.create_task(run_and_wait())
        await fake.appears("started")
        task.cancel()
        return await task

    fake.does({"touch": "started"}, {"hang": True})

    assert isinstance(run_on(loop, scene()).outcome, Cancelled)


def test_a_second_cancellation_kills_at_once_and_is_raised(fake, loop):
    async def scene():
        run = asyncio.create_task(fake.worker(stop_grace_s=60.0).run(a_call()))
        pid = int((await fake.appears("pid")).read_text())
        run.cancel()
        await fake.appears("interrupted")
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        return pid

    fake.does({"grandchild": "pid"}, {"hang": True}, on_sigint=[{"touch": "interrupted"}])

    assert not is_alive(run_on(loop, scene()))


def test_a_call_cancelled_before_it_could_start_returns_too(fake, loop):
    async def scene():
        run = asyncio.create_task(fake.does({"hang": True}).worker(stop_grace_s=0.2).run(a_call()))
        await asyncio.sleep(0)
        run.cancel()
        return await run

    assert isinstance(run_on(loop, scene()).outcome, Cancelled)


# What the child gets


def test_the_child_sees_a_named_handful_of_variables_and_an_empty_folder(fake, loop):
    fake.environment |= {"NOTIFY_SOCKET": "/run/notify", "AWS_SECRET_ACCESS_KEY": "s", "https_proxy": "http://proxy"}

    outcome_of(fake.does(OK), loop)

    seen = fake.seen()
    assert {"NOTIFY_SOCKET", "AWS_SECRET_ACCESS_KEY"}.isdisjoint(seen["env"])
    assert seen["env"]["https_proxy"] == "http://proxy"
    assert seen["env"]["SYMBIONT_CALL"] == f"{fake.owner}:task-1:1"
    assert list(Path(seen["cwd"]).iterdir()) == []


def test_a_prompt_never_shows_in_the_arguments(fake, loop):
    outcome_of(fake.does(OK), loop, prompt="/compact the secret plan of @/etc/passwd")

    assert not any("secret plan" in word for word in fake.seen()["argv"])
