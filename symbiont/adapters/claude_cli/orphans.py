"""Processes a call left behind, found by the marker in their environment, and stopped.

A CLI starts tools in sessions of their own, which no group signal reaches; the marker variable every descendant inherits
does. Signals go through process descriptors, so a number given to another process meanwhile is never hit. Linux only:
elsewhere nothing is found. Blocking (it reads /proc and waits): call it from a thread or before the loop runs.
"""

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from symbiont.adapters.claude_cli.command import MARKER

_PROC = Path("/proc")
_ROUNDS = 3
"""A process may fork while it is being looked for: look again until a round finds none."""

Wanted = Callable[[str], bool]


def kill_marked(marker: str) -> int:
    """SIGKILL to every process of the call with exactly this marker; returns how many."""
    return _stop(lambda value: value == marker, grace_s=0.0)


def reap_orphans(owner: str, *, grace_s: float = 5.0) -> int:
    """Stop what calls of an earlier process of this owner left running: SIGINT, `grace_s` seconds, SIGKILL.

    Returns how many there were. Safe to call only while this owner runs no call.
    """
    return _stop(lambda value: value.startswith(f"{owner}:"), grace_s=grace_s)


def _stop(wanted: Wanted, *, grace_s: float) -> int:
    stopped: set[int] = set()
    for _ in range(_ROUNDS):
        with contextlib.ExitStack() as held:
            found = {pid: _held(descriptor, held) for pid, descriptor in _find(wanted)}
            if not found:
                break
            stopped |= found.keys()
            left = list(found.values())
            if grace_s > 0:
                _send(left, signal.SIGINT)
                left = _wait(left, grace_s)
            _send(left, signal.SIGKILL)
            _wait(left, 1.0)
    return len(stopped)


def _find(wanted: Wanted) -> Iterator[tuple[int, int]]:
    """Pairs of process id and descriptor. The second look, with the descriptor held, proves that both mean one process."""
    kin = _lineage()
    for pid in _pids():
        descriptor = _open(pid) if wanted(_marker_of(pid)) and pid not in kin else None
        if descriptor is None:
            continue
        if wanted(_marker_of(pid)):
            yield pid, descriptor
        else:
            os.close(descriptor)


def _pids() -> list[int]:
    try:
        return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    except OSError:
        return []


def _open(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _marker_of(pid: int) -> str:
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return ""
    head = f"{MARKER}=".encode()
    found = next((entry for entry in environment.split(b"\0") if entry.startswith(head)), b"")
    return found[len(head) :].decode("utf-8", "replace")


def _lineage() -> set[int]:
    """This process and its ancestors: never ours to stop, whatever they carry."""
    kin: set[int] = set()
    pid = os.getpid()
    while pid > 0 and pid not in kin:
        kin.add(pid)
        try:
            stat = (_PROC / str(pid) / "stat").read_text("ascii", "replace")
        except OSError:
            break
        pid = int(stat.rpartition(")")[2].split()[1])
    return kin


def _held(descriptor: int, held: contextlib.ExitStack) -> int:
    held.callback(os.close, descriptor)
    return descriptor


def _send(descriptors: list[int], number: signal.Signals) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(descriptor, number)


def _wait(descriptors: list[int], within_s: float) -> list[int]:
    """Those that still run after so many seconds."""
    running = set(descriptors)
    poller = select.poll()
    for descriptor in running:
        poller.register(descriptor, select.POLLIN)
    deadline = time.monotonic() + within_s
    while running and (left := deadline - time.monotonic()) > 0:
        for descriptor, _ in poller.poll(left * 1000):
            poller.unregister(descriptor)
            running.discard(descriptor)
    return list(running)
