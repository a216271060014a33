"""What one call said, folded into a transcript: who answered, what it consumed, where the subscription stands.

A line that is no event is skipped and counted. Nothing here raises, and nothing judges: what the transcript means is
`verdict.py`.
"""

from symbiont.adapters.claude_cli.events import (
    CacheWrites,
    Consumed,
    Event,
    Init,
    Inner,
    Message,
    RateLimit,
    ReportedUsage,
    Result,
    decode,
)
from symbiont.domain.usage import ModelUsage, Usage
from symbiont.ports import QuotaWindow

_SYNTHETIC = "<synthetic>"


class Transcript:
    """One call as its events told it. `skipped` counts the lines that were no events."""

    def __init__(self) -> None:
        self.init = Init()
        self.result: Result | None = None
        self.limit: RateLimit | None = None
        self.error = ""
        self.api_error = ""
        self.retries = 0
        self.skipped = 0
        self.noise = ""
        self._messages: dict[str, ModelUsage] = {}
        self._current = ""

    def feed(self, line: bytes) -> None:
        """Take in one line."""
        event = decode(line, Event) if line.lstrip().startswith(b"{") else None
        if event is None or event.type is None:
            self._skip(line)
            return
        match event.type:
            case "result":
                self.result = decode(line, Result)
            case "system":
                self._system(event, line)
            case "rate_limit_event":
                self.limit = event.rate_limit_info or self.limit
            case "assistant":
                self._assistant(event)
            case "stream_event" if event.event is not None:
                self._partial(event.event)
            case _:
                pass

    @property
    def saw_model(self) -> bool:
        """Whether a model took part: the CLI also answers by itself (to a slash command, for one)."""
        return bool(self._messages) or bool(self.result is not None and self.result.consumed)

    def usage(self) -> tuple[ModelUsage, ...]:
        """What was consumed: by the CLI's account, or, where a call cut short left none, by the messages seen."""
        accounted = (self.result.consumed if self.result is not None else None) or {}
        if accounted:
            return tuple(ModelUsage(model, _usage_of(used)) for model, used in accounted.items() if used is not None)
        totals: dict[str, Usage] = {}
        for seen in self._messages.values():
            totals[seen.model_id] = totals.get(seen.model_id, Usage()) + seen.usage
        return tuple(ModelUsage(model, usage) for model, usage in totals.items())

    def cost_usd(self) -> float | None:
        """What the CLI says it cost; None where it does not know of something that was consumed."""
        if self.result is None or (self._messages and not self.result.consumed):
            return None
        return self.result.cost_usd

    def quota(self) -> tuple[QuotaWindow, ...]:
        """The subscription's windows as last reported, the limiting one included."""
        if self.limit is None:
            return ()
        windows = {name: window for name, window in (self.limit.unified_windows or {}).items() if window is not None}
        found = [QuotaWindow(n, w.status or "", used=w.utilization, resets_at=w.resets_at) for n, w in windows.items()]
        name = self.limit.rate_limit_type
        if name and name not in windows:
            found.append(
                QuotaWindow(name, self.limit.status or "", used=self.limit.utilization, resets_at=self.limit.resets_at)
            )
        return tuple(found)

    def _system(self, event: Event, line: bytes) -> None:
        match event.subtype:
            case "init":
                self.init = decode(line, Init) or self.init
            case "api_retry":
                self.retries += 1
            case _:
                pass

    def _assistant(self, event: Event) -> None:
        self.error = event.error or self.error
        self.api_error = event.api_error or self.api_error
        if event.message is not None:
            self._note(event.message)

    def _partial(self, inner: Inner) -> None:
        if inner.message is not None:
            self._current = inner.message.id or ""
            self._note(inner.message)
        elif inner.usage is not None and self._current in self._messages:
            self._note(Message(self._current, self._messages[self._current].model_id, inner.usage))

    def _note(self, message: Message) -> None:
        """Remember what a message consumed. It is told several times, each time with more; the most counts."""
        if not message.id or not message.model or message.model == _SYNTHETIC or message.usage is None:
            return
        told = _api_usage_of(message.usage)
        known = self._messages.get(message.id)
        self._messages[message.id] = ModelUsage(message.model, told if known is None else _most(known.usage, told))

    def _skip(self, line: bytes) -> None:
        self.skipped += 1
        if not self.noise:
            self.noise = line[:500].decode("utf-8", "replace").strip()


def _usage_of(used: Consumed) -> Usage:
    long_lived = min(used.cache_write_1h or 0, used.cache_write or 0)
    return Usage(
        input_tokens=used.input or 0,
        output_tokens=used.output or 0,
        cache_read_tokens=used.cache_read or 0,
        cache_write_5m_tokens=(used.cache_write or 0) - long_lived,
        cache_write_1h_tokens=long_lived,
    )


def _api_usage_of(told: ReportedUsage) -> Usage:
    written = told.cache_creation_input_tokens or 0
    split = told.cache_creation or CacheWrites()
    long_lived = min(split.ephemeral_1h_input_tokens or 0, written)
    return Usage(
        input_tokens=told.input_tokens or 0,
        output_tokens=told.output_tokens or 0,
        cache_read_tokens=told.cache_read_input_tokens or 0,
        cache_write_5m_tokens=written - long_lived,
        cache_write_1h_tokens=long_lived,
    )


def _most(one: Usage, other: Usage) -> Usage:
    return Usage(
        input_tokens=max(one.input_tokens, other.input_tokens),
        output_tokens=max(one.output_tokens, other.output_tokens),
        cache_read_tokens=max(one.cache_read_tokens, other.cache_read_tokens),
        cache_write_5m_tokens=max(one.cache_write_5m_tokens, other.cache_write_5m_tokens),
        cache_write_1h_tokens=max(one.cache_write_1h_tokens, other.cache_write_1h_tokens),
    )
