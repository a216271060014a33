"""Settings: `schema.py` says what there is, `load.py` where values come from, `builtin.py` what an empty setting means,
`sound.py` whether the whole can be used.
"""

from symbiont.config.builtin import data_dir, price_table, template, tier_table
from symbiont.config.keys import dotted
from symbiont.config.load import Loaded, load
from symbiont.config.sound import check_whole

__all__ = ["Loaded", "check_whole", "data_dir", "dotted", "load", "price_table", "template", "tier_table"]
