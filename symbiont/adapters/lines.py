"""What a child process says, received within bounds: standard output as lines, standard error as its tail.

A line longer than its bound is dropped and counted, never half given; reading pauses while nobody takes the lines, so a
chatty child waits instead of filling our memory. Nothing here knows processes or what the lines mean.
"""

import asyncio
from collections import deque
from typing import cast

import msgspec
from typing_extensions import override

_HELD_BYTES = 1 << 20


class Bounds(msgspec.Struct, frozen=True):
    """Most bytes taken of one line, of the whole output, and of the end of stderr."""

    line: int = 64 << 20
    output: int = 512 << 20
    stderr: int = 64 << 10


class Lines(asyncio.Protocol):
    """Standard output, cut into lines; at most one reader."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._ready: deque[bytes] = deque()
        self._held = 0
        self._pieces: list[bytes] = []
        self._length = 0
        self._taken = 0
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.ReadTransport | None = None
        self.ended = False
        self.too_long = 0
        self.overflowed = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.ReadTransport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._taken += len(data)
        if self._taken > self._bounds.output:
            self.overflowed = True
            self.end()
            return
        *whole, rest = data.split(b"\n")
        for piece in whole:
            self._extend(piece)
            self._finish_line()
        self._extend(rest)
        self._wake()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.end()

    def end(self) -> None:
        """No more output is taken; what stands without a newline is a line too."""
        if self.ended:
            return
        self.ended = True
        if self._length:
            self._finish_line()
        if self._transport is not None:
            self._transport.close()
        self._wake()

    async def next(self) -> bytes | None:
        """The next line without its newline, None at the end."""
        while not self._ready:
            if self.ended:
                return None
            await self._arrival()
        line = self._ready.popleft()
        self._held -= len(line)
        if self._held <= _HELD_BYTES and self._transport is not None and not self.ended:
            self._transport.resume_reading()
        return line

    async def _arrival(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _extend(self, piece: bytes) -> None:
        self._length += len(piece)
        if self._length > self._bounds.line:
            self._pieces.clear()
        elif piece:
            self._pieces.append(piece)

    def _finish_line(self) -> None:
        if self._length > self._bounds.line:
            self.too_long += 1
        else:
            line = b"".join(self._pieces)
            self._ready.append(line)
            self._held += len(line)
        self._pieces, self._length = [], 0
        if self._held > _HELD_BYTES and self._transport is not None and not self.ended:
            self._transport.pause_reading()


class Feed(asyncio.Protocol):
    """Standard input: given once, and given up when the child does not read it, or is gone before it could."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def give(self, data: bytes) -> None:
        """All there will be; the pipe closes when it is taken."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
            self._transport.close()

    def drop(self) -> None:
        """Take back what was not taken: `close` alone would wait for it, and a closing pipe must not be aborted twice."""
        if self._transport is None:
            return
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()


class Tail(asyncio.Protocol):
    """Standard error: the end of it. `closed` resolves when nothing more can come."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept = bytearray()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @override
    def data_received(self, data: bytes) -> None:
        self._kept += data
        if len(self._kept) > 2 * self._size:
            del self._kept[: -self._size]

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def text(self) -> str:
        return bytes(self._kept[-self._size :]).decode("utf-8", "replace")
