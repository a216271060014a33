"""What a task would cost, before anything is called."""

from symbiont.config import price_table, tier_table
from symbiont.config.schema import Config
from symbiont.domain.heuristic import classify_by_rules
from symbiont.domain.price import PriceTable
from symbiont.domain.task import NewTask
from symbiont.service.dry_run import dry_run

CONFIG = Config()
TIERS = tier_table(CONFIG)
UNCLEAR = "Bitte das Protokoll von gestern"


def test_a_model_without_a_price_costs_an_unknown_amount():
    run = dry_run(NewTask("Say hello", "direct", force_tier="haiku"), CONFIG, TIERS, PriceTable("empty", {}))
    assert run.estimated_cost_usd is None


def test_a_judgement_of_low_confidence_says_that_it_leads_one_tier_up():
    judged = classify_by_rules(UNCLEAR, TIERS)
    assert judged.confidence == "low"
    run = dry_run(NewTask(UNCLEAR, "direct"), CONFIG, TIERS, price_table(CONFIG))
    assert run.model == TIERS.next_above(judged.tier).name
    assert run.reason == f"{judged.reason}; low confidence in {judged.tier}: one tier up"
