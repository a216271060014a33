"""Go through many storms, or through one of them again, step by step.

    python -m tests.actors.simulate [--from 0] [--seeds 10000]
    python -m tests.actors.simulate --replay 17

Exits 1 at the first storm that something did not survive, and says its number.
"""

import argparse
import asyncio
import sys
import time

import structlog

from supervisors import CallExit
from tests.actors.storm import Step, Storm, check, endure, steps_of

TELL_EVERY = 500


def many(first: int, count: int) -> int:
    started = time.monotonic()
    for seed in range(first, first + count):
        try:
            endure(seed)
        except BaseException as error:  # noqa: BLE001 -- whatever it is, its number is to be known
            sys.stderr.write(f"storm {seed}: {type(error).__name__}: {error}\nagain: --replay {seed}\n")
            return 1
        if (done := seed - first + 1) % TELL_EVERY == 0:
            sys.stderr.write(f"{done} storms, {done / (time.monotonic() - started):.0f} a second\n")
    sys.stdout.write(f"{count} storms from {first} on: nothing lost, nothing counted twice\n")
    return 0


async def replay(seed: int) -> None:
    """The storm with all that is written down in it, and all that is logged."""
    slots, steps = steps_of(seed)
    storm = Storm(slots, seed)
    sys.stdout.write(f"storm {seed}: {slots} slots, {len(steps)} steps\n")
    await storm.begin()
    try:
        await _step_by_step(storm, steps)
    finally:
        await storm.system.stop()


async def _step_by_step(storm: Storm, steps: list[Step]) -> None:
    for number, (step, argument) in enumerate(steps, start=1):
        sys.stdout.write(f"── {number}. {step} {argument!r} at {storm.system.clock.monotonic():.1f} s\n")
        seen = len(storm.system.trace)
        try:
            await storm.take(step, argument)
        except CallExit as error:
            sys.stdout.write(f"   {error}\n")
            await storm.system.quiet()
        trace = storm.system.trace
        for each in trace[seen if len(trace) >= seen else 0 :]:
            sys.stdout.write(f"   {each}\n")
    sys.stdout.write("── fair weather\n")
    await storm.clear_up()
    await check(storm)
    sys.stdout.write("everything holds\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--replay", type=int)
    wanted = parser.parse_args()
    if wanted.replay is not None:
        asyncio.run(replay(wanted.replay))
        return 0
    with structlog.testing.capture_logs():
        return many(wanted.first, wanted.seeds)


if __name__ == "__main__":
    sys.exit(main())
