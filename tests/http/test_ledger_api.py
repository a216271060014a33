"""The ledger and the budgets over HTTP: filters, dimensions, imports, and what of them is refused."""

from datetime import UTC, datetime

import msgspec
import pytest

from symbiont.domain.ledger import decode
from symbiont.domain.ledger_query import DIMENSIONS, LedgerFilter
from symbiont.http.examples import EXAMPLES
from symbiont.service import views

LINE = msgspec.json.decode(bytes(EXAMPLES[views.LedgerPage].entries[0]))


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("model=opus", LedgerFilter(model="opus")),
        ("tier=opus&worker=ollama&node=attic", LedgerFilter(tier="opus", worker="ollama", node="attic")),
        ("project=", LedgerFilter(project="")),
        ("kind=judge&billing=own", LedgerFilter(kind="judge", billing="own")),
        ("success=false&error=REFUSED", LedgerFilter(success=False, error="REFUSED")),
        ("task=task-1", LedgerFilter(task="task-1")),
        ("since=2026-03-19", LedgerFilter(since=datetime(2026, 3, 19, tzinfo=UTC))),
        ("until=2026-03-19T14:30:00-02:00", LedgerFilter(until=datetime(2026, 3, 19, 16, 30, tzinfo=UTC))),
    ],
)
async def test_lines_and_sums_take_the_same_filters(api, query, wanted):
    await api.get(f"/ledger?limit=7&{query}")
    await api.get(f"/ledger/stats?{query}")
    await api.get(f"/ledger/stats?by=day&{query}")
    seen = [("search_ledger", wanted, 7), ("search_stats", wanted), ("ledger_table", "day", wanted)]
    assert api.service.seen == seen


@pytest.mark.parametrize("by", DIMENSIONS)
async def test_sums_are_by_any_dimension(api, by):
    assert (await api.get(f"/ledger/stats?by={by}")).json["by"] == by


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("since=yesterday", "expected since to be a day or an RFC 3339 timestamp"),
        ("until=9999-99-99", "expected until to be a day or an RFC 3339 timestamp"),
        ("since=0001-01-01T00:00:00%2B23:59", "expected since to be a day"),
        ("kind=chore", "expected kind to be task, classify or judge"),
        ("billing=free", "expected billing to be api, subscription, own or rehearsal"),
        ("success=maybe", "expected success to be true or false"),
        ("by=colour", "expected by to be model, day, hour"),
    ],
)
async def test_what_no_filter_means_is_refused_in_words(api, query, expected):
    reply = await api.get(f"/ledger/stats?{query}")
    assert (reply.status, reply.code, reply.json["error"].startswith(expected)) == (400, "BAD_VALUE", True)


async def test_lines_are_taken_in(api):
    reply = await api.post("/ledger/import", {"entries": [LINE, LINE], "dry_run": True})
    assert reply.json == {"imported": 2, "duplicates": 0, "dry_run": True}
    entry = decode(msgspec.json.encode(LINE))
    assert api.service.seen == [("import_ledger", (entry, entry), True)]


@pytest.mark.parametrize(
    ("fields", "code", "expected"),
    [
        ({}, "WRONG_TYPE", "expected entries to be an array, got: null"),
        ({"entries": {}}, "WRONG_TYPE", "expected entries to be an array, got: an object"),
        ({"entries": [], "dry_run": 1}, "WRONG_TYPE", "expected dry_run to be true or false, got: 1"),
        ({"entries": [], "dryrun": True}, "UNKNOWN_FIELD", "expected the field to be entries or dry_run"),
        ({"entries": [LINE, {"model": "x"}]}, "BAD_VALUE", "expected entry 2 to be a line of a ledger"),
        ({"entries": [LINE | {"timestamp": "soon"}]}, "BAD_VALUE", "expected entry 1 to be a line of a ledger"),
        ({"entries": [0] * 5_001}, "BODY_TOO_LARGE", "expected at most 5000 entries, got: 5001"),
    ],
)
async def test_an_import_that_is_not_right_is_refused_whole(api, fields, code, expected):
    reply = await api.post("/ledger/import", fields)
    assert (reply.code, reply.json["error"].startswith(expected)) == (code, True)
    assert api.service.seen == []


async def test_budgets_are_listed(api):
    (budget,) = (await api.get("/budgets")).json["budgets"]
    assert (budget["name"], budget["used_usd"], budget["limit_usd"]) == ("daily", 8.2, 10.0)
