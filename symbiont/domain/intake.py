"""What a task may be, whichever way it comes in: some text, not too long, for a tier there is.

Guarantees that what passes can be recorded, sent and shown; each refusal names what was expected and what came.
"""

from dataclasses import dataclass
from typing import Literal

from symbiont.domain.address import url_fault
from symbiont.domain.errors import SymbiontError
from symbiont.domain.task import NewTask
from symbiont.domain.tier import TierTable
from symbiont.domain.wording import did_you_mean, has_visible_text, listed, quoted

MAX_PROJECT_CHARS = 128
MAX_KEY_CHARS = 255
LONGEST_DELAY_S = 31_536_000.0
"""A year: whoever plans further ahead is more likely mistaken in the unit."""
LATEST_MOMENT_S = 253_370_764_800.0
"""The year 9999, the last that can be written down."""

TaskUrls = Literal["none", "https", "http"]
"""Which addresses a task may bring to be told of its end: none, encrypted ones, or any."""


@dataclass(frozen=True, slots=True)
class Intake:
    """The rules: one of these tiers, at most so many characters, such addresses."""

    tiers: TierTable
    max_task_chars: int
    task_urls: TaskUrls = "none"

    def admit(self, new: NewTask) -> NewTask:
        """The task itself, or a `SymbiontError` about the first thing wrong with it."""
        self._check_text(new.task)
        if new.force_tier is not None:
            self._check_tier(new.force_tier)
        _check_project(new.project)
        _check_key(new.key)
        _check_moment(new)
        if new.webhook_url:
            self._check_url(new.webhook_url)
        return new

    def _check_url(self, url: str) -> None:
        """Never shown: an address may be a secret."""
        if self.task_urls == "none":
            raise SymbiontError(
                "WEBHOOK_NOT_ALLOWED",
                "expected a task without a webhook_url, got: one with an address of its own",
                hint="allow_task_urls = true in [webhooks]",
            )
        fault = url_fault(url, allow_http=self.task_urls == "http")
        if fault:
            raise SymbiontError("BAD_VALUE", f"expected webhook_url to be {fault}, got: another value")

    def _check_text(self, text: str) -> None:
        if not has_visible_text(text):
            raise SymbiontError("EMPTY_TASK", f"expected task to be some text, got: {quoted(text)}")
        if len(text) > self.max_task_chars:
            raise self._too_long(len(text))
        if "\0" in text:
            at = text.index("\0") + 1
            raise SymbiontError("BAD_VALUE", f"expected task to be text, got: a NUL as its character {at}")

    def _too_long(self, length: int) -> SymbiontError:
        return SymbiontError(
            "TASK_TOO_LONG",
            f"expected task to be at most {self.max_task_chars} characters, got: {length}",
            hint="raise dispatch.max_task_chars in symbiont.toml, or send less",
            details={"limit": self.max_task_chars, "length": length},
        )

    def _check_tier(self, tier: str) -> None:
        names = self.tiers.names
        if tier not in names:
            raise SymbiontError(
                "UNKNOWN_TIER",
                f"expected force_tier to be {listed(names)}, got: {quoted(tier)}",
                hint=did_you_mean(tier, names),
                details={"tiers": list(names)},
            )


def _check_project(project: str) -> None:
    if len(project) > MAX_PROJECT_CHARS or not project.isprintable():
        expected = f"at most {MAX_PROJECT_CHARS} printable characters"
        raise SymbiontError("BAD_VALUE", f"expected project to be {expected}, got: {quoted(project)}")


def _check_key(key: str) -> None:
    if len(key) > MAX_KEY_CHARS or not key.isprintable() or (key and not key.strip()):
        expected = f"some text of at most {MAX_KEY_CHARS} printable characters"
        raise SymbiontError("BAD_VALUE", f"expected idempotency_key to be {expected}, got: {quoted(key)}")


def _check_moment(new: NewTask) -> None:
    if new.run_at is not None and new.delay_s is not None:
        raise SymbiontError("BAD_VALUE", "expected run_at or delay_s, got: both")
    if new.delay_s is not None and not 0 <= new.delay_s <= LONGEST_DELAY_S:
        message = f"expected delay_s to be 0..{LONGEST_DELAY_S:.0f} seconds, got: {new.delay_s:g}"
        raise SymbiontError("BAD_VALUE", message, hint="run_at takes a moment")
    if new.run_at is not None and not 0 <= new.run_at < LATEST_MOMENT_S:
        raise SymbiontError(
            "BAD_VALUE", f"expected run_at to lie between 1970 and 9999, got: {new.run_at:.0f} s since 1970"
        )
