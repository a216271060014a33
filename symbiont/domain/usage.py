"""Tokens a model call consumed, as the provider counts them.

The four counters are disjoint: `input_tokens` never includes cache reads or writes.
"""

import msgspec


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Token counters of one model in one call. All default to 0; `+` adds them field by field."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0

    @property
    def cache_write_tokens(self) -> int:
        """Both cache lifetimes together, as the ledger shows them."""
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens

    @property
    def prompt_tokens(self) -> int:
        """Everything the model read: what a price threshold on the prompt length is measured by."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_5m_tokens=self.cache_write_5m_tokens + other.cache_write_5m_tokens,
            cache_write_1h_tokens=self.cache_write_1h_tokens + other.cache_write_1h_tokens,
        )


class ModelUsage(msgspec.Struct, frozen=True):
    """What one resolved model (`claude-haiku-5-5`) consumed in a call; a call may touch several models."""

    model_id: str
    usage: Usage
