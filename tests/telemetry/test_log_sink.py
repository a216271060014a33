"""A log that cannot be written costs log lines and nothing else."""

import os
from functools import partial
from pathlib import Path

import pytest

from symbiont.telemetry.sink import Sink

PATIENCE_S = 10.0


@pytest.fixture
def pipe():
    ends = list(os.pipe())
    yield ends
    for descriptor in ends:
        os.close(descriptor)


def sink_of(descriptor: int, **options: int) -> Sink:
    return Sink(partial(os.write, descriptor), **options)


def test_lines_arrive_in_order(pipe):
    sink = sink_of(pipe[1])
    for line in ("one", "two", "drei und ein halbes: \udcff"):
        sink.put(line)
    assert sink.flush(PATIENCE_S)
    assert os.read(pipe[0], 1_000).decode() == "one\ntwo\ndrei und ein halbes: \\udcff\n"


def test_a_log_nobody_reads_any_more_raises_nothing_and_counts(pipe):
    os.close(pipe.pop(0))
    sink = sink_of(pipe[0])
    for _ in range(3):
        sink.put("lost")
    assert sink.flush(PATIENCE_S)
    assert sink.dropped == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_raises_nothing_and_counts():
    with Path("/dev/full").open("wb", buffering=0) as full:
        sink = sink_of(full.fileno())
        sink.put("lost")
        assert sink.flush(PATIENCE_S)
    assert sink.dropped == 1


def test_a_log_nobody_empties_takes_no_more_than_fits_and_keeps_nobody_waiting(pipe):
    sink = sink_of(pipe[1], longest=10)
    for _ in range(100):
        sink.put("x" * 65_536)
    assert not sink.flush(0.01)
    assert sink.dropped >= 100 - 10 - 2  # besides those that wait, one is in the pipe and one on its way
    os.close(pipe.pop(0))
    assert sink.flush(PATIENCE_S)  # else its thread would go on writing to whoever gets the number of the pipe next


def test_the_log_says_how_many_lines_are_missing_once_it_can(pipe):
    failing = [OSError("full"), OSError("full")]

    def write(data):
        if failing:
            raise failing.pop()
        return os.write(pipe[1], data)

    sink = Sink(write)
    for line in ("lost", "and its notice too", "kept"):
        sink.put(line)
        assert sink.flush(PATIENCE_S)
    assert os.read(pipe[0], 1_000).decode() == (
        "and its notice too\n… 1 log lines are missing here: the log could not take them\nkept\n"
    )


def test_a_descriptor_that_takes_a_line_in_pieces_gets_all_of_it(pipe):
    sink = Sink(lambda data: os.write(pipe[1], data[:3]))
    sink.put("a line longer than three bytes")
    assert sink.flush(PATIENCE_S)
    assert os.read(pipe[0], 1_000) == b"a line longer than three bytes\n"
