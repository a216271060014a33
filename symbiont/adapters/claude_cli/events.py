"""The events of `--output-format stream-json`, as far as we need them, and how a line becomes one.

Liberal by design, since releases add, drop and retype fields: unknown and missing keys are fine, a field of a wrong type
costs that field alone. Nothing here raises.
"""

from typing import Any, TypeVar

import msgspec


class Init(msgspec.Struct, frozen=True):
    """`system/init`: the first event. `source` is `none` for a subscription, else where the API key came from."""

    model: str | None = None
    source: str | None = msgspec.field(default=None, name="apiKeySource")
    version: str | None = msgspec.field(default=None, name="claude_code_version")


class Window(msgspec.Struct, frozen=True, rename="camel"):
    """One window of a subscription: `utilization` 0..1, `resets_at` epoch seconds."""

    status: str | None = None
    utilization: float | None = None
    resets_at: float | None = None


class RateLimit(msgspec.Struct, frozen=True, rename="camel"):
    """Where the subscription stands; `status` is `allowed`, `allowed_warning` or `rejected`."""

    status: str | None = None
    resets_at: float | None = None
    rate_limit_type: str | None = None
    utilization: float | None = None
    unified_windows: dict[str, Window | None] | None = None


class Consumed(msgspec.Struct, frozen=True):
    """What one model consumed, by the CLI's own account; newer releases split the cache writes by lifetime."""

    input: int | None = msgspec.field(default=None, name="inputTokens")
    output: int | None = msgspec.field(default=None, name="outputTokens")
    cache_read: int | None = msgspec.field(default=None, name="cacheReadInputTokens")
    cache_write: int | None = msgspec.field(default=None, name="cacheCreationInputTokens")
    cache_write_1h: int | None = msgspec.field(default=None, name="cacheCreationEphemeral1hInputTokens")


class Result(msgspec.Struct, frozen=True):
    """`result`: the last event. `subtype` says `success` for API errors too; the truth is spread over the fields."""

    subtype: str | None = None
    is_error: bool | None = None
    api_error_status: int | None = None
    api_error: str | None = None
    terminal_reason: str | None = None
    stop_reason: str | None = None
    text: str | None = msgspec.field(default=None, name="result")
    structured: Any = msgspec.field(default=None, name="structured_output")
    errors: list[Any] | None = None
    cost_usd: float | None = msgspec.field(default=None, name="total_cost_usd")
    consumed: dict[str, Consumed | None] | None = msgspec.field(default=None, name="modelUsage")


class CacheWrites(msgspec.Struct, frozen=True):
    ephemeral_1h_input_tokens: int | None = None


class ReportedUsage(msgspec.Struct, frozen=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: CacheWrites | None = None


class Message(msgspec.Struct, frozen=True):
    id: str | None = None
    model: str | None = None
    usage: ReportedUsage | None = None


class Inner(msgspec.Struct, frozen=True):
    type: str | None = None
    message: Message | None = None
    usage: ReportedUsage | None = None


class Event(msgspec.Struct, frozen=True):
    """Any line; which fields it has depends on `type`."""

    type: str | None = None
    subtype: str | None = None
    message: Message | None = None
    event: Inner | None = None
    rate_limit_info: RateLimit | None = None
    error: str | None = None
    api_error: str | None = None


S = TypeVar("S", bound=msgspec.Struct)


def decode(line: bytes, cls: type[S]) -> S | None:
    """The event in `line`, as much of it as can be read; None if it is no JSON object."""
    try:
        return msgspec.json.decode(line, type=cls, strict=False)
    except msgspec.ValidationError:
        return _salvage(line, cls)
    except (msgspec.DecodeError, RecursionError):
        return None


def _salvage(line: bytes, cls: type[S]) -> S | None:
    """What of `cls` can be read where some field has another type than expected."""
    try:
        raw = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return None
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(cls):
        if field.encode_name not in raw:
            continue
        try:
            values[field.name] = msgspec.json.decode(raw[field.encode_name], type=field.type, strict=False)
        except (msgspec.DecodeError, RecursionError):
            continue
    return cls(**values)
