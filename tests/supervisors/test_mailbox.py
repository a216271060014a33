"""The mailbox against a plain list."""

from hypothesis import given
from hypothesis import strategies as st

from supervisors.mailbox import Mailbox

steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["put", "put_system", "discard"]), st.integers(0, 9)),
        st.tuples(st.just("take"), st.none()),
    ),
    max_size=60,
)


@given(steps, st.integers(0, 8))
def test_messages_leave_in_the_order_of_arrival_and_only_ordinary_ones_are_bounded(plan, capacity):
    box: Mailbox[int] = Mailbox(capacity)
    expected: list[int] = []
    refused = peak = 0
    for verb, number in plan:
        if verb == "take":
            assert box.take() == (expected.pop(0) if expected else None)
        elif verb == "discard":
            box.discard(lambda message, number=number: message == number)
            expected = [message for message in expected if message != number]
        elif verb == "put" and len(expected) >= capacity:
            assert not box.put(number)
            refused += 1
        else:
            box.put(number) if verb == "put" else box.put_system(number)
            expected.append(number)
        peak = max(peak, len(expected))
        assert len(box) == len(expected)

    assert (box.peak, box.refused) == (peak, refused)
