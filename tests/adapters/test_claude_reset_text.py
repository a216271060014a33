"""Reset times out of sentences meant for people, in every wording there has been."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.adapters.claude_cli.reset_text import parse_reset


def at(*fields, zone="UTC"):
    return datetime(*fields, tzinfo=ZoneInfo(zone)).timestamp()


NOW = at(2026, 11, 21, 1, 30)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Claude AI usage limit reached|1795225728", 1_795_225_728.0),
        ("Claude AI usage limit reached|1795225728123", 1_795_225_728.123),
        ("5-hour limit reached ∙ resets 2am", at(2026, 11, 21, 2)),
        ("You've hit your limit · resets 4pm (UTC)", at(2026, 11, 21, 16)),
        ("You've hit your session limit · resets 2:11am (UTC)", at(2026, 11, 21, 2, 11)),
        ("You've hit your 5-hour limit · resets 1:11am (UTC)", at(2026, 11, 22, 1, 11)),
        ("You've hit your weekly limit · resets Nov 23, 11:11pm (UTC)", at(2026, 11, 23, 23, 11)),
        ("Your limit will reset at 3pm (America/New_York).", at(2026, 11, 21, 15, zone="America/New_York")),
        ("You're out of extra usage · resets 11:30am (Asia/Colombo)", at(2026, 11, 21, 11, 30, zone="Asia/Colombo")),
        ("resets Nov 23 at 3pm (Asia/Tokyo)", at(2026, 11, 23, 15, zone="Asia/Tokyo")),
        ("RESETS DECEMBER 1, 12PM", at(2026, 12, 1, 12)),
        ("resets 12am (UTC)", at(2026, 11, 22, 0)),
        ("resets 12:30 p.m. (GMT)", at(2026, 11, 21, 12, 30)),
    ],
)
def test_a_wording_the_cli_has_used_is_understood(text, expected):
    assert parse_reset(text, NOW) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "You've hit your limit",
        "resets soon",
        "resets 25pm",
        "resets 0am",
        "resets 3:75pm",
        "resets Feb 31, 3pm (UTC)",
        "resets 3pm (Nowhere/Atlantis)",
        "resets 3pm (../../etc/passwd)",
        "resets 3pm (America)",
        "limit reached|123",
        "resets 15:00",
    ],
)
def test_what_is_not_understood_is_none(text):
    assert parse_reset(text, NOW) is None


def test_a_minute_that_is_just_passing_is_now_and_not_tomorrow():
    assert parse_reset("resets 2:11am", at(2026, 11, 21, 2, 11, 40)) == at(2026, 11, 21, 2, 11)
    assert parse_reset("resets 2:11am", at(2026, 11, 21, 2, 12, 40)) == at(2026, 11, 22, 2, 11)


def test_a_date_after_new_year_belongs_to_the_next_year():
    assert parse_reset("resets Jan 2, 3pm", at(2026, 12, 30, 9)) == at(2027, 1, 2, 15)


def test_a_date_that_has_just_passed_belongs_to_the_old_year():
    assert parse_reset("resets Dec 31, 11:59pm", at(2027, 1, 1, 0, 0, 30)) == at(2026, 12, 31, 23, 59)


def test_the_29th_of_february_waits_for_its_year():
    assert parse_reset("resets Feb 29, 3pm", at(2027, 12, 1)) == at(2028, 2, 29, 15)


def test_an_hour_that_comes_twice_is_the_one_to_come():
    zone = ZoneInfo("Europe/Berlin")
    first = datetime(2026, 10, 25, 2, 30, tzinfo=zone)
    second = first.replace(fold=1).timestamp()

    assert parse_reset("resets 2:30am (Europe/Berlin)", first.timestamp() - 600) == first.timestamp()
    assert parse_reset("resets 2:30am (Europe/Berlin)", first.timestamp() + 600) == second


def test_a_time_tomorrow_keeps_its_hour_over_the_change_of_clocks():
    evening = datetime(2026, 3, 28, 20, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()

    found = parse_reset("resets 9am (Europe/Berlin)", evening)

    assert datetime.fromtimestamp(found, UTC).hour == 7


PIECES = st.sampled_from(
    ["resets ", "reset at ", "Nov ", "Feb ", "31", ", ", "3", ":", "77", "pm", "am", " (", "UTC", ")", "|", "∙"]
)


@given(text=st.text() | st.lists(PIECES, max_size=12).map("".join), now=st.floats(allow_nan=True, allow_infinity=True))
def test_no_text_and_no_clock_can_break_it(text, now):
    found = parse_reset(text, now)

    assert found is None or isinstance(found, float)


@given(
    hour=st.integers(1, 12),
    minute=st.integers(0, 59),
    half=st.sampled_from(["am", "pm"]),
    zone=st.sampled_from(["UTC", "Asia/Tokyo", "America/New_York", "Australia/Lord_Howe"]),
    now=st.floats(1_600_000_000, 2_000_000_000),
)
def test_a_time_of_day_is_found_within_the_next_day(hour, minute, half, zone, now):
    found = parse_reset(f"resets {hour}:{minute:02}{half} ({zone})", now)

    assert -60 <= found - now <= 26 * 3600
