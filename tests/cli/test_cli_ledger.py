"""`symbiont ledger` and `symbiont budget`: with a server, and over the files of a data directory without one."""

import gzip
import json
from pathlib import Path

import pytest

CLASSIC = {
    "timestamp": "2026-03-19T14:32:15.123456Z",
    "model": "sonnet",
    "success": True,
    "elapsed_seconds": 6.2,
    "input_tokens": 3,
    "output_tokens": 139,
    "estimated_cost_usd": 0.0384,
    "prompt_preview": "=1+1",
}
HAIKU = CLASSIC | {"timestamp": "2026-03-20T00:00:00Z", "model": "haiku", "estimated_cost_usd": None, "success": False}


def written(*lines: dict) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@pytest.fixture
def data(home, monkeypatch) -> Path:
    """A data directory in which a ledger lies and no server runs."""
    directory = home / "data"
    directory.mkdir()
    (directory / "ledger.jsonl").write_bytes(written(CLASSIC, HAIKU))
    monkeypatch.setenv("SYMBIONT_DATA_DIR", str(directory))
    monkeypatch.setenv("SYMBIONT_PORT", "1")
    monkeypatch.setenv("SYMBIONT_DISPATCH_WORKER", "rehearsal")
    return directory


def test_filters_reach_the_server(ask, api):
    api.answers("GET", "/ledger", {"entries": [], "count": 0})
    ask("ledger", "list", "--since", "2026-03-19", "--tier", "opus", "--failed", "--project", "", "--limit", "3")
    assert api.seen[0].query == {"limit": "3", "since": "2026-03-19", "tier": "opus", "success": "false"}


def test_sums_by_a_dimension_are_a_table(ask, api):
    row = {"name": "shop", "calls": 2, "cost": 0.5, "tokens": 9, "unknown_cost_calls": 1}
    total = row | {"name": ""}
    body = {
        "by": "project",
        "since": None,
        "until": None,
        "rows": [row],
        "total": total,
        "rehearsal": {"calls": 0, "cost": 0},
    }
    api.answers("GET", "/ledger/stats", body)
    ran = ask("ledger", "stats", "--by", "project")
    assert (api.seen[0].query, ran.out) == ({"by": "project"}, "shop\t2\t0.5000\t9\n")
    assert "1 interrupted calls" in ran.err


def test_budgets_are_listed_with_what_is_left_of_them(ask, api):
    use = {
        "name": "daily", "subject": "opus", "scope": "tier", "period": "2026-03-19", "state": "alerted", "on_limit": "wait",
        "used_usd": 8.2, "reserved_usd": 0.04, "limit_usd": 10.0, "used_calls": 412, "reserved_calls": 1, "limit_calls": None,
        "resets_at": "2026-03-20T00:00:00Z",
    }  # fmt: skip
    api.answers("GET", "/budgets", {"budgets": [use]})
    cells = "daily\topus\talerted\t8.2000\t0.0400\t10.0000\t412\t1\t\t2026-03-20T00:00:00Z\n"
    assert ask("budget", "list").out == cells


def test_no_budget_says_where_one_is_configured(ask, api):
    api.answers("GET", "/budgets", {"budgets": []})
    ran = ask("budget", "list")
    assert (ran.out, "[[budgets]]" in ran.err) == ("", True)


# Without a server


def test_the_ledger_is_listed_from_its_files(run, data):
    ran = run("ledger", "list", "--model", "haiku", "--json")
    assert [entry["timestamp"] for entry in ran.json["entries"]] == ["2026-03-20T00:00:00Z"]
    assert "read from the files" in ran.err


def test_sums_come_from_the_files(run, data):
    assert run("ledger", "stats", "--json").json["total_calls"] == 2
    rows = run("ledger", "stats", "--by", "day", "--until", "2026-03-20", "--json").json["rows"]
    assert [(row["name"], row["cost"]) for row in rows] == [("2026-03-19", 0.0384)]


def test_a_server_that_was_named_is_not_replaced_by_files(run, data, nobody):
    assert run("ledger", "list", "--url", nobody).code == 5


def test_an_export_is_csv_that_computes_nothing(run, data):
    header, first, second = run("ledger", "export").out.splitlines()
    assert header.startswith(
        "timestamp,model,success,elapsed_seconds,input_tokens,output_tokens,estimated_cost_usd,prompt_preview,"
    )
    assert first.startswith("2026-03-19T14:32:15.123456Z,sonnet,true,6.2,3,139,0.0384,'=1+1,")
    assert second.startswith("2026-03-20T00:00:00Z,haiku,false,6.2,3,139,,")


def test_an_export_as_lines_is_the_lines_themselves_in_a_private_file(run, data, home):
    target = home / "out.jsonl"
    ran = run("ledger", "export", "--format", "jsonl", "--since", "2026-03-20", "--output", str(target))
    assert (ran.out, target.read_bytes(), target.stat().st_mode & 0o777) == ("", written(HAIKU), 0o600)
    assert list(home.glob("*.part")) == []


def test_an_export_that_cannot_be_written_says_so(run, data, home):
    ran = run("ledger", "export", "--output", str(home / "no" / "where.csv"), "--json")
    assert (ran.code, ran.error["code"]) == (1, "STORAGE_REFUSED")


def test_repricing_sets_both_figures_side_by_side_and_changes_nothing(run, data):
    before = (data / "ledger.jsonl").read_bytes()
    prices = Path(__file__).parents[2] / "config" / "prices.toml"
    found = run("ledger", "reprice", "--prices", str(prices), "--json").json
    assert [(row["name"], row["calls"], row["recorded_usd"]) for row in found["rows"]] == [("sonnet", 1, 0.0384)]
    assert found["total"]["repriced_usd"] == pytest.approx((3 * 2 + 139 * 10) / 1e6)
    assert (found["unknown_calls"], found["unknown"][0]["reason"]) == (1, "what it cost is unknown")
    assert (data / "ledger.jsonl").read_bytes() == before


def test_repricing_without_a_price_table_says_so(run, data):
    assert run("ledger", "reprice", "--prices", "/nowhere.toml", "--json").error["code"] == "CONFIG_INVALID"


NEW = CLASSIC | {"timestamp": "2026-02-01T00:00:00Z"}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_import_takes_in_each_line_once(run, data, home, pack):
    file = home / "old.jsonl"
    file.write_bytes(pack(written(NEW, CLASSIC, NEW)))
    results = [run("ledger", "import", str(file), "--json").json for _ in range(2)]
    assert [(one["imported"], one["duplicates"]) for one in results] == [(1, 2), (0, 3)]
    assert run("ledger", "stats", "--by", "month", "--json").json["rows"][0]["name"] == "2026-02"


def test_a_dry_run_takes_in_nothing(run, data, home):
    file = home / "old.jsonl"
    file.write_bytes(written(NEW))
    before = (data / "ledger.jsonl").read_bytes()
    assert run("ledger", "import", str(file), "--dry-run", "--json").json == {
        "imported": 1,
        "duplicates": 0,
        "dry_run": True,
    }
    assert (data / "ledger.jsonl").read_bytes() == before


def test_a_file_with_a_bad_line_is_refused_whole_and_the_line_named(run, data, home):
    file = home / "old.jsonl"
    file.write_bytes(written(NEW) + b"\nnot json\n")
    before = (data / "ledger.jsonl").read_bytes()
    ran = run("ledger", "import", str(file), "--json")
    assert (ran.error["code"], ran.error["details"]["line"]) == ("BAD_VALUE", 3)
    assert (data / "ledger.jsonl").read_bytes() == before


@pytest.mark.parametrize("content", [None, b"\x1f\x8b broken"])
def test_a_file_that_cannot_be_read_says_so(run, data, home, content):
    file = home / "old.jsonl"
    if content is not None:
        file.write_bytes(content)
    assert run("ledger", "import", str(file), "--json").error["code"] == "BAD_VALUE"


def test_with_a_server_it_is_the_server_that_takes_lines_in(ask, api, home):
    file = home / "old.jsonl"
    file.write_bytes(written(*[CLASSIC] * 1_001))
    api.answers("GET", "/health", {"runtime": "python/asyncio", "status": "ok"})
    api.answers(
        "POST",
        "/ledger/import",
        {"imported": 400, "duplicates": 600, "dry_run": False},
        {"imported": 1, "duplicates": 0, "dry_run": False},
    )
    ran = ask("ledger", "import", str(file), "--json")
    assert ran.json == {"imported": 401, "duplicates": 600, "dry_run": False}
    assert [len(seen.fields["entries"]) for seen in api.seen if seen.method == "POST"] == [1_000, 1]
