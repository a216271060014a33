"""Whether a configuration can be used as a whole: what it names outside itself is there and fits.

`load` judges what stands in the layers; this also reads the price table and the secrets of webhooks, which most commands have no
use for.
"""

import os

from symbiont.config.builtin import price_table, tier_table
from symbiont.config.keys import closest, invalid
from symbiont.config.load import Loaded, source_of
from symbiont.config.webhook_keys import webhook_keys


def check_whole(loaded: Loaded) -> None:
    """Raises `SymbiontError("CONFIG_INVALID")` for a price table that cannot be used or does not price a tier, or a secret that is none."""
    webhook_keys(loaded.config.webhooks, os.environ)
    prices = price_table(loaded.config)
    for tier in tier_table(loaded.config).tiers:
        if prices.row(tier.price_model) is None:
            meant = closest(tier.price_model, prices.rows)
            hint = (
                f'price_model = "{meant}"' if meant else f"add [models.{tier.price_model}] to the table of prices_file"
            )
            expects = "a model of the price table"
            source = source_of(loaded.provenance["tiers"])
            raise invalid(source, f"price_model of tier {tier.name}", expects, tier.price_model, hint=hint)
