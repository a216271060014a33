"""What a task may be, whichever way it comes in: some text, not too long, for a tier there is.

Guarantees that what passes can be recorded, sent and shown; each refusal names what was expected and what came.
"""

from dataclasses import dataclass

from symbiont.domain.errors import SymbiontError
from symbiont.domain.task import NewTask
from symbiont.domain.tier import TierTable
from symbiont.domain.wording import did_you_mean, has_visible_text, listed, quoted

MAX_PROJECT_CHARS = 128


@dataclass(frozen=True, slots=True)
class Intake:
    """The rules: one of these tiers, at most so many characters."""

    tiers: TierTable
    max_task_chars: int

    def admit(self, new: NewTask) -> NewTask:
        """The task itself, or a `SymbiontError` about the first thing wrong with it."""
        self._check_text(new.task)
        if new.force_tier is not None:
            self._check_tier(new.force_tier)
        _check_project(new.project)
        return new

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
