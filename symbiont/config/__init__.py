"""Settings: `schema.py` says what there is, `load.py` where values come from, `builtin.py` what an empty setting means."""

from symbiont.config.builtin import data_dir, price_table, template, tier_table
from symbiont.config.keys import dotted
from symbiont.config.load import Loaded, load

__all__ = ["Loaded", "data_dir", "dotted", "load", "price_table", "template", "tier_table"]
