"""What a row of the route table is, and what a handler is given.

Handlers see parsed values and the service, never the request: parse, call, return the view.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from symbiont.domain.intake import Intake
from symbiont.http import parse
from symbiont.http.encode import Text, View
from symbiont.service.api import Service


@dataclass(frozen=True, slots=True)
class Desk:
    """What every handler has at hand: the service, the rules of a task, the settings, the OpenAPI document."""

    service: Service
    intake: Intake
    wait_s: float
    max_body_bytes: int
    document: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Asked:
    """A request after parsing: query parameters (known, once each), fields of the body, parts of the path."""

    params: Mapping[str, str]
    fields: Mapping[str, object]
    path: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Param:
    """A query parameter and the JSON Schema of its value."""

    name: str
    about: str
    schema: Mapping[str, object]


Handler = Callable[[Desk, Asked], Awaitable[View | Text]]


@dataclass(frozen=True, slots=True)
class Route:
    """One row: where, who handles it, what it takes and answers, and which codes it can refuse with besides the common.

    `waits`: an answer may take as long as a task. `is_gated` False: answered above the tree, which may be away.
    """

    method: Literal["GET", "POST"]
    path: str
    handle: Handler
    summary: str
    answers: tuple[type, ...]
    body: type[msgspec.Struct] | None = None
    params: tuple[Param, ...] = ()
    codes: tuple[str, ...] = ()
    waits: bool = False
    is_gated: bool = True

    @property
    def name(self) -> str:
        return self.handle.__name__

    @property
    def param_names(self) -> tuple[str, ...]:
        return tuple(param.name for param in self.params)


LIMIT = Param(
    "limit",
    "How many at most, newest last.",
    {"type": "integer", "minimum": 1, "maximum": parse.MAX_LIMIT, "default": parse.DEFAULT_LIMIT},
)
