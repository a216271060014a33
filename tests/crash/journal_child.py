"""Run by `test_journal_survives_kill.py`: appends until it is killed, and writes each number to stdout once it is durable."""

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

from symbiont.adapters.journal import FileJournal
from tests.contract.journal_contract import opening

PRODUCERS = 8


async def main(path: Path, run: str, *, chained: bool) -> None:
    journal = FileJournal(path, chained=chained)
    await opening(journal)
    numbers = count()

    async def produce() -> None:
        while True:
            number = next(numbers)
            await journal.append(b'{"run":%b,"n":%d,"text":"%b"}' % (run.encode(), number, b"x" * (number * 7 % 900)))
            os.write(1, b"%d\n" % number)

    await asyncio.gather(*[produce() for _ in range(PRODUCERS)])


asyncio.run(main(Path(sys.argv[1]), sys.argv[2], chained=sys.argv[3] == "chained"))
