"""`symbiont status|heartbeat|wake` and `symbiont ledger`."""

import pytest

LINE = {
    "timestamp": "2026-03-19T14:32:15.123456Z",
    "model": "sonnet",
    "success": True,
    "elapsed_seconds": 6.2,
    "input_tokens": 3,
    "output_tokens": 139,
    "estimated_cost_usd": 0.0384,
    "prompt_preview": "Classify this",
}
LIMIT = {"worker": "claude", "limit": "five_hour", "tiers": ["sonnet", "opus"], "resets_at": None}


def test_the_state_is_a_record_of_keys_and_values(ask, api, a_status):
    api.answers("GET", "/status", a_status(limits=[LIMIT]))

    lines = ask("status").out.splitlines()

    assert lines[0] == "status\thealthy"
    assert "today haiku\t42 calls, 8234 tokens" in lines
    assert "limit\tclaude · five_hour · sonnet, opus · unknown" in lines


def test_the_state_as_json_is_the_flat_view(ask, api, a_status):
    api.answers("GET", "/status", a_status())

    assert ask("status", "--json").json == a_status()


def test_fields_of_a_newer_server_do_no_harm(ask, api, a_status):
    api.answers("GET", "/status", a_status(brand_new={"x": 1}))

    assert ask("status").code == 0


@pytest.mark.parametrize(
    ("argv", "state", "code"),
    [
        (("--exit-status",), "healthy", 0),
        (("--exit-status",), "degraded", 1),
        ((), "degraded", 0),
        (("--exit-status", "--json"), "degraded", 1),
    ],
)
def test_monitoring_can_ask_for_the_state_as_an_exit_code(ask, api, a_status, argv, state, code):
    api.answers("GET", "/status", a_status(status=state))

    assert ask("status", *argv).code == code


def test_a_heartbeat_tells_what_it_checked(ask, api):
    beat = {
        "timestamp": "2026-03-19T14:30:00Z",
        "status": "degraded",
        "checks": {"disk": False, "ledger": True},
        "disk_free_bytes": 5,
        "queue_size": 1,
        "processing": 0,
        "tasks_processed": 9,
        "rescued": 2,
    }
    api.answers("POST", "/heartbeat", beat)

    out = ask("heartbeat").out

    assert "check disk\tfailed\ncheck ledger\tok\n" in out
    assert out.endswith("rescued\t2\n")


def test_waking_tells_which_limits_it_lifted(ask, api):
    api.answers("POST", "/wake", {"lifted": [LIMIT]})

    assert ask("wake").out == "claude\tfive_hour\tsonnet, opus\tunknown\n"


def test_waking_without_a_limit_says_that_there_was_none(ask, api):
    api.answers("POST", "/wake", {"lifted": []})

    ran = ask("wake")

    assert (ran.code, ran.out, ran.err) == (0, "", "no limit was in force\n")


def test_a_classic_line_of_the_ledger_is_listed_like_a_new_one(ask, api):
    new = LINE | {"success": False, "error_code": "REFUSED", "task_id": "task-1", "billing": "api"}
    api.answers("GET", "/ledger", {"entries": [LINE, new], "count": 2})

    lines = ask("ledger", "list", "--limit", "2").out.splitlines()

    assert api.seen[0].query == {"limit": "2"}
    assert lines[0] == "2026-03-19T14:32:15.123456Z\tsonnet\tok\t6.2\t3\t139\t0.0384\tsubscription\t\tClassify this"
    assert lines[1].split("\t")[2] == "REFUSED"


def test_an_interrupted_call_shows_that_its_cost_is_unknown(ask, api):
    interrupted = LINE | {"success": False, "error_code": "INTERRUPTED", "estimated_cost_usd": None}
    api.answers("GET", "/ledger", {"entries": [interrupted], "count": 1})

    assert ask("ledger", "list").out.split("\t")[6] == "unknown"


def test_spending_is_told_in_all_by_model_and_by_day_in_order(ask, api):
    stats = {
        "total_calls": 847,
        "total_cost_estimated_usd": 12.34,
        "by_model": {"haiku": {"calls": 612, "cost": 4.89}},
        "by_date": {"2026-03-20": {"calls": 1, "cost": 0.1}, "2026-03-19": {"calls": 42, "cost": 0.56}},
        "rehearsal": {"calls": 3, "cost": 0.2},
        "unknown_cost_calls": 1,
    }
    api.answers("GET", "/ledger/stats", stats)

    ran = ask("ledger", "stats")

    assert ran.out.splitlines() == [
        "all\t\t847\t12.3400",
        "model\thaiku\t612\t4.8900",
        "date\t2026-03-19\t42\t0.5600",
        "date\t2026-03-20\t1\t0.1000",
        "rehearsal\t\t3\t0.2000",
    ]
    assert "1 interrupted calls" in ran.err
