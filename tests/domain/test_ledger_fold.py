"""The fast way through the lines comes to the same as the plain one, and survives as a checkpoint."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.domain.errors import SymbiontError
from symbiont.domain.ledger import Entry, decode, encode
from symbiont.domain.ledger_fold import CHECKPOINT_VERSION, REMEMBERED_CALLS, LedgerFold
from symbiont.domain.totals import Tally, Totals

CLASSIC = (
    b'{"timestamp": "2026-03-19T14:32:15.123456Z", "model": "sonnet", "success": true, "elapsed_seconds": 6.2, '
    b'"input_tokens": 3, "output_tokens": 139, "estimated_cost_usd": 0.0384, "prompt_preview": "Classify"}'
)


def line(**changes: object) -> bytes:
    fields = msgspec.structs.asdict(decode(CLASSIC)) | {"tier": "sonnet", "worker": "claude"} | changes
    return encode(Entry(**fields))


def folded(lines: list[bytes]) -> LedgerFold:
    fold = LedgerFold()
    fold.absorb(lines)
    return fold


def plainly(lines: list[bytes]) -> Totals:
    totals = Totals()
    for one in lines:
        totals.add(decode(one))
    return totals


stamps = st.builds(
    "2026-{:02}-{:02}T{:02}:{:02}:00{}".format,
    st.integers(1, 12),
    st.integers(1, 28),
    st.integers(0, 23),
    st.integers(0, 59),
    st.sampled_from(["Z", ".5Z", ".123456Z", "+02:00", "-11:30", ""]),
)
lines = st.builds(
    line,
    timestamp=stamps,
    model=st.sampled_from(["haiku", "opus"]),
    tier=st.sampled_from(["", "haiku", "opus"]),
    worker=st.sampled_from(["claude", "ollama"]),
    node=st.sampled_from(["", "attic"]),
    project=st.sampled_from(["", "shop"]),
    kind=st.sampled_from(["task", "classify", "judge"]),
    billing=st.sampled_from(["api", "subscription", "own", "rehearsal"]),
    estimated_cost_usd=st.none() | st.integers(0, 10**10).map(lambda nanos: nanos / 10**9),
    upper_bound_usd=st.just(msgspec.UNSET) | st.just(0.5),
    input_tokens=st.integers(-5, 10**12),
    cache_read_tokens=st.integers(0, 9),
    task_id=st.sampled_from(["", "task-1", "task-2"]),
) | st.just(CLASSIC)


@given(st.lists(lines, max_size=120), st.integers(0, 120))
def test_folding_bytes_in_portions_equals_adding_entries_one_by_one(some, cut):
    fold = folded(some[:cut])
    fold.absorb(some[cut:])
    assert fold.totals == plainly(some)


@given(st.lists(lines, max_size=60), st.integers(0, 60))
def test_a_checkpoint_and_the_lines_behind_it_equal_all_lines(some, cut):
    resumed = LedgerFold()
    resumed.restore(folded(some[:cut]).checkpoint())
    resumed.absorb(some[cut:])
    whole = folded(some)
    assert (resumed.totals, resumed.newest_calls()) == (whole.totals, whole.newest_calls())


def test_the_chain_and_unknown_fields_do_not_matter():
    chained = line()[:-1] + b',"of_a_later_version":[{}],"seq":1,"batch":1,"hash":"00"}'
    assert folded([chained]).totals == folded([line()]).totals


def test_a_million_identical_amounts_have_no_drift():
    assert folded([line(estimated_cost_usd=0.1)] * 1_000).totals.total.cost_nanos == 100_000_000_000


def test_the_newest_calls_are_known_by_task_attempt_and_kind():
    fold = folded([line(task_id="task-1", attempt=2, kind="judge"), CLASSIC])
    assert fold.newest_calls() == [("task-1", 2, "judge")]


def test_not_more_calls_are_remembered_than_can_matter():
    fold = folded([line(task_id="old")] + [line(task_id="new")] * REMEMBERED_CALLS)
    assert (len(fold.newest_calls()), fold.newest_calls()[0][0]) == (REMEMBERED_CALLS, "new")


@pytest.mark.parametrize(
    "bad",
    [
        b"{}",
        b"[]",
        b'{"timestamp":"yesterday"}',
        CLASSIC.replace(b"2026-03-19T14", b"2026-13-19T14"),
        CLASSIC.replace(b"139", b'"many"'),
        CLASSIC.replace(b"sonnet", b"\xff"),
        CLASSIC.replace(b"0.0384", b"1e999"),
    ],
)
def test_a_line_that_is_no_entry_is_refused_by_its_place_and_those_before_it_count(bad):
    fold = LedgerFold()
    with pytest.raises(SymbiontError) as refusal:
        fold.absorb([CLASSIC, line(task_id="task-1"), bad, CLASSIC])
    assert (refusal.value.code, refusal.value.details) == ("DATA_CORRUPT", {"index": 2})
    assert (fold.totals.total.calls, fold.absorbed, len(fold.newest_calls())) == (2, 2, 1)


@pytest.mark.parametrize("state", [b"", b"{", b"[]", b'{"version":1}', b"\xff"])
def test_what_is_no_checkpoint_is_told_apart(state):
    with pytest.raises(ValueError, match="expected a checkpoint"):
        LedgerFold().restore(state)


def test_a_checkpoint_of_another_version_is_not_believed():
    other = msgspec.json.decode(folded([CLASSIC]).checkpoint()) | {"version": CHECKPOINT_VERSION + 1}
    with pytest.raises(ValueError, match=f"version {CHECKPOINT_VERSION}"):
        LedgerFold().restore(msgspec.json.encode(other))


def test_a_refused_checkpoint_leaves_the_fold_as_it_was():
    fold = folded([CLASSIC])
    with pytest.raises(ValueError, match="expected a checkpoint"):
        fold.restore(b"{}")
    assert fold.totals.total == Tally(1, 38_400_000, 142)
