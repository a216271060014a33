"""What tokens cost: a table of prices by model, and exact money.

Guarantees: money is whole nano-USD (10⁻⁹ USD) all the way, so sums have no float drift, whatever their order.
A rate of r USD per million tokens is exactly r x 1000 nano-USD per token.
Does not fetch prices and does not know tiers; an unknown model has no price, never a guessed one.
"""

import math
import re

import msgspec

from symbiont.domain.usage import Usage

NANOS_PER_USD = 1_000_000_000
NANOS_PER_TOKEN_AT_ONE_USD_PER_MILLION = 1_000
BYTES_PER_TOKEN = 4

_DATE_SUFFIX = re.compile(r"-\d{8}$")


class Rates(msgspec.Struct, frozen=True):
    """Nano-USD per token, one rate for each way a token is counted."""

    input: int
    output: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int

    def cost_nanos(self, usage: Usage) -> int:
        return (
            usage.input_tokens * self.input
            + usage.output_tokens * self.output
            + usage.cache_read_tokens * self.cache_read
            + usage.cache_write_5m_tokens * self.cache_write_5m
            + usage.cache_write_1h_tokens * self.cache_write_1h
        )


class LongPrompt(msgspec.Struct, frozen=True):
    """Other rates for a *whole* request whose prompt has more than `above_prompt_tokens` tokens."""

    above_prompt_tokens: int
    rates: Rates


class ModelPrice(msgspec.Struct, frozen=True):
    """One row of the table: the rates of a model, and those of its long prompts if they differ."""

    rates: Rates
    long_prompt: LongPrompt | None = None

    def rates_for(self, prompt_tokens: int) -> Rates:
        if self.long_prompt is not None and prompt_tokens > self.long_prompt.above_prompt_tokens:
            return self.long_prompt.rates
        return self.rates


class PriceTable(msgspec.Struct, frozen=True):
    """Prices by model id. `version` is written beside every estimate, so that it can be told which prices it used."""

    version: str
    rows: dict[str, ModelPrice]

    def row(self, model_id: str) -> ModelPrice | None:
        """The row of this id or, for a dated id (`claude-haiku-4-5-20251001`), of the id without its date."""
        return self.rows.get(model_id) or self.rows.get(_DATE_SUFFIX.sub("", model_id))

    def cost_nanos(self, model_id: str, usage: Usage) -> int | None:
        """Cost of one request in nano-USD; None for a model that is not in the table."""
        row = self.row(model_id)
        return None if row is None else row.rates_for(usage.prompt_tokens).cost_nanos(usage)


def nanos_per_token(usd_per_million: float) -> int:
    """A published price (USD per million tokens) as nano-USD per token.

    Raises `ValueError` for a price below 0, or finer than 0.001 USD per million, which whole nano-USD cannot express.
    """
    exact = usd_per_million * NANOS_PER_TOKEN_AT_ONE_USD_PER_MILLION
    if not math.isfinite(exact) or exact < 0 or not math.isclose(exact, round(exact), rel_tol=1e-9, abs_tol=1e-9):
        raise ValueError(f"expected price to be a multiple of 0.001 USD per million tokens, got: {usd_per_million}")
    return round(exact)


def usd(nanos: int) -> float:
    """Nano-USD as USD, for display and for JSON: the float nearest to the exact value."""
    return nanos / NANOS_PER_USD


def nanos(usd: float) -> int:
    """USD as nano-USD; the exact inverse of `usd` up to a million USD."""
    return round(usd * NANOS_PER_USD)


def estimate_tokens(text: str) -> int:
    """Roughly how many tokens a text has before any model counted them: its UTF-8 bytes divided by four, rounded up."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)
