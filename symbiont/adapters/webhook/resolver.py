"""Names to addresses, refusing those that may not be spoken to. What it returns is what the connection is made to.

Guarantees: a name is looked up in a thread of its own, never on the loop nor in a pool that others wait for; so many look-ups at a
time and no more, also of those that nobody waits for any longer. A name with one forbidden address is refused whole: somebody
who answers with a public and a private address is up to something.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

from symbiont.domain.address import is_public

MOST_LOOKUPS: Final = 32

Lookup = Callable[[str, int, int], list[tuple[Any, ...]]]


class Forbidden(OSError):
    """The name leads to where no webhook may go."""


class Lookups:
    """Look-ups in threads. One for all deliveries, for it holds the bound."""

    def __init__(self, lookup: Lookup | None = None) -> None:
        self._lookup = lookup or _getaddrinfo
        self._running = 0

    async def find(self, host: str, port: int, family: int) -> list[tuple[Any, ...]]:
        if self._running >= MOST_LOOKUPS:
            raise OSError(f"expected at most {MOST_LOOKUPS} look-ups of names at a time, got: one more")
        self._running += 1
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[tuple[Any, ...]]] = loop.create_future()

        def settle(found: list[tuple[Any, ...]], error: OSError | None) -> None:
            self._running -= 1
            if answer.done():
                return
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(error)

        def work() -> None:
            found, failed = self._looked_up(host, port, family)
            with suppress(RuntimeError):  # the loop is gone, and whoever asked with it
                loop.call_soon_threadsafe(settle, found, failed)

        Thread(target=work, name="webhook look-up", daemon=True).start()
        return await answer

    def _looked_up(self, host: str, port: int, family: int) -> tuple[list[tuple[Any, ...]], OSError | None]:
        try:
            return self._lookup(host, port, family), None
        except OSError as error:
            return [], error
        except UnicodeError:
            return [], OSError("expected a name that can be looked up, got: one with an empty or too long part")


def _getaddrinfo(host: str, port: int, family: int) -> list[tuple[Any, ...]]:
    return list(socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM))


class GuardedResolver(AbstractResolver):
    """What aiohttp asks. `allow_private`: any address will do."""

    def __init__(self, lookups: Lookups, *, allow_private: bool) -> None:
        self._lookups = lookups
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._lookups.find(host, port, family)
        addresses = [str(address[0]) for _, _, _, _, address in found]
        check(addresses, allow_private=self._allow_private)
        return [
            ResolveResult(hostname=host, host=text, port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST)
            for (kind, _, proto, _, _), text in zip(found, addresses, strict=True)
        ]

    async def close(self) -> None:
        pass


def check(addresses: list[str], *, allow_private: bool) -> None:
    """Raises `Forbidden` if one of them may not be spoken to."""
    if not addresses:
        raise OSError("expected a name with an address, got: one without")
    if not allow_private and not all(map(is_public, addresses)):
        raise Forbidden("expected a public address, got: a private, local or reserved one")
