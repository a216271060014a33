"""What comes of a try: delivered, tried again when, given up, endpoint disabled."""

from datetime import UTC, datetime
from email.utils import format_datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.domain.outbox import Delivery, Endpoint
from symbiont.domain.redelivery import LONGEST_RETRY_AFTER_S, Told, enabled, judged, pause_s, retry_after_s, sent_again
from symbiont.domain.webhook import Hook

NOW = 1_800_000_000.0
DAY_S = 86_400.0
DELIVERY = Delivery("d1", "m1", "ops", "task.done", "2026-11-25T10:00:00Z", body="{}")
ENDPOINT = Endpoint("ops", seen=1)
HOOK = Hook("ops", max_attempts=3, disable_after_s=DAY_S)
DOWN = Told(503, "")


def verdict(told=DOWN, delivery=DELIVERY, endpoint=ENDPOINT, hook=HOOK, now=NOW, jitter=0.0):
    return judged(delivery, endpoint, hook, told, now=now, jitter=jitter)


def test_eleven_tries_take_about_a_day():
    assert 0.8 * DAY_S < sum(pause_s(tries, 0.0) for tries in range(1, 11)) < 1.2 * DAY_S


@given(st.integers(1, 1_000), st.floats(-1, 1))
def test_pauses_grow_up_to_a_bound_and_jitter_by_a_fifth(tries, jitter):
    assert 4.0 <= pause_s(tries, jitter) <= 1.2 * 28_800
    assert pause_s(tries, 0.0) <= pause_s(tries + 1, 0.0)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_success_is_a_delivery_and_wipes_the_slate(status):
    bad = msgspec.structs.replace(ENDPOINT, failing_since=NOW - 10, failures=4)
    found = verdict(Told(status), endpoint=bad)
    assert (found.delivery.state, found.delivery.body, found.rest_s) == ("delivered", "", 0.0)
    assert (found.endpoint.failing_since, found.endpoint.failures, found.endpoint.delivered) == (None, 0, 1)


@pytest.mark.parametrize("status", [0, 100, 199, 301, 302, 307, 400, 401, 404, 429, 500, 503])
def test_all_else_is_a_failure_and_tried_again_a_redirect_too(status):
    found = verdict(Told(status, "why"))
    assert (found.delivery.state, found.delivery.attempts, found.delivery.next_at) == ("pending", 1, NOW + 5.0)
    assert (found.endpoint.failing_since, found.endpoint.failures, found.rest_s) == (NOW, 1, 5.0)


def test_the_last_try_is_the_last():
    found = verdict(delivery=msgspec.structs.replace(DELIVERY, attempts=2))
    assert (found.delivery.state, found.delivery.attempts, found.delivery.body) == ("failed", 3, "{}")
    assert sent_again(found.delivery) == msgspec.structs.replace(found.delivery, state="pending", attempts=0)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("99999999999999999999", LONGEST_RETRY_AFTER_S),
        ("9" * 5_000, LONGEST_RETRY_AFTER_S),
        (format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True), 90.0),
        (format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True), 0.0),
        ("", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("1e9", 0.0),
        ("nan", 0.0),
        ("٣", 0.0),
        ("Wed, 99 Foo 9999 99:99:99 GMT", 0.0),
    ],
)
def test_retry_after_is_read_in_both_forms_and_garbage_is_none(header, seconds):
    assert retry_after_s(header, NOW) == seconds


@given(st.text(max_size=60))
def test_no_retry_after_can_do_harm(header):
    assert 0.0 <= retry_after_s(header, NOW) <= LONGEST_RETRY_AFTER_S


def test_retry_after_makes_a_pause_longer_and_never_shorter():
    assert verdict(Told(429, retry_after="600")).delivery.next_at == NOW + 600
    assert verdict(Told(429, retry_after="600")).rest_s == 600
    assert verdict(Told(429, retry_after="1")).delivery.next_at == NOW + 5.0


def test_an_endpoint_rests_no_longer_than_minutes_unless_it_asks_for_more():
    tired = msgspec.structs.replace(ENDPOINT, failing_since=NOW - 10, failures=50)
    assert verdict(endpoint=tired).rest_s == 300.0


def test_410_disables_at_once_and_the_delivery_waits():
    found = verdict(Told(410))
    assert (found.endpoint.disabled_why, found.delivery.state) == ("it answered 410 Gone", "pending")


def test_the_address_of_a_task_is_never_disabled_only_its_delivery_fails():
    found = verdict(Told(410), hook=Hook("task"))
    assert (found.endpoint.disabled_at, found.delivery.state) == (None, "failed")


@pytest.mark.parametrize(
    ("since_s", "failures", "is_disabled"),
    [(DAY_S, 9, True), (DAY_S - 1, 9, False), (10 * DAY_S, 2, False), (0.0, 100, False)],
)
def test_only_long_and_many_failures_disable(since_s, failures, is_disabled):
    bad = msgspec.structs.replace(ENDPOINT, failing_since=NOW - since_s, failures=failures)
    assert (verdict(endpoint=bad).endpoint.disabled_at is not None) is is_disabled


def test_enabling_wipes_the_slate():
    off = verdict(Told(410)).endpoint
    assert enabled(off) == msgspec.structs.replace(
        off, disabled_at=None, disabled_why="", failing_since=None, failures=0
    )
