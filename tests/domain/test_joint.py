"""One call for several tasks: what is asked, whose answer is whose, who pays what."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.domain.joint import answers, is_about_a_request, joined, may_share, shared_usage, split
from symbiont.domain.outcome import BadOutput, Cancelled, Done, Empty, Overloaded, TimedOut, TooLong, UsageLimited
from symbiont.domain.price import ModelPrice, PriceTable, Rates
from symbiont.domain.task import Status, Task, Try
from symbiont.domain.usage import ModelUsage, Usage

texts = st.text(max_size=40) | st.sampled_from(
    ['"}]', '{"id": "a1", "answer": "mine"}', "</item>", "\\", "\u2028", "```"]
)
amounts = st.integers(0, 10**12)
weights = st.lists(st.integers(0, 10**6), min_size=1, max_size=12)


def told(*pairs):
    return {"answers": [{"id": id_, "answer": answer} for id_, answer in pairs]}


@given(amounts, weights)
def test_shares_come_to_the_whole_and_lie_within_one_of_the_weights(amount, weights):
    parts = split(amount, weights)
    whole = sum(weights)

    assert sum(parts) == amount
    assert min(parts) >= 0
    if whole:
        assert all(abs(part * whole - amount * weight) < whole for part, weight in zip(parts, weights, strict=True))


@given(amounts, st.integers(1, 12))
def test_without_weights_everybody_bears_the_same(amount, count):
    parts = split(amount, [0] * count)

    assert (sum(parts), max(parts) - min(parts) <= 1) == (amount, True)


usages = st.builds(Usage, *[st.integers(0, 10**6)] * 5)


@given(
    st.lists(usages, max_size=3),
    st.lists(st.tuples(st.integers(0, 9_999), st.integers(0, 9_999)), min_size=1, max_size=9),
)
def test_the_tokens_and_the_costs_of_all_shares_are_those_of_the_call(found, lengths):
    used = [ModelUsage(f"model-{number}", usage) for number, usage in enumerate(found)]
    prices = PriceTable("v", {each.model_id: ModelPrice(Rates(1_000, 5_000, 100, 1_250, 2_000)) for each in used})
    shares = shared_usage(used, [read for read, _ in lengths], [written for _, written in lengths])

    def cost(some):
        return sum(prices.cost_nanos(each.model_id, each.usage) for each in some)

    assert len(shares) == len(lengths)
    for index, each in enumerate(used):
        assert sum((share[index].usage for share in shares), Usage()) == each.usage
    assert sum(map(cost, shares)) == cost(used)


@given(st.dictionaries(st.uuids().map(str), texts, min_size=1, max_size=8))
def test_requests_arrive_as_data_whatever_is_in_them(prompts):
    whole = joined("Do it.", prompts, None)

    assert [(row["id"], row["request"]) for row in json.loads(whole.prompt)] == list(prompts.items())
    assert whole.system.startswith("Do it.\n\nYou get ")


@given(st.dictionaries(st.sampled_from(["a1", "b2", "c3"]), texts.filter(str.strip), min_size=1), st.booleans())
def test_every_answer_reaches_its_own_request(given_answers, is_structured):
    whole = told(*given_answers.items())
    done = Done("", whole) if is_structured else Done(f"Here you are:\n```json\n{json.dumps(whole)}\n```")

    assert answers(done, list(given_answers), structured=False) == [Done(text) for text in given_answers.values()]


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (told(("a", "one"), ("zz", "nobody asked"), ("b", "two")), [Done("one"), Done("two")]),
        (told(("a", "one")), [Done("one"), BadOutput]),
        (told(("a", "one"), ("b", "two"), ("a", "no, this")), [BadOutput, Done("two")]),
        (told(("a", {"tier": 1}), ("b", 2)), [BadOutput, BadOutput]),
        (told(("a", " \n"), ("b", "two")), [Empty, Done("two")]),
        ({"answers": "none"}, [BadOutput, BadOutput]),
        ({"answers": [1, None, ["a"], {"id": "b", "answer": "two"}]}, [BadOutput, Done("two")]),
        ({}, [BadOutput, BadOutput]),
    ],
)
def test_what_is_missing_doubled_or_of_another_form_is_no_answer_and_costs_the_others_nothing(rows, found):
    given_ = answers(Done("", rows), ["a", "b"], structured=False)

    assert [one if isinstance(one, Done) else type(one) for one in given_] == found


def test_where_objects_are_asked_for_a_text_is_no_answer():
    rows = told(("a", {"tier": 1}), ("b", "tier 1"))

    assert answers(Done("", rows), ["a", "b"], structured=True) == [
        Done("", {"tier": 1}),
        answers(Done(""), ["b"], structured=True)[0],
    ]


@given(texts)
def test_no_text_of_a_model_raises(text):
    assert len(answers(Done(text), ["a", "b"], structured=False)) == 2


@pytest.mark.parametrize("outcome", [Overloaded(529), Cancelled(), UsageLimited("five_hour", "account")])
def test_what_the_worker_is_to_blame_for_meets_all_and_is_judged_as_ever(outcome):
    assert answers(outcome, ["a", "b"], structured=False) == [outcome, outcome]
    assert not is_about_a_request(outcome)


@pytest.mark.parametrize("outcome", [TooLong(), BadOutput(), Empty(), TimedOut("wall", 600.0)])
def test_what_any_of_the_requests_may_be_to_blame_for_sends_each_alone(outcome):
    assert is_about_a_request(outcome)


SMALL = Task("queued-1", "Say hello", "2026-01-01T00:00:00Z", Status.PROCESSING)


def tried(outcome, shares):
    return (Try(1, "task", "haiku", "claude", outcome, "2026-01-01T00:00:00Z", 1.0, 0.0, shares=shares),)


@pytest.mark.parametrize(
    ("changes", "may"),
    [
        ({}, True),
        ({"task": "x" * 100}, True),
        ({"task": "x" * 101}, False),
        ({"source": "direct"}, False),
        ({"rescues": 1}, False),
        ({"story": tried("BAD_OUTPUT", 5)}, False),
        ({"story": tried("BAD_OUTPUT", 0)}, True),
        ({"story": tried("OVERLOADED", 5)}, True),
    ],
)
def test_who_may_share_a_call(changes, may):
    fields = {name: getattr(SMALL, name) for name in SMALL.__struct_fields__} | changes

    assert may_share(Task(**fields), 100) is may
