"""A receiver of webhooks on a real socket: verifies every signature with its own few lines, not with ours.

async with Receiver(SECRET) as receiver:
    … send something to receiver.url …
    assert receiver.verified[0].type == "task.done"
"""

import base64
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from aiohttp import web

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


class Heard(NamedTuple):
    id: str
    type: str
    data: Any


def is_genuine(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """The check of the Standard Webhooks specification, written down once more."""
    signed = headers["webhook-id"].encode() + b"." + headers["webhook-timestamp"].encode() + b"." + body
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}" in headers["webhook-signature"].split(" ")


@dataclass
class Receiver:
    """`answers` are the statuses (or whole responses) it gives in turn, then 204. `forged` counts what did not verify."""

    secret: str = SECRET
    answers: deque[int | Callable[[], web.Response]] = field(default_factory=deque)
    verified: list[Heard] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    forged: int = 0
    url: str = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=10_000_000)
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.headers.append(dict(request.headers))
        lower = {name.lower(): value for name, value in request.headers.items()}
        if is_genuine(lower, body, self.secret):
            said = json.loads(body)
            self.verified.append(Heard(lower["webhook-id"], said["type"], said["data"]))
        else:
            self.forged += 1
        answer = self.answers.popleft() if self.answers else 204
        return web.Response(status=answer) if isinstance(answer, int) else answer()
