"""The restart window against the algorithm of OTP, written down naively."""

from hypothesis import given
from hypothesis import strategies as st

from supervisors.intensity import Window
from supervisors.spec import Restart, Strategy
from supervisors.strategy import round_of

moments = st.lists(st.floats(min_value=0, max_value=100), max_size=30).map(sorted)


@given(moments, st.integers(0, 5), st.floats(min_value=0.1, max_value=50))
def test_one_more_restart_is_refused_exactly_when_too_many_are_young_enough(times, intensity, period_s):
    window, taken = Window(intensity, period_s), []
    for now in times:
        young = [moment for moment in taken if moment >= now - period_s]
        assert window.add(now) == (len(young) < intensity)
        taken = [*young, now] if len(young) < intensity else young
        assert window.restarts == tuple(taken)


@given(st.lists(st.text(min_size=1), min_size=1, unique=True), st.data())
def test_a_round_is_a_run_of_the_start_order_that_holds_the_failed_child(ids, data):
    failed = data.draw(st.sampled_from(ids))
    for strategy in Strategy:
        members = round_of(strategy, ids, failed)
        assert failed in members
        assert [child for child in ids if child in members] == list(members)


def test_a_restart_exactly_as_old_as_the_period_still_counts():
    window = Window(1, 5.0)

    assert window.add(0.0)
    assert not window.add(5.0)
    assert window.add(5.0001)


def test_without_intensity_there_is_no_restart():
    assert not Window(0, 5.0).add(0.0)


def test_restart_types_are_the_three_of_otp():
    assert {kind.value for kind in Restart} == {"permanent", "transient", "temporary"}
