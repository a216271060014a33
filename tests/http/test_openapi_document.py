"""The OpenAPI document says what the code does: routes, schemas and examples."""

import re

import msgspec
import pytest

from symbiont.domain.errors import MEANINGS
from symbiont.http.app import build_app
from symbiont.http.routes import ROUTES

TYPES = {
    "object": dict, "array": (list, tuple), "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None),
}  # fmt: skip


@pytest.fixture
async def doc(api):
    return (await api.get("/openapi.json")).json


def conforms(value, schema, doc):
    """Whether a value of decoded JSON satisfies a schema, as far as our schemas go."""
    if "$ref" in schema:
        return conforms(value, doc["components"]["schemas"][schema["$ref"].rpartition("/")[2]], doc)
    if "anyOf" in schema:
        return any(conforms(value, one, doc) for one in schema["anyOf"])
    if ("const" in schema and value != schema["const"]) or ("enum" in schema and value not in schema["enum"]):
        return False
    kinds = schema.get("type", list(TYPES))
    if not isinstance(value, tuple(TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))):
        return False
    if isinstance(value, dict):
        return object_conforms(value, schema, doc)
    return not isinstance(value, list) or all(conforms(one, schema.get("items", {}), doc) for one in value)


def object_conforms(value, schema, doc):
    known, more = schema.get("properties", {}), schema.get("additionalProperties", {})
    rest = {} if more is True else more
    return (
        set(schema.get("required", ())) <= set(value)
        and (more is not False or set(value) <= set(known))
        and all(conforms(one, known.get(name, rest), doc) for name, one in value.items())
    )


def test_every_registered_route_is_in_the_table_and_the_other_way_round(app):
    registered = {(route.method, route.resource.canonical) for route in app.router.routes() if route.method != "HEAD"}

    assert registered == {(route.method, route.path) for route in ROUTES}


async def test_every_route_is_documented_and_the_other_way_round(doc):
    documented = {(method.upper(), path) for path, methods in doc["paths"].items() for method in methods}

    assert documented == {(route.method, route.path) for route in ROUTES}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_every_example_satisfies_its_schema(doc, route):
    content = doc["paths"][route.path][route.method.lower()]["responses"]["200"]["content"]

    for shown in content.values():
        for example in shown.get("examples", {}).values():
            assert conforms(example["value"], shown["schema"], doc)


@pytest.mark.parametrize(
    ("method", "path", "fields"),
    [
        ("POST", "/task", {"task": "Say hello"}),
        ("POST", "/task?dry_run=true", {"task": "Say hello"}),
        ("POST", "/queue", {"task": "Say hello", "force_tier": "opus", "project": "x"}),
        ("GET", "/status", None),
        ("GET", "/health", None),
        ("GET", "/ledger?limit=5", None),
        ("GET", "/ledger/stats", None),
        ("GET", "/queue?status=done", None),
        ("POST", "/heartbeat", None),
        ("POST", "/wake", None),
    ],
)
async def test_what_the_api_takes_and_answers_satisfies_the_document(api, doc, method, path, fields):
    reply = await (api.post(path, fields) if method == "POST" else api.get(path))

    operation = doc["paths"][path.partition("?")[0]][method.lower()]
    assert conforms(reply.json, operation["responses"]["200"]["content"]["application/json"]["schema"], doc)
    if fields is not None:
        assert conforms(fields, operation["requestBody"]["content"]["application/json"]["schema"], doc)


async def test_a_refusal_satisfies_the_document(api, doc):
    for reply in (await api.get("/ledger?limit=x"), await api.post("/task", {"task": ""})):
        assert conforms(reply.json, {"$ref": "#/components/schemas/ErrorBody"}, doc)


async def test_the_check_itself_tells_right_from_wrong(doc):
    schema = {"$ref": "#/components/schemas/TaskBody"}

    assert conforms({"task": "x"}, schema, doc)
    assert not conforms({"task": 1}, schema, doc)
    assert not conforms({}, schema, doc)
    assert not conforms({"task": "x", "tier": "opus"}, schema, doc)
    assert not conforms({"task": "x", "force_tier": "gpt"}, schema, doc)


async def test_every_reference_leads_somewhere(api, doc):
    text = (await api.get("/openapi.json")).body.decode()

    assert set(re.findall(r'"#/components/schemas/(\w+)"', text)) == set(doc["components"]["schemas"])


async def test_a_real_answer_need_not_tell_its_billing(doc):
    answer = doc["components"]["schemas"]["TaskAnswer"]

    assert "billing" not in answer["required"]
    assert answer["properties"]["billing"]["const"] == "rehearsal"


async def test_the_status_has_a_usage_for_each_configured_tier(doc):
    status = doc["components"]["schemas"]["Status"]

    assert {"haiku_usage", "sonnet_usage", "opus_usage"} <= set(status["properties"])
    assert "tier_usage" not in status["properties"]


async def test_limits_of_the_configuration_stand_in_the_document(doc):
    task_body = doc["components"]["schemas"]["TaskBody"]

    assert task_body["properties"]["task"]["maxLength"] == 1_000
    assert task_body["properties"]["force_tier"]["enum"] == ["haiku", "sonnet", "opus", None]


async def test_every_refusal_a_route_names_is_filed_under_its_status(doc):
    for methods in doc["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if status != "200":
                    assert {MEANINGS[code].http_status for code in response["description"].split(", ")} == {int(status)}


async def test_path_and_query_parameters_are_documented(doc):
    shown = doc["paths"]["/task/{id}"]["get"]["parameters"]
    listed = doc["paths"]["/queue"]["get"]["parameters"]

    assert [(one["name"], one["in"], one["required"]) for one in shown] == [("id", "path", True)]
    assert [(one["name"], one["in"]) for one in listed] == [("status", "query"), ("limit", "query")]


def test_names_of_operations_are_unique():
    assert len({route.name for route in ROUTES}) == len(ROUTES)


@pytest.fixture
def app(memory_service, gates, tiers, settings):
    return build_app(memory_service, gates.open(), settings, tiers, 1_000)


def test_building_the_document_is_deterministic(app, memory_service, gates, tiers, settings):
    again = build_app(memory_service, gates.open(), settings, tiers, 1_000)

    assert msgspec.json.encode(sorted(app.router.named_resources())) == msgspec.json.encode(
        sorted(again.router.named_resources())
    )
