"""What cron expressions mean, also where the clock is put forward or back."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbiont.domain.cron import moments_between, newest_between, next_after, parse
from symbiont.domain.errors import SymbiontError

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def following(cron: str, moment: str, zone=UTC, count: int = 1) -> list[str]:
    found, moments = at(moment), []
    for _ in range(count):
        found = next_after(parse(cron), found, zone)
        moments.append(datetime.fromtimestamp(found, UTC).isoformat()[:16])
    return moments


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("@hourly", "2026-01-01T01:00"),
        ("@daily", "2026-01-02T00:00"),
        ("@weekly", "2026-01-04T00:00"),
        ("@monthly", "2026-02-01T00:00"),
        ("*/15 * * * *", "2026-01-01T00:15"),
        ("5,10-12 3 * * *", "2026-01-01T03:05"),
        ("0 0 * FEB MON", "2026-02-02T00:00"),
        ("0 0 * * 7", "2026-01-04T00:00"),
        ("0 0 * * FRI-SUN", "2026-01-02T00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("0 0 13 * FRI", "2026-01-02T00:00"),  # either day
        ("0 0 */31 * FRI", "2026-05-01T00:00"),  # a field that begins with * does not restrict: both
    ],
)
def test_the_next_moment(cron, expected):
    assert following(cron, "2026-01-01T00:00Z") == [expected]


@pytest.mark.parametrize(
    ("cron", "message", "hint"),
    [
        ("* * * *", "expected five fields", "0 7"),
        ("@never", "expected five fields", ""),
        ("60 * * * *", "expected minute to be 0..59, got", ""),
        ("* * * JANUARY *", "expected month to be 1..12 or JAN..DEC", ""),
        ("0 22-6 * * *", "expected hour to be a range from the lower to the higher", "22-23,0-6"),
        ("5/15 * * * *", "expected minute to have a range before its step", "5-59/2"),
        ("*/0 * * * *", "expected minute to be 1..59", ""),
        ("0 0 30 2 *", "expected a day that there is", ""),
        ("1,,2 * * * *", "expected minute to be 0..59", ""),
    ],
)
def test_errors_teach(cron, message, hint):
    with pytest.raises(SymbiontError) as refused:
        parse(cron)
    assert message in refused.value.message
    assert hint in refused.value.hint


def test_a_time_that_does_not_exist_comes_right_after_the_gap():
    assert following("30 2 * * *", "2026-03-28T12:00Z", BERLIN, 2) == ["2026-03-29T01:00", "2026-03-30T00:30"]


def test_several_times_in_a_gap_come_once():
    assert following("*/20 2 29 3 *", "2026-03-28T12:00Z", BERLIN, 2) == ["2026-03-29T01:00", "2027-03-29T00:00"]


def test_a_time_that_exists_twice_comes_once():
    assert following("30 2 * * *", "2026-10-24T12:00Z", BERLIN, 2) == ["2026-10-25T00:30", "2026-10-26T01:30"]


def test_a_whole_day_that_is_left_out_is_made_up_for_after_it():
    apia = ZoneInfo("Pacific/Apia")
    assert following("0 12 30 12 *", "2011-12-29T00:00Z", apia) == ["2011-12-30T10:00"]


FIELDS = st.tuples(
    st.sampled_from(["*", "*/7", "0", "30", "5-40/10"]),
    st.sampled_from(["*", "2", "1-3", "*/5"]),
    st.sampled_from(["*", "29", "*/2", "25-31"]),
    st.sampled_from(["*", "MAR,OCT"]),
    st.sampled_from(["*", "SUN", "1-5"]),
).map(" ".join)
ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]).map(ZoneInfo)
STARTS = st.one_of(
    *(
        st.integers(at(day) - 90_000, at(day) + 90_000)
        for day in (
            "2026-03-29T01:00Z",
            "2026-10-25T01:00Z",
            "2026-04-04T15:00Z",
            "2026-03-08T07:00Z",
            "2026-11-01T06:00Z",
        )
    )
)


def matches(cron, local) -> bool:
    return local.minute in cron.minutes and local.hour in cron.hours and cron.allows(local.date())


def scanned(cron, after: int, until: int, zone) -> set[int]:
    """Minute by minute, by the clock on the wall: each time once, those that were passed over right after."""
    shown, found = datetime.fromtimestamp(after - 172_800, zone).replace(tzinfo=None), set()
    seen = None
    for moment in range((after - 172_800) // 60 * 60, until + 1, 60):
        local = datetime.fromtimestamp(moment, zone).replace(tzinfo=None, fold=0)
        minutes = (
            [local]
            if seen is None
            else [
                datetime.fromtimestamp(wall, UTC).replace(tzinfo=None)
                for wall in range(
                    int(seen.replace(tzinfo=UTC).timestamp()) + 60, int(local.replace(tzinfo=UTC).timestamp()) + 60, 60
                )
            ]
        )
        if any(matches(cron, minute) for minute in minutes) and moment > after:
            found.add(moment)
        seen = local if seen is None else max(seen, local)
    assert shown is not None
    return found


@given(FIELDS, STARTS, ZONES)
@settings(max_examples=60, deadline=None)
def test_moments_are_those_of_a_scan_minute_by_minute(text, after, zone):
    cron, until = parse(text), after + 129_600
    expected = sorted(scanned(cron, after, until, zone))
    assert list(moments_between(cron, after, until, zone)) == expected
    assert next_after(cron, after, zone) > after
    if expected:
        assert next_after(cron, after, zone) == expected[0]
    assert newest_between(cron, after, until, zone, 5) == tuple(expected[-5:])
