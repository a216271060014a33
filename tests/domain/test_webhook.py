"""Who hears of what, what a body holds, and signatures by the published vector of the Standard Webhooks specification."""

import base64
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.domain.task import Answer, Failure, Status, Task
from symbiont.domain.webhook import (
    TEXT_CHARS,
    Hook,
    LimitReached,
    key_of,
    limit_message,
    probe_message,
    signature,
    task_message,
    wants_limit,
    wants_task,
)

# The vector of the specification's reference libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

AT = "2026-11-25T10:00:00Z"
ANSWER = Answer("the answer", "haiku", "claude-haiku-5-5", "claude", "subscription", 1.5, 10, 20, 0.001, AT)
DONE = Task("queued-1", "the prompt", AT, Status.DONE, answer=ANSWER, finished_at=AT, finish=7, project="billing")
LIMIT = LimitReached("warning", "daily", "2026-11-25", 8.0, 10.0, "usd", AT)


def a_task(status: Status, **more) -> Task:
    return msgspec.structs.replace(DONE, status=status, **more)


def test_the_published_vector_is_signed_as_published():
    assert signature([key_of(SECRET)], ID, TIMESTAMP, BODY) == SIGNATURE


def test_of_two_secrets_each_signs_so_that_one_can_take_over_from_the_other():
    other = key_of("whsec_" + base64.b64encode(b"n" * 32).decode())
    first, second = signature([other, key_of(SECRET)], ID, TIMESTAMP, BODY).split(" ")
    assert second == SIGNATURE
    assert first.startswith("v1,")
    assert first != second


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_not base64!",
        "whsec_" + base64.b64encode(b"s" * 23).decode(),
        "whsec_" + base64.b64encode(b"l" * 65).decode(),
        "whsec_é",
    ],
)
def test_what_is_no_secret_is_refused_and_not_shown(secret):
    with pytest.raises(ValueError, match=r"24\.\.64 bytes") as refused:
        key_of(secret)
    assert len(secret) < 7 or secret not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "event"),
    [(Status.DONE, "task.done"), (Status.FAILED, "task.failed"), (Status.CANCELLED, "task.cancelled")],
)
def test_a_body_says_type_time_and_data(status, event):
    body = json.loads(task_message(a_task(status), include_result=False).body)
    assert (body["type"], body["timestamp"]) == (event, AT)
    assert (body["data"]["id"], body["data"]["model"], body["data"]["estimated_cost_usd"]) == (
        "queued-1",
        "haiku",
        0.001,
    )


def test_a_body_holds_no_text_of_prompt_answer_or_failure_unless_asked_for():
    failed = a_task(Status.FAILED, failure=Failure("REFUSED", "the detail"))
    plain = task_message(failed, include_result=False).body
    assert not any(text in plain for text in ("the prompt", "the answer", "the detail"))
    data = json.loads(task_message(failed, include_result=True).body)["data"]
    assert (data["task"], data["result"], data["error"], data["is_cut"]) == (
        "the prompt",
        "the answer",
        "the detail",
        False,
    )


def test_long_texts_are_cut_and_say_so():
    data = json.loads(task_message(a_task(Status.DONE, task="x" * (TEXT_CHARS + 1)), include_result=True).body)["data"]
    assert (len(data["task"]), data["is_cut"]) == (TEXT_CHARS, True)


def test_a_task_that_is_not_over_has_nothing_to_tell():
    assert not wants_task(Hook("ops"), a_task(Status.PENDING))
    with pytest.raises(ValueError, match="expected queued-1 to be over, got: pending"):
        task_message(a_task(Status.PENDING), include_result=False)


def test_an_id_is_the_same_for_the_same_end_and_another_for_the_next():
    first, again = (task_message(DONE, include_result=wanted) for wanted in (False, True))
    assert first.id == again.id
    assert first.id != task_message(a_task(Status.DONE, finish=8), include_result=False).id


@given(st.text(max_size=50))
def test_no_id_holds_what_the_signed_text_or_an_address_gives_a_meaning_to(name):
    ids = [
        task_message(a_task(Status.DONE, id=name), include_result=False).id,
        limit_message(msgspec.structs.replace(LIMIT, period=name)).id,
        probe_message(name, AT, 1).id,
    ]
    assert all(id_.replace("-", "").replace("_", "").isalnum() and id_.isascii() for id_ in ids)


@pytest.mark.parametrize(
    ("hook", "wanted"),
    [
        (Hook("ops"), True),
        (Hook("ops", events=("task.done",)), True),
        (Hook("ops", events=("task.failed",)), False),
        (Hook("ops", projects=("billing",)), True),
        (Hook("ops", projects=("other",)), False),
        (Hook("task"), False),
    ],
)
def test_a_hook_hears_what_it_names(hook, wanted):
    assert wants_task(hook, DONE) is wanted


def test_the_hook_of_tasks_hears_of_those_that_bring_an_address():
    assert wants_task(Hook("task"), a_task(Status.DONE, webhook_url="https://example.com"))


def test_what_belongs_to_no_project_is_not_for_a_hook_that_names_some():
    assert wants_limit(Hook("ops"), LIMIT)
    assert not wants_limit(Hook("ops", projects=("billing",)), LIMIT)
    assert wants_limit(Hook("ops", projects=("billing",)), msgspec.structs.replace(LIMIT, project="billing"))
    assert not wants_limit(Hook("task"), LIMIT)
    assert not wants_limit(Hook("ops", events=("limit.reached",)), LIMIT)


def test_levels_periods_and_owners_of_a_limit_are_told_apart():
    changes = ({}, {"level": "reached"}, {"period": "2026-11-26"}, {"project": "x"}, {"tier": "x"}, {"limit": "other"})
    ids = [limit_message(msgspec.structs.replace(LIMIT, **change)).id for change in changes]
    assert len(set(ids)) == len(ids)
    assert limit_message(msgspec.structs.replace(LIMIT, used=9.0)).id == ids[0]
