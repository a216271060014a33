"""A second process checks the chain of a long file: what it finds is what one process alone would have found, or slower."""

import json
import random
import signal
import subprocess
import sys

import pytest

from symbiont.adapters import journal_ahead, journal_scan
from symbiont.adapters.file_ops import FileOps
from symbiont.adapters.journal_chain import GENESIS, claimed, holds
from symbiont.adapters.journal_format import Position, stamp
from symbiont.adapters.journal_reading import Journalled, read_journal
from symbiont.adapters.journal_scan import Place, scan
from tests.contract.journal_contract import Lines

RECORDS = [json.dumps({"n": number, "text": "x" * (number % 50)}).encode() for number in range(400)]


def chain_of(records, position=None):
    content = b""
    position = position or Position()
    for record in records:
        line, position = stamp([record], position, chained=True)
        content += line
    return content


CHAIN = chain_of(RECORDS)


@pytest.fixture(autouse=True)
def small_portions(monkeypatch):
    monkeypatch.setattr(journal_scan, "_CHUNK_BYTES", 4_096)


@pytest.fixture
def read(tmp_path, monkeypatch):
    """What reading a file of this content comes to, with a second process or without one."""
    path = tmp_path / "ledger.jsonl"

    def reading(content, *, ahead):
        monkeypatch.setattr(journal_ahead, "LEAST_BYTES", 0 if ahead else 1 << 60)
        path.write_bytes(content)
        fold = Lines()
        return read_journal(FileOps(), Journalled(path, chained=True, repair=""), fold), fold.lines

    return reading


@pytest.fixture
def asked(monkeypatch):
    """Every answer of a second process."""
    answers = []
    answer = journal_ahead.Ahead.answer

    def noted(self):
        answers.append(answer(self))
        return answers[-1]

    monkeypatch.setattr(journal_ahead.Ahead, "answer", noted)
    return answers


def test_a_sound_file_is_vouched_for_portion_by_portion(read, asked):
    found, lines = read(CHAIN, ahead=True)

    assert (found.damage, len(lines), found.position.seq) == (None, 400, 400)
    assert asked == [True] * (len(CHAIN) // 4_096 + 1)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_wrong_is_found_where_one_process_finds_it(read, seed):
    content = disfigured(random.Random(seed))

    assert read(content, ahead=True) == read(content, ahead=False)


def disfigured(rng):
    """A chain with a byte changed, lines taken out, put in, doubled or cut off, one of another history, or lines of earlier versions."""
    lines = CHAIN.splitlines(keepends=True)
    place = rng.randrange(len(lines))
    match rng.randrange(7):
        case 0:
            at = rng.randrange(len(CHAIN))
            return CHAIN[:at] + bytes([CHAIN[at] ^ 1 << rng.randrange(8)]) + CHAIN[at + 1 :]
        case 1:
            del lines[place : place + rng.randrange(1, 40)]
        case 2:
            return CHAIN[: rng.randrange(len(CHAIN))]
        case 3:
            other = chain_of([b'{"other":1}', *RECORDS[1:]]).splitlines(keepends=True)
            lines[place:] = other[place:]
        case 4:
            lines[:0] = [record + b"\n" for record in RECORDS[:place]]
        case _:
            long = rng.randrange(20_000)
            lines.insert(place, rng.choice([lines[place], b"\n", b"\0" * long, b"x" * long + b"\n"]))
    return b"".join(lines)


def test_lines_of_another_history_are_found_also_where_a_portion_begins(read):
    cut = CHAIN.rindex(b"\n", 0, 8_192) + 1
    seq = CHAIN[:cut].count(b"\n")
    spliced = CHAIN[:cut] + chain_of(RECORDS[seq:], Position(seq, b"1" * 64, is_sealed=True))
    found, lines = read(spliced, ahead=True)

    assert (found.damage.line, len(lines)) == (seq + 1, seq)


@pytest.mark.parametrize(
    "code", ["", "import sys; sys.stdin.read(1)", "print('0' * 10000)"], ids=["ends", "dies", "denies"]
)
def test_a_second_process_that_is_of_no_use_costs_nothing_but_time(read, monkeypatch, code):
    def useless(_path):
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", code], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    alone = read(CHAIN, ahead=False)
    monkeypatch.setattr(journal_ahead, "_start", useless)

    assert read(CHAIN, ahead=True) == alone


def test_what_is_said_of_lines_behind_another_head_is_not_believed(tmp_path):
    class Hasty:
        """Vouches for everything, behind a head that nobody has reached."""

        def check(self, portions, offset, head):
            return (portion._replace(holds_behind=b"1" * 64) for portion in portions)

    path = tmp_path / "ledger.jsonl"
    path.write_bytes(CHAIN.replace(b'"n": 200', b'"n": 201'))
    with path.open("rb") as file:
        found = scan(file, after=Position(), start=Place(), chained=True, absorb=lambda _: None, ahead=Hasty())

    assert found.fault.line == 201


def test_one_that_has_been_stopped_is_given_up(read, monkeypatch):
    start = journal_ahead._start

    def stopped(descriptor):
        process = start(descriptor)
        process.send_signal(signal.SIGSTOP)
        return process

    alone = read(CHAIN, ahead=False)
    monkeypatch.setattr(journal_ahead, "_start", stopped)
    monkeypatch.setattr(journal_ahead, "PATIENCE_S", 0.05)

    assert read(CHAIN, ahead=True) == alone


def test_a_good_file_that_takes_the_name_of_a_damaged_one_is_not_what_is_read(read, monkeypatch, tmp_path):
    start = journal_ahead._start

    def after_a_swap(descriptor):
        good = tmp_path / "good"
        good.write_bytes(CHAIN)
        good.rename(tmp_path / "ledger.jsonl")
        return start(descriptor)

    damaged = CHAIN.replace(b'"n": 200', b'"n": 201')
    alone = read(damaged, ahead=False)
    monkeypatch.setattr(journal_ahead, "_start", after_a_swap)

    assert read(damaged, ahead=True) == alone


def test_one_that_cannot_be_started_costs_nothing_at_all(read, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    found, lines = read(CHAIN, ahead=True)

    assert (found.damage, len(lines)) == (None, 400)


def test_none_is_left_behind_when_the_reading_ends(read, monkeypatch):
    started = []
    start = journal_ahead._start
    monkeypatch.setattr(journal_ahead, "_start", lambda path: started.append(start(path)) or started[-1])
    read(CHAIN[:5_000] + b"{" + CHAIN[5_001:], ahead=True)

    assert [process.returncode is not None for process in started] == [True]


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        (CHAIN, True),
        (CHAIN[:-1], False),
        (CHAIN + b"\n", False),
        (b"", False),
        (b"\n", False),
        (CHAIN.replace(b"n", b"m", 1), False),
    ],
)
def test_a_stretch_holds_if_it_is_whole_lines_that_continue_the_chain(content, verdict):
    assert holds(content, GENESIS) is verdict


def test_what_a_line_without_a_seal_claims_is_no_hash_of_any_other():
    assert claimed(b'{"a":1}') == b""
    assert claimed(CHAIN.splitlines()[-1]) == json.loads(CHAIN.splitlines()[-1])["hash"].encode()
