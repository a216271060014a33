"""A configuration whose price table is missing, broken, or lacks a tier is refused before anything starts."""

import pytest

from symbiont.config import check_whole, load
from symbiont.domain.errors import SymbiontError

TIER = '[[tiers]]\nname = "haiku"\nrank = 1\nmodel = "haiku"\nsuits = "all"\nprice_model = "{}"\n'
SMALL = 'dispatch.default_tier = "haiku"\nrouting.classifier_tier = "haiku"\n'


def refusal(tmp_path, text):
    path = tmp_path / "symbiont.toml"
    path.write_text(text, "utf-8")
    loaded = load(path, env={})
    with pytest.raises(SymbiontError) as refused:
        check_whole(loaded)
    assert refused.value.code == "CONFIG_INVALID"
    return refused.value


def test_the_built_in_tables_fit_each_other():
    check_whole(load(env={}))


def test_a_missing_price_table_is_named_with_its_key(tmp_path):
    refused = refusal(tmp_path, 'prices_file = "nope.toml"')
    assert refused.message == f"expected {tmp_path}/nope.toml to be a readable file, got: No such file or directory"
    assert refused.hint.startswith("prices_file names this file")


def test_a_malformed_price_table_is_refused(tmp_path):
    (tmp_path / "prices.toml").write_text('version = "1"\n[models.m]\ninput = "much"\n', "utf-8")
    assert "expected prices to be in the form" in refusal(tmp_path, 'prices_file = "prices.toml"').message


def test_a_tier_without_a_price_is_named_with_the_model_that_was_meant(tmp_path):
    refused = refusal(tmp_path, SMALL + TIER.format("claude-hiaku-5-5"))
    expected = 'expected price_model of tier haiku to be a model of the price table, got: "claude-hiaku-5-5"'
    assert refused.message == f"{tmp_path}/symbiont.toml: {expected}"
    assert refused.hint == 'price_model = "claude-haiku-5-5"'
