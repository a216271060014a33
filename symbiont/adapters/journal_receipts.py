"""Settling the futures that appenders hold: in order, whether or not somebody still waits for them.

Guarantees: a future cancelled by its holder is left alone; a failure nobody looks at raises no complaint of asyncio's.
Must run in the thread of the futures' loop.
"""

import asyncio
from collections.abc import Iterable
from typing import TypeVar

from symbiont.ports import Receipt

T = TypeVar("T")


def acknowledge(receipts: Iterable[asyncio.Future[Receipt]], first: int) -> None:
    """Resolve each with its line number, counted from `first`."""
    for seq, receipt in enumerate(receipts, start=first):
        if not receipt.done():
            receipt.set_result(Receipt(seq))


def resolve(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)


def refuse(futures: Iterable[asyncio.Future[T]], error: Exception) -> None:
    """Fail them all with `error`."""
    for future in futures:
        if not future.done():
            future.set_exception(error)
            future.exception()  # marks it as looked at


def refused(error: OSError) -> asyncio.Future[Receipt]:
    """A receipt that never was."""
    receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
    refuse([receipt], error)
    return receipt
