"""A child process followed on the loop: lines, bounds, exit, and nothing left open. Real processes, both loops."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from symbiont.adapters.lines import Bounds, Tail
from symbiont.adapters.spawn import exit_by_pidfd, exit_by_thread, for_transport, spawn
from tests.doubles.claude import LOOPS, run_on


@pytest.fixture(params=list(LOOPS))
def loop(request):
    return request.param


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


async def lines_of(child):
    found = []
    while (line := await child.line()) is not None:
        found.append(line)
    return found


def python(code, **options):
    argv = [sys.executable, "-I", "-S", "-c", code]
    return spawn(argv, env={"A": "1"}, cwd=Path("/"), **options)


def follow(loop, code, **options):
    """Run to the end: lines, exit code, end of stderr, the child."""

    async def scene():
        child = await python(code, **options)
        try:
            found = await lines_of(child)
            assert await child.ended(10)
            return found, child.exit_code, await child.stderr(), child
        finally:
            child.close()

    return run_on(loop, scene())


def test_output_comes_as_lines_and_the_last_needs_no_newline(loop):
    found, *_ = follow(loop, r"print('a\n\nb'); print('c', end='')")

    assert found == [b"a", b"", b"b", b"c"]


@pytest.mark.parametrize("watch", [exit_by_pidfd, exit_by_thread])
def test_the_exit_code_arrives_by_descriptor_and_by_thread(loop, watch):
    _, code, *_ = follow(loop, "import os; os._exit(7)", watch=watch)

    assert code == 7


def test_a_signal_shows_as_a_negative_code(loop):
    _, code, *_ = follow(loop, "import os; os.kill(os.getpid(), 9)")

    assert code == -signal.SIGKILL


def test_the_end_of_stderr_is_kept(loop):
    _, _, text, _ = follow(loop, "import sys; sys.stderr.write('x' * 300_000 + 'the end')", bounds=Bounds(stderr=100))

    assert (len(text), text[-7:]) == (100, "the end")


def test_a_line_beyond_its_bound_is_dropped_and_counted(loop):
    found, _, _, child = follow(loop, r"print('a\n' + 'x' * 200_000 + '\nb')", bounds=Bounds(line=100_000))

    assert (found, child.too_long_lines) == ([b"a", b"b"], 1)


def test_output_beyond_its_bound_ends_the_reading(loop):
    found, _, _, child = follow(loop, "[print('x' * 99) for _ in range(100_000)]", bounds=Bounds(output=1_000_000))

    assert child.overflowed
    assert len(found) <= 10_000


def test_a_reader_that_does_not_read_makes_the_child_wait(loop, tmp_path):
    async def scene():
        done = tmp_path / "done"
        child = await python(f"print('x\\n' * 5_000_000); open({str(done)!r}, 'w').close()")
        first = await child.line()
        waited = not done.exists()
        rest = await lines_of(child)
        await child.ended(10)
        child.close()
        return first, waited, len(rest), done.exists()

    assert run_on(loop, scene()) == (b"x", True, 5_000_000, True)


def test_input_larger_than_a_pipe_arrives_whole(loop):
    found, *_ = follow(loop, "import sys; print(len(sys.stdin.buffer.read()))", stdin=b"x" * 9_000_000)

    assert found == [b"9000000"]


def test_input_nobody_reads_is_dropped(loop):
    found, code, *_ = follow(loop, "print('done')", stdin=b"x" * 9_000_000)

    assert (found, code) == ([b"done"], 0)


def test_a_child_gets_exactly_the_environment_it_is_given(loop):
    found, *_ = follow(loop, "import os; print(sorted(set(os.environ) - {'LC_CTYPE'}))")

    assert found == [b"['A']"]


def test_a_child_leads_a_session_and_inherits_no_descriptor(loop):
    ours = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(ours, True)
    try:
        found, *_ = follow(loop, "import os; print(os.getsid(0) == os.getpid(), len(os.listdir('/proc/self/fd')))")
    finally:
        os.close(ours)

    assert found == [b"True 4"]


def test_a_program_that_is_not_there_is_an_os_error(loop):
    with pytest.raises(FileNotFoundError):
        run_on(loop, spawn(["/nowhere/program"], env={}, cwd=Path("/")))


def test_output_held_open_by_a_descendant_ends_soon_after_the_child(loop):
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid)"

    (pid,), *_ = follow(loop, code)

    os.kill(int(pid), signal.SIGKILL)


def test_a_spawn_that_is_cancelled_leaves_no_child(loop):
    async def scene():
        task = asyncio.create_task(python("import time; time.sleep(600)"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_on(loop, scene())

    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.slow
@pytest.mark.parametrize("watch", [exit_by_pidfd, exit_by_thread])
def test_a_hundred_children_leave_no_descriptor_open(loop, watch):
    async def one():
        child = await python("print(1)", watch=watch, stdin=b"x" * 100_000)
        await lines_of(child)
        await child.ended(10)
        child.close()

    async def many():
        await one()
        before = descriptors()
        for _ in range(100):
            await one()
        await asyncio.sleep(0)
        return before, descriptors()

    before, after = run_on(loop, many())

    assert before == after


class EndInARace:
    """An end of a pipe whose number, once it is free, another thread takes for a file of its own before `close` is through."""

    def __init__(self, end, file):
        self._end = end
        self._file = file
        self.fileno = end.fileno
        self.number = end.fileno()
        self.taken = False

    def close(self):
        if not is_open(self.number):
            os.dup2(self._file, self.number)
            self.taken = True
        self._end.close()


def is_open(descriptor):
    return Path(f"/proc/self/fd/{descriptor}").exists()


def test_a_pipe_that_a_transport_closed_is_not_closed_once_more(loop, tmp_path):
    async def scene():
        ours, theirs = os.pipe()
        file = os.open(tmp_path, os.O_RDONLY)
        running = asyncio.get_running_loop()
        end = EndInARace(for_transport(os.fdopen(ours, "rb", 0), running), file)
        _, tail = await running.connect_read_pipe(lambda: Tail(1), end)
        os.close(theirs)
        await tail.closed
        await asyncio.sleep(0)

        assert is_open(end.number) == end.taken

        for descriptor in {file, end.number} if end.taken else {file}:
            os.close(descriptor)

    run_on(loop, scene())
