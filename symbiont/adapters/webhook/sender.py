"""Sends one webhook: a signed POST, tried once.

Guarantees: `tell` returns within the time of the target whatever the other side does, and reads no more of an answer than its status
and headers, which are bounded; no redirect is followed, no proxy asked, no cookie kept, no connection reused. The address that
was checked is the one that is connected to. Neither secrets nor addresses are logged, and no error says more than the host.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final

import aiohttp
import msgspec
from yarl import URL

from symbiont.adapters.webhook.resolver import Forbidden, GuardedResolver, Lookups, check
from symbiont.domain.address import url_fault
from symbiont.domain.redelivery import Told
from symbiont.domain.webhook import signature
from symbiont.ports import Clock, Notice

USER_AGENT: Final = "symbiont-webhooks/1"
MOST_HEADER_BYTES: Final = 8_190
LONGEST_RETRY_AFTER: Final = 64


class Target(msgspec.Struct, frozen=True):
    """Where an endpoint is and how to sign for it, newest key first. `url` empty: every notice brings its own."""

    url: str
    keys: tuple[bytes, ...]
    timeout_s: float
    allow_http: bool = False
    allow_private: bool = False

    def __repr__(self) -> str:
        return f"Target(timeout_s={self.timeout_s})"


class WebhookSender:
    """`targets` by the name of the endpoint."""

    def __init__(self, targets: Mapping[str, Target], clock: Clock, *, lookups: Lookups | None = None) -> None:
        self._targets = dict(targets)
        self._clock = clock
        self._lookups = lookups or Lookups()

    async def tell(self, notice: Notice) -> Told:
        target = self._targets[notice.endpoint]
        began_s = self._clock.monotonic()
        told = await self._tried(notice, target)
        return msgspec.structs.replace(told, elapsed_s=self._clock.monotonic() - began_s)

    async def _tried(self, notice: Notice, target: Target) -> Told:
        url = notice.url or target.url
        fault = url_fault(url, allow_http=target.allow_http)
        if fault:
            return Told(0, f"expected {fault}, got: another one")
        try:
            async with asyncio.timeout(target.timeout_s):
                return await self._posted(URL(url, encoded=True), notice, target)
        except TimeoutError:
            return Told(0, f"no answer within {target.timeout_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Told(0, _reason(error))

    async def _posted(self, url: URL, notice: Notice, target: Target) -> Told:
        _check_literal(url.raw_host or "", allow_private=target.allow_private)
        async with (
            aiohttp.ClientSession(
                connector=self._connector(target),
                timeout=aiohttp.ClientTimeout(total=target.timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                max_line_size=MOST_HEADER_BYTES,
                max_field_size=MOST_HEADER_BYTES,
            ) as session,
            session.post(
                url,
                data=notice.body,
                headers=self._headers(notice, target),
                allow_redirects=False,
            ) as response,
        ):
            response.close()  # what else it has to say is not wanted
            return Told(response.status, retry_after=response.headers.get("Retry-After", "")[:LONGEST_RETRY_AFTER])

    def _connector(self, target: Target) -> aiohttp.TCPConnector:
        resolver = GuardedResolver(self._lookups, allow_private=target.allow_private)
        return aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True)

    def _headers(self, notice: Notice, target: Target) -> dict[str, str]:
        timestamp = int(self._clock.wall())
        return {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            "webhook-id": notice.message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(target.keys, notice.message_id, timestamp, notice.body),
        }


def _check_literal(host: str, *, allow_private: bool) -> None:
    """An address in the place of a name is never resolved, so no resolver sees it. `127.1` is none, but may pass for one."""
    if ":" in host or host.replace(".", "").isdigit():
        check([host], allow_private=allow_private)


def _reason(error: Exception) -> str:
    """In our own words, for an error's own may hold the whole address."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    match cause:
        case Forbidden():
            return str(cause)
        case ssl.SSLCertVerificationError():
            return f"expected a certificate that can be verified, got: {cause.verify_message}"
        case ssl.SSLError() | aiohttp.ClientSSLError():
            return "expected a TLS connection, got: something else"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed before an answer"
        case aiohttp.ClientResponseError():
            return "expected an HTTP answer, got: something else"
        case OSError():
            return (cause.strerror or str(cause) or type(cause).__name__).lower()
        case _:
            return f"no answer: {type(error).__name__}"
