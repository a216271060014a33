"""What the answers of actors are turned into for whoever asked over HTTP or on the command line."""

import pytest

from symbiont.actors.ledger import Refused
from symbiont.actors.queue_messages import Illegal, NoSuchTask
from symbiont.domain.errors import SymbiontError
from symbiont.domain.task import Status
from symbiont.service.asking import checked, restarting


@pytest.mark.parametrize(
    ("answer", "code", "message", "hint"),
    [
        (NoSuchTask("x"), "NOT_FOUND", 'expected id to be that of a known task, got: "x"', "symbiont task list"),
        (
            Illegal("task-1", Status.DONE),
            "CONFLICT",
            "expected task-1 to be pending or processing, got: done",
            "symbiont task show task-1",
        ),
        (
            Refused("[Errno 28] No space left on device"),
            "STORAGE_REFUSED",
            "expected the disk to take the record, got: no space left on device",
            "df -h",
        ),
        (
            Refused("expected at most 5 pending tasks, got: one more"),
            "STORAGE_REFUSED",
            "expected at most 5 pending tasks, got: one more",
            "symbiont queue list",
        ),
    ],
)
def test_a_refusal_says_what_was_expected(answer, code, message, hint):
    with pytest.raises(SymbiontError) as refused:
        checked(answer, allowed="pending or processing")
    assert (refused.value.code, refused.value.message, refused.value.hint) == (code, message, hint)


def test_an_actor_that_is_away_is_named_in_plain_words():
    assert restarting("task_supervisor").message.startswith("expected the task supervisor to answer, got: nothing")
