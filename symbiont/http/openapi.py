"""The OpenAPI 3.1 document, made from the route table and the views: what it says is what the code does.

Where the wire differs from a view (`encode.py`), the schema follows the wire. Does not serve itself; a route does.
"""

import re
from collections.abc import Iterable, Sequence
from inspect import cleandoc
from typing import Any

import msgspec

from symbiont.domain.errors import MEANINGS
from symbiont.domain.intake import LONGEST_DELAY_S, MAX_KEY_CHARS, MAX_PROJECT_CHARS
from symbiont.domain.tier import TierTable
from symbiont.http.encode import Text, plain
from symbiont.http.examples import EXAMPLES
from symbiont.http.parse import IDEMPOTENCY_HEADER, TaskBody
from symbiont.http.route import Param, Route
from symbiont.service import views

API_VERSION = "1.0.0"
_REF = "#/components/schemas/{name}"
_PATH_PART = re.compile(r"\{(\w+)\}")
_COMMON_CODES = (
    "BAD_VALUE",
    "UNKNOWN_FIELD",
    "FORBIDDEN_HOST",
    "FORBIDDEN_ORIGIN",
    "RESTARTING",
    "OUTCOME_UNKNOWN",
    "OVER_CAPACITY",
    "INTERNAL",
)
_BODY_CODES = ("BAD_JSON", "WRONG_TYPE", "UNSUPPORTED_MEDIA_TYPE", "BODY_TOO_LARGE", "REQUEST_TIMEOUT")

Node = dict[str, Any]


_IDEMPOTENCY_KEY: Node = {
    "name": IDEMPOTENCY_HEADER,
    "in": "header",
    "description": (
        "Sent again with the same key, the same request is the same task; another request under it is a CONFLICT. A key counts within "
        "its project: the same key of another project, or of none, is another key. The field idempotency_key does the same."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARS},
}


def document(routes: Sequence[Route], tiers: TierTable, max_task_chars: int) -> bytes:
    """The encoded document for these routes, tiers and limits."""
    paths: Node = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Symbiont", "version": API_VERSION, "description": _ABOUT},
            "paths": paths,
            "components": {"schemas": _schemas(routes, tiers, max_task_chars)},
        }
    )


_ABOUT = (
    "Loopback only, no key. A body is application/json; unknown fields and query parameters are refused. "
    "Every error is an ErrorBody with a stable `code`; `details.hint`, where present, says what to do. "
    "503 carries Retry-After. HEAD answers wherever GET does."
)


def _operation(route: Route) -> Node:
    operation: Node = {
        "operationId": route.name,
        "summary": route.summary,
        "responses": {"200": _answer(route)} | _refusals(route),
    }
    parameters = [_path_part(name) for name in _PATH_PART.findall(route.path)] + [_query(one) for one in route.params]
    if route.body is TaskBody:
        parameters.append(_IDEMPOTENCY_KEY)
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(_ref(route.body))}
    return operation


def _answer(route: Route) -> Node:
    if Text in route.answers:
        return {"description": route.summary, "content": {"text/plain": {"schema": {"type": "string"}}}}
    shown = [answer for answer in route.answers if answer is not msgspec.Raw]
    if not shown:
        return {"description": "An OpenAPI document", "content": _json({"type": "object"})}
    schema = _ref(shown[0]) if len(shown) == 1 else {"anyOf": [_ref(one) for one in shown]}
    examples = {one.__name__: {"value": plain(EXAMPLES[one])} for one in shown}
    return {"description": route.summary, "content": _json(schema, examples)}


def _refusals(route: Route) -> Node:
    """One entry a status, naming its codes; `MEANINGS` decides which status a code has."""
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys((*_COMMON_CODES, *(_BODY_CODES if route.method == "POST" else ()), *route.codes)):
        by_status.setdefault(MEANINGS[code].http_status, []).append(code)
    return {
        str(status): {"description": ", ".join(codes), "content": _json(_ref(views.ErrorBody))}
        for status, codes in sorted(by_status.items())
    }


def _path_part(name: str) -> Node:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query(param: Param) -> Node:
    return {"name": param.name, "in": "query", "description": param.about, "schema": param.schema}


def _json(schema: Node, examples: Node | None = None) -> Node:
    return {"application/json": {"schema": schema} | ({"examples": examples} if examples else {})}


def _ref(shown: type) -> Node:
    return {"$ref": _REF.format(name=shown.__name__)}


def _schemas(routes: Iterable[Route], tiers: TierTable, max_task_chars: int) -> Node:
    shown = {answer for route in routes for answer in route.answers if answer not in {msgspec.Raw, Text}}
    bodies = {route.body for route in routes if route.body is not None}
    ordered = sorted(shown | bodies | {views.ErrorBody}, key=lambda one: one.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template=_REF)
    for schema in schemas.values():
        schema["description"] = cleandoc(schema.get("description", ""))
    _as_on_the_wire(schemas, tiers)
    _with_limits(schemas[TaskBody.__name__], tiers, max_task_chars)
    return schemas


def _as_on_the_wire(schemas: Node, tiers: TierTable) -> None:
    answer = schemas[views.TaskAnswer.__name__]
    answer["properties"]["billing"] = {"const": "rehearsal", "description": "Only there when no real model answered."}
    answer["required"].remove("billing")
    answer["properties"]["is_cost_unknown"] = {"const": True, "description": "Only there when nobody knows the cost."}
    status = schemas[views.Status.__name__]
    usage = status["properties"].pop("tier_usage")["additionalProperties"]
    status["required"].remove("tier_usage")
    for tier in tiers.names:
        status["properties"][f"{tier}_usage"] = usage
    schemas[views.ErrorBody.__name__]["properties"]["details"] = {"type": "object"}


def _with_limits(task_body: Node, tiers: TierTable, max_task_chars: int) -> None:
    properties = task_body["properties"]
    properties["task"] |= {"minLength": 1, "maxLength": max_task_chars}
    properties["force_tier"] = {"enum": [*tiers.names, None], "default": None}
    properties["project"] = {"type": ["string", "null"], "maxLength": MAX_PROJECT_CHARS, "default": None}
    properties["idempotency_key"] = {
        "type": ["string", "null"],
        "minLength": 1,
        "maxLength": MAX_KEY_CHARS,
        "default": None,
    }
    properties["run_at"] = {"type": ["string", "null"], "format": "date-time", "default": None}
    properties["delay_s"] = {"type": ["number", "null"], "minimum": 0, "maximum": LONGEST_DELAY_S, "default": None}
    task_body["additionalProperties"] = False
