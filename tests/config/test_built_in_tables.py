"""The built-in tiers and prices, and the commented template: complete, true to the schema, shipped with the package."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from symbiont.config import builtin, load, price_table, schema, template, tier_table
from symbiont.config.keys import catalogue, sections
from symbiont.config.schema import Config
from symbiont.domain.budget import Budget
from symbiont.domain.schedule import Schedule
from symbiont.domain.usage import Usage

ROOT = Path(__file__).parents[2]
SHIPPED = Path(builtin.__file__).parent / "defaults"


def uncommented() -> str:
    return re.sub(r"^#(?=\S)", "", template(), flags=re.MULTILINE)


def documented_fields() -> dict[str, str]:
    """The text under each field of the schema, by dotted name."""
    found: dict[str, str] = {}
    for node in ast.parse(Path(schema.__file__).read_text("utf-8")).body:
        if not isinstance(node, ast.ClassDef):
            continue
        prefix = f"{node.name.lower()}." if node.name.lower() in sections() else ""
        for field, text in zip(node.body, node.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                found[prefix + field.target.id] = ast.literal_eval(text.value)
    return found


@pytest.mark.parametrize("name", ["symbiont.toml", "prices.toml"])
def test_the_files_for_readers_are_the_files_that_ship(name):
    assert (ROOT / "config" / name).read_bytes() == (SHIPPED / name).read_bytes()


def test_the_template_as_it_stands_changes_nothing(tmp_path):
    path = tmp_path / "symbiont.toml"
    path.write_text(template())
    loaded = load(path, env={})
    assert (loaded.config, set(loaded.provenance.values())) == (Config(), {"default"})


def test_the_template_uncommented_sets_every_key_to_its_default(tmp_path):
    path = tmp_path / "symbiont.toml"
    path.write_text(uncommented())
    loaded = load(path, env={})
    daily = Budget(name="daily", period="day", limit_usd=10.0, limit_calls=1000)
    words, task = "0 7 * * MON-FRI", "Name three things worth knowing about the day."
    briefing = Schedule("daily", words, task, time_zone="Europe/Berlin", priority="low", force_tier="haiku")
    assert loaded.config == Config(tiers=builtin.BUILT_IN_TIERS, budgets=(daily,), schedules=(briefing,))
    assert set(loaded.provenance.values()) == {f"file {path}"}


def test_the_template_names_exactly_all_keys_in_the_order_of_the_schema():
    document = tomllib.loads(uncommented())
    named = [
        f"{name}.{key}" if isinstance(value, dict) else name
        for name, value in document.items()
        for key in (value if isinstance(value, dict) else [name])
    ]
    assert named == [*catalogue(), "tiers", "budgets", "schedules"]


def test_every_key_of_the_template_stands_under_its_meaning():
    settings = template().partition("#[[tiers]]")[0]
    assert re.search(r"(?m)^(?!# ).*\n#\w+ = ", settings) is None


def test_the_template_says_what_the_schema_says():
    words = " ".join(re.sub(r"(?m)^# ?", "", template()).split())
    missing = [
        name for name, text in documented_fields().items() if name != "tiers" and " ".join(text.split()) not in words
    ]
    assert missing == []


def test_the_built_in_tiers_are_haiku_sonnet_and_opus():
    rows = [
        (tier.rank, tier.name, tier.model, tier.price_model, tier.planning_cost_usd, tier.context_tokens)
        for tier in tier_table(Config()).tiers
    ]
    assert rows == [
        (1, "haiku", "haiku", "claude-haiku-5-5", 0.008, 50_000),
        (2, "sonnet", "sonnet", "claude-sonnet-5-5", 0.04, 200_000),
        (3, "opus", "opus", "claude-opus-5-5", 0.15, 200_000),
    ]


def test_every_built_in_tier_has_a_price():
    prices = price_table(Config())
    assert all(prices.row(tier.price_model) for tier in builtin.BUILT_IN_TIERS)


MILLION = 1_000_000
PRICES = [
    ("claude-haiku-4-5", 1, 5, 0.10, 1.25, 2),
    ("claude-haiku-4-5-20251001", 1, 5, 0.10, 1.25, 2),
    ("claude-sonnet-5-5", 2, 10, 0.10, 2.5, 4),
    ("claude-sonnet-5", 2, 10, 0.20, 2.5, 4),
    ("claude-sonnet-4-6", 3, 15, 0.30, 3.75, 6),
    ("claude-sonnet-4-5", 3, 15, 0.30, 3.75, 6),
    ("claude-opus-5-5", 4, 20, 0.20, 5, 8),
    ("claude-opus-5", 5, 25, 0.50, 6.25, 10),
    ("claude-opus-4-8", 5, 25, 0.50, 6.25, 10),
    ("claude-opus-4-7", 5, 25, 0.50, 6.25, 10),
    ("claude-opus-4-6", 5, 25, 0.50, 6.25, 10),
    ("claude-opus-4-5", 5, 25, 0.50, 6.25, 10),
    ("claude-fable-5-2", 8, 40, 0.20, 10, 16),
    ("claude-fable-5", 10, 50, 1.00, 12.5, 20),
    ("claude-mythos-5", 10, 50, 1.00, 12.5, 20),
]
FIELDS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")


@pytest.mark.parametrize("row", PRICES, ids=[row[0] for row in PRICES])
def test_a_million_tokens_cost_the_list_price(row):
    model_id, *usd_per_million = row
    costs = [price_table(Config()).cost_nanos(model_id, Usage(**{field: MILLION})) for field in FIELDS]
    assert costs == [round(price * 10**9) for price in usd_per_million]


@pytest.mark.parametrize(
    ("prompt_tokens", "usd"), [(100_000, 0.010), (100_001, 0.0500005)], ids=["at the threshold", "one above"]
)
def test_the_long_prompts_of_haiku_5_5_cost_five_times_as_much(prompt_tokens, usd):
    assert price_table(Config()).cost_nanos("claude-haiku-5-5", Usage(prompt_tokens)) == round(usd * 10**9)


@pytest.mark.parametrize(
    ("usage", "nanos"),
    [
        (Usage(output_tokens=10), 10 * 500),
        (Usage(1, 10), 100 + 10 * 500),
        (Usage(100_001, 10), 100_001 * 500 + 10 * 2_500),
        (Usage(cache_read_tokens=100_001), 100_001 * 50),
        (Usage(cache_write_5m_tokens=100_001), 100_001 * 625),
        (Usage(cache_write_1h_tokens=100_001), 100_001 * 1_000),
    ],
)
def test_haiku_5_5_is_charged_by_its_own_two_rows(usage, nanos):
    assert price_table(Config()).cost_nanos("claude-haiku-5-5", usage) == nanos


def test_the_price_table_is_dated():
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", price_table(Config()).version)
