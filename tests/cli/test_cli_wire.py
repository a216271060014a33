"""The client understands every view as the HTTP layer encodes it."""

import msgspec
import pytest

from symbiont.cli import wire
from symbiont.http.encode import plain
from symbiont.http.examples import EXAMPLES
from symbiont.service import views

ANSWER = views.TaskAnswer("task-1", "x", "haiku", "y", 2.3, 45, 87, 0.0082, "2026-03-19T14:33:12Z", "api")
VIEWS = [view for view in EXAMPLES.values() if not isinstance(view, views.ErrorBody)]


def _as_sent(view):
    return wire.decode(msgspec.json.encode(plain(view)), type(view))


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: type(view).__name__)
def test_a_view_that_travelled_still_encodes_the_same(view):
    assert msgspec.json.encode(plain(_as_sent(view))) == msgspec.json.encode(plain(view))


@pytest.mark.parametrize(("billing", "arrives"), [("api", ""), ("subscription", ""), ("rehearsal", "rehearsal")])
def test_billing_arrives_only_of_a_rehearsal(billing, arrives):
    assert _as_sent(msgspec.structs.replace(ANSWER, billing=billing)).billing == arrives


def test_the_tiers_of_a_flat_status_are_gathered():
    assert _as_sent(EXAMPLES[views.Status]).tier_usage == EXAMPLES[views.Status].tier_usage


@pytest.mark.parametrize("view", [views.Status, views.TaskAnswer, views.TaskView, views.TaskList, views.Queued])
@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'{"tasks": 5}', b'{"tasks": [5], "count": 1, "total": 1}']
)
def test_anything_else_is_refused_as_no_view(view, body):
    with pytest.raises(msgspec.DecodeError):
        wire.decode(body, view)
